"""Run and record one stage.

Every run goes the same way, wherever it was started: a row in the database, a child process that claims the row,
and a watcher. The child renews a lease; whoever finds a run whose process is dead takes it up again, and because
unfinished work lies in a folder named by the run's key, it continues where it was. The same stage with the same
inputs, parameters and version is not done twice.

A wish does not outlive its owner: a run that nobody waits for and that was not queued to stay is withdrawn when its
output's name is asked of another run.

Commands that ask for the same work share its run. Each counts as a watcher of the work for as long as it lives; only
the last one's Ctrl-C cancels, and no worker takes a run that a living command waits for.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import hashlib
import json
import math
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tuneloop import notebook, permissions, processes, serving
from tuneloop.address import Address, composed
from tuneloop.errors import (
    BUG,
    DONE,
    INCOMPLETE,
    STOPPED,
    UNDONE,
    Cancelled,
    Conflict,
    NotFound,
    NoWorkspace,
    TuneloopError,
    failure,
)
from tuneloop.kinds import NOWHERE, REJECTED, facts_of
from tuneloop.language import _, shown
from tuneloop.registry import STAGES, find_stage
from tuneloop.settings import find_workspace, load_settings
from tuneloop.stage import Stage, listed
from tuneloop.store import Artifact, Move, Scope, Store, tables
from tuneloop.store.database import FIRST, disk_full
from tuneloop.store.holder import Holder
from tuneloop.store.names import check_name
from tuneloop.store.runs import LIVE
from tuneloop.telling import took
from tuneloop.watchers import Watchers

if TYPE_CHECKING:
    import pyarrow as pa

STOP = 20.0  # seconds that a cancelled stage has to put its things away
NAMED = 20  # of what is lost, and of what was set aside, in a result
SOON = 5.0  # seconds that a request waits for a cancelled run to end

Watcher = Callable[[dict[str, Any]], None]


@dataclass
class Account:
    """What was left out: how much, and the first of it as ``{"where", "reason"}``; a list of runs gives none."""

    count: int = 0
    first: list[dict[str, str]] = field(default_factory=list)


@dataclass
class RunResult:
    """What came of a run. ``--json`` prints it."""

    run: str
    stage: str
    state: str  # queued running done failed cancelled
    output: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    error: str | None = None
    reused: bool = False
    summary: dict[str, Any] = field(default_factory=dict)
    tag: str = ""
    moved: Move | None = None  # the tag led to something else before
    lost: Account = field(default_factory=Account)  # what should have been read or kept and was not
    set_aside: Account = field(default_factory=Account)  # what it was the stage's work to leave out
    bug: bool = False  # it failed, and the user cannot mend it

    @property
    def address(self) -> Address:
        """The output's address. Raises where there is none."""
        if not self.output:
            raise TuneloopError(
                _("the run {run} has no output: {reason}").format(run=self.run, reason=self.error or _(self.state))
            )
        return Address.parse(self.output)

    @property
    def status(self) -> int | None:
        """The exit status of a command that ends with this; ``None`` while the run is going on."""
        if self.state in LIVE:
            return None
        if self.state == "done":
            return INCOMPLETE if self.lost.count else DONE
        return STOPPED if self.state == "cancelled" else BUG if self.bug else UNDONE

    def _repr_html_(self) -> str:
        kind, _colon, digest = (self.output or "").partition(":")
        state = _("done before, reused") if self.reused else _(self.state)
        made = f"{kind}:{self.tag}" if self.tag and kind else ""
        facts = facts_of(kind, self.summary, NOWHERE) if kind else []
        rows = [
            (_("output"), self.output and Address(kind, digest).short), (_("name"), made), *facts,
            (_("took"), "" if self.reused else took(self.seconds)),
            (_("lost"), str(self.lost.count or "")), (_("set aside"), str(self.set_aside.count or "")),
            (_("error"), shown(self.error or "")),
        ]  # fmt: skip
        return notebook.card(f"{self.stage} · {state}", [(label, value or "") for label, value in rows])

    def as_json(self) -> dict[str, Any]:
        body = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "bug"}
        body["moved"] = asdict(self.moved) if self.moved else None
        return {**body, "lost": asdict(self.lost), "set_aside": asdict(self.set_aside), "status": self.status}


def worst(results: Iterable[RunResult]) -> int:
    """The exit status of several runs, all of them done."""
    return max((result.status or DONE for result in results), default=DONE)


def told_together(results: Sequence[RunResult]) -> dict[str, Any]:
    """What ``--json`` says of several runs as one: the exit status, what is lost, what was set aside."""

    def joined(accounts: list[Account]) -> dict[str, Any]:
        first = [row for account in accounts for row in account.first]
        return asdict(Account(sum(account.count for account in accounts), first[:NAMED]))

    lost, aside = ([getattr(result, name) for result in results] for name in ("lost", "set_aside"))
    return {"status": worst(results), "lost": joined(lost), "set_aside": joined(aside)}


def account(store: Store, result: RunResult, limit: int) -> None:
    """Say of a result what of its input did not come into the output: how much, and the first with their reasons."""
    count, lost = result.summary.get("rejected", 0), result.summary.get("lost", 0)
    result.lost, result.set_aside = Account(lost), Account(max(0, count - lost))
    if limit and count and result.output:
        with contextlib.suppress(NotFound):  # it was removed
            path = REJECTED.path(store.artifacts.path(result.address))
            if path.is_file():
                import pyarrow.parquet as pq

                rows = pq.read_table(path, columns=["where", "reason"])  # first what is lost
                result.lost.first = rows.slice(0, min(lost, limit)).to_pylist()
                result.set_aside = Account(rows.num_rows - lost, rows.slice(lost, limit).to_pylist())


@dataclass(frozen=True)
class Work:
    """What a stage is to do, with every name resolved. Runs of the same ``key`` are the same work."""

    stage: Stage
    params: dict[str, Any]
    key: str
    tag: str


@dataclass(frozen=True)
class Taker:
    """A child process that was started to take a run."""

    process: subprocess.Popen[bytes]
    holder: Holder  # as its claim will name it: the number alone may be another's once the process has ended
    attempts: int  # of the run before

    @classmethod
    def of(cls, process: subprocess.Popen[bytes], row: Any, folder: Path) -> Taker:
        """``row``: the run as it was before the process was started in the workspace with that folder."""
        return cls(process, Holder.of(process.pid, folder), row.attempts)

    def left(self, row: Any) -> bool:
        """Whether a run is as this process left it, which has ended: held to its death, given back, or never taken.

        What another process did with it since is that one's to say, though it may be nobody's now.
        """
        never_taken = row.attempts == self.attempts and self.process.returncode != 0
        return row.state in LIVE and (self.holder.had(row) or (row.state == "queued" and never_taken))


class Workspace:
    """A folder with its artifacts and runs: ``Workspace(".").run(Chunk(documents="documents:help"))``."""

    def __init__(self, root: Path | str | None = None, *, create: bool = True, though_full: bool = False) -> None:
        """Open the workspace, by default making it where none is. Raises ``NoWorkspace`` otherwise.

        ``though_full``: see ``open_engine``; not for what starts a run.
        """
        self.store = Store(root) if create else Store.existing(root, though_full=though_full)
        self.absent: NoWorkspace | None = None  # what is said of anything that is looked up: see ``looked_into``
        self.watchers = Watchers(self.store.folder / "watchers")

    def within(self, scope: Scope) -> Workspace:
        """The same workspace as seen from a project."""
        if scope == self.store.scope:
            return self
        seen = copy.copy(self)
        seen.store = self.store.within(scope)
        return seen

    # -- what a stage refers to -------------------------------------------------------------------------------

    def resolve(self, stage: Stage) -> dict[str, Any]:
        """The stage's parameters with every name replaced by an address, and what is left to a setting by its value."""
        params = stage.model_dump(mode="json")
        for name, setting in stage.from_settings.items():
            params[name] = params[name] or getattr(self.store.settings, setting)
        for name in stage.references():
            values = [self.referred(stage, name, value) for value in listed(params[name])]
            params[name] = values if isinstance(params[name], list) else (values[0] if values else params[name])
        return params

    def check(self, stage: Stage, name: str = "") -> None:
        """Raise where a stage cannot be begun for what it was given: a name, a reference, a file outside."""
        if name := composed(name or stage.default_name()):
            check_name(name)
        self.resolve(stage)
        stage.check_outside(self.store.settings)

    def referred(self, stage: Stage | type[Stage], field: str, value: str) -> str:
        """The address that a field of a stage refers to. Raises where it is not here, or may not be a server."""
        return self.address(value, stage.references()[field], here=field in stage.kept_here())

    def check_key(self, address: str) -> None:
        """Raise where an address is a server's, and its key is not where the settings say."""
        if self.is_endpoint(address):
            serving.endpoint(self.store, address).api_key()

    def address(self, value: str, kind: str, *, here: bool = False) -> str:
        """The address that a reference means; an endpoint stays as it is, unless the model must be ``here``.

        A model of the catalogue that is not here is not fetched: only a command that pulls asks another machine.
        """
        if kind == "model" and self.is_endpoint(value):
            serving.endpoint(self.store, value)  # it says which model to ask
            if here:
                message = _("{value!r} is a server, and this needs a model whose weights are here")
                raise TuneloopError(
                    message.format(value=value), hint=_("See: tuneloop ls model, and tuneloop models ls")
                )
            return value
        try:
            return str(self.store.artifacts.resolve(value, kind))
        except NotFound as missing:
            if kind != "model" or ":" in value.removeprefix("model:"):
                raise self._nowhere(missing) from None
            raise self._nowhere(serving.missing_model(self.store, value.removeprefix("model:"))) from None

    def _nowhere(self, missing: NotFound) -> NotFound:
        """What is missing because there is no workspace it could be in: that is said too."""
        if not self.absent or isinstance(missing, serving.NotPulled):
            return missing
        message = _("{missing}: there is no workspace at {path}")
        return NoWorkspace(message.format(missing=missing.message, path=self.absent.where), hint=self.absent.hint)

    def is_endpoint(self, value: str) -> bool:
        return value.startswith(("http://", "https://")) or value in self.store.settings.endpoints

    def runnable(self, address: str, *, watch: Watcher | None = None) -> str:
        """The address of a model that an engine can load: where none can as it is, its GGUF, made once and kept."""
        made_by = serving.made_loadable(self.store, address)
        if made_by is None:
            return address
        return str(self.run(find_stage(made_by.stage).model_validate(made_by.fields), watch=watch).address)

    # -- what is there ----------------------------------------------------------------------------------------

    def artifact(self, ref: str) -> Artifact:
        """What is known of an artifact: a name, an address, or the beginning of one. Raises ``NotFound``."""
        return self.store.artifacts.get(self.store.artifacts.resolve(ref))

    def table(self, ref: str, name: str) -> pa.Table:
        """A table of an artifact, whole in memory. Raises ``NotFound`` with the tables there are.

        ``table("dataset:help", "examples").to_pandas()`` is a data frame, where pandas is installed.
        """
        import pyarrow.parquet as pq

        address = self.store.artifacts.resolve(ref)
        return pq.read_table(tables.open_table(self.store.artifacts.path(address), name).path)

    # -- submitting and running -------------------------------------------------------------------------------

    def key(self, stage: Stage, params: dict[str, Any]) -> str:
        """What makes two runs the same work: stage, version, inputs, parameters and the bytes of outside files."""
        outside = stage.fingerprint() if stage.reuse else secrets.token_hex(16)
        mine = self.store.scope.project
        project = [] if mine == FIRST else [mine]  # which works in folders of its own
        text = json.dumps([stage.name, stage.version, params, outside, *project], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def submit(self, stage: Stage, *, name: str = "", rerun: bool = False) -> RunResult:
        """Queue a stage (or find that it is done, or under way) and return at once. It is wanted until ``cancel``."""
        work = self._work(stage, name)
        self._outlive_cancelled(work.key, SOON)
        with self.watchers.alone():
            result = self._queue(work, rerun=rerun)
            if result.state in LIVE:
                self.watchers.wish(result.run).touch()
        self._withdraw_superseded(work, result.run)
        return result

    def _withdraw_superseded(self, work: Work, by: str) -> None:
        """End the runs that were to give their output the name which is asked of another now, and that nobody wants."""
        for row in self.store.runs.superseded(work.stage.makes, work.tag, by) if work.tag else ():
            with self.watchers.alone():
                if self._is_wanted(row):
                    continue
                why = _("withdrawn: {name} is asked of the run {run} now, and nobody waits for this one")
                self.store.runs.cancel(row.id, why=why.format(name=f"{work.stage.makes}:{work.tag}", run=by))

    def _is_wanted(self, row: Any) -> bool:
        """Whether a living command waits for a run, or it was queued to stay. To be asked alone.

        Who waits on another machine is not seen here; that somebody executes it there for them is.
        """
        watched = self.watchers.living(row.key) or self.watchers.wish(row.id).exists()
        return watched or self.store.runs.is_elsewhere(self.store.runs.get(row.id))

    def _work(self, stage: Stage, name: str) -> Work:
        if name := composed(name or stage.default_name()):
            self.store.artifacts.check_free(stage.makes, name)  # now, and not when the work is done
        params = self.resolve(stage)
        return Work(stage, params, self.key(stage, params), name)

    def _queue(self, work: Work, *, rerun: bool) -> RunResult:
        stage, params, tag = work.stage, work.params, work.tag
        if not rerun:
            for row in self.store.runs.finished(work.key):
                address = Address.parse(row.output)
                with contextlib.suppress(NotFound):  # it was removed, maybe just now
                    self.store.artifacts.path(address)
                    moved = self.store.artifacts.tag(tag, address) if tag else None
                    result = self.result(row.id, reused=True, tag=tag)
                    result.moved = moved
                    return result
        references = stage.references()
        inputs = [(f, v) for f in references for v in listed(params[f]) if ":" in v and not self.is_endpoint(v)]
        run = self.store.runs.submit(
            stage=stage.name, stage_version=stage.version, params=params, typed=stage.model_dump(mode="json"),
            key=work.key, tag=tag, inputs=inputs, makes=stage.makes,
        )  # fmt: skip
        return self.result(run, tag=tag)

    def run(self, stage: Stage, *, name: str = "", rerun: bool = False, watch: Watcher | None = None) -> RunResult:
        """Run a stage to its end in a child process. Raises ``TuneloopError`` where it fails, with its reason.

        ``watch`` is told how far it is; where nobody watches, a notebook shows it.
        """
        work = self._work(stage, name)
        try:
            with self.watchers.watching(work.key) as me:  # before it is queued, so that no worker takes it
                self._outlive_cancelled(work.key)
                result = self._queue(work, rerun=rerun)
                self._withdraw_superseded(work, result.run)
                if result.state != "done":
                    line = None if watch else notebook.line()
                    self._follow(result.run, me, watch=line.watch if line else watch)
                    result = self.result(result.run, tag=work.tag)  # shared, maybe, with who named its output otherwise
                    if line:
                        line.end(result.stage, result.state, result.seconds)
        except KeyboardInterrupt:
            self._leave_to_nobody(work.key)
            raise
        if result.state == "cancelled":
            raise Cancelled(_("the run was cancelled"), where=stage.name)
        if result.state != "done":
            raise StageFailed(result)
        return result

    def _outlive_cancelled(self, key: str, seconds: float = math.inf) -> None:
        """Wait until a run of the same work that was told to stop has ended: who asks now does not mean that one."""
        deadline = time.monotonic() + seconds
        while run := self.store.runs.stopping(key):
            self.store.runs.cancel(run)  # ends it at once where its process is dead
            if time.monotonic() > deadline:
                raise Conflict(
                    _("the same work is just being cancelled, as run {run}").format(run=run),
                    hint=_("Try again in a moment."),
                )
            time.sleep(0.1)

    def _follow(self, run: str, me: Path, *, watch: Watcher | None) -> None:
        """Watch a run until it ends; start it, or take it up again, where no living process has it.

        Ctrl-C cancels it, unless somebody else wants it: then it is given back, for whoever that is to continue.
        """
        child: Taker | None = None
        began = time.monotonic()
        try:
            while True:
                row = self.store.runs.get(run)
                if row.state not in LIVE:
                    break
                if child is not None and child.process.poll() is not None:
                    self.mark_dead(run, child)
                    child = None
                elif child is None and (row.state == "queued" or self.store.runs.is_abandoned(row)):
                    child = Taker.of(start_run(self.store, run), row, self.store.folder)
                if watch:
                    watch({"run": run, "stage": row.stage, "progress": row.progress, "metrics": row.metrics})
                time.sleep(0.1 if time.monotonic() - began < 3 else 0.25)
            self.watchers.wish(run).unlink(missing_ok=True)
            if child is not None:  # the run is recorded; what its process still does cannot matter
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.process.wait(STOP)
        except KeyboardInterrupt:
            self._leave(run, me, child.process if child else None)
            raise
        finally:
            if child is not None and child.process.poll() is None:
                kill_groups([child.process])

    def _leave_to_nobody(self, key: str) -> None:
        """Interrupted before we followed a run, or while: who left it meanwhile may have counted on us to go on."""
        row = self.store.runs.live(key)
        if row and not row.cancel:
            self._leave(row.id, None, None)

    def _leave(self, run: str, me: Path | None, child: subprocess.Popen[bytes] | None) -> None:
        """Cancel the run, unless somebody else wants it: then whoever that is continues it where our child stops."""
        row = self.store.runs.get(run)
        with self.watchers.alone():
            if me:
                me.unlink(missing_ok=True)
            if self._is_wanted(row):
                return
            self.store.runs.cancel(run)
        deadline = time.time() + STOP
        while self._is_held(run, child) and time.time() < deadline:
            with contextlib.suppress(KeyboardInterrupt):
                time.sleep(0.1)
        if child is not None:
            kill_groups([child])
        self.store.runs.finish(run, self.store.runs.get(run).attempts, "cancelled")

    def _is_held(self, run: str, child: subprocess.Popen[bytes] | None) -> bool:
        """Whether a process still works on the run: our child, or that of a watcher who left just before."""
        if child is not None:
            return child.poll() is None
        row = self.store.runs.get(run)
        return row.state == "running" and not self.store.runs.is_abandoned(row)

    def cancel(self, run: str) -> str:
        """Ask a run to stop, whoever wants it. Returns the state it is in now."""
        row = self.store.runs.get(run)
        self.watchers.wish(row.id).unlink(missing_ok=True)
        return self.store.runs.cancel(row.id)

    def mark_dead(self, run: str, child: Taker) -> None:
        """A child that ended without a word: say what is known of it. One that found the run taken just leaves."""
        row, code = self.store.runs.get(run), child.process.returncode
        if not child.left(row):
            return
        if code == -signal.SIGKILL:
            message = _("the process was killed by the system, most likely because memory ran out")
            error = failure(TuneloopError(message))
        elif code == errno.ENOSPC:
            error = failure(disk_full(self.store.folder))
        else:
            log = self.store.logs / f"run-{run}.log"
            message = _("the process ended with status {code}; its output is in {log}").format(code=code, log=log)
            error = failure(TuneloopError(message)) | {"kind": "bug"}
        with self.store.making_room():
            self.store.runs.finish(run, row.attempts, "failed", error=error)

    def result(self, run: str, *, reused: bool = False, tag: str | None = None) -> RunResult:
        """The result of a run as the database has it."""
        row = self.store.runs.get(run)
        result = self.results([row], tag=tag)[0]
        result.reused = reused
        account(self.store, result, NAMED)
        return result

    def results(self, rows: Sequence[Any], *, tag: str | None = None) -> list[RunResult]:
        """The results of many runs, given their rows, with two more queries. ``tag``: the name in question, if not
        the one that each was first asked to give."""
        outputs = {row.id: Address.parse(row.output) for row in rows if row.output}
        summaries = self.store.artifacts.summaries(outputs.values())
        moves = self.store.artifacts.moves(outputs)
        results = [
            RunResult(
                run=row.id, stage=row.stage, state=row.state, output=row.output, metrics=row.metrics or {},
                seconds=round(row.seconds, 3), error=(row.error or {}).get("message"),
                summary=(row.summary or summaries.get(outputs[row.id], {})) if row.output else {},
                tag=row.tag if tag is None else tag, moved=moves.get((row.id, row.tag if tag is None else tag)),
                bug=(row.error or {}).get("kind") == "bug",
            )
            for row in rows
        ]  # fmt: skip
        for result in results:
            account(self.store, result, 0)
        return results


@contextlib.contextmanager
def looked_into() -> Iterator[Workspace]:
    """The workspace that is there, to look up in it what a command was given before anything is made.

    Where none is yet, an empty one that is gone afterwards: of what is looked up in that, ``NoWorkspace`` is said.
    """
    try:
        workspace = Workspace(create=False)
    except NoWorkspace as absent:
        with TemporaryDirectory() as folder:
            workspace = Workspace(folder)
            workspace.store.settings = load_settings(find_workspace()).model_copy(update={"database": ""})
            workspace.absent = absent
            yield workspace
        return
    yield workspace


def workspace_for(stage: Stage, name: str = "") -> Workspace:
    """The workspace that a stage is to work in; none is made where the stage cannot be begun."""
    with looked_into() as workspace:
        if not workspace.absent:
            return workspace
        workspace.check(stage, name)
    return Workspace()


class StageFailed(TuneloopError):
    """A run ended badly. ``result.error`` has the line; ``bug`` says whether it is the program's fault."""

    def __init__(self, result: RunResult) -> None:
        if package := STAGES.package(result.stage):
            said = _("This is a bug of the package {package}, not of Tuneloop; more is shown by: tuneloop show {run}")
            hint = said.format(package=package, run=result.run)
        else:
            hint = _("This is a bug of Tuneloop; more is shown by: tuneloop show {run}").format(run=result.run)
        super().__init__(result.error or result.state, hint=hint if result.bug else "")
        self.result, self.bug = result, result.bug


def start_run(store: Store, run: str, **more: str) -> subprocess.Popen[bytes]:
    """Start the child process that executes a run. It lives in a process group of its own, and dies with us.

    ``more`` is added to its environment.
    """
    log = permissions.open_append(store.logs / f"run-{run}.log")
    path = os.pathsep.join(filter(None, (processes.PACKAGE_ROOT, os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "HF_HUB_DISABLE_TELEMETRY": "1", **more}
    environment.setdefault("GOMP_SPINCOUNT", "1000")  # threads that spin starve each other where cores are shared
    try:
        return subprocess.Popen(
            processes.module_command("tuneloop.execution", str(store.root), run),
            stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, env=environment, cwd=store.root,
            umask=permissions.UMASK,
        )  # fmt: skip
    finally:
        log.close()


def kill_groups(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """End children with all that they started, at once."""
    for child in children:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGTERM)
    deadline = time.monotonic() + 10  # a busy machine needs some seconds to give a run back
    for child in children:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(max(0.0, deadline - time.monotonic()))
    for child in children:
        processes.kill_group(child.pid)
        child.wait()
