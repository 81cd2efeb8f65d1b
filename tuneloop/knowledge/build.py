"""Making an index: word postings, vectors, and what everyday questions reach in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tuneloop.kinds.documents import CHUNKS
from tuneloop.knowledge import vectors
from tuneloop.knowledge.answerable import EVIDENCE, THRESHOLD, median
from tuneloop.knowledge.bm25 import BM25, K1, B
from tuneloop.knowledge.embedding import NANO, NONE, Embedder, open_embedder
from tuneloop.knowledge.generic import CHINESE, ENGLISH
from tuneloop.knowledge.search import FORMAT, Knowledge
from tuneloop.knowledge.terms import terms
from tuneloop.language import stored
from tuneloop.records import Chunk

if TYPE_CHECKING:
    from tuneloop.stage import Context


@dataclass(frozen=True)
class Options:
    """How an index is made; see the fields of the stage."""

    embedding: str
    query_prefix: str = ""
    passage_prefix: str = ""
    heading_weight: float = 2.0


def build(ctx: Context, stage: Options, chunks: list[Chunk]) -> dict[str, Any]:
    """Write an index of ``chunks`` into ``ctx.out`` and return its summary."""
    ctx.phase(stored("indexing words"))
    CHUNKS.write(ctx.out, chunks)
    headings = [terms(" \n ".join(chunk.heading)) for chunk in chunks]
    bm25 = BM25.build([([terms(chunk.text) for chunk in chunks], 1.0), (headings, stage.heading_weight)])
    bm25.save(ctx.out / "bm25")
    info: dict[str, Any] = {
        "format": FORMAT, "chunks": len(chunks), "documents": len({chunk.document for chunk in chunks}),
        "terms": len(bm25.terms), "k1": K1, "b": B, "heading_weight": stage.heading_weight,
        "embedding": stage.embedding, "query_prefix": stage.query_prefix, "passage_prefix": stage.passage_prefix,
        "endpoint": None, "dimensions": 0, "cosine_spread": 1.0,
        "answerability": {"cosine": {}, "coverage": {}, "threshold": THRESHOLD},
    }  # fmt: skip
    if stage.embedding == NONE:
        calibrate(ctx, info, None)
    else:
        ctx.phase(stored("embedding passages"))
        with open_embedder(ctx, stage.embedding, stage.query_prefix, stage.passage_prefix) as embedder:
            embed_chunks(ctx, info, embedder, chunks)
            calibrate(ctx, info, embedder)
    return {key: info[key] for key in ("chunks", "documents", "terms", "embedding", "dimensions")}


def embed_chunks(ctx: Context, info: dict[str, Any], embedder: Embedder, chunks: list[Chunk]) -> None:
    """Embed each passage below its headings, and save the vectors."""
    texts = ["\n".join(filter(None, [" > ".join(chunk.heading), chunk.text])) for chunk in chunks]
    kept = ctx.checkpoint("vectors.bin")
    matrix = vectors.embed(embedder, texts, kept, lambda done, total: ctx.progress(done, total, stored("passages")))
    np.save(ctx.out / "vectors.npy", matrix.astype(np.float32), allow_pickle=False)
    info["dimensions"] = int(matrix.shape[1])
    if info["embedding"] != NANO:
        client = embedder.client  # type: ignore[attr-defined]
        info["endpoint"] = {"url": client.base_url, "model": client.model}


def calibrate(ctx: Context, info: dict[str, Any], embedder: Embedder | None) -> None:
    """Ask the index everyday questions, note what they reach, and write ``index.json``."""
    ctx.phase(stored("measuring what unrelated questions reach"))
    save(ctx, info)
    knowledge = Knowledge(ctx.out, embedder=embedder)
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
