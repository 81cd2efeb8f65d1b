"""The formats of documents, each behind the ending of its files' names. A format is one file with a ``Reader``.

A package adds one through the entry point group ``tuneloop.readers``: ``ending = module:READER``, where the ending is
in small letters and without its dot. It is asked for in a process of its own, with bounds of time and memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneloop.documents.blocks import Reading, Unreadable
from tuneloop.doors import Door
from tuneloop.language import _, stored
from tuneloop.text.encodings import NotText, decode

BUILT_IN = {
    "md": "tuneloop.documents.markdown:READER", "markdown": "tuneloop.documents.markdown:READER",
    "mdown": "tuneloop.documents.markdown:READER", "mdx": "tuneloop.documents.markdown:READER",
    "html": "tuneloop.documents.html:READER", "htm": "tuneloop.documents.html:READER",
    "xhtml": "tuneloop.documents.html:READER",
    "txt": "tuneloop.documents.plain:READER", "text": "tuneloop.documents.plain:READER",
    "csv": "tuneloop.documents.plain:COMMAS", "tsv": "tuneloop.documents.plain:TABS",
    "docx": "tuneloop.documents.docx:READER", "pdf": "tuneloop.documents.pdf:READER",
}  # fmt: skip


@dataclass(frozen=True)
class Reader:
    """How files of one format are read.

    ``read`` takes a path and gives the blocks of the document with an account of what is not among them. It raises
    ``Unreadable`` with the reason, in English and marked by ``stored()``, where the file is none of this format.
    """

    media_type: str  # https://www.iana.org/assignments/media-types
    read: Callable[[Path], Reading]


def check_reader(name: str, part: Any) -> None:
    """Raise ``ValueError`` where a part cannot read a file."""
    if not isinstance(part, Reader):
        raise ValueError(_("it is not a {kind}").format(kind="Reader"))
    if name != name.lower() or name.startswith("."):
        raise ValueError(_("an ending is written in small letters and without its dot"))
    if "/" not in part.media_type or not callable(part.read):
        raise ValueError(_("a reader has a media type and a function that reads"))


def absent(name: str) -> str:
    return _("there is no reader of files of type .{name}").format(name=name)


READERS: Door[Reader] = Door("tuneloop.readers", BUILT_IN, check=check_reader, absent=absent)


def ending(path: Path) -> str:
    """The ending of a file's name as the door knows it: ``pdf`` of ``Report.PDF``."""
    return path.suffix.lower().removeprefix(".")


def of_text(
    parse: Callable[[str], Reading], declared: Callable[[bytes], tuple[str, str]] | None = None
) -> Callable[[Path], Reading]:
    """The ``read`` of a format that is text in some encoding: what is damaged in it is counted as lost.

    ``declared``: gives the text in the encoding that the file itself names, with the name; two empty ones otherwise.
    """

    return lambda path: read_bytes(path.read_bytes(), parse, declared)


def read_bytes(
    data: bytes, parse: Callable[[str], Reading], declared: Callable[[bytes], tuple[str, str]] | None = None
) -> Reading:
    """What such a ``read`` does with the bytes of a file."""
    text, encoding = declared(data) if declared else ("", "")
    if not encoding:
        try:
            text, encoding = decode(data)
        except NotText as problem:
            raise Unreadable(problem.reason) from None
    del data  # the text may be a book
    reading = parse(text)
    if lost := text.count("\ufffd"):
        reason = stored("read without {} characters that are damaged or not {}")
        reading.losses.append(reason.format(lost, encoding))
    return reading
