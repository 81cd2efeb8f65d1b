"""The rows that flow from stage to stage, and their two forms on disk: Parquet and JSONL.

Offsets are counted in characters of ``Document.text``, start inclusive, end exclusive, so that
``document.text[start:end]`` is always exactly the passage that a chunk or a citation names.
"""

import hashlib
import json
import types
import typing
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import pyarrow


LEAD = "… "  # marks the last heading of a chunk that begins within a list or table: what announces or heads it


class Record(BaseModel):
    """One row. Unknown keys are refused, so that a misspelt column is an error and not a loss."""

    model_config = ConfigDict(extra="forbid")


class Message(Record):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str


class Section(Record):
    """A stretch of a document under one heading, or on one page."""

    start: int
    end: int
    heading: list[str] = []  # from the outermost heading to the innermost
    page: int | None = None  # counted from 1; None where the format has no pages
    kind: Literal["text", "heading", "table", "code", "list"] = "text"


class Document(Record):
    """One source document as clean text. ``sections`` cover the text in order, without overlap."""

    id: str  # content_id() of name and text
    name: str  # the path below the folder that was parsed, with forward slashes
    title: str = ""
    media_type: str = "text/plain"
    language: str = ""  # "zh", "en" or ""
    sha256: str = ""  # of the source file's bytes
    pages: int | None = None
    text: str
    sections: list[Section] = []


class Chunk(Record):
    """A passage that is indexed, quoted and trained from: ``document.text[start:end] == text``."""

    id: str
    document: str  # Document.id
    name: str  # Document.name
    start: int
    end: int
    text: str
    heading: list[str] = []
    page: int | None = None
    tokens: int = 0


class Source(Record):
    """Where an example or a citation comes from: a span of a document, and what stands there."""

    chunk: str = ""
    document: str = ""
    name: str = ""
    heading: list[str] = []
    page: int | None = None
    start: int = 0
    end: int = 0
    quote: str = ""


class Example(Record):
    """One conversation to learn from, or one item of an exam: its last message is the reference answer."""

    id: str
    messages: list[Message]
    sources: list[Source] = []
    origin: str = ""  # the stage that made it: see Origin
    answerable: bool = True  # False: the documents do not answer it, and a good answer says so

    @property
    def question(self) -> str:
        """The last user message."""
        return next((m.content for m in reversed(self.messages) if m.role == "user"), "")

    @property
    def answer(self) -> str:
        """The last assistant message."""
        return next((m.content for m in reversed(self.messages) if m.role == "assistant"), "")


class Origin:
    """Where an example is from: the stage that made it. A package's stage writes its own name."""

    SYNTHESIZED = "synthesize"
    GROUNDED = "synthesize/grounded"  # asked a second time, with passages: its question holds its answer
    IMPORTED = "import"


class Trained(Record):
    """One example that a model has learned from, or that was held out. What no step reached is in no row."""

    example: str  # Example.id
    dataset: str  # address of its dataset
    part: Literal["train", "validation"]
    tokens: int
    learned_tokens: int  # in one reading
    times: int = 1  # steps that it was in; 0: held out


class Rejected(Record):
    """A row that was not taken in, why, and the row itself."""

    where: str  # file:line, chunk id or row number
    reason: str
    row: str = ""  # the row as JSON or text, as it came
    lost: bool = False  # it should have been read or kept; otherwise setting it aside was the stage's work


class Score(Record):
    """One metric of one item under one model."""

    item: str
    model: str
    metric: str
    value: float


def content_id(*parts: str, length: int = 16) -> str:
    """A stable id for a row: the first ``length`` hex digits of the SHA-256 of its parts."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(str(len(data)).encode() + b":" + data)
    return digest.hexdigest()[:length]


R = TypeVar("R", bound=Record)


def arrow_type(annotation: Any) -> "pyarrow.DataType":
    """The Arrow type of a record field's annotation."""
    import pyarrow as pa

    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return arrow_type(next(a for a in arguments if a is not type(None)))
    if origin is Literal:
        return pa.string()
    if origin is list:
        return pa.list_(arrow_type(arguments[0]))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return pa.struct([(name, arrow_type(f.annotation)) for name, f in annotation.model_fields.items()])
    return {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}[annotation]


def arrow_schema(record: type[Record]) -> "pyarrow.Schema":
    """The Arrow schema of a record class: every field, in order."""
    import pyarrow as pa

    return pa.schema([(name, arrow_type(f.annotation)) for name, f in record.model_fields.items()])


LARGEST = 16 << 20  # bytes of rows, as Arrow holds them, that are written together
FEW = 64  # rows that become Arrow's at once


def write_rows(path: Path, record: type[R], rows: Iterable[R], *, batch: int = 2048) -> int:
    """Write rows to a Parquet file (zstd) and return how many there were.

    In memory are at most ``batch`` rows, and of large ones no more than make ``LARGEST`` bytes: a group of the file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, count, source = arrow_schema(record), 0, iter(rows)
    pending: list[pa.Table] = []
    held = size = 0  # rows and bytes that are pending
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while few := take(source, min(FEW, batch - held)):
            pending.append(pa.Table.from_pylist(few, schema=schema))
            held, size, count = held + len(few), size + pending[-1].nbytes, count + len(few)
            if held == batch or size >= LARGEST:
                writer.write_table(pa.concat_tables(pending).combine_chunks())
                pending, held, size = [], 0, 0
        if pending:
            writer.write_table(pa.concat_tables(pending).combine_chunks())
    return count


def take(rows: Iterator[Record], most: int) -> list[dict[str, Any]]:
    """The next rows as they are written: ``most``, or fewer where their texts are long."""
    found: list[dict[str, Any]] = []
    characters = 0
    for row in islice(rows, most):
        found.append(row.model_dump())
        characters += sum(len(value) for value in found[-1].values() if isinstance(value, str))
        if characters >= LARGEST // 4:
            break
    return found


def read_rows(path: Path, record: type[R], *, batch: int = 2048) -> Iterator[R]:
    """The rows of a Parquet file, in order: at most ``batch`` in memory at a time, of large ones fewer."""
    return (record.model_validate(row) for row in raw_rows(path, batch=batch))


def raw_rows(path: Path, *, batch: int = 2048) -> Iterator[dict[str, Any]]:
    """The same rows as they are, not validated."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            group = file.metadata.row_group(number)
            fitting = LARGEST // 2 * group.num_rows // max(1, group.total_byte_size)
            for table in file.iter_batches(max(1, min(batch, fitting)), row_groups=[number]):
                yield from table.to_pylist()


def write_jsonl(path: Path, rows: Iterable[Record]) -> int:
    """Write rows as JSON lines in UTF-8 and return how many there were."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row.model_dump(), ensure_ascii=False) + "\n")
            count += 1
    return count


__all__ = [
    "Chunk", "Document", "Example", "Field", "Message", "Origin", "Record", "Rejected", "Score", "Section", "Source",
    "Trained", "arrow_schema", "content_id", "read_rows", "write_jsonl", "write_rows",
]  # fmt: skip
