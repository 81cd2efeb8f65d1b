"""A cited passage in its place: the text around it, put together from the chunks of the index."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tuneloop.gateway.problem import Problem
from tuneloop.kinds.documents import CHUNKS
from tuneloop.language import _

AROUND = 1200  # characters shown before and after
GAP = "\n…\n"


class Shelf:
    """The documents of an index, as far as its chunks have them. The table is read when first needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rows: dict[str, list[int]] = {}
        self._table: Any = None
        self._lock = threading.Lock()

    def passage(self, document: str, start: int, end: int) -> dict[str, Any]:
        """The span of a document with what stands around it. Raises ``Problem`` 404."""
        chunks = self.chunks(document)
        if not chunks or not 0 <= start < end:
            raise Problem(404, _("this index has no such passage"), param="document")
        at = best_chunk(chunks, start, end)
        quote = "".join(stitched(chunks, start, end))
        if not quote:
            raise Problem(404, _("this index has no such passage"), param="start")
        return {
            "document": document,
            "name": at["name"],
            "heading": at["heading"] or [],
            "page": at["page"],
            "start": start,
            "end": end,
            "before": "".join(stitched(chunks, max(0, start - AROUND), start)),
            "quote": quote,
            "after": "".join(stitched(chunks, end, end + AROUND)),
        }

    def chunks(self, document: str) -> list[dict[str, Any]]:
        """The chunks of a document, in its order."""
        with self._lock:
            table = self._table = self._table or self._load()
        if document not in self._rows:
            return []
        return sorted(table.take(self._rows[document]).to_pylist(), key=lambda chunk: (chunk["start"], chunk["end"]))

    def _load(self) -> Any:
        import pyarrow.parquet as pq

        columns = ["document", "name", "start", "end", "text", "heading", "page"]
        table = pq.read_table(CHUNKS.path(self.folder), columns=columns)
        for number, document in enumerate(table.column("document").to_pylist()):
            self._rows.setdefault(document, []).append(number)
        return table


def best_chunk(chunks: list[dict[str, Any]], start: int, end: int) -> dict[str, Any]:
    """The chunk that overlaps a span most: its heading and page are shown."""
    return max(chunks, key=lambda c: min(c["end"], end) - max(c["start"], start))


def stitched(chunks: Iterable[dict[str, Any]], start: int, end: int) -> list[str]:
    """The text of ``start:end`` from overlapping chunks; what lies between two chunks is left out, with a mark."""
    parts, at = [], start
    for chunk in chunks:
        begin, stop = max(chunk["start"], at), min(chunk["end"], end)
        if begin >= stop:
            continue
        if parts and begin > at:
            parts.append(GAP)
        parts.append(chunk["text"][begin - chunk["start"] : stop - chunk["start"]])
        at = stop
    return parts
