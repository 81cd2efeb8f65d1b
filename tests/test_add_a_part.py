"""What the design pages tell somebody to write is written, installed as a package, and used by the real commands."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny import make_tiny_gguf, make_tiny_model

from tuneloop.models import read_card
from tuneloop.records import Example, Message, content_id, write_rows
from tuneloop.runner import Workspace

ROOT = Path(__file__).resolve().parent.parent
FORMAT = '''
from typing import ClassVar
from tuneloop.compress.formats.hf import Folder

class Wide(Folder):
    """A folder in 32 bits."""
    name: ClassVar[str] = "hf:f32"

    def precision(self, source):
        return "f32"
'''


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the pages as pip would leave it, with a compression format beside it."""
    folder = tmp_path_factory.mktemp("site")
    points = '[tuneloop.compression_formats]\n"hf:f32" = "wide:Wide"\n'
    (folder / "wide.py").write_text(FORMAT)
    for page in ("add-a-scorer", "add-a-training-method"):
        text = (ROOT / "docs" / "design" / f"{page}.md").read_text(encoding="utf-8")
        code, toml = (re.findall(rf"```{kind}\n(.*?)```", text, re.S)[0] for kind in ("python", "toml"))
        (folder / code.partition("\n")[0].removeprefix("# ")).write_text(code)
        points += toml.replace('project.entry-points."', "").replace('"]', "]")
    facts = folder / "parts_of_pages-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: parts-of-pages\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(points.replace('"', ""))
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a base model, and questions to learn from."""
    folder = tmp_path_factory.mktemp("home")
    artifacts = Workspace(folder).store.artifacts
    base, questions = make_tiny_gguf(folder / "base", make_tiny_model(folder / "hf")), folder / "questions"
    questions.mkdir()
    said = [(f"How is account {n} reset?", f"Press reset {n}.") for n in range(8)]
    rows = [
        Example(id=content_id(q), messages=[Message(role="user", content=q), Message(role="assistant", content=a)])
        for q, a in said
    ]
    write_rows(questions / "examples.parquet", Example, rows)
    artifacts.tag("base", artifacts.save("model", base, {}))
    artifacts.tag("questions", artifacts.save("dataset", questions, {}))
    return folder


def tuneloop(package: Path, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command, with the package installed."""
    paths = os.pathsep.join([str(package), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": paths, "TUNELOOP_WORKSPACE": str(home), "TUNELOOP_LANGUAGE": "en"}
    command = [sys.executable, "-m", "tuneloop", *words]
    return subprocess.run(
        command, env={**environment, "COLUMNS": "200"}, capture_output=True, text=True, check=False, timeout=200
    )


def made(package: Path, home: Path, *words: str) -> tuple[dict[str, Any], Path]:
    """What a command that succeeds says as JSON, and the folder of what it made."""
    done = tuneloop(package, home, *words, "--json")
    assert done.returncode == 0, done.stderr[-2000:]
    said, artifacts = json.loads(done.stdout), Workspace(home).store.artifacts
    return said, artifacts.path(artifacts.resolve(said["output"]))


def test_a_method_and_a_format_of_a_package_train_and_write_a_model(package: Path, home: Path) -> None:
    words = ("train", "dataset:questions", "--model", "model:base", "--method", "query-lora", "--method.rank", "2")
    shown = " ".join(tuneloop(package, home, "train", "--help").stdout.split())
    assert "--method lora|rslora|query-lora" in shown
    assert "query-lora: What the update is multiplied by. [default: 2.0]" in shown
    refused = tuneloop(package, home, *words, "--method.scael", "3")
    assert refused.returncode == 2 and "--method.scale" in refused.stderr
    wrong = tuneloop(package, home, *words, "--method.alpha", "3")
    assert wrong.returncode == 2 and "method.alpha: query-lora has no such option" in wrong.stderr

    said, tuned = made(package, home, *words, "--epochs", "1", "--max-length", "200", "--name", "tuned")
    facts = json.loads((tuned / "adapter_config.json").read_text(encoding="utf-8"))
    assert facts["r"] == 2 and facts["lora_alpha"] == 4 and facts["target_modules"] == ["q_proj", "v_proj"]
    assert Workspace(home).store.runs.get(said["run"]).typed["method"] == {
        "name": "query-lora", "rank": 2, "scale": 2.0
    }  # fmt: skip
    assert read_card(made(package, home, "compress", "model:tuned")[1]).quantization == "q8_0", "it can be served"
    card = read_card(made(package, home, "compress", "model:tuned", "--to", "hf:f32")[1])
    assert (card.format, card.quantization) == ("hf", "f32")


def test_a_scorer_of_a_package_is_measured_and_told(package: Path, home: Path) -> None:
    words = ("evaluate", "model:base", "dataset:questions", "--max-tokens", "8", "--resamples", "100")
    said, folder = made(package, home, *words, "--scorers", "brevity", "--scorers", "rouge_l", "--primary", "brevity")
    assert set(said["summary"]["metrics"]) == {"rouge_l", "brevity"}
    body = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    assert body["labels"] == {"brevity": "excess characters"}
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "excess characters" in page and "characters of the answer beyond those of the reference" in page
    gone = tuneloop(Path(), home, "show", said["output"])
    assert gone.returncode == 0 and "excess characters" in gone.stdout, "also where the package is no longer there"
    refused = tuneloop(package, home, *words, "--scorers", "brevty")
    assert refused.returncode == 2 and "Did you mean 'brevity'?" in refused.stderr
