"""What has come before, among more keys than should be held in memory: a table in a file that nobody else opens."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Self

CACHE = 16 << 10  # KiB of the file in memory


class Seen:
    """A map from keys to what is noted of them, on disk and only for now. Use as a context manager.

    Keys are any text: those that no database takes are kept by their bytes.
    """

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self.path = path
        self.database = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", f"cache_size=-{CACHE}"):
            self.database.execute(f"PRAGMA {pragma}")
        self.database.execute("CREATE TABLE seen (key BLOB PRIMARY KEY, note BLOB) WITHOUT ROWID")
        self.database.execute("BEGIN")

    def add(self, key: str, note: str = "") -> bool:
        """Keep a key; ``False`` where it was there, with the note that it has. Raises ``OSError`` on a full disk."""
        try:
            found = self.database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (as_bytes(key), as_bytes(note)))
        except sqlite3.OperationalError as error:
            if "full" in str(error):
                raise OSError(errno.ENOSPC, str(error)) from error
            raise
        return found.rowcount == 1

    def note(self, key: str) -> str:
        """What was noted of a key; "" where it has not come."""
        row = self.database.execute("SELECT note FROM seen WHERE key = ?", (as_bytes(key),)).fetchone()
        return row[0].decode("utf-8", "surrogatepass") if row else ""

    def __contains__(self, key: str) -> bool:
        return self.database.execute("SELECT 1 FROM seen WHERE key = ?", (as_bytes(key),)).fetchone() is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self.database.close()
        self.path.unlink(missing_ok=True)


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
