"""What the report says of the evaluation: right answers, samples, the closed-book exam, retrieval, citations."""

from __future__ import annotations

from typing import Any

from tuneloop.address import Address
from tuneloop.demo import samples
from tuneloop.language import _, stored
from tuneloop.records import read_rows
from tuneloop.runner import RunResult, Workspace

TITLES = {
    "rouge_l": stored("ROUGE-L F1 (longest common run of words)"),
    "rouge_l_recall": stored("ROUGE-L recall (how much of the reference is said)"),
    "bleu_4": stored("BLEU-4 (runs of up to four words in common)"),
    "token_f1": stored("F1 (words in common)"),
    "exact_match": stored("exact match"),
}
SHORT = {
    "rouge_l": "ROUGE-L F1", "rouge_l_recall": stored("ROUGE-L recall"), "bleu_4": "BLEU-4", "token_f1": "F1",
    "exact_match": stored("exact match"),
}  # fmt: skip


def sections(workspace: Workspace, result: RunResult | None, *, synthetic: bool, seed: int) -> dict[str, Any]:
    """``correctness``, ``samples``, ``exam``, ``retrieval`` and ``citations`` of ``report.json``."""
    if result is None or not result.output:
        return {"correctness": {}, "samples": {}, "exam": {}, "retrieval": {}, "citations": {}}
    from tuneloop.evaluate.items import Item

    folder = workspace.store.artifacts.path(Address.parse(result.output))
    items = list(read_rows(folder / "items.parquet", Item))
    summary = result.summary
    main = summary["metrics"]["rouge_l"]
    exam = {
        "metric": "rouge_l", "title": SHORT["rouge_l"], "base": main["against"], "tuned": main["model"],
        "difference": main["difference"], "interval": main["interval"], "p": main["p"], "items": main["items"],
        "synthetic": synthetic, "metrics": summary["metrics"],
        "lengths": summary["metrics"].get("answer_tokens"),
        "clusters": main["clusters"], "warnings": summary.get("warnings", []),
    }  # fmt: skip
    return {
        "correctness": summary.get("correctness", {}), "samples": samples.draw(items, seed), "exam": exam,
        "retrieval": summary.get("retrieval", {}), "citations": summary.get("citations", {}),
    }  # fmt: skip


def intervals(exam: dict[str, Any]) -> list[tuple[str, float, float | None, float | None, str]]:
    """The differences of the text metrics, for a chart, and what each shows."""
    parts = [(title, part) for metric, title in SHORT.items() if (part := exam.get("metrics", {}).get(metric))]
    rows = []
    for title, part in parts:
        low, high = part["interval"] or (None, None)
        rows.append((_(title), part["difference"], low, high, part.get("verdict", "")))
    return rows


def exam_note(exam: dict[str, Any]) -> str:
    """How the differences of the text metrics were tested."""
    if not exam:
        return ""
    asked, pages = exam["items"], exam["clusters"]
    note = _("{count} questions, closed book; wild bootstrap over {pages} pages with their questions, p = {p}")
    if pages == asked:
        note = _("{count} questions, closed book; wild bootstrap over the questions, p = {p}")
    return note.format(count=asked, pages=pages, p="–" if exam["p"] is None else f"{exam['p']:.4f}")


def exam_table(exam: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """The metrics with the lengths of the answers: label, base, tuned, and the reference where it has one."""
    lengths = exam.get("lengths")
    rows = [
        (_(title), f"{part['against']:.3f}", f"{part['model']:.3f}", "")
        for metric, title in TITLES.items()
        if (part := exam.get("metrics", {}).get(metric))
    ]
    if lengths:
        base, tuned, reference = (f"{lengths[side]:.1f}" for side in ("against", "model", "reference"))
        rows.append((_("mean length of an answer, tokens"), base, tuned, reference))
    return rows


def retrieval_rows(body: dict[str, Any]) -> list[tuple[str, str]]:
    """The numbers of retrieval and citations as label and value."""
    found, cited = body.get("retrieval") or {}, body.get("citations") or {}

    def percent(value: float | None) -> str:
        return "–" if value is None else f"{100 * value:.1f} %"

    rows = []
    if found.get("items"):
        between = "[{}, {}]".format(*map(percent, found["hit@5_interval"])) if found["hit@5_interval"] else ""
        rows += [
            (_("right page among the first 5 passages"), f"{percent(found['hit@5'])} {between}"),
            (_("right page first"), percent(found["hit@1"])),
            (_("mean reciprocal rank"), f"{found['mrr@5']:.3f}"),
        ]
    if cited.get("items"):
        rows += [
            (_("sentences that state something"), str(cited["sentences"])),
            (_("of these with the same words as a passage"), percent(cited["supported_share"])),
            (_("of those, from the right page"), percent(cited["from_the_right_page"])),
        ]
    return rows
