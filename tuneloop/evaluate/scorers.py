"""What an answer is measured by, each scorer by its name. The built-in ones measure every evaluation.

A package adds one through the entry point group ``tuneloop.scorers``: ``name = module:SCORER``. It measures where it is
asked for, with ``--scorers name`` or as what decides.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tuneloop.doors import Door
from tuneloop.language import _

BUILT_IN = {
    "rouge_l": "tuneloop.evaluate.metrics:ROUGE_L", "rouge_l_recall": "tuneloop.evaluate.metrics:ROUGE_L_RECALL",
    "bleu_4": "tuneloop.evaluate.metrics:BLEU_4", "token_f1": "tuneloop.evaluate.metrics:TOKEN_F1",
    "exact_match": "tuneloop.evaluate.metrics:EXACT_MATCH", "answer_tokens": "tuneloop.evaluate.metrics:ANSWER_TOKENS",
}  # fmt: skip


@dataclass(frozen=True)
class Answered:
    """A question, what was answered to it, and what should have been."""

    question: str
    answer: str
    reference: str


@dataclass(frozen=True)
class Scorer:
    """A number for each answer, of which means, intervals and differences are made.

    ``label`` and ``definition`` are in English and marked by ``stored()``; the definition names its source. Less than 0
    and more than 1 are allowed, what is no number is not. Where neither more nor less is better, it is ``descriptive``.
    """

    label: str
    definition: str
    score: Callable[[Answered], float]
    descriptive: bool = False


class ScorerFailed(Exception):
    """A package's scorer did not measure an answer."""


def check_scorer(name: str, part: Any) -> None:
    """Raise ``ValueError`` where a part is no scorer."""
    if not isinstance(part, Scorer):
        raise ValueError(_("it is not a {kind}").format(kind="Scorer"))
    if not part.label or not part.definition:
        raise ValueError(_("a scorer says what it is called and how it is defined"))


def absent(name: str) -> str:
    return _("there is no scorer {name!r}").format(name=name)


SCORERS: Door[Scorer] = Door("tuneloop.scorers", BUILT_IN, check=check_scorer, absent=absent)


def chosen(names: Iterable[str]) -> dict[str, Scorer]:
    """The built-in scorers, then those that are asked for. Raises ``Unfit`` for one that cannot be used."""
    return {name: SCORERS.find(name) for name in dict.fromkeys([*BUILT_IN, *names])}


def measure(name: str, scorer: Scorer, answers: Iterable[Answered]) -> list[float]:
    """The value of each answer. Raises ``ScorerFailed`` with the reason where a package's scorer gives none."""
    found = []
    for number, answered in enumerate(answers, 1):
        try:
            value = float(scorer.score(answered))
        except Exception as error:
            if not SCORERS.package(name):
                raise
            raise ScorerFailed(f"{type(error).__name__}: {error}") from error
        if not math.isfinite(value):
            raise ScorerFailed(f"answer {number}: {value}")
        found.append(value)
    return found
