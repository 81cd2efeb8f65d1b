"""Lists that are too long for one page: cursors that stay true while rows come, searches with a bound, one project."""

import json
import re
from typing import Any

import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient
from sqlalchemy import event
from test_store import artifact, produce
from toystage import Count

from tuneloop.access import create_key
from tuneloop.cli.lists import ls
from tuneloop.cli.removal import gc, rm, untag
from tuneloop.errors import Conflict, NotFound, TuneloopError
from tuneloop.runner import Workspace
from tuneloop.store import Scope, Store, part
from tuneloop.store.curves import Curves, thinned
from tuneloop.store.database import requests, runs
from tuneloop.web.app import build_app
from tuneloop.worker import work


def insert_runs(store: Store, numbers: range, **values: object) -> None:
    """Runs with numbers for ids, two in each second."""
    row = {"stage": "count", "stage_version": 1, "params": {}, "typed": {}, "tag": "", "state": "done", "seconds": 0.0,
           "attempts": 1, "cancel": False}  # fmt: skip
    rows = [row | {"id": f"{n:018d}", "key": f"k{n}", "created": float(n // 2)} | values for n in numbers]
    with store.engine.begin() as connection:
        connection.execute(runs.insert(), rows)


def insert_requests(store: Store, count: int, **values: object) -> None:
    row = {"path": "/", "route": "help", "status": 200, "streamed": False, "seconds": 0.1, "answer": "No."}
    store.traffic.log([row | {"id": f"r{n:05d}", "time": float(n)} | values for n in range(count)])


def ids(found: part.Part) -> list[int]:
    return [int(row.id.removeprefix("r")) for row in found.rows]


def test_a_cursor_goes_on_where_it_was_while_rows_come_and_go(store: Store) -> None:
    insert_runs(store, range(95))
    first = store.lists.runs(limit=20)
    insert_runs(store, range(95, 120))  # with OFFSET, 25 of those that were seen would come again
    with store.engine.begin() as connection:
        connection.execute(runs.delete().where(runs.c.id == f"{75:018d}"))  # the row that the cursor was made of
    second = store.lists.runs(limit=20, cursor=first.older)
    assert ids(first) == list(range(94, 74, -1)) and ids(second) == list(range(74, 54, -1))
    assert (second.before.number, second.count.number) == (119 - 75, 119)
    seen, cursor = ids(second), second.older
    while cursor:
        found = store.lists.runs(limit=20, cursor=cursor)
        seen, cursor = seen + ids(found), found.older
    assert seen == list(range(74, -1, -1)), "all of them, to the first, each once"
    back = store.lists.runs(limit=20, cursor=second.newer)
    assert ids(back) == [*range(95, 75, -1)], "next to the part that was left"
    top = store.lists.runs(limit=20, cursor=store.lists.runs(limit=20, cursor=back.newer).newer)
    assert ids(top) == list(range(119, 99, -1)) and not top.newer, "the newest are shown as who comes first sees them"


@pytest.mark.parametrize("text", ["x", "W10", "WyJvIl0", "WyJvIiwxLDJd", "WyJvIiwiMSIsImEiXQ", "é", "A" * 1999])
def test_what_is_no_cursor_is_said_to_be_none(text: str, workspace: Workspace) -> None:
    client = TestClient(build_app(workspace, auth=False), base_url="http://127.0.0.1")
    for path in ("/api/runs", "/api/artifacts", "/api/traffic", "/api/audit", "/runs", "/traffic", "/audit"):
        assert client.get(path, params={"cursor": text}).status_code == 400, path


def test_a_search_looks_at_so_many_rows_and_says_where_to_go_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part, "SCAN", 30)
    insert_requests(store, 100)
    with store.engine.begin() as connection:
        asked = [{"role": "user", "content": "霜冻时 warranty 还有效吗？"}]
        connection.execute(requests.update().where(requests.c.id == "r00005").values(messages=asked))
        connection.execute(requests.update().where(requests.c.id == "r00095").values(answer="WARRANTY of 50%"))
    looked, found, cursor = 0, [], ""
    while cursor or not looked:
        one = store.lists.requests(text="warranty", cursor=cursor)
        looked, found, cursor = looked + 1, found + ids(one), one.older
    assert found == [95, 5] and looked == 4, "thirty rows at once"
    assert ids(store.lists.requests(text="霜冻", until=20.0)) == [5], "JSON keeps Chinese by its numbers"
    assert ids(store.lists.requests(text="50%")) == [95] and ids(store.lists.requests(text="5_%")) == []


def test_requests_by_time_route_key_model_and_failure(store: Store) -> None:
    insert_requests(store, 20)
    with store.engine.begin() as connection:
        changed = {3: {"route": "law"}, 4: {"key": "k"}, 5: {"status": 500}, 6: {"model": "model:a"}}
        for number, values in (changed | {7: {"route": "law", "status": 502, "key": "k"}}).items():
            connection.execute(requests.update().where(requests.c.id == f"r{number:05d}").values(**values))
    wanted = store.lists.requests
    assert ids(wanted(route="law")) == [7, 3] and ids(wanted(key="k")) == [7, 4] and ids(wanted(failed=True)) == [7, 5]
    assert ids(wanted(route="law", failed=True)) == [7] and ids(wanted(route="law", failed=False)) == [3]
    assert ids(wanted(model="model:a")) == [6] and ids(wanted(since=17.0, until=19.0)) == [18, 17]


def test_every_list_of_rest_goes_on_to_its_end(workspace: Workspace) -> None:
    store = workspace.store
    insert_runs(store, range(25))
    insert_requests(store, 25)
    for number in range(25):
        store.artifacts.tag(f"n{number}", artifact(store, "dataset", f"text {number}"))
        store.audit.note("k", "untag", f"dataset:n{number}")
    client = TestClient(build_app(workspace, auth=False), base_url="http://127.0.0.1")
    for path, key in (
        ("/api/runs?limit=7", "run"),
        ("/api/artifacts?limit=7", "address"),
        ("/api/traffic?limit=7", "id"),
        ("/api/audit?limit=7", "id"),
    ):
        seen, answer = [], client.get(path)
        while True:
            seen += [row[key] for row in answer.json()]
            if "next" not in answer.links:
                break
            answer = client.get(answer.links["next"]["url"])
        assert len(seen) == len(set(seen)) == 25, path
    assert [r["tags"] for r in client.get("/api/artifacts?q=n24").json()] == [["n24"]]
    assert len(client.get("/api/runs?limit=7&offset=20").json()) == 5, "as in 0.1"


def test_the_pages_of_requests_and_of_the_audit_are_searched_and_leafed_through(workspace: Workspace) -> None:
    store = workspace.store
    insert_requests(store, 120)
    asked = [{"role": "user", "content": "Does <b>warranty</b> hold?", "parts": None}]
    said = {"messages": asked, "answer": "It does [1].", "citations": [{"number": 1, "supported": True}], "key": "k"}
    with store.engine.begin() as connection:
        connection.execute(requests.update().where(requests.c.id == "r00005").values(**said))
        connection.execute(requests.update().where(requests.c.id == "r00006").values(status=502, error="it is away"))
    store.traffic.add_feedback({"id": "f", "request": "r00005", "rating": -1, "comment": "It does not."})
    store.audit.note("k", "untag", "dataset:x")
    client = TestClient(build_app(workspace, auth=False), base_url="http://127.0.0.1")
    first = client.get("/traffic").text
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older and first.count('href="/traffic/') == 50
    assert "r00069" in client.get(older[1].replace("&amp;", "&")).text
    found = client.get("/traffic", params={"q": "warranty", "key": "k"}).text
    assert found.count('href="/traffic/') == 1 and "&lt;b&gt;warranty" in found
    failed = client.get("/traffic", params={"ended": "failed"}).text
    assert failed.count('href="/traffic/') == 1 and "it is away" in failed
    shown = client.get("/traffic/r00005").text
    assert "It does [1]." in shown and "It does not." in shown and "&lt;b&gt;" in shown
    assert "dataset:x" in client.get("/audit?q=untag").text and "dataset:x" not in client.get("/audit?q=zz").text
    assert client.get("/traffic/no").status_code == 404


def test_what_callers_said_is_shown_to_admins_alone(workspace: Workspace) -> None:
    client = TestClient(build_app(workspace), base_url="http://127.0.0.1")
    for role, status in (("member", 403), ("admin", 200)):
        client.headers["authorization"] = f"Bearer {create_key(workspace.store, role, role=role).key}"
        assert [client.get(path).status_code for path in ("/traffic", "/audit", "/api/audit")] == [status] * 3
        assert ('href="/traffic"' in client.get("/").text) == (role == "admin")


def test_ls_goes_on_and_is_searched(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    store = workspace.store
    monkeypatch.setenv("TUNELOOP_WORKSPACE", str(store.root))
    insert_runs(store, range(25))
    insert_runs(store, range(25, 30), state="failed", stage="train")
    for number in range(12):
        store.artifacts.tag(f"n{number}", artifact(store, "dataset", f"text {number}"))

    def said(*arguments: str) -> dict:
        done = CliRunner().invoke(ls, [*arguments, "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    first = said("runs", "--limit", "20")
    rest = said("runs", "--limit", "20", "--cursor", first["next"])
    assert len({r["id"] for r in first["runs"] + rest["runs"]}) == 30 and rest["next"] == ""
    assert len(said("runs", "--state", "failed")["runs"]) == len(said("runs", "--stage", "train")["runs"]) == 5
    assert len(said("runs", "--search", "0000007")["runs"]) == 1
    assert [a["tags"] for a in said("--search", "n11")["artifacts"]] == [["n11"]]
    assert len(said("dataset", "--limit", "5")["artifacts"]) == 5
    assert [v["name"] for v in said("--history", "--search", "n11")["history"]] == ["dataset:n11@1"]
    told = CliRunner().invoke(ls, ["--limit", "5"]).stdout
    cursor = told.split("--cursor ")[1].split()[0]
    assert "n6" in CliRunner().invoke(ls, ["--limit", "5", "--cursor", cursor]).stdout
    assert isinstance(CliRunner().invoke(ls, ["dataset", "--state", "done"]).exception, TuneloopError)


# -- one question of lineage ---------------------------------------------------------------------------------------


def test_gc_asks_no_more_where_there_are_more_names(store: Store) -> None:
    def asked() -> int:
        statements: list[str] = []
        event.listen(store.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
        assert store.artifacts.unreachable() == []
        return len(statements)

    chain = [artifact(store, "documents", "0")]
    for number in range(1, 4):
        chain.append(artifact(store, "chunks", str(number)))
        produce(store, "chunk", [chain[-2]], chain[-1])
    store.artifacts.tag("one", chain[-1])
    few = asked()
    for number in range(20):
        store.artifacts.tag(f"more-{number}", artifact(store, "dataset", f"more {number}"))
    store.artifacts.untag("chunks", "one")
    assert asked() == few <= 3


# -- names that are taken away -------------------------------------------------------------------------------------


@pytest.fixture
def here(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("TUNELOOP_WORKSPACE", str(workspace.store.root))
    return workspace.store


def said(command: object, *arguments: str) -> dict:
    done = CliRunner().invoke(command, [*arguments, "--json"])  # type: ignore[arg-type]
    assert done.exit_code == 0, done.exception
    return json.loads(done.stdout)


def test_to_remove_one_name_leaves_what_others_have_named(here: Store) -> None:
    one = artifact(here, "dataset", "one")
    for name in ("mine", "yours"):
        here.artifacts.tag(name, one)
    assert said(rm, "dataset:mine") == {
        "removed": [], "names": {"dataset:mine": ["dataset:mine@1"]}, "kept": {str(one): ["dataset:yours"]},
    }  # fmt: skip
    assert here.artifacts.resolve("dataset:yours") == one and here.artifacts.path(one).is_dir()
    assert said(rm, "dataset:mine@1")["kept"] == {str(one): ["dataset:yours"]}, "nor by a place in a history"
    assert said(rm, "dataset:yours")["removed"] == [str(one)], "the last name is the artifact's"
    two = artifact(here, "dataset", "two")
    for name in ("a", "b"):
        here.artifacts.tag(name, two)
    assert said(rm, "dataset:a", "dataset:b")["removed"] == [str(two)], "all of its names were given"
    three = artifact(here, "dataset", "three")
    for name in ("a", "b"):
        here.artifacts.tag(name, three)
    assert said(rm, str(three)[:20])["removed"] == [str(three)], "an address means all of it"


def test_a_name_that_is_taken_away_keeps_its_history(here: Store) -> None:
    one, two = artifact(here, "dataset", "one"), artifact(here, "dataset", "two")
    here.artifacts.tag("d", one)
    here.artifacts.tag("d", two)
    assert said(untag, "dataset:d")["before"] == ["dataset:d@2", "dataset:d@1"]
    with pytest.raises(NotFound):
        here.artifacts.resolve("dataset:d")
    assert here.artifacts.resolve("dataset:d@2") == two
    assert said(gc)["removed"] == [], "what a name led to is kept"
    with pytest.raises(NotFound, match="there is no dataset:d"):
        here.artifacts.untag("dataset", "d")
    here.artifacts.tag("d", one)
    assert [v.number for v in here.artifacts.history("dataset", "d")] == [3, 2, 1]
    with pytest.raises(Conflict, match=r"leads to dataset:\w+ meanwhile"):
        here.artifacts.untag("dataset", "d", two)
    assert here.audit.entries().rows[0].action == "untag"


def test_rest_and_console_take_a_name_away(workspace: Workspace) -> None:
    store = workspace.store
    one = artifact(store, "dataset", "one")
    for name in ("d@prod", "e"):
        store.artifacts.tag(name, one)
    client = TestClient(build_app(workspace, auth=False), base_url="http://127.0.0.1")
    answer = client.delete(f"/api/artifacts/{one}/tags/d@prod")
    assert answer.json()["tags"] == ["e"] and answer.json()["versions"] == ["d@prod@1", "e@1"]
    assert client.delete(f"/api/artifacts/{one}/tags/d@prod").status_code == 404
    assert "untag/e" in client.get(f"/artifacts/{one}").text
    client.post(f"/artifacts/{one}/untag/e")
    assert store.artifacts.get(one).tags == ()


# -- curves --------------------------------------------------------------------------------------------------------


def test_a_thinned_curve_keeps_its_ends_and_its_extremes() -> None:
    curve = [(n, 1.0) for n in range(100_000)]
    curve[77_777], curve[3] = (77_777, 9.0), (3, -9.0)
    few = thinned(curve)
    assert len(few) <= 500 and few[0] == curve[0] and few[-1] == curve[-1]
    assert (77_777, 9.0) in few and (3, -9.0) in few and few == sorted(few, key=lambda point: point[0] or 0)
    assert thinned(curve[:500]) == curve[:500]


def test_a_curve_is_read_once_and_of_a_repeated_step_the_last_counts(store: Store) -> None:
    run = produce(store, "count", [], artifact(store, "documents", "x"))
    store.runs.add_metrics(run, [("loss", 3.0, 1, 0.0), ("loss", 9.0, 2, 0.0)])
    curves = Curves(store.engine)
    found, before = curves.of(run)
    assert found == {"loss": [(1, 3.0), (2, 9.0)]}
    store.runs.add_metrics(run, [("loss", 2.5, 2, 0.0), ("loss", 2.0, 3, 0.0)])
    read: list[Any] = []
    event.listen(store.engine, "before_cursor_execute", lambda *call: read.append(call[3]))
    found, newest = curves.of(run)
    assert found == {"loss": [(1, 3.0), (2, 2.5), (3, 2.0)]} and len(read) == 1
    assert before in (read[0].values() if isinstance(read[0], dict) else read[0]), "only what is new is read"
    assert curves.of(run, after=newest) == ({}, newest)


def test_the_page_of_a_long_training_is_small_and_sends_its_curve_once(workspace: Workspace) -> None:
    store = workspace.store
    run = produce(store, "count", [], artifact(store, "documents", "x"))
    store.runs.add_metrics(run, [("loss", 1 / (n + 1), n, 0.0) for n in range(20_000)])
    client = TestClient(build_app(workspace, auth=False), base_url="http://127.0.0.1")
    whole = client.get(f"/runs/{run}").text
    version = whole.split('data-version="')[1].split('"')[0]
    again = client.get(f"/runs/{run}?have={version}").text
    assert len(whole) < 60_000 and "<polyline" in whole.replace("<path", "<polyline")
    assert "data-same" in again and "<svg" not in again.split('id="chart"')[1] and len(again) < len(whole) / 2
    answer = client.get(f"/api/runs/{run}/metrics")
    assert (
        len(answer.json()["loss"]) <= 500
        and len(client.get(f"/api/runs/{run}/metrics?points=0").json()["loss"]) == 20_000
    )
    store.runs.add_metrics(run, [("loss", 0.0, 20_000, 0.0)])
    assert client.get(answer.links["next"]["url"]).json() == {"loss": [[20_000, 0.0]]}


# -- one project sees nothing of another's --------------------------------------------------------------------------


def test_a_caller_sees_and_changes_only_what_is_its_projects(workspace: Workspace) -> None:
    """By every list, by id, by name, by prefix and by address, in REST and in the console."""
    ours, theirs = workspace.store, workspace.store.within(Scope("acme", "clinic"))
    same = artifact(ours, "dataset", "same")
    assert artifact(theirs, "dataset", "same") == same, "one content, a row in each"
    only = artifact(theirs, "dataset", "only theirs")
    theirs.artifacts.tag("d", only)
    ours.artifacts.tag("d", same)
    run = produce(theirs, "split", [same], only)
    theirs.traffic.log([{"id": "r", "time": 1.0, "path": "/", "route": "x", "status": 200, "streamed": False,
                         "seconds": 0.1}])  # fmt: skip
    keys = [create_key(store, "k", role="admin").key for store in (ours, theirs)]
    app = build_app(workspace)
    mine, other = (
        TestClient(app, base_url="http://127.0.0.1", headers={"Authorization": f"Bearer {key}"}) for key in keys
    )
    assert mine.get("/api/artifacts/dataset:d").json()["address"] == str(same)
    assert other.get("/api/artifacts/dataset:d").json()["address"] == str(only)
    for path in (f"/api/runs/{run}", f"/api/runs/{run}/metrics", f"/api/artifacts/{only}", f"/runs/{run}",
                 f"/api/artifacts/{only}/lineage", f"/api/artifacts/{only}/rejected", f"/artifacts/{only}",
                 f"/artifacts/{only}/files/data.txt", f"/api/artifacts/{str(only)[:20]}"):  # fmt: skip
        assert (mine.get(path).status_code, other.get(path).status_code) == (404, 200), path
    for path, count in (("/api/runs", 1), ("/api/artifacts", 2), ("/api/traffic", 1)):
        assert len(other.get(path).json()) == count and len(mine.get(path).json()) == (path == "/api/artifacts"), path
    assert mine.post(f"/api/runs/{run}/cancel").status_code == 404
    assert mine.get(f"/api/artifacts/{same}/lineage?down=true").json()["edges"] == []
    assert len(other.get(f"/api/artifacts/{same}/lineage?down=true").json()["edges"]) == 1
    assert only.hash[:12] not in mine.get("/").text + mine.get("/runs").text + mine.get("/artifacts").text
    ours.artifacts.remove(same)
    assert theirs.artifacts.path(same).is_dir(), "its content goes with the last of them"
    assert ours.artifacts.unreachable() == [] and len(theirs.artifacts.find()) == 2


def test_a_worker_serves_all_projects_and_makes_what_is_of_the_one_that_asked(workspace: Workspace) -> None:
    theirs = workspace.within(Scope("acme", "clinic"))
    asked, same = theirs.submit(Count(to=3), name="d"), workspace.submit(Count(to=3), name="d")
    assert asked.run != same.run, "the same work of two projects is two runs"
    work(workspace, once=True)
    assert theirs.result(asked.run).state == workspace.result(same.run).state == "done"
    for one in (workspace, theirs):
        (made,) = one.store.artifacts.find()
        assert made.tags == ("d",) and len(one.store.lists.runs().rows) == 1
