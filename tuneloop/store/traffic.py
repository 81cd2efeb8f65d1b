"""What was asked, answered and thought of it: written in batches by the gateway, read by the next loop."""

import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tuneloop.errors import NotFound
from tuneloop.language import _
from tuneloop.store.database import feedback, requests
from tuneloop.store.scope import DEFAULT, Scope


class Traffic:
    """Requests and feedback of one project. Lists of them are ``Listing``'s."""

    def __init__(self, engine: Engine, scope: Scope = DEFAULT) -> None:
        self.engine, self.scope = engine, scope

    def log(self, rows: list[dict[str, Any]]) -> None:
        """Append requests, a batch in one transaction. Keys are columns of ``requests``."""
        if rows:
            with self.engine.begin() as connection:
                connection.execute(requests.insert(), [{**self.scope.as_mine, **row} for row in rows])

    def request(self, request: str) -> sa.Row[Any]:
        """One request. Raises ``NotFound``."""
        query = sa.select(requests).where(requests.c.id == request, self.scope.mine(requests))
        with self.engine.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound(_("there is no request {!r}").format(request))
        return row

    def requests(self, *, since: float = 0.0, limit: int = 1000) -> Iterator[sa.Row[Any]]:
        """The newest requests since a time in seconds since 1970, newest first."""
        query = sa.select(requests).where(self.scope.mine(requests), requests.c.time >= since)
        with self.engine.connect() as connection:
            yield from connection.execute(query.order_by(requests.c.time.desc()).limit(limit))

    def add_feedback(self, row: dict[str, Any]) -> None:
        with self.engine.begin() as connection:
            connection.execute(feedback.insert().values(**{**self.scope.as_mine, "time": time.time(), **row}))

    def feedback(self, request: str | None = None) -> list[sa.Row[Any]]:
        """What was thought of a request, or of all, oldest first."""
        query = sa.select(feedback).where(self.scope.mine(feedback)).order_by(feedback.c.time)
        if request:
            query = query.where(feedback.c.request == request)
        with self.engine.connect() as connection:
            return list(connection.execute(query))


def as_json(rows: Iterable[sa.Row[Any]]) -> list[dict[str, Any]]:
    """Database rows as plain objects."""
    return json.loads(json.dumps([dict(row._mapping) for row in rows], default=str))
