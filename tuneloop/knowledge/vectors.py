"""Vectors by what they are of: each is kept in the workspace under the digest of its text and of what embedded it.

So a page that changed costs the embedding of its own passages, and a kill costs nothing. SQLite lets several processes
read and write; a file beside the workspace's database that is safe to delete and slow to fill again.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np

from tuneloop.knowledge.embedding import Embedder
from tuneloop.knowledge.postings import mapped

BATCH = 32  # texts that are embedded together
MOST = 4 << 30  # bytes that are kept
SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    digest BLOB PRIMARY KEY, vector BLOB NOT NULL, made REAL NOT NULL, used REAL NOT NULL
) WITHOUT ROWID
"""


class Vectors:
    """What one embedder has made, by the digest of the text. ``since``: what was made before counts for nothing."""

    def __init__(self, path: Path, embedder: str, *, since: float = 0.0, most: int = MOST) -> None:
        """``embedder``: all that a vector depends on beside the text."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.embedder, self.since, self.most = path, embedder.encode(), since, most
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # it is locked, or the disk is full: it is not broken
                raise
            path.unlink(missing_ok=True)
            self._open()

    def _open(self) -> None:
        self.database = sqlite3.connect(self.path, timeout=60)
        self.database.execute(SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        with contextlib.suppress(sqlite3.Error):
            self.prune()
        self.database.close()

    def digest(self, text: str) -> bytes:
        return sha256(self.embedder + b"\0" + text.encode("utf-8", "surrogatepass")).digest()

    def find(self, digests: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        """Those that are kept, float32."""
        marks = ",".join("?" * len(digests))
        asked = f"SELECT digest, vector FROM vectors WHERE digest IN ({marks}) AND made >= ?"
        rows = self.database.execute(asked, (*digests, self.since)).fetchall()
        if rows:
            now = f"UPDATE vectors SET used = ? WHERE digest IN ({marks})"
            with self.database:
                self.database.execute(now, (time.time(), *digests))
        return {digest: np.frombuffer(vector, "<f4") for digest, vector in rows}

    def add(self, digests: Sequence[bytes], vectors: np.ndarray) -> None:
        now = time.time()
        rows = [(d, v.astype("<f4").tobytes(), now, now) for d, v in zip(digests, vectors, strict=True)]
        with self.database:
            self.database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", rows)

    def prune(self) -> None:
        """Forget what has not been asked for longest, where more is kept than may be."""
        size, free, page = (
            self.database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        kept = (size - free) * page
        if kept <= self.most:
            return
        (count,) = self.database.execute("SELECT count(*) FROM vectors").fetchone()
        oldest = "DELETE FROM vectors WHERE digest IN (SELECT digest FROM vectors ORDER BY used LIMIT ?)"
        with self.database:
            self.database.execute(oldest, (int(count * (1 - 0.8 * self.most / kept)),))
        self.database.execute("VACUUM")


def write(
    path: Path, count: int, texts: Iterable[str], embedder: Embedder, kept: Vectors,
    progress: Callable[[int, int], None], *, batch: int = BATCH,
) -> int:  # fmt: skip
    """Write the vectors of ``count`` texts into a file, one row each, and return how many dimensions they have.

    Those that are kept already are not computed again. In memory is one batch.
    """
    matrix: np.memmap | None = None
    done = 0
    progress(done, count)
    for part in batches(texts, batch):
        digests = [kept.digest(text) for text in part]
        known = kept.find(digests)
        missing = {digest: text for digest, text in zip(digests, part, strict=True) if digest not in known}
        if missing:
            made = embedder.passages(list(missing.values())).astype(np.float32)
            kept.add(list(missing), made)
            known |= dict(zip(missing, made, strict=True))
        rows = np.stack([known[digest] for digest in digests])
        if matrix is None:
            matrix = mapped(path, np.float32, (count, rows.shape[1]))
        matrix[done : done + len(part)] = rows
        done += len(part)
        progress(done, count)
    assert matrix is not None and done == count, "there is at least one text"
    matrix.flush()
    return matrix.shape[1]


def batches(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    source = iter(texts)
    while part := list(islice(source, size)):
        yield part
