"""The store on SQLite and on a real PostgreSQL: the same statements, the same answers."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from conftest import schema_of
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.address import Address
from tuneloop.errors import Conflict, NotFound, TuneloopError
from tuneloop.records import Document, Section, read_rows, write_rows
from tuneloop.settings import Settings
from tuneloop.store import Store
from tuneloop.store.database import metadata, owner, run_inputs, runs, versions
from tuneloop.store.migrations import MIGRATIONS
from tuneloop.store.owner import FILE
from tuneloop.store.runs import RunLost


def artifact(store: Store, kind: str, text: str) -> Address:
    folder = store.scratch(text) / "out"
    folder.mkdir()
    (folder / "data.txt").write_text(text)
    return store.artifacts.save(kind, folder, {"text": text})


def produce(store: Store, stage: str, inputs: list[Address], output: Address) -> str:
    run = store.runs.submit(
        stage=stage, stage_version=1, params={}, typed={}, key=output.hash, tag="",
        inputs=[(f"input{n}", str(ref)) for n, ref in enumerate(inputs)],
    )  # fmt: skip
    store.runs.finish(run, store.runs.claim(run), "done", output=str(output))
    return run


def test_the_same_content_is_kept_once_and_found_by_name_and_by_prefix(store: Store) -> None:
    first = artifact(store, "chunks", "hello")
    again = artifact(store, "chunks", "hello")
    other = artifact(store, "dataset", "hello")
    assert first == again and first.hash != other.hash, "kind is part of the address"
    store.artifacts.tag("help@prod", first)
    for text in (str(first), f"chunks:{first.hash[:10]}", "chunks:help@prod"):
        assert store.artifacts.resolve(text) == first
    assert store.artifacts.get(first).tags == ("help@prod",) and store.artifacts.get(first).summary == {"text": "hello"}
    with pytest.raises(TuneloopError, match="is of kind chunks, and this needs one of kind dataset"):
        store.artifacts.resolve("chunks:help@prod", "dataset")
    with pytest.raises(NotFound, match=r"there is no chunks:gone\. Known: chunks:help@prod"):
        store.artifacts.resolve("gone", "chunks")


def test_ancestry_walks_every_path_up_and_down(store: Store) -> None:
    """documents → chunks → (dataset, index); (dataset, base) → model."""
    kinds = ("documents", "chunks", "dataset", "index", "model", "model")
    documents, chunks, dataset, index, base, tuned = (artifact(store, k, f"{k}{n}") for n, k in enumerate(kinds))
    produce(store, "chunk", [documents], chunks)
    produce(store, "synthesize", [chunks, base], dataset)
    produce(store, "index", [chunks], index)
    produce(store, "train", [dataset, base], tuned)
    up = store.artifacts.ancestry(tuned)
    assert {far for _near, _stage, far in up} == {str(a) for a in (dataset, base, chunks, documents)}
    assert up[0][0] == str(tuned) and (str(chunks), "chunk", str(documents)) in up
    down = {far for _near, _stage, far in store.artifacts.ancestry(documents, down=True)}
    assert down == {str(a) for a in (chunks, dataset, index, tuned)}
    with pytest.raises(TuneloopError, match="is an input of"):
        store.artifacts.remove(chunks)
    store.artifacts.tag("live", tuned)
    assert store.artifacts.unreachable() == [index]


def test_what_any_run_of_many_needs_is_not_collected(store: Store) -> None:
    """The oldest of 1,100 runs reads an adapter, and had it made into what an engine loads, which has no name."""
    adapter, loadable, idle = (artifact(store, "model", name) for name in ("adapter", "loadable", "idle"))
    run = store.runs.submit(
        stage="evaluate", stage_version=1, params={}, typed={}, key="k", tag="", inputs=[("model", str(adapter))]
    )
    produce(store, "compress", [adapter], loadable)
    facts = {"stage": "s", "stage_version": 1, "params": {}, "typed": {}, "tag": "", "seconds": 0.0, "attempts": 0}
    later = time.time() + 3600
    for state in ("queued", "running"):
        rows = [
            facts | {"id": f"{state}{n:012}", "key": f"{state}{n}", "state": state, "created": later, "cancel": False}
            for n in range(550)
        ]
        with store.engine.begin() as connection:
            connection.execute(runs.insert(), rows)
            connection.execute(
                run_inputs.insert(), [{"run": row["id"], "field": "x", "ref": f"chunks:{row['id']}"} for row in rows]
            )
    for _state in ("queued", "running"):
        assert store.artifacts.unreachable() == [idle]
        assert [store.artifacts.collect(a) for a in (adapter, loadable)] == [False, False]
        attempt = store.runs.get(run).attempts or store.runs.claim(run)
    store.runs.finish(run, attempt, "failed")
    assert set(store.artifacts.unreachable()) == {adapter, loadable, idle} and store.artifacts.collect(loadable)


def test_one_live_run_a_key_and_curves_without_double_points(store: Store) -> None:
    def submit() -> str:
        return store.runs.submit(stage="s", stage_version=1, params={"a": 1}, typed={}, key="k", tag="", inputs=[])

    run = submit()
    assert submit() == run and store.runs.claim(run) == 1 and not store.runs.claim(run)
    store.runs.add_metrics(run, [("loss", 3.0, 1, 0.0), ("loss", 2.0, 2, 0.0), ("loss", 2.5, 2, 1.0)])
    assert store.runs.metrics(run) == {"loss": [(1, 3.0), (2, 2.5)]}, "a step repeated after a kill counts once"
    assert store.runs.beat(run, 1, {"done": 1}, {"loss": 2.5}) is False
    store.runs.cancel(run)
    assert store.runs.beat(run, 1, {"done": 1}, {}) is True
    store.runs.finish(run, 1, "cancelled")
    assert submit() != run


def test_traffic_and_feedback_are_kept(store: Store) -> None:
    row = {
        "id": "r1", "time": 1.0, "path": "/v1/chat/completions", "route": "help", "status": 200, "streamed": True,
        "seconds": 0.5, "messages": [{"role": "user", "content": "你好"}], "passages": [{"chunk": "c"}],
    }  # fmt: skip
    store.traffic.log([row, {**row, "id": "r2", "time": 2.0}])
    store.traffic.add_feedback({"id": "f1", "request": "r1", "rating": -1})
    assert [r.id for r in store.traffic.requests()] == ["r2", "r1"]
    assert store.traffic.request("r1").messages[0]["content"] == "你好"
    assert store.traffic.feedback("r1")[0].rating == -1


def test_a_workspace_of_a_newer_version_is_refused(store: Store) -> None:
    with store.engine.begin() as connection:
        connection.execute(versions.insert().values(version=len(MIGRATIONS) + 1))
    try:
        with pytest.raises(Conflict, match="made by a newer Tuneloop"):
            _ = Store(store.root, store.settings).engine
    finally:
        with store.engine.begin() as connection:
            connection.execute(versions.delete().where(versions.c.version > len(MIGRATIONS)))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the names of open files are read from /proc")
def test_files_are_on_the_disk_before_the_manifest_says_that_they_are_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    sync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        sync(descriptor)

    store = Store(tmp_path)
    folder = store.scratch("k") / "out"
    (folder / "weights").mkdir(parents=True)
    (folder / "weights" / "model.gguf").write_text("weights")
    monkeypatch.setattr(os, "fsync", note)
    address = store.artifacts.save("model", folder, {})
    manifest = synced.index("manifest.json.part")
    assert sorted(synced[:manifest]) == ["model.gguf", "out", "weights"]
    assert synced[manifest + 1 :] == ["out", "model", "artifacts"], "and so are the names that lead to it"
    assert store.artifacts.exists(address)


def tables_of(engine: sa.Engine) -> dict[str, object]:
    look = sa.inspect(engine)
    return {
        name: (
            [(c["name"], str(c["type"]), c["nullable"]) for c in look.get_columns(name)],
            look.get_pk_constraint(name)["constrained_columns"],
            sorted((str(i["name"]), i["column_names"], bool(i["unique"])) for i in look.get_indexes(name)),
        )
        for name in look.get_table_names()
    }


def test_the_migrations_lead_to_the_tables_of_today(tmp_path: Path) -> None:
    """A column that is added without a step of its own would be missing in every workspace there is."""
    today = sa.create_engine(f"sqlite:///{tmp_path / 'today.db'}")
    metadata.create_all(today)
    assert tables_of(Store(tmp_path).engine) == tables_of(today)


def test_a_database_is_that_of_one_workspace(postgres: str, tmp_path: Path) -> None:
    def workspace(name: str) -> Store:
        return Store(tmp_path / name, settings)

    settings = Settings(database=schema_of(postgres, "shared"))  # type: ignore[call-arg]
    first = workspace("a")
    address = artifact(first, "index", "w")
    refused = f"{tmp_path / 'b'}: the PostgreSQL database belongs to another workspace ({tmp_path / 'a'})"
    for _again in range(2):
        with pytest.raises(Conflict, match=re.escape(refused)) as caught:
            workspace("b").artifacts.resolve(str(address))
        assert "search_path" in str(caught.value) and "\n" not in str(caught.value)
    assert [a.address for a in workspace("a").artifacts.find()] == [address]
    (first.folder / FILE).unlink()  # known by its artifacts, and refused without them
    assert workspace("a").artifacts.exists(address) and workspace("a").artifacts.find()
    with first.engine.begin() as connection:  # as a database of before there were owners
        connection.execute(owner.delete())
    with pytest.raises(Conflict):
        workspace("c").artifacts.find()
    assert workspace("a").artifacts.find() and (first.folder / FILE).read_text()
    elsewhere = Store(tmp_path / "b", Settings(database=schema_of(postgres, "other")))  # type: ignore[call-arg]
    assert elsewhere.artifacts.find() == []


def test_a_whole_run_works_on_postgresql(postgres: str, tmp_path: Path) -> None:
    """The command line, a child process and a resume, with the database named by the environment."""
    guide = tmp_path / "guide.md"
    guide.write_text("# Pumps\n\nThe pump stops at 40 bar.\n\n# Valves\n\nA valve opens at 3 bar.\n")
    url = schema_of(postgres, "whole")
    environment = {**os.environ, "TUNELOOP_DATABASE": url, "TUNELOOP_WORKSPACE": str(tmp_path / "w")}

    def tuneloop(*arguments: str) -> str:
        command = [sys.executable, "-m", "tuneloop", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    tuneloop("parse", str(guide), "--name", "pumps")
    tuneloop("chunk", "documents:pumps")
    assert "guide.md" in tuneloop("lineage", "chunks:pumps")
    assert not (tmp_path / "w" / ".tuneloop" / "tuneloop.db").exists(), "nothing went to SQLite"


SECTIONS = st.builds(Section, start=st.integers(0, 9), end=st.integers(0, 9), heading=st.lists(st.text()))
SHORT = st.text(max_size=5)
PAGES = st.none() | st.integers(0, 9)
DOCUMENTS = st.builds(
    Document, id=SHORT, name=SHORT, text=st.text(), pages=PAGES, sections=st.lists(SECTIONS, max_size=3)
)


@given(st.lists(DOCUMENTS, max_size=4))
def test_rows_come_back_from_parquet_as_they_went(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Document]
) -> None:
    rows = [r for r in rows if not any("\ud800" <= c <= "\udfff" for c in r.model_dump_json())]
    path = tmp_path_factory.mktemp("rows") / "rows.parquet"
    assert write_rows(path, Document, rows) == len(rows)
    assert list(read_rows(path, Document)) == rows


def test_what_a_name_or_a_run_has_come_to_is_not_collected(store: Store) -> None:
    """Between the look and the removal, another process may have named it, or queued a run on it."""
    named, read, idle = (artifact(store, "documents", text) for text in ("named", "read", "idle"))
    assert set(store.artifacts.unreachable()) == {named, read, idle}
    store.artifacts.tag("x", named)
    given = {"stage": "chunk", "stage_version": 1, "params": {}, "typed": {}, "tag": ""}
    store.runs.submit(**given, key="k", inputs=[("documents", str(read))])
    assert [store.artifacts.collect(a) for a in (named, read, idle)] == [False, False, True]
    assert [store.artifacts.exists(a) for a in (named, read, idle)] == [True, True, False]
    with pytest.raises(NotFound):  # and a run cannot be queued on what is gone
        store.runs.submit(**given, key="l", inputs=[("documents", str(idle))])
    assert artifact(store, "documents", "idle") == idle and store.artifacts.exists(idle)


def test_gc_spares_what_a_live_run_reads(tmp_path: Path) -> None:
    store = Store(tmp_path)
    read, idle = artifact(store, "documents", "read"), artifact(store, "documents", "idle")
    store.runs.submit(
        stage="chunk", stage_version=1, params={}, typed={}, key="k", tag="", inputs=[("documents", str(read))]
    )
    assert store.artifacts.unreachable() == [idle]


def test_a_run_whose_process_is_gone_is_cancelled_at_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    run = store.runs.submit(stage="chunk", stage_version=1, params={}, typed={}, key="k", tag="", inputs=[])
    code = f"from tuneloop.store import Store; assert Store({str(tmp_path)!r}).runs.claim({run!r})"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert store.runs.get(run).state == "running"
    assert store.runs.cancel(run) == "cancelled"
    with pytest.raises(NotFound):
        store.runs.get("%")


def test_only_the_newest_attempt_writes_to_a_run(store: Store) -> None:
    """A machine slept past its lease, and another took the run: what the first still says is not heard."""
    run = store.runs.submit(stage="s", stage_version=1, params={}, typed={}, key="slept", tag="", inputs=[])
    first = store.runs.claim(run)
    with store.engine.begin() as connection:
        connection.execute(runs.update().where(runs.c.id == run).values(lease=1.0, place="elsewhere"))
    second = store.runs.claim(run)
    assert (first, second) == (1, 2)
    with pytest.raises(RunLost):
        store.runs.beat(run, first, {}, {})
    store.runs.finish(run, first, "failed")
    store.runs.release(run, first)
    assert store.runs.get(run).state == "running" and store.runs.beat(run, second, {}, {}) is False


def test_a_living_process_of_this_machine_keeps_its_run_past_its_lease(tmp_path: Path) -> None:
    store = Store(tmp_path)
    run = store.runs.submit(stage="s", stage_version=1, params={}, typed={}, key="k", tag="", inputs=[])
    code = f"from tuneloop.store import Store; Store({str(tmp_path)!r}).runs.claim({run!r}); print(); input()"
    holder = subprocess.Popen([sys.executable, "-c", code, run], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdin and holder.stdout and holder.stdout.readline()
    with store.engine.begin() as connection:
        connection.execute(runs.update().values(lease=1.0))
    assert not store.runs.claim(run)
    with store.engine.begin() as connection:  # the number of another process that lives
        connection.execute(runs.update().values(pid=os.getpid()))
    assert store.runs.claim(run) == 2
    holder.communicate()


def test_a_name_of_two_hundred_and_one_letters_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    address = artifact(store, "documents", "x")
    with pytest.raises(TuneloopError, match="at most 200"):
        store.artifacts.tag("a" * 201, address)


def test_a_second_store_in_one_process_keeps_the_locks_of_the_first(tmp_path: Path) -> None:
    """POSIX locks go when a process closes the file anywhere: another process would then remove the log in use."""
    first = Store(tmp_path)
    with first.engine.connect() as reading:
        reading.execute(sa.select(runs)).all()
        _ = Store(tmp_path).engine
        code = f"from tuneloop.store import Store; Store({str(tmp_path)!r}).runs.recent()"
        subprocess.run([sys.executable, "-c", code], check=True)
    run = first.runs.submit(stage="s", stage_version=1, params={}, typed={}, key="k", tag="", inputs=[])
    code = f"from tuneloop.store import Store; assert Store({str(tmp_path)!r}).runs.get({run!r})"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_opening_an_up_to_date_workspace_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else nothing could be looked at while the disk is full, or while somebody writes for long."""
    import sqlite3

    Store(tmp_path).artifacts.find()
    writing = sqlite3.connect(tmp_path / ".tuneloop" / "tuneloop.db", isolation_level=None)
    writing.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr("tuneloop.store.database.BUSY", 0.05)
    assert Store(tmp_path).artifacts.find() == []
    writing.close()
