"""The entry point: what to do with signals is said before anything that takes time is imported."""

import sys

from tuneloop import stopping


def main() -> None:
    stopping.handle(early=True)
    from tuneloop.cli import interrupted
    from tuneloop.cli import main as command

    stopping.handle(early=False)
    try:
        command()
    except KeyboardInterrupt as stop:  # before or after the command itself
        interrupted(stop, sys.argv[1:])


if __name__ == "__main__":
    main()
