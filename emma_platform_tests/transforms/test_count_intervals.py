"""Negative binomial probabilities and quantiles, shrunk variances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emma_platform.transforms.count_intervals import (
    LEVELS,
    exact_quantiles,
    negative_binomial_quantiles,
    of_another_measure,
    probabilities,
    shrunk_ratios,
)


def test_quantiles_equal_scipy():
    from scipy import stats

    rng = np.random.default_rng(1)
    mean = np.exp(rng.uniform(np.log(1e-4), np.log(3000.0), 4000))
    ratio = 1.001 + np.exp(rng.uniform(-6.0, 3.0, 4000))
    expected = stats.nbinom.ppf(LEVELS[:, None], mean / (ratio - 1.0), 1.0 / ratio)
    np.testing.assert_array_equal(exact_quantiles(mean, ratio), expected)


@given(st.lists(st.tuples(st.floats(1e-3, 500.0), st.floats(1.0, 30.0)), min_size=1, max_size=20))
def test_rounding_moves_quantiles_less_than_its_step(pairs):
    mean, ratio = (np.array(column) for column in zip(*pairs, strict=True))
    quantiles = negative_binomial_quantiles(mean, mean * ratio)
    lower, upper = mean / 1.011, mean * 1.011
    below = np.minimum(
        exact_quantiles(lower, np.maximum(ratio / 1.021, 1.001)),
        exact_quantiles(lower, np.maximum(ratio * 1.021, 1.001)),
    )
    above = np.maximum(
        exact_quantiles(upper, np.maximum(ratio / 1.021, 1.001)),
        exact_quantiles(upper, np.maximum(ratio * 1.021, 1.001)),
    )
    assert (quantiles >= below).all()
    assert (quantiles <= above).all()
    assert (np.diff(quantiles, axis=0) >= 0).all()


def test_quantiles_of_nothing_are_nothing_and_shapes_are_kept():
    mean = np.array([[0.0, 2.0, 500.0], [1e-9, 0.0, 0.3]])
    quantiles = negative_binomial_quantiles(mean, np.zeros_like(mean))
    assert quantiles.shape == (5, 2, 3)
    assert not quantiles[:, mean < 1e-6].any()
    assert negative_binomial_quantiles(np.empty((0, 3)), np.empty((0, 3))).shape == (5, 0, 3)


def test_underdispersed_demand_counts_as_poisson():
    from scipy import stats

    quantiles = negative_binomial_quantiles(np.array([20.0]), np.array([0.1]))[:, 0]
    assert np.abs(quantiles - stats.poisson.ppf(LEVELS, 20.0)).max() <= 1


@pytest.mark.parametrize(("mean", "ratio"), [(0.3, 1.3), (2.0, 2.0), (15.0, 4.0), (300.0, 10.0)])
def test_coverage_on_negative_binomial_data(mean, ratio):
    count = 20_000
    drawn = np.random.default_rng(11).negative_binomial(mean / (ratio - 1.0), 1.0 / ratio, count)
    quantiles = negative_binomial_quantiles(np.array([mean]), np.array([mean * ratio]))[:, 0]
    for level, quantile in zip(LEVELS, quantiles, strict=True):
        deviation = 4.0 * np.sqrt(level * (1 - level) / count)
        assert (drawn <= quantile).mean() >= level - deviation - 0.01
        assert (drawn < quantile).mean() <= level + deviation + 0.01


def test_ratios_are_shrunk_to_sellers_of_the_same_size_by_days():
    rng = np.random.default_rng(2)
    level = np.concatenate([rng.uniform(0.1, 0.2, 60), rng.uniform(50.0, 60.0, 60)])
    true = np.where(level < 1, 1.2, 6.0)
    squared = level * true
    squared[0], squared[60] = level[0] * 12.0, level[60] * 12.0
    days = np.full(120, 500.0)
    days[0] = 3.0
    ratios = shrunk_ratios(squared, level, days)
    assert ratios[0] < 2.0
    assert ratios[60] > 10.0
    np.testing.assert_allclose(ratios[61:], 6.0, atol=1.0)


def test_ratios_of_series_without_sales_are_one():
    np.testing.assert_array_equal(shrunk_ratios(np.zeros(3), np.zeros(3), np.zeros(3)), 1.0)
    ratios = shrunk_ratios(np.array([0.0, 4.0]), np.array([0.0, 2.0]), np.array([10.0, 10.0]))
    assert ratios[0] == 1.0


@pytest.mark.parametrize("fuel", [[], [20_000.0], [1_500.0, 20_000.0]])
def test_goods_counted_in_another_measure_are_known_by_how_much_they_sell(fuel):
    pieces = np.random.default_rng(3).gamma(0.5, 1.0, 200)
    level = np.concatenate([fuel, [0.0, 0.0], pieces])
    assert np.flatnonzero(of_another_measure(level)).tolist() == list(range(len(fuel)))
    assert not of_another_measure(np.zeros(4)).any()
    assert not of_another_measure(np.array([0.001, 5.0, 6.0, 7.0])).any()  # the one that hardly sells is the odd one


def test_ratios_of_the_others_are_theirs_beside_goods_of_another_measure():
    level = np.random.default_rng(4).uniform(0.1, 2.0, 60)
    alone = shrunk_ratios(1.5 * level, level, np.full(60, 100.0))
    beside = shrunk_ratios(np.append(1.5 * level, 9e8), np.append(level, 3e4), np.full(61, 100.0))
    np.testing.assert_allclose(beside, [*alone, 3e4])


def test_probabilities_equal_scipy():
    from scipy import stats

    rng = np.random.default_rng(5)
    mean = np.exp(rng.uniform(np.log(1e-4), np.log(3000.0), 4000))
    ratio = 1.001 + np.exp(rng.uniform(-6.0, 3.0, 4000))
    counts = np.rint(rng.gamma(1.0, mean))
    size, chance = mean / (ratio - 1.0), 1.0 / ratio
    below, until = probabilities(counts, mean, mean * ratio)
    np.testing.assert_allclose(below, stats.nbinom.cdf(counts - 1, size, chance), rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(until, stats.nbinom.cdf(counts, size, chance), rtol=1e-7, atol=1e-12)
    below, until = probabilities(np.array([[0.0, 1.0]]), np.zeros((1, 2)), np.zeros((1, 2)))
    np.testing.assert_allclose([below, until], [[[0.0, 1.0]], [[1.0, 1.0]]], atol=1e-5)


@given(st.lists(st.tuples(st.floats(0, 1e7), st.floats(0, 1e9)), min_size=1, max_size=30))
def test_remembered_quantiles_are_those_computed_anew(pairs: list[tuple[float, float]]) -> None:
    mean, variance = np.array(pairs).T
    anew = negative_binomial_quantiles(mean, variance, LEVELS.copy())
    for _ in range(2):
        assert (negative_binomial_quantiles(mean, variance) == anew).all()
