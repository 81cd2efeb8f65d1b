"""An index, searched: passages that its retriever finds, and whether they can answer at all.

How they are found is the index's own (``retrievers``), and so is what orders them again (``rerankers``).
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tuneloop import logbook
from tuneloop.doors import Door
from tuneloop.errors import TuneloopError
from tuneloop.knowledge.answerable import Answerability, Evidence, measured
from tuneloop.knowledge.bounded import Bounded
from tuneloop.knowledge.embedding import Embedder
from tuneloop.knowledge.opened import Opened
from tuneloop.knowledge.query import Query
from tuneloop.knowledge.rerankers import RERANKERS, Reranker, open_reranker, part_of
from tuneloop.knowledge.retrievers import DEFAULT, RETRIEVERS
from tuneloop.knowledge.terms import names, search_terms, terms
from tuneloop.records import Chunk
from tuneloop.settings import Settings

CANDIDATES = 30  # passages that a reranker is shown
MANY_NAMES = 4  # a question with more of them tells a story, and one unknown name means nothing

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Passage:
    """A chunk that was found. ``rank`` counts from 1."""

    chunk: Chunk
    score: float  # the retriever's, or the reranker's where there is one
    rank: int
    cosine: float = 0.0  # with the query; 0 where the index has no vectors
    words: float = 0.0  # the share of the query's words, weighed by how telling they are, 0 to 1


class Knowledge(Opened):
    """The index in ``folder``. Searching is safe from many threads.

    Raises ``NotFound`` or ``Unfit`` where what it is searched with is not installed. What fails in a search is raised,
    so that nothing is measured under a wrong name; where the index is ``forgiving``, as in the gateway, whose callers
    cannot repair it, it is logged: passages are found by ``fused``, and stand in the order in which they were found.
    """

    def __init__(
        self, folder: Path, *, embedder: Embedder | None = None, kept: int | None = None,
        settings: Settings | None = None, forgiving: bool = False,
    ) -> None:  # fmt: skip
        """``kept``: of how many parts the passages are held in memory; by default of all that were asked for.

        ``settings``: where servers are that the index names; by default of the workspace here.
        """
        super().__init__(folder, embedder, kept, settings)
        self.answerability = Answerability(**self.info["answerability"])
        self.forgiving, self.bounded = forgiving, Bounded()
        self.retriever: str = self.info.get("retriever", DEFAULT)
        RETRIEVERS.find(self.retriever)
        self.reranker: str = self.info.get("reranker", "")
        if self.reranker:
            assert self._reranker

    def search(self, query: str, k: int = 5) -> list[Passage]:
        """The ``k`` best passages, best first. Passages of equal text appear once."""
        asked = Query(query, self)
        if not self.reranker:
            return self._found(asked, k)
        return self._reranked(query, self._found(asked, max(k, CANDIDATES)))[:k]

    def _found(self, query: Query, k: int) -> list[Passage]:
        """What the retriever finds."""
        found: list[Passage] = []
        seen: set[str] = set()
        words, cosines = query.words, query.cosines
        for place, score in self._retrieved(query, 2 * k + 8):
            chunk = self.chunk(place)
            if chunk.text not in seen:
                cosine = 0.0 if cosines is None else float(cosines[place])
                found.append(Passage(chunk, score, len(found) + 1, cosine, float(words[place])))
                seen.add(chunk.text)
            if len(found) == k:
                break
        return found

    def _retrieved(self, query: Query, k: int) -> list[tuple[int, float]]:
        def retrieve() -> list[tuple[int, float]]:
            given = RETRIEVERS.find(self.retriever).retrieve(query, k)
            return [(whole(place, self.count), finite(score)) for place, score in given]

        found = self._tried(RETRIEVERS, self.retriever, retrieve, f"searched as {DEFAULT}")
        return list(RETRIEVERS.find(DEFAULT).retrieve(query, k)) if found is None else found

    @cached_property
    def _reranker(self) -> Reranker:
        return open_reranker(self.reranker, self.settings)

    def _reranked(self, query: str, passages: list[Passage]) -> list[Passage]:
        """Passages in the order of the reranker, of equal ones as they were."""
        texts = ["\n".join(filter(None, [" > ".join(p.chunk.heading), p.chunk.text])) for p in passages]

        def score() -> list[float]:
            scores = [finite(score) for score in self._reranker.scores(query, texts)]
            if len(scores) != len(texts):
                raise ValueError(f"{len(scores)} scores of {len(texts)} passages")
            return scores

        part = part_of(self.reranker)
        if not texts or (scores := self._tried(RERANKERS, part, score, "in the order of the search")) is None:
            return passages
        order = sorted(range(len(texts)), key=lambda n: -scores[n])
        return [replace(passages[n], score=scores[n], rank=rank) for rank, n in enumerate(order, 1)]

    def _tried(self, door: Door[Any], name: str, work: Callable[[], T], instead: str) -> T | None:
        """What a part gives; ``None`` where it has failed, or took too long, and that is forgiven.

        The log is told no text, which may be a person's.
        """
        package = door.package(name)
        try:
            with door.blamed(name):
                return self.bounded.run(work) if self.forgiving and package else work()
        except TuneloopError as error:
            if not self.forgiving:
                raise
            why = logbook.kind(error.__cause__ or error)
            log.warning("%s of the package %s in %s: %s; %s", name, package or "tuneloop", door.group, why, instead)
            return None

    def answerable(self, query: str, passages: Sequence[Passage]) -> float:
        """How likely the passages answer the query, 0 to 1; below ``answerability.threshold`` they do not."""
        return self.answerability.probability(self.evidence(query, passages))

    def evidence(self, query: str, passages: Sequence[Passage]) -> Evidence:
        """The signs by which ``answerable`` judges."""
        cosines = [p.cosine for p in passages if p.cosine]
        texts = " ".join(p.chunk.text for p in passages[:2])
        language = measured(query)
        coverage = max((self.coverage(query, p) for p in passages), default=0.0)
        named = names(query)
        stranger = len(named) <= MANY_NAMES and bool((self.bm25.positions(named) < 0).any())
        crossed = bool(texts) and measured(texts) != language
        return Evidence(language, crossed, max(cosines, default=None), coverage, stranger)

    def coverage(self, query: str, passage: Passage) -> float:
        """The share of the query's words, weighed by how telling they are, that a passage and its headings hold."""
        counts = Counter(search_terms(query))
        told = set(terms("\n".join([passage.chunk.text, *passage.chunk.heading])))
        weights = self.bm25.idf(list(counts)) * (1 + np.log(list(counts.values()))) if counts else np.zeros(0)
        total = float(weights.sum())
        return float(sum(w for t, w in zip(counts, weights, strict=True) if t in told)) / total if total else 0.0

    def warm(self) -> None:
        """Load what the first search would load: the embedding model, the table of chunks."""
        self.search("?", 1)


def finite(score: float) -> float:
    """A score as a number. Raises ``ValueError``."""
    if not math.isfinite(score):
        raise ValueError("a score that is no finite number")
    return float(score)


def whole(place: int, count: int) -> int:
    """A place in the index. Raises ``ValueError``."""
    if not 0 <= place < count:
        raise ValueError(f"a place outside the index: {place}")
    return int(place)
