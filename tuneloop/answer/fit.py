"""One clause of a sentence held against one clause of a passage: what stands there, what is missing, what is turned."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from tuneloop.answer.marks import Mark, marks
from tuneloop.answer.numbers import Number
from tuneloop.answer.statement import Clause, Statement, Unit, take_apart
from tuneloop.knowledge.terms import fold, terms
from tuneloop.records import LEAD
from tuneloop.text.sentences import split_sentences

LIST_ITEM = re.compile(r"\s{0,20}(?:[-*+•]|\d{1,3}[.)、])\s")
REACH = 3  # sentences that may carry one sentence of an answer


@dataclass(frozen=True, slots=True)
class Item:
    """A content word, number or piece of code of a clause, and what it weighs."""

    kind: str  # word, number, code
    text: str
    start: int
    end: int
    weight: float
    unit: Unit | None = None
    number: Number | None = None


@dataclass
class Source:
    """A passage, prepared: its statement, its sentences, and the terms of its heading."""

    text: str
    statement: Statement
    sentences: list[tuple[int, int]]
    context: str  # the terms of the headings
    heading: str  # the headings, folded
    titles: str  # of them those that say nothing by themselves: not what announces a list

    def reach(self, position: int) -> int:
        """How far back a sentence may lean on others: a list item stands for itself."""
        number = self.sentence(position)
        for _ in range(REACH - 1):
            if number > 0 and not LIST_ITEM.match(self.text, self.sentences[number][0]):
                number -= 1
        return self.sentences[number][0] if self.sentences else 0

    @classmethod
    def prepare(cls, text: str, heading: Sequence[str]) -> Source:
        joined = " \n ".join(heading)
        titles = " \n ".join(title for title in heading if not title.startswith(LEAD))
        return cls(text, take_apart(text), split_sentences(text), " ".join(terms(joined)), fold(joined), fold(titles))

    def sentence(self, position: int) -> int:
        return min(bisect_right(self.ends, position), len(self.sentences) - 1)

    @cached_property
    def marks(self) -> list[Mark]:
        return marks(self.statement)

    @cached_property
    def ends(self) -> list[int]:
        return [end for _, end in self.sentences]


@dataclass
class Fit:
    """A clause of the answer, held against one clause of a passage."""

    clause: Clause
    held: float = 0.0  # weight
    total: float = 0.0
    missing: list[Item] = field(default_factory=list)  # found nowhere near
    first: int = 0  # where what it takes up begins: in the clause, or before it
    lead: int = 0  # where the first thing that it holds itself stands
    problem: str = ""
    part: Sequence[Item] = ()  # what of the sentence is held against it

    def takes(self, item: Item) -> bool:
        return item in self.part


def heavy(item: Item) -> bool:
    """Whether an item carries a fact."""
    return item.unit is None or not item.unit.light


def fit(claim: Statement, part: list[Item], source: Source, clause: Clause) -> Fit:
    """One clause of a sentence against one clause of a passage."""
    claim.spend(len(part) * (1 + len(source.statement.numbers_between(clause.start, clause.end))))
    result = Fit(clause, total=sum(item.weight for item in part), first=clause.start, lead=clause.end, part=part)
    earlier = Clause(source.reach(clause.start), clause.start, clause.block)
    taken: list[Item] = []  # from before the clause, or from the heading
    for item in part:
        here = list(left_over(item, source.statement, clause))
        result.held += item.weight * (1 - share(item, here))
        result.lead = min([result.lead, *(spots_of(item, source.statement, clause) if not here else ())])
        for rest in here:
            place = found_before(rest, source, earlier)
            if place is None:
                result.missing.append(rest)
            else:
                result.held += rest.weight
                result.first = min(result.first, place)
                taken.append(rest)
    result.problem = item_problem(result.missing) or lead_problem(part, taken, result.first, source, clause)
    result.problem = result.problem or cue_problem(claim, part, source.statement, clause)
    return result


def share(item: Item, rest: list[Item]) -> float:
    return sum(r.end - r.start for r in rest) / (item.end - item.start)


def left_over(item: Item, told: Statement, clause: Clause) -> Iterator[Item]:
    """The parts of an item that a clause does not hold: nothing, all, or stretches of Chinese characters."""
    if item.kind == "word" and item.unit and not item.unit.text.isascii():
        yield from uncovered(item, told.folded[clause.start : clause.end])
    elif not any(True for _ in places(item, told, clause)):
        yield item


def places(item: Item, told: Statement, clause: Clause) -> Iterator[int]:
    """Where a clause holds a Latin word, a number or code."""
    if item.kind == "number" and item.number:
        here = told.numbers_between(clause.start, clause.end)
        yield from (n.start for n in here if item.number.agrees(n))
    elif item.kind == "code":
        yield from occurrences(item.text, told.folded, clause)
    else:
        yield from (u.start for u in told.units_between(clause.start, clause.end) if u.text == item.text)


def uncovered(item: Item, text: str) -> Iterator[Item]:
    """The stretches of a Chinese word that ``text`` lacks; what is held must be two characters long at least."""
    run, position, gap = item.text, 0, 0
    while position <= len(run):
        end = position
        while end < len(run) and run[position : end + 1] in text:
            end += 1
        if end - position >= min(2, len(run)) or position == len(run):
            if gap < position:
                width = item.weight * (position - gap) / len(run)
                yield Item("word", run[gap:position], item.start + gap, item.start + position, width, item.unit)
            gap = end
        position = max(end, position + 1) if end - position >= min(2, len(run)) else position + 1


def occurrences(piece: str, text: str, clause: Clause) -> Iterator[int]:
    """Where a piece of code stands in a clause, not as a part of a longer name."""
    return (m.start() for m in code_pattern(piece).finditer(text, clause.start, clause.end))


@lru_cache(4096)
def code_pattern(piece: str) -> re.Pattern[str]:
    pattern = re.escape(" ".join(piece.split())).replace(r"\ ", r"\s+")
    if piece[:1].isascii():
        pattern = rf"(?:(?<=://)|(?<![a-z0-9_/\-.])){pattern}(?![a-z0-9_]|[-./][a-z0-9])"
    return re.compile(pattern)


def stands(piece: str, text: str, start: int, end: int) -> Iterator[int]:
    """Where a text has a piece between two places."""
    at = text.find(piece, start, end)
    while at >= 0:
        yield at
        at = text.find(piece, at + len(piece), end)


def found_before(rest: Item, source: Source, earlier: Clause) -> int | None:
    """Where something that a clause lacks stands shortly before it, or its own place where the heading has it."""
    if rest.kind == "number":
        return None
    folded = source.statement.folded
    if rest.kind == "code" or (rest.unit and rest.unit.text.isascii()):
        place = max(places(rest, source.statement, earlier), default=None)
        in_heading = f" {rest.text} " in f" {source.context} "
    else:
        place = folded.rfind(rest.text, earlier.start, earlier.end) if len(rest.text) > 1 else -1
        place = None if place < 0 else place
        in_heading = all(term in source.context for term in (rest.unit.terms if rest.unit else ()))
    return earlier.end if place is None and in_heading else place


def item_problem(missing: list[Item]) -> str:
    return next((item.kind for item in missing if item.kind != "word"), "")


def lead_problem(part: list[Item], taken: list[Item], place: int, source: Source, clause: Clause) -> str:
    """What a clause lacks may come from before it (``place``) only where the clause itself speaks of nothing else.

    That is: all of its content is in the sentence; or it opens with what the sentence says, and what it lacks is how
    the sentence begins.
    """
    taken = [item for item in taken if heavy(item)]
    if not taken:
        return ""
    told = source.statement
    block = min(c.start for c in told.clauses if c.block == clause.block)
    if place < block and any(True for _ in foreign(part, told, block, clause.start)):
        return "subject"
    others = sorted({*foreign(part, told, clause.start, clause.end), *said_twice(part, told, clause)})
    if not others:
        return ""
    own = sorted(u.start for u in told.units_between(clause.start, clause.end) if not u.light and u.start not in others)
    if len(own) < 2 or others[0] < own[1]:
        return "subject"
    lacking = {item.start for item in taken}
    opening = [item.start for item in part if heavy(item)][: len(lacking)]
    return "" if lacking <= set(opening) else "joined"


def said_twice(part: Sequence[Item], told: Statement, clause: Clause) -> Iterator[int]:
    """Where a clause first has a word that it has more often than the sentence: its subject, not the one asked for."""
    said = Counter(item.text for item in part)
    theirs = Counter(u.text for u in told.units_between(clause.start, clause.end) if not u.light)
    for text, count in theirs.items():
        if 0 < said[text] < count:
            yield next(u.start for u in told.units if u.text == text and u.start >= clause.start)


def foreign(items: Sequence[Item], told: Statement, start: int, end: int) -> Iterator[int]:
    """Where the passage, within a stretch, speaks of something that the sentence does not."""
    said = {item.text for item in items}
    text, numbers = "\n".join(said), [item.number for item in items if item.number]
    for unit in told.units_between(start, end):
        if not unit.light and unit.text not in (said if unit.text.isascii() else text):
            yield unit.start
    yield from (n.start for n in told.numbers_between(start, end) if not any(m.agrees(n) for m in numbers))
    yield from (at for code, at in told.codes if start <= at < end and code not in said)


def cue_problem(claim: Statement, part: list[Item], told: Statement, clause: Clause) -> str:
    """Words that turn the meaning must be neither added nor dropped."""
    start, end = part[0].start, part[-1].end
    here = [c for c in told.cues if clause.start <= c.start < clause.end]
    mine = [
        c
        for c in claim.cues
        if any(cl.start <= c.start < cl.end and cl.start <= start < cl.end for cl in claim.clauses)
    ]
    for kind in ("not", "all", "only"):
        for cue in (c for c in mine if c.kind == kind):
            if not any(c.kind == kind and related(cue.scope, c.scope) for c in here):
                return kind
    kinds = {c.kind for c in mine}
    text = "\n".join([item.text for item in part if item.start >= start and item.end <= end])
    for cue in here:
        if not any(term in text for unit in cue.scope[:1] for term in unit.terms):
            continue
        if cue.kind == "not" and not any(c.kind == "not" and related(c.scope, cue.scope) for c in mine):
            return "not"
        if cue.kind == "hedge" and not kinds & {"hedge", "may"}:
            return "hedge"
        if cue.kind == "must" and kinds & {"may"} and "must" not in kinds:
            return "must"
        if cue.kind in ("may", "hedge") and "must" in kinds and not any(c.kind == "must" for c in here):
            return "must"
    return ""


def related(left: Sequence[Unit], right: Sequence[Unit]) -> bool:
    """Whether two cues turn the same thing."""
    if not left or not right:
        return True
    return any(set(a.terms) & set(b.terms) or a.text in b.text or b.text in a.text for a in left for b in right)


def spots_of(item: Item, told: Statement, clause: Clause) -> Iterator[int]:
    """Where a clause holds an item, Chinese words included."""
    if item.kind == "word" and not item.text.isascii():
        return stands(item.text, told.folded, clause.start, clause.end)
    return places(item, told, clause)
