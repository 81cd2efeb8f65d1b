"""What people have, as text with its parts, and the passages it is cut into.

Offsets are counted in characters of ``Document.text``, start inclusive, end exclusive, so that
``document.text[start:end]`` is always exactly the passage that a chunk or a citation names.
"""

from typing import Literal

from pydantic import Field

from tuneloop.records.record import JsonObject, Record

LEAD = "… "  # marks the last heading of a chunk that begins within a list or table: what announces or heads it


class Box(Record):
    """Where something stands on a page, in points (1/72 inch) from the page's upper left corner."""

    page: int  # counted from 1
    x0: float
    y0: float
    x1: float
    y1: float

    def with_(self, other: "Box") -> "Box":
        """The smallest box that holds both; they stand on one page."""
        return Box(
            page=self.page, x0=min(self.x0, other.x0), y0=min(self.y0, other.y0),
            x1=max(self.x1, other.x1), y1=max(self.y1, other.y1),
        )  # fmt: skip


class Section(Record):
    """A stretch of a document under one heading, or on one page."""

    start: int
    end: int
    heading: list[str] = Field(default_factory=list)  # from the outermost heading to the innermost
    page: int | None = None  # counted from 1; None where the format has no pages
    kind: Literal["text", "heading", "table", "code", "list"] = "text"
    box: Box | None = None  # None where the format has no places
    confidence: float | None = None  # 0 to 1, of a reader that may have misread; None of one that reads what is written


class Provenance(Record):
    """Where a document was taken from, and when."""

    url: str = ""
    fetched: float | None = None  # seconds since 1970
    version: str = ""  # as its source counts: a revision, an ETag, a commit


class Document(Record):
    """One source document as clean text. ``sections`` cover the text in order, without overlap."""

    id: str  # content_id() of name and text
    name: str  # the path below the folder that was parsed, with forward slashes
    title: str = ""
    media_type: str = "text/plain"
    language: str = ""  # "zh", "en" or ""
    sha256: str = ""  # of the source file's bytes
    pages: int | None = None
    text: str
    sections: list[Section] = Field(default_factory=list)
    source: Provenance | None = None
    parent: str = ""  # Document.id of what it is a part of: the mail of an attachment, the archive of a file
    metadata: JsonObject = Field(default_factory=dict)
    access: list[str] = Field(default_factory=list)  # groups that may read it; empty: whoever may read the artifact


class PageSpan(Record):
    """Characters of a document that stand on one page."""

    start: int
    end: int
    page: int  # counted from 1


class Chunk(Record):
    """A passage that is indexed, quoted and trained from: ``document.text[start:end] == text``."""

    id: str
    document: str  # Document.id
    name: str  # Document.name
    start: int
    end: int
    text: str
    heading: list[str] = Field(default_factory=list)
    page: int | None = None  # on which it begins
    tokens: int = 0
    pages: list[PageSpan] = Field(default_factory=list)  # which of its characters stand on which page, in order
    metadata: JsonObject = Field(default_factory=dict)  # of its document
    access: list[str] = Field(default_factory=list)  # of its document

    def page_at(self, position: int) -> int | None:
        """The page of a character, counted as in the document; the first page where the chunk does not say."""
        return next((span.page for span in self.pages if position < span.end), self.page)
