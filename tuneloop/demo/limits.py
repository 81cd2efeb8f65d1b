"""What the result cost, what it cannot do, and what its numbers rest on."""

from __future__ import annotations

from typing import Any

from tuneloop.demo.verdict import between, both, shows, side
from tuneloop.evaluate import figures
from tuneloop.language import _, shown

# Answers on which rule and judge agree, of all, and by how many points of 100 the rule put the tuned model higher above
# the base than the judge did: docs/answers-judged.md.
JUDGED = {"en": (43, 50, 4), "zh": (44, 50, 8)}
MIB = 2**20


def duration(seconds: float) -> str:
    if seconds < 100:
        return _("{n} s").format(n=f"{seconds:.1f}")
    return _("{minutes} min {seconds} s").format(minutes=int(seconds) // 60, seconds=f"{int(seconds) % 60:02}")


def cells_note(correctness: dict[str, Any]) -> str:
    """What was counted, over how many pages, and that the two columns are not of the same questions, if so."""
    return " ".join(filter(None, (with_documents_note(correctness), asked_note(correctness))))


def asked_note(correctness: dict[str, Any]) -> str:
    return shown(figures.asked({"correctness": correctness}))


def with_documents_note(correctness: dict[str, Any]) -> str:
    cell = correctness.get("cells", {}).get("cited")
    if not cell:
        return ""
    if cell["clusters"] == cell["items"]:
        return _("With the documents, both models answered the same questions from the same passages.")
    text = _(
        "With the documents, both models answered the same questions from the same passages. They are about {pages} "
        "pages; the questions on one page count as one draw."
    )
    return text.format(pages=cell["clusters"])


def samples_note(body: dict[str, Any]) -> str:
    drawn = body.get("samples") or {}
    if not drawn:
        return ""
    text = _(
        "Drawn with seed {seed}, not chosen, by what the tuned model with the documents was: of {right} right, {wrong} "
        "wrong and {refused} refused."
    )
    return text.format(seed=drawn["seed"], **drawn["of"])


def stage(body: dict[str, Any], label: str) -> dict[str, Any]:
    return next((s for s in body["stages"] if s["label"] == label), {})


def cost(body: dict[str, Any], machine: str) -> list[tuple[str, str]]:
    """Time, memory, size and speed, with the machine they were had on."""
    rows = [(_("everything"), duration(body["seconds"]))]
    if train := stage(body, "train"):
        rows.append((_("of this, training"), duration(train["seconds"])))
    if body["peak_memory_mib"]:
        rows.append((_("most memory"), _("{n} MiB").format(n=f"{body['peak_memory_mib']:,.0f}")))
    if size := stage(body, "compress").get("summary", {}).get("bytes"):
        rows.append((_("size of the tuned model"), _("{n} MiB").format(n=f"{size / MIB:,.0f}")))
    load = body.get("loadtest") or {}
    first = load.get("time_to_first_token") or {}
    if first.get("count"):
        told = _("{median}, the slowest {slowest}")
        value = told.format(median=duration(first["p50"]), slowest=duration(first["max"]))
        rows.append((_("until an answer begins, median"), value))
    refused, count = (load.get("requests") or {}).get("refused", 0), first.get("count", 0)
    told = _("{count} requests")
    if refused:
        told = _("{count} answers of the model; {refused} more requests were refused before it was asked")
    if load:
        rows.append((_("measured with"), told.format(count=count, refused=refused)))
    rows.append((_("machine"), machine))
    return rows


def limits(body: dict[str, Any]) -> list[str]:
    """What a buyer must not expect, from this run's own numbers first."""
    found = body.get("correctness") or {}
    lines = [line for line in (wrong(found), unanswerable(found), forgotten(found)) if line]
    lines.append(rests_on(body))
    lines.append(
        _("Of what the documents do not say it can only guess, and it knows no change of them after this run.")
    )
    return [line for line in lines if line]


def wrong(found: dict[str, Any]) -> str:
    cell = found.get("cells", {}).get("cited")
    if not cell:
        return ""
    text = _("Of {count} questions that the documents answer, it got {wrong} wrong and refused {refused}.")
    return text.format(count=cell["items"], wrong=cell["wrong"], refused=cell["refused"])


def unanswerable(found: dict[str, Any]) -> str:
    part = found.get("refusals", {}).get("cited")
    if not part or not part["unanswerable"]:
        return ""
    text = _("Of {count} questions that the documents do not answer, it answered {answered} all the same ({between}).")
    return text.format(
        count=part["unanswerable"], answered=part["answered"], between=between(part["answered_interval"])
    )


def forgotten(found: dict[str, Any]) -> str:
    cell = found.get("cells", {}).get("answer")
    if not cell:
        return ""
    text = _("Without the documents at hand, it got {right} of {count} right.")
    difference = found.get("differences", {}).get("documents_for_model")
    if difference and shows(difference) == "better":
        text = _("Without the documents at hand, it got {right} of {count} right: training does not replace them.")
    return text.format(right=cell["right"], count=cell["items"])


def rests_on(body: dict[str, Any]) -> str:
    """How far the marks themselves can be trusted."""
    if not (body.get("correctness") or {}).get("cells"):
        return ""
    agreed, judged, points = JUDGED.get(body["language"], (0, 0, 0))
    if not judged:
        return _(
            "Right and wrong were told by a rule that compares with the reference answer; how often it errs in this "
            "language has not been judged by hand."
        )
    text = _(
        "Right and wrong were told by a rule that compares with the reference answer. On {judged} answers of "
        "Tuneloop's own demo that a language model, not a person, judged one by one without seeing what the rule says, "
        "both agreed on {agreed}; there the rule put the tuned model {points} points too high against the base model, "
        "which so few answers do not tell from chance."
    ).format(judged=judged, agreed=agreed, points=points)
    if could_turn(body["correctness"].get("differences", {}).get("with_documents"), points):
        text = both(text, _("An error of that size could turn the result above."))
    return text


def could_turn(found: dict[str, Any] | None, points: int) -> bool:
    """Whether the result would be another one, had the rule put the tuned model too high by so many points of 100."""
    if not found or not found["interval"]:
        return False
    low, high = found["interval"]
    return side(low, high) != side(low - points / 100, high - points / 100)
