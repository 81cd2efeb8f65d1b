"""Statutes: 编, 章 and 节 are headings, and each 条 is a unit of its own, in whatever format they come."""

import re
from itertools import pairwise

from tuneloop.documents.blocks import Block, one_line
from tuneloop.scripts import HAN
from tuneloop.text import articles
from tuneloop.text.numerals import whole_number

ARTICLE = re.compile(rf"[*_ \u3000]*({articles.ARTICLE.pattern})[*_]*(?=[ \u3000\t【\[（(]|[{HAN}])")
DIVISION = re.compile(rf"[*_ \u3000]*({articles.DIVISION})[*_]*(?:[ \u3000\t]|$|(?=[{HAN}]))")
RANKS = {"编": 0, "分编": 1, "章": 2, "节": 3}
LONGEST_HEADING = 40
FEWEST_ARTICLES = 3
AFTER_CITED = re.compile("(?:规定|所称|所列|的规定|之规定|至第|、第|和第|第[一二三四五六七八九十]+款)")


def mark_articles(blocks: list[Block]) -> list[Block]:
    """The blocks with 编, 章 and 节 as headings and each 条 under its number; others unchanged.

    A text is a statute where at least three paragraphs begin with an article's number, most of them in rising order.
    """
    numbers = [n for block in blocks if (n := article_number(block))]
    rising = sum(1 for a, b in pairwise(numbers) if b >= a)
    if len(numbers) < FEWEST_ARTICLES or rising < 0.7 * (len(numbers) - 1):
        return blocks
    blocks = [piece for block in blocks for piece in split_lines(block)]
    levels = division_levels(blocks)
    return [mark(block, blocks, index, levels) for index, block in enumerate(blocks)]


def division_levels(blocks: list[Block]) -> dict[str, int]:
    """The heading level of each division that occurs, below the headings that stand before the first of them."""
    first = next((i for i, b in enumerate(blocks) if division_of(b) or article_number(b)), 0)
    above = max((b.level for b in blocks[:first] if b.kind == "heading"), default=0)
    if blocks[first].kind == "heading":
        above = min(above, blocks[first].level - 1)  # 序言 stands beside the first chapter, not above it
    present = sorted({name for b in blocks if (name := division_of(b))}, key=lambda name: RANKS[name])
    return {name: above + 1 + place for place, name in enumerate(present)} | {"条": above + 1 + len(present)}


def mark(block: Block, blocks: list[Block], index: int, levels: dict[str, int]) -> Block:
    """The block as a heading, as an article, or as it is."""
    if division := division_of(block):
        if block.kind == "heading" or holds_articles(blocks, index, RANKS[division]):
            name = re.sub(rf"(?<=[{HAN}])[ \u3000]+(?=[{HAN}]$)", "", one_line(block.text))
            return Block("heading", name, levels[division], block.page, box=block.box, confidence=block.confidence)
    elif block.kind in ("text", "list") and (article := ARTICLE.match(block.text)) and article_number(block):
        return Block(
            "text", block.text, levels["条"], block.page, opens=article[1], box=block.box, confidence=block.confidence
        )
    return block


def article_number(block: Block) -> int:
    """The number of the article that a paragraph begins with; 0 where it begins otherwise or only cites one."""
    found = ARTICLE.match(block.text) if block.kind in ("text", "list") else None
    if not found or AFTER_CITED.match(block.text, found.end()):
        return 0
    return whole_number(re.sub("之.*|[第条]", "", found[1]))


def division_of(block: Block) -> str:
    """编, 分编, 章 or 节 where the block is a short line that begins one; "" otherwise."""
    if block.kind not in ("text", "heading") or len(block.text) > LONGEST_HEADING or block.text.rstrip().endswith("。"):
        return ""
    found = DIVISION.match(block.text)
    return (found[2] or "") if found else ""


def holds_articles(blocks: list[Block], index: int, rank: int) -> bool:
    """Whether an article follows before the next division of its rank or higher; not so in a contents list."""
    for block in blocks[index + 1 :]:
        if article_number(block):
            return True
        if (next_division := division_of(block)) and RANKS[next_division] <= rank:
            return False
    return False


def split_lines(block: Block) -> list[Block]:
    """A paragraph of several lines, some of which begin an article or a division, as one block for each of them."""
    lines = block.text.split("\n")
    if block.kind != "text" or len(lines) < 2:
        return [block]
    pieces: list[list[str]] = []
    for line in lines:
        if not pieces or ARTICLE.match(line) or DIVISION.match(line):
            pieces.append([line])
        else:
            pieces[-1].append(line)
    return [
        Block("text", "\n".join(piece), page=block.page, box=block.box, confidence=block.confidence) for piece in pieces
    ]
