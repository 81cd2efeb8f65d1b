"""Workers: several runs at once by what they need, on machines that look alike, and wishes that nobody has any more."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from conftest import schema_of
from test_runner import alive, wait_for
from toystage import Count

from tuneloop import runner
from tuneloop.errors import Conflict
from tuneloop.execution import RunContext
from tuneloop.resources import LEARNING, MIB, Resources, Room, Share
from tuneloop.runner import Workspace
from tuneloop.settings import Settings
from tuneloop.store import Store, holder
from tuneloop.store.database import runs, wanted_names
from tuneloop.store.holder import RunLost
from tuneloop.store.leftovers import Leftovers
from tuneloop.store.runs import LEASE, LIVE
from tuneloop.store.workbench import take_over
from tuneloop.worker import Worker, needed_by, work

SHIFTED = """import os, time
real = time.time
time.time = lambda: real() + float(os.environ["SHIFT"])
"""
APART = ("unshare", "--pid", "--fork", "--mount-proc", "--uts", "--kill-child")


def can_be_apart() -> bool:
    try:
        return subprocess.run([*APART, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


apart = pytest.mark.skipif(not can_be_apart(), reason="only root makes spaces of process ids")


@pytest.fixture(params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Workspace:
    """A workspace that several machines share, on either database."""
    root = tmp_path / "workspace"
    if request.param == "postgres":
        root.mkdir()
        url = schema_of(request.getfixturevalue("postgres"), "workers")
        (root / "tuneloop.toml").write_text(f"database = {json.dumps(url)}\n")
    return Workspace(root)


class Machine:
    """A worker with process ids of its own, the hostname that all have, and a clock that is wrong.

    File locks are its own as well: two kernels share none, and here they would hide who takes a live run.
    """

    def __init__(self, workspace: Workspace, folder: Path, shift: float) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "sitecustomize.py").write_text(SHIFTED)
        path = os.pathsep.join([str(folder), os.environ["PYTHONPATH"]])
        more = {"SHIFT": str(shift), "PYTHONPATH": path, "TOY_LOG": str(folder.parent / "log")}
        own = f"echo twin > /proc/sys/kernel/hostname && mount -t tmpfs tmpfs {workspace.watchers.folder}"
        script = f"{own} && exec {sys.executable} -m tuneloop -w {workspace.store.root} worker --runs 2"
        self.process = subprocess.Popen([*APART, "sh", "-c", script], env=os.environ | more, stderr=subprocess.DEVNULL)
        self.first = wait_for(self.children)[0]  # the first process of the space: the kernel ends all others with it
        self.space = space = str(Path(f"/proc/{self.first}/ns/pid").readlink())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(holder, "process_space", lambda: space)
            self.place = holder.place(workspace.store.folder)

    def children(self) -> list[int]:
        return [int(n) for n in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()]

    def kill(self) -> None:
        """All its processes at once, as when power fails: none sees that another has gone, and gives its run back."""
        for pid in sorted(self.inside(), key=lambda pid: pid != self.first):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        os.kill(self.first, signal.SIGKILL)
        self.process.wait(10)

    def inside(self) -> list[int]:
        """The ids, as we see them, of all its processes."""
        found = []
        for path in Path("/proc").glob("[0-9]*/ns/pid"):
            with suppress(OSError):
                if str(path.readlink()) == self.space:
                    found.append(int(path.parts[2]))
        return found


def left_by(workspace: Workspace, place: str) -> set[tuple[str, int]]:
    """The runs and attempts that a dead machine has, once all that it sent to the database is through."""
    with workspace.store.engine.begin() as connection:
        if connection.dialect.name == "postgresql":  # its last commit may arrive after its death
            connection.execute(sa.text("LOCK TABLE runs IN EXCLUSIVE MODE"))
        held = sa.select(runs.c.id, runs.c.attempts).where(runs.c.state == "running", runs.c.place == place)
        return set(connection.execute(held).tuples())


def lease_runs_out(workspace: Workspace, place: str) -> None:
    """Twenty seconds after that place has gone silent."""
    with workspace.store.engine.begin() as connection:
        gone = (runs.c.state == "running", runs.c.place == place)
        connection.execute(runs.update().where(*gone).values(lease=runs.c.lease - LEASE))


@apart
def test_machines_that_look_alike_do_no_work_twice_and_lose_none(shared: Workspace, tmp_path: Path) -> None:
    """One hostname, the same process ids, clocks two minutes apart; three times one of them loses power at work."""
    queued = [shared.submit(Count(to=20 + n, pause=0.05)).run for n in range(20)]
    shifts = (60.0, -60.0)
    lost: set[tuple[str, int]] = set()  # attempts
    machines = [Machine(shared, tmp_path / f"m{n}", shift) for n, shift in enumerate(shifts)]
    try:
        for victim in (0, 1, 0):
            wait_for(lambda: both_at_work(shared, machines), 60)
            machines[victim].kill()
            lost |= left_by(shared, machines[victim].place)
            lease_runs_out(shared, machines[victim].place)
            machines[victim] = Machine(shared, tmp_path / f"m{victim}", shifts[victim])
        wait_for(lambda: not any(shared.store.runs.recent(state=state) for state in LIVE), 120)
    finally:
        for machine in machines:
            machine.kill()
    rows = [shared.store.runs.get(run) for run in queued]
    assert {row.state for row in rows} == {"done"}, [row.error for row in rows]
    for number, row in enumerate(rows):
        text = (shared.store.artifacts.path(shared.result(row.id).address) / "numbers.txt").read_text()
        assert text.split() == [str(n) for n in range(20 + number)], "each number once, whoever counted"
    counted = (tmp_path / "log").read_text().split()
    assert len(counted) == len(set(counted)), "nothing was done by two"
    dead = Counter(run for run, _attempt in lost)
    assert {row.id: row.attempts for row in rows} == {run: 1 + dead[run] for run in queued}, "from the dead alone"
    assert lost, "and there were dead"
    assert {row.host for row in rows} == {"twin"}


def both_at_work(workspace: Workspace, machines: list[Machine]) -> bool:
    rows = workspace.store.runs.recent(state="running")
    return {row.place for row in rows} >= {machine.place for machine in machines}


# -- who has a run --------------------------------------------------------------------------------------------------


def queue(store: Store, key: str = "k" * 32, name: str = "") -> str:
    return store.runs.submit(
        stage="count", stage_version=1, params={}, typed={}, key=key, tag=name, inputs=[], makes="documents"
    )


def change(store: Store, run: str, **values: Any) -> None:
    with store.engine.begin() as connection:
        connection.execute(runs.update().where(runs.c.id == run).values(**values))


def test_leases_go_by_the_clock_of_the_database(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run, real = queue(store), time.time
    for shift in (-3600.0, 3600.0):
        monkeypatch.setattr(time, "time", lambda shift=shift: real() + shift)
        attempt = store.runs.claim(run)
        assert attempt
        change(store, run, place="elsewhere")
        assert not store.runs.claim(run) and abs(store.runs.get(run).lease - LEASE - real()) < 5
        store.runs.beat(run, attempt, {}, {})
        change(store, run, lease=store.runs.get(run).lease - LEASE - 1)
    assert store.runs.claim(run) == 3


def test_a_lease_that_was_renewed_meanwhile_is_not_taken(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = queue(store)
    attempt = store.runs.claim(run)
    change(store, run, place="elsewhere", lease=1.0)
    seen = store.runs.get(run)
    store.runs.beat(run, attempt, {}, {})
    monkeypatch.setattr(store.runs, "get", lambda _run: seen)
    assert seen.expired and not store.runs.claim(run)


def test_a_process_is_known_by_when_it_began(store: Store) -> None:
    """Its number alone may be another's by now, as in a container that was started again."""
    run = queue(store)
    assert store.runs.claim(run)
    assert not store.runs.is_abandoned(store.runs.get(run))
    change(store, run, lease=1.0)
    assert not store.runs.is_abandoned(store.runs.get(run)), "it lives, and was only slow"
    change(store, run, begun="1", lease=time.time() + 100)
    assert store.runs.is_abandoned(store.runs.get(run)), "at once, whatever the lease"
    change(store, run, place="elsewhere")
    assert not store.runs.is_abandoned(store.runs.get(run)), "of another place nobody here can tell"


def test_a_copied_workspace_does_not_wait_for_the_processes_of_its_original(tmp_path: Path) -> None:
    original = Store(tmp_path / "original")
    run = queue(original)
    assert original.runs.claim(run)
    change(original, run, lease=1.0)
    original.engine.dispose()
    shutil.copytree(original.root, tmp_path / "copy")
    assert not original.runs.claim(run), "this process has it, and lives"
    assert Store(tmp_path / "copy").runs.claim(run) == 2


def test_a_copy_does_not_write_into_the_database_of_its_original(tmp_path: Path, postgres: str) -> None:
    settings = Settings(database=schema_of(postgres, "copied"))  # type: ignore[call-arg]
    original = Store(tmp_path / "original", settings)
    assert original.runs.recent() == []
    shutil.copytree(original.root, tmp_path / "copy")
    with pytest.raises(Conflict, match="belongs to another workspace"):
        Store(tmp_path / "copy", settings).runs.recent()
    assert Store(original.root, settings).runs.recent() == []
    original.root.rename(tmp_path / "gone")
    shutil.rmtree(tmp_path / "gone")
    assert Store(tmp_path / "copy", settings).runs.recent() == [], "it was a move"


def test_a_run_that_was_lost_is_not_ended_by_the_watcher_of_who_lost_it(workspace: Workspace) -> None:
    """Our child slept past its lease; another machine took the run and gave it back, so that it is queued again."""
    store = workspace.store
    run = queue(store)
    dead = runner.Taker.of(subprocess.Popen(["sh", "-c", "exit 1"]), store.runs.get(run), store.folder)
    dead.process.wait()
    change(store, run, state="running", attempts=2, lease=time.time() + LEASE, started=1.0, place="elsewhere")
    store.runs.release(run, 2)
    workspace.mark_dead(run, dead)
    assert store.runs.get(run).state == "queued"
    change(store, run, attempts=0)
    workspace.mark_dead(run, dead)
    assert store.runs.get(run).state == "failed", "it could not even take the run"


def test_a_number_that_was_given_again_is_no_child_of_ours(workspace: Workspace) -> None:
    """A worker's child left a run to another, whose process now has the number that the child had."""
    store = workspace.store
    run = queue(store)
    living = subprocess.Popen(["sleep", "60"])
    mine = runner.Taker.of(living, store.runs.get(run), store.folder)
    living.kill()
    living.wait()
    held = {"state": "running", "attempts": 1, "lease": time.time() + LEASE, "started": 1.0}
    change(store, run, **held, **(mine.holder.row | {"begun": "1"}))
    workspace.mark_dead(run, mine)
    assert store.runs.get(run).state == "running"
    change(store, run, **mine.holder.row)
    workspace.mark_dead(run, mine)
    assert store.runs.get(run).state == "failed"


def test_a_place_stays_one_when_its_temporary_files_are_cleared(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a worker that lives for weeks would not know its own children, and execute what kills them for ever."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    before = holder.place(store.folder)
    next(tmp_path.glob("tuneloop-machine-*")).unlink()
    code = (
        f"from pathlib import Path; from tuneloop.store.holder import place; print(place(Path({str(store.folder)!r})))"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert before and child != before and holder.place(store.folder) == child


def test_a_run_that_was_told_to_stop_is_not_given_back(store: Store) -> None:
    run = queue(store)
    attempt = store.runs.claim(run)
    assert store.runs.cancel(run) == "running"
    store.runs.release(run, attempt)
    row = store.runs.get(run)
    assert row.state == "cancelled" and row.finished and row.lease is None


# -- what an attempt may write ----------------------------------------------------------------------------------------


def test_an_attempt_that_lost_its_run_writes_nowhere_that_the_next_one_reads(workspace: Workspace) -> None:
    store = workspace.store
    run = queue(store)
    old = RunContext(workspace, run, "k" * 32, store.runs.claim(run))
    old.begin()
    kept = old.checkpoint("numbers")
    kept.write_text("0 1 ")
    change(store, run, place="elsewhere", lease=1.0)
    new = RunContext(workspace, run, "k" * 32, store.runs.claim(run))
    new.begin()
    assert new.checkpoint("numbers").read_text() == "0 1 "
    with pytest.raises(FileNotFoundError):
        kept.write_text("broken")
    old.checkpoint("numbers").write_text("broken")
    assert new.checkpoint("numbers").read_text() == "0 1 "
    with pytest.raises(RunLost):
        old.begin()
    old.out.mkdir()
    (old.out / "numbers.txt").write_text("broken")
    with pytest.raises(RunLost):
        store.artifacts.adopt(store.artifacts.seal("documents", old.out, {}), old.out, run, old.attempt)
    assert store.artifacts.find() == []


def test_an_attempt_that_lost_its_run_adds_nothing_to_its_curves(store: Store) -> None:
    run = queue(store)
    first = store.runs.claim(run)
    change(store, run, place="elsewhere", lease=1.0)
    second = store.runs.claim(run)
    store.runs.beat(run, second, {}, {}, [("loss", 1.0, 7, 0.0)])
    with pytest.raises(RunLost):
        store.runs.beat(run, first, {}, {}, [("loss", 9.0, 7, 0.0)])
    assert store.runs.metrics(run) == {"loss": [(7, 1.0)]}


def test_the_next_run_of_the_same_work_goes_on_where_the_last_one_failed(store: Store) -> None:
    first = queue(store)
    folder = store.scratch("k" * 32)
    (folder / "kept").mkdir()
    (folder / "kept" / "numbers").write_text("0 ")  # as version 0.1 left it
    mine = take_over(store.engine, folder, first, store.runs.claim(first))
    assert (mine / "kept" / "numbers").read_text() == "0 "
    store.runs.finish(first, 1, "failed")
    second = queue(store)
    mine = take_over(store.engine, folder, second, store.runs.claim(second))
    assert (mine / "kept" / "numbers").read_text() == "0 " and list(folder.iterdir()) == [mine]


# -- several at once, the oldest first --------------------------------------------------------------------------------


def test_a_long_training_does_not_block_a_parse(workspace: Workspace) -> None:
    long = workspace.submit(Count(to=2000, pause=0.05, whole=True)).run
    other = workspace.submit(Count(to=2001, pause=0.05, whole=True)).run
    quick = workspace.submit(Count(to=2)).run
    worker = Worker(workspace, Room(cores=2, gpus=()))
    try:
        wait_for(lambda: (worker.bury(), worker.take(), workspace.store.runs.get(quick).state == "done")[-1], 60)
        assert workspace.store.runs.get(long).state == "running" and workspace.store.runs.get(other).state == "queued"
        assert long in worker.children and other not in worker.children
    finally:
        runner.kill_groups([child.process for child in worker.children.values()])
    assert workspace.store.runs.get(long).state == "queued", "it is given back"


def test_every_queued_run_is_found_and_the_oldest_first(store: Store) -> None:
    with store.engine.begin() as connection:
        facts = {"stage": "count", "stage_version": 1, "params": {}, "typed": {}, "tag": "", "seconds": 0.0}
        rows = [
            facts | {"id": f"{n:018}", "key": f"{n:032}", "state": "queued", "created": 1.0 + n // 3, "attempts": 0,
                     "cancel": False}
            for n in range(1100)
        ]  # fmt: skip
        connection.execute(runs.insert(), rows)
    change(store, f"{500:018}", state="running", lease=1.0, place="elsewhere")
    found = list(store.runs.waiting())
    assert [row.created for row in found] == sorted(row.created for row in found)
    assert {row.id for row in found} == {f"{n:018}" for n in range(1100)} and len(found) == 1100
    oldest = store.scratch(f"{0:032}"), store.scratch(f"{1:032}")
    left = Leftovers(oldest[0].parent, store.engine)
    assert not left.old and not left.young, "and gc keeps what the oldest will continue from"


GREEDY, SMALL = Resources(cores=math.inf, memory=0), Resources(memory=0)


@pytest.mark.parametrize(
    ("needed", "given", "gets"),
    [
        (Resources(cores=64, memory=2**50, gpu=9, alone=True), [], ("0", "1")),
        (SMALL, [GREEDY], ()),
        (GREEDY, [SMALL], ()),
        (GREEDY, [GREEDY], None),
        (SMALL, [GREEDY, SMALL, SMALL, SMALL], None),
        (Resources(cores=3, memory=0), [SMALL], ()),
        (Resources(cores=3, memory=0), [GREEDY, SMALL], None),
        (SMALL, [Resources(alone=True)], None),
        (Resources(alone=True), [SMALL], None),
        (Resources(memory=0, gpu=1), [Resources(memory=0, gpu=1)], ("1",)),
        (Resources(memory=0, gpu=2), [Resources(memory=0, gpu=1)], None),
        (Resources(memory=600 * MIB), [Resources(memory=500 * MIB)], None),
        (Resources(memory=400 * MIB), [Resources(memory=500 * MIB)], ()),
    ],
)
def test_what_a_run_gets_beside_others(needed: Resources, given: list[Resources], gets: tuple[str, ...] | None) -> None:
    room, shares = Room(cores=4, gpus=("0", "1")), []
    for one in given:
        shares.append(room.share(one, shares if one.gpu else [], 2**40) or pytest.fail("it had room"))
    share = room.share(needed, shares, 1000 * MIB)
    assert (share.gpus if share else None) == gets


def test_a_training_whose_model_is_unreadable_needs_what_any_does(workspace: Workspace) -> None:
    """That ends its own run with a reason, and not the worker."""
    model = f"model:{'0' * 64}"
    params = {"dataset": [f"dataset:{'0' * 64}"], "model": model}
    run = workspace.store.runs.submit(
        stage="train", stage_version=1, params=params, typed={}, key="t" * 32, tag="", inputs=[]
    )
    assert needed_by(workspace, workspace.store.runs.get(run)) == LEARNING
    folder = workspace.store.artifacts.folder / "model" / ("0" * 64)
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    assert needed_by(workspace, workspace.store.runs.get(run)) == LEARNING


def test_memory_that_a_run_holds_already_is_not_counted_twice() -> None:
    room, big = Room(cores=4, gpus=()), Resources(memory=800 * MIB)
    assert not room.share(big, [Share(big)], 1000 * MIB)
    assert room.share(big, [Share(big, used=700 * MIB)], 1000 * MIB)
    assert not Room(cores=4, gpus=(), runs=1).share(SMALL, [Share(SMALL)], 1000 * MIB)


def test_the_oldest_that_has_waited_long_lets_no_other_pass(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in (1, 2):
        workspace.submit(Count(to=2000 + n, pause=0.05, whole=True))
    workspace.submit(Count(to=2))
    monkeypatch.setattr("tuneloop.worker.PATIENCE", -1.0)
    worker = Worker(workspace, Room(cores=2, gpus=()))
    try:
        assert worker.take() == 1, "the quick one waits as well"
        monkeypatch.setattr("tuneloop.worker.PATIENCE", 600.0)
        assert worker.take() == 1
    finally:
        runner.kill_groups([child.process for child in worker.children.values()])


# -- a wish does not outlive its owner ---------------------------------------------------------------------------------


def orphan(workspace: Workspace, name: str) -> str:
    """A run whose command was killed at work, and its child with it."""
    script = f"""from tuneloop.runner import Workspace; from toystage import Count
Workspace({str(workspace.store.root)!r}).run(Count(to=1000, pause=0.05), name={name!r})"""
    command = subprocess.Popen([sys.executable, "-c", script])
    wait_for(lambda: workspace.store.runs.recent(state="running"))
    (row,) = workspace.store.runs.recent(state="running")
    command.kill()
    command.wait()
    wait_for(lambda: not alive(row.pid))
    return row.id


def test_a_wish_does_not_outlive_its_owner(workspace: Workspace) -> None:
    old = orphan(workspace, "m")
    new = workspace.run(Count(to=3), name="m")
    row = workspace.store.runs.get(old)
    assert row.state == "cancelled" and "documents:m is asked of the run " + new.run in row.error["message"]
    work(workspace, once=True)
    assert workspace.store.runs.get(old).attempts == 1 and workspace.store.runs.get(old).state == "cancelled"
    assert workspace.store.artifacts.resolve("documents:m") == new.address


def test_ctrl_c_of_a_command_leaves_a_run_to_the_worker_that_executes_it(workspace: Workspace) -> None:
    old = orphan(workspace, "m")
    worker = Worker(workspace, Room(cores=2, gpus=()))
    try:
        assert worker.take() == 1
        wait_for(lambda: workspace.store.runs.get(old).state == "running")
        with workspace.watchers.watching(workspace.store.runs.get(old).key) as me:
            workspace._leave(old, me, None)
        assert not workspace.store.runs.get(old).cancel and worker.children[old].process.poll() is None
    finally:
        runner.kill_groups([child.process for child in worker.children.values()])


def test_what_is_executed_on_another_machine_is_wanted_there(workspace: Workspace) -> None:
    """Whoever waits for it there holds a lock that this kernel does not know."""
    run = queue(workspace.store, name="m")
    change(workspace.store, run, state="running", attempts=1, place="elsewhere", pid=1, lease=time.time() + LEASE)
    workspace.submit(Count(to=3), name="m")
    workspace._leave(run, None, None)
    row = workspace.store.runs.get(run)
    assert (row.state, row.cancel) == ("running", False)
    change(workspace.store, run, lease=1.0)
    workspace.submit(Count(to=4), name="m")
    assert workspace.store.runs.get(run).state == "cancelled", "and no longer once its lease has run out"


def test_what_somebody_still_wants_is_not_withdrawn(workspace: Workspace) -> None:
    queued = workspace.submit(Count(to=2), name="m").run
    named_too = queue(workspace.store, "n" * 32, "m")
    with workspace.store.engine.begin() as connection:
        connection.execute(wanted_names.insert().values(run=named_too, name="other", asked=1.0))
    another_kind = queue(workspace.store, "o" * 32, "m")
    change(workspace.store, another_kind, makes="dataset")
    workspace.submit(Count(to=3), name="m")
    states = [workspace.store.runs.get(run).state for run in (queued, named_too, another_kind)]
    assert states == ["queued"] * 3


def test_a_wish_comes_after_all_before_it_whatever_the_clock_says(store: Store) -> None:
    first, second = queue(store, "a" * 32, "d"), queue(store, "b" * 32, "d")
    with store.engine.begin() as connection:
        ahead = time.time() + 3600
        connection.execute(wanted_names.update().where(wanted_names.c.run == first).values(asked=ahead))
    third, fourth = queue(store, "c" * 32, "d"), queue(store, "d" * 32, "d")
    with store.engine.connect() as connection:
        asked = dict(connection.execute(sa.select(wanted_names.c.run, wanted_names.c.asked)).tuples().all())
    assert asked[second] < asked[first] < asked[third] < asked[fourth]


def test_two_runs_that_make_the_same_content_keep_their_own_words(workspace: Workspace) -> None:
    first = workspace.run(Count(to=3))
    run = queue(workspace.store)
    attempt = workspace.store.runs.claim(run)
    workspace.store.runs.finish(run, attempt, "done", output=first.output, summary={"numbers": 3, "from": "elsewhere"})
    assert workspace.result(run).summary == {"numbers": 3, "from": "elsewhere"}
    assert workspace.result(first.run).summary == {"numbers": 3, "rejected": 1}
    assert {row.id for row in workspace.store.artifacts.producers(first.address)} == {first.run, run}
