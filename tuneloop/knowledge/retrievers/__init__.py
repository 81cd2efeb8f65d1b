"""How an index is searched: each way a file of its own, chosen by ``index --retriever NAME`` and kept in the index.

A package adds one through the entry point group ``tuneloop.retrievers``: ``name = module:RETRIEVER``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from tuneloop.doors import Door
from tuneloop.language import _

if TYPE_CHECKING:
    from tuneloop.knowledge.query import Query

DEFAULT = "fused"
BUILT_IN = {name: f"tuneloop.knowledge.retrievers.{name}:RETRIEVER" for name in (DEFAULT, "words", "meaning")}


@runtime_checkable
class Retriever(Protocol):
    """Ranks the chunks of an index. Called in threads, several at once."""

    needs_vectors: bool  # whether an index without them cannot be searched so

    def retrieve(self, query: Query, k: int) -> Sequence[tuple[int, float]]:
        """The best chunks, at most ``k``: each by its place in the index and a finite score, best first.

        ``query.words`` and ``query.cosines`` are scores of every chunk; ``query.index.chunk(place)`` reads one.
        """
        ...


def check_retriever(name: str, part: Any) -> None:
    """Raise ``ValueError`` where a part is no retriever."""
    if isinstance(part, type) or not isinstance(part, Retriever):
        raise ValueError(_("it is no object with needs_vectors and retrieve"))


def absent(name: str) -> str:
    return _("there is no retriever {name!r}").format(name=name)


RETRIEVERS: Door[Retriever] = Door("tuneloop.retrievers", BUILT_IN, check=check_retriever, absent=absent)
