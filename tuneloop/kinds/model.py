"""Models: pulled, trained or compressed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuneloop.kinds import Fact, Kind, Summary, Table
from tuneloop.language import _, aside
from tuneloop.records import Trained
from tuneloop.telling import arrow, count, share, size

LAST = 10  # steps over whose losses the training loss of a summary is the mean
LOSSES = ("loss", "validation_loss_before", "validation_loss")  # of the summary

TRAINED = Table("trained", Trained, columns=("example", "part", "tokens", "learned_tokens", "times"))


class ModelSummary(Summary):
    """A pulled model says what it is, a trained one what it lost, a compressed one how near it is to its source."""

    name: str = ""
    format: str = ""  # hf, gguf, adapter
    quantization: str = ""
    parameters: int | None = None
    context_length: int | None = None
    licence: str = ""
    source: str = ""
    bytes: int | None = None
    examples: int | None = None
    steps: int | None = None
    held_out: int | None = None
    loss: float | None = None
    validation_loss_before: float | None = None
    validation_loss: float | None = None
    same_token: float | None = None  # share of places where the likeliest next token is that of the source
    divergence: float | None = None  # Kullback-Leibler, nats


def facts(summary: ModelSummary, folder: Path) -> list[Fact]:
    kind = " ".join(filter(None, (summary.format, summary.quantization)))
    rows = [
        (_("model"), summary.name + aside(kind)),
        (_("parameters"), count(summary.parameters) if summary.parameters else ""),
        (_("context length"), count(summary.context_length) if summary.context_length else ""),
        (_("licence"), summary.licence),
        (_("source"), summary.source),
        (_("size"), size(summary.bytes) if summary.bytes else ""),
    ]
    if summary.steps:
        learned = _("{examples} examples in {steps} steps, {held} held out").format(
            examples=count(summary.examples), steps=count(summary.steps), held=count(summary.held_out)
        )
        rows.append((_("learned"), learned))
        last = _("mean of the last {steps} steps").format(steps=min(LAST, summary.steps))
        steps = ((_("first step"), first_loss(folder)), (last, summary.loss))
        held_out = ((_("before training"), summary.validation_loss_before), (_("after"), summary.validation_loss))
        rows += [(_("training loss"), arrow(*steps)), (_("validation loss"), arrow(*held_out))]
    if summary.same_token is not None:
        near = _("{share} the same next token, divergence {divergence}")
        said = near.format(share=share(summary.same_token), divergence=count(summary.divergence))
        rows.append((_("against its source"), said))
    return rows


def losses(summary: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Name and value of each loss that there is."""
    last, held = min(LAST, summary.get("steps") or LAST), summary.get("held_out") or 0
    named = {
        "loss": _("training loss, mean of the last {steps} steps").format(steps=last),
        "validation_loss_before": _("validation loss before training, {held} held out").format(held=held),
        "validation_loss": _("validation loss after training, {held} held out").format(held=held),
    }
    return [(named[name], summary[name]) for name in LOSSES if isinstance(summary.get(name), (int, float))]


def first_loss(folder: Path) -> float | None:
    try:
        return float(json.loads((folder / "training.json").read_text(encoding="utf-8"))["loss"][0][1])
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None


KIND = Kind("model", (TRAINED,), ModelSummary, facts)
