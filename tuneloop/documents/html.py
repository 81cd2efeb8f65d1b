"""HTML as blocks: the main content, without navigation, scripts and what else surrounds it."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tuneloop.documents.blocks import Block, Reading, Unreadable, fenced, one_line, table_text
from tuneloop.documents.marks import lowered, raised, struck
from tuneloop.documents.readers import Reader, of_text
from tuneloop.documents.surroundings import CODE, HEADING, LINKS, OUTSIDE, left_out_by, text_length
from tuneloop.language import stored
from tuneloop.text.tokens import word_set

INLINE = word_set(
    "a abbr acronym b bdi bdo big button cite code data del dfn em font i img input ins kbd label mark math q rp rt "
    "ruby s samp small span strike strong sub sup time tt u var wbr"
)
STRUCK = re.compile(r"text-decoration[^;]*line-through", re.I)
NOT_A_NAME = re.compile(r".+\.(?:png|jpe?g|gif|svg|webp|bmp)|[\W\d_]*", re.I)  # as the text for a picture
DEEPEST = 2040  # elements; at 2048 the parser drops the rest of the file without a word
PROLOG = re.compile(r"^\s*<\?xml[^>]*\?>")


DECLARED = re.compile(
    rb"""<meta[^>]{0,200}charset\s*=\s*["']?\s*([\w-]+)|^\s*<\?xml[^>]{0,200}encoding=["']([\w-]+)""", re.I
)


def read_html(text: str) -> Reading:
    """A whole page. Where it has no first-level heading, its title becomes one."""
    root = parse_html(text)
    title = one_line(" ".join(root.xpath("//head/title[1]//text()")[:5]))
    body = next(iter(root.xpath("//body")), root)
    blocks, left_out = content_of(body)
    first = next((b for b in blocks if b.kind == "heading" and b.level == 1), None)
    if first is None and title:
        blocks.insert(0, Block("heading", title, 1))
    return Reading(blocks, title=first.text if first else title, left_out=left_out)


def html_blocks(text: str) -> tuple[list[Block], Counter[str]]:
    """The blocks of a piece of HTML, for example inside Markdown, and the characters left out by each rule.

    Nothing is taken for surroundings.
    """
    walk = Walk(strict=False)
    walk.element(parse_html(f"<html><body>{text}</body></html>"))
    return walk.done(), +walk.left_out


def parse_html(text: str) -> Any:
    from lxml import etree, html  # pyright: ignore[reportAttributeAccessIssue]

    parser = html.HTMLParser(remove_comments=True, huge_tree=True)
    try:
        root = html.document_fromstring(PROLOG.sub("", text) or " ", parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable(stored("not readable as HTML: {}").format(one_line(str(error)))) from None
    if len(parser.error_log) and depth(root) >= DEEPEST:
        raise Unreadable(stored("nested too deeply to be read"))
    return root


def depth(root: Any) -> int:
    """How deep the elements of a tree nest."""
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]

    deepest = now = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        now += 1 if event == "start" else -1
        deepest = max(deepest, now)
    return deepest


def content_of(body: Any) -> tuple[list[Block], Counter[str]]:
    """The blocks of the main part, and the characters left out by each rule.

    Of all the page where leaving surroundings out would leave too little.
    """
    everything = text_length(body)
    for root in [*outermost(body.xpath("//main | //*[@role='main']")), *only(body.xpath("//article")), body]:
        walk = Walk(strict=True, menus=root is body)
        walk.element(root)
        blocks = walk.done()
        if sum(len(b.text) for b in blocks) >= (0.2 if root is not body else 0.05) * everything:
            walk.left_out[OUTSIDE] += everything - text_length(root)
            return blocks, +walk.left_out
    walk = Walk(strict=False)
    walk.element(body)
    return walk.done(), +walk.left_out


def outermost(found: list[Any]) -> list[Any]:
    """The first element, where it holds all the others."""
    return found[:1] if all(found[0] in element.iterancestors() for element in found[1:]) else []


def only(found: list[Any]) -> list[Any]:
    return found if len(found) == 1 else []


@dataclass
class Walk:
    """Walks the tree once, collecting inline text until a block ends."""

    strict: bool  # leave out what looks like surroundings
    menus: bool = False  # and lists that are mostly links, for pages that do not mark their main part
    blocks: list[Block] = field(default_factory=list)
    inline: list[str] = field(default_factory=list)
    linked: int = 0  # characters of the collected text that are links
    depth: int = 0  # of lists
    marker: str = ""  # of the list item that is about to begin
    counters: list[int | None] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)  # characters by the rule

    def done(self) -> list[Block]:
        self.flush()
        return self.blocks

    def flush(self) -> None:
        """End the paragraph or list item that is being collected."""
        text = re.sub(r"[ \t\n\r\f\u00a0]+", " ", "".join(self.inline)).replace("\u2028", "\n")
        text = "\n".join(line.strip() for line in text.split("\n")).strip()
        menu = self.menus and self.depth and len(text) < 80 and self.linked > 0.7 * len(text)
        if menu:
            self.left_out[LINKS] += len(text)
        elif text:
            if self.depth:
                indent = "  " * (self.depth - 1)
                self.blocks.append(Block("list", indent + (self.marker or "  ") + text.replace("\n", f"\n{indent}  ")))
                self.marker = ""
            else:
                self.blocks.append(Block("text", text))
        self.inline, self.linked = [], 0

    def element(self, element: Any) -> None:
        tag = element.tag
        if not isinstance(tag, str) or tag in CODE:
            return
        if rule := left_out_by(element, self.strict):
            self.left_out[rule] += text_length(element)
        elif HEADING.fullmatch(tag):
            self.flush()
            self.blocks.append(Block("heading", one_line(self.text_of(element)), int(tag[1])))
        elif tag == "br":
            self.inline.append("\u2028")
        elif tag == "pre":
            self.flush()
            code = "".join(self.preformatted(element)).strip("\n")
            if code.strip():
                self.blocks.append(Block("code", fenced(code, code_language(element))))
        elif tag == "table":
            self.table(element)
        elif tag in ("ul", "ol", "menu"):
            self.whole_list(element)
        elif tag == "li":
            self.item(element)
        elif tag in INLINE:
            self.span(element)
        else:
            self.flush()
            self.children(element)
            self.flush()

    def children(self, element: Any) -> None:
        self.inline.append(element.text or "")
        for child in element:
            self.element(child)
            self.inline.append(child.tail or "")

    def span(self, element: Any) -> None:
        tag = element.tag
        if tag == "math":
            self.inline.append(element.get("alttext") or one_line("".join(element.itertext())))
        elif tag == "img":
            name = one_line(element.get("alt") or "")
            self.inline.append("" if says_nothing(element, name) else f" {name} ")
        elif tag == "input":
            if element.get("type") == "checkbox" and element.getparent().tag in ("li", "label", "td", "th", "p"):
                self.inline.append("[ ] " if element.get("checked") is None else "[x] ")
        elif tag == "code" and not element.xpath("./*"):
            self.inline.append(f"`{one_line(element.text or '')}`" if (element.text or "").strip() else "")
        elif tag in ("s", "del", "strike") or STRUCK.search(element.get("style") or ""):
            self.strike(element)
        else:
            self.marked(element)

    def marked(self, element: Any) -> None:
        """Inline text whose place matters: raised, lowered, or a link."""
        begin, before = len(self.inline), next((t for t in reversed(self.inline) if t), "")[-1:]
        self.children(element)
        text = "".join(self.inline[begin:])
        if element.tag == "a":
            self.linked += len(text)
        elif element.tag in ("sup", "sub"):
            self.inline[begin:] = [(raised if element.tag == "sup" else lowered)(before, text)]

    def preformatted(self, element: Any) -> Iterator[str]:
        """The text of ``pre`` with the line ends that ``br`` and blocks inside make."""
        yield element.text or ""
        for child in element:
            if child.tag == "br":
                yield "\n"
            elif rule := left_out_by(child, strict=False) if isinstance(child.tag, str) else "":
                self.left_out[rule] += text_length(child)
            elif isinstance(child.tag, str) and child.tag not in CODE:
                yield from self.preformatted(child)
                yield "\n" if child.tag in ("div", "p", "li") else ""
            yield child.tail or ""

    def strike(self, element: Any) -> None:
        """What is no longer valid says so, inside a line or over whole paragraphs."""
        begin, first = len(self.inline), len(self.blocks)
        self.children(element)
        self.inline[begin:] = [struck("".join(self.inline[begin:]))]
        for block in self.blocks[first:]:
            if block.kind in ("text", "list"):
                block.text = struck(block.text)

    def whole_list(self, element: Any) -> None:
        self.flush()
        self.depth += 1
        self.counters.append(1 if element.tag == "ol" else None)
        self.children(element)
        self.flush()
        self.counters.pop()
        self.depth -= 1
        self.marker = ""

    def item(self, element: Any) -> None:
        self.flush()
        if not self.depth:  # an item outside any list
            self.children(element)
            return self.flush()
        number = self.counters[-1]
        self.marker = "- " if number is None else f"{number}. "
        if number is not None:
            self.counters[-1] = number + 1
        self.children(element)
        self.flush()

    def table(self, element: Any) -> None:
        """A table of data becomes rows; one used for layout is walked like any other element."""
        self.flush()
        rows = element.xpath("./tr | ./thead/tr | ./tbody/tr | ./tfoot/tr")
        widest = max((len(row.xpath("./td | ./th")) for row in rows), default=0)
        if widest < 2 or element.xpath(".//table | .//pre | .//h1 | .//h2 | .//h3"):
            self.children(element)
            return self.flush()
        for caption in element.xpath("./caption"):
            self.blocks.append(Block("text", one_line(self.text_of(caption))))
        if text := table_text(self.grid(rows)):
            self.blocks.append(Block("table", text))

    def grid(self, rows: list[Any]) -> list[list[str]]:
        """Cells by row; a cell that spans rows is repeated in each, so that every row can be read alone."""
        spanning: dict[int, tuple[int, str]] = {}  # column: rows still to fill, text
        grid: list[list[str]] = []
        for row in rows:
            cells: list[str] = []
            for cell in row.xpath("./td | ./th"):
                fill_spans(cells, spanning)
                text = one_line(self.text_of(cell))
                if (deep := number_of(cell.get("rowspan"), 1, 500)) > 1:
                    spanning[len(cells)] = (deep - 1, text)
                cells += [text] + [""] * (number_of(cell.get("colspan"), 1, 50) - 1)
            fill_spans(cells, spanning)
            grid.append(cells)
        return grid

    def text_of(self, element: Any) -> str:
        """The text of an element on its own."""
        inner = Walk(self.strict, left_out=self.left_out)
        inner.children(element)
        return " ".join(block.text.strip() for block in inner.done())


def says_nothing(picture: Any, name: str) -> bool:
    """Whether the text for a picture is a file's name, that of a button to press, or the caption once more."""
    if NOT_A_NAME.fullmatch(name):
        return True
    if number_of(picture.get("width"), 100, 1000) <= 24 and any(True for _ in picture.iterancestors("a")):
        return True
    frame = next(picture.iterancestors("figure", "li", "td"), None)
    return frame is not None and name[:30] in "".join(frame.itertext())


def fill_spans(cells: list[str], spanning: dict[int, tuple[int, str]]) -> None:
    while len(cells) in spanning:
        left, text = spanning.pop(len(cells))
        if left > 1:
            spanning[len(cells)] = (left - 1, text)
        cells.append(text)


def number_of(value: str | None, default: int, most: int) -> int:
    return min(int(value), most) if value and value.isdecimal() and int(value) > 0 else default


def code_language(pre: Any) -> str:
    """The language that a class like ``language-sh`` names, on the element or the ``code`` inside."""
    names = " ".join([pre.get("class") or "", *pre.xpath("./code/@class")])
    found = re.search(r"(?:language|lang|highlight-source)-([\w+#-]+)", names)
    return found[1] if found else ""


def declared_text(data: bytes) -> tuple[str, str]:
    """The text in the encoding that an HTML page declares, where that is true of its bytes."""
    found = DECLARED.search(data[:4096])
    name = (found[1] or found[2]).decode("ascii").lower() if found else ""
    for encoding in {"gb2312": ["gb18030"], "gbk": ["gb18030"], "big5": ["big5hkscs"]}.get(name, [name]):
        try:
            return (data.decode(encoding), encoding) if encoding else ("", "")
        except (UnicodeDecodeError, LookupError):
            continue
    return "", ""


READER = Reader("text/html", of_text(read_html, declared_text))
