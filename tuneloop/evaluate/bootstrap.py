"""The wild cluster bootstrap-t with the null imposed: a test of a mean, and the interval that is the test turned over.

To ask whether a mean may be ``m``, what lies between each value and ``m`` is multiplied by a random weight, one for all
values of a cluster, and the t statistic of what comes out is compared with the one that was seen (Cameron, Gelbach and
Miller 2008). Weights are signs (Rademacher), or, where so few clusters have too few signs, Webb's six points (Webb
2023). The interval holds every ``m`` that is not refused, so it leaves zero out exactly where the p-value is small.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

WEBB_UP_TO = 12  # clusters
WEBB = (0.5**0.5, 1.0, 1.5**0.5, -(0.5**0.5), -1.0, -(1.5**0.5))  # those with the first signs stand first
SIGNS = (1.0, -1.0)
ENUMERATED = 40_000  # vectors of weights that are all looked at; of more, some are drawn
BLOCK = 4_000_000  # weights in memory at once
TIE = 1e-9  # t statistics that are this near (relatively) are equal: the seen one among them

# Where the p-value is computed, in standard errors from the mean: each quarter, then ever wider. Between two of these
# the end of an interval is looked for in ``FINE`` steps.
GRID = (*(step / 4 for step in range(1, 17)), *(4 * 1.25**step for step in range(1, 26)))
FINE = 16


def points(clusters: int) -> tuple[float, ...]:
    """The values that a weight can have."""
    return WEBB if clusters <= WEBB_UP_TO else SIGNS


def enumerable(clusters: int) -> bool:
    """Whether every vector of weights is looked at. A vector and its negative have one t statistic: half suffice."""
    return len(points(clusters)) ** clusters // 2 <= ENUMERATED


def weight_blocks(clusters: int, draws: int, seed: int) -> Iterator[np.ndarray]:
    """Vectors of weights as rows, in blocks: all of them (one of each pair of opposites), or ``draws`` random ones."""
    import numpy as np

    values = np.array(points(clusters))
    total = len(values) ** clusters // 2 if enumerable(clusters) else draws
    generator = np.random.default_rng(seed)
    count = max(1, BLOCK // clusters)
    for start in range(0, total, count):
        rows = min(count, total - start)
        if enumerable(clusters):
            numbers = np.arange(start, start + rows)
            chosen = numbers[:, None] // len(values) ** np.arange(clusters)[::-1] % len(values)
        else:
            chosen = generator.integers(0, len(values), size=(rows, clusters), dtype=np.int8)
        yield values[chosen]


@dataclass
class WildBootstrap:
    """Of a mean of ``sizes.sum()`` values in clusters, given the sum and the number of the values of each cluster."""

    sums: np.ndarray
    sizes: np.ndarray
    draws: int = 9999  # where the vectors of weights are too many to look at all
    seed: int = 0

    @property
    def mean(self) -> float:
        return float(self.sums.sum() / self.sizes.sum())

    @cached_property
    def deviations(self) -> tuple[np.ndarray, np.ndarray]:
        """Sums around the mean, and sizes, in an order that neither the items' order nor a change of sign changes."""
        import numpy as np

        around = self.sums - self.sizes * self.mean
        rounded = np.round(around / (np.abs(around).max() or 1.0), 9)
        side = np.sign(round(float((rounded**3).sum()), 6)) or np.sign(self.mean)
        order = np.lexsort((rounded * side, np.abs(rounded), self.sizes))
        return around[order], self.sizes[order].astype(np.float64)

    @cached_property
    def spread(self) -> float:
        """The square of the standard error of the sum; 0 where every cluster has the same mean."""
        import numpy as np

        found = float((self.deviations[0] ** 2).sum())
        return found if found > (1e-12 * float(np.abs(self.sums).sum())) ** 2 else 0.0

    @cached_property
    def projections(self) -> list[np.ndarray]:
        """For every vector of weights w: w·D, w·n, w·nD, w·n² and w²·D², w²·nD, w²·n² (D: deviations, n: sizes)."""
        import numpy as np

        around, sizes = self.deviations
        once = np.stack([around, sizes, sizes * around, sizes**2], axis=1)
        twice = np.stack([around**2, sizes * around, sizes**2], axis=1)
        signs = len(points(len(sizes))) == 2
        blocks = [
            np.concatenate([w @ once, np.ones((len(w), 1)) * twice.sum(axis=0) if signs else w**2 @ twice], axis=1)
            for w in weight_blocks(len(sizes), self.draws, self.seed)
        ]
        return list(np.ascontiguousarray(np.concatenate(blocks).T))

    def p_at(self, shift: float) -> float:
        """The p-value of the mean being ``shift`` above the one that was seen. Linear in it is all but the t itself."""
        import numpy as np

        if shift == 0:
            return 1.0
        wd, wn, wnd, wnn, wwdd, wwnd, wwnn = self.projections
        sizes = self.deviations[1]
        mean = (wd - shift * wn) / sizes.sum()  # of the weighted values, above the null
        squares = wwdd - 2 * shift * wwnd + shift**2 * wwnn
        spread = squares - 2 * mean * (wnd - shift * wnn) + mean**2 * (sizes**2).sum()
        spread = np.where(spread > 1e-12 * squares, spread, 0.0)
        extreme = int((mean**2 * self.spread >= shift**2 * spread * (1 - TIE)).sum())
        if enumerable(len(sizes)):
            return extreme / len(mean)
        return (extreme + 1) / (len(mean) + 1)

    @cached_property
    def curve(self) -> list[tuple[float, float]]:
        """(shift, p) from the lowest shift to the highest; p never rises away from the mean, and zero is among them."""
        error = self.spread**0.5 / float(self.sizes.sum())
        below, above = {-error * step for step in GRID}, {error * step for step in GRID}
        (below if self.mean > 0 else above).add(-self.mean)
        low = outside_in([(shift, self.p_at(shift)) for shift in sorted(below)])
        high = outside_in([(shift, self.p_at(shift)) for shift in sorted(above, reverse=True)])
        return [*low, (0.0, 1.0), *reversed(high)]

    def p(self) -> float:
        """The two-sided p-value of the mean being zero."""
        if self.mean == 0:
            return 1.0
        if self.spread == 0:  # only a vector of equal weights is as extreme
            return float(len(points(len(self.sizes)))) ** (1 - len(self.sizes))
        return next(p for shift, p in self.curve if shift == -self.mean)

    def interval(self, level: float) -> tuple[float, float] | None:
        """The means that are not refused at ``level``. None where nothing spreads, or where no far mean is refused."""
        if self.spread == 0:
            return None
        curve, least = self.curve, round(1 - level, 12)
        if curve[0][1] >= least or curve[-1][1] >= least:
            return None
        low, high = self.end(curve, least), self.end(curve[::-1], least)
        return self.mean + low, self.mean + high

    def end(self, curve: list[tuple[float, float]], least: float) -> float:
        """Where, coming from outside, p first reaches ``least``."""
        inner = next(number for number, (_shift, p) in enumerate(curve) if p >= least)
        (outside, p_outside), (inside, p_inside) = curve[inner - 1], curve[inner]
        step = (inside - outside) / FINE
        fine = [(outside + step * n, self.p_at(outside + step * n)) for n in range(1, FINE)]
        before, below = outside, p_outside
        for shift, p in [*fine, (inside, p_inside)]:
            if p >= least:
                return before + (shift - before) * (least - below) / (p - below)
            before, below = shift, p
        return inside


def outside_in(curve: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Each p-value raised to the highest one that lies further out."""
    highest, found = 0.0, []
    for shift, p in curve:
        highest = max(highest, p)
        found.append((shift, highest))
    return found
