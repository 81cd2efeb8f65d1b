"""The database's clock. Machines disagree about the time; what they compare is measured by the one that they share."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class now(FunctionElement[float]):
    """Seconds since 1970 as the server of the database has them at this moment; SQLite runs on the one machine's."""

    type = sa.Double()
    inherit_cache = True


@compiles(now, "postgresql")
def now_in_postgres(element: now, compiler: Any, **options: Any) -> str:
    return "EXTRACT(EPOCH FROM clock_timestamp())::double precision"  # CURRENT_TIMESTAMP is that of the transaction


@compiles(now, "sqlite")
def now_in_sqlite(element: now, compiler: Any, **options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"  # to the millisecond; 2440587.5 is the first of January 1970


def time_of(connection: sa.Connection) -> float:
    """Seconds since 1970 by the database's clock."""
    return connection.scalar(sa.select(now())) or 0.0
