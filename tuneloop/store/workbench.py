"""Where an attempt at a run works: a folder of its own, taken over with all that the attempt before it kept.

An attempt that has lost its run, and does not know it yet, must not write where the next one reads. The next one takes
the folder away by giving it its own name, so what the other opens from then on is not there.
"""

import shutil
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tuneloop import permissions
from tuneloop.store.database import alone, runs
from tuneloop.store.holder import RunLost

KEPT = "kept"  # checkpoints; version 0.1 had it in the folder of the work itself


def bench(work: Path, run: str, attempt: int) -> Path:
    """The folder of an attempt, in the folder of its work. They sort by age."""
    return work / f"{run}-{attempt:06}"


def take_over(engine: Engine, work: Path, run: str, attempt: int) -> Path:
    """The folder of an attempt, with what the newest before it left. Raises ``RunLost`` where it is not the newest.

    One run of a work is live at a time, so any other folder is of one that has ended, or that has lost its run.
    """
    mine = bench(work, run, attempt)
    with alone(engine) as connection:
        check_held(connection, run, attempt)
        permissions.make_folder(work)
        others = sorted(path for path in work.iterdir() if path.is_dir() and path.name not in (mine.name, KEPT))
        if others and not mine.exists():
            others.pop().rename(mine)
        permissions.make_folder(mine)
        if (work / KEPT).is_dir() and not (mine / KEPT).exists():
            (work / KEPT).rename(mine / KEPT)
        for path in others:
            shutil.rmtree(path, ignore_errors=True)
    return mine


def check_held(connection: sa.Connection, run: str, attempt: int) -> None:
    """Raise ``RunLost`` where a run is not, or no longer, that of its attempt."""
    held = (runs.c.id == run, runs.c.state == "running", runs.c.attempts == attempt)
    if connection.scalar(sa.select(runs.c.id).where(*held)) is None:
        raise RunLost(run)


def clear(bench: Path) -> None:
    """Remove the folder of an attempt that is done, and that of its work, unless another is at work there."""
    shutil.rmtree(bench, ignore_errors=True)
    try:
        bench.parent.rmdir()
    except OSError:
        pass
