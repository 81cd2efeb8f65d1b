"""A part of a list that is too long to be shown as a whole, and the cursors that lead on from it.

A cursor holds the place of a row in the order of the list, so that neither a row that comes nor one that goes moves
what is read next, and the thousandth part costs what the first does. ``OFFSET`` would do neither.

What no index answers, such as a search for a part of a text, is looked for in the next ``SCAN`` rows alone. A part may
therefore be short, or empty, and still lead on: the end of a list is where ``older`` is empty.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import ge, gt, lt
from typing import Any

import sqlalchemy as sa

from tuneloop.errors import TuneloopError
from tuneloop.language import _

SCAN = 10_000  # rows that one part is looked for in
COUNTED = 10_000  # rows; where there are more, that is what is said
OLDER, NEWER, FROM = "o", "n", "f"  # what a cursor leads to: what stands after its row, before it, it and before
BESIDE: dict[str, Callable[[Any, Any], sa.ColumnElement[bool]]] = {OLDER: lt, NEWER: gt, FROM: ge}


@dataclass(frozen=True)
class Part:
    """Some rows of a list, newest first."""

    rows: list[Any] = field(default_factory=list)
    older: str = ""  # the cursor of the part that follows; "" where this is the last
    newer: str = ""  # the cursor of the part before; "" where this is the first


@dataclass(frozen=True)
class Count:
    """How many rows there are, as far as they are counted."""

    number: int
    more: bool = False


@dataclass(frozen=True)
class Rows:
    """The rows of a table that ``where`` holds of, by ``order`` backwards.

    ``order`` ends with what no two rows share. ``where`` is what an index answers together with it; ``among``, what
    must be looked at row by row, is asked of ``SCAN`` rows for each part.
    """

    table: sa.FromClause
    order: Sequence[sa.ColumnElement[Any]]
    where: Sequence[sa.ColumnElement[bool]] = ()
    among: Sequence[sa.ColumnElement[bool]] = ()

    def part(self, connection: sa.Connection, *, cursor: str = "", limit: int = 50, offset: int = 0) -> Part:
        """At most ``limit`` rows from a cursor on, ``offset`` of them left out. Raises for text that is no cursor."""
        towards, place = self._read(cursor) if cursor else (OLDER, ())
        bounds = [BESIDE[towards](self._here, self._at(place))] if place else []
        sort = [column.desc() if towards == OLDER else column.asc() for column in self.order]
        far = self._far(connection, bounds, sort)
        if far is not None:
            bounds.append(self._here >= self._at(far) if towards == OLDER else self._here <= self._at(far))
        query = sa.select(self.table).where(*self.where, *bounds, *self.among).order_by(*sort)
        found = list(connection.execute(query.limit(limit + 1).offset(offset)))
        rows, goes_on = found[:limit], self._place(found[limit - 1]) if len(found) > limit else far
        if towards == OLDER:
            back = written(NEWER, self._place(rows[0])) if place and rows else written(FROM, place) if place else ""
            return Part(rows, written(OLDER, goes_on) if goes_on is not None else "", back)
        if goes_on is None:  # the newest: shown as who comes first sees them
            return self.part(connection, limit=limit)
        return Part(rows[::-1], written(OLDER, self._place(rows[0]) if rows else place), written(NEWER, goes_on))

    def count(self, connection: sa.Connection) -> Count:
        """How many rows there are, counted to ``COUNTED`` at most; for a list without ``among``."""
        return self._counted(connection, [])

    def before(self, connection: sa.Connection, row: Any) -> Count:
        """How many rows stand before a row; for a list without ``among``."""
        return self._counted(connection, [self._here > self._at(self._place(row))])

    def _counted(self, connection: sa.Connection, bounds: list[sa.ColumnElement[bool]]) -> Count:
        where = (*self.where, *self.among, *bounds)
        some = sa.select(sa.literal(1)).select_from(self.table).where(*where).limit(COUNTED + 1).subquery()
        found = connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0
        return Count(min(found, COUNTED), found > COUNTED)

    def _far(
        self, connection: sa.Connection, bounds: list[sa.ColumnElement[bool]], sort: list[Any]
    ) -> Sequence[Any] | None:
        """The place up to which rows are looked at; None where that is the end of the list."""
        if not self.among:
            return None
        query = sa.select(*self.order).where(*self.where, *bounds).order_by(*sort).offset(SCAN - 1).limit(1)
        return connection.execute(query).first()

    @property
    def _here(self) -> sa.ColumnElement[Any]:
        return sa.tuple_(*self.order)

    def _at(self, place: Sequence[Any]) -> sa.ColumnElement[Any]:
        return sa.tuple_(*(sa.literal(value, column.type) for value, column in zip(place, self.order, strict=True)))

    def _place(self, row: Any) -> list[Any]:
        return [row._mapping[column.name] for column in self.order]  # type: ignore[attr-defined]

    def _read(self, cursor: str) -> tuple[str, list[Any]]:
        try:
            towards, *place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
            if towards in BESIDE and len(place) == len(self.order) and all(map(fits, place, self.order)):
                return towards, place
        except (binascii.Error, ValueError, TypeError):
            pass
        raise TuneloopError(
            _("{cursor!r} is not a place in this list").format(cursor=cursor[:60]),
            hint=_("Take the one that the part before gave, or leave it out to begin with the newest."),
        )


def written(towards: str, place: Sequence[Any]) -> str:
    """A cursor: text of letters, digits, ``-`` and ``_``."""
    text = json.dumps([towards, *place], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def fits(value: Any, column: sa.ColumnElement[Any]) -> bool:
    """Whether a value that somebody sent can stand in a column."""
    if isinstance(column.type, sa.String):
        return isinstance(value, str) and "\0" not in value
    whole = isinstance(column.type, sa.Integer)
    return isinstance(value, int if whole else int | float) and not isinstance(value, bool) and abs(value) < 2**31
