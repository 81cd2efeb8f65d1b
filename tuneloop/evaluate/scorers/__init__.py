"""What an answer is measured by: each scorer a file with its own definition, chosen by ``evaluate --scorers NAME``.

A package adds a scorer through the entry point group ``tuneloop.scorers``: ``name = module:Class``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tuneloop.doors import Door
from tuneloop.language import _, joined


@dataclass(frozen=True)
class Scored:
    """An answer with what it is measured against."""

    question: str
    answer: str
    reference: str = ""
    pages: list[str] = field(default_factory=list)  # names of the documents that answer the question

    def has(self, needs: tuple[str, ...]) -> bool:
        return all(getattr(self, name) for name in needs)


NEEDS = ("reference", "pages")


class Scorer(ABC):
    """Base of a scorer. It is deterministic, and asks no model."""

    name: ClassVar[str]
    label: ClassVar[str]  # what it is called in tables
    definition: ClassVar[str]  # what it is, with its source, on one line
    more_is_better: ClassVar[bool | None] = True  # None: it only describes, and decides nothing
    needs: ClassVar[tuple[str, ...]] = ("reference",)  # what an item must have, of NEEDS; one without is left out

    @abstractmethod
    def score(self, item: Scored) -> float:
        """The value of one answer, a finite number."""


def check_scorer(name: str, part: Any) -> None:
    """Raise ``ValueError`` where a part is no scorer that the report can tell of."""
    if not (isinstance(part, type) and issubclass(part, Scorer)):
        raise ValueError(_("it is not a subclass of {base}").format(base="Scorer"))
    if (called := getattr(part, "name", None)) != name:
        raise ValueError(_("the class is named {called!r}").format(called=called))
    lacking = [one for one in ("label", "definition") if not getattr(part, one, "")]
    if lacking := [*sorted(part.__abstractmethods__), *lacking]:
        raise ValueError(_("it lacks {names}").format(names=joined(lacking)))
    if strange := [need for need in part.needs if need not in NEEDS]:
        raise ValueError(_("it needs {need!r}, and items have {names}").format(need=strange[0], names=joined(NEEDS)))
    if name in TAKEN:
        raise ValueError(_("the name {name!r} means something else to an evaluation").format(name=name))


def absent(name: str) -> str:
    return _("there is no scorer {name!r}").format(name=name)


TAKEN = ("auto", "with_documents", "closed_book", "tokenization", "correct", "reciprocal_rank")
BUILT_IN = {
    "rouge_l": "tuneloop.evaluate.scorers.rouge:RougeL",
    "rouge_l_recall": "tuneloop.evaluate.scorers.rouge:RougeLRecall",
    "bleu_4": "tuneloop.evaluate.scorers.bleu:Bleu4",
    "token_f1": "tuneloop.evaluate.scorers.token_f1:TokenF1",
    "exact_match": "tuneloop.evaluate.scorers.exact_match:ExactMatch",
    "answer_tokens": "tuneloop.evaluate.scorers.answer_tokens:AnswerTokens",
}
SCORERS: Door[type[Scorer]] = Door("tuneloop.scorers", BUILT_IN, check=check_scorer, absent=absent)


def scorers_of(names: list[str]) -> dict[str, Scorer]:
    """The scorers of these names, in the order of the door; of none, those that are built in."""
    wanted = names or list(BUILT_IN)
    return {name: SCORERS.find(name)() for name in SCORERS.names() if name in wanted}


def label_of(name: str, labels: Any = None) -> str:
    """What a scorer is called in tables; of one that is not here, what the evaluation kept, or its name."""
    kept = (labels or {}).get(name) or name.replace("_", " ")
    if name in SCORERS and (scorer := SCORERS.usable(name)):
        return scorer.label
    return str(kept)
