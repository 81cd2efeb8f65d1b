"""What every surface says of a load test's summary, so that no refusal passes for a fast answer of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuneloop.language import _


def sent(summary: Mapping[str, Any]) -> str:
    """How many requests were sent and what became of them; in summaries of older versions none is told as refused."""
    count = summary.get("requests") or {}
    text = _("{sent} sent, {ok} answered, {failed} failed, {open} unfinished")
    if count.get("refused"):
        text = _("{sent} sent, {ok} answered by a model, {refused} refused, {failed} failed, {open} unfinished")
    facts = {name: f"{count.get(name, 0):,}" for name in ("sent", "ok", "refused", "failed")}
    return text.format(open=f"{count.get('in_flight', 0):,}", **facts)


def refused(summary: Mapping[str, Any]) -> str:
    """What the refused requests mean for the times; "" where none was refused."""
    count = summary.get("requests") or {}
    if not count.get("refused"):
        return ""
    text = _(
        "{refused} of {sent} requests were refused, not found in the documents, before a model was asked. They are in "
        "no time and no rate."
    )
    if not count.get("ok") and not count.get("in_flight"):
        text = _(
            "No model wrote an answer, so there is no latency: {refused} of {sent} requests were refused, not found in "
            "the documents, before a model was asked."
        )
    return text.format(refused=f"{count['refused']:,}", sent=f"{count.get('sent', 0):,}")


def measured(values: Mapping[str, Any], told: str) -> str:
    """Percentiles with how many values they are of: ``P50 0.3 s · P99 0.6 s (n = 8)``; "" where there are none."""
    return f"{told} (n = {values['count']:,})" if told and values.get("count") else told
