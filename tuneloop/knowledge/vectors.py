"""Vectors that outlive a kill: each is appended to a file under the digest of its text, and never computed twice."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np

from tuneloop.knowledge.embedding import Embedder

MAGIC = b"tlvec1\0\0"
DIGEST = 16
BATCH = 32


class VectorFile:
    """A file of (digest, float32 vector) rows behind a header that tells their length. A torn last row is dropped."""

    def __init__(self, path: Path) -> None:
        self.rows: dict[bytes, np.ndarray] = {}
        self.dimensions = 0
        self.file: IO[bytes] = path.open("r+b" if path.exists() else "w+b")
        self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()

    def add(self, digests: Sequence[bytes], vectors: np.ndarray) -> None:
        """Append rows and hand them to the operating system."""
        if not self.dimensions:
            self.dimensions = vectors.shape[1]
            self.file.write(MAGIC + struct.pack("<I", self.dimensions))
        for digest, vector in zip(digests, vectors, strict=True):
            self.rows[digest] = vector
            self.file.write(digest + vector.astype("<f4").tobytes())
        self.file.flush()

    def _read(self) -> None:
        data = self.file.read()
        start = len(MAGIC) + 4
        if len(data) >= start and data.startswith(MAGIC):
            (self.dimensions,) = struct.unpack_from("<I", data, len(MAGIC))
        size = DIGEST + 4 * self.dimensions
        end = start if self.dimensions else 0
        while self.dimensions and end + size <= len(data):
            self.rows[data[end : end + DIGEST]] = np.frombuffer(data, "<f4", self.dimensions, end + DIGEST)
            end += size
        self.file.seek(end)
        self.file.truncate()


def embed(
    embedder: Embedder, texts: Sequence[str], kept: Path, progress: Callable[[int, int], None], *, batch: int = BATCH
) -> np.ndarray:
    """The vectors of ``texts``, one row each; those that ``kept`` holds already are not computed again."""
    digests = [sha256(text.encode("utf-8", "surrogatepass")).digest()[:DIGEST] for text in texts]
    with VectorFile(kept) as file:
        todo = {digest: text for digest, text in zip(digests, texts, strict=True) if digest not in file.rows}
        done = len(set(digests)) - len(todo)
        total = done + len(todo)
        progress(done, total)
        keys = list(todo)
        for start in range(0, len(keys), batch):
            part = keys[start : start + batch]
            file.add(part, embedder.passages([todo[key] for key in part]))
            progress(done + start + len(part), total)
        return np.stack([file.rows[digest] for digest in digests])
