"""F1 of the bags of tokens (SQuAD, Rajpurkar et al. 2016), without article removal."""

from collections import Counter
from typing import ClassVar

from tuneloop.evaluate.overlap import f1, tokenize
from tuneloop.evaluate.scorers import Scored, Scorer
from tuneloop.language import stored


class TokenF1(Scorer):
    """F1 of the bags of tokens."""

    name: ClassVar[str] = "token_f1"
    label: ClassVar[str] = stored("token F1")
    definition: ClassVar[str] = stored("F1 of the bags of tokens (Rajpurkar et al. 2016)")

    def score(self, item: Scored) -> float:
        one, two = tokenize(item.answer), tokenize(item.reference)
        return f1(sum((Counter(one) & Counter(two)).values()), len(one), len(two))
