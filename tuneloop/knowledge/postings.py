"""The arrays of ``bm25`` from chunks that come one by one: blocks are sorted, put on disk, and merged.

In memory are one block and, of each chunk and each term, a few numbers; the arrays themselves are written where they
are to lie. The result is that of sorting everything at once.
"""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tuneloop.knowledge.bm25 import K1, B, inverse_frequency, term_hash

BLOCK = 4_000_000  # occurrences of terms that are sorted at once: some 100 MB


@dataclass(frozen=True)
class Block:
    """The postings of some chunks, sorted by term, then by chunk. ``ends[i]`` is where those of ``terms[i]`` end."""

    terms: np.ndarray  # uint64
    ends: np.ndarray  # int64
    chunks: np.ndarray  # int64, on disk
    frequency: np.ndarray  # float64, on disk


class Postings:
    """Takes the terms of each chunk in turn, and writes the arrays."""

    def __init__(self, folder: Path, *, k1: float = K1, b: float = B, block: int = BLOCK) -> None:
        """``folder``: where the blocks lie until they are merged."""
        self.k1, self.b, self.most = k1, b, block
        self.folder = tempfile.TemporaryDirectory(dir=folder)
        self.blocks: list[Block] = []
        self.lengths = array("d")
        self._begin()

    def _begin(self) -> None:
        self.hashes, self.rows, self.counts = array("Q"), array("q"), array("d")

    def add(self, fields: Sequence[tuple[Sequence[str], float]]) -> None:
        """The terms of the next chunk by field, each with how much one occurrence counts."""
        number, length = len(self.lengths), 0.0
        for terms, weight in fields:
            self.hashes.extend(map(term_hash, terms))
            self.rows.extend([number] * len(terms))
            self.counts.extend([weight] * len(terms))
            length += weight * len(terms)
        self.lengths.append(length)
        if len(self.hashes) >= self.most:
            self._put_aside()

    def _put_aside(self) -> None:
        hashes, rows, counts = (np.frombuffer(a, a.typecode) for a in (self.hashes, self.rows, self.counts))
        order = np.lexsort((rows, hashes))
        hashes, rows, counts = hashes[order], rows[order], counts[order]
        first = np.flatnonzero(np.r_[True, (hashes[1:] != hashes[:-1]) | (rows[1:] != rows[:-1])][: len(rows)])
        frequency = np.add.reduceat(counts, first) if len(first) else counts
        hashes, rows = hashes[first], rows[first]
        ends = np.r_[np.flatnonzero(hashes[1:] != hashes[:-1]) + 1, len(hashes)]
        self.blocks.append(Block(hashes[ends - 1].copy(), ends, self._kept("chunks", rows), self._kept("f", frequency)))
        self._begin()

    def _kept(self, name: str, values: np.ndarray) -> np.ndarray:
        path = Path(self.folder.name, f"{name}{len(self.blocks)}.npy")
        np.save(path, values, allow_pickle=False)
        return np.load(path, mmap_mode="r", allow_pickle=False)

    def save(self, folder: Path) -> int:
        """Write the arrays into ``folder``; how many terms there are."""
        if len(self.hashes):
            self._put_aside()
        folder.mkdir(exist_ok=True)
        count = len(self.lengths)
        found = [block.terms for block in self.blocks]
        terms = np.unique(np.concatenate(found)) if found else np.zeros(0, np.uint64)
        frequency = np.zeros(len(terms), np.int64)
        for block in self.blocks:
            frequency[np.searchsorted(terms, block.terms)] += np.diff(block.ends, prepend=0)
        starts = np.concatenate([[0], np.cumsum(frequency)]).astype(np.int64)
        np.save(folder / "terms.npy", terms, allow_pickle=False)
        np.save(folder / "starts.npy", starts, allow_pickle=False)
        lengths = np.frombuffer(self.lengths, "d") if count else np.zeros(0)
        mean = lengths.mean() if lengths.sum() else 1.0
        norm, idf = self.k1 * (1 - self.b + self.b * lengths / mean), inverse_frequency(frequency, count)
        chunks, weights = (empty(folder / f"{name}.npy", kind, starts[-1])
                           for name, kind in (("chunks", np.int32), ("weights", np.float32)))  # fmt: skip
        following = starts[:-1].copy()  # of each term, where its next posting goes: blocks come in the order of chunks
        for block in self.blocks:
            columns, sizes = np.searchsorted(terms, block.terms), np.diff(block.ends, prepend=0)
            within = np.arange(len(block.chunks)) - np.repeat(block.ends - sizes, sizes)
            places = np.repeat(following[columns], sizes) + within
            chunks[places] = block.chunks
            times = np.asarray(block.frequency)
            weights[places] = np.repeat(idf[columns], sizes) * times / (times + norm[block.chunks])
            following[columns] += sizes
        for written in (chunks, weights):
            if isinstance(written, np.memmap):
                written.flush()
        self.folder.cleanup()
        return len(terms)


def empty(path: Path, kind: type, size: int) -> np.ndarray:
    """An array on disk to be filled. One without a row cannot be mapped."""
    if not size:
        np.save(path, np.zeros(0, kind), allow_pickle=False)
        return np.zeros(0, kind)
    return mapped(path, kind, (int(size),))


def mapped(path: Path, kind: type, shape: tuple[int, ...]) -> np.memmap:
    """A new array on disk, to be filled in any order. Raises ``OSError`` where there is no room for it: a mapped page
    that finds the disk full would kill the process."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=kind, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array
