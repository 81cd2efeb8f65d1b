"""A text as a row of what it says, word by word, and the parts into which commas and conjunctions cut it."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from tuneloop.answer.statement import ASIDE, Clause, Spans, Statement, inside
from tuneloop.knowledge.terms import stem

LINKS = re.compile(r"\b(?:when|if|because|unless|until|after|before|(?<!, )while|where|who|whose|whom|that|which)\b")
BOUND = re.compile(r"(?:超过|[大高多小低少长短早晚]于)(?=\D?\d)")  # the number has it
PLAIN = re.compile(r"[a-z]+")
NUMBERED = re.compile(r"\s*(?:第[^\s，。,]{1,12}条(?:之[^\s，。,]{1,3})?|\d{1,3}[.)、]|[-*+•#>|]+)\s*")
BREAK = re.compile(
    r"(?P<comma>[,，])|(?P<colon>[:：])|(?P<list>、)|(?P<but>\bbut\b|但是?|然而)"
    r"|(?P<or>\bor\b|或者?)|(?P<and>\b(?:and|as well as|whereas)\b|(?<=, )(?:while|then)\b"
    r"|(?<!共)和(?![平解谐])|(?<!参)与(?!会)|以及|(?<![普涉危不])及(?!时)"
    r"|(?<![合吞])并且?(?!发)|[且而])"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing said: a Latin word's stem, a Chinese character, a number with unit and bound, code, or a link (if)."""

    key: str
    start: int
    end: int
    aside: bool = False  # said in parentheses, or the number of an article
    number: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """What stands between two breaks; ``kind`` names the break before it, "" at the beginning of a statement."""

    start: int
    end: int
    kind: str


def marks(statement: Statement) -> list[Mark]:
    """All that a text says, in order."""
    asides = Spans([m.span() for m in ASIDE.finditer(statement.folded)])
    bounds = Spans([m.span() for m in BOUND.finditer(statement.folded)])
    found: list[Mark] = []

    def add(key: str, start: int, end: int, number: bool = False) -> None:
        found.append(Mark(key, start, end, asides.hold(start), number))

    for unit in statement.units:
        if not unit.text.isascii():
            for at, character in enumerate(unit.text, unit.start):
                if not bounds.hold(at):
                    add(character, at, at + 1)
        elif not unit.light:
            add(unit.text, unit.start, unit.end)
    for number in statement.numbers:
        if not statement.code_spans.hold(number.start):
            add(f"#{number.value} {number.unit} {number.bound}", number.start, number.end, number=True)
    for code, start in statement.codes:
        add(stem(code) if PLAIN.fullmatch(code) else f"`{code}", start, start + len(code))
    for link in LINKS.finditer(statement.folded):
        if not statement.code_spans.hold(link.start()):
            add(f"~{link[0]}", link.start(), link.end())
    return sorted(found, key=lambda mark: mark.start)


def between(row: list[Mark], start: int, end: int) -> list[Mark]:
    """The marks that begin between two places."""
    return row[bisect_left(row, start, key=lambda m: m.start) : bisect_left(row, end, key=lambda m: m.start)]


def parts(statement: Statement, block: Clause) -> Iterator[Part]:
    """The parts of one statement, without the number of its article."""
    folded = statement.folded
    asides = Spans([m.span() for m in ASIDE.finditer(folded, block.start, block.end)])
    numbered = NUMBERED.match(folded, block.start, block.end)
    start, kind = numbered.end() if numbered else block.start, ""
    for match in BREAK.finditer(folded, start, block.end):
        if asides.hold(match.start()) or inside(statement, match.start()):
            continue
        if folded[start : match.start()].strip():
            yield Part(start, match.start(), kind)
            kind = ""
        kind, start = stronger(kind, str(match.lastgroup)), match.end()
    yield Part(start, block.end, kind)


def stronger(left: str, right: str) -> str:
    """What two breaks beside each other are: ``, and`` joins whole statements, or the last item of a list."""
    return "joined" if left == "comma" and right == "and" else right
