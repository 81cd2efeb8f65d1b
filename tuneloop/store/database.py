"""The tables of today and the engine: the same SQLAlchemy Core statements on SQLite and PostgreSQL.

What is changed here needs a step in ``migrations``. A workspace of a newer version is refused, not guessed at.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, OperationalError

from tuneloop import permissions
from tuneloop.errors import Conflict, MissingExtra, TuneloopError
from tuneloop.foreign import quoted, told
from tuneloop.language import _
from tuneloop.store.migrations import MIGRATIONS
from tuneloop.store.room import Turn, is_full

BUSY = 30.0  # seconds that a statement waits for another process that writes; SQLite only

FIRST = "default"  # the organisation and the project that are there from the beginning

metadata = sa.MetaData()


def whose(*, key: bool = False) -> tuple[sa.Column[str], sa.Column[str]]:
    """The columns that say to whom a row belongs: see ``scope``. ``key``: what is called alike in two projects is two.

    An id of a project is unique among all organisations.
    """
    organisation = sa.Column("organisation", sa.String(26), nullable=False, server_default=FIRST)
    return organisation, sa.Column("project", sa.String(26), nullable=False, server_default=FIRST, primary_key=key)


versions = sa.Table("schema_version", metadata, sa.Column("version", sa.Integer, nullable=False))

owner = sa.Table(  # at most one row: the workspace whose artifacts are here, see the module of that name
    "owner",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("folder", sa.Text, nullable=False),  # where it was when it took the database, for people
)

organisations = sa.Table(
    "organisations",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False, unique=True),
    sa.Column("created", sa.Float, nullable=False),
)

projects = sa.Table(
    "projects",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("organisation", sa.String(26), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("keep_requests", sa.Float),  # seconds for which requests and what is thought of them stay; NULL: for good
    sa.Column("keep_audit", sa.Float),  # seconds
    sa.Column("keep_artifacts", sa.Float),  # seconds after which one without a name goes
    sa.UniqueConstraint("organisation", "name", name="one_project_of_a_name"),
)

users = sa.Table(  # people; a key may belong to one
    "users",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("organisation", sa.String(26), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),  # as they log in
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("disabled", sa.Float),  # since when
    sa.UniqueConstraint("organisation", "name", name="one_user_of_a_name"),
)

artifacts = sa.Table(
    "artifacts",
    metadata,
    *whose(key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("summary", sa.JSON, nullable=False),
    sa.Column("expires", sa.Float),  # when it goes, though a name leads to it; NULL: as its project says
    sa.Index("artifacts_newest", "project", "created", "kind", "hash"),
    sa.Index("artifacts_newest_of_kind", "project", "kind", "created", "hash"),
)

tags = sa.Table(
    "tags",
    metadata,
    *whose(key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("updated", sa.Float, nullable=False),  # when it was asked for that the name leads here
    sa.Column("version", sa.Integer, nullable=False),  # its place in the name's history
    sa.Index("tags_of_artifact", "kind", "hash"),
)

tag_history = sa.Table(  # where each name has led; a row is never changed, and outlives name and artifact
    "tag_history",
    metadata,
    *whose(key=True),
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),  # from 1
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("run", sa.String(26), nullable=False, index=True),  # whose output it is; "" where nobody's
    sa.Column("before", sa.Integer),  # where the name led until then
    sa.Column("taken", sa.Boolean, nullable=False),  # False: the name stayed there, since that was asked for later
    sa.Index("tag_history_of_artifact", "kind", "hash"),
    sa.Index("tag_history_newest", "project", "time", "kind", "name", "version"),
)

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.String(26), primary_key=True),
    sa.Column("stage", sa.String(40), nullable=False),
    sa.Column("stage_version", sa.Integer, nullable=False),
    sa.Column("params", sa.JSON, nullable=False),
    sa.Column("typed", sa.JSON, nullable=False),  # the parameters as the user gave them, names unresolved
    sa.Column("key", sa.String(64), nullable=False, index=True),
    sa.Column("tag", sa.String(200), nullable=False, default=""),
    sa.Column("state", sa.String(12), nullable=False),  # queued running done failed cancelled
    sa.Column("error", sa.JSON),  # {"message", "traceback"?}
    sa.Column("output", sa.String(100)),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("started", sa.Float),
    sa.Column("finished", sa.Float),
    sa.Column("seconds", sa.Float, nullable=False, default=0.0),  # summed over attempts
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("host", sa.String(200)),  # for people
    sa.Column("pid", sa.Integer),
    sa.Column("lease", sa.Float),  # the run is dead when this time has passed
    sa.Column("cancel", sa.Boolean, nullable=False, default=False),
    sa.Column("progress", sa.JSON),  # {"done", "total", "unit", "phase", "since"}
    sa.Column("metrics", sa.JSON),  # the last value of each metric
    *whose(),
    sa.Column("user", sa.String(26)),  # who asked for it, where that is known
    sa.Column("place", sa.String(32)),  # with pid and begun, the process that has the run: see ``holder``
    sa.Column("begun", sa.String(40)),
    sa.Column("makes", sa.String(16)),  # the kind of its output; NULL: of an older version
    sa.Column("summary", sa.JSON),  # what it says of its output, which another run may have made too; NULL: as makes
    sa.Index("runs_newest", "project", "created", "id"),
    sa.Index("runs_in_state", "state", "created", "id"),
    sa.Index("runs_of_output", "output"),
)
LIVE = ("queued", "running")
STATES = (*LIVE, "done", "failed", "cancelled")
# One live run a key: two commands that ask for the same work in one project share it.
sa.Index(
    "one_live_run", runs.c.project, runs.c.key, unique=True,
    sqlite_where=runs.c.state.in_(LIVE), postgresql_where=runs.c.state.in_(LIVE),
)  # fmt: skip

run_inputs = sa.Table(
    "run_inputs",
    metadata,
    sa.Column("run", sa.String(26), primary_key=True),
    sa.Column("field", sa.String(60), primary_key=True),
    sa.Column("ref", sa.String(100), primary_key=True, index=True),
)

wanted_names = sa.Table(  # what the output is to be called, by each who asked for the run, until it is done
    "wanted_names",
    metadata,
    sa.Column("run", sa.String(26), primary_key=True),
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("asked", sa.Float, nullable=False),
)

run_metrics = sa.Table(
    "run_metrics",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("run", sa.String(26), nullable=False, index=True),
    sa.Column("name", sa.String(60), nullable=False),
    sa.Column("step", sa.Integer),
    sa.Column("value", sa.Float, nullable=False),
    sa.Column("time", sa.Float, nullable=False),
)

keys = sa.Table(
    "keys",
    metadata,
    sa.Column("id", sa.String(24), primary_key=True),  # public
    sa.Column("secret_sha256", sa.String(64), nullable=False),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("revoked", sa.Float),
    sa.Column("used", sa.Float),
    *whose(),
    sa.Column("user", sa.String(26)),  # whose it is; NULL: a program's
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("actor", sa.String(60), nullable=False),
    sa.Column("action", sa.String(60), nullable=False),
    sa.Column("object", sa.String(200), nullable=False),
    *whose(),
    sa.Index("audit_newest", "project", "id"),
)

requests = sa.Table(
    "requests",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("key", sa.String(24)),
    sa.Column("path", sa.String(60), nullable=False),
    sa.Column("route", sa.String(200), nullable=False),
    sa.Column("model", sa.String(100)),  # address
    sa.Column("knowledge", sa.String(100)),  # address
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("streamed", sa.Boolean, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("time_to_first_token", sa.Float),
    sa.Column("prompt_tokens", sa.Integer),
    sa.Column("completion_tokens", sa.Integer),
    sa.Column("messages", sa.JSON),
    sa.Column("answer", sa.Text),
    sa.Column("passages", sa.JSON),  # [{"chunk", "name", "score"}]
    sa.Column("citations", sa.JSON),
    sa.Column("answerable", sa.Boolean),
    sa.Column("error", sa.Text),
    *whose(),
    sa.Column("expires", sa.Float),  # as of an artifact
)
sa.Index("requests_newest", requests.c.project, requests.c.time, requests.c.id)
sa.Index("requests_of_route", requests.c.project, requests.c.route, requests.c.time, requests.c.id)
sa.Index("requests_of_key", requests.c.project, requests.c.key, requests.c.time, requests.c.id)
sa.Index(  # few: what went wrong is found among very many
    "requests_failed", requests.c.project, requests.c.time, requests.c.id,
    sqlite_where=requests.c.status >= 400, postgresql_where=requests.c.status >= 400,
)  # fmt: skip

feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("request", sa.String(40), nullable=False, index=True),
    sa.Column("key", sa.String(24)),
    sa.Column("rating", sa.Integer),  # -1, 0, 1
    sa.Column("comment", sa.Text),
    sa.Column("correction", sa.Text),
    *whose(),
    sa.Column("expires", sa.Float),
    sa.Index("feedback_newest", "project", "time", "id"),
)


def open_engine(url: str, folder: Path, *, though_full: bool = False) -> Engine:
    """The engine for ``url``, or for SQLite in ``folder`` where it is empty, with all migrations applied.

    ``though_full``: also where the disk is full and no other process has the database open. It is then kept to this
    process until the engine is disposed of; others wait, as for one that writes. For commands that end soon.
    """
    try:
        return up_to_date(postgres_engine(url) if url else sqlite_engine(folder / "tuneloop.db"))
    except (DBAPIError, OSError) as error:
        known = fixable(error, folder)
        if url or not though_full or not isinstance(known, DiskFull):
            raise known or error from None
    try:
        return up_to_date(sqlite_engine(folder / "tuneloop.db", by_itself=True))
    except (DBAPIError, OSError) as error:
        raise fixable(error, folder) or error from None


def up_to_date(engine: Engine) -> Engine:
    try:
        migrate(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def sqlite_engine(path: Path, *, by_itself: bool = False) -> Engine:
    """The engine for a file, which is made with 0600; SQLite gives the files beside it the same.

    ``by_itself``: with one connection, which locks the file. The index of the write-ahead log, which processes share
    in the file ``-shm`` and a full disk has no place for, is then in memory; what the log holds is read all the same,
    unlike with ``immutable``. Source: https://sqlite.org/wal.html#noshm
    """
    permissions.touch(path)
    for name in ("", "-wal", "-shm"):
        permissions.close(path.with_name(path.name + name))
    one = {"pool_size": 1, "max_overflow": 0} if by_itself else {}
    turn = Turn(path.parent, BUSY) if by_itself else None  # two that begin at once would each keep half a lock
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY}, hide_parameters=True, **one)
    if by_itself:  # before anything is read, or it is too late for it
        event.listen(engine, "connect", lambda connection, _record: connection.execute("PRAGMA locking_mode=EXCLUSIVE"))
        event.listen(engine, "engine_disposed", lambda _engine: turn and turn.end())
    event.listen(engine, "connect", prepare_sqlite)
    return engine


def postgres_engine(url: str) -> Engine:
    """The engine for a URL. Raises ``TuneloopError`` for one that is none, without it: it may hold a password."""
    try:
        return sa.create_engine(postgres_url(url), pool_pre_ping=True, hide_parameters=True)
    except (ArgumentError, ValueError):
        raise TuneloopError(
            _("the URL of the database cannot be read"),
            hint=_("Write postgresql://USER:PASSWORD@HOST/NAME, with %40 for an @ in the password."),
        ) from None


class DiskFull(TuneloopError):
    """There is no room for what was to be written."""


def fixable(error: BaseException, folder: Path) -> TuneloopError | None:
    """What a failed write into the workspace means to its user: a full disk, no permission, an unusable database.

    ``None`` where it is not known to be anything but a bug.
    """
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return TuneloopError(told(error), where=str(error.filename or folder))
    reason = str(error.orig).strip().partition("\n")[0] if isinstance(error, DBAPIError) else ""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    unwritten = "I/O error" in reason or "unable to open" in reason
    if full or "disk is full" in reason or (unwritten and is_full(folder)):
        return disk_full(folder)
    if isinstance(error, OperationalError):
        return Conflict(
            _("cannot use the database: {reason}").format(reason=quoted(reason)),
            hint=_("Check TUNELOOP_DATABASE and tuneloop.toml."),
        )
    if isinstance(error, DatabaseError) and "not a database" in reason:
        return Conflict(
            _("the database is damaged: {reason}").format(reason=quoted(reason)), where=str(folder),
            hint=_("Bring it back from a backup."),
        )  # fmt: skip
    return None


def disk_full(folder: Path) -> DiskFull:
    hint = _("Free some space and run the same command again: it continues where it was.")
    return DiskFull(_("the disk is full"), where=str(folder), hint=hint)


def postgres_url(url: str) -> str:
    """``postgresql://…`` with the driver that Tuneloop ships. Raises for any other scheme."""
    scheme, colon, rest = url.partition("://")
    if not colon:
        raise ArgumentError("not a URL")
    if scheme not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise TuneloopError(
            _("the database {scheme}:// is not supported").format(scheme=scheme),
            hint=_("Use postgresql:// or leave it empty."),
        )
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise MissingExtra("postgres", "psycopg") from None
    return f"postgresql+psycopg://{rest}"


def prepare_sqlite(connection, record) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={int(BUSY * 1000)}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


@contextmanager
def alone(engine: Engine) -> Iterator[sa.Connection]:
    """A transaction with no other of its sort beside it: what it has read stays true until it ends."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7461)"))
        else:  # the driver itself begins a transaction only with the first write, and this one reads before
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection


def version_of(connection: sa.Connection) -> int:
    """How many migrations a database has had."""
    if not sa.inspect(connection).has_table("schema_version"):
        return 0
    return connection.scalar(sa.select(sa.func.max(versions.c.version))) or 0


def migrate(engine: Engine) -> None:
    """Bring the database to the newest version. Safe when two processes start at once."""
    with engine.connect() as connection:
        if version_of(connection) == len(MIGRATIONS):  # opening one that is up to date writes nothing: disks get full
            return
    with alone(engine) as connection:
        have = version_of(connection)
        if have > len(MIGRATIONS):
            raise Conflict(
                _("this workspace was made by a newer Tuneloop (schema {have}; this one knows {known})").format(
                    have=have, known=len(MIGRATIONS)
                ),
                hint=_("Upgrade Tuneloop, or use another workspace."),
            )
        for number, step in enumerate(MIGRATIONS[have:], have + 1):
            step(connection)
            connection.execute(versions.insert().values(version=number))
