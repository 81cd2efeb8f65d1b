"""Intervals, tests and verdicts against naive implementations, published values and known truth."""

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneloop.evaluate.bootstrap import WildBootstrap, weight_blocks
from tuneloop.evaluate.comparison import (
    FEW_DIFFER,
    NO_SPREAD,
    ONE_HOLDS_HALF,
    TOO_FEW,
    compare,
    holm,
    mean_interval,
    ratio_interval,
    verdict,
)
from tuneloop.evaluate.rates import student_quantile, wilson

CLUSTERS = st.lists(st.lists(st.sampled_from([-1.0, 0.0, 0.25, 1.0]), min_size=1, max_size=4), min_size=5, max_size=9)


def flat(groups: list[list[float]]) -> tuple[list[float], list[int]]:
    values = [value for group in groups for value in group]
    return values, [number for number, group in enumerate(groups) for _value in group]


def against_zero(groups: list[list[float]], **options: int):
    values, clusters = flat(groups)
    return compare(values, [0.0] * len(values), clusters, **options)


# -- the wild cluster bootstrap-t --------------------------------------------------------------------------------------


def t_statistic(groups: list[list[float]], null: float) -> float:
    """Of the mean, with the cluster-robust variance (Liang and Zeger 1986), item by item."""
    values = [value for group in groups for value in group]
    mean = sum(values) / len(values)
    variance = sum(sum(value - mean for value in group) ** 2 for group in groups) / len(values) ** 2
    distance = abs(mean - null)
    return distance / math.sqrt(variance) if variance > 1e-20 else (math.inf if distance > 1e-10 else 0.0)


def naive_p(groups: list[list[float]], null: float) -> float:
    """Cameron, Gelbach and Miller (2008), table 1, method 3, as a loop over every vector of weights."""
    six = [sign * math.sqrt(size) for sign in (-1, 1) for size in (0.5, 1.0, 1.5)]
    seen, count, extreme = t_statistic(groups, null), 0, 0
    for weights in itertools.product(six if len(groups) <= 12 else (-1, 1), repeat=len(groups)):
        drawn = [[null + w * (value - null) for value in group] for w, group in zip(weights, groups, strict=True)]
        count += 1
        extreme += t_statistic(drawn, null) >= seen * (1 - 1e-7)
    return extreme / count


GROUPS = [[0.3, 0.1, -0.2], [0.4], [0.25, 0.5], [0.0, 0.35, 0.1, 0.6], [-0.1, 0.2]]


def test_the_bootstrap_is_that_of_a_naive_loop_and_its_interval_is_its_test_turned_over() -> None:
    wild = WildBootstrap(np.array([sum(g) for g in GROUPS]), np.array([len(g) for g in GROUPS]))
    for null in (0.0, 0.1, 0.45):
        assert wild.p_at(null - wild.mean) == pytest.approx(naive_p(GROUPS, null), abs=1e-12)
    result = against_zero(GROUPS)
    assert result.p is not None and result.interval
    assert 0 <= result.p - naive_p(GROUPS, 0.0) < 0.003, "it may be raised to the p-value of a mean that lies further"
    low, high = result.interval
    assert naive_p(GROUPS, low - 0.002) < 0.05 <= naive_p(GROUPS, low + 0.002)
    assert naive_p(GROUPS, high + 0.002) < 0.05 <= naive_p(GROUPS, high - 0.002)


def test_above_twelve_clusters_the_weights_are_signs() -> None:
    for clusters, sizes in ((11, 3), (12, 3), (13, 1)):  # Webb's six points have three sizes
        drawn = next(iter(weight_blocks(clusters, 200, 0)))
        assert len(np.unique(abs(drawn))) == sizes
    groups = [[0.1 * (n % 4) - 0.1] * (1 + n % 3) for n in range(13)]
    result = against_zero(groups)
    assert result.p == pytest.approx(naive_p(groups, 0.0), abs=1e-12)
    discordant = [[1.0]] * 6 + [[0.0]] * 8
    assert against_zero(discordant).p == pytest.approx(2 / 2**6), "which is the exact sign test (McNemar)"


@settings(max_examples=30)
@given(CLUSTERS, st.randoms(use_true_random=False))
def test_what_every_comparison_has(groups: list[list[float]], draw: random.Random) -> None:
    result = against_zero(groups, resamples=400)
    if result.unknown:
        assert result.interval is None and result.unknown in (ONE_HOLDS_HALF, NO_SPREAD, FEW_DIFFER)
        return
    assert result.interval and result.p is not None
    low, high = result.interval
    assert low <= result.difference <= high
    assert (result.p < 0.05) == (low > 0 or high < 0), "the interval and the p-value are one test"
    turned = against_zero([[-value for value in group] for group in groups], resamples=400)
    assert turned.interval == pytest.approx((-high, -low)) and turned.p == pytest.approx(result.p)
    mixed = [draw.sample(group, len(group)) for group in draw.sample(groups, len(groups))]
    assert against_zero(mixed, resamples=400).interval == pytest.approx((low, high))
    wild = WildBootstrap(np.array([sum(g) for g in groups]), np.array([len(g) for g in groups]), 400)
    narrow = wild.interval(0.8)
    assert narrow and low - 1e-9 <= narrow[0] <= narrow[1] <= high + 1e-9, "a lower level is never wider"


@pytest.mark.parametrize("differ", [1, 2, 4])
def test_where_one_to_four_pages_differ_nothing_is_known(differ: int) -> None:
    """Found outside: of 5 pages one differed, and the interval ran from -0.95 to +0.0014, with p = 1."""
    for count in (5, 14, 40):
        result = against_zero([[0.0, -1.0]] * differ + [[0.0, 0.0]] * (count - differ))
        assert (result.interval, result.p, result.unknown) == (None, None, FEW_DIFFER), count
    assert against_zero([[0.0, -1.0]] * 5 + [[0.0, 0.0]] * 35).interval


def test_where_nothing_spreads_there_is_a_test_and_no_interval() -> None:
    every = compare([1.0] * 20, [0.0] * 20)
    assert (every.interval, every.unknown) == (None, NO_SPREAD) and every.p == pytest.approx(2**-19)
    same = compare([0.3] * 20, [0.3] * 20)
    assert (same.interval, same.p) == (None, 1)
    assert verdict(every.difference, every.p) == "better" and verdict(0, same.p) == "no difference shown"


@pytest.mark.parametrize(
    ("clusters", "reason"),
    [([], TOO_FEW), (list("abcdabcdabcd"), TOO_FEW), (list("aaaaaabcdefg")[:12], ONE_HOLDS_HALF)],
)
def test_from_few_clusters_or_one_that_holds_half_nothing_is_known(clusters: list[str], reason: str) -> None:
    ones = [1.0, 0.5, 0.75, 1.0] * 3 if clusters else [1.0, 0.9, 1.0, 0.8]
    result = compare(ones, [0.0] * len(ones), clusters)
    assert (result.interval, result.p, result.unknown) == (None, None, reason)
    assert verdict(result.difference, result.p) == "not known"
    assert mean_interval(ones, clusters, resamples=100, seed=0) is None
    assert compare([], []).p is mean_interval([], resamples=100, seed=0) is None


def test_where_there_is_no_difference_few_pages_seldom_show_one() -> None:
    generator, trials = np.random.default_rng(3), 200
    for count in (8, 20):  # the percentile bootstrap: 13.5% and 9.8% (benchmarks/interval_coverage.py)
        wrong = 0
        for trial in range(trials):
            sizes = generator.integers(1, 6, count)
            groups = [list(generator.normal(0, 0.1) + generator.normal(0, 0.15, size)) for size in sizes]
            result = against_zero(groups, resamples=199, seed=trial)
            wrong += result.p is not None and result.p < 0.05
        assert 0.005 < wrong / trials <= 0.085


def test_a_clear_difference_is_found_and_always_the_same() -> None:
    clear = compare([0.6] * 30 + [0.4] * 5, [0.3] * 35)
    assert clear.p is not None and clear.p < 0.01 and clear.interval and clear.interval[0] > 0
    assert clear == compare([0.6] * 30 + [0.4] * 5, [0.3] * 35)
    assert compare([0.4, 0.5] * 200, [0.45] * 400).p == 1


# -- one rate ----------------------------------------------------------------------------------------------------------


def test_wilson_and_student_are_those_of_statsmodels_and_scipy() -> None:
    # statsmodels 0.15.0, proportion_confint(count, nobs, 0.05, "wilson")
    z = 1.959963984540054
    for count, items, low, high in (
        (18, 20, 0.6989663547715127, 0.9721335187862318), (0, 10, 0.0, 0.27753279986288926),
        (81, 263, 0.2552885198782742, 0.36620957698280004), (1, 29, 0.006113214292762667, 0.17175521879320294),
    ):  # fmt: skip
        assert wilson(count / items, items, z) == pytest.approx((low, high), abs=1e-12)
    # scipy 1.17.1, t.ppf(0.975, freedom)
    for freedom, t in (
        (1, 12.706204736174694), (4, 2.7764451051977934), (5, 2.5705818356363146), (11, 2.200985160091639),
        (39, 2.022690920036761), (200, 1.9718962236339088), (201, 1.971836506779859), (999, 1.9623414611334493),
    ):  # fmt: skip
        assert student_quantile(freedom, 0.95) == pytest.approx(t, rel=1e-9)


def test_questions_that_fare_alike_by_page_count_as_few() -> None:
    by_page = [float(page != 3) for page in range(10) for _n in range(8)]
    pages = [page for page in range(10) for _n in range(8)]
    wide, narrow = (mean_interval(by_page, c, resamples=0, seed=0) for c in (pages, []))
    once = mean_interval([float(page != 3) for page in range(10)], resamples=0, seed=0)
    assert wide and narrow and once and wide == pytest.approx(once), "a page whose questions fare alike is one question"
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])
    # Every other question of a page right: a design effect below one is chance, and makes nothing narrower.
    apart = [float(n % 2) for _page in range(10) for n in range(8)]
    plain = mean_interval(apart, resamples=0, seed=0)
    alike = mean_interval(apart, pages, resamples=0, seed=0)
    assert alike and plain and alike[0] <= plain[0] and alike[1] >= plain[1]
    nearly = [*apart[:16], *[1.0] * 5, *[0.0] * 3, *[0.0] * 5, *[1.0] * 3, *apart[32:]]
    found = mean_interval(nearly, pages, resamples=0, seed=0)
    assert found and found[0] <= plain[0] and found[1] >= plain[1], "nor where the pages are nearly alike"


def test_a_perfect_rate_is_not_certain() -> None:
    found = mean_interval([1.0] * 40, [n % 8 for n in range(40)], resamples=0, seed=0)
    t = student_quantile(7, 0.95)
    assert found == pytest.approx((8 / (8 + t * t), 1.0)), "eight pages, as if each were one question"
    assert mean_interval([0.0] * 20, resamples=0, seed=0) == pytest.approx((0.0, 1 - 20 / (20 + 2.093024054**2)))


def test_a_clustered_rate_is_covered_as_often_as_it_says() -> None:
    generator, trials = np.random.default_rng(7), 300
    for count in (12, 40):  # the percentile bootstrap misses 21% and 10%
        missed = 0
        for _trial in range(trials):
            page = np.repeat(generator.beta(9.5, 0.5, count), 5)
            right = (generator.random(len(page)) < page).astype(float)
            found = mean_interval(right.tolist(), np.repeat(np.arange(count), 5).tolist(), resamples=0, seed=0)
            assert found
            missed += not found[0] <= 0.95 <= found[1]
        assert missed / trials <= 0.09


def test_a_ratio_weighs_items_by_their_size() -> None:
    low, high = ratio_interval([1, 5, 0, 5, 0, 4], [1, 6, 2, 5, 0, 5]) or (0.0, 0.0)
    assert 0 < low < 15 / 19 < high <= 1
    assert ratio_interval([1, 9, 0, 5, 2], [1, 10, 2, 5, 2]) is None, "one answer holds half of the sentences"
    assert ratio_interval([0] * 5, [0] * 5) is None
    one = mean_interval([1, 0, 1, 1, 0, 1, 1], resamples=0, seed=0)
    assert ratio_interval([3, 0, 3, 3, 0, 3, 3], [3] * 7) == pytest.approx(one), "sentences of one answer are one"


def test_a_length_has_an_interval_too() -> None:
    lengths = [12.0, 15, 9, 22, 11, 14, 18, 10]
    low, high = mean_interval(lengths, resamples=999, seed=0) or (0.0, 0.0)
    assert 9 < low < 111 / 8 < high < 22


# -- what is called better ---------------------------------------------------------------------------------------------


def test_holm_is_that_of_statsmodels() -> None:
    # statsmodels 0.15.0, multipletests([.01, .04, .03, .005, .2], method="holm")
    found = holm({"a": 0.01, "b": 0.04, "x": None, "c": 0.03, "d": 0.005, "e": 0.2})
    assert found["x"] is None
    assert [found[n] for n in "abcde"] == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.2])


def test_the_verdict_is_that_of_the_test() -> None:
    assert [verdict(d, p) for d, p in ((0.2, 0.01), (-0.2, 0.01), (0.2, 0.05), (0.2, None))] == [
        "better", "worse", "no difference shown", "not known",
    ]  # fmt: skip
