"""Rows as typed columns: the Arrow schema of a record class, and free JSON as text that is marked in its field."""

import json
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tuneloop.records.record import FreeJson, Record

if TYPE_CHECKING:
    import pyarrow as pa

MARK = {b"tuneloop": b"json"}  # metadata of a text field that holds JSON

Change = Callable[[Any], Any]


def arrow_type(annotation: Any) -> "pa.DataType":
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
        return pa.struct(arrow_fields(annotation))
    return {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}[annotation]


def arrow_fields(record: type[BaseModel]) -> "list[pa.Field]":
    import pyarrow as pa

    return [
        pa.field(name, pa.string(), metadata=MARK) if is_free(field.metadata)
        else pa.field(name, arrow_type(field.annotation))
        for name, field in record.model_fields.items()
    ]  # fmt: skip


def is_free(marks: Iterable[Any]) -> bool:
    return any(isinstance(mark, FreeJson) for mark in marks)


@cache
def arrow_schema(record: type[Record]) -> "pa.Schema":
    """The Arrow schema of a record class: every field, in order."""
    import pyarrow as pa

    return pa.schema(arrow_fields(record))


def columns_of(record: type[BaseModel], rows: Sequence[Any]) -> "list[pa.Array]":
    """The rows, some of which may be ``None``, as a column for each field. Nothing is built of a row but its values."""
    found = []
    for name, kind in zip(record.model_fields, arrow_fields_of(record), strict=True):
        values = [None if row is None else getattr(row, name) for row in rows]
        found.append(column_of(record.model_fields[name], kind.type, values))
    return found


def column_of(field: FieldInfo, kind: "pa.DataType", values: list[Any]) -> "pa.Array":
    import pyarrow as pa

    inner = row_class(field.annotation)
    if is_free(field.metadata):
        return pa.array([to_text(value) for value in values], kind)
    if inner is None:
        return pa.array(values, kind)
    if not isinstance(kind, pa.ListType):
        return struct_of(inner, kind, values)
    starts = pa.array([0, *accumulate(len(value or ()) for value in values)], pa.int32())
    nothing = pa.array([value is None for value in values]) if None in values else None
    rows = struct_of(inner, kind.value_type, [row for value in values for row in value or ()])
    return pa.ListArray.from_arrays(starts, rows, type=kind, mask=nothing)


def struct_of(inner: type[BaseModel], kind: "pa.DataType", rows: list[Any]) -> "pa.Array":
    import pyarrow as pa

    nothing = pa.array([row is None for row in rows]) if None in rows else None
    return pa.StructArray.from_arrays(columns_of(inner, rows), fields=list(kind), mask=nothing)


@cache
def arrow_fields_of(record: type[BaseModel]) -> "list[pa.Field]":
    return arrow_fields(record)


def row_class(annotation: Any) -> type[BaseModel] | None:
    """The class of the rows that a field holds, in a list or not."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for a in typing.get_args(annotation) if (found := row_class(a))), None)


def decoder(schema: "pa.Schema") -> Change | None:
    """What makes values of the texts that hold free JSON in a row of this schema; ``None`` where there are none."""
    return changer(schema, to_value)


def changer(fields: "Iterable[pa.Field]", leaf: Change) -> Change | None:
    """What applies ``leaf`` to each marked field of a row, however deep it lies, in place."""
    changes = {field.name: change for field in fields if (change := field_change(field, leaf))}
    if not changes:
        return None

    def changed(row: dict[str, Any]) -> dict[str, Any]:
        for name, change in changes.items():
            if row.get(name) is not None:
                row[name] = change(row[name])
        return row

    return changed


def field_change(field: "pa.Field", leaf: Change) -> Change | None:
    if field.metadata and field.metadata.get(b"tuneloop") == MARK[b"tuneloop"]:
        return leaf
    return type_change(field.type, leaf)


def type_change(kind: "pa.DataType", leaf: Change) -> Change | None:
    import pyarrow as pa

    if isinstance(kind, pa.StructType):
        return changer(kind, leaf)
    if isinstance(kind, (pa.ListType, pa.LargeListType)):
        inner = field_change(kind.value_field, leaf)
        return (lambda values: [inner(v) if v is not None else None for v in values]) if inner else None
    return None


def to_text(value: Any) -> str:
    """A value as JSON that any file can hold: half a character (a lone surrogate) is written as an escape."""
    if not value and isinstance(value, (dict, list)):
        return "{}" if isinstance(value, dict) else "[]"
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isascii() or is_whole(text) else json.dumps(value)


def is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def to_value(text: Any) -> Any:
    """What a text says as JSON; what is none is left as it is."""
    try:
        return json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return text


def plain_rows(batch: "pa.RecordBatch | pa.Table") -> Iterator[dict[str, Any]]:
    """Rows as they lie in a table, whoever wrote it, with free JSON as its values."""
    change = decoder(batch.schema)
    for row in batch.to_pylist():
        yield change(row) if change else row
