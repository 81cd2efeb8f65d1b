"""Plain text and tables in text form (CSV, TSV) as blocks."""

import csv
import io
import re
from collections.abc import Iterator

from tuneloop.documents.blocks import Block, Reading, Unreadable, one_line, table_text
from tuneloop.documents.readers import Reader, of_text
from tuneloop.language import stored
from tuneloop.text.delimiters import find_delimiter

SENTENCE_END = re.compile('[.!?。！？：:；;”"』」）)…]$')
EMPTY_LINE = re.compile(r"\n[ \t\u3000]*\n")
LONG_LINE = 100  # a line of a hard-wrapped text is shorter
WIDEST_CELL = 120  # a row with a longer cell is a record to read, not a row of a table
LABEL = re.compile(r"[^\W\d]")


def read_plain(text: str) -> Reading:
    """Paragraphs are separated by empty lines or, where lines are long or end like sentences, by every line end."""
    blocks: list[Block] = []
    for paragraph in paragraphs(text.replace("\r\n", "\n").replace("\r", "\n")):
        lines = [line.strip("\n") for line in paragraph.split("\n") if line.strip()]
        apart = lines_are_paragraphs(lines)
        blocks += [Block("text", line.strip()) for line in lines] if apart else [Block("text", "\n".join(lines))]
    blocks = [block for block in blocks if block.text.strip()]
    first = one_line(blocks[0].text) if blocks else ""
    if len(blocks) > 1 and len(first) <= 60 and "\n" not in blocks[0].text and not SENTENCE_END.search(first):
        blocks[0] = Block("heading", first, 1)
        return Reading(blocks, title=first)
    return Reading(blocks)


def paragraphs(text: str) -> Iterator[str]:
    """What lies between empty lines, one after the other."""
    start = 0
    for gap in EMPTY_LINE.finditer(text):
        yield text[start : gap.start()]
        start = gap.end()
    yield text[start:]


def lines_are_paragraphs(lines: list[str]) -> bool:
    if len(lines) < 2:
        return False
    complete = sum(1 for line in lines if SENTENCE_END.search(line.rstrip()))
    indented = sum(1 for line in lines if line.startswith("\u3000\u3000"))
    longest = max(map(len, lines))
    return longest > LONG_LINE or complete >= 0.7 * len(lines) or indented >= 0.5 * len(lines)


def read_csv(text: str, delimiter: str = "") -> Reading:
    """Records with long cells become paragraphs of ``name: value`` lines, each readable alone; others a table."""
    csv.field_size_limit(10_000_000)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter or find_delimiter(text)))
    except csv.Error as error:
        raise Unreadable(stored("not a table: {}").format(error)) from None
    rows = [[one_line(cell) for cell in row] for row in rows if any(cell.strip() for cell in row)]
    if not rows:
        return Reading([])
    head = rows[0]
    named = len(rows) > 1 and len(set(head)) == len(head) and all(c and LABEL.match(c) and len(c) < 60 for c in head)
    longest = max((len(cell) for row in rows[1:200] for cell in row), default=0)
    if not named or longest <= WIDEST_CELL:
        return Reading([Block("table", table_text(rows))])
    return Reading([Block("text", record_text(head, row), alone=True) for row in rows[1:]])


def record_text(head: list[str], row: list[str]) -> str:
    names = head + [f"{len(head) + i + 1}" for i in range(len(row) - len(head))]
    return "\n".join(f"{name}: {cell}" for name, cell in zip(names, row, strict=False) if cell)


READER = Reader("text/plain", of_text(read_plain))
COMMAS = Reader("text/csv", of_text(read_csv))
TABS = Reader("text/tab-separated-values", of_text(lambda text: read_csv(text, "\t")))
