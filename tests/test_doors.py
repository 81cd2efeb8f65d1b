"""What an installed package brings comes through a door; what is wrong with it is named, and stops nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULE = '''
from typing import Any, ClassVar
from pydantic import Field
from tuneloop.stage import Context, Kind, Stage

class Good(Stage):
    """Do a good thing."""
    name: ClassVar[str] = "good"
    makes: ClassVar[Kind] = "documents"
    to: int = Field(1, description="How far.")

class Strange(Good):
    name: ClassVar[str] = "strange"
    makes: ClassVar[Kind] = "sculpture"

class Mute(Good):
    name: ClassVar[str] = "mute"
    rerun: int = Field(1, description="A flag that every command has.")

nothing = 1
'''
POINTS = """[tuneloop.stages]
good = strangeparts:Good
strange = strangeparts:Strange
mute = strangeparts:Mute
nothing = strangeparts:nothing
broken = strangebroken:Broken
parse = strangeparts:Good
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package as pip leaves it, with one good stage and four that cannot be used."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "strangeparts.py").write_text(MODULE)
    (folder / "strangebroken.py").write_text("import a_module_that_nobody_has\n")
    facts = folder / "strange_parts-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: strange-parts\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(POINTS)
    return folder


def tuneloop(package: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(package), str(ROOT)]), "TUNELOOP_LANGUAGE": "en"}
    command = [sys.executable, "-m", "tuneloop", *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_a_package_that_cannot_be_used_is_named_and_stops_nothing(package: Path, tmp_path: Path) -> None:
    help_text = tuneloop(package, "--help", cwd=tmp_path)
    listed = " ".join(help_text.stdout.split())
    assert help_text.returncode == 0 and "good Do a good thing." in listed
    for name, reason in {
        "strange": "there is no kind of artifact 'sculpture'", "mute": "a field may not be named 'rerun'",
        "nothing": "it is not a subclass of Stage", "broken": "No module named 'a_module_that_nobody_has'",
    }.items():  # fmt: skip
        assert f"'{name}' of the package strange-parts cannot be used: " in listed and reason in listed, name
    (tmp_path / "a.md").write_text("# Ports\n\nThe gateway listens on port 8000.\n")
    parsed = tuneloop(package, "parse", "a.md", "--json", cwd=tmp_path)
    assert parsed.returncode == 0 and json.loads(parsed.stdout)["summary"]["documents"] == 1, parsed.stderr
    used = tuneloop(package, "broken", cwd=tmp_path)
    assert used.returncode == 2 and "strange-parts" in used.stderr and "pip uninstall" in used.stderr


def test_a_built_in_name_cannot_be_taken(package: Path, tmp_path: Path) -> None:
    assert "Files, folders or patterns" in tuneloop(package, "parse", "--help", cwd=tmp_path).stdout


def test_what_fails_in_a_stage_of_a_package_is_said_to_be_the_packages(package: Path, tmp_path: Path) -> None:
    failed = tuneloop(package, "good", cwd=tmp_path)  # it has no run
    assert failed.returncode == 1 and "a bug of the package strange-parts, not of Tuneloop" in failed.stderr
