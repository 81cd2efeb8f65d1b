"""BM25 in arrays: the score of every term in every chunk is computed when the index is built, and added when searched.

The formula is Lucene's (Kamphuis et al., "Which BM25 do you mean?", ECIR 2020), as in bm25s:
``idf = ln(1 + (N - df + 0.5) / (df + 0.5))`` and ``tf / (tf + k1 (1 - b + b length / mean length))``.
A term is kept as a 64-bit hash, so that the vocabulary is an array as well and opening it reads nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from pathlib import Path

import numpy as np

K1, B = 1.2, 0.75
ARRAYS = ("terms", "starts", "chunks", "weights")


@lru_cache(1 << 18)
def term_hash(term: str) -> int:
    """The number a term is kept as: 64 bits, so that a million terms collide once in 10⁷ indexes."""
    return int.from_bytes(blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


@dataclass(frozen=True)
class BM25:
    """Postings by term: those of ``terms[i]`` lie in ``starts[i]:starts[i + 1]`` of ``chunks`` and ``weights``."""

    terms: np.ndarray  # uint64, sorted
    starts: np.ndarray  # int64, one more than terms
    chunks: np.ndarray  # int32, chunk numbers, ascending within a term
    weights: np.ndarray  # float32
    count: int  # chunks in the index

    @classmethod
    def build(cls, fields: Sequence[tuple[Sequence[Sequence[str]], float]], *, k1: float = K1, b: float = B) -> BM25:
        """An index over fields: each the terms of every chunk, and how much one occurrence there counts."""
        count = len(fields[0][0])
        rows, hashes, counts = gather(fields)
        terms, columns = np.unique(hashes, return_inverse=True)
        order = np.argsort(columns * np.int64(max(count, 1)) + rows, kind="stable")
        columns, rows, counts = columns[order], rows[order], counts[order]
        first = np.flatnonzero(np.r_[True, (columns[1:] != columns[:-1]) | (rows[1:] != rows[:-1])][: len(rows)])
        frequency = np.add.reduceat(counts, first) if len(first) else counts
        lengths = np.bincount(rows, weights=counts, minlength=count)
        columns, rows = columns[first], rows[first]
        document_frequency = np.bincount(columns, minlength=len(terms))
        mean = lengths.mean() if lengths.sum() else 1.0
        norm = k1 * (1 - b + b * lengths / mean)
        weights = inverse_frequency(document_frequency, count)[columns] * frequency / (frequency + norm[rows])
        starts = np.concatenate([[0], np.cumsum(document_frequency)]).astype(np.int64)
        return cls(terms, starts, rows.astype(np.int32), weights.astype(np.float32), count)

    def save(self, folder: Path) -> None:
        """Write the arrays, without pickle, into ``folder``."""
        folder.mkdir(exist_ok=True)
        for name in ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path, count: int) -> BM25:
        """The arrays of ``folder``, mapped into memory and not read."""
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ARRAYS}
        return cls(**arrays, count=count)

    def scores(self, terms: Sequence[str], weights: Sequence[float] | np.ndarray | None = None) -> np.ndarray:
        """Every chunk's score for a query's terms, each counted once or ``weights`` times; float32."""
        scores = np.zeros(self.count, dtype=np.float32)
        for number, position in enumerate(self.positions(terms)):
            if position >= 0:
                part = slice(self.starts[position], self.starts[position + 1])
                weight = np.float32(1.0 if weights is None else weights[number])
                scores[self.chunks[part]] += self.weights[part] * weight
        return scores

    def positions(self, terms: Sequence[str]) -> np.ndarray:
        """Where each term stands in the vocabulary; -1 for one that no chunk has."""
        hashes = np.fromiter(map(term_hash, terms), dtype=np.uint64, count=len(terms))
        found = np.searchsorted(self.terms, hashes)
        if not len(self.terms):
            return np.full(len(terms), -1)
        known = self.terms[np.minimum(found, len(self.terms) - 1)] == hashes
        return np.where(known, found, -1)

    def idf(self, terms: Sequence[str]) -> np.ndarray:
        """How telling each term is: ``ln(1 + (N - df + 0.5) / (df + 0.5))``; the most for an unknown one."""
        positions = self.positions(terms)
        frequency = np.where(positions >= 0, self.starts[positions + 1] - self.starts[positions], 0)
        return inverse_frequency(frequency, self.count)


def inverse_frequency(document_frequency: np.ndarray, count: int) -> np.ndarray:
    return np.log1p((count - document_frequency + 0.5) / (document_frequency + 0.5))


def gather(fields: Sequence[tuple[Sequence[Sequence[str]], float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Chunk number, term hash and weight of every occurrence in every field."""
    rows, hashes, counts = [], [], []
    for texts, weight in fields:
        lengths = [len(terms) for terms in texts]
        total = sum(lengths)
        rows.append(np.repeat(np.arange(len(texts)), lengths))
        hashes.append(np.fromiter((term_hash(t) for t in chain.from_iterable(texts)), dtype=np.uint64, count=total))
        counts.append(np.full(total, weight))
    return np.concatenate(rows), np.concatenate(hashes), np.concatenate(counts)
