"""A full disk, a real one: what reads still reads, what makes room makes it, and nothing that is needed is lost."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from gateway_house import House
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from test_status import tuneloop
from test_store import artifact
from toystage import Count

from tuneloop import logbook
from tuneloop.cli.removal import gc
from tuneloop.runner import StageFailed, Workspace
from tuneloop.store import Store
from tuneloop.store import leftovers as module
from tuneloop.store.database import runs
from tuneloop.store.leftovers import Leftovers


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder that is a disk of its own, of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,nr_inodes=200", "none", str(folder)]
    with contextlib.suppress(FileNotFoundError):
        if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
            yield folder
            subprocess.run(["umount", "-l", str(folder)], check=True)
            return
    pytest.skip("only root mounts a disk")


def fill(folder: Path) -> None:
    """Leave nothing free."""
    with contextlib.suppress(OSError), (folder / "fill").open("ab", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def queue(store: Store, key: str) -> str:
    return store.runs.submit(stage="count", stage_version=1, params={}, typed={}, key=key, tag="", inputs=[])


def fail(store: Store, key: str) -> str:
    """A run that has failed, and its leftovers."""
    (store.scratch(key) / "checkpoint").write_bytes(bytes(200_000))
    run = queue(store, key)
    store.runs.finish(run, store.runs.claim(run), "failed", error={"message": "the disk is full", "kind": "user"})
    return run


def test_on_a_full_disk_what_reads_answers_and_what_removes_makes_room(small_disk: Path) -> None:
    store = Store(small_disk)
    for name in ("old", "new"):
        store.artifacts.tag(name, artifact(store, "documents", name))
        store.scratch(name).rmdir()
    failed, waiting = fail(store, "k" * 32), queue(store, "w" * 32)
    store.engine.dispose()
    for arguments in (
        ["ls"], ["show", failed], ["lineage", "documents:new", "--no-documents"], ["gc", "--dry-run"],
        ["rm", "documents:old"], ["cancel", waiting],
    ):  # fmt: skip
        fill(small_disk)
        done = tuneloop(*arguments, cwd=small_disk)
        assert done.returncode == 0, (arguments, done)
    fill(small_disk)
    kept = json.loads(tuneloop("gc", "--json", cwd=small_disk).stdout)
    assert kept["scratch"] == 0 and kept["scratch_kept"] == 1, "the same command continues there"
    freed = json.loads(tuneloop("gc", "--scratch", "--json", cwd=small_disk).stdout)
    assert (freed["scratch"], freed["scratch_bytes"]) == (1, 200_000)
    assert tuneloop("tag", "documents:new", "newer", cwd=small_disk).returncode == 0, "that was room"


def test_on_a_full_disk_without_a_reserve_a_large_artifact_makes_room_for_its_own_record(small_disk: Path) -> None:
    store = Store(small_disk)
    store.artifacts.tag("large", address := artifact(store, "documents", "x" * 500_000))
    store.engine.dispose()
    store.reserve.give_up()  # as in a workspace of 0.1
    fill(small_disk)
    assert tuneloop("rm", "documents:large", cwd=small_disk).returncode == 0
    assert not store.artifacts.exists(address) and not store.artifacts.find()
    assert not list((store.folder / "scratch").glob("removed-*"))


def test_what_a_killed_writer_left_in_the_log_of_the_database_is_read_on_a_full_disk(small_disk: Path) -> None:
    code = "import os, sys; from test_full_disk import *; store = Store(sys.argv[1])\n"
    code += "[queue(store, str(number)) for number in range(30)]; os._exit(9)"
    tests = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    subprocess.run([sys.executable, "-c", code, small_disk], env={**os.environ, "PYTHONPATH": tests}, check=False)
    database = small_disk / ".tuneloop" / "tuneloop.db"
    assert database.with_name("tuneloop.db-wal").stat().st_size > 0
    database.with_name("tuneloop.db-shm").unlink()
    fill(small_disk)
    command = [sys.executable, "-m", "tuneloop", "ls", "runs", "--json"]
    at_once = [subprocess.Popen(command, cwd=small_disk, stdout=subprocess.PIPE) for _ in range(3)]
    for one in at_once:  # they wait for each other, and not until the database gives up
        assert len(json.loads(one.communicate()[0])["runs"]) == 30
    (small_disk / "fill").unlink()
    assert len(Store(small_disk).runs.recent()) == 30


def test_a_disk_out_of_places_for_files_is_read_as_well(small_disk: Path) -> None:
    store = Store(small_disk)
    store.artifacts.tag("old", artifact(store, "documents", "old"))
    store.engine.dispose()
    with contextlib.suppress(OSError):
        for number in range(1000):
            (small_disk / f"file{number}").touch()
    assert tuneloop("ls", cwd=small_disk).returncode == 0
    assert tuneloop("rm", "documents:old", cwd=small_disk).returncode == 0


def test_an_artifact_whose_removal_cannot_be_recorded_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    address = artifact(store, "documents", "x")

    @event.listens_for(store.engine, "commit")
    def refuse(_connection: Any) -> None:
        raise OperationalError("COMMIT", {}, Exception("disk I/O error"))

    with pytest.raises(OperationalError):
        store.artifacts.remove(address)
    event.remove(store.engine, "commit", refuse)
    assert store.artifacts.path(address) and [a.address for a in store.artifacts.find()] == [address]
    assert not list((store.folder / "scratch").glob("removed-*"))


def left(store: Store) -> dict[str, Path]:
    """Leftovers of each sort, by what became of the run."""
    folders = {
        key: store.scratch(key.ljust(32, "0")) for key in ("failed", "dead", "going", "queued", "elsewhere", "older")
    }
    fail(store, "failed".ljust(32, "0"))
    for key in ("dead", "going", "queued", "elsewhere"):
        run = queue(store, key.ljust(32, "0"))
        assert key == "queued" or store.runs.claim(run)
        gone = subprocess.Popen(["true"])
        gone.wait()
        if key == "dead":
            change(store, run, pid=gone.pid)
        if key == "elsewhere":
            change(store, run, pid=gone.pid, place="another", lease=time.time() - 60)
    before = time.time() - 2 * 86400
    os.utime(folders["older"], (before, before))
    return folders


def change(store: Store, run: str, **values: Any) -> None:
    with store.engine.begin() as connection:
        connection.execute(runs.update().where(runs.c.id == run).values(**values))


def test_gc_keeps_what_a_run_may_need_and_on_demand_only_that_of_runs_under_way(store: Store) -> None:
    folders, before = left(store), time.time() - 2 * 86400
    for key in folders:  # however old it is, another is at work in it
        if key != "failed":
            os.utime(folders[key], (before, before))
    seen = Leftovers(store.folder / "scratch", store.engine)
    assert (seen.old, set(seen.young)) == ([folders["older"]], {folders["failed"], folders["dead"]})
    assert seen.clear(young=False) == (1, 0) and not folders["older"].exists() and folders["dead"].exists()
    assert Leftovers(store.folder / "scratch", store.engine).clear(young=True) == (2, 200_000)
    assert {key for key, folder in folders.items() if folder.exists()} == {"going", "queued", "elsewhere"}


def test_leftovers_that_a_run_has_taken_up_meanwhile_stay(store: Store) -> None:
    folders = left(store)
    seen = Leftovers(store.folder / "scratch", store.engine)
    again = queue(store, "failed".ljust(32, "0"))
    assert store.runs.claim(again)
    dead = next(row for row in store.runs.recent(state="running") if row.key == "dead".ljust(32, "0"))
    assert store.runs.claim(dead.id)
    seen.clear(young=True)
    assert folders["failed"].exists() and folders["dead"].exists()


def test_an_artifact_on_its_way_out_may_still_come_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    aside = store.scratch("removed-0123456789abcdef")
    os.utime(aside, (0, 0))
    assert not (seen := Leftovers(store.folder / "scratch", store.engine)).old and not seen.young
    monkeypatch.setattr(module, "MINUTE", -1.0)
    assert Leftovers(store.folder / "scratch", store.engine).old == [aside]


def test_gc_says_what_it_keeps_and_how_to_remove_that(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNELOOP_WORKSPACE", str(workspace.store.root))
    fail(workspace.store, "k" * 32)
    said = CliRunner().invoke(gc, []).output
    assert "1 leftover, 200.0 kB" in said and "tuneloop gc --scratch" in said
    assert CliRunner().invoke(gc, ["--scratch"]).output.strip() == "0 artifacts, 0 B, and 1 leftover, 200.0 kB"


@pytest.mark.parametrize("free", [0, 40_000])
def test_a_run_that_fills_the_disk_fails_with_one_line_and_continues_when_there_is_room(
    small_disk: Path, free: int
) -> None:
    """With next to nothing free before it starts, a run cannot even set its spare bytes aside."""
    workspace, filled = Workspace(small_disk), False

    def watch(seen: dict[str, Any]) -> None:
        nonlocal filled
        if not filled and (seen["progress"] or {}).get("done", 0) >= 5:
            fill(small_disk)
            filled = True

    workspace.store.runs.recent()
    if free:
        fill(small_disk)
        os.truncate(small_disk / "fill", (small_disk / "fill").stat().st_size - free)
    with pytest.raises(StageFailed, match="the disk is full") as caught:
        workspace.run(Count(to=30, pause=0.05), watch=watch)
    row = workspace.store.runs.get(caught.value.result.run)
    assert row.state == "failed" and row.error["kind"] == "user" and "\n" not in str(caught.value)
    (small_disk / "fill").unlink()
    result = workspace.run(Count(to=30, pause=0.05))
    numbers = (workspace.store.artifacts.path(result.address) / "numbers.txt").read_text()
    assert numbers.split() == [str(number) for number in range(30)], "each once"
    assert free or "square" not in workspace.store.runs.metrics(result.run), "nothing was done twice"


def test_the_gateway_answers_on_a_full_disk_and_counts_what_its_log_lost(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuneloop.gateway.log.ATTEMPTS", 2)
    house = House(small_disk)
    ask = {"model": "good", "messages": [{"role": "user", "content": "Where? " + "x" * 20_000}]}
    try:
        assert httpx.post(f"{house.url}/v1/chat/completions", json=ask).status_code == 200
        house.logged(1)
        fill(small_disk)
        for _n in range(3):
            answer = httpx.post(f"{house.url}/v1/chat/completions", json=ask)
            assert answer.status_code == 200 and "port 8000" in answer.text
        wait_until(lambda: "tuneloop_traffic_dropped_total 3\n" in httpx.get(f"{house.url}/metrics").text)
        opinion = {"request": answer.json()["id"], "rating": 1, "comment": "y" * 9000}
        refused = httpx.post(f"{house.url}/v1/feedback", json=opinion)
        assert refused.status_code == 503 and "does not answer" in refused.text, "whoever sent it knows"
        (small_disk / "fill").unlink()
        assert httpx.post(f"{house.url}/v1/chat/completions", json=ask).status_code == 200
        house.logged(2)
        assert httpx.post(f"{house.url}/v1/feedback", json=opinion).status_code == 200
        assert "tuneloop_traffic_dropped_total 3\n" in httpx.get(f"{house.url}/metrics").text
    finally:
        house.stop()


def test_a_log_on_a_full_disk_stops_nobody_who_writes_to_it() -> None:
    with contextlib.suppress(OSError), Path("/dev/full").open("w") as full:
        try:
            logbook.report(ValueError("x"), full)
        except OSError:
            pytest.fail("the heartbeat of a run would end here")


def wait_until(true: Any) -> None:
    end = time.monotonic() + 20
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    assert true()
