"""Execute one run: what the child process does that ``runner`` starts.

It claims the run, gives the stage its ``Context``, beats while the stage works, and records how it ended. A finished
folder is sealed before it is moved in as an artifact, so that a kill at any moment loses and repeats nothing.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from tuneloop import logbook, processes, serving
from tuneloop.address import Address
from tuneloop.errors import Cancelled, TuneloopError, failure
from tuneloop.kinds import REJECTED
from tuneloop.language import _, stored
from tuneloop.machine import tree_memory
from tuneloop.registry import find_stage
from tuneloop.rows.aside import Aside
from tuneloop.runner import StageFailed, Workspace
from tuneloop.settings import describe_invalid, use_language
from tuneloop.store.artifacts import MANIFEST, json_safe, write_durably
from tuneloop.store.database import DiskFull, disk_full, fixable
from tuneloop.store.holder import RunLost
from tuneloop.store.room import Reserve, is_full
from tuneloop.store.scope import EVERYTHING, Scope
from tuneloop.store.workbench import KEPT, bench, clear, take_over

BEAT = 1.0  # seconds between heartbeats
SEALED = "sealed.json"  # in the scratch folder: the work is done, by which run, its address, and what is said of it
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}  # nobody was asked to ask


class RunContext:
    """The ``Context`` that a stage sees: it writes progress to the database, and stops when it is cancelled."""

    def __init__(self, workspace: Workspace, run: str, key: str, attempt: int = 1) -> None:
        self.workspace, self.store, self.run, self.attempt = workspace, workspace.store, run, attempt
        self.scratch = bench(self.store.scratch(key), run, attempt)
        self.out = self.scratch / "out"
        done = workspace.store.runs.finished(key)
        self.again = any(self.store.artifacts.exists(Address.parse(row.output)) for row in done)
        self.aside = Aside(self.scratch / "aside")
        self.brought = False  # what the stage sets aside counts as lost where it does not say
        self.values: dict[str, float] = {}
        self.state: dict[str, Any] = {}
        self.points: list[tuple[str, float, int | None, float]] = []
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.peak = 0  # bytes: the most that this process and all that it started have held together
        self.phase("")
        self.spare = Reserve(self.scratch / "spare")  # so that the reason can be recorded on a full disk

    def begin(self) -> None:
        """Take over what the attempt before this one kept. Raises ``RunLost`` where there is a newer one."""
        take_over(self.store.engine, self.scratch.parent, self.run, self.attempt)

    def make_room(self) -> None:
        """Give up what is not needed to continue: the spare bytes, and output that is made anew anyway."""
        self.spare.give_up()
        self.aside.drop()
        if not (self.scratch / SEALED).is_file():
            shutil.rmtree(self.out, ignore_errors=True)

    def path(self, ref: str) -> Path:
        return self.store.artifacts.path(Address.parse(ref))

    def summary(self, ref: str) -> dict[str, Any]:
        return self.store.artifacts.get(Address.parse(ref)).summary

    def progress(self, done: float, total: float | None = None, unit: str = "") -> None:
        with self.lock:
            if self.state["start"] is None or done < self.state["start"]:
                self.state.update(start=done, since=time.time())  # what an earlier attempt did is not of this rate
            self.state.update(done=done, total=total, unit=unit or self.state["unit"])

    def phase(self, name: str) -> None:
        with self.lock:
            self.state = {"phase": name, "done": 0, "total": None, "unit": "", "start": None, "since": time.time()}

    def metric(self, name: str, value: float, step: int | None = None) -> None:
        with self.lock:
            self.values[name] = float(value)
            self.points.append((name, float(value), step, time.time()))

    def reject(self, where: str, reason: str, row: object = "", *, lost: bool | None = None) -> None:
        text = row if isinstance(row, str) else json.dumps(row, ensure_ascii=False, default=str)
        lost = self.brought if lost is None else lost
        self.aside.add(where, reason, text, lost=lost)

    def checkpoint(self, key: str) -> Path:
        path = self.scratch / KEPT / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @contextmanager
    def chat(self, model: str, **options: Any) -> Iterator[Any]:
        from tuneloop.chat import ChatClient

        runnable = model if self.workspace.is_endpoint(model) else self.runnable(model)
        with serving.engine(self.store, runnable, log=f"engine-{self.run}") as engine:
            if engine.context_per_request:
                options["context_length"] = engine.context_per_request
            called = engine.model or engine.card.source or "model"
            prompt = engine.card.system_prompt or None
            yield ChatClient(engine.base_url, called, engine.key, system_prompt=prompt, **options)

    @contextmanager
    def gateway(self, model: str, knowledge: str | None = None) -> Iterator[str]:
        with serving.gateway(self.store, self.runnable(model), knowledge, log=f"gateway-{self.run}") as url:
            yield url

    def runnable(self, model: str) -> str:
        """The address of a model that the engine can load."""
        self.phase(stored("preparing the model for the engine"))
        return self.workspace.runnable(self.workspace.address(model, "model"))

    def beat(self) -> bool:
        """Publish what is new; True when the user has cancelled. Raises ``RunLost`` where the run is another's now."""
        with self.lock:
            points, state, values = list(self.points), dict(self.state), dict(self.values)
        cancelled = self.store.runs.beat(self.run, self.attempt, state, values, points)
        with self.lock:
            del self.points[: len(points)]
        return cancelled

    def heart(self) -> None:
        """Beat until the run has ended. A cancel reaches the main thread as SIGTERM, in whatever it is doing.

        A run that is another's now is left at once, with all that was started for it: both would write one folder.
        """
        told = False
        while not self.ended.wait(BEAT):
            try:
                self.peak = max(self.peak, tree_memory(os.getpid()))
                if self.beat() and not told:
                    told = True
                    os.kill(os.getpid(), signal.SIGTERM)
            except RunLost:
                if self.ended.is_set():
                    return
                with contextlib.suppress(OSError):  # the log may have no room
                    print("another process has this run now", file=sys.stderr, flush=True)
                processes.kill_group(os.getpid())
                os._exit(1)
            except Exception as error:  # the database may be busy or gone; the lease outlives some lost beats
                logbook.report(error)


def execute(root: Path, run: str) -> int:
    """Claim a run and do it. The exit status of the child process."""
    logbook.keep_private()
    processes.follow_parent()
    use_language(root)
    early: list[int] = []  # a cancel that comes before there is somebody to give a claimed run back
    signal.signal(signal.SIGTERM, lambda number, _frame: early.append(number))  # a mask would hold for one thread alone
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal is the watcher's to handle
    workspace = Workspace(root).within(EVERYTHING)
    attempt = workspace.store.runs.claim(run)
    if not attempt:
        return 0
    row = workspace.store.runs.get(run)
    workspace = workspace.within(Scope.of(row))  # what it makes is of the project that asked for it
    if not find_stage(row.stage).asks_hubs:
        os.environ.update(OFFLINE)
    ctx = RunContext(workspace, run, row.key, attempt)
    threading.Thread(target=ctx.heart, daemon=True).start()
    with contextlib.suppress(RunLost):
        ctx.begin()
        return carry_out(ctx, row, early)
    return 1


def attempt_run(root: Path, run: str) -> int:
    """``execute``; ``ENOSPC`` where the disk is so full that the run could not even say so."""
    try:
        return execute(root, run)
    except (DBAPIError, OSError, DiskFull) as error:
        if isinstance(error, DiskFull) or isinstance(fixable(error, root), DiskFull):
            return errno.ENOSPC
        raise


def carry_out(ctx: RunContext, row: Any, early: list[int]) -> int:
    """Do the work of a claimed run and record how it ended. Raises ``RunLost``."""
    try:
        signal.signal(signal.SIGTERM, raise_cancelled)
        for number in early:
            raise_cancelled(number, None)
        ctx.spare.fill()
        if not is_sealed(ctx):
            (ctx.scratch / SEALED).unlink(missing_ok=True)
            shutil.rmtree(ctx.out, ignore_errors=True)
            ctx.out.mkdir()
            stage = find_stage(row.stage).model_validate(row.params)
            ctx.brought = stage.brought
            seal(ctx, row.stage, stage.run(ctx))
        keep(ctx)
        return 0
    except Cancelled:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if ctx.store.runs.get(ctx.run).cancel:
            end(ctx, "cancelled")
        else:  # whoever watched is gone, and nobody has asked to stop: the next to ask for this work continues it
            ctx.ended.set()
            ctx.store.runs.release(ctx.run, ctx.attempt)
    except RunLost:
        raise
    except TuneloopError as error:
        bug_inside = isinstance(error, StageFailed) and error.bug  # of a stage that this one needed
        end(ctx, "failed", failure(error) | {"kind": "bug" if bug_inside else "user"})
    except ValidationError as error:
        end(ctx, "failed", failure(TuneloopError(describe_invalid(error))))
    except MemoryError:
        end(ctx, "failed", failure(TuneloopError(_("memory ran out"))) | {"traceback": traceback.format_exc()})
    except Exception as error:
        known, full = fixable(error, ctx.store.folder), is_full(ctx.store.folder)
        ctx.make_room()  # on a full disk the reason could not be recorded otherwise
        reason = failure(known) if known else bug(error)
        if not known and full:  # a library's own words for it, most likely; what they were is kept
            reason |= failure(disk_full(ctx.store.folder))
        end(ctx, "failed", reason)
    return 1


def bug(error: BaseException) -> dict[str, str]:
    logbook.report(error)
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return {"message": message, "kind": "bug", "traceback": traceback.format_exc()}


def seal(ctx: RunContext, stage: str, summary: dict[str, Any] | None) -> None:
    """Say that the work is done. Killed after this, the run ends with what is there, and repeats nothing."""
    summary = dict(summary or {})
    if ctx.aside:
        # What can be looked at is counted, whatever a stage has counted of it.
        summary["rejected"] = REJECTED.write(ctx.out, ctx.aside.rows())
        if ctx.aside.lost:
            summary["lost"] = ctx.aside.lost
    kind = find_stage(stage).makes
    address = ctx.store.artifacts.seal(kind, ctx.out, summary)
    sealed = {"address": str(address), "run": ctx.run, "summary": json_safe(summary)}
    write_durably(ctx.scratch / SEALED, json.dumps(sealed, ensure_ascii=False))


def is_sealed(ctx: RunContext) -> bool:
    """Whether the work is done, here or already moved in. A run that ended leaves nothing for another to end with."""
    try:
        sealed = json.loads((ctx.scratch / SEALED).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    moved = ctx.store.artifacts.exists(Address.parse(sealed["address"]))
    return (ctx.out / MANIFEST).is_file() or (moved and sealed.get("run") == ctx.run)


def keep(ctx: RunContext) -> None:
    """Move the sealed folder in as an artifact, name it, and end the run."""
    sealed = json.loads((ctx.scratch / SEALED).read_text(encoding="utf-8"))
    address = Address.parse(sealed["address"])
    ctx.store.artifacts.adopt(address, ctx.out, ctx.run, ctx.attempt)
    ctx.metric("peak_memory_mib", round(max(ctx.peak, largest_process()) / 2**20, 1))
    end(ctx, "done", output=str(address), summary=sealed.get("summary"))
    clear(ctx.scratch)


def largest_process() -> int:
    """Bytes: the peak of this process; off Linux also of the largest that it started and that has ended.

    Linux carries the peak of whoever started a process over to it in ``getrusage``, but not in ``VmHWM``.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="utf-8", errors="replace").splitlines()
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return peak * (1024 if sys.platform == "linux" else 1)


def end(
    ctx: RunContext, state: str, error: dict[str, Any] | None = None, output: str | None = None,
    summary: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    ctx.ended.set()
    if state != "done" and is_full(ctx.store.folder):
        ctx.make_room()
    try:
        ctx.beat()
    finally:
        ctx.store.runs.finish(ctx.run, ctx.attempt, state, output=output, error=error, summary=summary)
        ctx.aside.drop()


def raise_cancelled(signum: int, frame: object) -> None:
    raise Cancelled(_("the run was cancelled"))


if __name__ == "__main__":
    sys.exit(attempt_run(Path(sys.argv[1]), sys.argv[2]))
