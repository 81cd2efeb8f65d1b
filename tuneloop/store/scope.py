"""Whose rows are seen: the one place that every query of what people can see goes through.

A row belongs to a project, and a project to an organisation. Who calls is in one project, and neither finds, changes
nor names what is another's. Today all there is belongs to the first project of the first organisation.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from tuneloop.store.database import FIRST


@dataclass(frozen=True)
class Scope:
    """A project. What is ``mine`` of a table is asked for in each query, and each new row is stamped ``as_mine``.

    Without a project it is the machine's own: a worker serves all of them, and makes no row of its own.
    """

    organisation: str | None = FIRST
    project: str | None = FIRST

    @classmethod
    def of(cls, row: Any) -> "Scope":
        """Whose a row is."""
        return cls(row.organisation, row.project)

    def mine(self, table: sa.FromClause) -> sa.ColumnElement[bool]:
        """The condition on the rows of a table."""
        return sa.true() if self.project is None else table.c.project == self.project

    @property
    def as_mine(self) -> dict[str, str]:
        """The columns of a new row that say whose it is. Raises ``LookupError`` for the machine's own scope."""
        if self.project is None or self.organisation is None:
            raise LookupError("a row belongs to a project")
        return {"organisation": self.organisation, "project": self.project}


DEFAULT = Scope()
EVERYTHING = Scope(None, None)
