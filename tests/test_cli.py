"""What commands print: for people, and with ``--json`` for programs."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import click
import httpx
import pytest
from click.testing import CliRunner
from toystage import Count

from tuneloop.cli import main
from tuneloop.cli.artifacts import lineage
from tuneloop.cli.removal import rm
from tuneloop.cli.serve import print_ready
from tuneloop.cli.stages import build
from tuneloop.errors import TuneloopError
from tuneloop.execution import RunContext
from tuneloop.language import speaking
from tuneloop.processes import free_port
from tuneloop.registry import find_stage
from tuneloop.runner import Workspace
from tuneloop.settings import load_settings
from tuneloop.store.database import versions
from tuneloop.telling import progressed

SERVERS = [
    ("serve", "--upstream", "http://127.0.0.1:9/v1#some-model", "--no-auth"),
    ("web", "--no-auth"),
    ("web", "--no-auth", "--no-worker"),
]


def start(workspace: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tuneloop", *arguments], env={**os.environ, "TUNELOOP_WORKSPACE": str(workspace)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("arguments", SERVERS, ids=" ".join)
def test_a_server_with_json_prints_one_object_when_it_answers(arguments: tuple[str, ...], tmp_path: Path) -> None:
    port = free_port()
    server = start(tmp_path, *arguments, "--port", str(port), "--json")
    try:
        assert server.stdout is not None
        ready = json.loads(server.stdout.readline())
        assert ready["state"] == "ready" and ready["url"] == f"http://127.0.0.1:{port}"
        assert httpx.get(ready["url"]).status_code == 200
        assert ready.get("models", ["some-model"]) == ["some-model"]
    finally:
        server.send_signal(signal.SIGINT)
        rest, _shown = server.communicate(timeout=20)
    assert rest == "" and server.returncode == 130


ENDS = {"serve": "The server has stopped.", "--no-worker": "The server has stopped."}


@pytest.mark.parametrize("arguments", [*SERVERS, ("worker",)], ids=" ".join)
def test_a_server_that_is_terminated_ends_well(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Found outside: it ended with 130 and the words for a stage, which a supervisor counts as a failure."""
    port = () if "worker" in arguments else ("--port", str(free_port()))
    server = start(tmp_path, *arguments, *port, "--json")
    assert server.stdout is not None and json.loads(server.stdout.readline())["state"] == "ready"
    server.send_signal(signal.SIGTERM)
    _rest, said = server.communicate(timeout=20)
    words = next((w for word, w in ENDS.items() if word in arguments), "Stopped. A run that was under way here is in")
    assert server.returncode == 0 and words in said.strip().splitlines()[-1], said


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_server_that_another_command_has_begun_ends_in_its_own_words(
    number: signal.Signals, status: int, tmp_path: Path
) -> None:
    """As ``demo --serve`` does: it said that the same command continues what is done."""
    arguments = [*SERVERS[0][1:], "--port", str(free_port()), "--json"]
    code = f"""import click, signal, sys
from tuneloop import cli
signal.signal(signal.SIGINT, signal.default_int_handler)
@cli.root.command()
def outer():
    from tuneloop.cli.serve import serve
    if status := serve.main({arguments!r}, standalone_mode=False, obj={{}}):
        click.get_current_context().exit(status)
cli.Commands.get_command = click.Group.get_command
cli.main(["outer"])"""
    environment = {**os.environ, "TUNELOOP_WORKSPACE": str(tmp_path)}
    server = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert server.stdout is not None and json.loads(server.stdout.readline())["state"] == "ready"
    server.send_signal(number)
    _rest, said = server.communicate(timeout=20)
    assert server.returncode == status and said.strip().splitlines()[-1] == "The server has stopped.", said


def test_a_server_that_dies_later_prints_no_second_object(tmp_path: Path) -> None:
    port = free_port()
    server = start(tmp_path, *SERVERS[0], "--port", str(port), "--json")
    assert server.stdout is not None and json.loads(server.stdout.readline())["state"] == "ready"
    for child in subprocess.check_output(["pgrep", "-P", str(server.pid)], text=True).split():
        os.kill(int(child), signal.SIGKILL)
    rest, errors = server.communicate(timeout=20)
    assert rest == "" and server.returncode == 2 and "has ended" in errors


def test_a_loop_that_fails_half_way_tells_what_is_done(tmp_path: Path) -> None:
    second = '[[stage]]\nstage = "count"\nto = 4\ntrouble = "user"\nafter = "documents:two"\n'
    (tmp_path / "l.toml").write_text('[[stage]]\nstage = "count"\nto = 2\nname = "two"\n' + second)
    shown, errors = start(tmp_path / "w", "run", str(tmp_path / "l.toml"), "--json").communicate(timeout=60)
    body = json.loads(shown)
    assert (body["stage"], body["state"], [r["tag"] for r in body["runs"]]) == ("count", "failed", ["two"])
    assert body["run"] not in (None, body["runs"][0]["run"]) and "the numbers ran out" in body["error"]
    assert f"{tmp_path / 'l.toml'}: [[stage]] 2 (count): numbers.txt:5: " in errors
    (tmp_path / "l.toml").write_text('[[stage]]\nstage = "count"\nto = 2\nafter = "documents:none"\n')
    shown, _errors = start(tmp_path / "w", "run", str(tmp_path / "l.toml"), "--json").communicate(timeout=60)
    assert json.loads(shown)["stage"] == "count" and json.loads(shown)["runs"] == []


def test_a_bug_is_one_object_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuneloop.cli.lists.list_runs", Mock(side_effect=ZeroDivisionError("oops")))
    with pytest.raises(ZeroDivisionError):
        main(["ls", "runs", "--json"])
    assert json.loads(capsys.readouterr().out)["error"] == "ZeroDivisionError: oops"


def test_what_follows_a_report_is_in_one_object_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    with click.Context(click.Command("serve"), obj={"stages": []}):
        print_ready("", as_json=True, url="u")
    assert json.loads(capsys.readouterr().out) == {"stages": [], "state": "ready", "url": "u"}


def test_a_worker_with_json_prints_one_object(tmp_path: Path) -> None:
    shown, _errors = start(tmp_path, "worker", "--once", "--json").communicate(timeout=20)
    assert json.loads(shown) == {"state": "ready", "workspace": str(tmp_path)}


def test_rm_removes_all_or_nothing(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNELOOP_WORKSPACE", str(workspace.store.root))
    free, used = (workspace.run(Count(to=n), name=f"n{n}").address for n in (2, 3))
    made = workspace.run(Count(to=4, after="documents:n3"), name="n4").address
    there = workspace.store.artifacts.exists
    refused = CliRunner().invoke(rm, ["documents:n2", "documents:n3"]).exception
    assert isinstance(refused, TuneloopError) and f"{used.short} is an input of " in str(refused)
    assert there(free) and there(used), "what was named before the refused one is still there"
    done = CliRunner().invoke(rm, ["documents:n3", "documents:n2", "documents:n4"])
    assert done.exit_code == 0 and not any(there(a) for a in (free, used, made)), "what goes too stands in nobody's way"


def test_rm_leaves_what_a_queued_run_is_to_read(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNELOOP_WORKSPACE", str(workspace.store.root))
    free, read = (workspace.run(Count(to=n), name=f"n{n}").address for n in (2, 3))
    run = workspace.submit(Count(to=4, after="documents:n3")).run
    for force in ([], ["--force"]):
        refused = CliRunner().invoke(rm, ["documents:n2", "documents:n3", *force]).exception
        assert isinstance(refused, TuneloopError) and f"tuneloop cancel {run}" in str(refused)
    assert workspace.store.artifacts.exists(free) and workspace.store.artifacts.exists(read)
    workspace.cancel(run)
    assert CliRunner().invoke(rm, ["documents:n3"]).exit_code == 0 and not workspace.store.artifacts.exists(read)


def test_lineage_says_what_was_removed(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNELOOP_WORKSPACE", str(workspace.store.root))
    source = workspace.run(Count(to=2), name="two").address
    workspace.run(Count(to=3, after="documents:two"), name="three")
    command = ["documents:three", "--no-documents"]
    assert "(removed)" not in CliRunner().invoke(lineage, command).output
    shutil.rmtree(workspace.store.artifacts.path(source))
    shown = CliRunner().invoke(lineage, command).output.splitlines()
    assert [line.endswith("(removed)") for line in shown] == [False, True]
    assert json.loads(CliRunner().invoke(lineage, [*command, "--json"]).output)["removed"] == [str(source)]


def test_rate_and_time_left_count_what_this_attempt_did(workspace: Workspace) -> None:
    ctx = RunContext(workspace, "run", "key")
    ctx.phase("training")
    ctx.progress(500, 1000, "steps")  # an earlier attempt came so far
    begun = ctx.state["since"]
    assert progressed(ctx.state, begun + 10) == "training · 500/1,000 steps"
    ctx.progress(510, 1000, "steps")
    assert progressed(ctx.state, begun + 10) == "training · 510/1,000 steps · 1.0 steps/s · 8:10 left"
    ctx.phase("measuring")
    ctx.progress(0, 40)
    ctx.progress(20, 40)
    assert progressed(ctx.state, ctx.state["since"] + 10) == "measuring · 20/40 · 2.0/s · 0:10 left"


@pytest.mark.parametrize(("trouble", "status"), [("bug", 1), ("user", 2)])
def test_the_status_tells_a_bug_from_what_the_user_can_mend(trouble: str, status: int, tmp_path: Path) -> None:
    command = start(tmp_path, "count", "4", "--trouble", trouble)
    _shown, errors = command.communicate(timeout=60)
    assert command.returncode == status and len(errors.splitlines()) == 1, errors
    assert ("tuneloop show " in errors) == (trouble == "bug")


def test_what_is_set_aside_is_named_with_its_reason_and_the_rest_is_done(tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text("# Pump\n\nThe pump stops at 40 bar.\n")
    for n in range(4):
        (tmp_path / f"bad{n}.pdf").write_bytes(b"%PDF-1.7 and no more" + b"." * n)
    command = start(tmp_path / "workspace", "parse", str(tmp_path / "good.md"), *map(str, tmp_path.glob("bad*.pdf")))
    shown, errors = command.communicate(timeout=60)
    assert command.returncode == 3, errors
    head, *reasons = shown[shown.index("files lost: 4") :].splitlines()
    assert head.endswith("--rejected") and len(reasons) == 4
    assert all(line.startswith(f"  - bad{n}.pdf: ") and len(line) > 20 for n, line in enumerate(reasons)), reasons


@pytest.mark.parametrize(
    ("stage", "values", "language", "says"),
    [
        ("loadtest", {}, "en", "give the URL of a server, or --model, and not both"),
        ("loadtest", {}, "zh", "要么给出服务器的 URL，要么给出 --model，不能两者都给"),
        ("loadtest", {"url": "x", "rate": "2000", "seconds": "3600"}, "zh", "50000"),
        ("count", {"to": "many"}, "zh", "to：应为整数，无法把这段文字解析为整数"),
        ("parse", {"paths": "x"}, "zh", "paths：应为列表"),
    ],
)
def test_a_refused_option_is_told_in_our_words_and_the_language_of_the_reader(
    stage: str, values: dict[str, str], language: str, says: str
) -> None:
    with speaking(language), pytest.raises(TuneloopError) as caught:
        build(find_stage(stage), values)
    shown = str(caught.value)
    assert says in shown and "Value error" not in shown and "value:" not in shown
    assert language == "en" or not re.search("Input|should|above", shown)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("TUNELOOP_THREADS", "abc", "TUNELOOP_THREADS: threads: Input should be a valid integer"),
        ("TUNELOOP_LANGUAGE", "fr", "TUNELOOP_LANGUAGE: language: Input should be '', 'en' or 'zh' (given: 'fr')"),
        ("TUNELOOP_LANGUAGE", "zh_CN.UTF-8", ""),
    ],
)
def test_a_bad_setting_is_blamed_on_the_variable_that_gave_it(
    variable: str, value: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    if not says:
        assert load_settings(tmp_path).language == "zh"
        return
    with pytest.raises(TuneloopError) as caught:
        load_settings(tmp_path)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(
    ("arguments", "says", "stage"),
    [
        (["show", "documents"], "'documents' is a kind of artifact, and not one of them", None),
        (["--workspace", ".", "chunk", "documents:none", "--json"], "there is no documents:none", "chunk"),
        (["serve", "--upstream", "foo"], "'foo' does not say which model to ask", None),
    ],
)
def test_what_is_mistyped_is_one_line_that_fits(
    arguments: list[str], says: str, stage: str | None, tmp_path: Path
) -> None:
    command = subprocess.run(
        [sys.executable, "-m", "tuneloop", *arguments], env={**os.environ, "TUNELOOP_WORKSPACE": str(tmp_path)},
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert command.returncode == 2 and says in command.stderr and len(command.stderr.splitlines()) == 1, command.stderr
    assert not stage or json.loads(command.stdout)["stage"] == stage


def test_doctor_gives_the_advice_that_fits_a_newer_workspace(workspace: Workspace) -> None:
    with workspace.store.engine.begin() as connection:
        connection.execute(versions.insert().values(version=999))
    shown, _errors = start(workspace.store.root, "doctor", "--json").communicate(timeout=60)
    database = next(c for c in json.loads(shown)["checks"] if "newer" in c["found"])
    assert "Upgrade Tuneloop" in database["found"] and "TUNELOOP_DATABASE" not in json.dumps(database)
