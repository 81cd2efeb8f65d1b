"""How often a 95% interval misses the truth, of questions that come in pages: a simulation, and nothing but numpy.

    python benchmarks/interval_coverage.py [--part differences rates real] [--pages 5 6 8 12 20 40] [--trials 2000]
                                           [--outcomes score half-right mostly-right skewed]

Outcomes: a score from 0 to 1; right or wrong where half, or 95%, of the answers are right; a score that few pages raise
far (exponential). Three tables.
*differences*: two models that are equally good; a miss is an interval that leaves zero out, which a reader takes for
"better" or "worse". *real*: models that differ by 0.1; a miss is an interval without that 0.1, and ``found`` is how
often zero is left out. *rates*: one model that is right 95% or 60% of the time.
Methods: the percentile bootstrap over pages (what Tuneloop did before), Student's t with a page-robust variance and
pages - 1 degrees of freedom, plain Wilson (rates), and Tuneloop's. ``not known`` is where Tuneloop gives no interval;
what is not given does not miss. A share of N trials has a standard error of sqrt(0.05 * 0.95 / N).
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from tuneloop.evaluate.bootstrap import WildBootstrap
from tuneloop.evaluate.comparison import LEVEL, mean_interval, why_unknown
from tuneloop.evaluate.rates import student_quantile, wilson

DRAWS = 999  # of every bootstrap here
Values: TypeAlias = np.ndarray
Pages: TypeAlias = np.ndarray
Interval: TypeAlias = tuple[float, float] | None


def sizes(shape: str, pages: int) -> np.ndarray:
    """Questions a page: 4 each, or as 1, 1/2, 1/3, … of the largest (the largest of five holds 44% of them)."""
    if shape == "equal":
        return np.full(pages, 4)
    return np.maximum(1, np.round(3 * pages / np.arange(1, pages + 1))).astype(int)


def continuous(random: np.random.Generator, page: Pages, pages: int, shift: float) -> Values:
    """Differences of a score from 0 to 1, such as ROUGE-L: what a page does to all of its questions, and noise."""
    return shift + random.normal(0, 0.1, pages)[page] + random.normal(0, 0.15, len(page))


def binary(rate: float) -> Callable[[np.random.Generator, Pages, int, float], Values]:
    """Differences of right and wrong: each page has its own share of right answers under each model."""

    def make(random: np.random.Generator, page: Pages, pages: int, shift: float) -> Values:
        one, two = (random.beta(6 * mean, 6 * (1 - mean), pages)[page] for mean in (rate, rate - shift))
        return (random.random(len(page)) < one).astype(float) - (random.random(len(page)) < two)

    return make


def skewed(random: np.random.Generator, page: Pages, pages: int, shift: float) -> Values:
    """Differences that a few pages make: what a page does is exponential, which a test of means takes hardest."""
    return shift + 0.1 * (random.exponential(1, pages) - 1)[page] + random.normal(0, 0.02, len(page))


KINDS = {"skewed": skewed, "score": continuous, "half-right": binary(0.5), "mostly-right": binary(0.95)}


def percentile(values: Values, page: Pages, random: np.random.Generator) -> Interval:
    """Pages are drawn with replacement; the 2.5th and 97.5th percentile of the means (Efron 1979)."""
    sums, counts = np.bincount(page, values), np.bincount(page)
    drawn = random.integers(0, len(sums), (DRAWS, len(sums)))
    low, high = np.quantile(sums[drawn].sum(1) / counts[drawn].sum(1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def student(values: Values, page: Pages, random: np.random.Generator) -> Interval:
    """The page-robust standard error (Liang and Zeger 1986) and Student's t."""
    mean, pages = values.mean(), page.max() + 1
    error = math.sqrt(pages / (pages - 1) * (np.bincount(page, values - mean) ** 2).sum()) / len(values)
    half = student_quantile(pages - 1, LEVEL) * error
    return mean - half, mean + half


def wild(values: Values, page: Pages, random: np.random.Generator) -> Interval:
    """Tuneloop's interval of a difference."""
    counts = np.bincount(page)
    if why_unknown(counts):
        return None
    return WildBootstrap(np.bincount(page, values), counts, DRAWS, int(random.integers(2**31))).interval(LEVEL)


def plain_wilson(values: Values, page: Pages, random: np.random.Generator) -> Interval:
    """Wilson's, as if the questions were independent."""
    return wilson(float(values.mean()), len(values), statistics.NormalDist().inv_cdf((1 + LEVEL) / 2))


def effective_wilson(values: Values, page: Pages, random: np.random.Generator) -> Interval:
    """Tuneloop's interval of a rate."""
    return mean_interval(values.tolist(), page.tolist(), resamples=DRAWS, seed=0)


Method = Callable[[Values, Pages, np.random.Generator], Interval]
DIFFERENCE: dict[str, Method] = {"percentile": percentile, "t": student, "tuneloop": wild}
RATE: dict[str, Method] = {"percentile": percentile, "Wilson": plain_wilson, "tuneloop": effective_wilson}


def simulate(draw: Callable[[np.random.Generator], tuple[Values, Pages]], truth: float, methods: dict[str, Method],
             trials: int) -> list[str]:  # fmt: skip
    """Miss rate and mean width of each method, how often zero is left out, and how often nothing is known."""
    random, cells = np.random.default_rng(20261125), []
    seen: dict[str, list[Interval]] = {name: [] for name in methods}
    for _trial in range(trials):
        values, page = draw(random)
        for name, method in methods.items():
            seen[name].append(method(values, page, random))
    for found in seen.values():
        known = [one for one in found if one]
        missed = sum(not low - 1e-12 <= truth <= high + 1e-12 for low, high in known) / trials
        zero = sum(low > 0 or high < 0 for low, high in known) / trials
        width = statistics.fmean(high - low for low, high in known) if known else math.nan
        cell = f"{100 * missed:.1f} ({width:.2f})"
        cells.append(cell + (f", found {100 * zero:.0f}" if truth and methods is DIFFERENCE else ""))
    unknown = sum(one is None for one in seen["tuneloop"])
    return [*cells, f"{100 * unknown / trials:.1f}"]


def table(title: str, methods: dict[str, Method]) -> None:
    print(
        f"\n{title}\n| outcome | pages | {' | '.join(methods)} | not known |\n|---|---"
        + "|---" * (len(methods) + 1)
        + "|"
    )


def differences(outcomes: list[str], pages: list[int], trials: int, shift: float) -> None:
    """Both kinds of score, with pages of equal and unequal size."""
    for kind, make in ((name, KINDS[name]) for name in outcomes):
        for shape in ("equal", "unequal"):
            for count in pages:
                page = np.repeat(np.arange(count), sizes(shape, count))
                cells = simulate(
                    lambda random, make=make, page=page, count=count: (make(random, page, count, shift), page),
                    shift, DIFFERENCE, trials,
                )  # fmt: skip
                print(f"| {kind}, {shape} | {count} | {' | '.join(cells)} |", flush=True)


def rates(pages: list[int], trials: int) -> None:
    """Pages of five questions; what a page has in common is a correlation of 0.1 or 0.5 between its questions."""
    for rate in (0.95, 0.6):
        for alike in (0.1, 0.5):
            for count in pages:
                page, strength = np.repeat(np.arange(count), 5), 1 / alike - 1

                def draw(random: np.random.Generator, page: Pages = page, count: int = count, rate: float = rate,
                         strength: float = strength) -> tuple[Values, Pages]:  # fmt: skip
                    share = random.beta(rate * strength, (1 - rate) * strength, count)
                    return (random.random(len(page)) < share[page]).astype(float), page

                cells = simulate(draw, rate, RATE, trials)
                print(f"| {rate}, correlation {alike} | {count} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", nargs="+", choices=("differences", "real", "rates"),
                        default=["differences", "real", "rates"])  # fmt: skip
    parser.add_argument("--pages", nargs="+", type=int, default=[5, 6, 8, 12, 20, 40])
    parser.add_argument("--outcomes", nargs="+", choices=tuple(KINDS), default=list(KINDS))
    parser.add_argument("--trials", type=int, default=2000)
    given, began = parser.parse_args(), time.perf_counter()
    error = 100 * math.sqrt(0.05 * 0.95 / given.trials)
    print(
        f"{given.trials} trials a row, {DRAWS} draws; standard error of a true 5%: {error:.1f}; misses % (mean width)"
    )
    for part in given.part:
        table(part, RATE if part == "rates" else DIFFERENCE)
        if part == "rates":
            rates(given.pages, given.trials)
        else:
            differences(given.outcomes, given.pages, given.trials, 0.1 if part == "real" else 0.0)
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
