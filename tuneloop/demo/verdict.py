"""The buyer's question: with our documents, does the tuned model answer better than the base? And its answer."""

from __future__ import annotations

from typing import Any

from tuneloop.evaluate.comparison import LEVEL, Verdict
from tuneloop.evaluate.comparison import verdict as verdict_of
from tuneloop.language import _, shown

ROWS = (("against", "against_cited"), ("answer", "cited"))  # base, tuned: without and with the documents
SHOWN = ("with_documents", "closed_book", "documents_for_model", "model_over_no_model")


def question() -> str:
    return _("Does the tuned model answer better from our documents than the base model does?")


def verdict(correctness: dict[str, Any]) -> dict[str, str]:
    """``answer`` (better, worse, not known, not measured), its word, and one sentence that says why."""
    cells, found = correctness.get("cells", {}), correctness.get("differences", {}).get("with_documents")
    if not found:
        told = _("The evaluation asked no question of both models with the documents.")
        if not correctness:
            told = _("No evaluation was made.")
        return {"answer": "not measured", "word": _("Not measured"), "why": told}
    facts = {
        "tuned": cells["cited"]["right"], "base": cells["against_cited"]["right"], "count": found["items"],
        "pages": found["clusters"], "d": points(found["difference"]),
    }  # fmt: skip
    head = _("With the documents, the tuned model answered {tuned} of {count} questions right, the base model {base}")
    said, facts["head"], facts["reason"] = shows(found), head.format(**facts), shown(found["unknown"])
    if found["interval"]:
        facts["low"], facts["high"] = map(points, found["interval"])
    return {"answer": said, "word": word(said), "why": why(said, known=bool(found["interval"])).format(**facts)}


def word(said: str) -> str:
    """The word of ``evaluate.comparison.verdict``, as the beginning of a sentence."""
    words = {"better": _("Better"), "worse": _("Worse"), "no difference shown": _("No difference shown")}
    return words.get(said, _("Not known"))


def why(said: str, *, known: bool) -> str:
    """The sentence beside the word; ``known``: there is an interval."""
    if said == "not known":
        return _("{head}. What this means for other questions is not known: {reason}.")
    if said == "no difference shown":
        if not known:
            return _("{head}: a difference of {d} points of 100, which does not show which of them is better.")
        return _(
            "{head}: a difference of {d} points of 100, but it may be anything from {low} to {high}, so this exam does "
            "not show which of them is better."
        )
    if not known:
        return _("{head}: a difference of {d} points of 100. How far it may be from this is not known: {reason}.")
    return _("{head}: a difference of {d} points of 100, and with 95% confidence between {low} and {high}.")


def shows(found: dict[str, Any]) -> Verdict:
    """The word that a difference was given when it was tested, or is given now by the same rule."""
    return found.get("verdict") or verdict_of(found["difference"], found.get("p_adjusted", found["p"]), LEVEL)


def side(low: float, high: float) -> int:
    """On which side of zero an interval lies: 1 above, -1 below, 0 where it holds zero."""
    return (low > 0) - (high < 0)


def without_a_model(correctness: dict[str, Any]) -> str:
    """What is right without any model, and whether the tuned model is better than that."""
    cells = correctness.get("cells", {})
    found = correctness.get("differences", {}).get("model_over_no_model")
    if not found:
        return ""
    text = _("Without any model, the first sentence of the best passage is the right answer to {right} of {count}.")
    told = text.format(right=cells["sentence"]["right"], count=cells["sentence"]["items"])
    said = {
        "better": _("The tuned model is better than that."), "worse": _("The tuned model is worse than that."),
        "no difference shown": _("This exam does not show whether the tuned model is better than that."),
    }.get(shows(found), _("Whether the tuned model is better than that is not known."))  # fmt: skip
    return both(told, said)


def both(first: str, second: str) -> str:
    return _("{first} {second}").format(first=first, second=second)


def cell_rows(correctness: dict[str, Any]) -> list[dict[str, Any]]:
    """The four cells, and no model at all: a row a model, a cell without and with the documents."""
    cells = correctness.get("cells", {})
    if not cells:
        return []
    labels = (_("base model"), _("tuned model"))
    rows = [
        {"label": label, "cells": [rate(cells.get(field)) for field in fields]}
        for label, fields in zip(labels, ROWS, strict=True)
    ]
    if "sentence" in cells:
        label = _("no model: the first sentence of the best passage")
        rows.append({"label": label, "cells": [None, rate(cells["sentence"])]})
    return rows


def rate(cell: dict[str, Any] | None) -> dict[str, Any] | None:
    if not cell:
        return None
    text = _("{right} of {count}").format(right=cell["right"], count=cell["items"])
    split = _("{wrong} wrong, {refused} refused").format(wrong=cell["wrong"], refused=cell["refused"])
    share = _("{share} % ({between})").format(share=f"{100 * cell['share']:.0f}", between=between(cell["interval"]))
    return {"text": text, "between": between(cell["interval"]), "share": share, "split": split}


def between(interval: list[float] | tuple[float, float] | None) -> str:
    """An interval of a share in percent."""
    if not interval:
        return _("interval not known")
    low, high = (f"{100 * end:.0f}" for end in interval)
    return _("{low} to {high} %").format(low=low, high=high)


def points(value: float) -> str:
    """A difference of two shares, in points of 100, with its sign."""
    text = f"{100 * value:+.1f}"
    return "0" if float(text) == 0 else text.replace("-", "−")


def differences(correctness: dict[str, Any], primary: str) -> list[dict[str, Any]]:
    """The differences to draw: label, value, interval, what each shows, and where they lie on a scale of -100 to 100.

    ``primary`` is the one that decides.
    """
    labels = {
        "with_documents": _("tuned minus base, both with the documents"),
        "closed_book": _("tuned minus base, both without the documents"),
        "documents_for_model": _("tuned model: with minus without the documents"),
        "model_over_no_model": _("tuned model with the documents minus no model"),
    }
    found = correctness.get("differences", {})
    rows = []
    for name in SHOWN:
        if part := found.get(name):
            ends = part["interval"]
            told = _("{low} to {high}").format(low=points(ends[0]), high=points(ends[1])) if ends else _("not known")
            said = shows(part)
            kind = said if said in ("better", "worse") else "unclear"
            words = [_(said), *([_("decides")] if name == primary else [])]
            place = {"at": 50 + 50 * part["difference"], "from": 50, "wide": 0}
            if ends:
                place |= {"from": 50 + 50 * ends[0], "wide": 50 * (ends[1] - ends[0])}
            rows.append(
                {
                    "label": labels[name],
                    "value": points(part["difference"]),
                    "kind": kind,
                    **place,
                    "between": _("({between}; n = {count})").format(between=told, count=part["items"]),
                    "says": _(", ").join(words),
                    "unknown": "" if ends else shown(part["unknown"]),
                }
            )
    return rows


def refusal_rows(correctness: dict[str, Any]) -> list[dict[str, str]]:
    """For each model with the documents: what was refused of what they answer, and answered of what they do not."""
    labels = {"against_cited": _("base model"), "cited": _("tuned model")}
    rows = []
    for field, label in labels.items():
        if part := correctness.get("refusals", {}).get(field):
            rows.append({
                "label": label,
                "refused": counted(part["refused"], part["answerable"], part["refused_interval"]),
                "answered": counted(part["answered"], part["unanswerable"], part["answered_interval"]),
            })  # fmt: skip
    return rows


def counted(count: int, total: int, interval: list[float] | tuple[float, float] | None) -> str:
    """``2 of 16 (3 to 36 %)``; never a share alone."""
    if not total:
        return _("none was asked")
    return _("{count} of {total} ({between})").format(count=count, total=total, between=between(interval))
