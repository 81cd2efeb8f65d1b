"""Room on the disk: whether there is any, and a reserve that is given up when there is none.

To remove something, the database must record it, and that takes some room itself.
"""

import contextlib
import os
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
        if not self.path.exists() and not is_full(self.path.parent):
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
