"""The forms in which datasets are written for other tools, each by its name. A form is one file with an ``Exporter``.

A package adds one through the entry point group ``tuneloop.exporters``: ``name = module:EXPORTER``. What a form has no
place for is counted by field or by reason, so that nothing is left out in silence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from tuneloop.doors import Door
from tuneloop.language import _, stored
from tuneloop.records import Example, Message
from tuneloop.records.shapes import SHAPES

Row = dict[str, Any]

EVERY = frozenset([*Example.model_fields, *Message.model_fields, "media_type"])  # what a form may say that it carries
OURS = frozenset(("id", "shape", "origin", "messages", "chosen", "rejected"))  # asked for otherwise, or never a loss
SAID = ("name", "reasoning", "tool_call_id")  # fields of a message without which the same is learned
OPTIONAL = ("id", "origin", "sources", "tools", "answerable", "tags", "metadata", "extra", *SAID, "media_type")
DIGEST = re.compile(r"[0-9a-f]{16}")  # an id that nobody has given: see content_id

BUILT_IN = {
    "openai": "tuneloop.dataset.exporters.openai:EXPORTER", "sharegpt": "tuneloop.dataset.exporters.sharegpt:EXPORTER",
    "alpaca": "tuneloop.dataset.exporters.alpaca:EXPORTER", "dpo": "tuneloop.dataset.exporters.dpo:EXPORTER",
    "csv": "tuneloop.dataset.exporters.table:EXPORTER", "jsonl": "tuneloop.dataset.exporters.whole:EXPORTER",
}  # fmt: skip
NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")


class NoPlace(Exception):
    """An example that a form cannot hold; ``reason`` in English and marked by ``stored()``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Exporter:
    """How examples are written in one form.

    ``row`` gives the row of an example, as JSON can hold it, and raises ``NoPlace`` with the reason where there is
    none. It is only asked for examples of the ``shapes``, whose messages hold nothing that is not among ``carries``
    and changes what is learned: calls of tools, parts and weights. Every other field of an ``Example`` or ``Message``
    that is there and not among ``carries`` is left out of the row, and counted. ``partly`` names, of an example,
    fields that are in the row and not whole.
    """

    row: Callable[[Example], Row]
    carries: frozenset[str]
    shapes: tuple[str, ...] = ("conversation",)  # of () every one
    columns: tuple[str, ...] = ()  # of a table, written as CSV; of () each row is a line of JSON
    partly: Callable[[Example], list[str]] = lambda example: []

    @property
    def ending(self) -> str:
        return "csv" if self.columns else "jsonl"

    @property
    def media_type(self) -> str:
        return "text/csv; charset=utf-8" if self.columns else "application/jsonl; charset=utf-8"


def check_exporter(name: str, part: Any) -> None:
    """Raise ``ValueError`` where a part cannot write a row."""
    if not isinstance(part, Exporter):
        raise ValueError(_("it is not a {kind}").format(kind="Exporter"))
    if not NAME.fullmatch(name):
        raise ValueError(_("the name of a form is of at most 40 small letters, digits, - and _"))
    if unknown := sorted(set(part.carries) - EVERY):
        raise ValueError(_("an example has no field {field!r}").format(field=unknown[0]))


def absent(name: str) -> str:
    return _("there is no format {name!r}").format(name=name)


EXPORTERS: Door[Exporter] = Door("tuneloop.exporters", BUILT_IN, check=check_exporter, absent=absent)


def row_of(exporter: Exporter, example: Example) -> tuple[Row, list[str]]:
    """The row of an example, and the fields of the example that are not in it, or not whole. Raises ``NoPlace``."""
    if exporter.shapes and example.shape not in exporter.shapes:
        raise NoPlace(stored("this shape has no place in it: {}").format(title(example.shape)))
    said = [*example.conversation, *example.rejected]
    check_said(exporter, said)
    row = exporter.row(example)
    return row, list(dict.fromkeys([*missing(exporter.carries, example, said), *exporter.partly(example)]))


def stripped(example: Example, names: Collection[str]) -> tuple[Example, list[str]]:
    """An example without fields that nobody wants, of ``OPTIONAL``, and those that it had; its id it keeps."""
    said = [*example.conversation, *example.rejected]
    had = list(missing(EVERY - set(names), example, said))
    if "origin" in names and example.origin:
        had.append("origin")
    if not had:
        return example, []
    gone = set(had) - {"id"}
    kept = example.model_dump(exclude=gone & set(Example.model_fields))  # type: ignore[arg-type]
    for message in [*kept["messages"], *kept["chosen"], *kept["rejected"]]:
        for name in gone & set(SAID):
            message[name] = ""
        for part in message["parts"] if "media_type" in gone else []:
            part["media_type"] = ""
    return Example.model_validate(kept), had


def title(shape: str) -> str:
    """What a shape is called, in English."""
    found = SHAPES.usable(shape) if shape in SHAPES else None
    return found.title if found else shape


def check_said(exporter: Exporter, said: list[Message]) -> None:
    """Raise ``NoPlace`` where something else would be learned from what is left of the messages."""
    for message in said:
        if "tool_calls" not in exporter.carries and (message.tool_calls or message.role == "tool"):
            raise NoPlace(stored("a call of a tool has no place in it"))
        if "parts" not in exporter.carries and message.parts:
            raise NoPlace(stored("a picture, a sound or a file has no place in it"))
        if "weight" not in exporter.carries and message.weight is not None:
            raise NoPlace(stored("the weight of an answer has no place in it"))


def missing(carries: frozenset[str], example: Example, said: list[Message]) -> Iterator[str]:
    """The fields that are there, and are not carried."""
    there = example.model_dump(exclude_defaults=True, exclude=set(OURS | carries))
    yield from there
    if "id" not in carries and not DIGEST.fullmatch(example.id):
        yield "id"
    for name in SAID:
        if name not in carries and any(getattr(message, name) for message in said):
            yield name
    parts = [part for message in said for part in message.parts if part.reference.partition(":")[0] != "data"]
    if "media_type" not in carries and any(part.media_type for part in parts):
        yield "media_type"
