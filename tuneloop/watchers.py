"""Who waits for which work. Commands that ask for the same work share its run; the last to leave cancels it."""

from __future__ import annotations

import fcntl
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuneloop import permissions


class Watchers:
    """Who waits for which work: each holds a lock on a file of its own, so the kernel knows who lives.

    Joining, leaving and asking who is there are done ``alone``: of two that leave at once, one knows it is the last.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While the block runs, nobody else is in such a block. They do not nest."""
        permissions.make_folder(self.folder)
        with permissions.open_append(self.folder / "lock") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def watching(self, key: str) -> Iterator[Path]:
        """Count as a watcher of the work with this key until the block ends, or the yielded file is removed."""
        path = self.folder / f"{key[:32]}-{secrets.token_hex(8)}"
        with self.alone():
            file = permissions.open_append(path)
            fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)
            file.close()

    def living(self, key: str) -> bool:
        """Whether anybody watches the work with this key. To be asked alone."""
        return any(is_locked(path) for path in self.folder.glob(f"{key[:32]}-*"))

    def wish(self, run: str) -> Path:
        """The file that is there while a run is wanted though nobody watches: it was only queued, as by REST."""
        return self.folder / f"wanted-{run}"


def is_locked(path: Path) -> bool:
    """Whether the watcher with this file lives; the file of a dead one is removed."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    path.unlink(missing_ok=True)
    return False
