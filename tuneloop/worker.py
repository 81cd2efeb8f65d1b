"""A worker takes queued runs, and runs whose process is dead, and executes several at once, as far as they fit.

The oldest comes first. A younger one that fits goes before an older one that does not, but not for ever: once the
oldest has waited for ``PATIENCE``, what ends makes room for it alone.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tuneloop import runner
from tuneloop.address import Address
from tuneloop.machine import available_memory, tree_memory
from tuneloop.registry import find_stage, targets
from tuneloop.resources import Resources, Room, Share
from tuneloop.runner import STOP, Workspace
from tuneloop.store.runs import LIVE
from tuneloop.store.scope import EVERYTHING

PATIENCE = 600.0  # seconds that the oldest run lets others pass
LOOKED_AT = 200  # runs that have to wait, of which a worker asks again each time whether they fit


@dataclass
class Child:
    """A run that is executed here."""

    taker: runner.Taker
    share: Share
    wanted: contextlib.ExitStack  # we wait for it as a command does: one that joins and leaves does not end it
    ended: float = 0.0  # when the run was seen to be over while its process was not

    @property
    def process(self) -> subprocess.Popen[bytes]:
        return self.taker.process


@dataclass
class Worker:
    """The runs that one process executes."""

    workspace: Workspace
    room: Room = field(default_factory=Room)
    children: dict[str, Child] = field(default_factory=dict)
    needs: dict[str, Resources] = field(default_factory=dict)  # of the runs that wait
    first: tuple[str, float] = ("", 0.0)  # the oldest that has to wait, and since when

    def work(self, *, once: bool, poll: float) -> None:
        """Until interrupted, or ``once`` until there is nothing to take. What is under way then is given back."""
        try:
            while True:
                ended = self.bury()
                taken = self.take()
                if once and not (ended or taken or self.children):
                    return
                time.sleep(min(poll, 0.1) if self.children else poll)
        finally:
            runner.kill_groups([child.process for child in self.children.values()])
            for child in self.children.values():
                child.wanted.close()

    def bury(self) -> int:
        """Say what is known of the children that have ended. How many there were."""
        over = [run for run, child in self.children.items() if self.is_over(run, child)]
        for run in over:
            child = self.children.pop(run)
            self.workspace.mark_dead(run, child.taker)
            child.wanted.close()
            if self.workspace.store.runs.get(run).state not in LIVE:
                self.workspace.watchers.wish(run).unlink(missing_ok=True)
        return len(over)

    def is_over(self, run: str, child: Child) -> bool:
        if child.process.poll() is not None:
            return True
        if not child.ended and self.workspace.store.runs.get(run).state not in LIVE:
            child.ended = time.monotonic()
        if child.ended and time.monotonic() - child.ended > STOP:  # its run is recorded; what it still does is nothing
            runner.kill_groups([child.process])
            return True
        return False

    def take(self) -> int:
        """Start the runs that fit, the oldest first. How many these are."""
        taken, waits, free = 0, dict[str, Resources](), available_memory()
        for row in self.workspace.store.runs.waiting():
            if row.id in self.children or row.stage not in targets() or is_watched(self.workspace, row.key):
                continue
            needed = self.needs.get(row.id) or needed_by(self.workspace, row)
            share = self.room.share(needed, self.shares(), free)
            if share:
                visible = {"CUDA_VISIBLE_DEVICES": ",".join(share.gpus)} if share.gpus else {}
                wanted = contextlib.ExitStack()
                wanted.enter_context(self.workspace.watchers.watching(row.key))
                process = runner.start_run(self.workspace.store, row.id, **visible)
                taker = runner.Taker.of(process, row, self.workspace.store.folder)
                self.children[row.id] = Child(taker, share, wanted)
                taken += 1
            else:
                waits[row.id] = needed
            if waits and (len(waits) >= LOOKED_AT or self.is_impatient(next(iter(waits)))):
                break
        self.needs = waits
        return taken

    def is_impatient(self, oldest: str) -> bool:
        """Whether the oldest run that has to wait lets no other pass any more."""
        if self.first[0] != oldest:
            self.first = (oldest, time.monotonic())
        return time.monotonic() - self.first[1] > PATIENCE

    def shares(self) -> list[Share]:
        return [replace(child.share, used=tree_memory(child.process.pid)) for child in self.children.values()]


def needed_by(workspace: Workspace, row: Any) -> Resources:
    """What a queued run needs; of one that cannot be begun its child will say why."""

    def path(ref: str) -> Path:
        return workspace.store.artifacts.path(Address.parse(ref))

    stage = find_stage(row.stage)
    try:
        return stage.model_validate(row.params).needed(path)
    except Exception:  # a broken model or package ends its own run, and no worker
        return stage.resources


def is_watched(workspace: Workspace, key: str) -> bool:
    """Whether a living command waits for this work: it executes it itself, with its own environment."""
    with workspace.watchers.alone():
        return workspace.watchers.living(key)


def work(workspace: Workspace, *, once: bool = False, poll: float = 0.5, runs: int = 0) -> None:
    """Take queued runs, and runs whose process died, of all projects, until interrupted; ``runs`` at a time, 0 for
    as many as fit.
    """
    Worker(workspace.within(EVERYTHING), Room(runs=runs)).work(once=once, poll=poll)
