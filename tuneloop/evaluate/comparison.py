"""Two models on the same items: the difference with its interval and p-value, and what may be said of it.

Questions on one page succeed and fail together, so what counts is a page with all of its questions, its cluster. Items
without a page stand for themselves. From few clusters, or from many of which one holds half of the items, nothing can
be said of those that were not asked: then there is no interval and no p-value, and the difference is not known.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tuneloop.evaluate.bootstrap import WildBootstrap
from tuneloop.evaluate.rates import clustered_wilson
from tuneloop.language import stored

if TYPE_CHECKING:
    import numpy as np

LEVEL = 0.95
FEWEST = 5  # clusters, or items without clusters
TIE = 1e-9  # a difference of no more is none

Interval = tuple[float, float]
Clusters = Sequence[Hashable]  # what each item belongs to; empty: each item stands for itself
Verdict = Literal["better", "worse", "no difference shown", "not known"]

VERDICTS = (stored("better"), stored("worse"), stored("no difference shown"), stored("not known"))
TOO_FEW = stored("too few questions or pages: at least 5 are needed")
ONE_HOLDS_HALF = stored("one page holds half of the questions or more")
FEW_DIFFER = stored("fewer than 5 pages or questions tell the two apart")
NO_SPREAD = stored("the same for every page: nothing is known of its spread")
NO_END = stored("pages differ too much for an interval that ends")


@dataclass(frozen=True)
class Comparison:
    """Means of two models over the same items, their difference, and how sure it is."""

    model: float
    against: float
    difference: float
    interval: Interval | None  # None: not known
    p: float | None  # two-sided, of no difference; None: not known
    items: int
    clusters: int
    unknown: str = ""  # why there is no interval


def verdict(difference: float, p: float | None, level: float = LEVEL) -> Verdict:
    """The one rule for what is called better. ``p`` is adjusted where more than one difference is looked at."""
    if p is None:
        return "not known"
    if p >= round(1 - level, 12):
        return "no difference shown"
    return "better" if difference > 0 else "worse"


def holm(p: Mapping[str, float | None]) -> dict[str, float | None]:
    """The p-values adjusted so that all of them together are wrong as seldom as one (Holm 1979)."""
    known = sorted((value, name) for name, value in p.items() if value is not None)
    found: dict[str, float | None] = dict.fromkeys(p)
    highest = 0.0
    for rank, (value, name) in enumerate(known):
        highest = max(highest, min(1.0, value * (len(known) - rank)))
        found[name] = highest
    return found


def mean_interval(values: Sequence[float], clusters: Clusters = (), *, resamples: int, seed: int) -> Interval | None:
    """The interval of a mean; None where it is not known.

    Wilson's with the effective number of items for rates and other values from 0 to 1. Of values without such bounds,
    as a length, the wild bootstrap's.
    """
    if all(0 <= value <= 1 for value in values):
        return ratio_interval(values, [1.0] * len(values), clusters)
    wild = bootstrap(values, clusters, resamples, seed)
    return None if why_unknown(wild.sizes) else wild.interval(LEVEL)


def ratio_interval(
    parts: Sequence[float], wholes: Sequence[float], clusters: Clusters = (), *, resamples: int = 0, seed: int = 0
) -> Interval | None:
    """The same of a sum of parts over a sum of wholes, such as supported sentences over sentences, item by item.

    Items without a whole say nothing. Nothing is drawn: ``resamples`` and ``seed`` are as in ``mean_interval``.
    """
    groups: dict[Hashable, list[tuple[float, float]]] = {}
    for part, whole, cluster in zip(parts, wholes, clusters or range(len(parts)), strict=True):
        if whole > 0:
            groups.setdefault(cluster, []).append((part, whole))
    if why_unknown([sum(whole for _part, whole in group) for group in groups.values()]):
        return None
    return clustered_wilson(
        [[part for part, _w in group] for group in groups.values()],
        [[whole for _p, whole in group] for group in groups.values()], LEVEL,
    )  # fmt: skip


def why_unknown(sizes: Sequence[float] | np.ndarray) -> str:
    """Why clusters with so many items tell nothing of others; "" where they do."""
    if len(sizes) < FEWEST:
        return TOO_FEW
    return ONE_HOLDS_HALF if 2 * max(sizes) >= sum(sizes) else ""


def few_differ(sums: np.ndarray) -> str:
    """Why differences that are zero in nearly every cluster tell nothing: the test would look at one to four of them.

    Where none differs there is no doubt of that, and the p-value is 1.
    """
    return FEW_DIFFER if 0 < (abs(sums) > TIE).sum() < FEWEST else ""


def why_no_interval(values: Sequence[float], clusters: Clusters) -> str:
    """Why ``mean_interval`` of them is not known."""
    wild = bootstrap(values, clusters, 0, 0)
    return why_unknown(wild.sizes) or (NO_END if wild.spread else NO_SPREAD)


def bootstrap(values: Sequence[float], clusters: Clusters, resamples: int, seed: int) -> WildBootstrap:
    """The bootstrap of a mean of values. Raises ``ValueError`` for unequal lengths."""
    import numpy as np

    data = np.asarray(values, dtype=np.float64)
    if not clusters:
        return WildBootstrap(data, np.ones(len(data)), resamples, seed)
    if len(clusters) != len(data):
        raise ValueError(f"{len(data)} values cannot have {len(clusters)} clusters")
    places: dict[Hashable, int] = {}
    numbers = [places.setdefault(cluster, len(places)) for cluster in clusters]
    sums = np.bincount(numbers, weights=data, minlength=len(places))
    return WildBootstrap(sums, np.bincount(numbers, minlength=len(places)), resamples, seed)


def compare(
    model: Sequence[float], against: Sequence[float], clusters: Clusters = (), *, resamples: int = 9999, seed: int = 0
) -> Comparison:
    """Both models' values of an item are paired. Interval and p-value are of one test, the wild cluster bootstrap-t.

    The p-value is below 0.05 exactly where the interval leaves zero out. Raises ``ValueError`` for unequal lengths.
    """
    import numpy as np

    if len(model) != len(against):
        raise ValueError(f"{len(model)} and {len(against)} items cannot be paired")
    one, two = np.asarray(model, dtype=np.float64), np.asarray(against, dtype=np.float64)
    if not len(one):
        return Comparison(0.0, 0.0, 0.0, None, None, 0, 0, TOO_FEW)
    wild = bootstrap((one - two).tolist(), clusters, resamples, seed)
    unknown = why_unknown(wild.sizes) or few_differ(wild.sums)
    interval = None if unknown else wild.interval(LEVEL)
    if not unknown and not interval:
        unknown = NO_END if wild.spread else NO_SPREAD
    p = None if unknown in (TOO_FEW, ONE_HOLDS_HALF, FEW_DIFFER) else wild.p()
    return Comparison(
        model=float(one.mean()), against=float(two.mean()), difference=float(one.mean() - two.mean()),
        interval=interval, p=p, items=len(one), clusters=len(wild.sizes), unknown=unknown,
    )  # fmt: skip
