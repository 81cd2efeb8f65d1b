"""Word documents (DOCX) as blocks, straight from the XML: body order, headings, numbered lists, tables, footnotes.

Numbers that Word draws by itself (``第一章``, ``1.2``, ``(a)``) are computed here, because they are not in the text.
"""

from __future__ import annotations

import contextlib
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from tuneloop.documents.blocks import Block, Reading, Unreadable, one_line, table_text
from tuneloop.documents.formula import M, formula_text
from tuneloop.documents.marks import lowered, raised, struck, symbol_text
from tuneloop.documents.numbering import Numbering, read_numbering
from tuneloop.documents.readers import Reader
from tuneloop.documents.surroundings import COMMENTS, EMBEDDED, HIDDEN, RUNNING
from tuneloop.language import stored

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
LARGEST_PART = 256 * 1024 * 1024  # bytes of one part, uncompressed
HIGHEST_RATIO = 300  # uncompressed to compressed, above which a large part is a bomb
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
CONTENTS, DELETED = stored("table of contents"), stored("deletions of the revision")
NOTES = {f"{W}footnoteReference": "", f"{W}endnoteReference": "e"}
NOT_TEXT = frozenset([f"{W}del", f"{W}moveFrom", f"{W}instrText", f"{W}rPr", f"{W}pPr", FALLBACK])


def read_docx(path: Path) -> Reading:
    """Raises ``Unreadable`` for an encrypted, damaged or oversized file."""
    with path.open("rb") as file:
        if file.read(8) == OLE:
            encrypted = "EncryptedPackage".encode("utf-16-le") in file.read()
            raise Unreadable(
                stored("encrypted: remove its password")
                if encrypted
                else stored("legacy Word format: save it as .docx")
            )
    try:
        with zipfile.ZipFile(path) as package:
            names = set(package.namelist())
            parts = {name: parse_part(package, name) for name in PARTS if name in names}
            left_out = beside_the_text(package)
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, zlib.error) as error:
        raise Unreadable(stored("damaged or truncated: {}").format(one_line(str(error)))) from None
    except RuntimeError:  # zipfile: "file is encrypted"
        raise Unreadable(stored("encrypted: remove its password")) from None
    if "word/document.xml" not in parts:
        raise Unreadable(stored("not a Word document: it has no word/document.xml"))
    return Body(parts, left_out=left_out).read()


PARTS = ("word/document.xml", "word/styles.xml", "word/numbering.xml", "word/footnotes.xml", "word/endnotes.xml")


BESIDE = (
    (re.compile(r"word/(?:header|footer)\d*\.xml"), RUNNING),
    (re.compile(r"word/comments\.xml"), COMMENTS),
    (re.compile(r"word/(?:charts/chart|diagrams/data)\d*\.xml"), EMBEDDED),
)
SHOWN = re.compile(r"\{.*/(?:main|chart)\}[tv]")  # w:t of text, a:t of drawings, c:v of the values of a chart


def beside_the_text(package: zipfile.ZipFile) -> Counter[str]:
    """The characters of the parts that stand around the text, by the rule that leaves them out."""
    counted: Counter[str] = Counter()
    for name in package.namelist():
        if rule := next((rule for pattern, rule in BESIDE if pattern.fullmatch(name)), ""):
            with contextlib.suppress(Unreadable):  # the text is whole without it
                for element in parse_part(package, name).iter("{*}t", "{*}v"):
                    counted[rule] += len(element.text or "") if SHOWN.fullmatch(element.tag) else 0
    return counted


def parse_part(package: zipfile.ZipFile, name: str) -> Any:
    """One XML part. Raises ``Unreadable`` for a zip bomb before a byte of it is unpacked."""
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

    info = package.getinfo(name)
    bomb = info.file_size > 10_000_000 and info.file_size > HIGHEST_RATIO * max(1, info.compress_size)
    if info.file_size > LARGEST_PART or bomb:
        reason = stored("{} unpacks to {} MB: refused as a zip bomb")
        raise Unreadable(reason.format(name, info.file_size // 1_000_000))
    with package.open(info) as part:
        data = part.read(info.file_size + 1)  # zipfile checks the size that the header claims
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise Unreadable(stored("damaged: {} is not valid XML: {}").format(name, one_line(str(error)))) from None


@dataclass
class Style:
    """What a paragraph style says, after what it is based on."""

    level: int | None = None  # of a heading; 0 is the document's title
    number: tuple[str, int] | None = None  # list id and depth
    contents: bool = False  # a table of contents


@dataclass
class Body:
    """The parts of one document, walked in the order of reading."""

    parts: dict[str, Any]
    blocks: list[Block] = field(default_factory=list)
    styles: dict[str, Style] = field(default_factory=dict)
    numbering: Numbering = field(default_factory=Numbering)
    left_out: Counter[str] = field(default_factory=Counter)  # characters by the rule

    def read(self) -> Reading:
        self.styles = read_styles(self.parts.get("word/styles.xml"))
        self.numbering = read_numbering(self.parts.get("word/numbering.xml"))
        for body in self.parts["word/document.xml"].iter(f"{W}body"):
            self.walk(body)
        self.notes("footnote")
        self.notes("endnote")
        title = next((b.text for b in self.blocks if b.kind == "heading" and b.level <= 1), "")
        deleted = sum(len(e.text or "") for part in self.parts.values() for e in part.iter(f"{W}delText"))
        hidden = sum(len(run.findtext(f"{W}t") or "") for run in self.parts["word/document.xml"].iter(f"{W}r") if
                     looks_of(run) == "hidden")  # fmt: skip
        return Reading(self.blocks, title=title, left_out=+self.left_out + Counter({DELETED: deleted, HIDDEN: hidden}))

    def walk(self, parent: Any) -> None:
        for child in parent:
            if child.tag == f"{W}p":
                self.paragraph(child)
            elif child.tag == f"{W}tbl":
                self.table(child)
            elif child.tag in (f"{W}sdt", f"{W}sdtContent", f"{W}ins", f"{W}customXml", f"{W}smartTag"):
                self.walk(child)

    def paragraph(self, element: Any) -> None:
        style = self.style_of(element)
        text = paragraph_text(element).strip()
        boxes = [box for box in element.iter(f"{W}txbxContent") if not inside_fallback(box, element)]
        if text and not style.contents:
            label = self.numbering.next_label(style.number) if style.number else None
            if style.level is not None:
                name = one_line(f"{label.text} {text}" if label and label.text and not label.bullet else text)
                self.blocks.append(Block("heading", name, style.level))
            elif label:
                indent = "  " * min(label.depth, 8)
                self.blocks.append(Block("list", f"{indent}{label.text} {text}".replace("\n", f"\n{indent}  ")))
            else:
                self.blocks.append(Block("text", text))
        elif style.contents:
            self.left_out[CONTENTS] += len(text)
        for box in boxes:
            self.walk(box)

    def style_of(self, element: Any) -> Style:
        """The style of a paragraph with what the paragraph itself overrides."""
        properties = element.find(f"{W}pPr")
        name = value(properties, "pStyle")
        base = self.styles.get(name or "", Style())
        outline, number = value(properties, "outlineLvl"), number_of(properties)
        level = base.level if outline is None else heading_level(outline)
        if number and number[0] == "0":  # Word's way of switching the style's numbering off
            return Style(level, None, base.contents)
        return Style(level, number or base.number, base.contents)

    def table(self, element: Any) -> None:
        rows: list[list[str]] = []
        for row in element.findall(f"{W}tr"):
            rows.append(list(cells_of(row, rows[-1] if rows else [])))
        widest = max((len(row) for row in rows), default=0)
        if widest <= 1:  # a frame around text
            for cell in element.iter(f"{W}tc"):
                self.walk(cell)
            return
        if text := table_text(rows):
            self.blocks.append(Block("table", text))

    def notes(self, kind: str) -> None:
        """The notes at the foot of pages or at the end, after the text that refers to them."""
        part = self.parts.get(f"word/{kind}s.xml")
        for note in part.findall(f"{W}{kind}") if part is not None else []:
            if note.get(f"{W}type") in (None, "normal"):
                text = one_line(" ".join(paragraph_text(p) for p in note.iter(f"{W}p")))
                if text:
                    mark = NOTES[f"{W}{kind}Reference"]
                    self.blocks.append(Block("text", f"[^{mark}{note.get(f'{W}id')}] {text}"))


def value(properties: Any, name: str) -> str | None:
    found = properties.find(f"{W}{name}") if properties is not None else None
    return found.get(f"{W}val") if found is not None else None


def number_of(properties: Any) -> tuple[str, int] | None:
    """List id and depth of a paragraph or style."""
    found = properties.find(f"{W}numPr") if properties is not None else None
    if found is None:
        return None
    identity, depth = value(found, "numId"), value(found, "ilvl")
    return (identity, int(depth or 0)) if identity is not None and (depth or "0").isdecimal() else None


def heading_level(outline: str) -> int | None:
    """Word counts outline levels from 0; 9 is body text."""
    return int(outline) + 1 if outline.isdecimal() and int(outline) < 9 else None


def read_styles(part: Any) -> dict[str, Style]:
    """Every paragraph style by its id, with what it inherits."""
    if part is None:
        return {}
    elements = {e.get(f"{W}styleId"): e for e in part.findall(f"{W}style")}

    def resolve(identity: str, seen: tuple[str, ...] = ()) -> Style:
        element = elements.get(identity)
        if element is None or identity in seen:
            return Style()
        base = resolve(value(element, "basedOn") or "", (*seen, identity))
        name = (value(element, "name") or "").lower()
        properties = element.find(f"{W}pPr")
        outline = value(properties, "outlineLvl")
        level = base.level if outline is None else heading_level(outline)
        if found := re.fullmatch(r"(?:heading|标题) ?([1-9])", name):
            level = int(found[1])
        elif name in ("title", "标题"):
            level = 0
        return Style(level, number_of(properties) or base.number, base.contents or name.startswith("toc "))

    return {identity: resolve(identity) for identity in elements if identity}


def paragraph_text(element: Any) -> str:
    """The text of a paragraph: insertions in, deletions out, text boxes left to the caller."""
    parts: list[str] = []
    for look, pieces in groupby(run_text(element, None), lambda piece: looks_of(piece[0])):
        if look == "hidden":
            continue
        text, before = "".join(text for _, text in pieces), parts[-1][-1:] if parts else ""
        if look == "strike":
            text = struck(text)
        elif look in ("superscript", "subscript"):
            text = (raised if look == "superscript" else lowered)(before, text)
        parts += [text] if text else []
    return "".join(parts)


def looks_of(run: Any) -> str:
    """What the look of a run says: ``hidden``, ``strike``, ``superscript``, ``subscript``, or nothing."""
    properties = run.find(f"{W}rPr") if run is not None else None
    if properties is None:
        return ""
    for name, look in (("vanish", "hidden"), ("strike", "strike"), ("dstrike", "strike")):
        found = properties.find(f"{W}{name}")
        if found is not None and found.get(f"{W}val") not in ("0", "false", "off"):
            return look
    return value(properties, "vertAlign") or ""


def run_text(element: Any, run: Any) -> Iterator[tuple[Any, str]]:
    """The pieces of text below an element, each with the run that it is in."""
    for child in element:
        tag = child.tag
        if tag == f"{W}t":
            yield run, child.text or ""
        elif tag == f"{M}oMath":
            yield None, formula_text(child)
        elif tag in (f"{W}tab", f"{W}ptab"):
            yield None, "\t"
        elif tag in (f"{W}br", f"{W}cr"):
            yield None, "\n"
        elif tag == f"{W}noBreakHyphen":
            yield run, "-"
        elif tag == f"{W}sym":
            yield run, symbol_text(child.get(f"{W}font") or "", child.get(f"{W}char") or "")
        elif tag in NOTES:
            yield None, f"[^{NOTES[tag]}{child.get(f'{W}id')}]"
        elif tag not in NOT_TEXT and tag != f"{W}txbxContent":
            yield from run_text(child, child if tag == f"{W}r" else run)


def cells_of(row: Any, above: list[str]) -> Iterator[str]:
    """The texts of a row's cells. One that spans columns is followed by empty ones, one that spans rows is repeated.

    Columns before the first cell of a row that begins further in are empty.
    """
    skipped = value(row.find(f"{W}trPr"), "gridBefore") or "0"
    column = min(int(skipped), 50) if skipped.isdecimal() else 0
    yield from [""] * column
    for cell in row.iter(f"{W}tc"):
        if next(cell.iterancestors(f"{W}tr")) is not row:
            continue  # of a table inside this one: its text is part of the outer cell
        properties = cell.find(f"{W}tcPr")
        merged = properties.find(f"{W}vMerge") if properties is not None else None
        if merged is not None and merged.get(f"{W}val") != "restart" and column < len(above):
            yield above[column]
        else:
            yield " ".join(text for p in cell.iter(f"{W}p") if (text := paragraph_text(p).strip()))
        span = value(properties, "gridSpan") or "1"
        empty = min(int(span), 50) - 1 if span.isdecimal() else 0
        yield from [""] * empty
        column += 1 + empty


def inside_fallback(element: Any, top: Any) -> bool:
    """Whether an element is the second copy that Word keeps for old readers, or inside another text box."""
    for ancestor in element.iterancestors():
        if ancestor is top:
            return False
        if ancestor.tag in (FALLBACK, f"{W}txbxContent"):
            return True
    return False


READER = Reader("application/vnd.openxmlformats-officedocument.wordprocessingml.document", read_docx)
