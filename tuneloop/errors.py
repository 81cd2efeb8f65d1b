"""Problems that the user can fix: what was wrong, where, and what to do.

Everything that is not a ``TuneloopError`` is a bug, and its traceback is kept on the run.
"""

from tuneloop.language import CHINESE, _, current_language, labelled

# How a command ends; the guide says the same in its chapter on runs.
DONE = 0  # all of it
BUG = 1  # of Tuneloop
UNDONE = 2  # nothing was made, and whoever asked can mend it
INCOMPLETE = 3  # made, and something that should have been read or kept was not: it is named
STOPPED = 130  # by Ctrl-C
TERMINATED = 143  # by SIGTERM, as when a machine shuts down


class Terminated(KeyboardInterrupt):
    """SIGTERM came: what is under way stops as with Ctrl-C."""


def stop_status(stop: BaseException | None) -> int:
    """How a command ends that was stopped in this way."""
    return TERMINATED if isinstance(stop, Terminated) else STOPPED


class TuneloopError(Exception):
    """A problem the user can fix.

    ``message`` says what was wrong, ``where`` says in which file, line, row or field, and ``hint`` what to do.
    ``str()`` of it is one line.
    """

    status = 400  # the HTTP status that REST answers with

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message, self.where, self.hint = message, where, hint

    def __str__(self) -> str:
        line = labelled(self.where, self.message) if self.where else self.message
        if self.hint:
            chinese = not self.hint[0].isascii() or (current_language() == "zh" and CHINESE.search(line))
            line = f"{line.rstrip('.。')}{'。' if chinese else '. '}{self.hint}"
        return " ".join(line.split())


class NotFound(TuneloopError):
    """Something named by the user is not there."""

    status = 404


class NoWorkspace(NotFound):
    """There is no workspace to read."""


class Conflict(TuneloopError):
    """Something else holds what is needed: a port, a lock, a name."""

    status = 409


class Denied(TuneloopError):
    """The caller has no key, or its key may not do this."""

    status = 401


class MissingExtra(TuneloopError):
    """A package of an optional extra is not installed."""

    status = 501

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(
            _("this needs the package {package!r}, which is not installed").format(package=package),
            hint=_("Install it with: {command}").format(command=f"pip install 'tuneloop[{extra}]'"),
        )


class Cancelled(TuneloopError):
    """The run was cancelled by its user."""

    status = 409
