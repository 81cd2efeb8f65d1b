"""What every reader gives, whatever the format, and how it becomes one clean text with sections.

The text of a document is light Markdown: headings with ``#``, lists with ``-``, tables with ``|``, fenced code.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from tuneloop.records import Box, Section

BlockKind = Literal["text", "heading", "table", "code", "list"]

INVISIBLE = re.compile(
    "[\u0000-\u0008\u000b\u000e-\u001f\u007f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufffe\uffff]"
)
SIGN = re.compile(r"\u00ad(?=[.,]?\d)")  # a soft hyphen parts letters: before a number it was meant to be a sign
SPACES = re.compile("[ \t\u00a0\u3000\u2000-\u200a\u202f]+")


@dataclass
class Block:
    """A paragraph, heading, list item, table or stretch of code."""

    kind: BlockKind
    text: str
    level: int = 0  # of a heading, or of ``opens``: 0 is the document's title, 1 the outermost heading
    page: int | None = None
    opens: str = ""  # an article of a law stands under its own number though it has no heading line
    continues: bool = False  # goes on with the paragraph before it, from another page
    alone: bool = False  # never in one section with its neighbours: a row of a CSV file
    box: Box | None = None  # where it stands on its page
    confidence: float | None = None  # 0 to 1, of a reader that may have misread


@dataclass
class Reading:
    """One file as a reader understood it."""

    blocks: list[Block]
    title: str = ""
    pages: int | None = None
    set_aside: list[tuple[int, str]] = field(default_factory=list)  # page, and why it is not among the blocks
    losses: list[str] = field(default_factory=list)  # what could not be kept of the rest
    left_out: Counter[str] = field(default_factory=Counter)  # characters taken for decoration, by the rule
    metadata: dict[str, Any] = field(default_factory=dict)  # what the file says of itself, as JSON can hold it


class Unreadable(Exception):
    """The file cannot be read; the message is the reason shown to the user."""


def clean_lines(text: str) -> str:
    """``text`` without invisible characters, and without space at the ends of its lines."""
    if "\u00ad" in text:
        text = SIGN.sub("-", text)
    text = INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n").replace("\u2028", "\n"))
    return "\n".join(line.replace("\u00a0", " ").rstrip() for line in text.split("\n")).strip("\n")


def one_line(text: str) -> str:
    """``text`` on one line, with single spaces."""
    return SPACES.sub(" ", clean_lines(text).replace("\n", " ")).strip()


def table_text(rows: Iterable[list[str]]) -> str:
    """Rows of cells as a Markdown table; the first row is its head. Empty rows are left out."""
    cells = [[one_line(cell).replace("|", "\\|") for cell in row] for row in rows]
    cells = [row for row in cells if any(row)]
    if not cells:
        return ""
    width = max(len(row) for row in cells)
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in cells]
    return "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])


def fenced(code: str, language: str = "") -> str:
    """Code between fences that its own content cannot close."""
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"


def demote_title(blocks: list[Block]) -> None:
    """A first heading directly followed by another of its level is the title above it, not its neighbour."""
    first, second = ([*blocks, Block("text", ""), Block("text", "")])[:2]
    if first.kind == second.kind == "heading" and first.level == second.level:
        first.level -= 1


def assemble(blocks: list[Block]) -> tuple[str, list[Section]]:
    """The text of a document and its sections: each under its path of headings, on its page, of one kind."""
    demote_title(blocks)
    parts: list[str] = []
    sections: list[Section] = []
    path: list[tuple[int, str]] = []
    position, previous = 0, None
    for block in blocks:
        body = clean_lines(block.text)
        if not body.strip():
            continue
        name = one_line(block.text) if block.kind == "heading" else block.opens
        if name:
            path = [*(step for step in path if step[0] < block.level), (block.level, name)]
        if block.kind == "heading":
            body = "#" * max(1, min(block.level, 6)) + " " + name
        if previous is not None:
            gap = "\n" if block.continues or previous.kind == block.kind == "list" else "\n\n"
            parts.append(gap)
            position += len(gap)
        heading = [title for _, title in path]
        last = sections[-1] if sections else None
        joined = last is not None and (last.kind, last.heading, last.page) == (block.kind, heading, block.page)
        if last is not None and joined and block.kind in ("text", "list") and not (block.opens or block.alone):
            last.end = position + len(body)
            last.box = last.box.with_(block.box) if last.box and block.box else last.box or block.box
            last.confidence = min((c for c in (last.confidence, block.confidence) if c is not None), default=None)
        else:
            start, end = position, position + len(body)
            place = {"page": block.page, "box": block.box, "confidence": block.confidence}
            sections.append(Section(start=start, end=end, heading=heading, kind=block.kind, **place))
        parts.append(body)
        position += len(body)
        previous = block
    return "".join(parts), sections
