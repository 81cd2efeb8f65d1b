"""The lists of a workspace that are searched and leafed through: runs, artifacts, histories of names, requests."""

from __future__ import annotations

import json
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tuneloop.store import names
from tuneloop.store.artifacts import Artifacts
from tuneloop.store.database import artifacts, requests, runs, tag_history, tags
from tuneloop.store.part import Count, Part, Rows
from tuneloop.store.scope import DEFAULT, Scope

NONE = Count(0)


@dataclass(frozen=True)
class Page(Part):
    """A part with its place in the list: the number of the row before it, and of all rows."""

    before: Count = NONE
    count: Count = NONE


class Listing:
    """The lists of one project, newest first. A part has at most ``limit`` rows from a ``cursor`` on."""

    def __init__(self, engine: Engine, scope: Scope = DEFAULT) -> None:
        self.engine, self.scope = engine, scope

    def runs(
        self, *, stage: str = "", state: str = "", text: str = "", cursor: str = "", limit: int = 50, offset: int = 0
    ) -> Page:
        """Runs by stage, state, and a part of id, name, stage or output."""
        wanted = [self.scope.mine(runs)]
        wanted += [runs.c.stage == stage] if stage else []
        wanted += [runs.c.state == state] if state else []
        named = (runs.c.id, runs.c.tag, runs.c.stage, runs.c.output)
        among = [sa.or_(*(column.icontains(text, autoescape=True) for column in named))] if text else []
        rows = Rows(runs, (runs.c.created, runs.c.id), wanted, among)
        with self.engine.connect() as connection:
            return page(connection, rows, rows.part(connection, cursor=cursor, limit=limit, offset=offset))

    def artifacts(
        self, *, kind: str = "", text: str = "", named: bool = False, since: float | None = None, cursor: str = "",
        limit: int = 50,
    ) -> Page:  # fmt: skip
        """Artifacts by kind, and a part of a name or of the address.

        ``named``: those that a name leads to; ``since``: or that were made after this time in seconds since 1970.
        """
        wanted = [self.scope.mine(artifacts)] + ([artifacts.c.kind == kind] if kind else [])
        among: list[sa.ColumnElement[bool]] = []
        if named:
            among.append(self._named if since is None else self._named | (artifacts.c.created > since))
        if text:
            name = text.removeprefix(f"{kind}:") if kind else text
            found = self._named.where((tags.c.kind + ":" + tags.c.name).icontains(name, autoescape=True))
            among.append(found | (artifacts.c.kind + ":" + artifacts.c.hash).icontains(name, autoescape=True))
        rows = Rows(artifacts, (artifacts.c.created, artifacts.c.kind, artifacts.c.hash), wanted, among)
        with self.engine.connect() as connection:
            part = rows.part(connection, cursor=cursor, limit=limit)
            named_ones = Artifacts.named(connection, self.scope, part.rows)
            found_page = page(connection, rows, part)
        return Page(named_ones, part.older, part.newer, found_page.before, found_page.count)

    def nameless(self, kind: str = "", *, before: float) -> int:
        """How many artifacts (of a kind) were made before a time and have no name that leads to them."""
        wanted = [self.scope.mine(artifacts), artifacts.c.created <= before, ~self._named]
        query = sa.select(sa.func.count()).select_from(artifacts).where(*wanted)
        with self.engine.connect() as connection:
            return connection.scalar(query.where(artifacts.c.kind == kind) if kind else query) or 0

    @property
    def _named(self) -> sa.Exists:
        """Whether a name leads to an artifact."""
        same = (tags.c.kind == artifacts.c.kind, tags.c.hash == artifacts.c.hash)
        return sa.exists().where(self.scope.mine(tags), *same)

    def history(self, kind: str = "", *, text: str = "", cursor: str = "", limit: int = 50) -> Part:
        """What names have led to, as ``Version``s: of all names, or those of one kind, or with a part of a name."""
        order = (tag_history.c.time, tag_history.c.kind, tag_history.c.name, tag_history.c.version)
        wanted = [self.scope.mine(tag_history)] + ([tag_history.c.kind == kind] if kind else [])
        among = [(tag_history.c.kind + ":" + tag_history.c.name).icontains(text, autoescape=True)] if text else []
        with self.engine.connect() as connection:
            part = Rows(tag_history, order, wanted, among).part(connection, cursor=cursor, limit=limit)
            return Part(names.versions(connection, self.scope, part.rows), part.older, part.newer)

    def requests(
        self, *, since: float | None = None, until: float | None = None, route: str = "", key: str = "",
        model: str = "", failed: bool | None = None, text: str = "", cursor: str = "", limit: int = 50,
    ) -> Part:  # fmt: skip
        """Requests by time in seconds since 1970 (``since`` included), route, id of the key, address of the model,
        whether they failed, and a part of question, answer or error.
        """
        wanted, among = [self.scope.mine(requests)], []
        wanted += [requests.c.time >= since] if since is not None else []
        wanted += [requests.c.time < until] if until is not None else []
        asked = [requests.c.key == key] if key else []
        asked += [requests.c.route == route] if route else []
        asked += [requests.c.status >= 400] if failed else []
        wanted += asked[:1]  # an index answers one of them
        among += asked[1:]
        among += [requests.c.status < 400] if failed is False else []
        among += [requests.c.model == model] if model else []
        if text:
            said = [c.icontains(text, autoescape=True) for c in (requests.c.id, requests.c.answer, requests.c.error)]
            kept = json.dumps(text)[1:-1]  # as JSON has it, other letters than ASCII by their numbers
            said.append(sa.cast(requests.c.messages, sa.Text).icontains(kept, autoescape=True))
            among.append(sa.or_(*said))
        with self.engine.connect() as connection:
            rows = Rows(requests, (requests.c.time, requests.c.id), wanted, among)
            return rows.part(connection, cursor=cursor, limit=limit)


def page(connection: sa.Connection, rows: Rows, part: Part) -> Page:
    before = rows.before(connection, part.rows[0]) if part.rows and part.newer else NONE
    return Page(part.rows, part.older, part.newer, before, rows.count(connection))
