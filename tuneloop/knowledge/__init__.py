"""What the documents say, found: an index of passages searched by words and by meaning."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuneloop.knowledge.index import Index
    from tuneloop.knowledge.search import Knowledge, Passage

__all__ = ["Index", "Knowledge", "Passage", "open_index"]


def open_index(folder: Path, **options: Any) -> Knowledge:
    """The index in ``folder``, mapped into memory: see ``Knowledge``."""
    from tuneloop.knowledge.search import Knowledge

    return Knowledge(folder, **options)


def __getattr__(name: str) -> Any:  # numpy and pyarrow wait until an index is opened
    if name == "Index":
        from tuneloop.knowledge.index import Index

        return Index
    if name in ("Knowledge", "Passage"):
        from tuneloop.knowledge import search

        return getattr(search, name)
    raise AttributeError(name)
