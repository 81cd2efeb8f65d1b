"""Room on the disk: whether there is any, and a reserve that is given up when there is none.

To remove something, the database must record it, and that takes some room itself.
"""

import contextlib
import fcntl
import os
import time
from pathlib import Path

from tuneloop import permissions

LITTLE = 2**20  # bytes: with less than that free, a disk is full
RESERVE_BYTES = 2**18


def is_full(folder: Path) -> bool:
    """Whether the disk with this folder has next to nothing free, or no more places for files."""
    facts = os.statvfs(folder)
    return facts.f_bavail * facts.f_frsize < LITTLE or (facts.f_files > 0 and facts.f_favail == 0)


class Reserve:
    """A file of no use but to be given up."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def keep(self) -> None:
        """See that it is there, where the disk has room for it. Without it all else still works."""
        if not self.is_whole() and not is_full(self.path.parent):
            self.take_back()

    def is_whole(self) -> bool:
        return self.path.exists() and self.path.stat().st_size >= RESERVE_BYTES

    def take_back(self) -> None:
        """Make it of what room there is."""
        with contextlib.suppress(OSError):
            self.fill()

    def fill(self) -> None:
        """Make it. Raises ``OSError``, and then leaves what there was room for."""
        permissions.touch(self.path)
        self.path.write_bytes(os.urandom(RESERVE_BYTES))  # zeros take no room where a file system compresses

    def give_up(self) -> None:
        """Make its room free."""
        with contextlib.suppress(OSError):
            self.path.unlink()


class Turn:
    """The right to be the only one of its sort in a folder, for as long as the process lives or until ``end``.

    The lock is on the folder itself: a full disk may have no place for a file to lock.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        """Wait for it, at most so long; without it, whoever comes first to what is at stake has it."""
        self.descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.02)
                continue
            except OSError:  # a file system without locks
                pass
            break

    def end(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
