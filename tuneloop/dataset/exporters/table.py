"""A table for people: a question and its answer a line, with the page that it is from."""

from __future__ import annotations

from tuneloop.dataset.exporters import Exporter, NoPlace, Row
from tuneloop.dataset.exporters.alpaca import exchanges
from tuneloop.language import stored
from tuneloop.records import Example, Source

COLUMNS = ("id", "system", "question", "answer", "page", "answerable")


def row(example: Example) -> Row:
    system, pairs = exchanges(example.messages)
    if len(pairs) > 1:
        raise NoPlace(stored("more than one question has no place in it"))
    answerable = "" if example.answerable else "false"
    return dict(zip(COLUMNS, (example.id, system, *pairs[0], page(example), answerable), strict=True))


def page(example: Example) -> str:
    return "; ".join(dict.fromkeys(source.name for source in example.sources if source.name))


def partly(example: Example) -> list[str]:
    """A page is the name of a source alone."""
    whole = [Source(name=page(example))] if example.sources else []
    return [] if example.sources == whole else ["sources"]


CARRIES = frozenset(("id", "messages", "sources", "answerable"))
EXPORTER = Exporter(row, CARRIES, columns=COLUMNS, partly=partly)
