"""The audit trail: who did what, appended and never changed."""

import time

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tuneloop.store.database import audit
from tuneloop.store.part import Part, Rows
from tuneloop.store.scope import DEFAULT, Scope


class Audit:
    """The trail of one project."""

    def __init__(self, engine: Engine, scope: Scope = DEFAULT) -> None:
        self.engine, self.scope = engine, scope

    def note(self, actor: str, action: str, thing: str) -> None:
        """Append an entry. ``actor`` is the public id of a key, or ``local``."""
        entry = {"time": time.time(), "actor": actor, "action": action, "object": thing[:200]}
        with self.engine.begin() as connection:
            connection.execute(audit.insert().values(**self.scope.as_mine, **entry))

    def entries(self, *, text: str = "", cursor: str = "", limit: int = 100) -> Part:
        """Entries, newest first, from a cursor on; ``text``: a part of who, what or to which."""
        said = [column.icontains(text, autoescape=True) for column in (audit.c.actor, audit.c.action, audit.c.object)]
        rows = Rows(audit, (audit.c.id,), [self.scope.mine(audit)], [sa.or_(*said)] if text else [])
        with self.engine.connect() as connection:
            return rows.part(connection, cursor=cursor, limit=limit)
