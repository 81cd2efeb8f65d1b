"""ROUGE-L (Lin 2004) on the whole text as one sequence."""

from typing import ClassVar

from tuneloop.evaluate.overlap import f1, longest_common, tokenize
from tuneloop.evaluate.scorers import Scored, Scorer
from tuneloop.language import stored


class RougeL(Scorer):
    """F1 of the longest common subsequence."""

    name: ClassVar[str] = "rouge_l"
    label: ClassVar[str] = stored("ROUGE-L F1")
    definition: ClassVar[str] = stored("ROUGE-L F1 of the whole text (Lin 2004)")

    def score(self, item: Scored) -> float:
        one, two = tokenize(item.answer), tokenize(item.reference)
        return f1(longest_common(one, two), len(one), len(two))


class RougeLRecall(Scorer):
    """The share of the reference that is in the answer, in its order. Length costs it nothing."""

    name: ClassVar[str] = "rouge_l_recall"
    label: ClassVar[str] = stored("ROUGE-L recall")
    definition: ClassVar[str] = stored(
        "the part of the reference that the answer holds in its order (Lin 2004); longer costs nothing"
    )

    def score(self, item: Scored) -> float:
        one, two = tokenize(item.answer), tokenize(item.reference)
        return longest_common(one, two) / len(two) if two else float(not one)
