"""Digital PDF as blocks: paragraphs put together from lines, headings by type size, running heads and feet left out.

A page is read through PDFium in one call; of each line only its first and last characters are measured, which keeps
this near the speed of the raw text. A page that is only a picture is set aside: it needs OCR.
"""

from __future__ import annotations

import ctypes
import re
from collections import Counter
from pathlib import Path
from typing import Any

from tuneloop.documents.blocks import INVISIBLE, Block, Reading, Unreadable, one_line
from tuneloop.documents.hyphen import BREAK, is_parted_sign
from tuneloop.documents.layout import Cell, Line, Page, drop_running_lines, page_blocks
from tuneloop.documents.readers import Reader
from tuneloop.documents.surroundings import RUNNING
from tuneloop.language import stored
from tuneloop.rows import tell
from tuneloop.text.tokens import words

SCANNED = stored("scanned, needs OCR")
GARBLED = stored("its fonts do not say which characters they show, needs OCR")
FEWEST_CHARACTERS = 8  # of a page with a picture, below which the picture is taken for the page
UNKNOWN = re.compile("[\ufffd\ue000-\uf8ff\u0001-\u0008\u000e-\u001f]")
BOLD = re.compile(rb"bold|black|heavy|semibold|demi|cmbx|simhei|-hei|heiti|\xe9\xbb\x91", re.I)
BULLETS = re.compile("[\uf0b7\uf0a7\uf0d8\uf0fc\uf06c\uf0a8\u25cf\u25aa\uf0be][ \t]*|^\uf02d[ \t]+")
# What PDFium gives for signs: U+FFFE for a hyphen at a line end, U+00AD for one that is drawn (a page has no invisible
# ones), a code of the Symbol font, or a control character for a glyph that the file does not name.
UNUSUAL = re.compile("[\ufffe\u00ad\uf02d\uf0b1\uf0a3\uf0b3]|[\u0001-\u0008\u000e-\u001f](?=[.,]?\\d)")
SYMBOLS = {
    "\ufffe": BREAK,
    "\u00ad": BREAK,
    "\uf02d": "\u2212",
    "\uf0b1": "\u00b1",
    "\uf0a3": "\u2264",
    "\uf0b3": "\u2265",
}
LINE_END = re.compile(f"(\r\n|\n|\r|(?<={BREAK}))")  # PDFium takes the line end after a hyphen out
LEADERS = re.compile(r"(?: ?[.·…]){5,} ?")
WIDE_GAP = 1.0  # times the height of the letters
REASONS = {
    "password": stored("encrypted: remove its password"),
    "data format": stored("damaged or truncated: not readable as PDF"),
    "security": stored("encrypted in a way that is not supported"),
}


def read_pdf(path: Path) -> Reading:
    """Raises ``Unreadable`` for a file that is encrypted, damaged, empty or scanned from first page to last."""
    import pypdfium2 as pdfium

    try:
        document = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        text = str(error).lower()
        raise Unreadable(next((r for key, r in REASONS.items() if key in text), one_line(str(error)))) from None
    try:
        pages, set_aside = [], []
        for number in range(1, len(document) + 1):
            page, reason = read_page(document, number)
            tell(number, len(document))
            if reason:
                set_aside.append((number, reason))
            elif page:
                pages.append(page)
        if not pages and set_aside:
            raise Unreadable(set_aside[0][1])
        left_out = +Counter({RUNNING: drop_running_lines(pages)})
        blocks = page_blocks(pages)
        title = metadata_title(document, pages) or largest_heading(blocks)
        return Reading(blocks, title=title, pages=len(document), set_aside=set_aside, left_out=left_out)
    finally:
        document.close()


def metadata_title(document: Any, pages: list[Page]) -> str:
    """The title in the file's properties, where the first pages show most of its words; it is often left over."""
    title = one_line(str(document.get_metadata_value("Title") or ""))
    shown = " ".join(line.text for page in pages[:2] for line in page.lines).lower()
    names = words(title, parts=False)
    known = sum(1 for word in names if word in shown)
    return title if len(names) > 1 and known >= 0.8 * len(names) and not UNKNOWN.search(title) else ""


def largest_heading(blocks: list[Block]) -> str:
    """The first heading of the highest level on the first pages."""
    headings = [b for b in blocks if b.kind == "heading" and (b.page or 1) <= 2]
    return min(headings, key=lambda b: b.level).text if headings else ""


def read_page(document: Any, number: int) -> tuple[Page | None, str]:
    """One page, or why it cannot be read; neither for an empty one."""
    import pypdfium2 as pdfium

    try:
        page = document[number - 1]
        text_page = page.get_textpage()
    except pdfium.PdfiumError as error:
        return None, stored("damaged page: {}").format(one_line(str(error)))
    try:
        text = UNUSUAL.sub(sign, text_page.get_text_range())
        visible = "".join(INVISIBLE.sub("", text).split())
        if len(visible) < FEWEST_CHARACTERS:
            return (None, SCANNED) if has_picture(page) else (None, "")
        if len(UNKNOWN.findall(text)) > 0.3 * len(visible):
            return None, GARBLED
        width, height = page.get_size()
        return Page(number, width, height, measured_lines(text_page, text)), ""
    finally:
        text_page.close()
        page.close()


def sign(found: re.Match[str]) -> str:
    """A sign that must not be lost, in as many characters; the one for a glyph that is not known where it is not."""
    if found[0] == "\uf02d" and found.string[found.end() : found.end() + 1] in " \t":
        return found[0]  # a bullet, where it begins a line
    return SYMBOLS.get(found[0], "\ufffd")


def has_picture(page: Any) -> bool:
    """Whether a page shows an image or drawn shapes, so that it is not simply empty."""
    import pypdfium2.raw as raw

    shapes = 0
    for shape in page.get_objects(max_depth=3):
        if shape.type == raw.FPDF_PAGEOBJ_IMAGE:
            return True
        shapes += shape.type in (raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_SHADING)
    return shapes > 20


class Ruler:
    """Measures characters of one page by their place in its text. One object a page: the calls are many."""

    def __init__(self, text_page: Any) -> None:
        import pypdfium2.raw as raw

        self.page = text_page
        self.place, self.loose = raw.FPDFText_GetCharIndexFromTextIndex, raw.FPDFText_GetLooseCharBox
        self.font_info = raw.FPDFText_GetFontInfo
        self.box, self.name, self.flags = raw.FS_RECTF(), ctypes.create_string_buffer(128), ctypes.c_int()
        self.pointers = ctypes.byref(self.box), ctypes.byref(self.flags)

    def measure(self, index: int) -> tuple[float, float, float, float]:
        """Left, bottom, right, top in points; zeros where PDFium knows nothing of the character."""
        place = self.place(self.page, index)
        if place < 0 or not self.loose(self.page, place, self.pointers[0]):
            return 0.0, 0.0, 0.0, 0.0
        return self.box.left, self.box.bottom, self.box.right, self.box.top

    def is_bold(self, index: int) -> bool:
        """Whether the name of a character's font says so; PDFium's font weights are often made up."""
        place = self.place(self.page, index)
        if place < 0 or not self.font_info(self.page, place, self.name, 128, self.pointers[1]):
            return False
        return BOLD.search(self.name.value) is not None


def measured_lines(text_page: Any, text: str) -> list[Line]:
    """The lines of a page with their place, type size and weight."""
    ruler, lines, position = Ruler(text_page), [], 0
    wide = any(character > "\uffff" for character in text)  # PDFium counts in UTF-16
    for part in LINE_END.split(text):
        body = part.strip()
        if body:
            first = position + units(part[: len(part) - len(part.lstrip())], wide)
            line = measured_line(ruler, body, first, wide)
            if line.text:
                add_line(lines, line)
        position += units(part, wide)
    return lines


def measured_line(ruler: Ruler, body: str, first: int, wide: bool) -> Line:
    """One line, cut into cells where the gap between two words is wider than a letter is high."""
    left, bottom, right, top = ruler.measure(first)
    last = first + units(body, wide) - 1
    end = ruler.measure(last)
    size = min(abs(top - bottom), abs(end[3] - end[1])) or abs(top - bottom)
    cells, begin, begin_left, before = [], 0, left, 0.0
    for gap in re.finditer(" +", body):
        before = ruler.measure(first + units(body[: gap.start()], wide) - 1)[2]
        after = ruler.measure(first + units(body[: gap.end()], wide))[0]
        if after - before > WIDE_GAP * size:
            cells.append(Cell(clean_line(body[begin : gap.start()]), begin_left, before))
            begin, begin_left = gap.end(), after
    right = max(right, end[2])
    cells.append(Cell(clean_line(body[begin:]), begin_left, right))
    bold = ruler.is_bold(first) and ruler.is_bold(last)
    return Line(clean_line(body), left, right, bottom, size, bold, [cell for cell in cells if cell.text])


def add_line(lines: list[Line], line: Line) -> None:
    """Append a line, or join it to the last one where it goes on at the same height: a raised figure broke it off."""
    last = lines[-1] if lines else None
    if (
        last
        and abs(last.bottom - line.bottom) < 0.25 * line.size
        and -3 < line.left - last.right < WIDE_GAP * line.size
    ):
        close = line.left - last.right < 0.3 * line.size and is_parted_sign(last.text, line.text)
        space = "" if close or last.text.endswith(BREAK) else " "
        last.text, last.right, last.bold = f"{last.text}{space}{line.text}", line.right, last.bold and line.bold
        last.cells[-1].text += f"{space}{line.cells[0].text}"
        last.cells[-1].right = line.cells[0].right
        last.cells += line.cells[1:]
    else:
        lines.append(line)


def clean_line(text: str) -> str:
    """One line without invisible characters, with one sign for every kind of bullet and without rows of dots."""
    return LEADERS.sub(" … ", BULLETS.sub("• ", one_line(text))).strip()


def units(text: str, wide: bool) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2 if wide else len(text)


READER = Reader("application/pdf", read_pdf)
