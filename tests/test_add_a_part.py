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
    """A workspace with a base model and questions."""
    folder = tmp_path_factory.mktemp("home")
    workspace = Workspace(folder)
    base, questions = folder / "base", folder / "questions"
    make_tiny_gguf(base, make_tiny_model(folder / "hf"))
    questions.mkdir()
    rows = []
    for n in range(8):
        turns = [Message(role="user", content=f"How {n}?"), Message(role="assistant", content=f"Press reset {n}.")]
        rows.append(Example(id=content_id(str(n)), messages=turns))
    write_rows(questions / "examples.parquet", Example, rows)
    for kind, path in (("model", base), ("dataset", questions)):
        add(workspace, kind, path)
    return folder


def add(workspace: Workspace, kind: Any, path: Path) -> None:
    address = workspace.store.artifacts.save(kind, path, {})
    workspace.store.artifacts.tag(kind, "mine", address)


def tuneloop(package: Path, home: Path, *words: str) -> dict[str, Any]:
    """What a command says as JSON, with the package installed; it must succeed."""
    paths = os.pathsep.join([str(package), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": paths, "TUNELOOP_WORKSPACE": str(home), "TUNELOOP_LANGUAGE": "en"}
    command = [sys.executable, "-m", "tuneloop", *words, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)
