"""Runs and artifacts as lists that are searched and leafed through: a part at a time, and how many there are."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tuneloop.address import Address
from tuneloop.store.artifacts import Artifact
from tuneloop.store.database import artifacts, runs, tags


class Listing:
    """Both lists of one database, newest first. ``offset`` and ``limit`` count rows."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def runs(
        self, *, stage: str = "", state: str = "", text: str = "", offset: int = 0, limit: int = 50
    ) -> tuple[list[sa.Row[Any]], int]:
        """Runs, and how many there are of those asked for: by stage, state, and a part of id, name or output."""
        wanted = [runs.c.stage == stage] if stage else []
        wanted += [runs.c.state == state] if state else []
        if text:
            named = (runs.c.id, runs.c.tag, runs.c.stage, runs.c.output)
            wanted.append(sa.or_(*(column.icontains(text, autoescape=True) for column in named)))
        query = sa.select(runs).where(*wanted).order_by(runs.c.created.desc(), runs.c.id.desc())
        with self.engine.connect() as connection:
            count = connection.scalar(sa.select(sa.func.count()).select_from(runs).where(*wanted)) or 0
            return list(connection.execute(query.offset(offset).limit(limit))), count

    def artifacts(
        self, *, kind: str = "", text: str = "", named: bool = False, offset: int = 0, limit: int = 50
    ) -> tuple[list[Artifact], int]:
        """Artifacts, and how many there are of those asked for: by kind, and a part of a name or of the hash."""
        same = (tags.c.kind == artifacts.c.kind) & (tags.c.hash == artifacts.c.hash)
        wanted = [artifacts.c.kind == kind] if kind else []
        if named:
            wanted.append(sa.exists().where(same))
        if text:
            name = text.removeprefix(f"{kind}:") if kind else text
            found = sa.exists().where(same, (tags.c.kind + ":" + tags.c.name).icontains(name, autoescape=True))
            address = artifacts.c.kind + ":" + artifacts.c.hash
            wanted.append(found | address.icontains(name, autoescape=True))
        query = sa.select(artifacts).where(*wanted).order_by(artifacts.c.created.desc(), artifacts.c.hash)
        with self.engine.connect() as connection:
            count = connection.scalar(sa.select(sa.func.count()).select_from(artifacts).where(*wanted)) or 0
            rows = connection.execute(query.offset(offset).limit(limit)).all()
            names = self._names(connection, [row.hash for row in rows])
        return [
            Artifact(Address(r.kind, r.hash), r.created, r.bytes, r.summary, tuple(names.get((r.kind, r.hash), ())))
            for r in rows
        ], count

    @staticmethod
    def _names(connection: sa.Connection, hashes: list[str]) -> dict[tuple[str, str], list[str]]:
        found: dict[tuple[str, str], list[str]] = {}
        for row in connection.execute(sa.select(tags).where(tags.c.hash.in_(hashes)).order_by(tags.c.name)):
            found.setdefault((row.kind, row.hash), []).append(row.name)
        return found
