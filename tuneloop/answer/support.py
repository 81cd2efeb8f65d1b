"""Whether a passage says what a sentence says: precise rather than generous.

Sentence and passage are cut into clauses. Every clause of the sentence must lie in one clause of the passage: all its
numbers, with units and bounds, all its code and names, and nearly all of its content words, weighed by how telling
they are. What is missing there may stand before it or in the heading (``Older ones are deleted`` after ``backups``),
unless that clause speaks of something else. No word that turns the meaning (not, only, may, at most) may be added or
dropped, no condition dropped, and no roles swapped; what the passage says between the words of a sentence must not be
left out (``omitted``), and a sentence that says little must come from where its question points (``asked``). So a
sentence is supported where it is close to what stands there, and a free paraphrase may be missed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING

from tuneloop.answer.asked import Question, dependent, forbidden, fragment, question_problem, without_asking
from tuneloop.answer.fit import REACH, Fit, Item, Source, fit, heavy
from tuneloop.answer.omitted import omission
from tuneloop.answer.roles import role_problem
from tuneloop.answer.statement import Clause, Statement, TooLong, Unit, take_apart
from tuneloop.answer.wording import wording_problem
from tuneloop.knowledge.terms import fold
from tuneloop.scripts import CJK

if TYPE_CHECKING:
    import numpy as np

LONGEST = 1500  # characters of a sentence that is checked
COVERAGE = 0.8  # of the sentence's content, by weight
LEAST = 0.7  # of each clause
MANY = 8  # content words of which one may be missing, where the passage does not have it at all
A_WORD = 2  # Chinese characters; a longer stretch is more than one word
EVERY = 64  # choices of clauses that are all tried: those of three clauses
BEAM = 12  # of more, so many
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


UNCHECKED = Support(0, 0, 0, 0.0, "unchecked")


class Checker:
    """Holds sentences against passages, given as (text, headings). ``idf`` weighs terms as the passages' index does."""

    def __init__(self, passages: Sequence[tuple[str, Sequence[str]]], idf: Idf) -> None:
        self.idf = idf
        self.sources = [Source.prepare(text, heading) for text, heading in passages]
        self.read: tuple[str, Question] | None = None

    def check(self, sentence: str, prefer: Sequence[int] = (), question: str = "") -> Support | None:
        """The best support for a sentence, or what comes closest; None where it states nothing or nothing is near.

        Among equals, passages in ``prefer`` (those that the model named) win, then the earlier one. A sentence that
        says little by itself ("Five years.") must stand where the passage speaks of what ``question`` asks. The work is
        bounded: where a sentence would take too much of it, the problem is ``unchecked``.
        """
        if is_code_block(sentence):
            return self.check_code(sentence)
        if len(sentence) > LONGEST:
            return UNCHECKED
        try:
            return self.check_statement(sentence, prefer, question)
        except TooLong:
            return UNCHECKED

    def check_statement(self, sentence: str, prefer: Sequence[int], question: str) -> Support | None:
        claim = take_apart(strip_list_mark(sentence))
        items = self.items(claim)
        if self.is_heading(sentence) or not any(heavy(item) for item in items):
            return None
        asked = self.asked(question) if question else None
        found = [s for n, source in enumerate(self.sources) if (s := match(claim, items, source, n, asked))]
        return min(found, key=lambda s: rank(s, prefer), default=None)

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
        """Whether a sentence has anything in it to support. A heading by itself, given as an answer, has not."""
        if is_code_block(sentence):
            return True
        return not self.is_heading(sentence) and any(heavy(item) for item in self.items(take_apart(sentence)))

    def is_heading(self, sentence: str) -> bool:
        said = bare(sentence)
        return bool(said) and any(said in bare(source.titles) for source in self.sources)

    def asked(self, question: str) -> Question:
        """A question taken apart, once for all sentences of its answer; of a long one, its end."""
        if self.read is None or self.read[0] != question:
            statement = take_apart(without_asking(question[-LONGEST:]))
            self.read = question, Question(statement, self.items(statement))
        return self.read[1]

    def items(self, claim: Statement) -> list[Item]:
        """What a sentence is made of, in order, with weights."""
        flat = [term for unit in claim.units for term in unit.terms]
        idf = dict(zip(flat, map(float, self.idf(flat)), strict=True)) if flat else {}
        found = [Item("word", u.text, u.start, u.end, unit_weight(u, idf), u) for u in claim.units]
        most = max((item.weight for item in found), default=1.0)
        found += [Item("number", n.value, n.start, n.end, most, number=n) for n in claim.numbers]
        found += [Item("code", code, start, start + len(code), most) for code, start in claim.codes]
        return sorted(found, key=lambda item: item.start)


def rank(support: Support, prefer: Sequence[int]) -> tuple[bool, float, bool, int, int]:
    """The order of supports, best first; of equal ones the one in fewer lines of a hundred characters."""
    length = (support.end - support.start) // 100
    return bool(support.problem), -round(support.score, 2), support.passage not in prefer, length, support.passage


def is_code_block(sentence: str) -> bool:
    return sentence.lstrip().startswith(("```", "~~~"))


def bare(text: str) -> str:
    """Only the letters and digits, folded."""
    return re.sub(r"[\W_]+", "", fold(strip_list_mark(text)))


def unit_weight(unit: Unit, idf: dict[str, float]) -> float:
    mean = sum(idf[t] for t in unit.terms) / len(unit.terms)
    size = 1.0 if unit.text.isascii() else min(len(unit.text), 8) / 2
    return max(mean, 0.1) * size * (LIGHT if unit.light else 1.0)


def strip_list_mark(sentence: str) -> str:
    return re.sub(
        r"^\s*(?:[-+](?!\d)|•|\*(?![^\s*][^*\n]*\*)|\d{1,3}[.)、](?!\d)|[（(]?[一二三四五六七八九十]{1,3}[)）、])\s*",
        "",
        sentence,
    )


def match(
    claim: Statement, items: list[Item], source: Source, number: int, asked: Question | None = None
) -> Support | None:
    """What a passage has to say of a sentence: the best choice of one of its clauses for each of the sentence's."""
    parts = [[i for i in items if c.start <= i.start < c.end] for c in claim.clauses]
    parts = [part for part in parts if part]
    options = [best_fits(claim, part, source) for part in parts]
    if not all(options):
        return None
    total = sum(item.weight for item in items)
    tried = []
    for fits in choices(options):
        start, end = span(fits, source)
        score = sum(f.held for f in fits) / total
        problem = next((f.problem for f in fits if f.problem), "") or together(claim, items, fits, source, asked)
        tried.append(Support(number, start, end, score, problem))
    return min(tried, key=lambda s: (bool(s.problem), -round(s.score, 2), s.end - s.start))


def choices(options: Sequence[Sequence[Fit]]) -> Iterable[tuple[Fit, ...]]:
    """One fit for each clause of a sentence: every choice where they are few, otherwise the best ones.

    A sentence of n clauses has up to 4^n; the best are found clause by clause, with the ``BEAM`` best beginnings kept:
    those with the fewest problems, then the most content, then the nearest to each other in the passage.
    """
    if prod(map(len, options)) <= EVERY:
        return product(*options)
    beginnings: list[tuple[tuple[int, float, int], tuple[Fit, ...]]] = [((0, 0.0, 0), ())]
    for fits in options:
        longer = [(further(cost, chosen, f), (*chosen, f)) for cost, chosen in beginnings for f in fits]
        beginnings = sorted(longer, key=lambda beginning: beginning[0])[:BEAM]
    return [chosen for _, chosen in beginnings]


def further(cost: tuple[int, float, int], chosen: tuple[Fit, ...], fit: Fit) -> tuple[int, float, int]:
    problems, held, leaps = cost
    leap = abs(fit.clause.start - chosen[-1].clause.end) if chosen else 0
    return problems + bool(fit.problem), round(held - fit.held, 3), leaps + leap


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


def together(
    claim: Statement, items: list[Item], fits: Sequence[Fit], source: Source, asked: Question | None = None
) -> str:
    """Problems that are seen only in the whole sentence."""
    claim.spend(2 * len(items))
    missing = [item for f in fits for item in f.missing if tells(item, f.clause, source.statement)]
    telling = [item for item in items if heavy(item)]
    if sum(f.held for f in fits) < COVERAGE * sum(f.total for f in fits) or len(missing) > (len(telling) >= MANY):
        return "words"
    if any(f.held < LEAST * f.total for f in fits):
        return "words"
    if any(len(item.text) > A_WORD for item in missing if not item.text.isascii()):
        return "words"
    if any(item.text in source.statement.folded for item in missing):
        return "joined"
    if missing and missing[0].start <= telling[0].start:
        return "subject"
    start, end = span(fits, source)
    if source.sentence(end - 1) - source.sentence(start) >= REACH:
        return "joined"
    if any(item.text == name and item.start == at for item in missing for name, at in claim.names):
        return "name"
    problem = role_problem(claim, items, fits, source, start, end) or wording_problem(claim, fits, source)
    if problem:
        return problem
    if asked is not None and forbidden(claim, fits, source, asked):
        return "heading"
    if asked is None or not dependent(claim, items):
        problem = omission(claim, fits, source)
        if not problem or asked is None or not fragment(claim, items):
            return problem
    return question_problem(claim, items, fits, source, asked) or omission(claim, fits, source, asked.statement)


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
    return any(found and found[1] not in "的了" for found in (after, before))
