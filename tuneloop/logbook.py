"""What a log file may hold: words of our own, what kind of failure it was and where; never what a person wrote.

The text of an exception, the arguments of others' log lines and the rows of a statement may be a question, a key or a
document. They are left out by leaving out everything that is not known to be ours, and not by looking for secrets.
"""

import contextlib
import errno
import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

OURS = ("tuneloop",)  # loggers whose whole lines are ours
FIXED = ("uvicorn",)  # loggers whose templates are known to hold nothing of a request; what is filled in may
DEEPEST = 8  # exceptions of a chain
LOGGER = logging.getLogger("tuneloop")


class Formatter(logging.Formatter):
    """A record as a line, with the places of its exception below."""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{self.formatTime(record)} {record.levelname} {words(record)}"
        return "\n".join([line, *places(record.exc_info[1] if record.exc_info else None)])


def words(record: logging.LogRecord) -> str:
    """What a record says; of others' no more than who spoke where."""
    family = record.name.partition(".")[0]
    if family in OURS:
        return record.getMessage()
    said = f": {record.msg.strip()}" if family in FIXED and isinstance(record.msg, str) else ""
    return f"{record.name} ({Path(record.pathname).name}:{record.lineno}){said}"


def places(error: BaseException | None) -> list[str]:
    """An exception after those that led to it: the places in the code, then its kind."""
    lines: list[str] = []
    for one in reversed(list(chain(error))):
        frames = traceback.extract_tb(one.__traceback__)
        lines += [f"    {where(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames]
        lines.append(f"  {kind(one)}")
    return lines


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and its causes, the latest first."""
    for _depth in range(DEEPEST):
        if error is None:
            return
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def kind(error: BaseException) -> str:
    """The class of an exception, and the code that the system or the database gives it."""
    name, inner = type(error).__name__, getattr(error, "orig", error)
    number = getattr(inner, "errno", None)
    code = errno.errorcode.get(number) if isinstance(number, int) else None
    code = code or getattr(inner, "sqlite_errorname", None) or getattr(inner, "sqlstate", None)
    return f"{name} ({code})" if isinstance(code, str) else name


def where(file: str) -> str:
    """The last three parts of a path: what is above them may name a person."""
    return "/".join(Path(file).parts[-3:])


def report(error: BaseException, stream: TextIO | None = None) -> None:
    """Write where an exception came from to standard error, if the disk has room for it."""
    with contextlib.suppress(OSError):
        print("\n".join(places(error)), file=stream or sys.stderr, flush=True)


def keep_private(level: int = logging.WARNING) -> None:
    """What this process logs, warns of or fails with is from now on safe to keep in a file.

    For servers, and for the children that execute runs: their standard error is a file.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.raiseExceptions = False  # a bad log line would be printed with its arguments
    sys.excepthook = uncaught
    threading.excepthook = lambda hook: uncaught(hook.exc_type, hook.exc_value, hook.exc_traceback)
    sys.unraisablehook = lambda hook: uncaught(hook.exc_type, hook.exc_value, hook.exc_traceback)
    warnings.showwarning = warned


def uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if not issubclass(kind, SystemExit):
        LOGGER.error("uncaught", exc_info=error or kind())


def warned(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_more: Any) -> None:
    LOGGER.warning("%s at %s:%d", category.__name__, where(filename), lineno)


def is_private() -> bool:
    """Whether ``keep_private`` was called here."""
    return sys.excepthook is uncaught
