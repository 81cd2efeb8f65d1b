"""What the page of an artifact shows: one way for each kind, and for any what was set aside, its rows and files."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from markupsafe import Markup

from tuneloop.charts import line_chart
from tuneloop.evaluate import figures
from tuneloop.kinds import REJECTED
from tuneloop.kinds.model import LOSSES, losses
from tuneloop.language import _, shown
from tuneloop.loadtest import figures as load_figures
from tuneloop.store import Artifact

REASONS = 20  # that are named on the page itself
SHARES = ("p50", "p90", "p95", "p99", "mean", "max")
TIMES = ("time_to_first_token", "inter_token_latency", "time_per_output_token", "latency", "client_delay")
LAID_OUT = (  # of an evaluation's summary
    "metrics", "warnings", "definitions", "settings", "primary", "baselines", "correctness", "cut", "learned",
    "retrieval", "citations", "abstention",
)  # fmt: skip
Curve = Sequence[tuple[int | None, float]]


def loss_chart(metrics: Mapping[str, Curve], language: str) -> Markup:
    """How the loss went, and that of validation if it was measured, as SVG; empty where there is no curve to draw."""
    t, curves = partial(_, language=language), {}
    for name, label in (("loss", t("training loss")), ("validation_loss", t("validation loss"))):
        points = [(float(step), y) for step, y in metrics.get(name, ()) if step is not None and math.isfinite(y)]
        if len(points) > 1:
            curves[label] = points
        elif name == "loss":
            return Markup()
    return Markup(line_chart(curves, x_title=t("step"), y_title=t("loss")))  # which escapes what it is given


def set_aside(folder: Path, language: str) -> dict[str, Any]:
    """How many rows of an artifact were set aside, and the most frequent reasons: as stored, as told, and how often."""
    import pyarrow.parquet as pq

    path = REJECTED.path(folder)
    reasons: Counter[str] = Counter()
    if path.is_file():
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=["reason"]):
                reasons.update(batch["reason"].to_pylist())
    frequent = [(reason, shown(reason, language), count) for reason, count in reasons.most_common(REASONS)]
    total = reasons.total()
    return {"count": total, "reasons": frequent, "others": total - sum(count for _r, _t, count in frequent)}


def result_of(artifact: Artifact, folder: Path, language: str) -> dict[str, Any]:
    """What the kind of an artifact shows beside its summary; empty for a kind that has nothing of its own."""
    show = SHOW.get(artifact.address.kind)
    return show(artifact, folder, language) if show else {}


def evaluation(artifact: Artifact, folder: Path, language: str) -> dict[str, Any]:
    """The figures, laid out, with what each metric measures; nothing of them is shown a second time as it is kept."""
    body = {**artifact.summary, **read_json(folder / "evaluation.json")}
    found = figures.differences(body)
    groups = {
        group: [one for one in found if one.group == group] for group in dict.fromkeys(one.group for one in found)
    }
    return {
        "groups": groups, "means": figures.means(body), "cells": figures.cells(body),
        "refusals": figures.refusals(body), "rates": list(figures.rates(body)),
        "notes": [*figures.notes(body), *figures.unknown(body)], "learned": learned(body),
        "definitions": {k: shown(str(v), language) for k, v in figures.part(body, "definitions").items()},
        "warnings": [shown(str(w), language) for w in body.get("warnings", [])],
        "settings": body.get("settings", {}), "apart": LAID_OUT,
    }  # fmt: skip


def learned(body: Mapping[str, Any]) -> list[dict[str, str]]:
    """The questions that were left out because a model was trained on them, each with the one it learned."""
    return [row for row in figures.part(body, "learned").get("items", []) if isinstance(row, dict)]


def model(artifact: Artifact, folder: Path, language: str) -> dict[str, Any]:
    """The card, and for what was trained here the curve of the loss."""
    card, training = read_json(folder / "model.json"), read_json(folder / "training.json")
    curves = {name: [(int(p[0]), float(p[1])) for p in training.get(name, [])] for name in ("loss", "validation_loss")}
    hidden = ("chat_template", "token_check", "sha256", "special_tokens")
    facts = {name: value for name, value in card.items() if name not in hidden and value not in (None, "", [], {}, 0)}
    return {
        "card": facts, "template": card.get("chat_template", ""), "chart": loss_chart(curves, language),
        "losses": losses(artifact.summary), "apart": LOSSES,
    }  # fmt: skip


def loadtest(artifact: Artifact, folder: Path, language: str) -> dict[str, Any]:
    """The latencies, a row a measure."""
    summary = artifact.summary
    times = {name: summary[name] for name in TIMES if isinstance(summary.get(name), dict) and summary[name]}
    note = load_figures.refused(summary)
    return {"times": times, "shares": SHARES, "note": note, "apart": (*TIMES, "quantile")}


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object that a stage wrote; empty where it wrote none, or the file is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


SHOW: dict[str, Callable[[Artifact, Path, str], dict[str, Any]]] = {
    "evaluation": evaluation, "model": model, "loadtest": loadtest,
}  # fmt: skip
