"""From lines on pages to headings and paragraphs.

Chinese lines are joined without a space, others with one. A paragraph ends where the next line is indented, further
down, or begins like a list item or an article, or where this line stops short of the right edge.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

from tuneloop.documents.blocks import Block, table_text
from tuneloop.documents.hyphen import BREAK, ends_in_hyphen, is_parted_sign, known_words, mend
from tuneloop.records import Box
from tuneloop.scripts import CJK
from tuneloop.text.sentences import block

WIDE = re.compile(f"[{CJK}\u3000-\u303f\uff00-\uff65“”‘’…—]")
FINAL = re.compile("[.!?。！？；;：:…][\"'”’」』）)\\]]*$")
CONTINUES = re.compile(f"[,，、(（“‘《—{BREAK}-]$")
PAGE_NUMBER = re.compile(
    r"[-—–·•|\s]*(?:第\s*\d{1,4}\s*页(?:\s*[,，/]?\s*共\s*\d{1,4}\s*页)?|(?:page|p\.)\s*\d{1,4}(?:\s*(?:of|/)\s*\d{1,4})?"
    r"|\d{1,4}(?:\s*(?:/|of)\s*\d{1,4})?|[ivxlc]{1,6})[-—–·•|\s]*",
    re.I,
)
AMOUNT = re.compile(r"[-–−]\d[\d.,]*%?")  # -5; but - 5 - is the number of a page
NUMBERED = re.compile(
    r"(?P<number>\d{1,2}(?:\.\d{1,2}){0,3})\.?\s+[^\W\d]"
    r"|第[零一二三四五六七八九十百\d]{1,4}[编章节]|[一二三四五六七八九十]{1,3}、|[IVX]{1,4}\.\s+[A-Z]"
)
MARKER = re.compile(r"\W|\(?\w{1,3}[.)]?")
MARGIN_LINES = 3  # at the top and at the bottom of a page
LARGER = 1.15  # times the type size of the body, from which a line is a heading
DEEPEST = 4


@dataclass
class Cell:
    """A stretch of a line between wide gaps."""

    text: str
    left: float
    right: float


@dataclass
class Line:
    """One line of text; coordinates in points from the lower left corner of the page."""

    text: str
    left: float
    right: float
    bottom: float
    size: float  # height of its letters from the lowest to the highest stroke of the font
    bold: bool = False
    cells: list[Cell] = field(default_factory=list)


@dataclass
class Page:
    number: int
    width: float
    height: float
    lines: list[Line]


def page_blocks(pages: list[Page]) -> list[Block]:
    """The blocks of a document, each with its page; running heads are gone already."""
    levels = Levels(pages)
    blocks: list[Block] = []
    for page in pages:
        found = lines_to_blocks(page, levels)
        if found and blocks and runs_on(blocks[-1], found[0]):
            found[0].continues = True
        blocks += found
    mend_hyphens(blocks)
    return blocks


def mend_hyphens(blocks: list[Block]) -> None:
    """Decide on every hyphen at a line end, now that all words of the document are known."""
    if any(BREAK in block.text for block in blocks):
        known = known_words(block.text for block in blocks)
        for block in blocks:
            block.text = mend(block.text, known)


def runs_on(last: Block, first: Block) -> bool:
    """Whether the first paragraph of a page goes on with the last one of the page before."""
    if last.kind != "text" or first.kind != "text" or FINAL.search(last.text):
        return False
    return (not block().match(first.text) and not first.text[:1].isupper()) or bool(CONTINUES.search(last.text))


def drop_running_lines(pages: list[Page]) -> int:
    """Take out heads and feet that repeat from page to page, and page numbers; return their characters."""
    seen: Counter[str] = Counter()
    for page in pages:
        seen.update({running_key(page, line) for line in margin_lines(page)})
    repeated = {key for key, count in seen.items() if count >= max(3, 0.2 * len(pages))}
    dropped = 0
    for page in pages:
        drop = {
            id(line)
            for line in margin_lines(page)
            if not AMOUNT.fullmatch(line.text)
            and (running_key(page, line) in repeated or (len(pages) > 1 and PAGE_NUMBER.fullmatch(line.text)))
        }
        dropped += sum(len(line.text) for line in page.lines if id(line) in drop)
        page.lines = [line for line in page.lines if id(line) not in drop]
    return dropped


def margin_lines(page: Page) -> list[Line]:
    """The outermost lines of a page that stand in its upper or lower eighth."""
    by_height = sorted(page.lines, key=lambda line: -line.bottom)
    top = [line for line in by_height[:MARGIN_LINES] if line.bottom > 0.875 * page.height]
    return top + [line for line in by_height[-MARGIN_LINES:] if line.bottom < 0.125 * page.height and line not in top]


def running_key(page: Page, line: Line) -> str:
    """Equal for lines that differ in numbers only and stand at about the same height."""
    return f"{round(line.bottom / page.height * 40)} {re.sub(r'[0-9ivxlc]+', '#', line.text.lower())}"


class Levels:
    """Which lines are headings: those in larger type than most of the text, or bold and standing alone."""

    def __init__(self, pages: list[Page]) -> None:
        lines = [line for page in pages for line in page.lines]
        sizes: Counter[float] = Counter()
        bold = 0
        for line in lines:
            sizes[half(line.size)] += len(line.text)
            bold += len(line.text) if line.bold else 0
        self.body = sizes.most_common(1)[0][0] if sizes else 0.0
        self.bold_body = bold > 0.4 * max(1, sizes.total())
        larger = [line for line in lines if self.is_large(line)]
        if len(larger) > 0.25 * len(lines) and len(lines) > 8:
            larger = []  # posters, slides and forms: size says nothing there
        distinct = sorted({half(line.size) for line in larger}, reverse=True)
        self.levels = {size: min(place, DEEPEST - 1) for place, size in enumerate(distinct, 1)}
        self.below = min(DEEPEST, max(self.levels.values(), default=0) + 1)  # of bold headings in the size of the text

    def is_large(self, line: Line) -> bool:
        return self.body > 0 and half(line.size) >= LARGER * self.body and could_be_heading(line.text)

    def of(self, line: Line, edges: "Edges", index: int) -> int:
        """The level of a heading; 0 for other lines."""
        if self.is_large(line) and half(line.size) in self.levels:
            return self.levels[half(line.size)]
        numbered = NUMBERED.match(line.text)
        small = half(line.size) < 0.9 * self.body or len(line.text) > 80 or not could_be_heading(line.text)
        if small or self.bold_body or not (line.bold or numbered) or not edges.stands_alone(index, bool(numbered)):
            return 0
        if not line.bold and not edges.has_space_around(index):
            return 0
        depth = numbered["number"].count(".") if numbered and numbered["number"] else 0
        return min(DEEPEST + 1, self.below + depth)


def half(size: float) -> float:
    return round(size * 2) / 2


def could_be_heading(text: str) -> bool:
    letters = sum(1 + bool(WIDE.match(character)) for character in text if character.isalpha())
    return letters >= 4 and len(text) <= 100 and letters >= 0.4 * len(text) and not re.search("[。；;，,：:.…]$", text)


def box_of(page: Page, *lines: Line) -> Box:
    """Where lines stand on their page, from its upper left corner, to a tenth of a point."""
    left, right = min(line.left for line in lines), max(line.right for line in lines)
    top, bottom = max(line.bottom + line.size for line in lines), min(line.bottom for line in lines)
    x0, y0, x1, y1 = (round(value, 1) for value in (left, page.height - top, right, page.height - bottom))
    return Box(page=page.number, x0=x0, y0=y0, x1=x1, y1=y1)


def lines_to_blocks(page: Page, levels: Levels) -> list[Block]:
    blocks: list[Block] = []
    previous: Line | None = None
    edges = Edges(page.lines)
    index = 0
    while index < len(page.lines):
        line = page.lines[index]
        last = blocks[-1] if blocks else None
        if rows := edges.table_at(index):
            blocks.append(Block("table", table_text(aligned(rows)), page=page.number, box=box_of(page, *rows)))
            previous, index = None, index + len(rows)
            continue
        if level := levels.of(line, edges, index):
            close = previous is not None and 0 < previous.bottom - line.bottom < 1.6 * line.size
            if last and close and (last.kind, last.level) == ("heading", level) and not NUMBERED.match(line.text):
                go_on(last, line, page)
            else:
                blocks.append(Block("heading", line.text, level, page.number, box=box_of(page, line)))
        elif last and last.kind == "text" and previous and not edges.separate(index):
            go_on(last, line, page)
        else:
            blocks.append(Block("text", line.text, page=page.number, box=box_of(page, line)))
        previous, index = line, index + 1
    return blocks


def go_on(block: Block, line: Line, page: Page) -> None:
    """Add a line to the block before it."""
    block.text = joined(block.text, line.text)
    block.box = block.box.with_(box_of(page, line)) if block.box else None


def joined(before: str, after: str) -> str:
    """Two lines of a paragraph as one."""
    if before.endswith(BREAK):
        return before + after
    if ends_in_hyphen(before):
        return before[:-1] + BREAK + after
    if is_parted_sign(before, after):
        return before + after
    if WIDE.match(before[-1]) or WIDE.match(after[0]):
        return before + after
    return before + " " + after


def aligned(rows: list[Line]) -> list[list[str]]:
    """The cells of each row under the columns that their places show; as they come where columns run together."""
    columns: list[list[float]] = []
    for left, right in sorted((cell.left, cell.right) for row in rows for cell in row.cells):
        if columns and left < columns[-1][1]:
            columns[-1][1] = max(columns[-1][1], right)
        else:
            columns.append([left, right])
    if len(columns) < max(len(row.cells) for row in rows):
        return [[cell.text for cell in row.cells] for row in rows]
    grid = []
    for row in rows:
        texts = [""] * len(columns)
        for cell in row.cells:
            place = max(i for i, (left, _) in enumerate(columns) if left <= cell.left)
            texts[place] = f"{texts[place]} {cell.text}".strip()
        grid.append(texts)
    return grid


class Edges:
    """Decides where paragraphs and tables begin and end, from the places of the lines around."""

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines
        steps = sorted(a.bottom - b.bottom for a, b in pairwise(lines) if a.bottom > b.bottom)
        self.step = steps[len(steps) // 2] if steps else 0.0

    def table_at(self, index: int) -> list[Line]:
        """The rows of the table that begins at a line: two or more lines with cells. Empty where none does."""
        end = index
        while end < len(self.lines) and is_row(self.lines[end]):
            if end > index and self.lines[end].bottom > self.lines[end - 1].bottom + self.lines[end].size:
                break
            end += 1
        return self.lines[index:end] if end - index >= 2 else []

    def stands_alone(self, index: int, numbered: bool) -> bool:
        """Whether a line is neither the middle of a paragraph nor the beginning of one."""
        line = self.lines[index]
        if index and not numbered:
            before = self.lines[index - 1]
            near = 0 < before.bottom - line.bottom < 1.3 * line.size and abs(before.left - line.left) < line.size
            if near and not before.bold and not FINAL.search(before.text):
                return False
        right = self.right_of(index)
        return line.right < right - 2 * line.size or abs(line.left - self.left_of(index)) > 2 * line.size

    def has_space_around(self, index: int) -> bool:
        line, step = self.lines[index], 1.15 * max(self.step, 1.0)
        above = self.lines[index - 1].bottom - line.bottom if index else 2 * step
        below = line.bottom - self.lines[index + 1].bottom if index + 1 < len(self.lines) else 0.0
        return not 0 < above < step and not 0 < below < step

    def right_of(self, index: int) -> float:
        """The right edge of the column that a line stands in."""
        line = self.lines[index]
        return max(other.right for other in self.lines[max(0, index - 6) : index + 7] if self.same_column(other, line))

    def left_of(self, index: int) -> float:
        line = self.lines[index]
        return min(other.left for other in self.lines[max(0, index - 6) : index + 7] if self.same_column(other, line))

    @staticmethod
    def same_column(other: Line, line: Line) -> bool:
        return abs(other.left - line.left) < 5 * max(line.size, 1.0)

    def separate(self, index: int) -> bool:
        """Whether the line at ``index`` begins a new paragraph."""
        before, line = self.lines[index - 1], self.lines[index]
        if before.text.endswith(BREAK):
            return False
        if ends_in_hyphen(before.text) or is_parted_sign(before.text, line.text):
            return before.bottom - line.bottom > 1.8 * max(self.step, 0.8 * line.size)
        if block().match(line.text) or "…" in before.text[-8:]:
            return True
        complete = bool(FINAL.search(before.text))
        down, step = before.bottom - line.bottom, max(self.step, 0.8 * line.size)
        if down < -0.5 * line.size:  # up again: the next column
            return complete
        if not complete and line.text[0].islower():
            return down > 3 * step
        if down > 1.4 * step:
            return complete or down > 1.8 * step
        if before.bold != line.bold and len(before.text) < 60 and not CONTINUES.search(before.text) and before.bold:
            return before.right < self.right_of(index) - 2 * line.size
        right, left = self.right_of(index), self.left_of(index)
        short = right - before.right
        if complete and (short > 2 * line.size or line.left - left > 1.2 * line.size):
            return True
        return short > 0.35 * max(1.0, right - left) and not CONTINUES.search(before.text)


def is_row(line: Line) -> bool:
    """Whether a line has several cells, more than a number or bullet and what it stands before."""
    if len(line.cells) < 2 or "…" in line.text:
        return False
    return len(line.cells) > 2 or not MARKER.fullmatch(line.cells[0].text)
