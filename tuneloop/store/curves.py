"""What runs measured while they worked, as curves, and curves with no more points than an eye can tell apart."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from tuneloop.store.database import run_metrics

POINTS = 500  # of a curve that is sent
REMEMBERED = 4  # runs whose curves are kept in memory: who looks at a page asks again every two seconds

Point = tuple[int | None, float]
Known = dict[str, dict[int | None, float]]


class Curves:
    """The curves of runs. What was read is remembered, and only what is new is read again. Threads may share it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._known: OrderedDict[str, tuple[Known, int]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, run: str, *, after: int = 0) -> tuple[dict[str, list[Point]], int]:
        """``{name: [(step, value), …]}`` by step, of a step recorded twice the last; and the number of the newest
        point. ``after``: only what was recorded after the point with this number.
        """
        if after:
            found, newest = self._read(run, after, {})
        else:
            with self._lock:
                known, newest = self._known.pop(run, ({}, 0))
                found, newest = self._read(run, newest, known)
                self._known[run] = (found, newest)
                if len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
        return {name: sorted(points.items(), key=by_step) for name, points in found.items()}, newest

    def _read(self, run: str, after: int, known: Known) -> tuple[Known, int]:
        columns = (run_metrics.c.id, run_metrics.c.name, run_metrics.c.step, run_metrics.c.value)
        query = sa.select(*columns).where(run_metrics.c.run == run, run_metrics.c.id > after)
        with self.engine.connect() as connection:
            for number, name, step, value in connection.execute(query.order_by(run_metrics.c.id)).tuples():
                known.setdefault(name, {})[step] = value
                after = number
        return known, after


def by_step(point: Point) -> tuple[bool, int]:
    return point[0] is not None, point[0] or 0


def thinned(curve: Sequence[Point], most: int = POINTS) -> list[Point]:
    """At most ``most`` points of a curve: its first and its last, and of equal parts between the least and the
    greatest value, so that no peak is lost. ``most`` is at least 4.
    """
    if len(curve) <= most:
        return list(curve)
    first, *between, last = curve
    parts = max(1, (max(most, 4) - 2) // 2)
    kept: list[Point] = [first]
    for number in range(parts):
        part = between[number * len(between) // parts : (number + 1) * len(between) // parts]
        at = {min(range(len(part)), key=lambda i: part[i][1]), max(range(len(part)), key=lambda i: part[i][1])}
        kept += [part[i] for i in sorted(at)]
    return [*kept, last]
