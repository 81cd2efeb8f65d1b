"""Markdown (CommonMark with tables) as blocks. Front matter becomes the title; markup without meaning is left out.

An absolute link keeps its address in brackets, a relative one only its text. Emphasis marks go; inline code stays in
backticks, and what is struck out keeps its ``~~``. What site generators add (MDX imports, ``:::note``, shortcodes,
``{#anchor}``) goes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from tuneloop.documents.blocks import Block, Reading, fenced, one_line, table_text
from tuneloop.documents.html import html_blocks
from tuneloop.documents.marks import lowered, raised, struck

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

FRONT_MATTER = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)(?:^|\n)(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)
FRONT_TITLE = re.compile(r"^title:[ \t]*(.+?)[ \t]*$", re.MULTILINE)
COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
MODULE_LINE = re.compile(r"(?:import\s.+\sfrom\s+['\"].+|import\s+['\"].+|export\s+(?:const|default|function)\s.+)")
ADMONITION = re.compile(r"^:{3,}[ \t]*\w*[ \t]*\[?([^\]\n]*)\]?[ \t]*$", re.MULTILINE)
SHORTCODE = re.compile(r"\{\{[<%].*?[>%]\}\}")
ANCHOR = re.compile(r"[ \t]*\{#[\w.:-]+\}[ \t]*$")
COMPONENT = re.compile(r"</?[A-Z]\w*(?:\s[^<]*)?/?>")  # <Tabs groupId="api" …>
MARK = re.compile(r"<(/?)(sup|sub|del|s|strike)\b", re.I)
LINE_BREAK = re.compile(r"<br\s*/?>", re.I)


@lru_cache
def parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    # What is nested deeper than this the parser drops, with all that follows: Python's own limit is to come first
    return MarkdownIt("commonmark", {"maxNesting": 100_000}).enable(["table", "strikethrough"])


def read_markdown(text: str) -> Reading:
    """A Markdown file. A title in the front matter becomes the first heading where the text has none of level one."""
    title, body = split_front_matter(text)
    walk = Walk(parser().parse(body))
    blocks = walk.blocks()
    first = next((b for b in blocks if b.kind == "heading" and b.level == 1), None)
    if title and first is None:
        blocks.insert(0, Block("heading", title, 1))
    return Reading(blocks, title=title or (first.text if first else ""))


def split_front_matter(text: str) -> tuple[str, str]:
    """The title that the front matter gives, if any, and the text after it."""
    found = FRONT_MATTER.match(text)
    if not found:
        return "", text
    title = FRONT_TITLE.search(found[1])
    return (title[1].strip("'\"") if title else ""), text[found.end() :]


@dataclass
class Walk:
    """Walks the parser's flat list of tokens."""

    tokens: list[Token]
    found: list[Block] = field(default_factory=list)
    counters: list[int | None] = field(default_factory=list)  # of open lists: next number, None for bullets
    marker: str = ""  # of the list item that is about to begin

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
                text = ANCHOR.sub("", one_line(inline_text(self.tokens[position + 1], addresses=False)))
                self.found.append(Block("heading", text, int(token.tag[1])))
                return position + 3
            case "inline":
                self.prose(inline_text(token))
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
        text = "\n".join(line for line in text.split("\n") if not MODULE_LINE.fullmatch(line.strip(" ;")))
        text = SHORTCODE.sub("", ADMONITION.sub(r"\1", text)).strip()
        if not text or COMPONENT.fullmatch(text):
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

    def html(self, content: str) -> None:
        content = COMMENT.sub("", content)
        if re.sub(r"<[^>]*>", "", content).strip():
            self.found.extend(html_blocks(content))

    def table(self, position: int) -> int:
        rows: list[list[str]] = []
        while self.tokens[position].type != "table_close":
            token = self.tokens[position]
            if token.type == "tr_open":
                rows.append([])
            elif token.type == "inline":
                rows[-1].append(inline_text(token))
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
