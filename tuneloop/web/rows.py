"""The rows of an artifact's tables: leafed through, searched, and found by their id. Never a whole table in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tuneloop.errors import NotFound
from tuneloop.language import _
from tuneloop.records import plain_rows
from tuneloop.store.tables import TableFile

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 2048
Numbered = tuple[int, dict[str, Any]]


def search(
    table: TableFile, *, text: str = "", reason: str = "", offset: int = 0, limit: int = 50
) -> tuple[list[Numbered], int]:
    """Rows with their numbers (from 0), and how many there are of those that hold ``text`` anywhere.

    ``reason``: only those that were set aside for it.
    """
    if not text and not reason:
        return list(slice_of(table, offset, limit)), table.count
    found: list[Numbered] = []
    count = 0
    for start, batch in batches(table):
        chosen = matching(batch, text, reason)
        for position in chosen[max(0, offset - count) :][: max(0, limit - len(found))]:
            found.append((start + position, next(plain_rows(batch.slice(position, 1)))))
        count += len(chosen)
    return found, count


def batches(table: TableFile) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The table a batch at a time, each with the number of its first row."""
    import pyarrow.parquet as pq

    start = 0
    with pq.ParquetFile(table.path) as file:
        for batch in file.iter_batches(BATCH):
            yield start, batch
            start += len(batch)


def slice_of(table: TableFile, offset: int, limit: int) -> Iterator[Numbered]:
    """``limit`` rows from ``offset`` on; row groups before them are not read."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(table.path) as file:
        start, wanted = 0, []
        for group in range(file.num_row_groups):
            rows = file.metadata.row_group(group).num_rows
            if start < offset + limit and start + rows > offset:
                wanted.append((group, start))
            start += rows
        for group, first in wanted:
            part = file.read_row_group(group)
            begin = max(0, offset - first)
            rows = plain_rows(part.slice(begin, offset + limit - first - begin))
            yield from enumerate(rows, first + begin)


def matching(batch: pa.RecordBatch, text: str, reason: str) -> list[int]:
    """The positions of the rows that hold ``text``, in any column, in capital letters or small."""
    import pyarrow as pa
    from pyarrow import compute

    pc: Any = compute  # its functions are made when it is imported
    mask = pa.array([True] * len(batch))
    if text:
        columns = [holds(column, text) for column in batch.columns]
        mask = columns[0]
        for other in columns[1:]:
            mask = pc.or_(mask, other)
    if reason and "reason" in batch.schema.names:
        mask = pc.and_(mask, pc.fill_null(pc.equal(batch["reason"], reason), False))
    return [position for position, kept in enumerate(mask.to_pylist()) if kept]


def holds(array: pa.Array, text: str) -> pa.Array:
    """For each value whether ``text`` stands in it, or in any text inside of it."""
    import pyarrow as pa
    from pyarrow import compute

    pc: Any = compute
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return pc.fill_null(pc.match_substring(array, text, ignore_case=True), False)
    inside: set[int] = set()
    if pa.types.is_list(array.type):
        found = holds(array.flatten(), text)
        inside = set(pc.list_parent_indices(array).filter(found).to_pylist())
    elif pa.types.is_struct(array.type):
        for field in array.flatten():
            inside |= {n for n, kept in enumerate(holds(field, text).to_pylist()) if kept}
    return pa.array([n in inside for n in range(len(array))], pa.bool_())


def row_at(table: TableFile, number: int) -> dict[str, Any]:
    """One row by its number, from 0. Raises ``NotFound``."""
    for _number, row in slice_of(table, number, 1) if number >= 0 else ():
        return row
    raise NotFound(_("the table {table} has no row {number}").format(table=table.name, number=number + 1))


def number_of(table: TableFile, identity: str) -> int | None:
    """The number of the row with this id."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(table.path) as file:
        if "id" not in file.schema_arrow.names:
            return None
        start = 0
        for batch in file.iter_batches(65536, columns=["id"]):
            values = batch["id"].to_pylist()
            if identity in values:
                return start + values.index(identity)
            start += len(batch)
    return None
