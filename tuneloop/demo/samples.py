"""Answers to show, drawn by a seed and not chosen: some that are right, some that are wrong, some refused."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Sequence
from typing import Any

from tuneloop.evaluate.items import Item
from tuneloop.language import _

SHOWN = 200  # columns of a text on the page, a Chinese character being two; report.json has all of it
DRAWN = {"right": 3, "wrong": 3, "refused": 2}  # at most, by what the tuned model with the documents was


def draw(items: Sequence[Item], seed: int) -> dict[str, Any]:
    """The sample and what it was drawn from: the same items and seed give the same sample, whatever their order."""
    pools = {mark: sorted((i for i in items if outcome(i) == mark), key=lambda i: i.id) for mark in DRAWN}
    drawn = random.Random(seed)
    rows = [
        row(item, mark) for mark, wanted in DRAWN.items()
        for item in drawn.sample(pools[mark], min(wanted, len(pools[mark])))
    ]  # fmt: skip
    return {"seed": seed, "of": {mark: len(pool) for mark, pool in pools.items()}, "rows": rows}


def outcome(item: Item) -> str:
    """What the tuned model with the documents made of a question; an answer that the documents do not have is wrong."""
    if item.cited is None:
        return ""
    if item.answerable:
        return item.mark("cited")
    from tuneloop.evaluate.correctness import refuses

    return "refused" if refuses(item.cited) else "wrong"


def row(item: Item, mark: str) -> dict[str, Any]:
    supported = next((c for c in item.citations if c.supported and c.quote), None)
    return {
        "id": item.id, "mark": mark, "answerable": item.answerable, "question": item.question,
        "reference": item.reference if item.answerable else "", "base": item.against_cited, "tuned": item.cited,
        "base_right": item.mark("against_cited") == "right", "problem": problem(item),
        "citation": {"place": place(supported), "quote": supported.quote} if supported else None,
    }  # fmt: skip


def problem(item: Item) -> str:
    return next((v.problem for v in item.verdicts if v.field == "cited"), "")


def place(citation: Any) -> str:
    """Document, page or heading, and characters."""
    parts = [citation.name]
    if citation.page:
        parts.append(_("page {page}").format(page=citation.page))
    if citation.heading:
        parts.append(" › ".join(citation.heading))
    return " · ".join([*parts, f"{citation.start}–{citation.end}"])


def short(text: str, most: int = SHOWN) -> str:
    """The beginning of a long text, with a sign that it goes on."""
    text, wide = " ".join(text.split()), 0
    for at, character in enumerate(text):
        wide += 1 + (unicodedata.east_asian_width(character) in "WF")
        if wide > most:
            return text[:at].rstrip() + " …"
    return text


def told(row: dict[str, Any]) -> str:
    """What the row was held to be, in words, with the reason where it is wrong."""
    if row["mark"] == "refused":
        return _("refused, though the documents answer it") if row["answerable"] else _("refused, rightly")
    if row["mark"] == "right":
        return _("right")
    if not row["answerable"]:
        return _("wrong: the documents do not answer this")
    reasons = {
        "words": _("wrong: it does not say what was asked"), "code": _("wrong: the command or name is missing"),
        "number": _("wrong: the number is missing or another"), "opposite": _("wrong: it says the opposite"),
        "empty": _("wrong: no answer"),
    }  # fmt: skip
    return reasons.get(row["problem"], _("wrong"))
