"""A step of ``migrations``: organisations, projects and users, and on every row that people can see whose it is.

All that is there becomes the first project's. A column with a constant default is entered in the table's description
alone, by SQLite and PostgreSQL both, so that a million requests are not written anew; what takes time are the indexes.
Only the few rows of artifacts and names are copied, for their keys change: two projects may call two things alike.
"""

import time

import sqlalchemy as sa
from sqlalchemy import Column, Float, String
from sqlalchemy.engine import Connection
from sqlalchemy.schema import CreateColumn

FIRST = "default"


def project_tables(connection: Connection) -> None:
    new_tables(connection)
    for name, key in (("artifacts", "kind hash"), ("tags", "kind name"), ("tag_history", "kind name version")):
        copy(connection, name, ("project", *key.split()))
    for name, more in (
        ("artifacts", [expires()]), ("runs", [*whose(), user()]), ("keys", [*whose(), user()]), ("audit", whose()),
        ("requests", [*whose(), expires()]), ("feedback", [*whose(), expires()]),
    ):  # fmt: skip
        add(connection, name, more)
    connection.execute(sa.text("DROP INDEX one_live_run"))
    connection.execute(sa.text("DROP INDEX ix_requests_time"))
    for index in INDEXES:
        connection.execute(sa.text(f"CREATE {index}"))


INDEXES = (
    "UNIQUE INDEX one_live_run ON runs (project, key) WHERE state IN ('queued', 'running')",
    "INDEX ix_tag_history_run ON tag_history (run)",
    "INDEX artifacts_newest ON artifacts (project, created, kind, hash)",
    "INDEX artifacts_newest_of_kind ON artifacts (project, kind, created, hash)",
    "INDEX tags_of_artifact ON tags (kind, hash)",
    "INDEX tag_history_of_artifact ON tag_history (kind, hash)",
    "INDEX tag_history_newest ON tag_history (project, time, kind, name, version)",
    "INDEX runs_newest ON runs (project, created, id)",
    "INDEX runs_in_state ON runs (state, created, id)",
    "INDEX runs_of_output ON runs (output)",
    "INDEX audit_newest ON audit (project, id)",
    "INDEX requests_newest ON requests (project, time, id)",
    "INDEX requests_of_route ON requests (project, route, time, id)",
    "INDEX requests_of_key ON requests (project, key, time, id)",
    "INDEX requests_failed ON requests (project, time, id) WHERE status >= 400",
    "INDEX feedback_newest ON feedback (project, time, id)",
)


def whose() -> list[Column]:
    return [Column(name, String(26), nullable=False, server_default=FIRST) for name in ("organisation", "project")]


def expires() -> Column:
    return Column("expires", Float)


def user() -> Column:
    return Column("user", String(26))


def new_tables(connection: Connection) -> None:
    tables = sa.MetaData()
    organisations = sa.Table(
        "organisations", tables,
        Column("id", String(26), primary_key=True), Column("name", String(200), nullable=False, unique=True),
        Column("created", Float, nullable=False),
    )  # fmt: skip
    projects = sa.Table(
        "projects", tables,
        Column("id", String(26), primary_key=True), Column("organisation", String(26), nullable=False),
        Column("name", String(200), nullable=False), Column("created", Float, nullable=False),
        Column("keep_requests", Float), Column("keep_audit", Float), Column("keep_artifacts", Float),
        sa.UniqueConstraint("organisation", "name", name="one_project_of_a_name"),
    )  # fmt: skip
    sa.Table(
        "users", tables,
        Column("id", String(26), primary_key=True), Column("organisation", String(26), nullable=False),
        Column("name", String(200), nullable=False), Column("role", String(16), nullable=False),
        Column("created", Float, nullable=False), Column("disabled", Float),
        sa.UniqueConstraint("organisation", "name", name="one_user_of_a_name"),
    )  # fmt: skip
    tables.create_all(connection)
    first = {"id": FIRST, "name": FIRST, "created": time.time()}
    connection.execute(organisations.insert().values(first))
    connection.execute(projects.insert().values(first | {"organisation": FIRST}))


def add(connection: Connection, name: str, columns: list[Column]) -> None:
    table = sa.Table(name, sa.MetaData(), *columns)
    for column in table.columns:
        described = CreateColumn(column).compile(dialect=connection.dialect)
        connection.execute(sa.text(f"ALTER TABLE {name} ADD COLUMN {described}"))


def copy(connection: Connection, name: str, key: tuple[str, ...]) -> None:
    """Make a small table anew with another key; it has the columns that it has, and those that say whose a row is."""
    old = sa.Table(name, sa.MetaData(), autoload_with=connection)
    there = [Column(c.name, c.type, nullable=c.nullable, server_default=c.server_default) for c in old.columns]
    new = sa.Table(f"{name}_of_project", sa.MetaData(), *whose(), *there, sa.PrimaryKeyConstraint(*key))
    new.create(connection)
    names = [column.name for column in there]
    connection.execute(new.insert().from_select(names, sa.select(*(old.c[one] for one in names))))
    old.drop(connection)
    connection.execute(sa.text(f"ALTER TABLE {name}_of_project RENAME TO {name}"))
