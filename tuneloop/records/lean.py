"""Columns of which every value is the default of its field: they are not made into rows.

A row has some twenty fields, and most rows use five. Whole columns are told at once from how long their values are.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from tuneloop.records.columns import is_free, row_class

if TYPE_CHECKING:
    import pyarrow as pa


@cache
def defaults(record: type[BaseModel]) -> dict[str, Any]:
    """The default of each field that has one, as a column holds it: free JSON as its text."""
    found: dict[str, Any] = {}
    for name, field in record.model_fields.items():
        if field.is_required():
            continue
        value = field.get_default(call_default_factory=True)
        free = is_free(field.metadata)
        found[name] = ("{}" if value == {} else "[]" if value == [] else None) if free else value
    return found


def without_defaults(batch: "pa.RecordBatch", record: type[BaseModel]) -> "pa.RecordBatch":
    """The batch without the columns that hold nothing but defaults, those inside of others included."""
    import pyarrow as pa

    kept = leaner(zip(batch.schema, batch.columns, strict=True), record)
    if not kept:
        return batch
    return pa.RecordBatch.from_arrays([array for _field, array in kept], schema=pa.schema([f for f, _array in kept]))


def leaner(columns: Any, record: type[BaseModel]) -> "list[tuple[pa.Field, pa.Array]]":
    known = defaults(record)
    return [
        narrowed(field, array, record)
        for field, array in columns
        if field.name not in known or not is_all(array, known[field.name])
    ]


def narrowed(field: "pa.Field", array: "pa.Array", record: type[BaseModel]) -> "tuple[pa.Field, pa.Array]":
    """A column of rows within rows, with fewer columns of its own."""
    import pyarrow as pa

    inner = row_class(record.model_fields[field.name].annotation) if field.name in record.model_fields else None
    if inner is None or not isinstance(field.type, pa.ListType) or array.null_count:
        return field, array
    rows = array.flatten()
    if not isinstance(rows, pa.StructArray) or rows.null_count:
        return field, array
    kept = leaner(zip(rows.type, rows.flatten(), strict=True), inner)
    if not kept:
        return field, array
    struct = pa.StructArray.from_arrays([part for _field, part in kept], fields=[part for part, _array in kept])
    starts = array.offsets.to_numpy()
    lists = pa.ListArray.from_arrays(pa.array(starts - starts[0]), struct)
    return pa.field(field.name, lists.type, metadata=field.metadata), lists


def is_all(array: "pa.Array", value: Any) -> bool:
    """Whether each value of a column is this one."""
    import pyarrow as pa

    if value is None:
        return array.null_count == len(array)
    if array.null_count or not len(array):
        return not len(array)
    if isinstance(value, list):
        return not value and isinstance(array, pa.ListArray) and not len(array.flatten())
    if not isinstance(value, (str, bool, int, float)) or isinstance(array, pa.StructArray):
        return False
    return array[0].as_py() == value and len(array.unique()) == 1
