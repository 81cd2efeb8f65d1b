"""Whether two questions ask the same in nearly the same words: the content that is left of each is compared.

What is left has neither politeness nor words that only ask, articles, auxiliaries nor endings, in simplified
characters; such words are data, in ``words/LANGUAGE.toml``. Nothing else may be missing or more, so another name,
number, piece of code, negation or opposite makes another question. A long word may have one letter wrong, and what
stands before the rest ("by default", the word that asks) may stand behind it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

from tuneloop.answer.listed import in_both
from tuneloop.answer.listed import words as listed_words
from tuneloop.scripts import CJK
from tuneloop.text.tokens import words

SPELLED = 5  # letters of a word in which one may be wrong
REPLACED = 8  # letters of a word in which one may be replaced: adapt and adopt are two words
FORGIVEN = 4  # words of a question of which two may be misspelled; of fewer, one
LONG = 40  # words; longer questions are compared as they stand
PAIRS = 14  # the same, where two words may be misspelled
CHINESE = re.compile(f"[{CJK}]")
LETTERS = re.compile(rf"[^\W\d_{CJK}]{{{SPELLED},}}")
NAMED = re.compile(r"(?<=[^\s.?!:。？！：])[ \t]+([A-Z]\w+)|\b\w*[a-z][A-Z]\w*|\b[A-Z]{2,}\w*")
HYPHEN = re.compile(r"(?<=\w)-(?=\w)")
LETTER_A = re.compile(r"(?<=\w )A\b")  # hepatitis A
APART = re.compile(r"\b([A-Za-z]) (?=\d)")  # V 2

Canonical = tuple[str, ...]


@dataclass(frozen=True)
class Listed:
    """The words of ``[alike]`` in both languages, as patterns and sets."""

    opens: re.Pattern[str]
    closes: re.Pattern[str]
    empty: frozenset[str]
    empty_zh: re.Pattern[str]
    same: dict[str, str]
    same_zh: tuple[tuple[re.Pattern[str], str], ...]
    moved: frozenset[str]
    two: frozenset[frozenset[str]]
    simplified: dict[int, str]


@lru_cache(1)
def listed() -> Listed:
    from tuneloop.knowledge.terms import stem

    en, zh = in_both("alike")

    def either(name: str) -> str:
        """Phrases of both languages, the longest first."""
        english = [rf"\b{re.escape(p)}(?!\w)" for p in parted(en[name])]
        return "|".join(sorted([*english, *zh[name].split()], key=len, reverse=True))

    pairs = listed_words("script")["alike"]["pairs"].replace(" ", "").replace("\n", "")
    return Listed(
        re.compile(rf"^(?:[\W_]*(?:{either('opens')}))+[\s,.!:;，。！：；、]*", re.I),
        re.compile(rf"(?:[\s,.!?;，。！？；、]*(?:{either('closes')}))+[\W_]*$", re.I),
        frozenset(en["empty"].split()), re.compile("|".join(sorted(zh["empty"].split(), key=len, reverse=True))),
        {word: name for name, spelled in en["same"].items() for word in spelled.split()},
        tuple((re.compile("|".join(spelled.split())), name) for name, spelled in zh["same"].items()),
        frozenset([*en["moved"].split(), *zh["moved"].split()]),
        frozenset(frozenset(map(stem, pair.split())) for pair in parted(en["two"])),
        {ord(a): b for a, b in zip(pairs[::2], pairs[1::2], strict=True)},
    )  # fmt: skip


def parted(phrases: str) -> list[str]:
    return [phrase.strip() for phrase in phrases.split(",") if phrase.strip()]


def bare(text: str) -> str:
    """A question without what is said before and after it out of politeness, or of how to answer."""
    text = unicodedata.normalize("NFKC", text).translate(listed().simplified)
    rest = listed().closes.sub("", listed().opens.sub("", text))
    return rest if re.search(r"\w", rest) else text


def canonical(question: str) -> Canonical:
    """What a question asks, without what may differ: its words in order."""
    from tuneloop.knowledge.terms import stem

    data, text = listed(), re.sub(r"['’](?:s\b|(?=\s))", "", bare(question))
    if CHINESE.search(text):
        for pattern, word in data.same_zh:
            text = pattern.sub(word, text)
        text = data.empty_zh.sub("", text)
    if not text.isupper():
        text = LETTER_A.sub("letter-A", text)
    text = HYPHEN.sub(" ", APART.sub(r"\1", text))
    found = [data.same.get(word, word) for word in words(text, cjk="characters", parts=False)]
    return tuple(stem(word) if word.isalpha() else word for word in found if word not in data.empty) or tuple(found)


def names(question: str) -> frozenset[str]:
    """The names in a question, in which no letter may be wrong: Kestrel is not Kestral."""
    from tuneloop.knowledge.terms import stem

    found = (word for match in NAMED.finditer(bare(question)) for word in words(match[0], parts=False))
    return frozenset(stem(word) for word in found)


def may_be_misspelled(word: str) -> bool:
    return LETTERS.fullmatch(word) is not None


def without(asked: Canonical) -> Iterator[tuple[Canonical, Canonical]]:
    """One or two words that could be misspelled, with what is left without them, sorted."""
    places = [n for n, word in enumerate(asked if len(asked) <= LONG else ()) if may_be_misspelled(word)]
    most = 2 if FORGIVEN <= len(asked) <= PAIRS else 1
    for count in range(1, most + 1):
        for out in combinations(places, count):
            yield (
                tuple(sorted(word for n, word in enumerate(asked) if n not in out)),
                tuple(asked[n] for n in out),
            )


def misspelled(one: str, two: str) -> bool:
    """Whether one word is the other with a letter more, swapped with the next, or, in a long one, replaced.

    Never the first letter, which turns words round (symptomatic, asymptomatic); and no two words that are listed.
    """
    if one[:1] != two[:1] or frozenset((one, two)) in listed().two:
        return False
    if len(one) > len(two):
        one, two = two, one
    if len(two) - len(one) == 1:
        return any(two[:place] + two[place + 1 :] == one for place in range(1, len(two)))
    if len(one) != len(two):
        return False
    wrong = [place for place, (a, b) in enumerate(zip(one, two, strict=True)) if a != b]
    if len(wrong) == 2 and wrong[1] == wrong[0] + 1:
        return one[wrong[0]] == two[wrong[1]] and one[wrong[1]] == two[wrong[0]]
    return len(wrong) == 1 and wrong[0] > 1 and len(one) >= REPLACED


def in_order(one: Canonical, two: Canonical) -> bool:
    """Whether two questions of the same words have them in one order, or a part that may be moved was moved."""
    if one == two:
        return True
    start = next(n for n, (a, b) in enumerate(zip(one, two, strict=True)) if a != b)
    end = len(one) - next(n for n, (a, b) in enumerate(zip(one[::-1], two[::-1], strict=True)) if a != b)
    here, there = one[start:end], two[start:end]
    moved = listed().moved
    return any(
        here[cut:] + here[:cut] == there and not moved.isdisjoint((here[0], here[cut])) for cut in range(1, len(here))
    )


@dataclass(frozen=True)
class Known:
    """A question that is known, with what is left of it."""

    question: str
    asked: Canonical
    names: frozenset[str]


class Questions:
    """Questions that can be found again in a slightly other form."""

    def __init__(self, questions: Iterable[str] = ()) -> None:
        self.asked: dict[Canonical, Known] = {}
        self.filed: dict[Canonical, list[Known]] = defaultdict(list)
        self.spelled: dict[Canonical, list[tuple[Canonical, Known]]] = defaultdict(list)
        self.words: Counter[str] = Counter()
        for question in questions:
            self.add(question)

    def add(self, question: str) -> None:
        asked = canonical(question)
        if not asked or asked in self.asked:
            return
        known = self.asked[asked] = Known(question, asked, names(question))
        self.filed[tuple(sorted(asked))].append(known)
        self.words.update(set(asked))
        for rest, out in without(asked):
            self.spelled[rest].append((out, known))

    def find(self, question: str) -> str:
        """The question that is the same; "" where there is none."""
        asked = canonical(question)
        if asked in self.asked:
            return self.asked[asked].question
        moved = (known for known in self.filed.get(tuple(sorted(asked)), ()) if in_order(asked, known.asked))
        return next((known.question for known in (*moved, *self.misspelled(question, asked))), "")

    def misspelled(self, question: str, asked: Canonical) -> Iterator[Known]:
        """Those that are the same but for one or two letters."""
        own = names(question)
        for rest, out in without(asked):
            for other, known in self.spelled.get(rest, ()) if own.isdisjoint(out) else ():
                if known.names.isdisjoint(other) and all(map(self.misspells, out, other)):
                    right = dict(zip(out, other, strict=True))
                    if in_order(tuple(right.get(word, word) for word in asked), known.asked):
                        yield known

    def misspells(self, word: str, other: str) -> bool:
        """Whether one of them is misspelled, and not each a word that some other question has."""
        return word == other or (misspelled(word, other) and not (word in self.words and self.words[other] > 1))
