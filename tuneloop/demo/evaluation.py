"""What the report says of the evaluation: the exam, retrieval, citations."""

from __future__ import annotations

import re
from typing import Any

from tuneloop.address import Address
from tuneloop.language import _, shown
from tuneloop.records import read_rows
from tuneloop.runner import RunResult, Workspace

SHOWN = 6  # questions in the table of answers
TITLES = {
    "rouge_l": "ROUGE-L F1", "rouge_l_recall": "ROUGE-L recall", "bleu_4": "BLEU-4", "token_f1": "F1",
    "exact_match": "EM",
}  # fmt: skip


def sections(workspace: Workspace, result: RunResult | None, *, synthetic: bool) -> dict[str, Any]:
    """``exam``, ``retrieval`` and ``citations`` of ``report.json``."""
    if result is None or not result.output:
        return {"exam": {}, "retrieval": {}, "citations": {}}
    from tuneloop.evaluate.items import Item

    folder = workspace.store.artifacts.path(Address.parse(result.output))
    items = list(read_rows(folder / "items.parquet", Item))
    summary = result.summary
    main = summary["metrics"]["rouge_l"]
    asked, pages = main["items"], main["clusters"]
    note = _("{count} questions, closed book; paired bootstrap over {pages} pages with their questions, p = {p}")
    if pages == asked:
        note = _("{count} questions, closed book; paired bootstrap over the questions, p = {p}")
    exam = {
        "metric": "rouge_l", "title": TITLES["rouge_l"], "base": main["against"], "tuned": main["model"],
        "difference": main["difference"], "interval": main["interval"], "p": main["p"], "items": asked,
        "synthetic": synthetic, "metrics": summary["metrics"],
        "intervals": [
            [title, v["difference"], *(v["interval"] or (None, None))]
            for metric, title in TITLES.items() if (v := summary["metrics"].get(metric))
        ],
        "lengths": summary["metrics"].get("answer_tokens"),
        "note": note.format(count=asked, pages=pages, p="–" if main["p"] is None else f"{main['p']:.4f}"),
        "warnings": [shown(warning) for warning in summary.get("warnings", [])],
        "rows": [
            {"question": i.question, "base": i.against, "tuned": i.answer, "reference": i.reference}
            for i in spread([i for i in items if i.answerable and not i.left_out], SHOWN)
        ],
    }  # fmt: skip
    citations = {**summary.get("citations", {}), "answers": [as_answer(i) for i in choose(items)]}
    return {"exam": exam, "retrieval": summary.get("retrieval", {}), "citations": citations}


def spread(items: list[Any], wanted: int) -> list[Any]:
    return [items[number * len(items) // wanted] for number in range(min(wanted, len(items)))]


def choose(items: list[Any]) -> list[Any]:
    """Three answers to show: two answered ones that are evenly apart, and one that the documents do not answer.

    Chosen by their place in the exam and not by how well they came out.
    """
    answered = [i for i in items if i.cited and i.answerable and not i.said_unanswerable]
    refused = [i for i in items if i.cited and not i.answerable]
    return [*spread(answered, 2), *refused[:1]] if refused else spread(answered, 3)


def as_answer(item: Any) -> dict[str, Any]:
    """An answer cut into its sentences, each with its markers, and the passages behind them."""
    text, sentences, at = item.cited, [], 0
    for citation in item.citations:
        start = text.find(citation.sentence, at)
        if start < 0:
            continue
        if text[at:start].strip():
            sentences.append({"text": strip_markers(text[at:start]), "supported": True, "markers": []})
        at = start + len(citation.sentence)
        markers = [citation.number] if citation.supported and citation.number else []
        sentences.append(
            {"text": strip_markers(citation.sentence), "supported": citation.supported, "markers": markers}
        )
    if strip_markers(text[at:]):
        sentences.append({"text": strip_markers(text[at:]), "supported": True, "markers": []})
    shown = {c.number: c for c in item.citations if c.supported and c.number}
    return {
        "question": item.question, "text": text, "sentences": sentences,
        "citations": [
            {"index": number, "place": place(c), "quote": c.quote, "document": c.name, "start": c.start, "end": c.end}
            for number, c in sorted(shown.items())
        ],
    }  # fmt: skip


def strip_markers(text: str) -> str:
    return re.sub(r"\s*\[\d+\]", "", text).strip()


def place(citation: Any) -> str:
    """Document, page or heading, and characters."""
    parts = [citation.name]
    if citation.page:
        parts.append(_("page {page}").format(page=citation.page))
    if citation.heading:
        parts.append(" › ".join(citation.heading))
    return " · ".join([*parts, f"{citation.start}–{citation.end}"])


def exam_table(exam: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """The metrics with the lengths of the answers: label, base, tuned, and the reference where it has one."""
    lengths = exam.get("lengths")
    rows = [
        (title, f"{part['against']:.3f}", f"{part['model']:.3f}", "")
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
            (_("of these supported by a passage"), percent(cited["supported_share"])),
            (_("supported sentences that cite the right page"), percent(cited["from_the_right_page"])),
            (_("answered, where the documents answer"), percent(cited["answered_when_answerable"])),
            (_("refused, where they do not"), percent(cited["refused_when_unanswerable"])),
        ]
    return rows
