"""Two models on the same items: the difference with a confidence interval and a p-value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """Means of two models over the same items, their difference, and how sure it is."""

    model: float
    against: float
    difference: float
    interval: tuple[float, float]
    p: float  # two-sided, of no difference
    items: int


def mean_interval(values: Sequence[float], *, resamples: int, seed: int, level: float = 0.95) -> tuple[float, float]:
    """The percentile bootstrap interval (Efron 1979) of a mean. Items are resampled; one item gives a point."""
    import numpy as np

    data = np.asarray(values, dtype=np.float64)
    if len(data) < 2:
        return (float(data.mean()), float(data.mean())) if len(data) else (0.0, 0.0)
    means = data[resample(len(data), resamples, seed)].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def compare(model: Sequence[float], against: Sequence[float], *, resamples: int = 2000, seed: int = 0) -> Comparison:
    """Paired bootstrap (Koehn 2004): the same items are drawn for both models. Raises ``ValueError`` for unequal lengths.

    The p-value is that of a paired sign-flip permutation test (Fisher 1935) of the mean difference, two-sided, with
    the observed assignment counted.
    """
    import numpy as np

    if len(model) != len(against):
        raise ValueError(f"{len(model)} and {len(against)} items cannot be paired")
    one, two = np.asarray(model, dtype=np.float64), np.asarray(against, dtype=np.float64)
    difference = one - two
    signs = np.random.default_rng(seed + 1).choice((-1.0, 1.0), size=(resamples, len(difference)))
    extreme = np.abs((signs * difference).mean(axis=1)) >= abs(difference.mean()) - 1e-12
    return Comparison(
        model=float(one.mean()), against=float(two.mean()), difference=float(difference.mean()),
        interval=mean_interval(difference.tolist(), resamples=resamples, seed=seed),
        p=float((extreme.sum() + 1) / (resamples + 1)), items=len(difference),
    )  # fmt: skip


def resample(items: int, resamples: int, seed: int):
    import numpy as np

    return np.random.default_rng(seed).integers(0, items, size=(resamples, items))
