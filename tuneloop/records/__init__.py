"""The rows that flow from stage to stage, and their two forms on disk: Parquet and JSONL."""

from tuneloop.records.columns import arrow_schema, plain_rows
from tuneloop.records.document import LEAD, Box, Chunk, Document, PageSpan, Provenance, Section
from tuneloop.records.example import Example, Origin, Source
from tuneloop.records.jsonl import read_jsonl, write_jsonl
from tuneloop.records.message import Message, Part, ToolCall
from tuneloop.records.outcome import Rejected, Score, Trained
from tuneloop.records.parquet import raw_rows, read_rows, write_rows
from tuneloop.records.record import Json, JsonList, JsonObject, Record, content_id

__all__ = [
    "LEAD", "Box", "Chunk", "Document", "Example", "Json", "JsonList", "JsonObject", "Message", "Origin", "PageSpan",
    "Part", "Provenance", "Record", "Rejected", "Score", "Section", "Source", "ToolCall", "Trained", "arrow_schema",
    "content_id", "plain_rows", "raw_rows", "read_jsonl", "read_rows", "write_jsonl", "write_rows",
]  # fmt: skip
