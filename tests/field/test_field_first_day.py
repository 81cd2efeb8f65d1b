"""The first day: what other tools were reported to get wrong when somebody meets them. The inputs are our own.

| test | source | right |
|---|---|---|
| test_doctor_on_a_fresh_machine | mlflow/mlflow #14775 | it works where nothing is, and names a bad key |
| test_a_polite_word_before_a_fact... | linagora/openrag #837, FireFistisDead/pdf-qa-bot #135 | it is checked |
| test_a_url_with_a_secret... | mlflow/mlflow #1854, BerriAI/litellm #15799 | neither kept nor shown |
| test_a_sign_that_the_terminal... | HKUDS/CLI-Anything #418, hiyouga/LLaMA-Factory #2877 | what is done is no crash |
| test_a_folder_where_most_is_not_read | labring/FastGPT #4415 | what is not read is lost, status 3 |
| test_values_of_a_table_stay | kuzudb/kuzu #1323, huggingface/datasets #4467, teableio/teable #1828 | NA and 007 stay |
| test_the_same_name_twice | langgenius/dify #9177 | the move is said, and the first is found as @1 |
| test_login_leads_nowhere_else | netbox-community/netbox #9950 | it stays on this site |
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tuneloop.access import create_key
from tuneloop.answer.answerer import states_something
from tuneloop.runner import Workspace
from tuneloop.web.app import build_app

MANUAL = "# Pump\n\n" + "The pump runs at 4 bar. " * 9


def typed(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """What a command says that is typed in a folder."""
    command = [sys.executable, "-m", "tuneloop", *arguments]
    known = {k: v for k, v in os.environ.items() if k != "TUNELOOP_WORKSPACE"}
    return subprocess.run(
        command, cwd=folder, env={**known, **environment}, capture_output=True, timeout=60, check=False
    )


def test_doctor_on_a_fresh_machine(tmp_path: Path) -> None:
    fresh = typed(tmp_path, "doctor", "--json")
    assert fresh.returncode in (0, 2) and "database" in {c["name"] for c in json.loads(fresh.stdout)["checks"]}
    (tmp_path / "tuneloop.toml").write_text('langage = "zh"\n')
    wrong = typed(tmp_path, "doctor")
    assert wrong.returncode == 2 and b"langage" in wrong.stdout + wrong.stderr and b"Traceback" not in wrong.stderr
    assert not (tmp_path / ".tuneloop").exists()


def test_a_folder_where_most_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.md").write_text(MANUAL)
    for name in ("prices.xlsx", "talk.pptx", "old.odt", "letter.rtf", "mail.eml"):
        (tmp_path / "d" / name).write_bytes(b"PK")
    done = typed(tmp_path, "parse", "d", "--json")
    assert done.returncode == 3 and json.loads(done.stdout)["lost"]["count"] == 5


def test_values_of_a_table_stay(tmp_path: Path) -> None:
    values = ["NA", "null", "007", "1e5", "TRUE", "-"]
    rows = "".join(f"What is field {n}?,{value}\n" for n, value in enumerate(values))
    (tmp_path / "qa.csv").write_text("question,answer\n" + rows)
    assert typed(tmp_path, "import", "qa.csv").returncode == 0
    shown = json.loads(typed(tmp_path, "show", "dataset:qa", "--rows", "examples", "--json").stdout)["rows"]
    assert [row["messages"][-1]["content"] for row in shown] == values


def test_the_same_name_twice(tmp_path: Path) -> None:
    for place, word in (("one", "bar"), ("two", "litres")):
        (tmp_path / place / "d").mkdir(parents=True)
        (tmp_path / place / "d" / "a.md").write_text(MANUAL.replace("bar", word))
    first = json.loads(typed(tmp_path, "parse", "one/d", "--json").stdout)
    second = typed(tmp_path, "parse", "two/d")
    assert b"documents:d@1" in second.stdout and second.returncode == 0
    assert first["output"].encode() in typed(tmp_path, "show", "documents:d@1").stdout


def test_login_leads_nowhere_else(workspace: Workspace) -> None:
    client = TestClient(build_app(workspace), base_url="http://127.0.0.1:8001", follow_redirects=False)
    key = create_key(workspace.store, "x", role="member").key
    for place in ("//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"):
        answer = client.post("/login", data={"key": key, "next": place})
        assert answer.headers["location"] == "/", place
    assert client.post("/login", data={"key": key, "next": "/runs"}).headers["location"] == "/runs"


@pytest.mark.parametrize("command", ["synthesize chunks:c --teacher", "loadtest", "serve --no-auth --upstream"])
@pytest.mark.parametrize("url", ["http://bob:hunter2@127.0.0.1:9/v1#m", "http://127.0.0.1:9/v1?api_key=hunter2#m"])
def test_a_url_with_a_secret_is_refused_and_not_repeated(tmp_path: Path, command: str, url: str) -> None:
    """Found outside: it was kept with the run and shown to everybody who may see runs."""
    done = typed(tmp_path, *command.split(), url)
    assert done.returncode == 2 and b"may not hold a password or a key" in done.stderr
    assert b"hunter2" not in done.stdout + done.stderr


def test_a_sign_that_the_terminal_does_not_know_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A\n\n" + "The pump runs at 4 bar. " * 9, encoding="utf-8")
    done = typed(tmp_path, "parse", "a.md", PYTHONIOENCODING="gbk")
    assert done.returncode == 0 and b"documents:a" in done.stdout, done.stderr.decode("gbk")


@pytest.mark.parametrize(
    ("sentence", "states"),
    [
        ("Hello!", False), ("Sure, I can help you with that.", False), ("好的。", False), ("您好！", False),
        ("I am sorry, but I cannot answer that.", False), ("抱歉，文档中没有提到。", False), ("以下是要点：", False),
        ("Yes, the serum may be kept at 9 °C.", True), ("OK, give it to infants.", True), ("Yes, free.", True),
        ("Thanks, Borol is banned.", True), ("I am sorry, Borol is deadly.", True), ("No, it must not freeze.", True),
        ("好的，该血清可以常温保存。", True), ("您好，可以常温保存。", True), ("谢谢，常温即可。", True),
    ],
)  # fmt: skip
def test_a_polite_word_before_a_fact_is_no_reason_not_to_check_it(sentence: str, states: bool) -> None:
    """Found outside: short false sentences that began with yes, thanks or 好的 stood without any mark."""
    assert states_something(sentence) == states
