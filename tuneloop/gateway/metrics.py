"""Counters and histograms of the gateway as Prometheus text."""

from bisect import bisect_left
from collections import Counter

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)  # seconds
Labels = tuple[tuple[str, str], ...]


class Histogram:
    """Seconds by bucket, for each set of labels."""

    def __init__(self) -> None:
        self.counts: dict[Labels, list[int]] = {}
        self.sums: Counter[Labels] = Counter()

    def observe(self, labels: Labels, seconds: float) -> None:
        counts = self.counts.setdefault(labels, [0] * (len(BUCKETS) + 1))
        counts[bisect_left(BUCKETS, seconds)] += 1
        self.sums[labels] += seconds  # type: ignore[assignment]

    def lines(self, name: str) -> list[str]:
        out = [f"# TYPE {name} histogram"]
        for labels, counts in self.counts.items():
            total = 0
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
                total += count
                out.append(f"{name}_bucket{shown((*labels, ('le', bound)))} {total}")
            out += [f"{name}_sum{shown(labels)} {self.sums[labels]:.6f}", f"{name}_count{shown(labels)} {total}"]
        return out


class Metrics:
    """What the gateway counts."""

    def __init__(self) -> None:
        self.requests: Counter[Labels] = Counter()
        self.tokens: Counter[Labels] = Counter()
        self.seconds, self.first_token = Histogram(), Histogram()
        self.in_flight = 0

    def finish(self, path: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request. ``route`` is "" where the caller named none that exists."""
        self.requests[("path", path), ("route", route), ("status", str(status))] += 1
        if status < 400:
            self.seconds.observe((("path", path), ("route", route)), seconds)

    def text(self, *, logged: int, dropped: int) -> str:
        """Everything, in Prometheus' text format 0.0.4."""
        lines = ["# TYPE tuneloop_requests_total counter"]
        lines += [f"tuneloop_requests_total{shown(labels)} {count}" for labels, count in self.requests.items()]
        lines += self.seconds.lines("tuneloop_request_seconds")
        lines += self.first_token.lines("tuneloop_time_to_first_token_seconds")
        for name, kind, value in (
            ("tuneloop_requests_in_flight", "gauge", self.in_flight),
            ("tuneloop_traffic_logged_total", "counter", logged),
            ("tuneloop_traffic_dropped_total", "counter", dropped),
        ):
            lines += [f"# TYPE {name} {kind}", f"{name} {value}"]
        return "\n".join(lines) + "\n"


def shown(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in labels) + "}" if labels else ""


def escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
