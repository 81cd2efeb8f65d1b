"""Making an index: word postings, vectors, and what everyday questions reach in it."""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from tuneloop.kinds.documents import CHUNKS
from tuneloop.knowledge import vectors
from tuneloop.knowledge.answerable import EVIDENCE, THRESHOLD, median
from tuneloop.knowledge.bm25 import K1, B, term_hash
from tuneloop.knowledge.embedding import NANO, NONE, Embedder, open_embedder
from tuneloop.knowledge.generic import CHINESE, ENGLISH
from tuneloop.knowledge.opened import FORMAT, SEARCHED
from tuneloop.knowledge.postings import Postings
from tuneloop.knowledge.rerankers import RERANKERS, part_of
from tuneloop.knowledge.retrievers import DEFAULT, RETRIEVERS
from tuneloop.knowledge.search import Knowledge
from tuneloop.knowledge.terms import terms
from tuneloop.knowledge.vectors import Vectors
from tuneloop.language import stored
from tuneloop.records import Chunk

GROUPS = 8  # parts of the passages that are held while the index is measured

if TYPE_CHECKING:
    from tuneloop.stage import Context


@dataclass(frozen=True)
class Options:
    """How an index is made; see the fields of the stage."""

    embedding: str
    query_prefix: str = ""
    passage_prefix: str = ""
    heading_weight: float = 2.0
    retriever: str = DEFAULT
    reranker: str = ""


def build(ctx: Context, stage: Options, chunks: Iterable[Chunk]) -> dict[str, Any]:
    """Write an index of ``chunks`` into ``ctx.out`` and return its summary. Raises ``NoPassages`` where there are none.

    They are gone through twice: to write them and their words, and, from what was written, for their vectors.
    """
    ctx.phase(stored("indexing words"))
    postings, documents = Postings(ctx.out), Distinct()

    def counted(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        for number, chunk in enumerate(chunks, 1):
            postings.add([(terms(chunk.text), 1.0), (terms(" \n ".join(chunk.heading)), stage.heading_weight)])
            documents.add(chunk.document)
            if number % 500 == 0:
                ctx.progress(number, None, stored("passages"))
            yield chunk

    count = CHUNKS.write(ctx.out, counted(chunks))
    if not count:
        raise NoPassages
    found = postings.save(ctx.out / "bm25")
    info: dict[str, Any] = {
        "format": FORMAT, "chunks": count, "documents": documents.count(),
        "terms": found, "k1": K1, "b": B, "heading_weight": stage.heading_weight,
        "embedding": stage.embedding, "query_prefix": stage.query_prefix, "passage_prefix": stage.passage_prefix,
        "endpoint": None, "dimensions": 0, "cosine_spread": 1.0,
        "answerability": {"cosine": {}, "coverage": {}, "threshold": THRESHOLD},
        **searched(stage),
    }  # fmt: skip
    if stage.embedding == NONE:
        calibrate(ctx, info, None)
    else:
        ctx.phase(stored("embedding passages"))
        with open_embedder(ctx, stage.embedding, stage.query_prefix, stage.passage_prefix) as embedder:
            embed_chunks(ctx, info, embedder)
            calibrate(ctx, info, embedder)
    told = ("chunks", "documents", "terms", "embedding", "dimensions", "retriever", "reranker")
    return {key: info[key] for key in told if key in info}


def searched(stage: Options) -> dict[str, Any]:
    """How an index says that it is searched, with the packages that do it; nothing where it is by default."""
    said = {"retriever": stage.retriever} if stage.retriever != DEFAULT else {}
    said |= {"reranker": stage.reranker} if stage.reranker else {}
    if not said:
        return {}
    editions = [RETRIEVERS.edition(stage.retriever), RERANKERS.edition(part_of(stage.reranker))]
    return {**said, "format": SEARCHED, "editions": list(filter(None, editions))}


class NoPassages(Exception):
    """There is nothing to index."""


class Distinct:
    """How many texts there are, of which few are kept: eight bytes of each."""

    def __init__(self) -> None:
        self.hashes = array("Q")
        self.last = ""

    def add(self, text: str) -> None:
        if text != self.last:
            self.last = text
            self.hashes.append(term_hash(text))

    def count(self) -> int:
        return len(np.unique(np.frombuffer(self.hashes, np.uint64))) if self.hashes else 0


def embed_chunks(ctx: Context, info: dict[str, Any], embedder: Embedder) -> None:
    """Embed each passage below its headings, and save the vectors."""
    rows = CHUNKS.read(ctx.out)
    texts = ("\n".join(filter(None, [" > ".join(chunk.heading), chunk.text])) for chunk in rows)
    if info["embedding"] != NANO:
        client = embedder.client  # type: ignore[attr-defined]
        info["endpoint"] = {"url": client.base_url, "model": client.model}
    with Vectors(ctx.store.cache / "vectors.sqlite", identity(info), since=since(ctx)) as kept:
        told = partial(ctx.progress, unit=stored("passages"))
        info["dimensions"] = vectors.write(ctx.out / "vectors.npy", info["chunks"], texts, embedder, kept, told)


def identity(info: dict[str, Any]) -> str:
    """All that the vector of a passage depends on beside its text."""
    if info["embedding"] == NANO:
        return f"{NANO} {version(NANO)}"
    return json.dumps([info["endpoint"]["url"], info["endpoint"]["model"], info["passage_prefix"]])


def since(ctx: Context) -> float:
    """Which vectors count: all that there are, and only new ones where the same index is asked for anew."""
    if not ctx.again:
        return 0.0
    kept = ctx.checkpoint("since")  # a killed run goes on with what it has made
    if not kept.is_file():
        kept.write_text(str(time.time()))
    return float(kept.read_text())


def calibrate(ctx: Context, info: dict[str, Any], embedder: Embedder | None) -> None:
    """Ask the index everyday questions, note what they reach, and write ``index.json``."""
    ctx.phase(stored("measuring what unrelated questions reach"))
    save(ctx, info)
    knowledge = Knowledge(ctx.out, embedder=embedder, kept=GROUPS, settings=ctx.store.settings)
    spreads: list[float] = []
    for language, questions in (("en", ENGLISH), ("zh", CHINESE)):
        cosines, coverages = [], []
        for done, question in enumerate(questions, 1):
            scores = knowledge.cosines(question)
            if scores is not None:
                cosines.append(float(scores.max()))
                spreads.append(float(scores.std()))
            passages = knowledge.search(question, EVIDENCE)
            coverages.append(max((knowledge.coverage(question, p) for p in passages), default=0.0))
            ctx.progress(done, len(questions), stored("questions"))
        info["answerability"]["coverage"][language] = round(median(coverages), 4)
        if cosines:
            info["answerability"]["cosine"][language] = round(median(cosines), 4)
    if spreads:
        info["cosine_spread"] = round(max(sum(spreads) / len(spreads), 0.005), 5)
    save(ctx, info)


def save(ctx: Context, info: dict[str, Any]) -> None:
    text = json.dumps(info, ensure_ascii=False, indent=1, sort_keys=True)
    (ctx.out / "index.json").write_text(text + "\n", encoding="utf-8")
