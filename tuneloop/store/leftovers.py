"""What lies in the scratch folder after its time: checkpoints of runs that failed, and what was never whole.

A run that is under way loses nothing: whether there is one is asked under the locks with which a run is taken, and what
it would work in is moved aside under them.
"""

import contextlib
import secrets
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tuneloop.store.artifacts import REMOVED
from tuneloop.store.database import LIVE, alone, runs
from tuneloop.store.holder import is_gone

DAY = 86400.0  # seconds
MINUTE = 60.0  # after which whatever moved an artifact aside has recorded it, or put it back


class Leftovers:
    """The scratch folder of a workspace, seen by who wants room.

    ``old``: what nobody waits for: of runs that ended over a day ago. ``young``: what the same command would continue
    from: of runs that failed or were stopped since, or whose process on this machine is dead.
    """

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.folder, self.engine = folder, engine
        with engine.connect() as connection:
            under_way, waiting = self._keys(connection, dead=False), self._keys(connection, dead=True)
        there = sorted(path for path in folder.iterdir() if path.name not in under_way)
        self.old = [path for path in there if path.name not in waiting and is_old(path)]
        self.young = [path for path in there if path not in self.old and not path.name.startswith(REMOVED)]

    def clear(self, *, young: bool) -> tuple[int, int]:
        """Remove what is old, or all: how many that were, and their bytes."""
        sizes = [self._remove(path) for path in (*self.old, *(self.young if young else ()))]
        gone = [size for size in sizes if size is not None]
        return len(gone), sum(gone)

    def _remove(self, path: Path) -> int | None:
        """Remove one, unless a run has been taken up that works in it; then ``None``."""
        aside = self.folder / f"{REMOVED}{secrets.token_hex(8)}"
        with alone(self.engine) as connection:
            if path.name in self._keys(connection, dead=path in self.old):
                return None
            with contextlib.suppress(FileNotFoundError):
                path.replace(aside)
        freed = size_of([aside])
        shutil.rmtree(aside, ignore_errors=True)
        return freed

    def _keys(self, connection: sa.Connection, *, dead: bool) -> set[str]:
        """The names of the scratch folders of runs that are queued or under way; ``dead``: and of those that no process
        has any more. They are held until the transaction ends. Only its own place knows that a process is gone.
        """
        rows = connection.execute(sa.select(runs).where(runs.c.state.in_(LIVE)).with_for_update())
        return {row.key[:32] for row in rows if dead or row.state != "running" or not is_gone(row, self.folder.parent)}


def is_old(path: Path) -> bool:
    """Whether nobody waits for it any more, as far as its times tell; moving a folder changes only the second."""
    try:
        facts = path.stat()
        parts = [part.stat().st_mtime for part in path.iterdir()] if path.is_dir() else []
    except FileNotFoundError:
        return False
    if path.name.startswith(REMOVED):
        return time.time() - max(facts.st_mtime, facts.st_ctime) > MINUTE
    return time.time() - max(facts.st_mtime, *parts, 0.0) > DAY


def size_of(paths: Iterable[Path]) -> int:
    """The bytes of all files in some folders."""
    total = 0
    for path in paths:
        for file in path.rglob("*"):
            with contextlib.suppress(OSError):  # it has gone meanwhile
                total += file.lstat().st_size if file.is_file() else 0
    return total
