"""In a notebook an address is a reference, artifacts open as tables, results show themselves, runs say how far."""

import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pyarrow as pa
import pytest
from pydantic import Field

from tuneloop import notebook
from tuneloop.dataset import Split
from tuneloop.errors import NotFound
from tuneloop.language import speaking
from tuneloop.records import Example, Message, content_id, write_rows
from tuneloop.runner import Account, RunResult, Workspace
from tuneloop.stage import DatasetRef, Kind, Stage
from tuneloop.store import Artifact


class Join(Stage):
    """Put datasets behind each other."""

    name: ClassVar[str] = "join"
    makes: ClassVar[Kind] = "dataset"
    datasets: list[DatasetRef] = Field(description="Datasets.")


def dataset(workspace: Workspace, folder: Path) -> Any:
    folder.mkdir()
    said = [(f"How is account {n} reset?", f"Press reset {n}.") for n in range(6)]
    rows = [
        Example(id=content_id(q), messages=[Message(role="user", content=q), Message(role="assistant", content=a)])
        for q, a in said
    ]
    write_rows(folder / "examples.parquet", Example, rows)
    return workspace.store.artifacts.save("dataset", folder, {"examples": 6})


class Text(HTMLParser):
    """The elements and the text of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def shown(value: Any) -> str:
    """What a notebook shows of a value."""
    try:
        from IPython.core.formatters import HTMLFormatter
    except ImportError:
        return value._repr_html_()
    return HTMLFormatter()(value)


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A notebook, as much of IPython as a kernel has loaded; what stands below the cell, each time it changes."""
    lines: list[str] = []

    def display(bundle: dict[str, str], *, raw: bool, display_id: bool) -> Any:
        assert raw and display_id and not lines, "one line, that is rewritten"
        lines.append(bundle["text/plain"])
        return SimpleNamespace(update=lambda bundle, raw: lines.append(bundle["text/plain"]))

    shell = SimpleNamespace(kernel=object())
    found: Any = ModuleType("IPython")
    found.get_ipython = lambda: shell
    shown: Any = ModuleType("IPython.display")
    shown.display = display
    monkeypatch.setitem(sys.modules, "IPython", found)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    monkeypatch.setattr(notebook, "EVERY", 0.0)
    return lines


def test_an_address_is_a_reference_a_table_opens_and_a_run_says_how_far_it_is(
    workspace: Workspace, tmp_path: Path, cell: list[str]
) -> None:
    address = dataset(workspace, tmp_path / "rows")
    result = workspace.run(Split(dataset=address, part="train", share=0.3))
    assert cell[0].startswith("split") and cell[-1] == f"split · done · {result.seconds:.1f} s"
    assert workspace.store.runs.get(result.run).params["dataset"] == str(address)

    table = workspace.table(result.address, "examples")
    assert isinstance(table, pa.Table) and 0 < len(table) < 6
    assert set(table["id"].to_pylist()) < set(
        workspace.table(f"dataset:{address.hash[:12]}", "examples")["id"].to_pylist()
    )
    with pytest.raises(NotFound, match="no table 'exampels'") as wrong:
        workspace.table(address, "exampels")
    assert wrong.value.hint == "Tables: examples."

    with speaking("zh"):
        html = shown(workspace.artifact(result.address))
    assert {"样本", result.address.short} <= set(Text(html).texts) and 'lang="zh-CN"' in html
    reused = Text(shown(workspace.run(Split(dataset=address, part="train", share=0.3)))).texts
    assert "split · done before, reused" in reused and result.address.short in reused


def test_addresses_are_references_in_lists_too(workspace: Workspace, tmp_path: Path) -> None:
    address = dataset(workspace, tmp_path / "rows")
    workspace.store.artifacts.tag("questions", address)
    stage = Join(datasets=[address, "dataset:questions"])
    assert workspace.resolve(stage)["datasets"] == [str(address)] * 2
    assert workspace.result(workspace.submit(stage).run).state == "queued", "it is kept as what a reader types"


def test_what_is_shown_is_text_whatever_it_holds() -> None:
    bad = "<script>alert(1)</script>"
    failed = RunResult("r", bad, "failed", error=bad, lost=Account(3), tag=bad)
    made = RunResult(
        "r", "parse", "done", output="dataset:" + "a" * 64, summary={"format": bad, "examples": 2}, tag=bad
    )
    for value in (failed, made, Artifact(made.address, 0.0, 10, made.summary, (bad,))):
        html = shown(value)
        assert set(Text(html).tags) <= {"div", "b", "table", "tr", "th", "td"} and any(
            bad in t for t in Text(html).texts
        )
    with speaking("zh"):
        assert {"3", "未能读取或保留"} <= set(Text(shown(failed)).texts)
    long = Text(shown(RunResult("r", "parse", "failed", error="x" * 10_000))).texts
    assert max(map(len, long)) == notebook.LONGEST


def test_outside_of_a_notebook_nothing_is_shown(monkeypatch: pytest.MonkeyPatch, cell: list[str]) -> None:
    assert notebook.line()
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: SimpleNamespace())  # a terminal
    assert notebook.line() is None
    monkeypatch.delitem(sys.modules, "IPython")
    assert notebook.line() is None
