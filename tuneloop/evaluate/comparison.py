"""Two models on the same items: the difference with a confidence interval and a p-value.

Questions on one page succeed and fail together, so what is drawn, or has its sign turned, is a page with all of its
questions (Field & Welsh 2007; Cameron, Gelbach & Miller 2008). Items without a page stand for themselves.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

LEVEL = 0.95
FEWEST = 5  # clusters, or items without clusters; from fewer, resampling tells nothing of those that were not asked
BLOCK = 4_000_000  # drawn numbers in memory at once

Interval = tuple[float, float]
Clusters = Sequence[Hashable]  # what each item belongs to; empty: each item stands for itself


@dataclass(frozen=True)
class Comparison:
    """Means of two models over the same items, their difference, and how sure it is."""

    model: float
    against: float
    difference: float
    interval: Interval | None  # None: there are too few clusters
    p: float  # two-sided, of no difference
    items: int
    clusters: int


def mean_interval(values: Sequence[float], clusters: Clusters = (), *, resamples: int, seed: int) -> Interval | None:
    """The percentile bootstrap interval (Efron 1979) of a mean, clusters resampled; None for fewer than ``FEWEST``."""
    return ratio_interval(values, [1.0] * len(values), clusters, resamples=resamples, seed=seed)


def ratio_interval(
    parts: Sequence[float], wholes: Sequence[float], clusters: Clusters = (), *, resamples: int, seed: int
) -> Interval | None:
    """The same of a sum of parts over a sum of wholes, such as supported sentences over sentences, item by item."""
    import numpy as np

    table = np.stack([cluster_sums(parts, clusters), cluster_sums(wholes, clusters)])
    drawn_from = table.shape[1]
    if drawn_from < FEWEST:
        return None
    generator = np.random.default_rng(seed)
    drawn = [
        part / np.where(whole > 0, whole, 1.0)
        for count in blocks(resamples, drawn_from)
        for part, whole in [table[:, generator.integers(0, drawn_from, size=(count, drawn_from))].sum(axis=2)]
    ]
    low, high = np.quantile(np.concatenate(drawn), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def cluster_sums(values: Sequence[float], clusters: Clusters) -> np.ndarray:
    """The sum of the values of each cluster, in order of appearance. Raises ``ValueError`` for unequal lengths."""
    import numpy as np

    data = np.asarray(values, dtype=np.float64)
    if not clusters:
        return data
    if len(clusters) != len(data):
        raise ValueError(f"{len(data)} values cannot have {len(clusters)} clusters")
    places: dict[Hashable, int] = {}
    numbers = [places.setdefault(cluster, len(places)) for cluster in clusters]
    return np.bincount(numbers, weights=data, minlength=len(places))


def blocks(resamples: int, width: int) -> Iterator[int]:
    """How many resamples of so many numbers to draw at once, again and again, so that memory stays small."""
    count = max(1, BLOCK // width)
    for start in range(0, resamples, count):
        yield min(count, resamples - start)


def compare(
    model: Sequence[float], against: Sequence[float], clusters: Clusters = (), *, resamples: int = 2000, seed: int = 0
) -> Comparison:
    """Paired bootstrap (Koehn 2004): both models' values of an item are drawn together.

    The p-value is that of a paired sign-flip permutation test (Fisher 1935) of the mean difference, two-sided, with
    the observed assignment counted; a cluster's differences keep or turn their signs together. Raises ``ValueError``
    for unequal lengths.
    """
    import numpy as np

    if len(model) != len(against):
        raise ValueError(f"{len(model)} and {len(against)} items cannot be paired")
    one, two = np.asarray(model, dtype=np.float64), np.asarray(against, dtype=np.float64)
    if not len(one):
        return Comparison(0.0, 0.0, 0.0, None, 1.0, 0, 0)
    difference = (one - two).tolist()
    sums = cluster_sums(difference, clusters)
    return Comparison(
        model=float(one.mean()), against=float(two.mean()), difference=float(one.mean() - two.mean()),
        interval=mean_interval(difference, clusters, resamples=resamples, seed=seed),
        p=sign_flip(sums / len(one), resamples, seed + 1), items=len(one), clusters=len(sums),
    )  # fmt: skip


def sign_flip(parts: np.ndarray, resamples: int, seed: int) -> float:
    """How often the sum of parts with random signs lies as far from zero as the sum of these."""
    import numpy as np

    generator, extreme = np.random.default_rng(seed), 0
    for count in blocks(resamples, len(parts)):
        signs = generator.choice((-1.0, 1.0), size=(count, len(parts)))
        extreme += int((np.abs(signs @ parts) >= abs(parts.sum()) - 1e-12).sum())
    return (extreme + 1) / (resamples + 1)
