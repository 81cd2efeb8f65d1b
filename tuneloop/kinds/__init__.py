"""The kinds of artifacts: what tables each has, what is said of it in short, and how that is told.

A kind is data. A package adds one through the entry point group ``tuneloop.kinds``: ``name = module:KIND``. A
table that a kind does not name may lie in its folder all the same, and is shown with the columns that it has.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tuneloop.address import KIND
from tuneloop.doors import Door
from tuneloop.language import _, ask_also
from tuneloop.records import Record, Rejected, read_rows, write_rows
from tuneloop.telling import count
from tuneloop.translations import catalogues

R = TypeVar("R", bound=Record)
ask_also(catalogues)  # what an artifact says may be in a package's words


@dataclass(frozen=True)
class Table(Generic[R]):
    """A table of an artifact: one Parquet file, ``NAME.parquet``, with a row of the class ``row`` a line."""

    name: str
    row: type[R]
    columns: tuple[str, ...] = ()  # what a list shows of a row; of () all that fits
    line: Callable[[Mapping[str, Any]], str] | None = None  # a row on one line, where the table is shown first
    label: Mapping[str, str] = field(default_factory=dict)  # columns that are called otherwise where people read them
    long: tuple[str, ...] = ()  # columns of which one value may be very long: see ``write_rows``

    @property
    def file(self) -> str:
        return f"{self.name}.parquet"

    def write(self, folder: Path, rows: Iterable[R]) -> int:
        """Write the table into an artifact's folder, a batch at a time, and return how many rows there were."""
        return write_rows(folder / self.file, self.row, rows, long=self.long)

    def read(self, folder: Path) -> Iterator[R]:
        """The rows in order, a batch in memory at a time."""
        return read_rows(folder / self.file, self.row)

    def path(self, folder: Path) -> Path:
        return folder / self.file


class Summary(BaseModel):
    """What a stage says of what it made: small, JSON, the same for the same input; a stage may say more."""

    model_config = ConfigDict(extra="allow")

    rejected: int = 0  # rows that were set aside
    lost: int = 0  # of them, those that should have been kept

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """A summary as it is stored, by whatever version or plug-in: what does not fit is as if it were not there."""
        kept = dict(body)
        while True:
            try:
                return cls.model_validate(kept)
            except ValidationError as problem:
                for error in problem.errors():
                    kept.pop(str(error["loc"][0]), None)


NOWHERE = Path(os.devnull)  # for facts of an artifact whose folder is not at hand
Fact = tuple[str, str]  # a label and a value, both in the reader's language


@dataclass(frozen=True)
class Kind:
    """A kind of artifact."""

    name: str
    tables: tuple[Table[Any], ...] = ()  # the one that people look for first stands first
    summary: type[Summary] = Summary
    facts: Callable[[Any, Path], list[Fact]] | None = None  # of a summary and the artifact's folder
    page: str = ""  # a Jinja template of the console, PACKAGE:FILE; where empty the facts are shown

    def table(self, name: str) -> Table[Any] | None:
        """A table by its name, ``None`` where the kind does not name it."""
        return next((table for table in (*self.tables, REJECTED) if table.name == name), None)


REJECTED = Table("rejected", Rejected, columns=("where", "reason", "row"))

BUILT_IN = {
    "documents": "tuneloop.kinds.documents:DOCUMENTS_KIND",
    "chunks": "tuneloop.kinds.documents:CHUNKS_KIND",
    "dataset": "tuneloop.kinds.dataset:KIND",
    "model": "tuneloop.kinds.model:KIND",
    "index": "tuneloop.kinds.documents:INDEX_KIND",
    "evaluation": "tuneloop.evaluate.kind:KIND",
    "safety": "tuneloop.kinds.later:SAFETY",
    "loadtest": "tuneloop.loadtest.kind:KIND",
    "traffic": "tuneloop.kinds.later:TRAFFIC",
    "filing": "tuneloop.kinds.later:FILING",
}


def check_kind(name: str, part: Any) -> None:
    """Raise ``ValueError`` where a part is no kind that the store can keep and every surface can show."""
    if not isinstance(part, Kind):
        raise ValueError(_("it is not a Kind"))
    if part.name != name:
        raise ValueError(_("the kind is named {called!r}").format(called=part.name))
    if not KIND.fullmatch(name):
        raise ValueError(_("a kind's name is of at most 16 small letters, digits, - and _"))
    names = [table.name for table in part.tables]
    if len(set(names)) < len(names) or REJECTED.name in names:
        raise ValueError(_("two of its tables have one name"))
    if not issubclass(part.summary, Summary):
        raise ValueError(_("its summary is not a subclass of Summary"))


def absent(name: str) -> str:
    return _("there is no kind of artifact {kind!r}").format(kind=name)


KINDS: Door[Kind] = Door("tuneloop.kinds", BUILT_IN, check=check_kind, absent=absent)


def table_of(kind: str, name: str) -> Table[Any] | None:
    """What is known of a table of a kind; ``None`` of one that nobody has declared, and of a kind that is not here."""
    if kind not in KINDS:
        return None
    found = KINDS.usable(kind)
    return found.table(name) if found else None


def plain(summary: dict[str, Any]) -> list[Fact]:
    """Numbers and words as they are."""
    kept = {k: v for k, v in summary.items() if isinstance(v, (int, float, str)) and not isinstance(v, bool)}
    return [
        (_(key.replace("_", " ")), value if isinstance(value, str) else count(value)) for key, value in kept.items()
    ]


def facts_of(kind: str, summary: dict[str, Any], folder: Path) -> list[Fact]:
    """What a kind says of its artifact; where a plug-in has made it with other facts of its own, those as they are."""
    found = KINDS.usable(kind) if kind in KINDS else None
    said = found.summary.read(summary) if found else Summary()
    if not (found and found.facts and set(type(said).model_fields) - set(Summary.model_fields) & said.model_fields_set):
        return plain(summary)
    return found.facts(said, folder)
