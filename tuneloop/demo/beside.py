"""What stands beside the numbers: what needs no training, what the limit cut, what was left out of the exam."""

from __future__ import annotations

from typing import Any

from tuneloop.demo.verdict import both, shows
from tuneloop.evaluate import figures
from tuneloop.language import _, shown

MODELS = (("against", "against_cited"), ("model", "cited"))  # base, tuned: without and with the documents


def notes(body: dict[str, Any]) -> list[str]:
    """A sentence each; none for what was not measured."""
    found = (untrained(body.get("exam") or {}), cut(body.get("cut") or {}), learned(body.get("learned") or {}))
    return [note for note in found if note]


def untrained(exam: dict[str, Any]) -> str:
    """What the question itself and the first sentence of the base model's answer score beside the models."""
    found = exam.get("baselines") or {}
    if not {"echo", "first_sentence"} <= set(found):
        return ""
    text = _(
        "Without the documents and by ROUGE-L F1, the tuned model scores {tuned}, the base model {base}, the question "
        "repeated as the answer {echo}, and the first sentence of the base model's answer {first}."
    )
    first = found["first_sentence"]
    told = text.format(
        tuned=f"{first['model']:.3f}", base=f"{exam['base']:.3f}", echo=f"{found['echo']['against']:.3f}",
        first=f"{first['against']:.3f}",
    )  # fmt: skip
    said = {
        "better": _("The tuned model is better than that first sentence."),
        "worse": _("The tuned model is worse than that first sentence."),
        "no difference shown": _("This exam shows no difference from that first sentence."),
    }.get(shows(first), _("Whether the tuned model is better than that first sentence is not known."))
    return both(told, said)


def cut(counts: dict[str, Any]) -> str:
    """How many answers of each model ended at the limit of tokens."""
    if not counts:
        return ""
    base, tuned = (_(", ").join(filter(None, map(told, (counts.get(field) for field in fields), (
        _("{cut} of {count} without the documents"), _("{cut} of {count} with the documents"),
    )))) or _("not measured") for fields in MODELS)  # fmt: skip
    text = _("Cut at the limit of tokens: of the base model {base}; of the tuned model {tuned}.")
    return text.format(base=base, tuned=tuned)


def told(count: dict[str, int] | None, text: str) -> str:
    if not count:
        return ""
    said = text.format(cut=count["cut"], count=count["answers"])
    return said + (_(" (not known of {count})").format(count=count["unknown"]) if count.get("unknown") else "")


def learned(account: dict[str, Any]) -> str:
    """Whether the exam was free of what the models were trained on; what was left out is among the warnings."""
    return shown(figures.NONE_LEARNED) if account and not account["count"] and not account["gone"] else ""
