"""The steps from an empty database to today's tables. They are numbered by their place and append-only.

A step is never changed once it has been released, so it has no use for ``database.metadata``, which is of today: the
first step makes the tables as they were then, and a later one alters what the steps before it made.
"""

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy import Boolean, Column, Float, Integer, String
from sqlalchemy.engine import Connection

from tuneloop.store.project_tables import project_tables


def first_tables(connection: Connection) -> None:
    tables = sa.MetaData()
    sa.Table("schema_version", tables, Column("version", Integer, nullable=False))
    artifacts_and_runs(tables)
    keys_and_traffic(tables)
    tables.create_all(connection)


def artifacts_and_runs(tables: sa.MetaData) -> None:
    sa.Table(
        "artifacts", tables,
        Column("kind", String(16), primary_key=True), Column("hash", String(64), primary_key=True),
        Column("created", Float, nullable=False), Column("bytes", sa.BigInteger, nullable=False),
        Column("summary", sa.JSON, nullable=False),
    )  # fmt: skip
    sa.Table(
        "tags", tables,
        Column("kind", String(16), primary_key=True), Column("name", String(200), primary_key=True),
        Column("hash", String(64), nullable=False), Column("updated", Float, nullable=False),
    )  # fmt: skip
    runs = sa.Table(
        "runs", tables,
        Column("id", String(26), primary_key=True), Column("stage", String(40), nullable=False),
        Column("stage_version", Integer, nullable=False), Column("params", sa.JSON, nullable=False),
        Column("typed", sa.JSON, nullable=False), Column("key", String(64), nullable=False, index=True),
        Column("tag", String(200), nullable=False), Column("state", String(12), nullable=False),
        Column("error", sa.JSON), Column("output", String(100)), Column("created", Float, nullable=False),
        Column("started", Float), Column("finished", Float), Column("seconds", Float, nullable=False),
        Column("attempts", Integer, nullable=False), Column("host", String(200)), Column("pid", Integer),
        Column("lease", Float), Column("cancel", Boolean, nullable=False), Column("progress", sa.JSON),
        Column("metrics", sa.JSON),
    )  # fmt: skip
    live = runs.c.state.in_(["queued", "running"])
    sa.Index("one_live_run", runs.c.key, unique=True, sqlite_where=live, postgresql_where=live)
    sa.Table(
        "run_inputs", tables,
        Column("run", String(26), primary_key=True), Column("field", String(60), primary_key=True),
        Column("ref", String(100), primary_key=True, index=True),
    )  # fmt: skip
    sa.Table(
        "run_metrics", tables,
        Column("id", Integer, primary_key=True), Column("run", String(26), nullable=False, index=True),
        Column("name", String(60), nullable=False), Column("step", Integer), Column("value", Float, nullable=False),
        Column("time", Float, nullable=False),
    )  # fmt: skip


def keys_and_traffic(tables: sa.MetaData) -> None:
    sa.Table(
        "keys", tables,
        Column("id", String(24), primary_key=True), Column("secret_sha256", String(64), nullable=False),
        Column("name", String(200), nullable=False), Column("role", String(16), nullable=False),
        Column("created", Float, nullable=False), Column("revoked", Float), Column("used", Float),
    )  # fmt: skip
    sa.Table(
        "audit", tables,
        Column("id", Integer, primary_key=True), Column("time", Float, nullable=False),
        Column("actor", String(60), nullable=False), Column("action", String(60), nullable=False),
        Column("object", String(200), nullable=False),
    )  # fmt: skip
    sa.Table(
        "requests", tables,
        Column("id", String(40), primary_key=True), Column("time", Float, nullable=False, index=True),
        Column("key", String(24)), Column("path", String(60), nullable=False),
        Column("route", String(200), nullable=False), Column("model", String(100)), Column("knowledge", String(100)),
        Column("status", Integer, nullable=False), Column("streamed", Boolean, nullable=False),
        Column("seconds", Float, nullable=False), Column("time_to_first_token", Float),
        Column("prompt_tokens", Integer), Column("completion_tokens", Integer), Column("messages", sa.JSON),
        Column("answer", sa.Text), Column("passages", sa.JSON), Column("citations", sa.JSON),
        Column("answerable", Boolean), Column("error", sa.Text),
    )  # fmt: skip
    sa.Table(
        "feedback", tables,
        Column("id", String(40), primary_key=True), Column("time", Float, nullable=False),
        Column("request", String(40), nullable=False, index=True), Column("key", String(24)),
        Column("rating", Integer), Column("comment", sa.Text), Column("correction", sa.Text),
    )  # fmt: skip


def owner(connection: Connection) -> None:
    tables = sa.MetaData()
    sa.Table("owner", tables, Column("id", String(32), primary_key=True), Column("folder", sa.Text, nullable=False))
    tables.create_all(connection)


def wanted_names(connection: Connection) -> None:
    tables = sa.MetaData()
    names = sa.Table(
        "wanted_names",
        tables,
        Column("run", String(26), primary_key=True),
        Column("name", String(200), primary_key=True),
    )
    tables.create_all(connection)
    runs = sa.table("runs", sa.column("id"), sa.column("tag"), sa.column("state"))
    live = sa.select(runs.c.id, runs.c.tag).where(runs.c.state.in_(["queued", "running"]), runs.c.tag != "")
    connection.execute(names.insert().from_select(["run", "name"], live))


def tag_history(connection: Connection) -> None:
    """Where a name leads is the first entry of its history. A name that looks like such an entry, d@1, is kept."""
    tables = sa.MetaData()
    history = sa.Table(
        "tag_history", tables,
        Column("kind", String(16), primary_key=True), Column("name", String(200), primary_key=True),
        Column("version", Integer, primary_key=True, autoincrement=False), Column("hash", String(64), nullable=False),
        Column("time", Float, nullable=False), Column("run", String(26), nullable=False, index=True),
        Column("before", Integer), Column("taken", Boolean, nullable=False),
    )  # fmt: skip
    tables.create_all(connection)
    connection.execute(sa.text("ALTER TABLE tags ADD COLUMN version INTEGER NOT NULL DEFAULT 1"))
    connection.execute(sa.text("ALTER TABLE wanted_names ADD COLUMN asked FLOAT NOT NULL DEFAULT 0"))
    wanted = sa.table("wanted_names", sa.column("run"), sa.column("asked"))
    runs = sa.table("runs", sa.column("id"), sa.column("created"))
    created = sa.select(runs.c.created).where(runs.c.id == wanted.c.run).scalar_subquery()
    connection.execute(wanted.update().where(wanted.c.run.in_(sa.select(runs.c.id))).values(asked=created))
    tags = sa.table("tags", *(sa.column(name) for name in ("kind", "name", "hash", "updated", "version")))
    there = connection.execute(sa.select(tags)).all()
    names = {(row.kind, row.name) for row in there}
    for row in there:
        version = 1
        while (row.kind, f"{row.name}@{version}") in names:
            version += 1
        connection.execute(
            history.insert().values(
                kind=row.kind, name=row.name, version=version, hash=row.hash, time=row.updated, run="", taken=True
            )
        )
        same = (tags.c.kind == row.kind, tags.c.name == row.name)
        connection.execute(tags.update().where(*same).values(version=version))


def run_holders(connection: Connection) -> None:
    """Which process has a run, beyond hostname and number, and what each run says of its output."""
    for column in ("place VARCHAR(32)", "begun VARCHAR(40)", "makes VARCHAR(16)", "summary JSON"):
        connection.execute(sa.text(f"ALTER TABLE runs ADD COLUMN {column}"))


MIGRATIONS: list[Callable[[Connection], None]] = [
    first_tables, owner, wanted_names, tag_history, project_tables, run_holders,
]  # fmt: skip
