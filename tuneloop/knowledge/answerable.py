"""Whether what was found answers a question at all.

Three signs are read: how far the best cosine lies above what everyday questions (``generic``) reach in this very index,
and how many of the question's words, weighed by how telling they are, one of the passages holds, again above what
everyday questions reach; and whether it names something that no document names ("Kubernetes"). Measuring
the first two against the index itself, when it is built, makes them comparable between indexes, languages and embedding
models, and needs no labels.

The weights are of a logistic regression over questions whose passage was in the index or had been taken out of it,
Chinese and English: CMRC 2018, XQuAD, CLAP NQ, a product's documentation, criminal law (no script yet).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

from tuneloop.text.language import nearest_language

EVIDENCE = 4  # passages that a question is judged by, however many a model is shown
THRESHOLD = 0.35  # false refusals near 4%, in the regression's own questions
COSINE_STEP = 0.01
MEASURED = ("en", "zh")  # the languages of the everyday questions
STRANGER = 2.0  # what a name that no document has takes off, in logits


@dataclass(frozen=True)
class Evidence:
    """The signs of one question."""

    language: str  # of the question, one of MEASURED
    crossed: bool  # the passages are in the other language, so words cannot be compared
    cosine: float | None  # of the best passage; None without vectors
    coverage: float  # the largest share of the question's words that one passage holds
    stranger: bool = False  # it names something, in Latin script, that the documents nowhere name


@dataclass(frozen=True)
class Answerability:
    """What everyday questions reach in this index (medians by language), and the operating point."""

    cosine: dict[str, float]
    coverage: dict[str, float]
    threshold: float = THRESHOLD

    def probability(self, evidence: Evidence) -> float:
        """How likely the passages answer the question, 0 to 1."""
        words = evidence.coverage - self.coverage.get(evidence.language, 0.0)
        doubt = STRANGER if evidence.stranger and not evidence.crossed else 0.0
        if evidence.cosine is None or not self.cosine:
            return logistic(10.0 * words - 1.7 - doubt)
        near = (evidence.cosine - self.cosine[evidence.language]) / COSINE_STEP
        return logistic(0.45 * near - 0.5) if evidence.crossed else logistic(0.7 * near + 6.0 * words - 3.0 - doubt)


def logistic(value: float) -> float:
    return 1 / (1 + exp(-max(-30.0, min(30.0, value))))


def measured(text: str) -> str:
    """The language of a text, among those in which everyday questions are measured."""
    return nearest_language(text, MEASURED)


def median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
