"""Runs: who does what, how far it is, and what came of it. The database says who has a run; leases expire.

Each claim of a run is a new attempt, and only the holder of the newest attempt may write to the run: a process that
slept while its lease ran out learns at its next heartbeat that the run is another's, and leaves it alone.
"""

import os
import secrets
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tuneloop.address import Address
from tuneloop.errors import NotFound
from tuneloop.language import _
from tuneloop.store.artifacts import json_safe
from tuneloop.store.curves import Curves
from tuneloop.store.database import LIVE, alone, artifacts, run_inputs, run_metrics, runs
from tuneloop.store.names import point_wanted, want
from tuneloop.store.scope import DEFAULT, Scope

LEASE = 20.0  # seconds a run lives without a heartbeat
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


class RunLost(Exception):
    """Another process has taken the run, or somebody has ended it."""


def new_run_id() -> str:
    """Sortable by time: ten digits of milliseconds, eight random ones."""
    number, digits = int(time.time() * 1000), ""
    for _digit in range(10):
        number, rest = divmod(number, 32)
        digits = ALPHABET[rest] + digits
    return digits + "".join(secrets.choice(ALPHABET) for _digit in range(8))


class Runs:
    """Submit, claim, beat, finish, cancel, list."""

    def __init__(self, engine: Engine, scope: Scope = DEFAULT) -> None:
        self.engine, self.scope = engine, scope

    def submit(
        self, *, stage: str, stage_version: int, params: dict[str, Any], typed: dict[str, Any], key: str, tag: str,
        inputs: list[tuple[str, str]],
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
                run = new_run_id()
                connection.execute(
                    runs.insert().values(
                        id=run, stage=stage, stage_version=stage_version, params=json_safe(params),
                        typed=json_safe(typed), key=key, tag=tag, state="queued", created=time.time(), seconds=0.0,
                        attempts=0, cancel=False, **self.scope.as_mine,
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
            found = connection.execute(sa.select(runs).where(self.scope.mine(runs), between).limit(2)).all()
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

    def claim(self, run: str) -> int:
        """Take a run: one that is queued, or whose holder is dead. Its attempt, from 1; 0 where another holds it."""
        row = self.get(run)
        if row.state not in LIVE or (row.state == "running" and not holder_is_dead(row)):
            return 0
        now = time.time()
        with self.engine.begin() as connection:
            result = connection.execute(
                runs.update()
                .where(runs.c.id == row.id, runs.c.state == row.state, runs.c.attempts == row.attempts)
                .values(
                    state="running", host=socket.gethostname(), pid=os.getpid(), lease=now + LEASE, started=now,
                    attempts=row.attempts + 1, error=None, finished=None,
                    seconds=row.seconds + (max(0.0, (row.lease or now) - LEASE - (row.started or now))
                                           if row.state == "running" else 0.0),
                )
            )  # fmt: skip
        return row.attempts + 1 if result.rowcount == 1 else 0

    def beat(self, run: str, attempt: int, progress: dict[str, Any] | None, metrics: dict[str, float]) -> bool:
        """Renew the lease, publish progress, and say whether the user has asked to cancel. Raises ``RunLost``."""
        with self.engine.begin() as connection:
            renewed = connection.execute(
                runs.update()
                .where(runs.c.id == run, runs.c.state == "running", runs.c.attempts == attempt)
                .values(lease=time.time() + LEASE, progress=progress, metrics=json_safe(metrics))
            )
            if renewed.rowcount != 1:
                raise RunLost(run)
            return bool(connection.scalar(sa.select(runs.c.cancel).where(runs.c.id == run)))

    def finish(
        self, run: str, attempt: int, state: str, *, output: str | None = None, error: dict[str, Any] | None = None
    ) -> None:
        """End a run as ``done``, ``failed`` or ``cancelled``; not where a newer attempt has begun meanwhile."""
        now = time.time()
        with alone(self.engine) as connection:
            row = connection.execute(sa.select(runs).where(runs.c.id == run)).one()
            spent = row.seconds + (now - row.started if row.started else 0.0)
            ended = connection.execute(
                runs.update()
                .where(runs.c.id == run, runs.c.state.in_(LIVE), runs.c.attempts == attempt)
                .values(state=state, output=output, error=error, finished=now, seconds=spent, lease=None)
            )
            if ended.rowcount and output:  # the names that were asked for since the artifact was moved in
                point_wanted(connection, run, Address.parse(output), Scope.of(row))

    def release(self, run: str, attempt: int) -> None:
        """Give a run back, unfinished, for somebody to take up again."""
        now = time.time()
        with self.engine.begin() as connection:
            connection.execute(
                runs.update()
                .where(runs.c.id == run, runs.c.state == "running", runs.c.attempts == attempt)
                .values(state="queued", lease=None, seconds=runs.c.seconds + (now - runs.c.started), started=None)
            )

    def cancel(self, run: str) -> str:
        """Ask a run to stop; one that no process has is cancelled at once. Returns the state it is in now."""
        row = self.get(run)
        idle = runs.c.state == "queued"
        if row.state == "running" and holder_is_dead(row):
            idle = (runs.c.state == "running") & (runs.c.attempts == row.attempts)
        with self.engine.begin() as connection:
            connection.execute(runs.update().where(runs.c.id == row.id).values(cancel=True))
            connection.execute(
                runs.update()
                .where(runs.c.id == row.id, idle)
                .values(state="cancelled", finished=time.time(), lease=None)
            )
        return self.get(row.id).state

    def add_metrics(self, run: str, points: list[tuple[str, float, int | None, float]]) -> None:
        """Append ``(name, value, step, time)`` points."""
        if points:
            with self.engine.begin() as connection:
                rows = [{"run": run, "name": n, "value": v, "step": s, "time": t} for n, v, s, t in points]
                connection.execute(run_metrics.insert(), rows)

    def metrics(self, run: str) -> dict[str, list[tuple[int | None, float]]]:
        """Every recorded metric of a run: ``{name: [(step, value), …]}``; of a step recorded twice, the last."""
        return Curves(self.engine).of(run)[0]


def check_there(connection: sa.Connection, scope: Scope, address: Address) -> None:
    row = sa.select(artifacts.c.hash).where(
        scope.mine(artifacts), artifacts.c.kind == address.kind, artifacts.c.hash == address.hash
    )
    if connection.scalar(row) is None:
        raise NotFound(_("the artifact {artifact} is not in this workspace").format(artifact=address.short))


def holder_is_dead(row: sa.Row[Any]) -> bool:
    """Whether a running run has lost its process: known at once on this machine, by its lease elsewhere.

    A process of this machine that lives keeps its run, also when it slept, or waited for the disk, past its lease.
    """
    expired = row.lease is None or row.lease < time.time()
    if row.host != socket.gethostname() or not row.pid:
        return expired
    try:
        os.kill(row.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return expired and row.id not in command_line(row.pid)


def command_line(pid: int) -> str:
    """What a process of this machine was started with: its number alone may long be another's. "" where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:
        if Path("/proc/self").exists():
            return ""
    command = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
