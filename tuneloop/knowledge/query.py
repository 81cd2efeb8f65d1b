"""A question to an index, with what each of its chunks has of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tuneloop.knowledge.opened import Opened


@dataclass(frozen=True)
class Query:
    """What a retriever is asked. Its measures are computed once, when they are first looked at."""

    text: str
    index: Opened

    @cached_property
    def words(self) -> np.ndarray:
        """The share of the query's words that each chunk holds, weighed by how telling they are: 0 to 1, float32."""
        return self.index.word_scores(self.text)

    @cached_property
    def cosines(self) -> np.ndarray | None:
        """The cosine of every chunk with the query; None without vectors, or while their endpoint does not answer."""
        return self.index.cosines(self.text)


def best(scores: np.ndarray, k: int, floor: float | None = None) -> np.ndarray:
    """The places of the ``k`` highest scores (above ``floor``), highest first; of equal ones the earlier first."""
    k = min(k, len(scores))
    if not k:
        return np.zeros(0, dtype=np.int64)
    limit = np.partition(scores, len(scores) - k)[len(scores) - k]
    chosen = np.flatnonzero((scores >= limit) & (scores > (-np.inf if floor is None else floor)))
    return chosen[np.argsort(-scores[chosen], kind="stable")][:k]


def ranked(scores: np.ndarray, k: int, floor: float | None = None) -> list[tuple[int, float]]:
    """The ``k`` best (above ``floor``) with their scores, best first."""
    return [(int(place), float(scores[place])) for place in best(scores, k, floor)]
