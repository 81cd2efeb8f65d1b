"""Two models on the same items: the difference with a confidence interval and a p-value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

LEVEL = 0.95
BLOCK = 4_000_000  # drawn numbers in memory at once

Interval = tuple[float, float]


@dataclass(frozen=True)
class Comparison:
    """Means of two models over the same items, their difference, and how sure it is."""

    model: float
    against: float
    difference: float
    interval: Interval
    p: float  # two-sided, of no difference
    items: int


def mean_interval(values: Sequence[float], *, resamples: int, seed: int) -> Interval:
    """The percentile bootstrap interval (Efron 1979) of a mean. Items are resampled; one item gives a point."""
    return ratio_interval(values, [1.0] * len(values), resamples=resamples, seed=seed)


def ratio_interval(parts: Sequence[float], wholes: Sequence[float], *, resamples: int, seed: int) -> Interval:
    """The same of a sum of parts over a sum of wholes, such as supported sentences over sentences, item by item."""
    import numpy as np

    table = np.array([parts, wholes], dtype=np.float64)
    if not len(parts):
        return (0.0, 0.0)
    if len(parts) < 2:
        return (share := ratio(table.sum(axis=1))), share
    generator = np.random.default_rng(seed)
    drawn = [
        part / np.where(whole > 0, whole, 1.0)
        for count in blocks(resamples, len(parts))
        for part, whole in [table[:, generator.integers(0, len(parts), size=(count, len(parts)))].sum(axis=2)]
    ]
    low, high = np.quantile(np.concatenate(drawn), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def ratio(sums: np.ndarray) -> float:
    return float(sums[0] / sums[1]) if sums[1] else 0.0


def blocks(resamples: int, items: int) -> Iterator[int]:
    """How many resamples to draw at once, again and again, so that memory stays small."""
    width = max(1, BLOCK // items)
    for start in range(0, resamples, width):
        yield min(width, resamples - start)


def compare(model: Sequence[float], against: Sequence[float], *, resamples: int = 2000, seed: int = 0) -> Comparison:
    """Paired bootstrap (Koehn 2004): both models' values of an item are drawn together.

    The p-value is that of a paired sign-flip permutation test (Fisher 1935) of the mean difference, two-sided, with
    the observed assignment counted. Raises ``ValueError`` for unequal lengths.
    """
    import numpy as np

    if len(model) != len(against):
        raise ValueError(f"{len(model)} and {len(against)} items cannot be paired")
    one, two = np.asarray(model, dtype=np.float64), np.asarray(against, dtype=np.float64)
    if not len(one):
        return Comparison(0.0, 0.0, 0.0, (0.0, 0.0), 1.0, 0)
    difference = one - two
    return Comparison(
        model=float(one.mean()), against=float(two.mean()), difference=float(difference.mean()),
        interval=mean_interval(difference.tolist(), resamples=resamples, seed=seed),
        p=sign_flip(difference, resamples, seed + 1), items=len(difference),
    )  # fmt: skip


def sign_flip(difference: Any, resamples: int, seed: int) -> float:
    """How often differences with random signs lie as far from zero as these."""
    import numpy as np

    generator, extreme = np.random.default_rng(seed), 0
    for count in blocks(resamples, len(difference)):
        signs = generator.choice((-1.0, 1.0), size=(count, len(difference)))
        extreme += int((np.abs((signs * difference).mean(axis=1)) >= abs(difference.mean()) - 1e-12).sum())
    return (extreme + 1) / (resamples + 1)
