"""The length of an answer."""

from typing import ClassVar

from tuneloop.evaluate.overlap import tokenize
from tuneloop.evaluate.scorers import Scored, Scorer
from tuneloop.language import stored


class AnswerTokens(Scorer):
    """The length in tokens: neither more nor less of it is better."""

    name: ClassVar[str] = "answer_tokens"
    label: ClassVar[str] = stored("answer tokens")
    definition: ClassVar[str] = stored(
        "the mean length of an answer in tokens; it says whether a gain of ROUGE-L is one of brevity"
    )
    more_is_better: ClassVar[bool | None] = None

    def score(self, item: Scored) -> float:
        return float(len(tokenize(item.answer)))
