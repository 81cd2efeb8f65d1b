"""The Parquet files of an artifact, by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tuneloop.errors import NotFound
from tuneloop.language import _, joined


@dataclass(frozen=True)
class TableFile:
    """A Parquet file of an artifact."""

    path: Path
    count: int  # of its rows

    @property
    def name(self) -> str:
        return self.path.stem


def tables(folder: Path) -> list[TableFile]:
    """The tables of an artifact, those with the rows themselves first."""
    import pyarrow.parquet as pq

    found = [TableFile(path, pq.read_metadata(path).num_rows) for path in sorted(folder.glob("*.parquet"))]
    return sorted(found, key=lambda table: (table.name == "rejected", table.name == "scores", table.name))


def open_table(folder: Path, name: str) -> TableFile:
    """One table. Raises ``NotFound`` with the names there are."""
    there = tables(folder)
    for table in there:
        if table.name == name:
            return table
    names = joined(table.name for table in there) or "-"
    raise NotFound(
        _("there is no table {table!r}").format(table=name), hint=_("Tables: {tables}.").format(tables=names)
    )
