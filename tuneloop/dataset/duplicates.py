"""Questions that ask the same in other words, found exactly: no signature, no chance.

Two questions are near-duplicates where the content words of one are nearly those of the other (Jaccard). Two sets
that are that close must share one of their rarest words, so only questions filed under those are compared
(prefix filtering; Bayardo, Ma and Srikant, 2007).
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable

from tuneloop.answer.statement import take_apart
from tuneloop.dataset.curation import Beside, Candidate, Gate, Refusal
from tuneloop.language import stored

ASKING = re.compile("请问|什么样?|哪些|哪个|哪种|哪里|哪儿|如何|怎么样?|怎样|为什么|为何|是否|多少|多久|几个|谁|吗|呢")
CLOSE = 0.75
CLOSE_TO_EXAM = 0.7


def content_set(question: str) -> frozenset[str]:
    """What a question is about: content words, numbers and code, without the words that ask."""
    statement = take_apart(ASKING.sub(" ", question))
    found = {term for unit in statement.units if not unit.light for term in unit.terms}
    found |= {f"{n.value}{n.unit}" for n in statement.numbers} | {code for code, _start in statement.codes}
    return frozenset(found or {term for unit in statement.units for term in unit.terms} or {question.strip().lower()})


def jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    return len(left & right) / (len(left | right) or 1)


class Questions:
    """Questions by what they are about. ``expected`` are all that will be added: they tell which words are rare."""

    def __init__(self, expected: Iterable[str] = (), close: float = CLOSE) -> None:
        self.close = close
        self.frequency = Counter(word for question in expected for word in content_set(question))
        self.filed: dict[str, list[int]] = defaultdict(list)
        self.sets: list[frozenset[str]] = []
        self.names: list[str] = []

    def prefix(self, words: frozenset[str]) -> list[str]:
        ordered = sorted(words, key=lambda word: (self.frequency[word], word))
        return ordered[: len(words) - math.ceil(self.close * len(words)) + 1]

    def find(self, question: str) -> str:
        """The name of the first question that asks the same; "" where none does."""
        words = content_set(question)
        candidates = {number for word in self.prefix(words) for number in self.filed.get(word, ())}
        return next((self.names[n] for n in sorted(candidates) if jaccard(words, self.sets[n]) >= self.close), "")

    def add(self, question: str, name: str) -> None:
        words = content_set(question)
        for word in self.prefix(words):
            self.filed[word].append(len(self.sets))
        self.sets.append(words)
        self.names.append(name)


class Unexamined(Gate):
    """A question that the exam does not ask."""

    of_all = True

    def begin(self, beside: Beside) -> None:
        asked = [pair.question for pair in beside.pairs]
        self.exam = Questions([*beside.exam, *asked], close=CLOSE_TO_EXAM)
        for question in beside.exam:
            self.exam.add(question, question)

    def check(self, candidate: Candidate) -> Candidate | Refusal:
        found = self.exam.find(candidate.pair.question)
        return Refusal(stored("the exam asks this"), found) if found else candidate


class Unrepeated(Gate):
    """A question that none of those before it asks in other words."""

    of_all = True

    def begin(self, beside: Beside) -> None:
        self.seen = Questions(pair.question for pair in beside.pairs)

    def check(self, candidate: Candidate) -> Candidate | Refusal:
        found = self.seen.find(candidate.pair.question)
        return Refusal(stored("a near-duplicate of another question"), found) if found else candidate

    def kept(self, candidate: Candidate) -> None:
        self.seen.add(candidate.pair.question, candidate.pair.question)
