"""Problems that the user can fix: what was wrong, where, and what to do.

Everything that is not a ``TuneloopError`` is a bug, and its traceback is kept on the run.
"""

from typing import Any

from tuneloop.language import CHINESE, _, current_language, kept, labelled, retold, speaking

# How a command ends; the guide says the same in its chapter on runs.
DONE = 0  # all of it
BUG = 1  # of Tuneloop
UNDONE = 2  # nothing was made, and whoever asked can mend it
INCOMPLETE = 3  # made, and something that should have been read or kept was not: it is named
STOPPED = 130  # by Ctrl-C; by SIGTERM 143, see ``stopping``


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

    def kept(self) -> dict[str, Any]:
        """The parts of it as JSON, for ``told_again`` in whatever language a reader has."""
        return {"message": kept(self.message), "where": self.where, "hint": kept(self.hint)}


def failure(error: TuneloopError) -> dict[str, Any]:
    """What a run keeps of an error that the user can mend: the line, and its parts for readers of another language."""
    return {"message": str(error), "kind": "user", "told": error.kept()}


def told_again(error: dict[str, Any], language: str | None = None) -> str:
    """The line of a run's error in the user's language; of a run of an older version as much as can be told."""
    if not (told := error.get("told")):
        return retold(str(error.get("message")), language)
    message, hint = retold(told["message"], language), retold(told.get("hint", ""), language)
    with speaking(language or current_language()):
        return str(TuneloopError(message, where=told.get("where", ""), hint=hint))


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
    """A package of an optional extra, or with ``""`` of the core itself, is not installed."""

    status = 501

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(
            _("this needs the package {package!r}, which is not installed").format(package=package),
            hint=_("Install it with: {command}").format(
                command=f"pip install 'tuneloop[{extra}]'" if extra else f"pip install {package}"
            ),
        )


class Cancelled(TuneloopError):
    """The run was cancelled by its user."""

    status = 409
