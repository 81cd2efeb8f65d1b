"""The entry point. Ctrl-C and a terminate are answered from the first moment, also while the program is loading."""

import signal
import sys
from types import FrameType
from typing import NoReturn


def main() -> None:
    """Run the command that was typed."""
    signal.signal(signal.SIGTERM, terminated)
    try:
        from tuneloop.cli import main as command_line
    except KeyboardInterrupt as stop:
        leave(stop)
    command_line()


def terminated(_signal: int, _frame: FrameType | None) -> NoReturn:
    from tuneloop.errors import Terminated

    raise Terminated


def leave(stop: KeyboardInterrupt) -> NoReturn:
    """End before any work was begun."""
    from tuneloop.errors import stop_status
    from tuneloop.language import _

    print(_("Stopped."), file=sys.stderr)
    sys.exit(stop_status(stop))


if __name__ == "__main__":
    main()
