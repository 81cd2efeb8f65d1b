"""What a load test leaves: a row for each request, and the latencies in short."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tuneloop.kinds import Fact, Kind, Summary, Table
from tuneloop.language import _
from tuneloop.loadtest import figures
from tuneloop.loadtest.generator import Request
from tuneloop.telling import count, most_frequent, seconds, share

PERCENTILES = ("p50", "p95", "p99")

REQUESTS = Table(
    "requests", Request, columns=("scheduled", "state", "error", "time_to_first_token", "latency", "output_tokens")
)


class LoadTestSummary(Summary):
    """How a server answered. Times are seconds, by percentile."""

    requests: dict[str, int] = {}  # sent, ok, refused, failed, in_flight
    requests_per_second: float | None = None
    output_tokens_per_second: float | None = None
    time_to_first_token: dict[str, Any] = {}  # p50, p95 …, and count: of how many
    latency: dict[str, Any] = {}  # p50, p95 …, and count: of how many
    time_per_output_token: dict[str, Any] = {}  # p50, p95 …, and count: of how many
    goodput: dict[str, Any] = {}
    errors: dict[str, int] = {}


def facts(summary: LoadTestSummary, folder: Path) -> list[Fact]:
    body = summary.model_dump()
    rates = _("{requests} requests/s, {tokens} tokens/s").format(
        requests=count(summary.requests_per_second), tokens=count(summary.output_tokens_per_second)
    )
    refused = figures.refused(body)
    none = refused and not summary.requests.get("ok")
    rows = [(_("requests"), figures.sent(body)), (_("answered"), "" if none else rates), (_("refused"), refused)]
    for key, label in (
        ("time_to_first_token", _("time to first token")),
        ("latency", _("latency")),
        ("time_per_output_token", _("time per output token")),
    ):
        values = getattr(summary, key)
        told = " · ".join(f"{p.upper()} {seconds(values[p])}" for p in PERCENTILES if values.get(p) is not None)
        rows.append((label, figures.measured(values, told)))
    good = summary.goodput
    if good.get("share") is not None:
        within = _("{share} within {seconds}")
        limit = seconds(good.get("time_to_first_token_objective"))
        rows.append((_("first token in time"), within.format(share=share(good.get("share")), seconds=limit)))
    return [*rows, (_("errors"), most_frequent(summary.errors))]


KIND = Kind("loadtest", (REQUESTS,), LoadTestSummary, facts)
