"""Files that nobody but their owner may read: a folder is 0700 and a file 0600, whatever the umask says.

A child process gets the umask ``UMASK``; what this process makes itself goes through here.
"""

import contextlib
import os
import stat
from pathlib import Path
from typing import IO

UMASK = 0o077
FOLDER, FILE = 0o700, 0o600
OTHERS = 0o077  # what group and others may do


def make_folder(path: Path) -> None:
    """A folder of our own, with those above it that are missing. Raises ``OSError``."""
    if not path.is_dir():
        missing = [place for place in (path, *path.parents) if not place.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for place in missing:
            place.chmod(FOLDER)


def open_append(path: Path) -> IO[bytes]:
    """A file to append to, made with 0600 where it is not there. Raises ``OSError``."""
    return os.fdopen(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, FILE), "ab")


def touch(path: Path) -> None:
    """See that there is a file, made with 0600. Raises ``OSError``.

    One that is there is not opened: closing it would give up every lock that this process has on it, SQLite's too, and
    the next process to leave would remove the write-ahead log under our feet.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE))


def is_open(path: Path) -> bool:
    """Whether this file or folder is ours, and group or others may do anything with it."""
    try:
        facts = path.lstat()
    except OSError:
        return False
    return facts.st_uid == os.geteuid() and not stat.S_ISLNK(facts.st_mode) and bool(facts.st_mode & OTHERS)


def close(path: Path) -> None:
    """Take what group and others may do, where the file or folder is ours; left as it is where the system refuses."""
    if is_open(path):
        try:
            path.chmod(stat.S_IMODE(path.lstat().st_mode) & ~OTHERS)
        except OSError:
            return


def close_tree(folder: Path) -> None:
    """The same for a folder with all that is in it. A file with a second name belongs to somebody else as well."""
    close(folder)
    for place, folders, files in os.walk(folder):
        for name in folders:
            close(Path(place, name))
        for name in files:
            path = Path(place, name)
            if is_open(path) and path.lstat().st_nlink == 1:
                close(path)
