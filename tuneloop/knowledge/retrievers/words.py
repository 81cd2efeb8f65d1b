"""Chunks by the words that they share with the query, and no others."""

from __future__ import annotations

from tuneloop.knowledge.query import Query, ranked


class Words:
    """The share of the query's words that a chunk holds: its BM25 score over the most that the query could reach."""

    needs_vectors = False

    def retrieve(self, query: Query, k: int) -> list[tuple[int, float]]:
        return ranked(query.words, k, floor=0.0)


RETRIEVER = Words()
