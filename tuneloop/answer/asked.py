"""A sentence that says little by itself, read with its question: ``14 days.``, ``It is kept for 14 days.``, 不得出售.

It is only as good as the place that it comes from: that must speak of what the question asks, and no other place that
has a value of the same sort may speak of it more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tuneloop.answer.fit import Fit, Item, Source, heavy, left_over, share
from tuneloop.answer.listed import in_both
from tuneloop.answer.marks import parts
from tuneloop.answer.omitted import binding
from tuneloop.answer.statement import Clause, Statement
from tuneloop.answer.turning import find_turns
from tuneloop.scripts import CHINESE

SHORT = 2  # a sentence of no more content words is read with its question
FEW = 6  # content words of what may be a part of a sentence only
ASKED = 0.5  # of the question's content, by weight, that must stand where such a sentence does
ALIKE = 0.5  # of a word of a sentence, for another place to have it as well
FORBIDS = frozenset({"forbid", "ban", "unfit"})  # senses
LISTED = re.compile(r"\s{0,20}(?:[-*+•]|\d{1,3}[.)、]|[（(][一二三四五六七八九十\d]{1,3}[)）])")


@dataclass(frozen=True)
class Question:
    """What was asked, with the weights that its words have in the passages."""

    statement: Statement
    items: list[Item]

    def names(self, item: Item) -> bool:
        """Whether an item of the question tells one thing from another of its kind: a name, number or piece of code."""
        return item.kind != "word" or any(at == item.start for _, at in self.statement.names)


def without_asking(question: str) -> str:
    """A question without the words that only ask: 什么时候."""
    return binding()["asks"].sub(" ", question)


def dependent(claim: Statement, items: Sequence[Item]) -> bool:
    """Whether a sentence leaves what it speaks of to its question."""
    short = sum(map(heavy, items)) <= SHORT
    return short or bool(binding()["pronoun"].match(claim.folded) or binding()["predicate"].match(claim.folded))


def fragment(claim: Statement, items: Sequence[Item]) -> bool:
    """Whether an English sentence has no verb that tells: ``20 ml twice a day``."""
    few = sum(map(heavy, items)) <= FEW
    return few and not CHINESE.search(claim.folded) and not binding()["verb"].search(claim.folded)


def forbidden(claim: Statement, fits: Sequence[Fit], source: Source, asked: Question) -> bool:
    """Whether a question asks what may be, and a sentence that forbids nothing stands under what forbids it: a heading
    such as 禁忌, or the line that announces its list."""
    wanted = {turn.sense for turn in asked.statement.turns}
    if "may" not in wanted or wanted & {*FORBIDS, "not", "without"} or any(t.sense in FORBIDS for t in claim.turns):
        return False
    titles = source.titles.split("\n")[-1:] + [t for t in source.heading.split("\n") if t not in source.titles]
    above = "\n".join([*titles, announced(source, min(fit.clause.start for fit in fits))])
    return bool(forbidding().search(above)) or any(turn.sense in FORBIDS for turn in find_turns(above))


def announced(source: Source, at: int) -> str:
    """The line that announces the list in which a place lies, folded; "" where it lies in none."""
    lines = source.statement.folded[: source.sentences[source.sentence(at)][1]].rstrip().split("\n")
    while lines and (not lines[-1].strip() or LISTED.match(lines[-1])):
        lines.pop()
    return lines[-1] if lines and lines[-1].rstrip().endswith((":", "：")) else ""


@lru_cache(1)
def forbidding() -> re.Pattern[str]:
    """What forbids where it is a heading, from ``words/LANGUAGE.toml``."""
    en, zh = in_both("heading")
    return re.compile(rf"\b(?:{'|'.join(re.split(', *', en['forbids']))})\b|{'|'.join(zh['forbids'].split())}")


def question_problem(
    claim: Statement, items: Sequence[Item], fits: Sequence[Fit], source: Source, asked: Question
) -> str:
    """``question`` where the place that a sentence comes from is not the one that was asked for; "" where it is."""
    telling = [item for item in asked.items if heavy(item)]
    if not telling:
        return ""
    places = [place for fit in fits for place in held_in(fit, items, source)]
    wide = around(fits, source)
    size = sum(len(item.text) for item in telling)
    claim.spend(size * (len(places) + len(wide) + len(source.statement.clauses)))
    if sum(map(heavy, items)) <= SHORT:
        here = sum(item.weight * held(item, source, wide) for item in telling)
        if here < ASKED * sum(item.weight for item in telling):
            return "question"
    if any(lacks(item, asked, source, wide) for item in telling):
        return "question"
    for rival in rivals(items, telling, places, source):
        claim.spend(2 * size * (1 + len(places)))
        ours = {n for n, item in enumerate(telling) if better(item, source, places, [rival])}
        theirs = {n for n, item in enumerate(telling) if better(item, source, [rival], places)}
        named = {n for n, item in enumerate(telling) if asked.names(item)}
        if theirs & named or (theirs and not ours):
            return "question"
    return ""


def held(item: Item, source: Source, places: Sequence[Clause]) -> float:
    """How much of an item of the question one of these places has, or the heading, 0 to 1."""
    if f" {item.text} " in f" {source.context} " or item.text in source.heading:
        return 1.0
    return max((1 - share(item, list(left_over(item, source.statement, place))) for place in places), default=0.0)


def better(item: Item, source: Source, these: Sequence[Clause], those: Sequence[Clause]) -> bool:
    return held(item, source, these) > held(item, source, those)


def held_in(fit: Fit, items: Sequence[Item], source: Source) -> Iterator[Clause]:
    """The parts of a passage's clause in which what the sentence says stands; of a list, not the other items."""
    told, clause = source.statement, fit.clause
    own = [item for item in items if fit.takes(item)]
    every = [Clause(part.start, part.end, clause.block) for part in parts(told, clause)]
    carrying = [place for place in every if any(has(item, told, place) for item in own)]
    numbers = [item for item in own if item.number]
    exact = [place for place in carrying if numbers and all(has(item, told, place) for item in numbers)]
    yield from exact or carrying or every


def has(item: Item, told: Statement, place: Clause) -> bool:
    return share(item, list(left_over(item, told, place))) < 1 - ALIKE


def around(fits: Sequence[Fit], source: Source) -> list[Clause]:
    """The statements that carry a sentence; where one has a pronoun, with the sentence before it."""
    told, found = source.statement, []
    for block in sorted({fit.clause.block for fit in fits}):
        start, end = extent(told, block)
        found.append(Clause(start, end, block))
        if binding()["pronoun"].search(told.folded, start, end):
            before = max(0, source.sentence(start) - 1)
            found.append(Clause(source.sentences[before][0], start, max(0, block - 1)))
    return found


def extent(told: Statement, block: int) -> tuple[int, int]:
    held = [clause for clause in told.clauses if clause.block == block]
    return held[0].start, held[-1].end


def lacks(item: Item, asked: Question, source: Source, wide: Sequence[Clause]) -> bool:
    """Whether what the question names is not what stands here: 张伟医生 where it is 李明医生."""
    if held(item, source, wide) == 1:
        return False
    rest = [r for place in wide for r in left_over(item, source.statement, place)]
    if asked.names(item):
        return True
    if item.text.isascii() or held(item, source, wide) == 0:
        return False
    ends = {r.end for r in rest}
    return any(r.start == item.start and r.end < item.end for r in rest) and item.end not in ends


def touches(item: Item, told: Statement, place: Clause) -> bool:
    """Whether a place has any of an item."""
    return share(item, list(left_over(item, told, place))) < 1


def rivals(
    items: Sequence[Item], telling: Sequence[Item], places: Sequence[Clause], source: Source
) -> Iterator[Clause]:
    """Other parts of a passage that have a value of the same sort, or words of the sentence or of what is asked."""
    told = source.statement
    units = {item.number.unit for item in items if item.number}
    values = {item.number.value for item in items if item.number}
    words = [item for item in items if heavy(item) and item.kind == "word"]
    words += [item for item in telling if any(touches(item, told, place) for place in places)]
    for clause in told.clauses:
        for part in parts(told, clause):
            place = Clause(part.start, part.end, clause.block)
            if any(p.start < place.end and place.start < p.end for p in places):
                continue
            numbers = [n for n in told.numbers_between(place.start, place.end) if n.unit in units]
            if any(n.value not in values for n in numbers) or any(touches(word, told, place) for word in words):
                yield place
