"""SIGINT and SIGTERM of a command. Nothing is imported here that takes time: handlers come before all else.

Until the command line is there, nothing was begun and the process leaves at once: an exception in the middle of an
import may be swallowed or turned into another. From then on both are exceptions, and SIGTERM can be told from Ctrl-C.
"""

import contextlib
import os
import signal
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM: whatever Ctrl-C would end in order ends in the same way."""


def leave_at_once(signum: int, frame: FrameType | None) -> None:
    words = "Stopped before anything was begun."
    with contextlib.suppress(Exception):  # the very module may be half-way imported
        from tuneloop.language import _

        words = _("Stopped before anything was begun.")
    with contextlib.suppress(OSError):
        os.write(2, f"{words}\n".encode())
    os._exit(128 + signum)


def terminate(signum: int, frame: FrameType | None) -> None:
    raise Terminated


def handle(early: bool) -> None:
    """Handle both; one that whoever started us has told to ignore stays ignored."""
    later = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: terminate}
    for number, handler in later.items():
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, leave_at_once if early else handler)


def status(error: BaseException | None) -> int:
    """The exit status of a command that was stopped: by SIGTERM 143, by Ctrl-C 130. Click wraps what stopped it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__
    return 128 + (signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT)
