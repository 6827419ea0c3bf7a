"""The smoothing recursion, demand classes and the weighing of rates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emma_platform.transforms.demand import Series
from emma_platform.transforms.demand_factors import Lift
from emma_platform.transforms.smoothing import (
    ERROR_DISCOUNT,
    RATES,
    Pattern,
    advance,
    level_path,
    rate_weights,
    started,
)
from emma_platform_tests.transforms.forecast_frames import demand_pattern


def laid_out(values, weights):
    """Series whose units over their lift are `values`, weighted by `weights`, days x series; 0 is a day not known."""
    days, width = values.shape
    lift = np.where(weights > 0, weights, 1.0)
    series = Series(
        units=np.ascontiguousarray((values * lift).T),
        known=np.ascontiguousarray(weights.T > 0),
        promoted=np.zeros((width, days), dtype=bool),
        first_sale=np.full(width, -1),
        category=np.arange(width),
        weekday=np.zeros(days, dtype=np.int64),
    )
    return series, Lift(np.ascontiguousarray(lift.T), np.ones((width, 7)), np.ones(width)), np.full(width, np.inf)


def smooth(values, weights, rates, *, start, start_weight, discount=1.0):
    return advance(
        started(start, start_weight, rates),
        *laid_out(values, weights),
        slice(0, len(values)),
        rates=rates,
        discount=discount,
    )


@pytest.mark.parametrize("rate", [0.05, 0.3, 1.0])
def test_recursion_equals_statsmodels(rate):
    from statsmodels.tsa.holtwinters import SimpleExpSmoothing

    values = np.random.default_rng(3).gamma(2.0, 5.0, (120, 4))
    start = np.array([1.0, 7.0, 10.0, 30.0])
    run = smooth(values, np.ones_like(values), np.array([rate]), start=start, start_weight=np.inf)
    for column in range(4):
        model = SimpleExpSmoothing(values[:, column], initialization_method="known", initial_level=start[column])
        fit = model.fit(smoothing_level=rate, optimized=False)
        assert run.levels[0, column] == pytest.approx(fit.forecast(1)[0], rel=1e-9)
        assert run.errors[0, column] == pytest.approx(fit.sse, rel=1e-9)


def test_level_starts_as_a_running_mean():
    values = np.array([[4.0], [8.0], [3.0]])
    run = smooth(values, np.ones_like(values), np.array([0.01]), start=np.zeros(1), start_weight=0.0)
    assert run.levels[0, 0] == pytest.approx(5.0)


def test_start_counts_as_many_days_as_it_is_worth():
    values = np.array([[4.0], [8.0]])
    run = smooth(values, np.ones_like(values), np.array([0.01]), start=np.array([1.0]), start_weight=3.0)
    assert run.levels[0, 0] == pytest.approx((3 * 1 + 4 + 8) / 5)


def test_unknown_days_change_nothing():
    rng = np.random.default_rng(5)
    values, weights = rng.gamma(2.0, 3.0, (40, 3)), np.ones((40, 3))
    gaps = np.insert(values, [10, 10, 25], 999.0, axis=0)
    known = np.insert(weights, [10, 10, 25], 0.0, axis=0)
    whole = smooth(values, weights, RATES, start=np.zeros(3), start_weight=0.0)
    holes = smooth(gaps, known, RATES, start=np.zeros(3), start_weight=0.0)
    np.testing.assert_array_equal(whole.levels, holes.levels)
    np.testing.assert_allclose(whole.errors, holes.errors, rtol=1e-12)


def test_errors_are_discounted_by_age():
    values = np.array([[1.0], [0.0], [0.0]])
    run = smooth(values, np.ones_like(values), np.array([1e-12]), start=np.zeros(1), start_weight=np.inf, discount=0.5)
    assert run.errors[0, 0] == pytest.approx(0.25)


@given(st.floats(0.01, 1000.0))
def test_level_scales_with_the_unit_of_measure(factor):
    values = np.random.default_rng(7).gamma(1.0, 2.0, (30, 2))
    one = smooth(values, np.ones_like(values), RATES, start=np.zeros(2), start_weight=0.0)
    other = smooth(values * factor, np.ones_like(values), RATES, start=np.zeros(2), start_weight=0.0)
    np.testing.assert_allclose(other.levels, one.levels * factor, rtol=1e-9)
    np.testing.assert_allclose(other.errors, one.errors * factor**2, rtol=1e-9)


@given(st.integers(0, 40), st.integers(1, 19), st.integers(0, 9999))
def test_a_days_update_of_kept_state_equals_the_refit(cut, width, seed):
    rng = np.random.default_rng(seed)
    values, weights = rng.gamma(0.5, 3.0, (40, width)), rng.choice([0.0, 0.7, 1.3], (40, width))
    start = rng.gamma(1.0, 2.0, width)
    options = {"start": start, "start_weight": float(rng.choice([0.0, 2.5, np.inf])), "discount": ERROR_DISCOUNT}
    refit = smooth(values, weights, RATES, **options)
    state = smooth(values[:cut], weights[:cut], RATES, **options)
    kept, end, mixed = state.levels.copy(), state, rng.dirichlet(np.ones(len(RATES)), width).T
    for day in range(cut, 40):
        state = advance(state, *laid_out(values, weights), slice(day, day + 1))
        level = level_path(end, *laid_out(values, weights), slice(cut, day + 1), mixed)[-1]
        np.testing.assert_allclose(level, (mixed * state.levels).sum(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(state.levels, refit.levels)
    np.testing.assert_array_equal(state.errors, refit.errors)
    np.testing.assert_array_equal(state.seen, refit.seen)
    again = smooth(values[:cut], weights[:cut], RATES, **options)
    np.testing.assert_array_equal(again.levels, kept)


def test_series_do_not_touch_each_other():
    rng = np.random.default_rng(8)
    values, weights = rng.gamma(0.5, 3.0, (30, 21)), rng.choice([0.0, 1.0], (30, 21))
    whole = smooth(values, weights, RATES, start=np.zeros(21), start_weight=0.0)
    for column in (0, 7, 8, 20):
        pick = slice(column, column + 1)
        alone = smooth(values[:, pick], weights[:, pick], RATES, start=np.zeros(1), start_weight=0.0)
        np.testing.assert_allclose(whole.levels[:, pick], alone.levels, rtol=1e-12)
        np.testing.assert_allclose(whole.errors[:, pick], alone.errors, rtol=1e-12)


def test_demand_classes():
    days = np.arange(60)
    units = np.stack(
        [
            np.full(60, 5.0),
            np.where(days % 3 == 0, 5.0, 0.0),
            np.where(days % 10 == 0, 100.0, 5.0),
            np.where(days % 30 == 0, 100.0, np.where(days % 3 == 0, 5.0, 0.0)),
        ],
        axis=1,
    )
    pattern = demand_pattern(units, np.ones_like(units, dtype=bool))
    assert pattern.classes.tolist() == [0, 1, 2, 3]
    assert pattern.interval.tolist() == [1.0, 3.0, 1.0, 3.0]
    assert pattern.sales.tolist() == [60, 20, 60, 20]


def test_days_that_are_not_known_do_not_make_demand_intermittent():
    units = np.where(np.arange(60) % 2 == 0, 5.0, 0.0)[:, None]
    assert demand_pattern(units, units > 0).classes.tolist() == [0]


def pattern_of(*classes, interval=1.0, sales=50):
    ones = np.ones(len(classes))
    return Pattern(np.array(classes), interval * ones, (sales * ones).astype(int))


def test_weights_favour_the_better_rate_and_sum_to_one():
    errors = np.array([[4.0, 1.0], [1.0, 4.0]])
    days = np.full(2, 400.0)
    weights = rate_weights(errors, pattern_of(0, 1), days, np.array([0.01, 0.1]), sharpness=2.0, class_days=10.0)
    np.testing.assert_allclose(weights.sum(axis=0), 1.0)
    assert weights[1, 0] > 0.9
    assert weights[0, 1] > 0.9


def test_short_series_use_slow_rates_only():
    errors = np.array([[1e6], [1e3], [1.0]])
    rates = np.array([0.01, 0.035, 0.25])
    weights = rate_weights(errors, pattern_of(0), np.array([21.0]), rates, sharpness=50.0, class_days=10.0)
    assert weights[2, 0] == 0.0
    assert weights.sum() == pytest.approx(1.0)


def test_series_without_error_weighs_all_rates_alike():
    weights = rate_weights(
        np.zeros((2, 1)), pattern_of(0), np.array([90.0]), np.array([0.01, 0.1]), sharpness=3.0, class_days=10.0
    )
    np.testing.assert_allclose(weights, 0.5)


def test_rare_sellers_choose_more_sharply():
    errors, days = np.array([[1.0], [1.05]]), np.array([300.0])
    often, rarely = (
        rate_weights(errors, pattern_of(1, interval=gap), days, RATES[[0, 5]], sharpness=6.0, class_days=10.0)
        for gap in (2.0, 30.0)
    )
    assert often[0, 0] < 0.6
    assert rarely[0, 0] > 0.9


def test_a_single_sale_says_nothing_of_rates():
    errors = np.array([[1.0, 1e-3], [2.0, 1e-9]])
    pattern = Pattern(np.array([1, 1]), np.ones(2), np.array([40, 1]))
    weights = rate_weights(errors, pattern, np.full(2, 300.0), RATES[[0, 5]], sharpness=6.0, class_days=10.0)
    assert weights[0, 0] > 0.9
    assert weights[0, 1] > 0.9


def test_what_is_expected_of_a_rare_seller_does_not_hang_on_its_last_sale():
    rates = np.random.default_rng(4).uniform(0.01, 0.03, 2_000)
    values = np.random.default_rng(5).poisson(rates, (360, 2_000)).astype(float)
    ones = np.ones_like(values)
    start = np.full(2_000, rates.mean())
    run = smooth(values, ones, RATES, start=start, start_weight=20.0, discount=ERROR_DISCOUNT)
    pattern = demand_pattern(values, ones > 0)
    weights = rate_weights(run.errors, pattern, ones.sum(axis=0), RATES, sharpness=6.0, class_days=1_000.0)
    level = (weights * run.levels).sum(axis=0)
    sold = np.where(values > 0, np.arange(360)[:, None], -1).max(axis=0)
    for recently in (sold >= 346, sold < 300):
        assert level[recently].mean() == pytest.approx(rates[recently].mean(), rel=0.6)
