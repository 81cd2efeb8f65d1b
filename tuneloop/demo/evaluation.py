"""What the report says of the evaluation: right answers, samples, the closed-book exam, retrieval, citations."""

from __future__ import annotations

from typing import Any

from tuneloop.address import Address
from tuneloop.demo import samples
from tuneloop.demo.verdict import both
from tuneloop.evaluate import figures
from tuneloop.language import _
from tuneloop.records import read_rows
from tuneloop.runner import RunResult, Workspace

BESIDE = ("retrieval", "citations", "abstention", "cut", "learned")  # of the summary


def sections(workspace: Workspace, result: RunResult | None, *, synthetic: bool, seed: int) -> dict[str, Any]:
    """``correctness``, ``primary``, ``samples``, ``exam``, and what stands beside them, of ``report.json``."""
    if result is None or not result.output:
        return {name: {} for name in ("correctness", "samples", "exam", *BESIDE)} | {"primary": ""}
    from tuneloop.evaluate.items import Item

    folder = workspace.store.artifacts.path(Address.parse(result.output))
    items = list(read_rows(folder / "items.parquet", Item))
    summary = result.summary
    main = summary["metrics"]["rouge_l"]
    exam = {
        "metric": "rouge_l", "title": "ROUGE-L F1", "base": main["against"], "tuned": main["model"],
        "difference": main["difference"], "interval": main["interval"], "p": main["p"], "items": main["items"],
        "synthetic": synthetic, "metrics": summary["metrics"],
        "lengths": summary["metrics"].get("answer_tokens"),
        "clusters": main["clusters"], "warnings": summary.get("warnings", []),
        "baselines": summary.get("baselines", {}),
    }  # fmt: skip
    return {
        "correctness": summary.get("correctness", {}), "primary": summary.get("primary", ""),
        "samples": samples.draw(items, seed), "exam": exam, **{name: summary.get(name, {}) for name in BESIDE},
    }  # fmt: skip


def summary_of(body: dict[str, Any]) -> dict[str, Any]:
    """The summary of the evaluation, from ``report.json``."""
    exam = body.get("exam") or {}
    return {**body, "metrics": exam.get("metrics", {}), "baselines": exam.get("baselines", {}),
            "warnings": exam.get("warnings", [])}  # fmt: skip


def text_metrics(body: dict[str, Any]) -> list[figures.Difference]:
    """The differences by text metrics, and then those from what needs no training."""
    groups = (figures.METRIC, figures.UNTRAINED)
    return [one for group in groups for one in figures.differences(summary_of(body)) if one.group == group]


def intervals(body: dict[str, Any]) -> list[tuple[str, float, float | None, float | None, str]]:
    """The differences of the text metrics, for a chart, and what each shows."""
    rows = []
    for one in text_metrics(body):
        if one.group == figures.METRIC and one.verdict:
            low, high = one.interval or (None, None)
            rows.append((_(one.label), one.difference or 0.0, low, high, one.verdict))
    return rows


def exam_note(exam: dict[str, Any]) -> str:
    """What the text metrics were measured on, and how their differences were tested."""
    if not exam:
        return ""
    asked, pages = exam["items"], exam["clusters"]
    note = _(
        "{count} questions about {pages} pages, answered without the documents; wild cluster bootstrap over pages."
    )
    if pages == asked:
        note = _("{count} questions, answered without the documents; wild bootstrap over the questions.")
    return both(note.format(count=asked, pages=pages), _(figures.ONE_DECIDES))


def exam_table(body: dict[str, Any]) -> list[list[str]]:
    """A row a metric, and one for each answer without training: label, base or that answer, tuned, reference, and what
    their difference is and shows."""
    rows = []
    for one in text_metrics(body):
        form = ".1f" if one.reference is not None else ".3f"
        numbers = (decimal(one.against, form), decimal(one.model, form), decimal(one.reference, form, ""))
        ends = _("not known")
        if one.interval:
            ends = _("{low} to {high}").format(low=f"{one.interval[0]:+.3f}", high=f"{one.interval[1]:+.3f}")
        told = _(", ").join(map(_, one.words))
        difference = decimal(one.difference, "+.3f")
        rows.append([_(one.label), *numbers, difference, ends, decimal(one.p_adjusted, ".4f"), told])
    return rows


def decimal(value: float | None, form: str, missing: str = "–") -> str:
    return missing if value is None else format(value, form)


def retrieval_rows(body: dict[str, Any]) -> list[tuple[str, str]]:
    """The rates of retrieval, citations and refusals as label and value, each with its interval and number."""
    return [(_(rate.label), figures.in_words(rate)) for rate in figures.rates(body)]
