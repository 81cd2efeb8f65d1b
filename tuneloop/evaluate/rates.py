"""Intervals of one rate whose items come in clusters: Wilson (1927) with the effective number of items.

Questions of one page tell less than as many questions of different pages. How much less is the design effect; divided
by it, the number of items is the one that independent items would need for the same precision (Korn and Graubard 1998;
Franco, Little, Louis and Slud 2019). The quantile is Student's, with a degree of freedom less than there are clusters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist


def wilson(rate: float, items: float, quantile: float) -> tuple[float, float]:
    """Wilson's interval of a rate that was seen in so many items, which need not be a whole number."""
    square = quantile**2
    middle = (rate + square / (2 * items)) / (1 + square / items)
    half = quantile / (1 + square / items) * math.sqrt(rate * (1 - rate) / items + square / (4 * items**2))
    return min(rate, max(0.0, middle - half)), max(rate, min(1.0, middle + half))


def clustered_wilson(
    parts: Sequence[Sequence[float]], wholes: Sequence[Sequence[float]], level: float
) -> tuple[float, float]:
    """The interval of a sum of parts over a sum of wholes (0 <= part <= whole), given the items of each cluster.

    The variance is that of the linearised ratio, between clusters or between items, whichever is larger: a design
    effect below one is chance. Where nothing varies, each cluster counts as one item.
    """
    total = math.fsum(whole for cluster in wholes for whole in cluster)
    rate = math.fsum(part for cluster in parts for part in cluster) / total
    rate = min(1.0, max(0.0, rate))
    pairs = [list(zip(part, whole, strict=True)) for part, whole in zip(parts, wholes, strict=True)]
    between = variance([math.fsum(p - rate * w for p, w in pair) / total for pair in pairs])
    alone = variance([(p - rate * w) / total for pair in pairs for p, w in pair])
    most, clusters = max(between, alone), len(pairs)
    items = rate * (1 - rate) / most if most > 1e-18 else float(clusters)
    return wilson(rate, max(items, 1.0), student_quantile(clusters - 1, level))


def variance(parts: Sequence[float]) -> float:
    """Of a sum of independent parts whose expected sum is zero."""
    return len(parts) / (len(parts) - 1) * math.fsum(part**2 for part in parts) if len(parts) > 1 else 0.0


@lru_cache(maxsize=256)
def student_quantile(freedom: int, level: float) -> float:
    """The t that the two-sided ``level`` lies within. Exact to 200 degrees (Abramowitz & Stegun 26.7.3-4), then a
    series (26.7.5), which is right to nine digits there."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    if freedom > 200:
        first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
        third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
        return z + first / freedom + second / freedom**2 + third / freedom**3
    low, high = 0.0, math.pi / 2
    for _step in range(100):  # of the angle whose tangent is t / sqrt(freedom)
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle, freedom) < level else (low, middle)
    return math.sqrt(freedom) * math.tan((low + high) / 2)


def within(angle: float, freedom: int) -> float:
    """The probability that Student's t lies within the t of an angle, on both sides."""
    cosine, even = math.cos(angle), freedom % 2 == 0
    term = 1.0 if even else cosine
    found = 0.0
    for number in range(freedom // 2):
        found += term
        term *= cosine**2 * ((2 * number + 1) / (2 * number + 2) if even else (2 * number + 2) / (2 * number + 3))
    return math.sin(angle) * found if even else 2 / math.pi * (angle + math.sin(angle) * found)
