"""Chunks by words and meaning together.

A chunk's score is the share of the query's words that it holds (its BM25 score over the most that the query could
reach, so 0 to 1), plus a small weight times its cosine, in standard deviations above the mean of all chunks. The spread
is the index's, not the query's, and no part is stretched to fill a range: a Chinese question to English documents,
which shares no word with them, is so ranked by meaning alone.
"""

from __future__ import annotations

from tuneloop.knowledge.query import Query, ranked

MEANING = 0.06  # what one standard deviation of cosine counts, against 1 for all words of the query


class Fused:
    """Words alone in an index without vectors, and while the endpoint that makes them does not answer."""

    needs_vectors = False

    def retrieve(self, query: Query, k: int) -> list[tuple[int, float]]:
        words, cosines = query.words, query.cosines
        if cosines is None:
            return ranked(words, k, floor=0.0)
        return ranked(words + MEANING * (cosines - cosines.mean()) / query.index.spread, k)


RETRIEVER = Fused()
