"""Whether answer and reference are equal but for how they are written."""

import re
import unicodedata
from typing import ClassVar

from tuneloop.evaluate.scorers import Scored, Scorer
from tuneloop.language import stored


class ExactMatch(Scorer):
    """1 where the two are equal after ``normalise``."""

    name: ClassVar[str] = "exact_match"
    label: ClassVar[str] = stored("exact match")
    definition: ClassVar[str] = stored("equal after NFKC, lower case, and stripping of outer punctuation")

    def score(self, item: Scored) -> float:
        return float(normalise(item.answer) == normalise(item.reference))


def normalise(text: str) -> str:
    """For exact match: full-width to half-width, lower case, no punctuation at the ends, single spaces."""
    text = unicodedata.normalize("NFKC", text).lower()
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(r"^[\W_]+|[\W_]+$", "", text)
