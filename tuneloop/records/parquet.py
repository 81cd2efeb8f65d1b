"""Rows on disk as Parquet, which opens in one line with Hugging Face ``datasets``, polars and duckdb.

What an older version wrote is read: a column that it did not have takes its default. What a newer one wrote is not:
a column that is not known is named, for to leave it out would be a loss in silence.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from tuneloop.errors import TuneloopError
from tuneloop.language import _, joined
from tuneloop.records.columns import arrow_schema, columns_of, decoder, plain_rows, row_class
from tuneloop.records.lean import without_defaults
from tuneloop.records.record import Record
from tuneloop.settings import describe_invalid

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

R = TypeVar("R", bound=Record)


LARGEST = 4 << 20  # bytes of rows, as Arrow holds them, that are written together
FEW = 128  # rows that become Arrow's at once


def write_rows(path: Path, record: type[R], rows: Iterable[R], *, batch: int = 2048, long: Collection[str] = ()) -> int:
    """Write rows to a Parquet file (zstd) and return how many there were.

    In memory are at most ``batch`` rows, and of large ones no more than make ``LARGEST`` bytes: a group of the file.
    ``long``: columns of which one value may be a book. Parquet's writer would hold each four times more, in a
    dictionary and as the least and greatest value, which are of no use to anybody.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, count = arrow_schema(record), 0
    source = iter(rows)
    pending: list[pa.Table] = []
    held = size = 0  # rows and bytes that are pending
    short = [leaf for field in schema if field.name not in long for leaf in leaves(field.name, field.type)]
    told: Any = short if long else True
    with pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=told, write_statistics=told) as writer:
        while few := take(source, min(FEW, batch - held)):
            pending.append(pa.Table.from_arrays(columns_of(record, few), schema=schema))
            held, size, count = held + len(few), size + pending[-1].nbytes, count + len(few)
            few.clear()  # nothing is held twice
            if held == batch or size >= LARGEST:
                writer.write_table(pa.concat_tables(pending).combine_chunks())
                pending, held, size = [], 0, 0
        if pending:
            writer.write_table(pa.concat_tables(pending).combine_chunks())
    return count


def leaves(name: str, kind: "pa.DataType") -> Iterator[str]:
    """The columns that Parquet makes of one of Arrow's, by their paths."""
    import pyarrow as pa

    if isinstance(kind, pa.StructType):
        for field in kind:
            yield from leaves(f"{name}.{field.name}", field.type)
    elif isinstance(kind, pa.ListType):
        yield from leaves(f"{name}.list.element", kind.value_type)
    else:
        yield name


def take(rows: Iterator[R], most: int) -> list[R]:
    """The next rows: ``most``, or fewer where their texts are long."""
    found: list[R] = []
    characters = 0
    for row in islice(rows, most):
        found.append(row)
        characters += sum(len(value) for value in vars(row).values() if isinstance(value, str))
        if characters >= LARGEST // 4:
            break
    return found


def read_rows(path: Path, record: type[R], *, batch: int = 2048) -> Iterator[R]:
    """The rows of a Parquet file, in order: at most ``batch`` in memory at a time, of large ones fewer.

    Raises ``TuneloopError`` for a file that this version does not understand: with a column that it does not know,
    without one that it needs, or with a value that may not be there.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        check_columns(path, record, file.schema_arrow)
        decode = decoder(arrow_schema(record))
        for number, row in enumerate(values_of(batches(file, batch), record), 1):
            yield read_row(path, number, record, decode(row) if decode else row)


def raw_rows(path: Path, *, batch: int = 2048) -> Iterator[dict[str, Any]]:
    """The same rows as they are, whoever wrote them, not validated; free JSON as its values."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for table in batches(file, batch):
            yield from plain_rows(table)


def batches(file: "pq.ParquetFile", most: int) -> "Iterator[pa.RecordBatch]":
    """The rows of a file: at most ``most`` at a time, and of large ones no more than make ``LARGEST`` bytes."""
    for number in range(file.num_row_groups):
        group = file.metadata.row_group(number)
        if group.num_rows == 1:  # a book, maybe: whoever reads on would hold its pages too
            yield only_row(file, number)
            continue
        fitting = LARGEST * group.num_rows // max(1, group.total_byte_size)
        yield from file.iter_batches(max(1, min(most, fitting)), row_groups=[number])


def only_row(file: "pq.ParquetFile", number: int) -> "pa.RecordBatch":
    return file.read_row_group(number, use_threads=False).combine_chunks().to_batches()[0]


def values_of(found: "Iterator[pa.RecordBatch]", record: type[Record]) -> Iterator[dict[str, Any]]:
    """The rows of batches. None is held while its rows are looked at, and a large row is given back to the system."""
    import pyarrow as pa

    while (batch := next(found, None)) is not None:
        rows, alone = without_defaults(batch, record).to_pylist(), batch.num_rows == 1
        del batch
        if alone:
            pa.default_memory_pool().release_unused()  # which Arrow would keep
        yield from rows
        del rows  # before the next ones are made


def read_row(path: Path, number: int, record: type[R], row: dict[str, Any]) -> R:
    try:
        return record.model_validate(row)
    except ValidationError as error:
        where = f"{path.name} row {number}"
        raise TuneloopError(describe_invalid(error), where=where, hint=_("A newer version may have made it.")) from None


def check_columns(path: Path, record: type[Record], schema: "pa.Schema") -> None:
    """Raise ``TuneloopError`` for columns that the record class does not have, and for those that it cannot miss."""
    if unknown := list(unknown_columns(schema, record)):
        raise TuneloopError(
            _("columns that this version does not know: {columns}").format(columns=joined(unknown)),
            where=path.name,
            hint=_("A newer version of Tuneloop has made this artifact: install that one to read it."),
        )
    needed = {name for name, field in record.model_fields.items() if field.is_required()}
    if missing := sorted(needed - set(schema.names)):
        raise TuneloopError(_("there is no column {columns}").format(columns=joined(missing)), where=path.name)


def unknown_columns(fields: "Iterable[pa.Field]", record: type[BaseModel], above: str = "") -> Iterator[str]:
    """The columns that a record class has no field for, those inside of others as ``messages.mood``."""
    import pyarrow as pa

    for field in fields:
        name = f"{above}{field.name}"
        if field.name not in record.model_fields:
            yield name
            continue
        inner, kind = row_class(record.model_fields[field.name].annotation), field.type
        while isinstance(kind, (pa.ListType, pa.LargeListType)):
            kind = kind.value_type
        if inner and isinstance(kind, pa.StructType):
            yield from unknown_columns(kind, inner, f"{name}.")
