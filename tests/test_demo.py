"""The main job from end to end with a real model, a real engine and a real gateway, on two small pages."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tuneloop.address import Address
from tuneloop.charts import interval_chart, line_chart, ticks
from tuneloop.cli.demo import demo as command
from tuneloop.demo import pipeline, verdict
from tuneloop.demo.limits import rests_on
from tuneloop.demo.pipeline import RECIPES, Outcome
from tuneloop.demo.report import headline, write_report
from tuneloop.errors import MissingExtra, TuneloopError
from tuneloop.evaluate import figures
from tuneloop.evaluate.items import CitedSentence, Item
from tuneloop.evaluate.scorers import scorers_of
from tuneloop.evaluate.scores import summarise
from tuneloop.loadtest.chart import chart
from tuneloop.loadtest.generator import Request
from tuneloop.records import write_rows
from tuneloop.runner import Account, RunResult, Workspace
from tuneloop.train import stage as training

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


def is_right(n: int, of: int, count: int) -> bool:
    """Whether item ``n`` is among ``count`` of so many that are right; a negative number means the others."""
    place = (n * 7) % of
    return place < count if count >= 0 else place >= of + count


def asked(pages: int, right: dict[str, int], *, language: str = "en") -> list[Item]:
    """Two questions a page, of which each cell has so many right, evenly apart, and one that no document answers."""
    zh = language == "zh"
    reference = "它重 900 克。" if zh else "It weighs 900 grams."
    wrong = "它是红色的。" if zh else "It is red."
    refusal = "文档中没有回答这个问题的内容。" if zh else "The documents do not answer this."
    items = []
    for n in range(2 * pages):
        said: dict[str, Any] = {f: reference if is_right(n, 2 * pages, count) else wrong for f, count in right.items()}
        question = f"{n} 号阀门有多重？" if zh else f"How heavy is valve {n}?"
        cited = CitedSentence(sentence=said["cited"], supported=True, number=1, name=f"{n // 2}.md", end=9, quote="900")
        items.append(Item(id=f"q{n:02}", question=question, reference=reference, pages=[f"{n // 2}.md"], rank=1,
                          accepted=True, citations=[cited], sentence=wrong, **said))  # fmt: skip
    for n, text in enumerate((refusal, refusal, wrong)):
        items.append(Item(id=f"none{n}", question="谁赢了？" if zh else "Who won?", reference=refusal, answerable=False,
                          cited=text, against_cited=wrong))  # fmt: skip
    items[-4].cited = refusal
    return items


def reported(
    folder: Path, items: list[Item], *, language: str = "en", seed: int = 0, **more: RunResult
) -> tuple[dict, Path]:
    """``report.json`` and the page of an evaluation with these items."""
    _scores, body = summarise(items, scorers_of([]), compared=True, known=True, resamples=200, seed=0)
    workspace = Workspace(folder / "workspace")
    evaluation = folder / "evaluation"
    evaluation.mkdir(parents=True)
    write_rows(evaluation / "items.parquet", Item, items)
    output = str(workspace.store.artifacts.save("evaluation", evaluation, body))
    result = RunResult("r", "evaluate", "done", output, {"peak_memory_mib": 1234.0}, summary=body, seconds=61.0)
    outcome = Outcome("pumps", language, RECIPES[language], synthetic=False, results={**more, "evaluate": result})
    data, page = write_report(workspace, outcome, folder, seed=seed)
    return json.loads(data.read_text(encoding="utf-8")), page


BETTER = {"against": 2, "answer": 3, "against_cited": 4, "cited": 18}
WORSE = {"against": 2, "answer": 3, "against_cited": 20, "cited": 5}
EQUAL = {"against": 2, "answer": 3, "against_cited": 11, "cited": -13}
ALIKE = {"against": 2, "answer": 3, "against_cited": 11, "cited": 12}  # one page tells them apart


@pytest.mark.parametrize(
    ("pages", "right", "answer", "told"),
    [
        (12, BETTER, "better", "Better"), (12, WORSE, "worse", "Worse"),
        (12, EQUAL, "no difference shown", "does not show which"),
        (12, ALIKE, "not known", "fewer than 5 pages or questions tell the two apart"),
        (3, {"against": 0, "answer": 0, "against_cited": 0, "cited": 5}, "not known", "too few questions or pages"),
    ],
)  # fmt: skip
def test_the_report_answers_whether_tuned_with_documents_beats_base_with_documents(
    tmp_path: Path, pages: int, right: dict[str, int], answer: str, told: str
) -> None:
    body, page = reported(tmp_path, asked(pages, right))
    html = page.read_text(encoding="utf-8")
    assert body["verdict"] == answer and told in html
    lines = headline(body)
    assert lines[0].endswith("?") and told in lines[1]
    found = body["correctness"]
    for field, count in right.items():
        cell = found["cells"][field]
        last = is_right(2 * pages - 1, 2 * pages, count)
        counted = abs(count) - (field == "cited" and last)  # the last is refused
        assert (cell["right"], cell["items"]) == (counted, 2 * pages), field
        assert f"{counted} of {2 * pages}" in html and f"{counted} of {2 * pages}" in "\n".join(lines)
    assert bool(found["differences"]["with_documents"]["interval"]) == (answer != "not known")
    assert found["differences"]["with_documents"]["verdict"] == answer and body["primary"] == "with_documents"
    assert html.count("· " + answer + ", decides</span>") == 1, "the word of the one test, at the one that decides"
    assert "None" not in html


def test_a_reason_stands_beside_the_comparison_that_it_belongs_to(tmp_path: Path) -> None:
    """Found outside: under "Better, between +34 and +74.9" stood "fewer than 5 pages tell the two apart"."""
    body, page = reported(tmp_path, asked(12, BETTER))
    html, reason = page.read_text(encoding="utf-8"), "fewer than 5 pages or questions tell the two apart"
    beside = {name: part["unknown"] for name, part in body["correctness"]["differences"].items()}
    assert not beside["with_documents"] and beside["closed_book"] == reason
    box = html[html.index('<section class="verdict') : html.index('<section id="cells"')]
    assert "<b>Better</b>" in box and reason not in box
    drawn = re.findall(r'<div class="difference.*?(?=<div class="difference|<p class="soft">)', html, re.DOTALL)
    assert [reason in one for one in drawn] == [bool(beside[name]) for name in verdict.SHOWN if name in beside]
    assert re.search(rf"not known: {reason} \([^)]*ROUGE-L F1", html.partition('id="engineering"')[2])


def test_a_difference_is_drawn_where_it_lies(tmp_path: Path) -> None:
    """On a track from -100 to 100 points: its mark at the value, its bar from end to end."""
    body, page = reported(tmp_path, asked(12, BETTER))
    part = body["correctness"]["differences"]["with_documents"]
    (low, high), html = part["interval"], page.read_text(encoding="utf-8")
    track = html[html.index('<div class="track">') :]
    left, wide, at = (float(n) for n in re.findall(r"(?:left|width):([\d.]+)%", track)[:3])
    assert [left, wide, at] == pytest.approx([50 + 50 * low, 50 * (high - low), 50 + 50 * part["difference"]], abs=0.01)


def test_the_word_is_that_of_the_test_where_there_is_no_interval(tmp_path: Path) -> None:
    every = {"against": 0, "answer": 0, "against_cited": 0, "cited": 24}
    items = asked(12, every)
    items[23].cited = items[0].cited  # right on every page: nothing spreads, and chance does not do that
    body, page = reported(tmp_path, items)
    main = body["correctness"]["differences"]["with_documents"]
    assert main["interval"] is None and main["verdict"] == body["verdict"] == "better"
    html = page.read_text(encoding="utf-8")
    assert "<b>Better</b>" in html and "How far it may be from this is not known" in html and "None" not in html


@pytest.mark.parametrize(("interval", "turns"), [((0.03, 0.2), True), ((0.06, 0.2), False), ((-0.2, 0.03), True),
                                                  ((-0.2, 0.1), False), (None, False)])  # fmt: skip
def test_a_result_that_the_rule_s_own_error_could_turn_is_called_so(
    interval: tuple[float, float] | None, turns: bool
) -> None:
    found = {"cells": {"cited": {}}, "differences": {"with_documents": {"interval": interval}}}
    told = rests_on({"language": "en", "correctness": found})
    assert "not a person" in told and "4 points too high" in told
    assert told.endswith("could turn the result above.") == turns


def test_the_report_says_what_stands_beside_the_scores(tmp_path: Path) -> None:
    items = asked(12, {"against": 12, "answer": 16, "against_cited": 4, "cited": 9})
    for item in items[:20]:
        item.against = f"{item.against} And it goes on and on, as base models do."
        item.cut = ["against"] if item.against_cited != items[0].against_cited else ["against", "cited"]
    body, page = reported(tmp_path, items)
    found, cut, html = body["exam"]["baselines"], body["cut"], page.read_text(encoding="utf-8")
    main = html[: html.index('id="engineering"')]
    for name in ("echo", "first_sentence"):
        assert f"{found[name]['against']:.3f}" in main, name
    assert found["first_sentence"]["against"] > body["exam"]["base"], "it tells brevity from knowledge"
    told = f"base model 20 of 24 without the documents, 0 of {cut['against_cited']['answers']} with the documents"
    assert told in main and f"{cut['cited']['cut']} of {cut['cited']['answers']} with the documents." in main
    assert "None" not in html and "\n".join(headline(body)).count("Cut at the limit") == 1
    rest = html[html.index('id="engineering"') :]
    for part in [*body["exam"]["metrics"].values(), *found.values()]:
        assert f"{part['difference']:+.3f}" in rest
        assert part.get("p_adjusted") is None or f"{part['p_adjusted']:.4f}" in rest
    assert "p = " not in html, "of which p is said what it is"


def test_of_every_rate_the_report_says_how_many_and_how_sure(tmp_path: Path) -> None:
    _body, page = reported(tmp_path, asked(12, BETTER))
    html = page.read_text(encoding="utf-8")
    rates = re.findall(r"<td>([^<]*)</td><td class=\"n\">([\d.]+ ?%? \([^<]*\))</td>", html)
    assert len(rates) == 9, rates
    for label, told in rates:
        assert re.search(r"\(([\d.]+ ?%? to [\d.]+ ?%?|not known); n = \d+\)$", told), (label, told)


def test_refusals_are_counts_of_a_number_with_an_interval(tmp_path: Path) -> None:
    _body, page = reported(tmp_path, asked(12, BETTER))
    html = page.read_text(encoding="utf-8")
    section = html[html.index('id="refusals"') : html.index('id="cost"')]
    assert "1 of 24 (" in section, "of the answerable ones the tuned model refused one"
    assert "1 of 3 (interval not known)" in section, "of what no document answers it answered one"
    assert "0 of 24 (" in section and "3 of 3 (interval not known)" in section, "the base model"


def test_the_answers_that_are_shown_are_drawn_by_a_seed(tmp_path: Path) -> None:
    items = asked(12, BETTER)

    def drawn(seed: int) -> list[tuple[str, str]]:
        body, page = reported(tmp_path / str(seed) / os.urandom(2).hex(), items, seed=seed)
        assert f"Drawn with seed {seed}" in page.read_text(encoding="utf-8")
        return [(row["mark"], row["id"]) for row in body["samples"]["rows"]]

    first = drawn(0)
    assert [mark for mark, _id in first] == ["right"] * 3 + ["wrong"] * 3 + ["refused"] * 2
    assert first == drawn(0) != drawn(1)
    assert {i for _m, i in first} != {i.id for i in items[:8]}
    items.reverse()
    assert first == drawn(0), "whatever the order of the items"
    row = reported(tmp_path / "row", items)[0]["samples"]["rows"][0]
    assert row["reference"] and row["base"] and row["tuned"] and row["citation"]["quote"] == "900"


LOADTEST = RunResult("l", "loadtest", "done", None, summary={
    "requests": {"sent": 10, "ok": 10}, "requests_per_second": 0.5,
    "time_to_first_token": {"p50": 0.3, "max": 0.6, "count": 10},
})  # fmt: skip
TRAIN = RunResult("t", "train", "done", None, {"peak_memory_mib": 3000.0, "loss": 1.5}, seconds=72.0)
SYNTHESIZED = RunResult(
    "s", "synthesize", "done", "dataset:" + "a" * 64, summary={"pairs": 9, "rejected": 26, "lost": 2},
    lost=Account(2), set_aside=Account(25),
)  # fmt: skip
LEARNED = RunResult(
    "t", "train", "done", None, {"loss": 0.0304, "validation_loss": 1.97},
    summary={"loss": 1.0537, "validation_loss_before": 2.6329, "validation_loss": 1.9722, "steps": 46, "held_out": 7},
)  # fmt: skip


def test_each_figure_of_the_engineers_part_has_one_name_and_one_value(tmp_path: Path) -> None:
    _body, page = reported(tmp_path, asked(12, BETTER), synthesize=SYNTHESIZED, train=LEARNED)
    rest = page.read_text(encoding="utf-8").partition('id="engineering"')[2]
    # the loss of the last step alone is noise, and was told under the same name as the mean
    assert "mean of the last 10 steps: 1.054" in rest and "0.0304" not in rest and rest.count("1.054") == 1
    assert "validation loss before training, 7 held out: 2.633" in rest and rest.count("1.972") == 1
    assert '<td class="n">2</td><td class="n">25</td>' in rest and ">26<" not in rest, "lost and set aside apart"


def test_the_two_columns_of_right_answers_are_not_taken_for_the_same_questions(tmp_path: Path) -> None:
    items = asked(12, BETTER)
    body, page = reported(tmp_path / "same", items)
    same = "are of the same 24 questions"
    assert same in page.read_text(encoding="utf-8") and same in "\n".join(headline(body))
    for item in items[8:24]:
        item.answer = item.against = None
    body, page = reported(tmp_path / "fewer", items)
    for text in (page.read_text(encoding="utf-8"), "\n".join(headline(body)), "\n".join(figures.notes(body))):
        assert "without the documents (8) and those with them (24) are not of the same questions" in text
        assert "over the 8 questions asked both ways" in text
    body, page = reported(tmp_path / "zh", items, language="zh")
    assert "闭卷（8 题）与依据文档（24 题）" in page.read_text(encoding="utf-8")
    for item in items[:8]:
        item.cited = item.against_cited = None
    items[8].answer = items[8].against = "It is red."
    items[8].cited = items[8].against_cited = None
    assert "no question was asked both ways" in "\n".join(headline(reported(tmp_path / "apart", items)[0]))


FIRST_PIXEL = """async picture => {
  const image = new Image(), canvas = document.createElement('canvas')
  image.src = 'data:image/png;base64,' + picture
  await image.decode()
  const drawn = canvas.getContext('2d')
  drawn.drawImage(image, 0, 0)
  return [...drawn.getImageData(0, 0, 1, 1).data] }"""


def brightness(tab: Any) -> float:
    """Of a pixel near the corner of a page as it is drawn, 0 to 255."""
    picture = tab.screenshot(clip={"x": 12, "y": 12, "width": 4, "height": 4})
    return sum(tab.evaluate(FIRST_PIXEL, base64.b64encode(picture).decode())[:3]) / 3


def test_the_chart_of_a_load_test_is_dark_on_a_dark_page_and_light_on_paper(tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        pytest.skip("chromium is not installed")
    rows = [Request(number=n, scheduled=n, state="ok", latency=0.5, time_to_first_token=0.2) for n in range(3)]
    (tmp_path / "chart.svg").write_text(chart(rows, "t"), encoding="utf-8")
    page = "<html style='color-scheme:{scheme}'><body style='margin:0'>{inside}</body></html>"
    with playwright.sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for scheme, other in (("light", "dark"), ("dark", "light")):
            inside = f"<div>{chart(rows, 't')}</div>"  # as in the report, which follows the system
            (tmp_path / "in.html").write_text(page.format(scheme="light dark", inside=inside), encoding="utf-8")
            image = '<img src="chart.svg" width="860" height="620">'  # as in the console, whose theme may be chosen
            (tmp_path / "img.html").write_text(page.format(scheme=scheme, inside=image), encoding="utf-8")
            for name, system in (("in.html", scheme), ("img.html", other)):
                tab = browser.new_page(color_scheme=system)
                tab.goto((tmp_path / name).as_uri())
                assert (brightness(tab) < 60) == (scheme == "dark"), (name, scheme)
        tab.emulate_media(media="print", color_scheme="dark")
        tab.goto((tmp_path / "in.html").as_uri())
        assert brightness(tab) > 200, "on paper"
        browser.close()


LETTERS = re.compile(r"[A-Za-z]{2,}")
LONG = {
    "en": " The gateway listens on port 8000 unless --port names another one, and it answers." * 3,
    "zh": "网关默认监听 8000 端口，除非用 --port 指定另外的端口，它只接受本机的请求。" * 3,
}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_report_is_right_on_a_phone_on_paper_and_in_the_dark(tmp_path: Path, language: str) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        pytest.skip("chromium is not installed")
    items = asked(12, EQUAL, language=language)  # whose words beside a difference are the longest
    long = LONG[language]
    for item in items:  # as long as the demo lets an answer be, and near where it cuts one
        item.cut = ["against", "cited"]
        item.reference += long[: len(long) * 2 // 3]
        item.cited, item.against_cited = f"{item.cited} {long * 2}", f"{item.against_cited} {long * 2}"
        for citation in item.citations:
            citation.quote, citation.heading = long, ["Serve a model: `tuneloop serve`", "Ports and addresses"]
    items[0].cited = str(items[0].cited) + " tuneloop_train_with_a_long_name" * 30  # which breaks anywhere
    _body, page = reported(tmp_path, items, language=language, train=TRAIN, loadtest=LOADTEST)
    with playwright.sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for width, scheme in ((390, "light"), (1280, "dark")):
            tab = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
            requests: list[str] = []
            tab.on("request", lambda request, seen=requests: seen.append(request.url))
            tab.goto(page.as_uri())
            for opened in (False, True):
                tab.evaluate("open => { document.querySelector('details').open = open }", opened)
                assert tab.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), (width, opened)
            assert requests == [page.as_uri()], "all is inside it"
            assert tab.evaluate(LEAST_CONTRAST) >= 4.5, scheme
        tab = browser.new_page()
        tab.goto(page.as_uri())
        paper = tab.pdf(prefer_css_page_size=True)
        browser.close()
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) <= 2, "two pages, which a person who decides reads to the end"


LEAST_CONTRAST = """() => {
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map(v => { v /= 255;
    return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4 }); return .2126 * r + .7152 * g + .0722 * b }
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor
    if (!/, 0\\)$|transparent/.test(c)) return c } return 'rgb(255, 255, 255)' }
  let least = 21
  for (const e of document.querySelectorAll('main *:not(svg, svg *)')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue
    const [a, b] = [light(getComputedStyle(e).color), light(behind(e))]
    least = Math.min(least, (Math.max(a, b) + .05) / (Math.min(a, b) + .05)) }
  return least }"""


def test_a_chinese_report_has_no_english_left_in_it(tmp_path: Path) -> None:
    body, page = reported(tmp_path, asked(12, BETTER, language="zh"), language="zh", train=TRAIN, loadtest=LOADTEST)
    html = page.read_text(encoding="utf-8")
    assert 'lang="zh-CN"' in html and body["verdict"] == "better" and "更好" in html
    text = re.sub(r"<(style|code|pre|svg).*?</\1>", " ", html, flags=re.DOTALL)
    text = text.replace(str(body["machine"]).split(", ")[0], "").replace("Linux", "")
    lines = [line for line in re.sub(r"<[^>]+>", "\n", text).splitlines() if line.strip()]
    names = {"Tuneloop", "pumps", "md", "Holm", "MiB", "ROUGE", "BLEU", "EM", "P50", "P99", "GiB"}
    left = {word for line in lines for word in LETTERS.findall(line)} - names
    assert not left, left


def test_the_report_shows_metrics_lengths_and_what_was_left_out(tmp_path: Path) -> None:
    items = asked(8, {"against": 4, "answer": 16, "against_cited": 4, "cited": 9})
    items[0].against, items[0].failed = None, ["against"]
    body, page = reported(tmp_path, items)
    exam = body["exam"]
    assert exam["items"] == 15 and exam["interval"] and exam["lengths"]["reference"] == 4
    html = page.read_text(encoding="utf-8")
    assert "left out: 1" in html and "ROUGE-L recall" in html and "answer tokens" in html
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
    monkeypatch.setattr(training, "find_spec", lambda name: None if name == missing else sys)
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
    drawn = interval_chart([("x", -0.2, -0.3, -0.1, "worse"), ("y", 0.5, None, None, "not known")], title="t")
    assert drawn.count('class="bar') == 1 and 'class="bar worse"' in drawn and drawn.count("<circle") == 2
