"""What was asked, answered and thought of it: written in batches by the gateway, read by the next loop."""

import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tuneloop.errors import NotFound
from tuneloop.language import _
from tuneloop.store.database import audit, feedback, keys, requests


class Traffic:
    """Requests, feedback, keys and audit: the tables that the gateway writes."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def log(self, rows: list[dict[str, Any]]) -> None:
        """Append requests, a batch in one transaction. Keys are columns of ``requests``."""
        if rows:
            with self.engine.begin() as connection:
                connection.execute(requests.insert(), rows)

    def request(self, request: str) -> sa.Row[Any]:
        with self.engine.connect() as connection:
            row = connection.execute(sa.select(requests).where(requests.c.id == request)).first()
        if row is None:
            raise NotFound(_("there is no request {!r}").format(request))
        return row

    def requests(self, *, since: float = 0.0, limit: int = 1000) -> Iterator[sa.Row[Any]]:
        """Requests, newest first."""
        query = sa.select(requests).where(requests.c.time >= since).order_by(requests.c.time.desc()).limit(limit)
        with self.engine.connect() as connection:
            yield from connection.execute(query)

    def add_feedback(self, row: dict[str, Any]) -> None:
        with self.engine.begin() as connection:
            connection.execute(feedback.insert().values(**{"time": time.time(), **row}))

    def feedback(self, request: str | None = None) -> list[sa.Row[Any]]:
        query = sa.select(feedback).order_by(feedback.c.time)
        if request:
            query = query.where(feedback.c.request == request)
        with self.engine.connect() as connection:
            return list(connection.execute(query))

    def add_key(self, row: dict[str, Any]) -> None:
        with self.engine.begin() as connection:
            connection.execute(keys.insert().values(**row))

    def all_keys(self) -> list[sa.Row[Any]]:
        with self.engine.connect() as connection:
            return list(connection.execute(sa.select(keys).order_by(keys.c.created)))

    def key(self, public: str) -> sa.Row[Any] | None:
        with self.engine.connect() as connection:
            return connection.execute(sa.select(keys).where(keys.c.id == public)).first()

    def update_key(self, public: str, **values: Any) -> bool:
        """Change columns of a key; False where there is none."""
        with self.engine.begin() as connection:
            return connection.execute(keys.update().where(keys.c.id == public).values(**values)).rowcount == 1

    def note(self, actor: str, action: str, thing: str) -> None:
        """Append to the audit trail."""
        with self.engine.begin() as connection:
            connection.execute(audit.insert().values(time=time.time(), actor=actor, action=action, object=thing))

    def audit(self, limit: int = 100) -> list[sa.Row[Any]]:
        with self.engine.connect() as connection:
            return list(connection.execute(sa.select(audit).order_by(audit.c.id.desc()).limit(limit)))


def as_json(rows: Iterable[sa.Row[Any]]) -> list[dict[str, Any]]:
    """Database rows as plain objects."""
    return json.loads(json.dumps([dict(row._mapping) for row in rows], default=str))
