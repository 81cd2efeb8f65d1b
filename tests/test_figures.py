"""One truth on every surface: the terminal, the console and an evaluation's own page tell the same figures."""

import json
import re
from pathlib import Path
from typing import Any, ClassVar

import pytest
from lxml import html
from starlette.testclient import TestClient
from test_demo import BETTER, asked

from tuneloop.cli import main
from tuneloop.cli.results import told
from tuneloop.errors import TuneloopError
from tuneloop.evaluate import figures
from tuneloop.evaluate.comparison import NO_SPREAD, TOO_FEW, VERDICTS
from tuneloop.evaluate.page import write_page
from tuneloop.evaluate.scorers import Scored, Scorer, scorers_of
from tuneloop.evaluate.scores import summarise
from tuneloop.evaluate.stage import SUMMARY
from tuneloop.language import shown, speaking
from tuneloop.runner import Workspace
from tuneloop.web.app import build_app

COMPARED = {"model": 0.4, "against": 0.2, "difference": 0.2, "interval": [0.1, 0.3], "p": 0.001, "items": 9}
OLD = {  # what 0.1 kept of an evaluation
    "items": 10, "errors": 0, "metrics": {"rouge_l": {**COMPARED, "clusters": 9}, "answer_tokens": {**COMPARED,
    "reference": 6.0, "interval": None, "p": None}}, "warnings": ["answers without text, which count as nothing: 1"],
    "retrieval": {"items": 9, "hit@1": 0.5, "hit@5": 0.75, "hit@5_interval": [0.4, 0.9], "mrr@5": 0.6},
    "citations": {"items": 9, "sentences": 8, "supported": 6, "supported_share": 0.75, "supported_share_interval": None,
    "from_the_right_page": None, "answered_when_answerable": 1.0, "refused_when_unanswerable": None,
    "unanswerable_items": 0},
    "abstention": {"items": 10, "accuracy": 0.9, "answered_when_answerable": 1.0, "refused_when_unanswerable": 0.0,
    "unanswerable_items": 1},
}  # fmt: skip
ENGLISH = re.compile(r"[A-Za-z]{2,}")


def evaluation(*, compared: bool = True) -> tuple[list[Any], list[Any], dict[str, Any]]:
    """An evaluation with all there can be: a difference that decides, baselines, cut answers, and a learned item."""
    items = asked(12, BETTER)
    for item in items[:3]:
        item.cut = ["answer", "cited"]
    scores, body = summarise(items, scorers_of([]), compared=compared, known=True, resamples=300, seed=0)
    row = {"id": "x", "question": "How heavy is valve 99?", "learned": "How heavy is the valve 99?"}
    body["learned"] = {"count": 1, "items": [row], "gone": []}
    body["warnings"].append("questions that a model was trained on, and that are left out: 1")
    return items, scores, body


def keep(workspace: Workspace, folder: Path, body: dict[str, Any], *, page: bool = False) -> str:
    """An artifact with this summary, as the stage leaves it; of 0.1 nothing is there but the summary."""
    folder.mkdir()
    if page:
        (folder / "evaluation.json").write_text(json.dumps(body), encoding="utf-8")
    (folder / "name.txt").write_text(folder.name, encoding="utf-8")
    summary = {key: body[key] for key in SUMMARY if key in body}
    return str(workspace.store.artifacts.save("evaluation", folder, summary))


def surfaces(workspace: Workspace, folder: Path, language: str) -> dict[str, str]:
    """What each surface says, without its markup."""
    items, scores, body = evaluation()
    with speaking(language):
        terminal = "\n".join(told("evaluation", body, folder))
    folder.mkdir(exist_ok=True)
    write_page(folder / "report.html", items, scores, body)
    page = html.fromstring((folder / "report.html").read_text(encoding="utf-8"))
    for other in page.xpath(f"//*[@lang and @lang != '{language}' and not(self::html)]"):
        other.drop_tree() if other.tag == "span" else None
    ref = keep(workspace, folder / "kept", body, page=True)
    client = TestClient(build_app(workspace, auth=False), base_url="http://127.0.0.1")
    console = html.fromstring(client.get(f"/artifacts/{ref}", params={"language": language}).text)
    (main_part,) = console.xpath("//main")
    return {
        "terminal": terminal,
        **{n: re.sub(r"\s+", " ", e.text_content()) for n, e in (("page", page), ("console", main_part))},
    }


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_surface_tells_the_same(workspace: Workspace, tmp_path: Path, language: str) -> None:
    _items, _scores, body = evaluation()
    said = surfaces(workspace, tmp_path / "out", language)
    differences = figures.differences(body)
    assert differences[0].decides and [one.decides for one in differences].count(True) == 1
    for surface, text in said.items():
        for one in (*differences, *figures.cells(body), *figures.rates(body)):
            assert shown(one.label, language) in text, (surface, one.label)
        for note in (*figures.notes(body), *figures.unknown(body), *body["warnings"]):
            assert re.sub(r"\s+", " ", shown(note, language)) in text, (surface, note)
        for word in {word for one in differences for word in one.words}:
            assert shown(word, language) in text, (surface, word)
        assert text.count(shown("better", language)) == sum(one.verdict == "better" for one in differences), surface
        assert text.count(shown("other model, with documents", language)) >= 2, "its cell, and its refusals"
    assert "valve 99" in said["console"] and "cells" not in said["console"], "laid out, and not once more as kept"
    if language == "zh":
        left = {w for text in (said["terminal"], said["console"]) for w in ENGLISH.findall(text)}
        for metric in ("ROUGE-L F1", "BLEU-4"):
            assert f"{metric}（" in said["console"] and f"{metric}（" in said["terminal"], "with what it says"
        assert not (
            found := left & {"right", "wrong", "refused", "decides", "better", "share", "questions", "not", "known"}
        ), [t[max(0, t.find(w) - 60) : t.find(w) + 30] for t in said.values() for w in found]


def test_one_model_alone_has_means_and_no_word(workspace: Workspace, tmp_path: Path) -> None:
    _items, _scores, body = evaluation(compared=False)
    means = figures.means(body)
    assert {mean.key for mean in means} == set(body["metrics"]) and all(mean.interval for mean in means)
    assert {one.key for one in figures.differences(body) if one.group == figures.UNTRAINED} == {"echo"}
    with speaking("en"):
        lines = told("evaluation", body, tmp_path)
    low, high = body["metrics"]["rouge_l"]["interval"]
    assert any(line.startswith("ROUGE-L F1") and f"{low:.3f} to {high:.3f}" in line for line in lines)


def test_the_word_is_never_made_from_an_interval() -> None:
    for interval in ([0.1, 0.3], [-0.3, -0.1], [-0.1, 0.1], None):
        for verdict in (*VERDICTS, ""):
            body = {"metrics": {"rouge_l": {**COMPARED, "interval": interval, "verdict": verdict}}}
            assert figures.differences(body)[0].words == [verdict] * bool(verdict)
    part = {**COMPARED, "verdict": "not known", "unknown": TOO_FEW}
    body: dict[str, Any] = {"metrics": {"rouge_l": part, "bleu_4": {**part, "unknown": NO_SPREAD}}}
    assert figures.unknown(body) == [f"{TOO_FEW} (ROUGE-L F1)", f"{NO_SPREAD} (BLEU-4)"], "of which it is said"
    with speaking("zh"):
        assert shown(figures.unknown(body)[0]).endswith("（ROUGE-L F1（最长公共子序列））"), "in Chinese too"
    assert figures.unknown({**body, "warnings": [TOO_FEW]}) == [f"{NO_SPREAD} (BLEU-4)"], "and nothing twice"
    assert figures.unknown({"metrics": {"rouge_l": part, "bleu_4": part}}) == [TOO_FEW], "of all"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_0_1_kept_is_shown_and_compared(
    workspace: Workspace, tmp_path: Path, language: str, monkeypatch: Any, capsys: Any
) -> None:
    old = keep(workspace, tmp_path / "old", OLD)
    bare = keep(workspace, tmp_path / "bare", {"metrics": {}})
    new = keep(workspace, tmp_path / "new", evaluation()[2], page=True)
    monkeypatch.setenv("TUNELOOP_LANGUAGE", language)
    monkeypatch.setenv("TUNELOOP_WORKSPACE", str(tmp_path / "workspace"))

    def say(*arguments: str) -> str:
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
        assert not end.value.code
        return capsys.readouterr().out

    told_ = say("show", old)
    assert "+0.200" in told_ and "0.0010" in told_ and "75.0 %" in told_ and "None" not in told_
    assert not any(shown(word, language) in told_ for word in ("better", "decides")), "it had no such word"
    client = TestClient(build_app(workspace, auth=False), base_url="http://127.0.0.1")
    for ref in (old, bare, new):
        assert say("show", ref)
        reply = client.get(f"/artifacts/{ref}", params={"language": language})
        assert reply.status_code == 200 and "None" not in html.fromstring(reply.text).xpath("string(//main)")
        assert client.get(f"/api/artifacts/{ref}").json()["summary"] == workspace.store.artifacts.get(
            workspace.store.artifacts.resolve(ref)).summary  # fmt: skip
    for pair in ((old, new), (new, old), (bare, old)):
        lines = say("diff", *pair)
        assert "{" not in lines and "None" not in lines, "laid out for people"
    assert f"{shown('ROUGE-L F1', language)} › {shown('model', language)}: 0.4 → " in say("diff", old, new)


def test_where_less_is_better_the_word_says_so_and_what_lacks_what_is_needed_is_left_out() -> None:
    class Excess(Scorer):
        """Characters, of which fewer are better, of questions whose page is known."""

        name, label, definition = "excess", "excess", "characters"
        more_is_better: ClassVar[bool | None] = False
        needs: ClassVar[tuple[str, ...]] = ("reference", "pages")

        def score(self, item: Scored) -> float:
            return float(len(item.answer))

    class Broken(Excess):
        def score(self, item: Scored) -> float:
            return float("nan")

    items = asked(12, BETTER)
    for number, item in enumerate(items):
        item.answer, item.against, item.pages = "short", "an answer that is longer", [f"{number}.md"] if number else []
    options: dict[str, Any] = {"compared": True, "known": False, "resamples": 300, "seed": 0, "primary": "excess"}
    scores, body = summarise(items, {"excess": Excess()}, **options)
    told = body["metrics"]["excess"]
    assert told["difference"] < 0 and told["verdict"] == "better" and body["primary"] == "excess"
    of_model = [score for score in scores if score.metric == "excess" and score.model == "model"]
    assert told["items"] == sum(item.answerable for item in items) - 1 == len(of_model)
    assert body["baselines"]["first_sentence"]["verdict"] == "better", "of a baseline too"
    with pytest.raises(TuneloopError, match="not a number"):
        summarise(items, {"excess": Broken()}, **options)
