"""Runs: done once, shared, cancelled, taken up again after a kill, and never leaving a process behind."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import event
from toystage import Count

from tuneloop import execution, runner
from tuneloop.errors import NotFound, TuneloopError
from tuneloop.registry import find_stage
from tuneloop.runner import StageFailed, Workspace, start_run
from tuneloop.store.database import runs
from tuneloop.store.workbench import bench
from tuneloop.worker import is_watched, work


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" if Path("/proc/self").exists() else True


def test_a_stage_of_an_installed_package_is_found_and_run(workspace: Workspace) -> None:
    assert find_stage("count") is Count
    result = workspace.run(Count(to=5), name="five")
    assert result.state == "done" and result.summary == {"numbers": 5, "rejected": 1}
    folder = workspace.store.artifacts.path(result.address)
    assert (folder / "numbers.txt").read_text() == "0 1 2 3 4 "
    assert workspace.store.artifacts.resolve("documents:five") == result.address
    assert workspace.store.runs.metrics(result.run)["square"] == [(n, float(n**2)) for n in range(5)]


def test_the_same_work_is_not_done_twice_unless_asked(workspace: Workspace) -> None:
    first = workspace.run(Count(to=3))
    second = workspace.run(Count(to=3), name="again")
    assert second.reused and second.run == first.run and second.output == first.output
    assert workspace.store.artifacts.resolve("documents:again") == first.address
    third = workspace.run(Count(to=3), rerun=True)
    assert third.run != first.run and third.output == first.output  # same content, kept once, two producers
    assert len(workspace.store.artifacts.producers(first.address)) == 2
    key = workspace.store.runs.get(third.run).key
    assert execution.RunContext(workspace, third.run, key).again, "a stage with a cache of its own must know"
    workspace.store.artifacts.remove(first.address)
    assert not execution.RunContext(workspace, third.run, key).again


def test_work_is_done_again_when_its_artifact_was_removed(workspace: Workspace) -> None:
    first = workspace.run(Count(to=3))
    workspace.store.artifacts.remove(first.address)
    assert workspace.run(Count(to=3)).run != first.run


def test_a_run_that_was_killed_as_it_ended_is_no_run_of_the_next(workspace: Workspace) -> None:
    """``done`` was recorded, and the scratch folder was still there: its artifact may be removed, or made again."""
    first = workspace.run(Count(to=3))
    work_folder = workspace.store.scratch(workspace.store.runs.get(first.run).key)
    sealed = json.dumps({"address": first.output, "run": first.run})

    def left() -> None:
        bench(workspace.store.scratch(work_folder.name), first.run, 1).mkdir()
        (bench(work_folder, first.run, 1) / execution.SEALED).write_text(sealed)

    left()
    again = workspace.run(Count(to=3), rerun=True)
    assert workspace.store.runs.metrics(again.run)["square"], "it worked"
    workspace.store.artifacts.remove(first.address)
    left()
    assert workspace.run(Count(to=3)).output == first.output


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        ("user", "numbers.txt:5: the numbers ran out. Bring more."),
        ("bug", "ZeroDivisionError: oops"),
        ("kill", "killed by the system"),
        ("disk", "the disk is full"),
    ],
)
def test_a_failure_has_one_clear_line_and_the_next_try_continues(workspace: Workspace, trouble: str, says: str) -> None:
    with pytest.raises(StageFailed, match=says.replace(".", r"\.")) as caught:
        workspace.run(Count(to=6, trouble=trouble))
    row = workspace.store.runs.get(caught.value.result.run)
    assert row.state == "failed" and "\n" not in str(caught.value)
    assert ("traceback" in row.error) == (trouble == "bug")
    kept = next((workspace.store.folder / "scratch").rglob("numbers"))
    assert kept.read_text() == "0 1 2 "  # and the next run of the same work begins at 3


def test_a_killed_watcher_leaves_nothing_running_and_nothing_lost(workspace: Workspace) -> None:
    """kill -9 of the command: its child leaves, and the same command goes on where that was."""
    script = "from tuneloop.runner import Workspace; from toystage import Count\n"
    script += f"Workspace({str(workspace.store.root)!r}).run(Count(to=60, pause=0.05))"
    watcher = subprocess.Popen([sys.executable, "-c", script])
    numbers = wait_for(lambda: next(iter((workspace.store.folder / "scratch").rglob("numbers")), None))
    wait_for(lambda: len(numbers.read_text().split()) >= 5)
    run = workspace.store.runs.recent()[0]
    watcher.send_signal(signal.SIGKILL)
    watcher.wait()
    wait_for(lambda: not alive(run.pid))
    done = len(numbers.read_text().split())
    result = workspace.run(Count(to=60, pause=0.05))
    assert result.run == run.id, "the dead run is taken up again, not started anew"
    row = workspace.store.runs.get(run.id)
    assert row.attempts == 2 and row.state == "done"
    text = (workspace.store.artifacts.path(result.address) / "numbers.txt").read_text()
    assert text.split() == [str(n) for n in range(60)] and done >= 5  # each number once: nothing was repeated


def test_two_commands_at_once_share_one_run(workspace: Workspace) -> None:
    results = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(Workspace(workspace.store.root).run(Count(to=30), name=n)))
        for n in ("a", "b", "c")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({r.run for r in results}) == 1 and {r.state for r in results} == {"done"}
    assert workspace.store.runs.get(results[0].run).attempts == 1
    for result in results:  # each with the name that it asked for
        assert workspace.store.artifacts.resolve(f"documents:{result.tag}") == result.address
    assert {r.tag for r in results} == {"a", "b", "c"}


def test_each_name_that_a_queued_run_was_asked_for_is_given(workspace: Workspace) -> None:
    queued = [workspace.submit(Count(to=2), name=name) for name in ("a", "b", "b")]
    assert len({r.run for r in queued}) == 1 and [r.tag for r in queued] == ["a", "b", "b"]
    work(workspace, once=True)
    output = workspace.store.runs.get(queued[0].run).output
    assert all(str(workspace.store.artifacts.resolve(f"documents:{name}")) == output for name in ("a", "b"))


def test_a_name_that_is_asked_for_as_a_run_ends_is_given(workspace: Workspace) -> None:
    made = workspace.run(Count(to=2)).address
    wanted = {"stage": "s", "stage_version": 1, "params": {}, "typed": {}, "key": "k", "inputs": []}
    run = workspace.store.runs.submit(**wanted, tag="a")
    attempt = workspace.store.runs.claim(run)
    workspace.store.artifacts.adopt(made, workspace.store.scratch("k") / "out", run)
    assert workspace.store.runs.submit(**wanted, tag="b") == run
    workspace.store.artifacts.untag("documents", "a")  # somebody took it away: it does not come back
    workspace.store.runs.finish(run, attempt, "done", output=str(made))
    assert workspace.store.artifacts.get(made).tags == ("b",)


def test_a_cancelled_run_stops_soon_and_keeps_its_checkpoint(workspace: Workspace) -> None:
    run = workspace.submit(Count(to=1000, pause=0.05)).run
    child = start_run(workspace.store, run)
    wait_for(lambda: (workspace.store.runs.get(run).progress or {}).get("done", 0) > 0)
    workspace.store.runs.cancel(run)
    assert child.wait(10) == 1 and workspace.store.runs.get(run).state == "cancelled"
    assert next((workspace.store.folder / "scratch").rglob("numbers")).read_text()


def test_a_command_does_not_join_a_run_that_was_told_to_stop(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = workspace.submit(Count(to=60, pause=0.05)).run
    child = start_run(workspace.store, run)
    wait_for(lambda: (workspace.store.runs.get(run).progress or {}).get("done", 0) > 0)
    assert workspace.cancel(run) == "running"
    monkeypatch.setattr(runner, "SOON", 0.0)
    with pytest.raises(TuneloopError, match="is just being cancelled"):
        workspace.submit(Count(to=60, pause=0.05))
    again = workspace.run(Count(to=60, pause=0.05))
    assert again.run != run and again.state == "done" and child.wait(10) == 1
    assert workspace.store.runs.get(run).state == "cancelled"


def test_a_process_whose_run_was_taken_by_another_stops_and_says_nothing(workspace: Workspace) -> None:
    run = workspace.submit(Count(to=1000, pause=0.05)).run
    child = start_run(workspace.store, run)
    wait_for(lambda: (workspace.store.runs.get(run).progress or {}).get("done", 0) > 0)
    with workspace.store.engine.begin() as connection:
        connection.execute(runs.update().values(attempts=2, host="elsewhere", pid=1, lease=time.time() + 60))
    assert child.wait(10) != 0
    row = workspace.store.runs.get(run)
    assert (row.state, row.attempts, row.host) == ("running", 2, "elsewhere")


def test_a_worker_takes_queued_runs(workspace: Workspace) -> None:
    queued = [workspace.submit(Count(to=n)).run for n in (2, 3)]
    work(workspace, once=True)
    assert [workspace.store.runs.get(r).state for r in queued] == ["done", "done"]


def test_a_worker_leaves_a_run_that_another_has_and_takes_the_next(workspace: Workspace) -> None:
    slow = workspace.submit(Count(to=200, pause=0.05)).run
    child = start_run(workspace.store, slow)
    wait_for(lambda: workspace.store.runs.get(slow).state == "running")
    quick = workspace.submit(Count(to=2)).run
    work(workspace, once=True)
    assert [workspace.store.runs.get(r).state for r in (slow, quick)] == ["running", "done"]
    assert workspace.watchers.wish(slow).exists(), "it is still wanted"
    workspace.cancel(slow)
    child.wait(10)


def test_many_results_take_no_more_queries_than_one(workspace: Workspace) -> None:
    for n in (2, 3, 4):
        workspace.run(Count(to=n), name=f"n{n}")
    queries: list[str] = []
    event.listen(workspace.store.engine, "before_cursor_execute", lambda *given: queries.append(given[2]))
    found = workspace.results(workspace.store.runs.recent())
    assert [r.summary["numbers"] for r in found] == [4, 3, 2] and len(queries) == 3, queries


def test_references_are_resolved_recorded_and_refused_when_missing(workspace: Workspace) -> None:
    first = workspace.run(Count(to=2), name="two")
    second = workspace.run(Count(to=3, after="documents:two"))
    assert second.tag == "two-count", "an output of the same kind says what it is, and leaves the name where it was"
    assert workspace.store.artifacts.resolve("documents:two") == first.address
    assert workspace.store.artifacts.ancestry(second.address) == [(second.output, "count", first.output)]
    assert workspace.store.artifacts.ancestry(first.address, down=True) == [(first.output, "count", second.output)]
    with pytest.raises(NotFound, match=r"there is no documents:three\. Known: documents:two"):
        workspace.submit(Count(to=3, after="documents:three"))
    with pytest.raises(TuneloopError, match="is an input of documents:"):
        workspace.store.artifacts.remove(first.address)


def wait_for(condition, seconds: float = 20.0):
    deadline = time.time() + seconds
    while time.time() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def test_a_worker_that_is_stopped_gives_its_run_back(workspace: Workspace) -> None:
    run = workspace.submit(Count(to=4000, pause=0.02)).run
    command = [sys.executable, "-m", "tuneloop", "worker"]
    environment = {**os.environ, "TUNELOOP_WORKSPACE": str(workspace.store.root)}
    worker = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.time() + 60
    while workspace.store.runs.get(run).state != "running" and time.time() < deadline:
        time.sleep(0.05)
    child = workspace.store.runs.get(run).pid
    worker.send_signal(signal.SIGINT)
    worker.communicate(timeout=60)
    row = workspace.store.runs.get(run)
    assert row.state == "queued" and not row.cancel and not alive(child)
    assert worker.returncode == 130


def command(workspace: Workspace, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "TUNELOOP_WORKSPACE": str(workspace.store.root)}
    return subprocess.Popen(
        [sys.executable, "-m", "tuneloop", *arguments], env=environment, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def watched_by(workspace: Workspace, key: str) -> int:
    return len(list((workspace.store.folder / "watchers").glob(f"{key[:32]}-*")))


def test_ctrl_c_of_one_command_leaves_the_run_to_another_that_waits_for_it(workspace: Workspace) -> None:
    count = ("count", "150", "--pause", "0.05")
    first = command(workspace, *count)
    row = wait_for(lambda: next(iter(workspace.store.runs.recent(state="running")), None))
    second = command(workspace, *count)
    wait_for(lambda: watched_by(workspace, row.key) == 2)
    first.send_signal(signal.SIGINT)
    _out, shown = first.communicate(timeout=20)
    assert first.returncode == 130 and "Traceback" not in shown, shown
    _out, shown = second.communicate(timeout=60)
    ended = workspace.store.runs.get(row.id)
    assert (second.returncode, ended.state, ended.attempts) == (0, "done", 2), shown
    assert watched_by(workspace, row.key) == 0


def test_a_terminated_command_cancels_its_run_as_ctrl_c_does(workspace: Workspace) -> None:
    """Found outside: it died by the signal without a word, and its run stayed queued with nobody to do it."""
    count = command(workspace, "count", "1000", "--pause", "0.05")
    row = wait_for(lambda: next(iter(workspace.store.runs.recent(state="running")), None))
    count.send_signal(signal.SIGTERM)
    _out, shown = count.communicate(timeout=40)
    assert count.returncode == 143 and "Stopped. What was done is kept" in shown, shown
    assert workspace.store.runs.get(row.id).state == "cancelled" and not alive(row.pid)


def test_a_stage_that_keeps_nothing_does_not_promise_it(workspace: Workspace, tmp_path: Path) -> None:
    rows = (f'{{"question": "What is {number}?", "answer": "A number."}}\n' for number in range(300_000))
    with (tmp_path / "rows.jsonl").open("w") as file:
        file.writelines(rows)
    bring = command(workspace, "import", str(tmp_path / "rows.jsonl"))
    wait_for(lambda: next(iter(workspace.store.runs.recent(state="running")), None))
    bring.send_signal(signal.SIGINT)
    _out, shown = bring.communicate(timeout=40)
    assert bring.returncode == 130 and "Stopped. Nothing was kept" in shown, shown


def test_the_last_of_two_commands_to_leave_cancels(workspace: Workspace) -> None:
    commands = [command(workspace, "count", "1000", "--pause", "0.05") for _ in range(2)]
    row = wait_for(lambda: next(iter(workspace.store.runs.recent(state="running")), None))
    wait_for(lambda: watched_by(workspace, row.key) == 2)
    for each in commands:  # at once, as from one terminal
        each.send_signal(signal.SIGINT)
    for each in commands:
        each.communicate(timeout=40)
        assert each.returncode == 130
    ended = workspace.store.runs.get(row.id)
    assert ended.state == "cancelled" and not alive(row.pid)


def test_a_run_left_to_a_command_that_is_interrupted_before_it_follows_is_cancelled_too(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first saw somebody who waits, and left the run; it stayed queued when that one went without having begun."""
    first = command(workspace, "count", "1000", "--pause", "0.05")
    row = wait_for(lambda: next(iter(workspace.store.runs.recent(state="running")), None))

    def queue(_work: object, *, rerun: bool) -> None:
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=40)
        assert workspace.store.runs.get(row.id).state == "queued", "it was left to us"
        raise KeyboardInterrupt

    monkeypatch.setattr(workspace, "_queue", queue)
    with pytest.raises(KeyboardInterrupt):
        workspace.run(Count(to=1000, pause=0.05))
    assert workspace.store.runs.get(row.id).state == "cancelled" and not alive(row.pid)


def test_ctrl_c_does_not_cancel_a_run_that_was_queued_over_rest(workspace: Workspace) -> None:
    run = workspace.submit(Count(to=1000, pause=0.05)).run
    watcher = command(workspace, "count", "1000", "--pause", "0.05")
    wait_for(lambda: (workspace.store.runs.get(run).progress or {}).get("done", 0) > 0)
    watcher.send_signal(signal.SIGINT)
    watcher.communicate(timeout=20)
    row = workspace.store.runs.get(run)
    assert watcher.returncode == 130 and (row.state, row.cancel) == ("queued", False)
    assert workspace.cancel(run) == "cancelled" and not list((workspace.store.folder / "watchers").glob("wanted-*"))


def test_a_worker_leaves_alone_what_a_living_command_waits_for(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command executes it itself, with its own environment; a worker takes it once the command is dead."""
    started, queued, go = [], threading.Event(), threading.Event()

    def start(store, run):
        started.append(threading.current_thread().name)
        if threading.current_thread().name == "command":
            queued.set()
            go.wait(20)
        return start_run(store, run)

    monkeypatch.setattr(runner, "start_run", start)
    thread = threading.Thread(target=lambda: workspace.run(Count(to=3)), name="command")
    thread.start()
    assert queued.wait(20)
    work(Workspace(workspace.store.root), once=True)
    go.set()
    thread.join(30)
    assert started == ["command"] and workspace.store.runs.recent()[0].state == "done"
    dead = workspace.store.folder / "watchers" / f"{workspace.store.runs.recent()[0].key[:32]}-0"
    dead.touch()  # as kill -9 leaves it: not locked
    workspace.run(Count(to=3), rerun=True)
    assert not is_watched(workspace, workspace.store.runs.recent()[0].key) and not dead.exists()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="elsewhere only the largest process is known")
def test_peak_memory_is_that_of_all_processes_of_a_run_together(workspace: Workspace) -> None:
    alone = workspace.run(Count(to=2)).metrics["peak_memory_mib"]
    together = workspace.run(Count(to=25, pause=0.1, helpers=5)).metrics["peak_memory_mib"]
    assert together > alone + 100
