"""Runs: who does what, how far it is, and what came of it. The database says who has a run; leases expire.

Each claim of a run is a new attempt, and only the holder of the newest attempt may write to the run: a process that
slept while its lease ran out learns at its next heartbeat that the run is another's, and leaves it alone. All times
are the database's, see ``clock``.
"""

import secrets
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tuneloop.address import Address
from tuneloop.errors import NotFound
from tuneloop.language import _
from tuneloop.store.artifacts import json_safe
from tuneloop.store.clock import now, time_of
from tuneloop.store.curves import Curves
from tuneloop.store.database import LIVE, alone, artifacts, run_inputs, run_metrics, runs, wanted_names
from tuneloop.store.holder import Holder, RunLost, is_gone, place
from tuneloop.store.names import point_wanted, want
from tuneloop.store.scope import DEFAULT, Scope

LEASE = 20.0  # seconds a run lives without a heartbeat
PAGE = 200  # queued runs that are read at once
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"

Point = tuple[str, float, int | None, float]  # of a curve: name, value, step, time

expired = (runs.c.lease.is_(None) | (runs.c.lease < now())).label("expired")


def new_run_id(created: float) -> str:
    """Sortable by time: ten digits of milliseconds, eight random ones."""
    number, digits = int(created * 1000), ""
    for _digit in range(10):
        number, rest = divmod(number, 32)
        digits = ALPHABET[rest] + digits
    return digits + "".join(secrets.choice(ALPHABET) for _digit in range(8))


class Runs:
    """Submit, claim, beat, finish, cancel, list."""

    def __init__(self, engine: Engine, folder: Path, scope: Scope = DEFAULT) -> None:
        """``folder``: the workspace's, where its processes are at work."""
        self.engine, self.folder, self.scope = engine, folder, scope

    def submit(
        self, *, stage: str, stage_version: int, params: dict[str, Any], typed: dict[str, Any], key: str, tag: str,
        inputs: list[tuple[str, str]], makes: str = "",
    ) -> str:  # fmt: skip
        """Queue a run and return its id; where the same work is queued or running, the id of that run.

        Either way the output gets the name ``tag``, beside those that others asked for.
        Raises ``NotFound`` where an input has been removed meanwhile: from now on it cannot be.
        """
        with alone(self.engine) as connection:
            for _field, ref in inputs:
                check_there(connection, self.scope, Address.parse(ref))
            same = (self.scope.mine(runs), runs.c.key == key, runs.c.state.in_(LIVE))
            run = connection.scalar(sa.select(runs.c.id).where(*same))
            if not run:
                created = time_of(connection)
                run = new_run_id(created)
                connection.execute(
                    runs.insert().values(
                        id=run, stage=stage, stage_version=stage_version, params=json_safe(params),
                        typed=json_safe(typed), key=key, tag=tag, state="queued", created=created, seconds=0.0,
                        attempts=0, cancel=False, makes=makes, **self.scope.as_mine,
                    )
                )  # fmt: skip
                for field, ref in dict.fromkeys(inputs):
                    connection.execute(run_inputs.insert().values(run=run, field=field, ref=ref))
            if tag:
                want(connection, run, tag)
        return run

    def get(self, run: str) -> sa.Row[Any]:
        """One run, by its id or a unique beginning of it. Raises ``NotFound``."""
        with self.engine.connect() as connection:
            between = runs.c.id.between(run, run.ljust(26, ALPHABET[-1]))  # what an index answers
            found = connection.execute(sa.select(runs, expired).where(self.scope.mine(runs), between).limit(2)).all()
        if len(found) > 1 and run:
            message = _("{run!r} is the beginning of several runs").format(run=run)
            raise NotFound(message, hint=_("Write more of it. See: tuneloop ls {kind}").format(kind="runs"))
        if not found or not run:
            raise NotFound(
                _("there is no run {run!r}").format(run=run), hint=_("See: tuneloop ls {kind}").format(kind="runs")
            )
        return found[0]

    def inputs(self, run: str) -> list[tuple[str, str]]:
        """The fields and addresses of a run's input artifacts."""
        with self.engine.connect() as connection:
            query = sa.select(run_inputs.c.field, run_inputs.c.ref).where(run_inputs.c.run == run)
            return [(row.field, row.ref) for row in connection.execute(query)]

    def recent(self, *, limit: int = 50, state: str | None = None) -> list[sa.Row[Any]]:
        """Runs, newest first."""
        query = sa.select(runs).where(self.scope.mine(runs)).order_by(runs.c.created.desc()).limit(limit)
        if state:
            query = query.where(runs.c.state == state)
        with self.engine.connect() as connection:
            return list(connection.execute(query))

    def finished(self, key: str) -> list[sa.Row[Any]]:
        """The runs of a key that ended well, newest first."""
        with self.engine.connect() as connection:
            query = sa.select(runs).where(self.scope.mine(runs), runs.c.key == key, runs.c.state == "done")
            return list(connection.execute(query.order_by(runs.c.created.desc())))

    def live(self, key: str) -> sa.Row[Any] | None:
        """The run of a key that is queued or running."""
        with self.engine.connect() as connection:
            query = sa.select(runs).where(self.scope.mine(runs), runs.c.key == key, runs.c.state.in_(LIVE))
            return connection.execute(query).first()

    def stopping(self, key: str) -> str | None:
        """The run of a key that was told to stop and has not ended yet."""
        row = self.live(key)
        return row.id if row and row.cancel else None

    def waiting(self) -> Iterator[sa.Row[Any]]:
        """Every run that somebody could take: queued, or left by its process. The oldest first."""
        abandoned = [row for row in self._under_way() if self.is_abandoned(row)]
        last: tuple[float, str] = (0.0, "")
        while rows := self._queued(last):
            for row in rows:
                while abandoned and abandoned[0].created <= row.created:
                    yield abandoned.pop(0)
                yield row
            last = (rows[-1].created, rows[-1].id)
        yield from abandoned

    def _under_way(self) -> list[sa.Row[Any]]:
        query = sa.select(runs, expired).where(runs.c.state == "running").order_by(runs.c.created, runs.c.id)
        with self.engine.connect() as connection:
            return list(connection.execute(query))

    def _queued(self, after: tuple[float, str]) -> list[sa.Row[Any]]:
        query = sa.select(runs, expired).where(runs.c.state == "queued")
        query = query.where(sa.tuple_(runs.c.created, runs.c.id) > sa.tuple_(*after)).order_by(
            runs.c.created, runs.c.id
        )
        with self.engine.connect() as connection:
            return list(connection.execute(query.limit(PAGE)))

    def superseded(self, kind: str, name: str, by: str) -> list[sa.Row[Any]]:
        """The project's live runs whose output of this kind was to have this name and no other; not the run ``by``."""
        others = wanted_names.alias("others")
        other = sa.exists().where(others.c.run == runs.c.id, others.c.name != name)
        query = sa.select(runs).join(wanted_names, wanted_names.c.run == runs.c.id)
        query = query.where(self.scope.mine(runs), wanted_names.c.name == name, runs.c.state.in_(LIVE))
        query = query.where(runs.c.makes == kind, runs.c.id != by, ~other)
        with self.engine.connect() as connection:
            return list(connection.execute(query))

    def is_abandoned(self, row: sa.Row[Any]) -> bool:
        """Whether a running run has lost its process: known at once where that was in our place, else by its lease.

        A process of our place that lives keeps its run, also when it slept, or waited for the disk, past its lease.
        """
        gone = is_gone(row, self.folder)
        return bool(row.expired) if gone is None else gone

    def is_elsewhere(self, row: sa.Row[Any]) -> bool:
        """Whether a living process of another place has a run: whoever waits for it there holds locks unseen here."""
        here = row.place == place(self.folder) and (row.place or row.host == socket.gethostname())
        return row.state == "running" and not here and not self.is_abandoned(row)

    def claim(self, run: str) -> int:
        """Take a run: one that is queued, or whose holder is dead. Its attempt, from 1; 0 where another holds it."""
        row = self.get(run)
        if row.state not in LIVE or (row.state == "running" and not self.is_abandoned(row)):
            return 0
        lease = runs.c.lease.is_(None) if row.lease is None else runs.c.lease == row.lease  # it has not beaten since
        worked = runs.c.seconds
        if row.state == "running":
            worked = runs.c.seconds + max(0.0, (row.lease or 0.0) - LEASE - (row.started or row.lease or 0.0))
        with self.engine.begin() as connection:
            result = connection.execute(
                runs.update()
                .where(runs.c.id == row.id, runs.c.state == row.state, runs.c.attempts == row.attempts, lease)
                .values(
                    state="running", host=socket.gethostname(), lease=now() + LEASE, started=now(), seconds=worked,
                    attempts=row.attempts + 1, error=None, finished=None, **Holder.me(self.folder).row,
                )
            )  # fmt: skip
        return row.attempts + 1 if result.rowcount == 1 else 0

    def beat(
        self, run: str, attempt: int, progress: dict[str, Any] | None, metrics: dict[str, float],
        points: Sequence[Point] = (),
    ) -> bool:  # fmt: skip
        """Renew the lease, publish progress and the points of curves, and say whether the user has asked to cancel.

        Raises ``RunLost``, and then nothing is published.
        """
        with self.engine.begin() as connection:
            renewed = connection.execute(
                runs.update()
                .where(runs.c.id == run, runs.c.state == "running", runs.c.attempts == attempt)
                .values(lease=now() + LEASE, progress=progress, metrics=json_safe(metrics))
            )
            if renewed.rowcount != 1:
                raise RunLost(run)
            add_points(connection, run, points)
            return bool(connection.scalar(sa.select(runs.c.cancel).where(runs.c.id == run)))

    def finish(
        self, run: str, attempt: int, state: str, *, output: str | None = None, error: dict[str, Any] | None = None,
        summary: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """End a run as ``done``, ``failed`` or ``cancelled``; not where a newer attempt has begun meanwhile.

        ``summary``: what it says of its output. Where another run made the same content, that one's words stay its own.
        """
        values = {"output": output, "summary": json_safe(summary), "finished": now(), "lease": None}
        if error or state != "cancelled":  # why it was cancelled is said by who did it
            values["error"] = error
        with alone(self.engine) as connection:
            ended = connection.execute(
                runs.update()
                .where(runs.c.id == run, runs.c.state.in_(LIVE), runs.c.attempts == attempt)
                .values(state=state, seconds=runs.c.seconds + sa.func.coalesce(now() - runs.c.started, 0.0), **values)
            )
            if ended.rowcount and output:  # the names that were asked for since the artifact was moved in
                whose = connection.execute(sa.select(runs).where(runs.c.id == run)).one()
                point_wanted(connection, run, Address.parse(output), Scope.of(whose))

    def release(self, run: str, attempt: int) -> None:
        """Give a run back, unfinished, for somebody to take up again; it ends where it was told to stop meanwhile."""
        stopped = runs.c.cancel
        with self.engine.begin() as connection:
            connection.execute(
                runs.update()
                .where(runs.c.id == run, runs.c.state == "running", runs.c.attempts == attempt)
                .values(
                    state=sa.case((stopped, "cancelled"), else_="queued"), lease=None, started=None,
                    finished=sa.case((stopped, now()), else_=None),
                    seconds=runs.c.seconds + (now() - runs.c.started),
                )
            )  # fmt: skip

    def cancel(self, run: str, *, why: str = "") -> str:
        """Ask a run to stop; one that no process has is cancelled at once. Returns the state it is in now.

        ``why``: what its error says, where people did not ask for it.
        """
        row = self.get(run)
        idle = runs.c.state == "queued"
        if row.state == "running" and self.is_abandoned(row):
            idle = (runs.c.state == "running") & (runs.c.attempts == row.attempts)
        asked = {"cancel": True} | ({"error": {"message": why, "kind": "user"}} if why else {})
        with self.engine.begin() as connection:
            connection.execute(runs.update().where(runs.c.id == row.id, runs.c.state.in_(LIVE)).values(asked))
            connection.execute(
                runs.update().where(runs.c.id == row.id, idle).values(state="cancelled", finished=now(), lease=None)
            )
        return self.get(row.id).state

    def add_metrics(self, run: str, points: Sequence[Point]) -> None:
        """Append points, whoever has the run."""
        with self.engine.begin() as connection:
            add_points(connection, run, points)

    def metrics(self, run: str) -> dict[str, list[tuple[int | None, float]]]:
        """Every recorded metric of a run: ``{name: [(step, value), …]}``; of a step recorded twice, the last."""
        return Curves(self.engine).of(run)[0]


def add_points(connection: sa.Connection, run: str, points: Sequence[Point]) -> None:
    if points:
        rows = [{"run": run, "name": n, "value": v, "step": s, "time": t} for n, v, s, t in points]
        connection.execute(run_metrics.insert(), rows)


def check_there(connection: sa.Connection, scope: Scope, address: Address) -> None:
    row = sa.select(artifacts.c.hash).where(
        scope.mine(artifacts), artifacts.c.kind == address.kind, artifacts.c.hash == address.hash
    )
    if connection.scalar(row) is None:
        raise NotFound(_("the artifact {artifact} is not in this workspace").format(artifact=address.short))
