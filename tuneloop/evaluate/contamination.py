"""Questions of an exam that a model has learned, which would measure its memory: they are named and left out.

Two questions are the same where nothing is left of their difference but case, punctuation, politeness, articles,
auxiliaries, an ending, another word of the same asking (which, what; 如何, 怎样), or one word with a letter missing,
doubled or swapped. Of another name, number, negation or order of two places nothing is forgiven: what is the port of X
and what is the port of Y are two questions, however alike they look.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuneloop.errors import NotFound, TuneloopError
from tuneloop.kinds.model import TRAINED
from tuneloop.text.scripts import CHINESE
from tuneloop.text.tokens import word_set, words

if TYPE_CHECKING:
    from pathlib import Path

    from tuneloop.evaluate.items import Item
    from tuneloop.records import Example
    from tuneloop.stage import Context

EMPTY = word_set(
    "a an the please kindly tell me us could can would will do does did i you we one my your our of just exactly s"
)
SAME = {"which": "what", "whats": "what", "hows": "how"}
ORDERED = word_set("from to than before after between into onto over under by versus vs if when")
EMPTY_ZH = re.compile("请问|请告诉我|告诉我|麻烦|请|一下|[呢吗啊呀吧的了我你您]")
SAME_ZH = (
    (re.compile("哪些|哪个|哪种|哪一[个种]|什么样"), "什么"),
    (re.compile("怎么样|怎样|如何"), "怎么"),
    (re.compile("为何"), "为什么"),
)
SPELLED = 5  # letters of a word in which one may be wrong
LONG = 40  # words
LETTERS = re.compile(rf"[^\W\d_]{{{SPELLED},}}")
PROMPT_END = "</passages>"  # what stands before the question where it is asked with passages

Canonical = tuple[str, ...]


def canonical(question: str) -> Canonical:
    """What a question asks, without what may differ: its words in order, or, where none tells an order, sorted."""
    from tuneloop.knowledge.terms import stem

    text = re.sub(r"['’]s\b", "", unicodedata.normalize("NFKC", question))
    chinese = CHINESE.search(text) is not None
    if chinese:
        for pattern, word in SAME_ZH:
            text = pattern.sub(word, text)
        text = EMPTY_ZH.sub("", text)
    found = [SAME.get(word, word) for word in words(text, cjk="characters", parts=False)]
    kept = [stem(word) if word.isalpha() else word for word in found if word not in EMPTY] or found
    return tuple(kept if chinese or ORDERED.intersection(kept) else sorted(kept))


def without_one(asked: Canonical) -> Iterator[tuple[Canonical, str]]:
    """Each word that could be misspelled, with what is left without it. Long texts are compared as they stand."""
    for place, word in enumerate(asked if len(asked) <= LONG else ()):
        if LETTERS.fullmatch(word) and not CHINESE.search(word):
            yield asked[:place] + asked[place + 1 :], word


def misspelled(one: str, two: str) -> bool:
    """Whether one word is the other with a letter more, or with two neighbours swapped."""
    if len(one) > len(two):
        one, two = two, one
    if len(two) - len(one) == 1:
        return any(two[:place] + two[place + 1 :] == one for place in range(len(two)))
    wrong = [place for place, (a, b) in enumerate(zip(one, two, strict=False)) if a != b]
    swapped = len(one) == len(two) and len(wrong) == 2 and wrong[1] == wrong[0] + 1
    return swapped and one[wrong[0]] == two[wrong[1]] and one[wrong[1]] == two[wrong[0]]


class Questions:
    """Questions that can be found again in a slightly other form."""

    def __init__(self, questions: Iterable[str] = ()) -> None:
        self.asked: dict[Canonical, str] = {}
        self.spelled: dict[Canonical, list[tuple[str, str]]] = defaultdict(list)
        for question in questions:
            self.add(question)

    def add(self, question: str) -> None:
        asked = canonical(question)
        if asked and asked not in self.asked:
            self.asked[asked] = question
            for rest, word in without_one(asked):
                self.spelled[rest].append((word, question))

    def find(self, question: str) -> str:
        """The question that is the same; "" where there is none."""
        asked = canonical(question)
        if asked in self.asked:
            return self.asked[asked]
        alike = (
            known for rest, word in without_one(asked) for other, known in self.spelled.get(rest, ())
            if misspelled(word, other)
        )  # fmt: skip
        return next(alike, "")


def turns(example: Example) -> list[str]:
    """What was asked up to each answer of a conversation: a follow-up such as "Why?" asks with what came before."""
    asked: list[str] = []
    found: list[str] = []
    for message in example.messages:
        if message.role == "user":
            asked.append(bare(message.content))
        elif message.role == "assistant" and asked:
            found.append("\n".join(asked))
    return found


def bare(text: str) -> str:
    """The question itself, where it is asked with passages."""
    from tuneloop.answer.prompt import QUESTION

    _before, found, question = text.rpartition(PROMPT_END)
    if not found:
        return text
    question = question.strip()
    for template in QUESTION.values():
        question = question.removeprefix(template.partition("{}")[0])
    return question


@dataclass
class Learned:
    """What a model and all that it was made from were trained to answer, as far as it is still known."""

    questions: Questions = field(default_factory=Questions)
    gone: list[str] = field(default_factory=list)  # short addresses of what would tell more, and was removed


def learned_by(ctx: Context, model: str) -> Learned:
    """Read ``trained.parquet`` of a model, of the one it was compressed from, and of that one's base, to the end."""
    from tuneloop.address import Address
    from tuneloop.models import read_card

    found, passed = Learned(), set[str]()
    while model not in passed:
        passed.add(model)
        try:
            address = Address.parse(model)
        except TuneloopError:
            break  # an endpoint, or a name of a hub: nothing of it was trained here
        try:
            folder = ctx.path(model)
        except NotFound:
            found.gone.append(address.short)
            break
        if TRAINED.path(folder).is_file():
            read_trained(ctx, folder, found)
        if not (folder / "model.json").is_file():
            break
        model = read_card(folder).base
    return found


def read_trained(ctx: Context, folder: Path, found: Learned) -> None:
    """The questions of the rows that a training learned from; validation rows were only measured."""
    import pyarrow.parquet as pq

    from tuneloop.address import Address
    from tuneloop.kinds.dataset import EXAMPLES
    from tuneloop.stage import read_table

    rows: dict[str, set[str]] = defaultdict(set)
    table = pq.read_table(TRAINED.path(folder), columns=["example", "dataset", "part"])
    for row in table.to_pylist():
        if row["part"] == "train":
            rows[row["dataset"]].add(row["example"])
    for dataset, ids in rows.items():
        try:
            for example in read_table(ctx, dataset, EXAMPLES):
                if example.id in ids:
                    for question in turns(example):
                        found.questions.add(question)
        except NotFound:
            found.gone.append(Address.parse(dataset).short)


def mark_seen(examples: Sequence[Example], items: Sequence[Item], learned: Sequence[Learned]) -> None:
    """Note on each item the learned question that is the same as its own, whichever model learned it."""
    for example, item in zip(examples, items, strict=True):
        asked = turns(example)[-1]
        item.learned = next((found for known in learned if (found := known.questions.find(asked))), "")


def account(items: Sequence[Item], learned: Sequence[Learned]) -> dict[str, Any]:
    """What was left out because a model had learned it, and of what nobody can say any more whether it was."""
    out = [item for item in items if item.learned]
    rows = [{"id": item.id, "question": item.question, "learned": item.learned} for item in out]
    return {"count": len(out), "items": rows, "gone": sorted({name for known in learned for name in known.gone})}
