"""Markdown (CommonMark with tables) as blocks. Front matter becomes the title; markup without meaning is left out.

An absolute link keeps its address in brackets, a relative one only its text. Emphasis marks go; inline code stays in
backticks, and what is struck out keeps its ``~~``. What site generators add (MDX imports and components, ``:::note``,
shortcodes, ``{#anchor}``) goes, but for the labels and titles that it shows. What goes is counted by its rule.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

from tuneloop.documents.blocks import Block, Reading, fenced, one_line, table_text
from tuneloop.documents.html import html_blocks
from tuneloop.documents.marks import lowered, raised, struck
from tuneloop.documents.readers import Reader, of_text
from tuneloop.documents.surroundings import COMMENTS
from tuneloop.language import stored

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

FRONT, SITE = stored("front matter"), stored("markup of the site")
FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)(?:^|\n)(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)
FRONT_TITLE = re.compile(r"^title:[ \t]*(.+?)[ \t]*$", re.MULTILINE)
COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
MODULE_LINE = re.compile(r"(?:import\s.+\sfrom\s+['\"].+|import\s+['\"].+|export\s+(?:const|default|function)\s.+)")
ADMONITION = re.compile(r"^:{3,}[ \t]*\w*[ \t]*\[?([^\]\n]*)\]?[ \t]*$", re.MULTILINE)
SHORTCODE = re.compile(r"\{\{[<%].*?[>%]\}\}")
ANCHOR = re.compile(r"[ \t]*\{#[\w.:-]+\}[ \t]*$")
COMPONENT = re.compile(r"</?[A-Z]\w*(?:\s[^<]*?)?/?>")  # <Tabs groupId="api" …>
LABEL = re.compile(r"""\b(?:label|title)=(["'])(.+?)\1""")
TAB = re.compile(r"""<TabItem\s[^>]*?\bvalue=(["'])(.+?)\1""")
TABS = re.compile(r"""\blabel:\s*(["'])(.+?)\1,\s*value:\s*(["'])(.+?)\3""")  # what tabs are called, said before them
MARK = re.compile(r"<(/?)(sup|sub|del|s|strike)\b", re.I)
LINE_BREAK = re.compile(r"<br\s*/?>", re.I)


@lru_cache
def parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    # What is nested deeper than this the parser drops, with all that follows: Python's own limit is to come first
    return MarkdownIt("commonmark", {"maxNesting": 100_000}).enable(["table", "strikethrough"])


def read_markdown(text: str) -> Reading:
    """A Markdown file. A title in the front matter becomes the first heading where the text has none of level one."""
    title, front, body = split_front_matter(text)
    walk = Walk(parser().parse(body))
    walk.leave_out(FRONT, front)
    blocks = walk.blocks()
    first = next((b for b in blocks if b.kind == "heading" and b.level == 1), None)
    if title and first is None:
        blocks.insert(0, Block("heading", title, 1))
    return Reading(blocks, title=title or (first.text if first else ""), left_out=+walk.left_out)


def split_front_matter(text: str) -> tuple[str, str, str]:
    """The title that the front matter gives, if any, what else it says, and the text after it."""
    found = FRONT_MATTER.match(text)
    if not found:
        return "", "", text
    title = FRONT_TITLE.search(found[1])
    return (title[1].strip("'\"") if title else ""), FRONT_TITLE.sub("", found[1], count=1), text[found.end() :]


def on_a_line(label: str) -> str:
    return label and f"{label}\n"


@dataclass
class Walk:
    """Walks the parser's flat list of tokens."""

    tokens: list[Token]
    found: list[Block] = field(default_factory=list)
    counters: list[int | None] = field(default_factory=list)  # of open lists: next number, None for bullets
    marker: str = ""  # of the list item that is about to begin
    tabs: dict[str, str] = field(default_factory=dict)  # names of tabs by their values
    left_out: Counter[str] = field(default_factory=Counter)  # characters by the rule

    def leave_out(self, rule: str, text: str, kept: str = "") -> str:
        """Count ``text`` as left out by a rule but for what is ``kept`` of it, and give that back."""
        self.left_out[rule] += max(0, len(" ".join(text.split())) - len(kept))
        return kept

    def text_of(self, token: Token, addresses: bool = True) -> str:
        """The text of an inline token; the tags in it that are not markup of the text are counted."""
        self.tabs.update((found[4], found[2]) for found in TABS.finditer(token.content))
        for child in token.children or []:
            if child.type == "html_inline" and child.content.startswith("<!--"):
                self.leave_out(COMMENTS, child.content)
            elif child.type == "html_inline" and COMPONENT.fullmatch(child.content):
                child.type, child.content = "text", on_a_line(self.shown(child.content))
        return inline_text(token, addresses)

    def blocks(self) -> list[Block]:
        position = 0
        while position < len(self.tokens):
            position = self.step(position)
        return self.found

    def step(self, position: int) -> int:
        """Handle the token at ``position``; return where to go on."""
        token = self.tokens[position]
        match token.type:
            case "heading_open":
                text = one_line(self.text_of(self.tokens[position + 1], addresses=False))
                text = ANCHOR.sub(lambda found: self.leave_out(SITE, found[0]), text)
                self.found.append(Block("heading", text, int(token.tag[1])))
                return position + 3
            case "inline":
                self.prose(self.text_of(token))
            case "fence" | "code_block":
                self.marked(fenced(token.content.rstrip("\n"), token.info.split(" ")[0].strip()), "code")
            case "html_block":
                self.html(token.content)
            case "bullet_list_open":
                self.counters.append(None)
            case "ordered_list_open":
                self.counters.append(int(token.attrs.get("start", 1)))
            case "bullet_list_close" | "ordered_list_close":
                self.counters.pop()
            case "list_item_open":
                self.begin_item()
            case "list_item_close":
                self.marker = ""
            case "table_open":
                return self.table(position)
        return position + 1

    def begin_item(self) -> None:
        number = self.counters[-1]
        self.marker = "- " if number is None else f"{number}. "
        if number is not None:
            self.counters[-1] = number + 1

    def prose(self, text: str) -> None:
        """A paragraph, or one of a list item."""
        lines = text.split("\n")
        modules = [line for line in lines if MODULE_LINE.fullmatch(line.strip(" ;"))]
        for line in modules:
            self.leave_out(SITE, line)
        text = "\n".join(line for line in lines if line not in modules) if modules else text
        text = ADMONITION.sub(lambda found: self.leave_out(SITE, found[0], found[1]), text)
        text = SHORTCODE.sub(lambda found: on_a_line(self.shown(found[0])), text).strip()
        if (tag := COMPONENT.match(text)) and text[tag.end() :][:1] in ("", "\n"):
            text = (on_a_line(self.shown(tag[0])) + text[tag.end() :]).strip()
        if not text:
            return
        if not self.counters:
            self.found.append(Block("text", text))
            return
        indent = "  " * (len(self.counters) - 1)
        self.found.append(Block("list", indent + (self.marker or "  ") + text.replace("\n", f"\n{indent}  ")))
        self.marker = ""

    def marked(self, text: str, kind: str) -> None:
        """Code or a table; a list item that begins with it loses its marker."""
        self.found.append(Block("code" if kind == "code" else "table", text))
        self.marker = ""

    def shown(self, tag: str) -> str:
        """What a component or shortcode shows of itself: ``ADC`` of ``<TabItem value="adc" label="ADC">``."""
        label, tab = LABEL.search(tag), TAB.match(tag)
        name = label[2] if label else self.tabs.get(tab[2], tab[2]) if tab else ""
        return self.leave_out(SITE, tag, name)

    def html(self, content: str) -> None:
        content = COMMENT.sub(lambda found: self.leave_out(COMMENTS, found[0]), content)
        self.tabs.update((found[4], found[2]) for found in TABS.finditer(content))
        content = COMPONENT.sub(lambda found: f"<p>{escape(self.shown(found[0]))}</p>", content)
        if re.sub(r"<(?!img\b)[^>]*>", "", content).strip():
            blocks, left_out = html_blocks(content)
            self.found.extend(blocks)
            self.left_out.update(left_out)

    def table(self, position: int) -> int:
        rows: list[list[str]] = []
        while self.tokens[position].type != "table_close":
            token = self.tokens[position]
            if token.type == "tr_open":
                rows.append([])
            elif token.type == "inline":
                rows[-1].append(self.text_of(token))
            position += 1
        if text := table_text(rows):
            self.marked(text, "table")
        return position + 1


def inline_text(token: Token, addresses: bool = True) -> str:
    """The text of an inline token: links as ``text (address)``, code in backticks, no emphasis."""
    parts: list[str] = []
    links: list[tuple[int, str]] = []  # where the text of each open link begins, its address
    marks: list[tuple[int, str]] = []  # the same of raised and lowered text
    for child in token.children or []:
        match child.type:
            case "text":
                parts.append(child.content)
            case "softbreak" | "hardbreak":
                parts.append("\n")
            case "code_inline":
                parts.append(f"`{child.content}`")
            case "image":
                parts.append(inline_text(child))
            case "html_inline":
                parts.append("\n" if LINE_BREAK.fullmatch(child.content) else "")
                html_mark(child.content, parts, marks)
            case "s_open" | "s_close":
                parts.append("~~")
            case "link_open":
                links.append((len(parts), str(child.attrs.get("href", ""))))
            case "link_close":
                begins, address = links.pop()
                absolute = addresses and address.startswith(("http://", "https://"))
                if absolute and "".join(parts[begins:]).strip() != address:
                    parts.append(f" ({address})")
    return "".join(parts)


def html_mark(tag: str, parts: list[str], marks: list[tuple[int, str]]) -> None:
    """Take in a tag inside a line: what it raises, lowers or strikes out is marked when it closes."""
    found = MARK.match(tag)
    if not found:
        return
    name = found[2].lower()
    if not found[1]:
        marks.append((len(parts), name))
    elif marks and marks[-1][1] == name:
        begins, _ = marks.pop()
        text = "".join(parts[begins:])
        before = "".join(parts[:begins])[-1:]
        if name in ("sup", "sub"):
            parts[begins:] = [(raised if name == "sup" else lowered)(before, text)]
        else:
            parts[begins:] = [struck(text)]


READER = Reader("text/markdown", of_text(read_markdown))
