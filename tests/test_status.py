"""How a command ends: 0 done, 3 done with a loss that is named, 2 nothing made, 1 a bug. And what it leaves alone."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gateway_house import Engine, Running, answer_json
from starlette.testclient import TestClient

from tuneloop import stopping
from tuneloop.cli import main
from tuneloop.errors import BUG, DONE, INCOMPLETE, STOPPED, UNDONE
from tuneloop.registry import find_stage
from tuneloop.runner import Workspace
from tuneloop.web.app import build_app
from tuneloop.worker import work

REPOSITORY = Path(__file__).parent.parent
GOOD = "# Pump\n\nThe pump stops at 40 bar.\n"
QA = '{"question": "When does it stop?", "answer": "At 40 bar."}\n'
TORN = '{"question": "Why'


def tuneloop(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tuneloop", *arguments]
    full = {**os.environ, "COLUMNS": "200", **environment}
    return subprocess.run(command, cwd=cwd, env=full, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "pump.md").write_text(GOOD)
    (docs / "photo.png").write_bytes(b"\x89PNG")
    (docs / "notes.xyz").write_text("?")
    (docs / "same.md").write_text(GOOD)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "pump.md").write_text(GOOD)
    (tmp_path / "bad" / "torn.pdf").write_bytes(b"%PDF-1.7 and no more")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "pump.md").write_text(GOOD)
    (tmp_path / "old" / "report.doc").write_bytes(b"\xd0\xcf\x11\xe0")
    for name in ("doses.xlsx", "talk.pptx", "minutes.odt", "letter.eml"):
        (tmp_path / "old" / name).write_bytes(b"PK")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "photo.png").write_bytes(b"\x89PNG")
    (tmp_path / "qa.jsonl").write_text(QA)
    (tmp_path / "twice.jsonl").write_text(QA + QA)
    (tmp_path / "torn.jsonl").write_text(QA + TORN)
    (tmp_path / "none.jsonl").write_text(TORN)
    return tmp_path


MATRIX: list[tuple[list[str], int, list[str], list[str]]] = [
    # what is typed, its status, what is lost, what is set aside
    (["parse", "docs"], DONE, [], ["notes.xyz", "photo.png", "same.md"]),
    (["parse", "bad"], INCOMPLETE, ["torn.pdf"], []),
    (["parse", "old"], INCOMPLETE, ["doses.xlsx", "letter.eml", "minutes.odt", "report.doc", "talk.pptx"], []),
    (["parse", "docs/pump.md", "docs/photo.png"], INCOMPLETE, ["photo.png"], []),
    (["parse", "docs/pump.md", "absent.md"], INCOMPLETE, ["absent.md"], []),
    (["parse", "pictures"], UNDONE, [], []),
    (["parse", "absent"], UNDONE, [], []),
    (["import", "twice.jsonl"], DONE, [], ["twice.jsonl:2"]),
    (["import", "torn.jsonl"], INCOMPLETE, ["torn.jsonl:2"], []),
    (["import", "none.jsonl"], UNDONE, [], []),
    (["count", "2"], DONE, [], ["row 1"]),
    (["count", "2", "--trouble", "user"], UNDONE, [], []),
    (["count", "2", "--trouble", "bug"], BUG, [], []),
    (["count", "two"], UNDONE, [], []),
]


@pytest.mark.parametrize(("typed", "status", "lost", "aside"), MATRIX, ids=lambda value: " ".join(map(str, value))
                         if isinstance(value, list) else str(value))  # fmt: skip
def test_the_status_says_whether_all_was_read(
    here: Path, typed: list[str], status: int, lost: list[str], aside: list[str]
) -> None:
    done = tuneloop(*typed, "--json", cwd=here)
    body = json.loads(done.stdout)
    assert (done.returncode, body["status"]) == (status, status), done.stderr
    assert (body["output"] is not None) == (status in (DONE, INCOMPLETE)) == (body["error"] is None)
    if body["error"] is None:
        assert_account(body, lost, aside)


def assert_account(body: dict[str, Any], lost: list[str], aside: list[str]) -> None:
    for part, places in (("lost", lost), ("set_aside", aside)):
        assert body[part]["count"] == len(places)
        assert [row["where"] for row in body[part]["first"]] == places
        assert all(row["reason"] for row in body[part]["first"])


def test_what_is_lost_is_named_for_people_and_again_when_the_work_is_reused(here: Path) -> None:
    for again in (False, True):
        done = tuneloop("parse", "bad", cwd=here)
        assert done.returncode == INCOMPLETE and ("reused" in done.stdout) == again
        assert re.search(r"files lost: 1; see all with: .*tuneloop show documents:bad --rejected", done.stdout)
        assert "- torn.pdf: damaged or truncated" in done.stdout
    shown = tuneloop("show", "documents:bad", cwd=here).stdout.replace(f"{sys.executable} -m ", "")
    assert "files lost: 1; see all with" in shown and "set aside" not in shown, "show says what parse said"
    listed = tuneloop("ls", cwd=here).stdout
    assert "lost 1" in listed and "rejected" not in listed and "set aside" not in listed


def test_an_empty_folder_among_others_is_named_as_lost(here: Path) -> None:
    (here / "void").mkdir()
    done = tuneloop("parse", "docs", "void", "--json", cwd=here)
    lost = json.loads(done.stdout)["lost"]
    assert done.returncode == INCOMPLETE and lost["count"] == 1, done.stderr
    assert lost["first"] == [{"where": "void", "reason": "the folder holds no files"}]


def test_a_loop_goes_on_after_a_loss_and_ends_with_the_worst_status(here: Path) -> None:
    loop = here / "loop.toml"
    parse = '[[stage]]\nstage = "parse"\npaths = ["bad"]\n\n'
    loop.write_text(parse + '[[stage]]\nstage = "chunk"\ndocuments = "documents:bad"\n')
    done = tuneloop("run", "loop.toml", "--json", cwd=here)
    body = json.loads(done.stdout)
    assert done.returncode == body["status"] == INCOMPLETE, done.stderr
    assert [run["status"] for run in body["runs"]] == [INCOMPLETE, DONE]
    assert_account(body, ["torn.pdf"], [])
    loop.write_text(parse + '[[stage]]\nstage = "count"\nto = 2\ntrouble = "user"\n')
    done = tuneloop("run", "loop.toml", "--json", cwd=here)
    assert done.returncode == json.loads(done.stdout)["status"] == UNDONE


def test_rest_and_the_console_say_the_same(here: Path) -> None:
    workspace = Workspace(here)
    client = TestClient(build_app(workspace, auth=False), base_url="http://127.0.0.1")
    for folder in ("docs", "bad"):
        client.post("/api/stages/parse?name=d", json={"paths": [str(here / folder)]})
        work(workspace, once=True)
    second, first = client.get("/api/runs").json()
    assert (first["status"], second["status"], second["lost"]) == (DONE, INCOMPLETE, {"count": 1, "first": []})
    body = client.get(f"/api/runs/{second['run']}").json()
    assert_account(body, ["torn.pdf"], [])
    assert body["moved"]["before"] == {"name": "documents:d@1", "address": first["output"]}
    page = client.get(f"/runs/{second['run']}").text
    assert "torn.pdf" in page and "before: documents:d@1 = " in page
    assert client.get("/api/artifacts/documents:d@1").json()["versions"] == ["d@1"]


# -- the stages that ask a server ----------------------------------------------------------------------------------


class Partial(Engine):
    """An engine that answers from the text it is shown, and refuses whatever speaks of the valve."""

    async def good(self, body: dict[str, Any], receive: Any, send: Any) -> None:
        text = body["messages"][-1]["content"]
        if "valve" in text:
            return await answer_json(send, 400, {"error": {"message": "the context is too long"}})
        answer = "It stops at 40 bar."
        if "response_format" in body:
            topic = re.search(r"The (\w+) stops at \d+ bar\.", text)
            assert topic
            pair = {"question": f"When does the {topic[1]} stop?", "answer": topic[0]}
            answer = json.dumps({"pairs": [pair]})
        self.parts = [answer]
        await super().good(body, receive, send)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A workspace with twelve pages and a question on each, and a server that answers all but one of them."""
    folder = tmp_path_factory.mktemp("asked")
    topics = ["pump", "valve", "meter", "filter", "gauge", "boiler", "lamp", "fan", "heater", "drill", "crane", "mixer"]
    (folder / "pages").mkdir()
    for n, topic in enumerate(topics):
        text = f"# {topic}\n\nThe {topic} stops at {40 + n} bar. Press its red button to start the {topic} again.\n"
        (folder / "pages" / f"{topic}.md").write_text(text)
    rows = [{"question": f"When does the {t} stop?", "answer": f"At {40 + n} bar."} for n, t in enumerate(topics)]
    (folder / "exam.jsonl").write_text("\n".join(map(json.dumps, rows)))
    workspace = Workspace(folder)
    for stage, fields in (
        ("parse", {"paths": [str(folder / "pages")]}), ("chunk", {"documents": "documents:pages"}),
        ("import", {"file": str(folder / "exam.jsonl")}),
    ):  # fmt: skip
        workspace.run(find_stage(stage).model_validate(fields))
    running = Running(Partial())
    yield folder, f"{running.url}/v1"
    running.stop()


def test_evaluate_names_what_was_not_answered_and_tells_its_scores_and_its_report(asked: tuple[Path, str]) -> None:
    here, url = asked
    command = ("evaluate", f"{url}#good", "dataset:exam", "--against", f"{url}/#good")
    done = tuneloop(*command, cwd=here)
    assert done.returncode == INCOMPLETE, done.stderr
    said = done.stdout
    assert re.search(r"rows lost: 1; see all with: .*tuneloop show evaluation:\S+ --rejected", said)
    assert re.search(r"\n  - \w+: not answered: .*the context is too long", said)
    assert re.search(r"model +against +difference +95% interval", said), said
    assert re.search(r"ROUGE-L F1 +0\.\d{3} +0\.\d{3} +\+0\.000 ", said), said
    report = re.search(r"\n  report +(\S+report\.html)\n", said)
    assert report and "ROUGE-L" in Path(report[1]).read_text(encoding="utf-8")
    told = json.loads(tuneloop(*command, "--json", cwd=here).stdout)
    assert (told["status"], told["lost"]["count"], told["set_aside"]["count"]) == (INCOMPLETE, 1, 0)
    shown = tuneloop("show", re.search(r"evaluation:\S+", said)[0], cwd=here).stdout  # type: ignore[index]
    assert "ROUGE-L F1" in shown and report[1] in shown


def test_synthesize_names_the_chunk_for_which_the_teacher_failed(asked: tuple[Path, str]) -> None:
    here, url = asked
    command = (
        "synthesize",
        "chunks:pages",
        "--teacher",
        f"{url}#good",
        "--answers",
        "written",
        "--grounded-share",
        "0",
    )
    done = tuneloop(*command, "--json", cwd=here)
    body = json.loads(done.stdout)
    assert done.returncode == body["status"] == INCOMPLETE, done.stderr
    (lost,) = body["lost"]["first"]
    assert "the teacher did not answer" in lost["reason"] and body["metrics"] is not None
    assert body["summary"]["examples"] == 11 and body["set_aside"]["count"] == 0


def test_loadtest_tells_its_latencies_and_a_refused_request_is_measured_and_not_lost(asked: tuple[Path, str]) -> None:
    here, url = asked
    command = ("loadtest", url, "--model-name", "good", "--dataset", "dataset:exam", "--rate", "20", "--seconds", "1")
    done = tuneloop(*command, cwd=here)
    assert done.returncode == DONE, done.stderr
    for label in ("time to first token", "latency"):
        assert re.search(rf"\n  {label} +P50 \d.* · P95 \d.* · P99 \d", done.stdout), done.stdout
    assert re.search(r"\n  errors +http_400 \d", done.stdout) and "lost" not in done.stdout
    assert re.search(r"\n  chart +\S+chart\.svg\n", done.stdout)


# -- what only reads makes nothing ---------------------------------------------------------------------------------

READING = [
    (["ls"], DONE), (["ls", "runs"], DONE), (["ls", "--history"], DONE), (["key", "ls"], DONE), (["gc"], DONE),
    (["models", "ls"], DONE), (["doctor"], None), (["--help"], DONE), (["show", "dataset:d"], UNDONE),
    (["lineage", "dataset:d"], UNDONE), (["diff", "dataset:d", "dataset:e"], UNDONE), (["rm", "dataset:d"], UNDONE),
    (["tag", "dataset:d", "e"], UNDONE), (["cancel", "x"], UNDONE), (["key", "revoke", "x"], UNDONE),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "status"), READING, ids=[" ".join(typed) for typed, _status in READING])
def test_a_command_that_reads_makes_no_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: list[str],
    status: int | None,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNELOOP_WORKSPACE", "")
    for form in ([], ["--json"]) if status == DONE and typed != ["--help"] else ([],):
        with pytest.raises(SystemExit) as ended:
            main([*typed, *form])
        told = capsys.readouterr()
        assert not list(tmp_path.iterdir()) and (status is None or ended.value.code == status), told.err
        if typed[0] not in ("models", "doctor", "--help"):
            assert told.err.count("there is no workspace here") == 1 and len(told.err.splitlines()) == 1
        if form:
            listed = json.loads(told.out)
            assert listed.get("artifacts", []) == listed.get("runs", []) == listed.get("keys", []) == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_guide_says_once_what_the_statuses_mean(language: str) -> None:
    """The chapter on runs says it; any other page leads there, and has not a list of its own that can differ."""
    pages = {path.name: path.read_text(encoding="utf-8") for path in (REPOSITORY / "docs" / language).glob("*.md")}
    listed = [name for name, text in pages.items() if len(set(re.findall(r"\b(?:130|143)\b", text))) == 2]
    assert listed == ["22-runs.md"]
    said = {int(status) for status in re.findall(r"^- (?:Status|状态) (\d+) ", pages["22-runs.md"], re.MULTILINE)}
    assert said == {DONE, BUG, UNDONE, INCOMPLETE, STOPPED, stopping.status(stopping.Terminated())}
    anchor = {"en": "exit-statuses", "zh": "退出状态"}[language]
    heads = {"en": "Exit statuses", "zh": "退出状态"}[language]
    linked = [name for name, text in pages.items() if f"22-runs.md#{anchor}" in text]
    assert f"\n## {heads}\n" in pages["22-runs.md"] and "04-concepts.md" in linked and "08-synthesize.md" in linked
