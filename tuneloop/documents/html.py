"""HTML as blocks: the main content, without navigation, scripts and what else surrounds it."""

import re
from dataclasses import dataclass, field
from typing import Any

from tuneloop.documents.blocks import Block, Reading, Unreadable, fenced, one_line, table_text
from tuneloop.language import stored
from tuneloop.sentences import word_set

DROPPED = word_set(
    "script style noscript template iframe svg canvas nav footer aside form button select input textarea object embed "
    "dialog menu head link meta audio video map"
)
INLINE = word_set(
    "a abbr acronym b bdi bdo big cite data dfn em font i img ins kbd label mark q rp rt ruby s samp small span strike "
    "strong sub sup time tt u var wbr math code"
)
ROLES = frozenset(["navigation", "banner", "contentinfo", "search", "complementary", "dialog", "menu", "menubar"])
SURROUNDING = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|navigation|menu|sidebar|breadcrumbs?|cookies?|footer|toc|pagination|share|social|advert|"
    r"ads|popup|modal|skip|related|newsletter|subscribe|editsection|navbox|catlinks|printfooter|noprint|jump-link|"
    r"headerlink|sr-only|visually-hidden)(?:$|[\s_-])",
    re.I,
)
HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
PROLOG = re.compile(r"^\s*<\?xml[^>]*\?>")
HEADING = re.compile(r"h[1-6]")


def read_html(text: str) -> Reading:
    """A whole page. Where it has no first-level heading, its title becomes one."""
    root = parse_html(text)
    title = one_line(" ".join(root.xpath("//head/title[1]//text()")[:5]))
    body = next(iter(root.xpath("//body")), root)
    blocks = content_of(body)
    first = next((b for b in blocks if b.kind == "heading" and b.level == 1), None)
    if first is None and title:
        blocks.insert(0, Block("heading", title, 1))
    return Reading(blocks, title=first.text if first else title)


def html_blocks(text: str) -> list[Block]:
    """The blocks of a piece of HTML, for example inside Markdown; nothing is taken for surroundings."""
    walk = Walk(strict=False)
    walk.element(parse_html(f"<html><body>{text}</body></html>"))
    return walk.done()


def parse_html(text: str) -> Any:
    from lxml import etree, html  # pyright: ignore[reportAttributeAccessIssue]

    try:
        return html.document_fromstring(PROLOG.sub("", text) or " ", parser=html.HTMLParser(remove_comments=True))
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable(stored("not readable as HTML: {}").format(one_line(str(error)))) from None


def content_of(body: Any) -> list[Block]:
    """The blocks of the main part; of all the page where leaving surroundings out would leave too little."""
    everything = len("".join(body.itertext()))
    for root in [*body.xpath("//main | //*[@role='main']")[:1], *only(body.xpath("//article")), body]:
        walk = Walk(strict=True, menus=root is body)
        walk.element(root)
        blocks = walk.done()
        if sum(len(b.text) for b in blocks) >= (0.2 if root is not body else 0.05) * everything:
            return blocks
    walk = Walk(strict=False)
    walk.element(body)
    return walk.done()


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

    def done(self) -> list[Block]:
        self.flush()
        return self.blocks

    def flush(self) -> None:
        """End the paragraph or list item that is being collected."""
        text = re.sub(r"[ \t\n\r\f\u00a0]+", " ", "".join(self.inline)).replace("\u2028", "\n")
        text = "\n".join(line.strip() for line in text.split("\n")).strip()
        menu = self.menus and self.depth and len(text) < 80 and self.linked > 0.7 * len(text)
        if text and not menu:
            if self.depth:
                indent = "  " * (self.depth - 1)
                self.blocks.append(Block("list", indent + (self.marker or "  ") + text.replace("\n", f"\n{indent}  ")))
                self.marker = ""
            else:
                self.blocks.append(Block("text", text))
        self.inline, self.linked = [], 0

    def surrounds(self, element: Any) -> bool:
        """Whether an element is navigation, decoration or hidden, and not content."""
        if element.tag in DROPPED:
            return True
        if element.get("hidden") is not None or HIDDEN.search(element.get("style") or ""):
            return True
        if not self.strict:
            return False
        if element.get("role") in ROLES or element.get("aria-hidden") == "true":
            return True
        names = f"{element.get('class') or ''} {element.get('id') or ''}"
        if element.tag in ("body", "main", "article", "html") or HEADING.fullmatch(element.tag):
            return False
        if element.tag == "header":
            return not element.xpath(".//h1")
        return bool(SURROUNDING.search(names)) or (element.tag == "sup" and "reference" in names)

    def element(self, element: Any) -> None:
        tag = element.tag
        if not isinstance(tag, str) or self.surrounds(element):
            return
        if HEADING.fullmatch(tag):
            self.flush()
            self.blocks.append(Block("heading", one_line(self.text_of(element)), int(tag[1])))
        elif tag == "br":
            self.inline.append("\u2028")
        elif tag == "pre":
            self.flush()
            code = "".join(element.itertext()).strip("\n")
            if code.strip():
                self.blocks.append(Block("code", fenced(code, language_of(element))))
        elif tag == "table":
            self.table(element)
        elif tag in ("ul", "ol"):
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
        if element.tag == "math":
            self.inline.append(element.get("alttext") or one_line("".join(element.itertext())))
            return
        if element.tag == "code" and not element.xpath("./*"):
            self.inline.append(f"`{one_line(element.text or '')}`" if (element.text or "").strip() else "")
            return
        before = sum(map(len, self.inline))
        self.children(element)
        if element.tag == "a":
            self.linked += max(0, sum(map(len, self.inline)) - before)

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
        inner = Walk(self.strict)
        inner.children(element)
        return " ".join(block.text.strip() for block in inner.done())


def fill_spans(cells: list[str], spanning: dict[int, tuple[int, str]]) -> None:
    while len(cells) in spanning:
        left, text = spanning.pop(len(cells))
        if left > 1:
            spanning[len(cells)] = (left - 1, text)
        cells.append(text)


def number_of(value: str | None, default: int, most: int) -> int:
    return min(int(value), most) if value and value.isdecimal() and int(value) > 0 else default


def language_of(pre: Any) -> str:
    """The language that a class like ``language-sh`` names, on the element or the ``code`` inside."""
    names = " ".join([pre.get("class") or "", *pre.xpath("./code/@class")])
    found = re.search(r"(?:language|lang|highlight-source)-([\w+#-]+)", names)
    return found[1] if found else ""
