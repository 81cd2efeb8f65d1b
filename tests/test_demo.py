"""The main job from end to end with a real model, a real engine and a real gateway, on two small pages."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tuneloop.address import Address
from tuneloop.cli.demo import demo as command
from tuneloop.demo import pipeline
from tuneloop.demo.chart import interval_chart, line_chart, ticks
from tuneloop.demo.pipeline import RECIPES, Outcome
from tuneloop.demo.report import write_report
from tuneloop.errors import MissingExtra, TuneloopError
from tuneloop.evaluate.items import Item
from tuneloop.evaluate.scores import summarise
from tuneloop.records import write_rows
from tuneloop.runner import RunResult, Workspace

PUMP = """# The P7 pump

The P7 pump stops at a pressure of 40 bar. The P7 pump is filled with 2 litres of oil.

## Service

The P7 pump is serviced every 500 hours. Its filter is replaced at every service.
"""
VALVE = """# The V2 valve

The V2 valve opens at 3 bar and closes at 2 bar. A V2 valve weighs 900 grams.

## Storage

The V2 valve is stored dry at 5 to 30 degrees. A V2 valve is kept for ten years.
"""
PAGES = {"pump.md": PUMP, "valve.md": VALVE}
EXAM = [
    ("At what pressure does the P7 pump stop?", "The P7 pump stops at 40 bar.", "pump.md"),
    ("How heavy is a V2 valve?", "A V2 valve weighs 900 grams.", "valve.md"),
    ("Who won the cup in 1998?", "The documents do not answer this.", ""),
]


def exam_rows() -> str:
    names = ("question", "answer", "page")
    rows = [
        {"id": str(n), **dict(zip(names, row, strict=True)), "answerable": bool(row[2])} for n, row in enumerate(EXAM)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture(scope="module")
def ran(smollm: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("demo")
    (folder / "pages").mkdir()
    for name, text in PAGES.items():
        (folder / "pages" / name).write_text(text, encoding="utf-8")
    (folder / "exam.jsonl").write_text(exam_rows(), encoding="utf-8")
    (folder / "models").mkdir()
    tuneloop(folder, "models", "pull", str(smollm), "--name", "smollm2-135m-instruct")
    shown = demo(folder)
    return folder, json.loads(shown)


WITNESS = Path(__file__).parent / "witness"  # writes down who asks another machine


def tuneloop(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "TUNELOOP_WORKSPACE": str(folder), "TUNELOOP_LANGUAGE": "en", "HF_HUB_OFFLINE": ""}
    environment |= {"TUNELOOP_TEST_WITNESS": str(folder / "witness.txt")}
    environment["PYTHONPATH"] = os.pathsep.join([str(WITNESS), environment["PYTHONPATH"]])
    command = [sys.executable, "-m", "tuneloop", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def demo(folder: Path) -> str:
    return tuneloop(
        folder, "demo", "--documents", str(folder / "pages"), "--exam", str(folder / "exam.jsonl"), "--name", "pumps",
        "--language", "en", "--model", "model:smollm2-135m-instruct", "--teacher", "model:smollm2-135m-instruct",
        "--out", str(folder), "--json",
    )  # fmt: skip


def test_documents_become_a_measured_and_served_model(ran: tuple[Path, dict]) -> None:
    folder, report = ran
    assert set(report) >= {"stages", "exam", "retrieval", "citations", "loadtest"}
    assert all(stage["state"] == "done" for stage in report["stages"])
    assert set(report["exam"]) >= {"base", "tuned", "difference", "interval"} and not report["exam"]["synthetic"]
    assert report["retrieval"]["hit@5"] == 1.0
    assert report["loadtest"]["requests"]["ok"] > 0
    assert report["training"]["loss"], "the loss curve was recorded"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page and "http://" not in page.replace("http://www.w3.org", "") and "<script" not in page


def test_with_its_models_here_the_whole_job_asks_no_other_machine(ran: tuple[Path, dict]) -> None:
    seen = ran[0] / "witness.txt"
    assert not seen.exists(), seen.read_text()


def test_what_was_made_is_shown_to_people(ran: tuple[Path, dict]) -> None:
    folder, report = ran
    shown = {kind: tuneloop(folder, "show", f"{kind}:pumps") for kind in ("evaluation", "loadtest", "model", "dataset")}
    scores = f"{report['exam']['tuned']:.3f} +{report['exam']['base']:.3f}"
    assert re.search(rf"ROUGE-L F1 +{scores}", shown["evaluation"]) and "report.html" in shown["evaluation"]
    assert re.search(r"latency +P50 .* · P99 ", shown["loadtest"])
    first, last = report["training"]["loss"][0][1], next(s for s in report["stages"] if s["label"] == "train")
    assert f"{first:.3f} → {last['summary']['loss']:.3f}" in shown["model"]
    assert " → " in shown["dataset"] and "{" not in shown["dataset"]


def test_every_document_stands_behind_the_served_model(ran: tuple[Path, dict]) -> None:
    folder, _report = ran
    lineage = json.loads(tuneloop(folder, "lineage", "model:pumps-q8_0", "--json"))
    assert {name for names in lineage["documents"].values() for name in names} == set(PAGES)
    assert {edge["stage"] for edge in lineage["edges"]} >= {"compress", "train", "synthesize", "chunk", "parse"} - {
        "parse"
    }


def test_a_second_time_nothing_is_done_again(ran: tuple[Path, dict]) -> None:
    folder, report = ran
    again = json.loads(demo(folder))
    assert all(stage["reused"] for stage in again["stages"])
    assert [s["output"] for s in again["stages"]] == [s["output"] for s in report["stages"]]


def test_what_was_made_is_whole_and_readable_by_others(ran: tuple[Path, dict]) -> None:
    folder, report = ran
    import pyarrow.parquet as pq

    store = Workspace(folder).store
    outputs = {stage["label"]: Address.parse(stage["output"]) for stage in report["stages"]}
    chunks = pq.read_table(store.artifacts.path(outputs["chunk"]) / "chunks.parquet").to_pylist()
    documents = {
        d["id"]: d["text"]
        for d in pq.read_table(store.artifacts.path(outputs["parse"]) / "documents.parquet").to_pylist()
    }
    assert chunks and all(documents[c["document"]][c["start"] : c["end"]] == c["text"] for c in chunks)


@pytest.mark.parametrize("pages", [3, 8])
def test_the_report_shows_metrics_lengths_and_intervals_where_there_are_any(tmp_path: Path, pages: int) -> None:
    items = [
        Item(id=str(n), question=f"What is {n}?", reference=f"It is {n}.", pages=[f"{n}.md"], answer=f"It is {n}.",
             against="I do not know." if n else None, failed=[] if n else ["against"], rank=1)
        for n in range(pages + 1)
    ]  # fmt: skip
    _scores, body = summarise(items, compared=True, known=True, resamples=100, seed=0)
    workspace = Workspace(tmp_path / "workspace")
    folder = tmp_path / "evaluation"
    folder.mkdir()
    write_rows(folder / "items.parquet", Item, items)
    output = str(workspace.store.artifacts.save("evaluation", folder, body))
    result = RunResult("r", "evaluate", "done", output, {"peak_memory_mib": 1234.0}, summary=body)
    outcome = Outcome("pumps", "en", RECIPES["en"], synthetic=False, results={"evaluate": result})
    data, page = write_report(workspace, outcome, tmp_path)
    exam = json.loads(data.read_text(encoding="utf-8"))["exam"]
    assert exam["items"] == pages and len(exam["rows"]) == pages - (pages > 6) * (pages - 6)
    assert bool(exam["interval"]) == (pages >= 5) and exam["lengths"]["reference"] == 3
    html = page.read_text(encoding="utf-8")
    assert "left out: 1" in html and "ROUGE-L recall" in html and "mean length of an answer" in html
    assert ("no interval" in html) == (pages < 5) and "None" not in html
    assert "all its processes: evaluate, 1,234 MiB" in html


def test_the_report_speaks_the_language_of_the_documents(tmp_path: Path) -> None:
    assert os.environ["TUNELOOP_LANGUAGE"] == "en"
    workspace = Workspace(tmp_path / "workspace")
    made = "dataset:" + "0123456789abcdef" * 4
    results = {
        "synthesize": RunResult("r", "synthesize", "done", made, summary={"rejected": 3}),
        "split": RunResult("r", "split", "done", "dataset:" + "f" * 64),
    }
    _data, page = write_report(workspace, Outcome("泵", "zh", RECIPES["zh"], True, results=results), tmp_path)
    html = page.read_text(encoding="utf-8")
    assert 'lang="zh-CN"' in html and "<h2>阶段</h2>" in html and "Stages" not in html
    assert "tuneloop show dataset:0123456789ab --rejected" in html, "where the rows were set aside, not what was kept"


@pytest.mark.parametrize("missing", ["torch", "gguf"])
def test_what_training_needs_is_checked_before_anything_is_made(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNELOOP_WORKSPACE", str(tmp_path))
    monkeypatch.setattr(pipeline, "find_spec", lambda name: None if name == missing else sys)
    (tmp_path / "pump.md").write_text(PUMP)
    with pytest.raises(MissingExtra, match=rf"'{missing}'.*tuneloop\[train\]"):
        command.main(["--documents", str(tmp_path / "pump.md")], standalone_mode=False)
    assert not (tmp_path / ".tuneloop").exists()


def test_the_guide_is_found_beside_the_package_or_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = Path(__file__).parent.parent
    monkeypatch.setattr(pipeline, "REPOSITORY", tmp_path)  # as it is for an installed package
    monkeypatch.chdir(clone)
    assert pipeline.own_documents("zh")[0] == clone / "docs" / "zh"
    (tmp_path / "docs" / "en").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TuneloopError, match="--documents FOLDER"):
        pipeline.own_documents("en")  # somebody else's docs are not the guide


def test_charts_hold_their_points() -> None:
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    drawn = line_chart({"a <b>": [(0, 1.0), (10, 0.5)]}, x_title="step", y_title="loss")
    assert "a &lt;b&gt;" in drawn and drawn.count("<path") == 1
    drawn = interval_chart([("x", -0.2, -0.3, -0.1), ("y", 0.5, None, None)], title="t")
    assert drawn.count('class="bar') == 1 and 'class="bar worse"' in drawn and drawn.count("<circle") == 2
