"""A workspace's database as an earlier version made it, with what was in it."""

import sqlalchemy as sa

from tuneloop.store import Store
from tuneloop.store.migrations import MIGRATIONS

FIRST_RELEASE = 3  # migrations of version 0.1


def back_to(store: Store, version: int = FIRST_RELEASE) -> sa.MetaData:
    """Empty a store's database and give it the tables of an earlier version, which are returned."""
    tables = sa.MetaData()
    tables.reflect(store.engine)
    with store.engine.begin() as connection:
        tables.drop_all(connection)
        for number, step in enumerate(MIGRATIONS[:version], 1):
            step(connection)
            connection.execute(sa.text(f"INSERT INTO schema_version (version) VALUES ({number})"))
    old = sa.MetaData()
    old.reflect(store.engine)
    return old


def fill(store: Store, old: sa.MetaData, **rows: list[dict]) -> None:
    """Insert rows into tables of an earlier version; what it needs and a row does not say is empty."""
    empty = {sa.JSON: {}, sa.Boolean: False, sa.Integer: 0, sa.BigInteger: 0, sa.Float: 1.0, sa.Text: "", sa.String: ""}
    with store.engine.begin() as connection:
        for name, given in rows.items():
            table = old.tables[name]
            needed = [c for c in table.columns if not c.nullable and c.autoincrement is not True]
            rest = {c.name: of_type(empty, c.type) for c in needed if not (c.name == "id" and name == "audit")}
            for row in given:
                connection.execute(table.insert().values(**(rest | row)))


def of_type(empty: dict, kind: object) -> object:
    return next((value for type_, value in empty.items() if isinstance(kind, type_)), "")
