"""Whether a passage says what a sentence says: precise rather than generous.

Sentence and passage are cut into clauses. Every clause of the sentence must lie in one clause of the passage: all its
numbers, with units and bounds, all its code and names, and nearly all of its content words, weighed by how telling
they are. What is missing there may stand before it or in the heading (``Older ones are deleted`` after ``backups``),
unless that clause speaks of something else. No word that turns the meaning (not, only, may, at most) may be added or
dropped, and roles may not be swapped. So a sentence is supported where it is close to what stands there, and a free
paraphrase may be missed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

from tuneloop.answer.numbers import Number
from tuneloop.answer.statement import Clause, Statement, Unit, take_apart
from tuneloop.answer.vocabulary import OPPOSITES, TIES
from tuneloop.knowledge.terms import fold, terms
from tuneloop.sentences import split_sentences
from tuneloop.tokens import CJK

if TYPE_CHECKING:
    import numpy as np

COVERAGE = 0.8  # of the sentence's content, by weight
REACH = 3  # sentences that may carry one sentence of an answer
FEW = 6  # a sentence of fewer content words must be covered whole
LIGHT = 0.15  # what a word that carries no fact weighs

Idf = Callable[[Sequence[str]], "np.ndarray"]


@dataclass(frozen=True)
class Support:
    """The stretch of a passage that fits a sentence best. ``problem`` says why it does not support it, or is empty."""

    passage: int  # number of the passage, from 0
    start: int  # in the passage's text
    end: int
    score: float  # the share of the sentence's content that stands there, 0 to 1
    problem: str = ""

    @property
    def supported(self) -> bool:
        return not self.problem


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

    def sentence(self, position: int) -> int:
        return next((n for n, (_, end) in enumerate(self.sentences) if position < end), len(self.sentences) - 1)


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


class Checker:
    """Holds sentences against passages, given as (text, headings). ``idf`` weighs terms as the passages' index does."""

    def __init__(self, passages: Sequence[tuple[str, Sequence[str]]], idf: Idf) -> None:
        self.idf = idf
        self.sources = [
            Source(
                text,
                take_apart(text),
                split_sentences(text),
                " ".join(terms(" \n ".join(heading))),
                fold(" \n ".join(heading)),
            )
            for text, heading in passages
        ]

    def check(self, sentence: str, prefer: Sequence[int] = ()) -> Support | None:
        """The best support for a sentence, or what comes closest; None where it states nothing or nothing is near.

        Among equals, passages in ``prefer`` (those that the model named) win, then the earlier one.
        """
        if is_code_block(sentence):
            return self.check_code(sentence)
        claim = take_apart(strip_list_mark(sentence))
        items = self.items(claim)
        if not any(heavy(item) for item in items):
            return None
        found = [s for n, source in enumerate(self.sources) if (s := match(claim, items, source, n))]
        return min(
            found, key=lambda s: (bool(s.problem), -round(s.score, 2), s.passage not in prefer, s.passage), default=None
        )

    def check_code(self, block: str) -> Support | None:
        """A code block is supported where one passage has all its lines, whatever the space in them."""
        lines = ["".join(line.split()) for line in block.strip().splitlines()[1:]]
        lines = [line for line in lines if line and not line.startswith(("```", "~~~"))]
        for number, source in enumerate(self.sources if lines else []):
            places = [i for i, c in enumerate(source.text) if not c.isspace()]
            dense = "".join(source.text[i] for i in places)
            found = [dense.find(line) for line in lines]
            if min(found) >= 0:
                start, end = min(found), max(at + len(line) for at, line in zip(found, lines, strict=True))
                return Support(number, places[start], places[end - 1] + 1, 1.0)
        return None

    def states(self, sentence: str) -> bool:
        """Whether a sentence has anything in it to support."""
        return is_code_block(sentence) or any(heavy(item) for item in self.items(take_apart(sentence)))

    def items(self, claim: Statement) -> list[Item]:
        """What a sentence is made of, in order, with weights."""
        flat = [term for unit in claim.units for term in unit.terms]
        idf = dict(zip(flat, map(float, self.idf(flat)), strict=True)) if flat else {}
        found = [Item("word", u.text, u.start, u.end, unit_weight(u, idf), u) for u in claim.units]
        most = max((item.weight for item in found), default=1.0)
        found += [Item("number", n.value, n.start, n.end, most, number=n) for n in claim.numbers]
        found += [Item("code", code, start, start + len(code), most) for code, start in claim.codes]
        return sorted(found, key=lambda item: item.start)


def heavy(item: Item) -> bool:
    """Whether an item carries a fact."""
    return item.unit is None or not item.unit.light


def is_code_block(sentence: str) -> bool:
    return sentence.lstrip().startswith(("```", "~~~"))


def unit_weight(unit: Unit, idf: dict[str, float]) -> float:
    mean = sum(idf[t] for t in unit.terms) / len(unit.terms)
    size = 1.0 if unit.text.isascii() else min(len(unit.text), 8) / 2
    return max(mean, 0.1) * size * (LIGHT if unit.light else 1.0)


def strip_list_mark(sentence: str) -> str:
    return re.sub(r"^\s*(?:[-*+•]|\d{1,3}[.)、]|[（(]?[一二三四五六七八九十]{1,3}[)）、])\s*", "", sentence)


def match(claim: Statement, items: list[Item], source: Source, number: int) -> Support | None:
    """What a passage has to say of a sentence: the best choice of one of its clauses for each of the sentence's."""
    parts = [[i for i in items if c.start <= i.start < c.end] for c in claim.clauses]
    parts = [part for part in parts if part]
    options = [best_fits(claim, part, source) for part in parts]
    if not all(options):
        return None
    total = sum(item.weight for item in items)
    tried = []
    for fits in product(*options):
        start, end = span(fits, source)
        score = sum(f.held for f in fits) / total
        problem = next((f.problem for f in fits if f.problem), "") or together(claim, items, fits, source)
        tried.append(Support(number, start, end, score, problem))
    return min(tried, key=lambda s: (bool(s.problem), -round(s.score, 2), s.end - s.start))


def best_fits(claim: Statement, part: list[Item], source: Source) -> list[Fit]:
    """The clauses of a passage that fit one clause of a sentence, best first, at most four."""
    fits = [fit(claim, part, source, clause) for clause in source.statement.clauses]
    near = [f for f in fits if f.held >= 0.3 * f.total]
    return sorted(near, key=lambda f: (bool(f.problem), -round(f.held, 3)))[:4]


def span(fits: Sequence[Fit], source: Source) -> tuple[int, int]:
    """From the first to the last sentence that carries something."""
    first = source.sentence(min(f.first for f in fits))
    last = source.sentence(max(f.clause.end for f in fits) - 1)
    return source.sentences[first][0], source.sentences[last][1]


def fit(claim: Statement, part: list[Item], source: Source, clause: Clause) -> Fit:
    """One clause of a sentence against one clause of a passage."""
    result = Fit(clause, total=sum(item.weight for item in part), first=clause.start, lead=clause.end)
    before = max(0, source.sentence(clause.start) - REACH + 1)
    earlier = Clause(source.sentences[before][0] if source.sentences else 0, clause.start, clause.block)
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
    result.problem = item_problem(result.missing) or lead_problem(part, taken, source, clause)
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
        yield from (n.start for n in told.numbers if clause.start <= n.start < clause.end and item.number.agrees(n))
    elif item.kind == "code":
        yield from occurrences(item.text, told.folded, clause)
    else:
        yield from (u.start for u in told.units if u.text == item.text and clause.start <= u.start < clause.end)


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
    pattern = re.escape(" ".join(piece.split())).replace(r"\ ", r"\s+")
    pattern = rf"(?<![a-z0-9_/\-.]){pattern}(?![a-z0-9_]|[-./][a-z0-9])" if piece[:1].isascii() else pattern
    return (m.start() for m in re.compile(pattern).finditer(text, clause.start, clause.end))


def found_before(rest: Item, source: Source, earlier: Clause) -> int | None:
    """Where something that a clause lacks stands shortly before it, or its own place where the heading has it."""
    if rest.kind == "number":
        return None
    folded = source.statement.folded
    if rest.kind == "code" or (rest.unit and rest.unit.text.isascii()):
        place = max(places(rest, source.statement, earlier), default=None)
        in_heading = f" {rest.text} " in f" {source.context} "
    else:
        place = folded.rfind(rest.text, earlier.start, earlier.end)
        place = None if place < 0 else place
        in_heading = all(term in source.context for term in (rest.unit.terms if rest.unit else ()))
    return earlier.end if place is None and in_heading else place


def item_problem(missing: list[Item]) -> str:
    return next((item.kind for item in missing if item.kind != "word"), "")


def lead_problem(part: list[Item], taken: list[Item], source: Source, clause: Clause) -> str:
    """What a clause lacks may come from before it only where the clause itself speaks of nothing else.

    That is: all of its content is in the sentence; or it opens with what the sentence says, and what it lacks is how
    the sentence begins.
    """
    taken = [item for item in taken if heavy(item)]
    if not taken:
        return ""
    told = source.statement
    others = sorted(foreign(part, told, clause.start, clause.end))
    if not others:
        return ""
    own = sorted(
        u.start for u in told.units if clause.start <= u.start < clause.end and not u.light and u.start not in others
    )
    if len(own) < 2 or others[0] < own[1]:
        return "subject"
    lacking = {item.start for item in taken}
    opening = [item.start for item in part if heavy(item)][: len(lacking)]
    return "" if lacking <= set(opening) else "joined"


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


def together(claim: Statement, items: list[Item], fits: Sequence[Fit], source: Source) -> str:
    """Problems that are seen only in the whole sentence."""
    missing = [item for f in fits for item in f.missing if tells(item, f.clause, source.statement)]
    telling = [item for item in items if heavy(item)]
    if sum(f.held for f in fits) < COVERAGE * sum(f.total for f in fits) or len(missing) > (len(telling) >= FEW):
        return "words"
    if missing and missing[0].start <= telling[0].start:
        return "subject"
    start, end = span(fits, source)
    if source.sentence(end - 1) - source.sentence(start) >= REACH:
        return "joined"
    if any(item.text == name and item.start == at for item in missing for name, at in claim.names):
        return "name"
    if opposite(claim, source.statement.folded[start:end]):
        return "opposite"
    if broken_name(claim, source):
        return "name"
    return blocks(items, fits, source) or swapped(claim, source.statement, items, fits)


def tells(item: Item, clause: Clause, told: Statement) -> bool:
    """Whether something that is missing changes the fact. A single Chinese character does where the passage has
    another one in its place: 乙方 for 甲方."""
    if not item.unit or not heavy(item):
        return False
    if item.end - item.start > 1 or item.unit.text.isascii():
        return True
    run, at, text = item.unit.text, item.start - item.unit.start, told.folded[clause.start : clause.end]
    after = re.search(rf"([{CJK}]){re.escape(run[at + 1 : at + 3])}", text) if run[at + 1 : at + 3] else None
    before = re.search(rf"{re.escape(run[max(0, at - 2) : at])}([{CJK}])", text) if at else None
    return any(found and found[1] not in TIES for found in (after, before))


def blocks(items: list[Item], fits: Sequence[Fit], source: Source) -> str:
    """Clauses of one sentence may come from two statements only where the second does not open with another subject."""
    told = source.statement
    for fit in fits:
        if fit.clause.block != fits[0].clause.block:
            start = min(c.start for c in told.clauses if c.block == fit.clause.block)
            if any(True for _ in foreign(items, told, start, fit.lead)):
                return "joined"
    return ""


def foreign(items: Sequence[Item], told: Statement, start: int, end: int) -> Iterator[int]:
    """Where the passage, within a stretch, speaks of something that the sentence does not."""
    said = {item.text for item in items}
    text, numbers = "\n".join(said), [item.number for item in items if item.number]
    for unit in told.units:
        if start <= unit.start < end and not unit.light and unit.text not in (said if unit.text.isascii() else text):
            yield unit.start
    yield from (n.start for n in told.numbers if start <= n.start < end and not any(m.agrees(n) for m in numbers))
    yield from (at for code, at in told.codes if start <= at < end and code not in said)


def broken_name(claim: Statement, source: Source) -> bool:
    """``Stevie Stern``, where the passage knows a Stevie Nicks and a Howard Stern."""
    for (_, first), (_, second) in zip(claim.names, claim.names[1:], strict=False):
        between = claim.folded[first:second]
        if re.fullmatch(r"[^\W_]+(?:['’]s)?\s+", between):
            left, right = between.split("'")[0].split("’")[0].strip(), NAME_WORD.match(claim.folded, second)
            pattern = rf"\b{re.escape(left)}\s?(?:['’]s)?\s+{re.escape(right[0] if right else '')}"
            if not re.search(pattern, source.statement.folded) and not re.search(pattern, source.heading):
                return True
    return False


def opposite(claim: Statement, text: str) -> bool:
    """``enabled`` where the passage has ``disabled``."""
    mine, told = {u.text for u in claim.units}, take_apart(text)
    theirs = {u.text for u in told.units}
    for word, other in OPPOSITES:
        if word.isascii():
            if word in mine and word not in theirs and other in theirs and other not in mine:
                return True
        elif word in claim.folded and word not in told.folded and other in told.folded and other not in claim.folded:
            return True
    return False


NAME_WORD = re.compile(r"[^\W_]+")
ROLE = re.compile(
    r"(?:\b(from|to|by|before|after|into|onto|with|without|in)\s+(?:the |a |an )?|(从|由|被|向|给|至|到))[`\"'“]?$"
)
PASSIVE = re.compile(r"\bby\b|被|由")


def swapped(claim: Statement, told: Statement, items: list[Item], fits: Sequence[Fit]) -> str:
    """Within one clause: ``from A to B`` and ``A calls B`` are not ``from B to A`` and ``B calls A``."""
    clauses = [f.clause for f in fits]
    words = [item for item in items if item.kind != "number" and len(item.text) > 1]
    names = {start for _, start in claim.names}
    spots = {i.start: [p for c in clauses for p in spots_of(i, told, c)] for i in words}
    for item in words:
        mine = role(claim.folded, item.start)
        theirs = {role(told.folded, p) for p in spots[item.start]}
        if mine and (mine != "in" or item.start in names) and theirs and "" not in theirs and mine not in theirs:
            return "role"
    if bool(PASSIVE.search(claim.folded)) == any(PASSIVE.search(told.folded, c.start, c.end) for c in clauses):
        for x, z, y in zip(words, words[1:], words[2:], strict=False):
            forward = ordered(spots[x.start], spots[z.start], spots[y.start])
            if (
                len({x.text, y.text, z.text}) == 3
                and not forward
                and ordered(spots[y.start], spots[z.start], spots[x.start])
            ):
                return "order"
    return ""


def spots_of(item: Item, told: Statement, clause: Clause) -> Iterator[int]:
    if item.kind == "word" and not item.text.isascii():
        return (m.start() for m in re.compile(re.escape(item.text)).finditer(told.folded, clause.start, clause.end))
    return places(item, told, clause)


def role(folded: str, at: int) -> str:
    found = ROLE.search(folded[max(0, at - 16) : at])
    return (found[1] or found[2]) if found else ""


def ordered(first: list[int], second: list[int], third: list[int]) -> bool:
    return any(a < b < c for a in first for b in second for c in third)
