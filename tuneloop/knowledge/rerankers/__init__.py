"""What orders the passages that a search found by reading each beside the question: ``index --reranker NAME:WHAT``.

Built in is ``endpoint``, a server with ``/rerank``. A package adds one through the entry point group
``tuneloop.rerankers``: ``name = module:open``. What stands behind the colon is its own: a model, a server, nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from tuneloop.doors import Door
from tuneloop.errors import TuneloopError
from tuneloop.language import _

if TYPE_CHECKING:
    from tuneloop.settings import Settings

BUILT_IN = {"endpoint": "tuneloop.knowledge.rerankers.endpoint:EndpointReranker"}


class Reranker(Protocol):
    """Reads passages beside a question. Called in threads, several at once."""

    def scores(self, query: str, passages: Sequence[str]) -> Sequence[float]:
        """How well each passage answers the query: a finite number for each, in their order; more is better."""
        ...


Opener = Callable[[str, "Settings"], Reranker]  # what stands behind the colon, or ""; raises TuneloopError; loads later


def check_reranker_part(name: str, part: Any) -> None:
    """Raise ``ValueError`` where a part opens nothing."""
    if not callable(part):
        raise ValueError(_("it is not a function of a text and the settings"))


def absent(name: str) -> str:
    return _("there is no reranker {name!r}").format(name=name)


RERANKERS: Door[Opener] = Door("tuneloop.rerankers", BUILT_IN, check=check_reranker_part, absent=absent)


def part_of(reranker: str) -> str:
    """The name of the door's part: ``endpoint`` of ``endpoint:local``."""
    return reranker.partition(":")[0]


def open_reranker(reranker: str, settings: Settings) -> Reranker:
    """The reranker behind ``NAME`` or ``NAME:WHAT``. Raises ``TuneloopError`` where it is not to be had."""
    name, _colon, what = reranker.partition(":")
    part = RERANKERS.find(name)
    with RERANKERS.blamed(name):
        opened = part(what, settings)
        if not callable(getattr(opened, "scores", None)):
            raise TypeError("what it opens has no scores")
        return opened


def check_reranker(reranker: str, settings: Settings) -> None:
    """Raise where there is no such reranker, before anything is indexed."""
    if reranker:
        try:
            open_reranker(reranker, settings)
        except TuneloopError as error:
            error.where = error.where or "reranker"
            raise
