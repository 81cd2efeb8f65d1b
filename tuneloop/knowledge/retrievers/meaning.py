"""Chunks by what they mean, whatever their words."""

from __future__ import annotations

from tuneloop.knowledge.query import Query, ranked


class Meaning:
    """The cosine of a chunk with the query. Words instead, while the endpoint that makes vectors does not answer."""

    needs_vectors = True

    def retrieve(self, query: Query, k: int) -> list[tuple[int, float]]:
        return ranked(query.words, k, floor=0.0) if query.cosines is None else ranked(query.cosines, k)


RETRIEVER = Meaning()
