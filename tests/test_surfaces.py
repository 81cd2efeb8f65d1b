"""Every stage on every surface: help, guide, REST, and the same artifact address wherever it was started."""

import json
import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tuneloop.access import create_key, list_keys
from tuneloop.registry import BUILT_IN, find_stage
from tuneloop.runner import Workspace
from tuneloop.web.app import build_app
from tuneloop.worker import work

REPOSITORY = Path(__file__).parent.parent
STAGES = list(BUILT_IN)
HERE = "http://127.0.0.1"


def tuneloop(*arguments: str, workspace: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    full = {**os.environ, "COLUMNS": "110", **environment}
    if workspace:
        full["TUNELOOP_WORKSPACE"] = str(workspace)
    command = [sys.executable, "-m", "tuneloop", *arguments]
    return subprocess.run(command, env=full, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guide")
    (folder / "pump.md").write_text("# Pump\n\nThe pump stops at 40 bar.\n\n## Valve\n\nThe valve opens at 3 bar.\n")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    return folder


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_described_everywhere(name: str) -> None:
    stage = find_stage(name)
    assert (stage.__doc__ or "").strip(), "a stage says what it does"
    assert stage.name == name
    for field, facts in stage.model_fields.items():
        assert facts.description, f"{name}.{field} has no description"
    for language in ("en", "zh"):
        pages = "".join(p.read_text(encoding="utf-8") for p in (REPOSITORY / "docs" / language).glob("*.md"))
        command = "tuneloop models pull" if name == "pull" else f"tuneloop {name}"
        assert command in pages, f"the guide ({language}) does not name: {command}"


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_imported_from_its_package(name: str) -> None:
    stage = find_stage(name)
    package = import_module(stage.__module__.rpartition(".")[0])
    assert getattr(package, stage.__name__) is stage and stage.__name__ in package.__all__


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_python_of_the_guide_does_what_it_says(language: str, tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / language / "22-runs.md").read_text(encoding="utf-8")
    snippet = page.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "handbook").mkdir()
    (tmp_path / "handbook" / "pump.md").write_text("# Pump\n\nThe P7 pump stops at 40 bar.\n")
    environment = {**os.environ, "TUNELOOP_WORKSPACE": ""}
    done = subprocess.run(
        [sys.executable, "-c", snippet], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("pump.md ") and "The P7 pump stops at 40 bar." in done.stdout
    assert Workspace(tmp_path).store.artifacts.resolve("index:handbook")


@pytest.mark.parametrize("name", [n for n in STAGES if n != "pull"])
def test_help_names_every_option_in_both_languages(name: str) -> None:
    for language in ("en", "zh"):
        shown = tuneloop(name, "--help", TUNELOOP_LANGUAGE=language)
        assert shown.returncode == 0, shown.stderr
        for field in find_stage(name).model_fields:
            if field not in find_stage(name).positional:
                assert "--" + field.replace("_", "-") in shown.stdout


def test_the_same_work_has_the_same_address_from_python_command_line_and_rest(guide: Path, tmp_path: Path) -> None:
    parse = find_stage("parse")
    from_python = Workspace(tmp_path / "a").run(parse.model_validate({"paths": [str(guide)]}), name="g")
    shown = tuneloop("parse", str(guide), "--name", "g", "--json", workspace=tmp_path / "b")
    from_command = json.loads(shown.stdout)
    assert set(from_command) >= {"run", "stage", "state", "output", "metrics", "seconds", "error"}

    workspace = Workspace(tmp_path / "c")
    client = TestClient(build_app(workspace, auth=False), base_url=HERE)
    answer = client.post("/api/stages/parse?name=g", json={"paths": [str(guide)]})
    assert answer.status_code == 202 and answer.json()["state"] == "queued", "never inside the request"
    work(workspace, once=True)
    from_rest = client.get(f"/api/runs/{answer.json()['run']}").json()
    assert from_python.output == from_command["output"] == from_rest["output"]
    assert from_rest["state"] == "done" and from_rest["summary"]["rejected"] == 1
    aside = client.get("/api/artifacts/documents:g/rejected").json()
    assert [row["where"] for row in aside] == ["broken.pdf"] and aside[0]["reason"]
    assert {"smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct"} <= {
        m["name"] for m in client.get("/api/models").json()
    }
    page = client.get(f"/runs/{answer.json()['run']}")
    assert page.status_code == 200 and from_rest["output"] in page.text


def test_rest_needs_a_key_with_the_right_role_and_says_what_is_wrong(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    client = TestClient(build_app(workspace, auth=True), base_url=HERE)
    assert client.get("/api/runs").status_code == 401
    caller, member = (create_key(workspace.store, "x", role=role).key for role in ("caller", "member"))
    abroad = {"chunks": "chunks:x", "teacher": "http://elsewhere.example/v1#m"}

    def post(key: str, stage: str, body: object) -> tuple[int, str]:
        answer = client.post(f"/api/stages/{stage}", json=body, headers={"Authorization": f"Bearer {key}"})
        return answer.status_code, answer.json().get("error", "")

    assert post(caller, "chunk", {"documents": "documents:x"})[0] == 403
    for path in ("/", "/part/runs", "/stages/parse", "/api/runs", "/api/artifacts", "/api/stages", "/api/openapi.json"):
        codes = [client.get(path, headers={"Authorization": f"Bearer {key}"}).status_code for key in (caller, member)]
        assert codes == [403, 200], f"{path}: a caller may use /v1 and nothing else"
    used = {key["role"]: key["used"] for key in list_keys(workspace.store)}
    assert used["member"], "a key that is used here is seen to be used"
    assert post(member, "synthesize", abroad)[0] == 403, "a server named by its URL would be sent our key"
    embedded = {"chunks": "chunks:x", "embedding": "HTTP://elsewhere.example/v1#m"}
    assert post(member, "index", embedded)[0] == 403, "whichever field names it: it would be sent our documents"
    assert post(member, "parse", {"paths": ["/etc/hostname"]})[0] == 403, "only an admin reads this machine's files"
    status, error = post(member, "chunk", {"documents": "documents:x"})
    assert status == 404 and "there is no documents:x" in error
    status, error = post(member, "chunk", {"documents": "documents:x", "tokns": 5})
    assert status == 422 and "tokns" in error, "an unknown key is refused by name"


def test_rest_describes_every_stage(tmp_path: Path) -> None:
    client = TestClient(build_app(Workspace(tmp_path), auth=False), base_url=HERE)
    described = client.get("/api/openapi.json").json()
    for name in STAGES:
        assert "post" in described["paths"][f"/api/stages/{name}"]
        assert client.get(f"/stages/{name}").status_code == 200
    assert client.get("/").status_code == 200
    for host, status in (("evil.example", 403), ("[", 403), ("", 403), ("[::1]:8001", 200), ("localhost", 200)):
        assert client.get("/", headers={"host": host}).status_code == status, "no other site's name leads here"


def test_a_queued_run_is_cancelled_over_rest(guide: Path, tmp_path: Path) -> None:
    client = TestClient(build_app(Workspace(tmp_path), auth=False), base_url=HERE)
    run = client.post("/api/stages/parse", json={"paths": [str(guide)]}).json()["run"]
    assert client.post(f"/api/runs/{run}/cancel").json()["state"] == "cancelled"


def test_starting_is_quick_and_light() -> None:
    """No timing here (see benchmarks/startup.py); what makes it slow must not be imported."""
    code = "import sys; from tuneloop.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "heavy = {'torch', 'transformers', 'numpy', 'pyarrow', 'sqlalchemy', 'httpx', 'fastapi', 'rich.console'}\n"
    code += "heavy &= set(sys.modules)\n"
    code += "assert not heavy, heavy"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["chunk", "documents:none"], "there is no documents:none"),
        (["chunk", "documents:none", "--tokens", "many"], "tokens: Input should be a valid integer"),
        (["parse", "/nowhere/at/all"], "/nowhere/at/all"),
        (["show", "model:none"], "there is no workspace here"),
        (["ls", "cats"], "there is no kind 'cats'"),
        (["run", "/nowhere.toml"], "there is no such file"),
        (["demo", "--documents", "/nowhere"], "there is no such file or folder"),
        (["train", "dataset:x", "--model", "no-such-model"], "there is no dataset:x"),
        (["web", "--port", "99999"], "99999 is not in the range"),
        (["show", "documents:x", "--limit", "0"], "0 is not in the range"),
        (["parse", str(REPOSITORY / "README.md"), "--name", "a/b"], "'a/b' cannot be a name"),
        (["run", str(REPOSITORY)], "Is a directory"),
    ],
)
def test_bad_input_is_one_clear_line_and_status_2(arguments: list[str], says: str, tmp_path: Path) -> None:
    done = tuneloop(*arguments, workspace=tmp_path)
    assert done.returncode == 2 and says in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and "Traceback" not in done.stderr


def test_a_damaged_database_and_a_full_disk_are_one_line(tmp_path: Path) -> None:
    (tmp_path / ".tuneloop").mkdir()
    (tmp_path / ".tuneloop" / "tuneloop.db").write_text("this is no database, and never was one" * 20)
    done = tuneloop("ls", workspace=tmp_path)
    assert done.returncode == 2 and "the database is damaged" in done.stderr and "Traceback" not in done.stderr
    code = "import errno, tuneloop.cli.artifacts as a, tuneloop.cli as c\n"
    code += "def full(*_, **__): raise OSError(errno.ENOSPC, 'No space left on device')\n"
    code += "a.Store.existing = full\nc.main(['ls'])"
    environment = {**os.environ, "TUNELOOP_WORKSPACE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "the disk is full" in done.stderr and "Traceback" not in done.stderr


def test_pages_of_other_sites_cannot_post(guide: Path, tmp_path: Path) -> None:
    client = TestClient(build_app(Workspace(tmp_path), auth=False), base_url=HERE)
    body = {"paths": [str(guide)]}
    for origin, status in (("http://evil.example", 403), ("null", 403), (HERE, 202)):
        assert client.post("/api/stages/parse", json=body, headers={"origin": origin}).status_code == status
    absent = client.get("/api/nothing")
    assert absent.status_code == 404 and "/api/nothing" in absent.json()["error"]


def test_a_loop_file_runs_in_order_and_reuses_what_is_done(guide: Path, tmp_path: Path) -> None:
    loop = tmp_path / "loop.toml"
    loop.write_text(
        f'[[stage]]\nstage = "parse"\nname = "g"\npaths = ["{guide}"]\n\n'
        '[[stage]]\nstage = "chunk"\ndocuments = "documents:g"\ntokens = 100\n'
    )
    first = json.loads(tuneloop("run", str(loop), "--json", workspace=tmp_path).stdout)
    second = json.loads(tuneloop("run", str(loop), "--json", workspace=tmp_path).stdout)
    assert [r["reused"] for r in first["runs"]] == [False, False]
    assert [r["reused"] for r in second["runs"]] == [True, True]
    loop.write_text('[[stage]]\nstage = "chunk"\ndocments = "documents:g"\n')
    bad = tuneloop("run", str(loop), workspace=tmp_path)
    assert bad.returncode == 2 and "[[stage]] 1 (chunk)" in bad.stderr and "docments" in bad.stderr


def test_ctrl_c_leaves_no_process_behind(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tuneloop", "count", "1000", "--pause", "0.05"], stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TUNELOOP_WORKSPACE": str(tmp_path)},
    )  # fmt: skip
    workspace = Workspace(tmp_path)
    deadline = time.time() + 20
    while not (rows := workspace.store.runs.recent(state="running")) and time.time() < deadline:
        time.sleep(0.05)
    child = rows[0].pid
    process.send_signal(signal.SIGINT)
    _out, shown = process.communicate(timeout=20)
    assert process.returncode == 130 and "Traceback" not in shown, shown
    assert workspace.store.runs.get(rows[0].id).state == "cancelled"
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("where", ["gettext", "tuneloop.overheard", "click", "tuneloop.runner", "sqlalchemy"])
def test_a_command_can_be_stopped_while_it_is_being_imported(
    tmp_path: Path, where: str, number: signal.Signals, status: int
) -> None:
    code = (
        "import os, sys\n"
        "class At:\n"
        "    def find_spec(self, name, path, target=None):\n"
        f"        if name == {where!r}: os.kill(os.getpid(), {int(number)})\n"
        "sys.meta_path.insert(0, At())\n"
        "sys.argv = ['tuneloop', 'count', '3']\n"
        "from tuneloop.__main__ import main\nmain()\n"
    )
    environment = {**os.environ, "TUNELOOP_WORKSPACE": str(tmp_path), "TUNELOOP_LANGUAGE": "en"}
    command = [sys.executable, "-c", code]
    stopped = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert stopped.returncode == status, stopped.stderr
    assert len(stopped.stderr.strip().split("\n")) == 1 and stopped.stderr.strip().startswith("Stopped"), stopped.stderr


@pytest.mark.parametrize("folder", ["My docs (2)", "法律 文件", "_x", "...", "a@b@c"])
def test_the_demo_names_its_work_after_any_folder(folder: str, tmp_path: Path) -> None:
    from tuneloop.cli.demo import name_of
    from tuneloop.store.names import check_name

    check_name(name_of(tmp_path / folder))
