"""Where in its chunk an answer comes from, and how much of it stands there.

More generous than the check of a served citation: here a pair is only chosen or not, and a free wording of what the
text says is what a model should learn. Numbers and code have no free wording, so all of them must stand there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from tuneloop.answer.numbers import Number
from tuneloop.answer.statement import Statement, Unit, take_apart
from tuneloop.answer.turning import opposed
from tuneloop.knowledge.terms import terms
from tuneloop.records import Chunk
from tuneloop.text.sentences import split_sentences

WINDOW = 4  # neighbouring sentences that may carry one answer


@dataclass(frozen=True)
class Grounding:
    """The stretch of a chunk that carries an answer best: ``share`` of its content words, and what is missing."""

    start: int  # in the chunk's text
    end: int
    share: float  # 0 to 1, without the words that the question and the headings bring
    added: float  # share of its content words, numbers and code that the question does not have
    missing: tuple[str, ...] = ()  # numbers and code that stand nowhere in the chunk
    turned: str = ""  # what the answer permits, forbids or bounds the other way round


@dataclass(frozen=True)
class Passage:
    """A chunk, prepared once for all of its pairs."""

    chunk: Chunk
    context: Statement  # headings and the document's name
    whole: Statement
    sentences: list[tuple[int, int]]
    parts: list[Statement]

    @classmethod
    def of(cls, chunk: Chunk) -> Passage:
        spans = split_sentences(chunk.text)
        context = take_apart(" \n ".join([*chunk.heading, chunk.name]))
        return cls(chunk, context, take_apart(chunk.text), spans, [take_apart(chunk.text[a:b]) for a, b in spans])

    @property
    def content(self) -> int:
        """How much there is to ask about: content words that are no code block's, numbers, names."""
        prose = [p for p, (a, b) in zip(self.parts, self.sentences, strict=True) if self.chunk.text[a : a + 3] != "```"]
        return sum(len(weighty(p)) + len(p.numbers) for p in prose)


def weighty(statement: Statement) -> list[Unit]:
    return [unit for unit in statement.units if not unit.light]


@lru_cache(1024)
def vocabulary(text: str) -> frozenset[str]:
    """The stems of a text, those inside names and code as well."""
    return frozenset(terms(text))


def held(unit: Unit, told: Statement) -> float:
    """How much of a content word a text holds: a Latin word wholly or not at all, a Chinese one by its pairs."""
    if unit.text.isascii():
        return float(unit.text in vocabulary(told.text))
    return sum(term in told.folded for term in unit.terms) / len(unit.terms)


def size(unit: Unit) -> float:
    return 1.0 if unit.text.isascii() else len(unit.terms) / 2


def ground(answer: str, question: str, passage: Passage) -> Grounding:
    """The stretch of ``passage`` that carries ``answer`` best, shortest among equals."""
    said, asked = take_apart(answer), take_apart(question)
    new = [u for u in weighty(said) if held(u, asked) < 0.6]
    own = [u for u in new if held(u, passage.context) < 0.6] or new
    missing = missing_facts(said, passage)
    best = (0.0, 0, 0)
    for first in range(len(passage.parts)):
        for last in range(first, min(first + WINDOW, len(passage.parts))):
            value = coverage(said, own, passage.parts[first : last + 1]) - 0.04 * (last - first)
            if value > best[0] + 1e-9:
                best = (value, first, last)
    _value, first, last = best
    share = word_share(own, passage.parts[first : last + 1])
    start, end = (passage.sentences[first][0], passage.sentences[last][1]) if passage.sentences else (0, 0)
    told = [turn for part in passage.parts[first : last + 1] for turn in part.turns]
    return Grounding(start, end, share, added_share(said, asked, new), missing, opposed(said.turns, told))


def added_share(said: Statement, asked: Statement, new: Sequence[Unit]) -> float:
    """How much of what an answer says its question does not say already."""
    known = {n.value for n in asked.numbers}
    facts = [n.value not in known for n in said.numbers] + [code not in asked.folded for code, _start in said.codes]
    every = sum(map(size, weighty(said))) + len(facts)
    return (sum(map(size, new)) + sum(facts)) / every if every else 0.0


def coverage(said: Statement, own: Sequence[Unit], parts: Sequence[Statement]) -> float:
    """What decides on the stretch: its own words, numbers and code, and, as a tie-break, the question's words."""
    numbers = {n.value for part in parts for n in part.numbers}
    facts = [n.value in numbers for n in said.numbers]
    facts += [any(code in part.folded for part in parts) for code, _start in said.codes]
    every = weighty(said)
    total = sum(map(size, own)) + len(facts)
    found = sum(size(u) * best_held(u, parts) for u in own) + sum(facts)
    shared = sum(size(u) * best_held(u, parts) for u in every) / (sum(map(size, every)) or 1)
    return (found / total if total else 0.0) + 0.1 * shared


def best_held(unit: Unit, parts: Sequence[Statement]) -> float:
    return max((held(unit, part) for part in parts), default=0.0)


def word_share(units: Sequence[Unit], parts: Sequence[Statement]) -> float:
    """The share of content words that ``parts`` hold; 1.0 where there are none, and numbers or code must speak."""
    total = sum(map(size, units))
    return sum(size(u) * best_held(u, parts) for u in units) / total if total else 1.0


def missing_facts(said: Statement, passage: Passage) -> tuple[str, ...]:
    """Numbers, with their units, and code that neither the chunk nor its headings have."""
    told = (passage.whole, passage.context)
    there = [n for part in told for n in part.numbers]
    missing = [n.value for n in said.numbers if not any(same_amount(n, other) for other in there)]
    missing += [code for code, _start in said.codes if not any(code.strip("`'\"") in part.folded for part in told)]
    return tuple(dict.fromkeys(missing))


def same_amount(said: Number, told: Number) -> bool:
    """Whether two numbers are the same as far as their units tell; one may be left out in free wording."""
    return said.value == told.value and (said.unit == told.unit or not said.unit or not told.unit)


def question_share(question: str, passage: Passage, found: Grounding | None = None) -> float:
    """How much of what a question speaks of stands in the chunk, or in the stretch ``found``, or above it."""
    told = (take_apart(passage.chunk.text[found.start : found.end]) if found else passage.whole, passage.context)
    asked = take_apart(question)
    words, codes = weighty(asked), [code for code, _start in asked.codes]
    held = word_share(words, told) * sum(map(size, words)) + sum(any(c in t.folded for t in told) for c in codes)
    return held / ((sum(map(size, words)) + len(codes)) or 1)
