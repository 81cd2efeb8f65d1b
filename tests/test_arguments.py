"""Arguments as a shell gives them: names in any bytes, variables that are not set; and hints that can be typed."""

import ast
import gettext
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tuneloop.cli import main, workspace_of
from tuneloop.cli.demo import name_of
from tuneloop.runner import Workspace
from tuneloop.typed import COMMAND
from tuneloop.web.app import build_app

PACKAGE = Path(__file__).parent.parent / "tuneloop"
PAGE = "# Pump\n\nThe pump stops at 40 bar.\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with documents in one named as GB18030 has it, and a file of questions named so too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNELOOP_WORKSPACE", "")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("LANGUAGE", "")
    folder = os.fsdecode("水泵".encode("gb18030"))
    Path(folder).mkdir()
    Path(folder, "pump.md").write_text(PAGE)
    Path(f"{folder}.jsonl").write_text('{"question": "When does it stop?", "answer": "At 40 bar."}\n')
    Path(folder, "tiny.gguf").write_bytes(b"GGUF")
    yield tmp_path
    gettext.textdomain("messages")  # which a command that speaks Chinese sets for its process


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0), *capsys.readouterr()


ODD = os.fsdecode("水泵".encode("gb18030"))


@pytest.mark.parametrize("typed", [["parse", ODD], ["parse", f"{ODD}/*.md"], ["import", f"{ODD}.jsonl"]], ids=ascii)
def test_a_name_that_is_not_utf_8_is_read(here: Path, capsys: pytest.CaptureFixture[str], typed: list[str]) -> None:
    status, out, err = said(capsys, *typed, "--json")
    assert status == 0 and json.loads(out)["tag"].startswith("水泵"), err
    assert name_of(Path(ODD)) == "水泵", "so the demo calls it too"


@pytest.mark.parametrize(
    "typed",
    [
        ["show", ODD], ["show", f"documents:{ODD}"], ["tag", f"model:{ODD}", "x"], ["tag", "model:x", ODD], ["ls", ODD],
        ["lineage", ODD], ["cancel", ODD], ["rm", ODD], ["diff", ODD, ODD], ["chunk", ODD],
            ["parse", ".", "--name", ODD],
        ["run", ODD], ["models", "pull", ODD], ["models", "pull", f"./{ODD}"], ["key", "revoke", ODD], [ODD],
        [f"--{ODD}"], ["-w", ODD, "parse", "a.md"], ["-w", ODD, "key", "create", "x"], ["serve", "--upstream", ODD],
        ["evaluate", ODD, ODD], ["loadtest", ODD],  ["doctor", ODD],
    ],
    ids=ascii,
)  # fmt: skip
def test_a_name_that_is_not_utf_8_is_refused_in_one_line_where_it_can_name_nothing(
    here: Path, capsys: pytest.CaptureFixture[str], typed: list[str]
) -> None:
    Workspace(here)
    status, _out, err = said(capsys, *typed)
    assert status == 2 and len(err.splitlines()) == 1 and "bug" not in err, err
    assert not (here / ODD / ".tuneloop").exists()


@pytest.mark.parametrize(
    "typed",
    [
        ["parse", ""], ["parse", ".", ""], ["import", ""], ["chunk", ""], ["models", "pull", ""], ["run", ""],
        ["run", "", "--check"], ["demo", "--documents", ""], ["demo", "--out", ""], ["-w", "", "ls"],
        ["evaluate", "a", "b", "--against", ""], ["loadtest", ""], ["train", "", "--model", "m"], ["rm", "", "--force"],
        ["ls", ""], ["show", ""], ["key", "create", ""], ["serve", ""], ["serve", "m", "--knowledge="],
            ["split", "d", "--name="],
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_variable_that_is_not_set_is_not_taken_for_this_folder(
    here: Path, capsys: pytest.CaptureFixture[str], typed: list[str]
) -> None:
    status, _out, err = said(capsys, *typed)
    assert status == 2 and "is empty" in err and len(err.splitlines()) == 1, err
    assert not (here / ".tuneloop").exists()


def test_a_request_and_a_loop_are_told_the_same(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    client = TestClient(build_app(Workspace(here), auth=False), base_url="http://127.0.0.1")
    for stage, body in (("parse", {"paths": ["docs", ""]}), ("import", {"file": ""})):
        refused = client.post(f"/api/stages/{stage}", json=body)
        assert refused.status_code == 422 and "a path is empty" in refused.text
    (here / "loop.toml").write_text('[[stage]]\nstage = "parse"\npaths = [""]\n')
    status, _out, err = said(capsys, "run", "loop.toml")
    assert status == 2 and "a path is empty" in err


def test_options_in_which_no_text_means_none_may_be_empty(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _out, err = said(capsys, "train", "dataset:none", "--model", "m", "--system-prompt", "")
    assert status == 2 and "there is no dataset:none" in err


# -- hints -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [["-wz"], ["-w", "z"], ["--workspace", "z"], ["--workspace=z"]], ids=" ".join)
def test_the_workspace_is_known_however_it_is_typed(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, form: list[str]
) -> None:
    monkeypatch.delenv("TUNELOOP_LANGUAGE")
    (here / "z").mkdir()
    (here / "z" / "tuneloop.toml").write_text('language = "zh"\n')
    assert workspace_of(form).resolve() == here / "z" and workspace_of([*form, "ls", "-w", "x"]).resolve() == here / "z"
    for rest in ([], ["-h"], ["ls", "-h"]):
        assert re.search("列出|文档", said(capsys, *form, *rest)[1]), rest


def test_a_hint_that_names_a_workspace_names_one(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = said(capsys, "-w", "nowhere", "ls")[2]
    assert told.count(" -w ") == 2 and "-w DIR" in told and "-w nowhere parse FOLDER" in told, told


def test_gc_and_ls_name_commands_as_they_can_be_typed(here: Path) -> None:
    def typed(*arguments: str) -> str:
        command = [sys.executable, "-m", "tuneloop", "-w", "a b", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    (here / "docs").mkdir()
    for text in (PAGE, PAGE * 2):
        (here / "docs" / "pump.md").write_text(text)
        typed("parse", "docs")
    told = typed("gc")
    assert f"{sys.executable} -m tuneloop -w 'a b' gc --history" in told, told


# Where commands are named and not to be typed as they stand; what a server says is for another machine's terminal.
NAMED_ONLY = {
    "cli/doctor.py: asked by nothing but tuneloop models, tuneloop demo and a stage {stages}, as in a loop file: "
    "{places}"
}
TYPED = ("as_typed", "HTTPBearer", "TuneloopError", "NotFound", "NoWorkspace", "Conflict")


def test_no_command_is_printed_otherwise_than_it_can_be_typed() -> None:
    """Each text that names a command goes, itself or by a variable, into ``as_typed`` or an error's hint."""
    bare = [f"{path.relative_to(PACKAGE)}: {text}" for path in PACKAGE.rglob("*.py") for text in bare_commands(path)]
    assert set(bare) == NAMED_ONLY, sorted(set(bare) ^ NAMED_ONLY)


def bare_commands(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    above = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}

    def chain(node: ast.AST) -> Iterator[ast.AST]:
        while node in above:
            node = above[node]
            yield node

    def is_safe(node: ast.AST) -> bool:
        return any(
            (isinstance(one, ast.keyword) and one.arg == "hint")
            or (isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id in TYPED)
            for one in chain(node)
        )

    def reaches(node: ast.AST) -> bool:
        """Whether a name that the text is given, or its items are, is used in a safe place of the same function."""
        scope = next(one for one in chain(node) if isinstance(one, (ast.FunctionDef, ast.Module)))
        tainted, size = set[str](), -1
        while size < len(tainted):
            size = len(tainted)
            for one in ast.walk(scope):
                value = one.iter if isinstance(one, (ast.For, ast.comprehension)) else getattr(one, "value", None)
                if value is None or not isinstance(one, (ast.For, ast.comprehension, ast.Assign, ast.AugAssign)):
                    continue
                inside = list(ast.walk(value))
                if node in inside or any(isinstance(n, ast.Name) and n.id in tainted for n in inside):
                    targets = one.targets if isinstance(one, ast.Assign) else [one.target]
                    tainted |= {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
        return any(isinstance(n, ast.Name) and n.id in tainted and is_safe(n) for n in ast.walk(scope))

    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and COMMAND.search(node.value):
            is_docstring = isinstance(above[node], ast.Expr)
            if not is_docstring and not is_safe(node) and not reaches(node):
                yield node.value
