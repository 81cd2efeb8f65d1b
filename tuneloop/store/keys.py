"""API keys as the database has them: never a secret, only its SHA-256."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tuneloop.store.database import keys
from tuneloop.store.scope import DEFAULT, Scope


class Keys:
    """Add, find, change and list the keys of one project."""

    def __init__(self, engine: Engine, scope: Scope = DEFAULT) -> None:
        self.engine, self.scope = engine, scope

    def add(self, row: dict[str, Any]) -> None:
        """Enter a key. The names in ``row`` are columns of ``keys``."""
        with self.engine.begin() as connection:
            connection.execute(keys.insert().values(**{**self.scope.as_mine, **row}))

    def all(self) -> list[sa.Row[Any]]:
        """Every key, oldest first."""
        with self.engine.connect() as connection:
            query = sa.select(keys).where(self.scope.mine(keys)).order_by(keys.c.created)
            return list(connection.execute(query))

    def find(self, public: str) -> sa.Row[Any] | None:
        """The key with this public id, if there is one, of whatever project: only the key says whose caller it is."""
        with self.engine.connect() as connection:
            return connection.execute(sa.select(keys).where(keys.c.id == public)).first()

    def note_used(self, public: str, when: float) -> None:
        """Enter when a key was last used, in seconds since 1970, of whatever project it is."""
        with self.engine.begin() as connection:
            connection.execute(keys.update().where(keys.c.id == public).values(used=when))

    def update(self, public: str, **values: Any) -> bool:
        """Change columns of a key; False where there is none."""
        here = (keys.c.id == public, self.scope.mine(keys))
        with self.engine.begin() as connection:
            return connection.execute(keys.update().where(*here).values(**values)).rowcount == 1
