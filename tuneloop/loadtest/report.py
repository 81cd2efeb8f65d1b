"""The figures of a load test, from its rows."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from tuneloop.loadtest.generator import Request

QUANTILE = (
    "nearest rank: the smallest value that at least this share of the values does not exceed (Hyndman-Fan type 1)"
)
SHARES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}


def quantile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank quantile of ascending values: always one that was measured, never one in between."""
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]


def distribution(values: Iterable[float], lower_bounds: Iterable[float] = ()) -> dict[str, Any]:
    """Percentiles, mean and extremes in seconds. ``lower_bounds`` are of requests that had not ended: true values are
    at least these; a percentile that falls on one of them is named in ``at_least``.
    """
    known, open_ended = sorted(values), sorted(lower_bounds)
    ordered = sorted([*known, *open_ended])
    if not ordered:
        return {"count": 0}
    found: dict[str, Any] = {name: round(quantile(ordered, share), 6) for name, share in SHARES.items()}
    found |= {"mean": round(math.fsum(ordered) / len(ordered), 6), "min": round(ordered[0], 6)}
    found |= {"max": round(ordered[-1], 6), "count": len(ordered)}
    if open_ended:
        found["lower_bounds"] = len(open_ended)
        found["at_least"] = [name for name, share in SHARES.items() if quantile(ordered, share) >= open_ended[0]]
    return found


def summarize(
    rows: Sequence[Request], seconds: float, *, most_in_flight: int, objective: float | None
) -> dict[str, Any]:
    """The summary of a test that took ``seconds`` from the first intended start to the last event.

    Times and rates are of what a model wrote; what was refused before a model was asked is counted apart.
    """
    count = Counter(r.state for r in rows)
    ok, waiting = [r for r in rows if r.state == "ok"], [r for r in rows if r.state == "in_flight"]
    first = [r.time_to_first_token for r in [*ok, *waiting] if r.time_to_first_token is not None]
    tokens = sum(r.output_tokens for r in rows)
    span = max(seconds, 1e-9)
    return {
        "requests": {
            "sent": len(rows), "ok": len(ok), "refused": count["refused"], "failed": count["error"],
            "in_flight": len(waiting), "most_in_flight": most_in_flight,
        },
        "errors": dict(sorted(Counter(r.error for r in rows if r.error).items())),
        "error_rate": round(count["error"] / max(1, len(rows)), 6),
        "seconds": round(seconds, 3),
        "time_to_first_token": distribution(first, (r.latency for r in waiting if r.time_to_first_token is None)),
        "latency": distribution((r.latency for r in ok), (r.latency for r in waiting)),
        "inter_token_latency": distribution(b - a for r in [*ok, *waiting] for a, b in pairwise(r.token_times)),
        "time_per_output_token": distribution(filter(None, map(time_per_output_token, ok))),
        "requests_per_second": round(len(ok) / span, 4),
        "output_tokens": tokens,
        "output_tokens_per_second": round(tokens / span, 3),
        "tokens_counted_by": sorted({r.counted for r in rows if r.counted}),
        "goodput": goodput(rows, span, objective),
        "client_delay": distribution(r.started for r in rows),
        "quantile": QUANTILE,
    }  # fmt: skip


def time_per_output_token(row: Request) -> float | None:
    """Mean seconds between tokens after the first; None for answers of one token."""
    if row.output_tokens < 2 or len(row.token_times) < 2:
        return None
    return (row.token_times[-1] - row.token_times[0]) / (row.output_tokens - 1)


def goodput(rows: Sequence[Request], span: float, objective: float | None) -> dict[str, Any] | None:
    """How many requests met the objective: answered in full, the first token in time.

    The share is of all that were sent and not refused before a model was asked; None where none is left.
    """
    if objective is None:
        return None
    asked = sum(r.state != "refused" for r in rows)
    good = sum(
        r.state == "ok" and r.time_to_first_token is not None and r.time_to_first_token <= objective for r in rows
    )
    return {
        "time_to_first_token_objective": objective, "requests": good,
        "share": round(good / asked, 6) if asked else None,
        "requests_per_second": round(good / span, 4),
    }  # fmt: skip
