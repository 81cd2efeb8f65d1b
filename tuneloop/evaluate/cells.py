"""Right answers of each model, with the documents and without: the four cells, what they differ by, and refusals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tuneloop.evaluate.comparison import compare, mean_interval
from tuneloop.evaluate.correctness import judge, refuses
from tuneloop.evaluate.items import Item, Verdict
from tuneloop.records import Score

CLOSED, WITH_DOCUMENTS = ("against", "answer"), ("against_cited", "cited")
CELLS = (*CLOSED, *WITH_DOCUMENTS)
BASELINE = "sentence"  # no model at all
DIFFERENCES = {  # name: (of, minus)
    "with_documents": ("cited", "against_cited"),
    "closed_book": ("answer", "against"),
    "documents_for_model": ("cited", "answer"),
    "documents_for_against": ("against_cited", "against"),
    "model_over_no_model": ("cited", BASELINE),
}  # fmt: skip


def mark_items(items: Sequence[Item]) -> None:
    """Hold every answer of the answerable items against its reference."""
    for item in items:
        said = {field: getattr(item, field) for field in (*CELLS, BASELINE)} if item.answerable else {}
        verdicts = {f: judge(item.question, item.reference, t) for f, t in said.items() if t is not None}
        item.verdicts = [Verdict(field=f, mark=v.mark, problem=v.problem) for f, v in verdicts.items()]


def correct_scores(items: Sequence[Item]) -> list[Score]:
    """1 for right and 0 for all else, of the questions that no model was kept from answering in that way."""
    return [
        Score(item=item.id, model=verdict.field, metric="correct", value=float(verdict.mark == "right"))
        for item in items
        for verdict in item.verdicts
        if not set(CLOSED if verdict.field in CLOSED else WITH_DOCUMENTS) & set(item.failed)
    ]


def correctness(items: Sequence[Item], resamples: int, seed: int) -> dict[str, Any]:
    """The cells, paired differences, and refusals.

    A pair of cells is counted over the questions that both models answered in that way; a difference, over those that
    both of its cells have.
    """
    mark_items(items)
    asked = {field for item in items for field in CELLS if item.mark(field)}
    drawn = {"resamples": resamples, "seed": seed}
    kept = {f: marked(items, asked & set(pair)) for pair in (CLOSED, WITH_DOCUMENTS) for f in pair if f in asked}
    if "cited" in kept:
        kept[BASELINE] = kept["cited"]
    return {
        "cells": {field: cell(field, found, drawn) for field, found in kept.items() if found},
        "differences": {
            name: difference(both, one, two, drawn) for name, (one, two) in DIFFERENCES.items()
            if one in kept and two in kept and (both := [i for i in kept[one] if i in kept[two]])
        },
        "refusals": {field: refusals(items, field, drawn) for field in CELLS if field in asked},
    }  # fmt: skip


def marked(items: Sequence[Item], fields: set[str]) -> list[Item]:
    """The items with a verdict in every one of these fields."""
    return [item for item in items if fields <= {verdict.field for verdict in item.verdicts}]


def right(items: Sequence[Item], field: str) -> list[float]:
    return [float(item.mark(field) == "right") for item in items]


def pages(items: Sequence[Item]) -> list[tuple[str, str]]:
    """What the items are clustered by; empty where none has a page."""
    return [item.page for item in items] if any(item.pages for item in items) else []


def difference(items: Sequence[Item], one: str, two: str, drawn: dict[str, int]) -> dict[str, Any]:
    return asdict(compare(right(items, one), right(items, two), pages(items), **drawn))


def cell(field: str, items: Sequence[Item], drawn: dict[str, int]) -> dict[str, Any]:
    """How many were right, wrong and refused, the share of the right with its interval, and why the wrong were."""
    marks = Counter(item.mark(field) for item in items)
    problems = Counter(v.problem for item in items for v in item.verdicts if v.field == field and v.problem)
    return {
        "items": len(items), "clusters": len(set(pages(items))) or len(items),
        "right": marks["right"], "wrong": marks["wrong"], "refused": marks["refused"],
        "share": marks["right"] / len(items), "interval": mean_interval(right(items, field), pages(items), **drawn),
        "problems": dict(sorted(problems.items())),
    }  # fmt: skip


def refusals(items: Sequence[Item], field: str, drawn: dict[str, int]) -> dict[str, Any]:
    """Of what the documents answer, how many were refused; of what they do not, how many were answered."""
    said = [item for item in items if getattr(item, field) is not None]
    yes, no = [i for i in said if i.answerable], [i for i in said if not i.answerable]
    refused = [float(refuses(getattr(item, field))) for item in yes]
    answered = [float(not refuses(getattr(item, field))) for item in no]
    return {
        "answerable": len(yes), "refused": int(sum(refused)),
        "refused_interval": mean_interval(refused, pages(yes), **drawn),
        "unanswerable": len(no), "answered": int(sum(answered)),
        "answered_interval": mean_interval(answered, pages(no), **drawn),
    }  # fmt: skip
