"""Intervals hold what they promise, by the randomised transform; a wrong variance is seen, and mended."""

from datetime import timedelta

import numpy as np
import pytest

from emma_platform.transforms.demand_factors import fit_factors
from emma_platform.transforms.forecast import forecast_store
from emma_platform.transforms.forecast_origin import forecast_from
from emma_platform.transforms.interval_calibration import SCALES, Calibration, shares_inside
from emma_platform_tests.transforms.forecast_frames import (
    MADE_ON,
    calendar,
    demand_frame,
    promotions,
    read,
    weekly_sales,
)

LEVELS = np.exp(np.linspace(np.log(0.15), np.log(25.0), 240))
"""Units a day: from one a week to 25 a day."""


def drawn(mean, ratio, shape, seed=7):
    return np.random.default_rng(seed).negative_binomial(mean / (ratio - 1.0), 1.0 / ratio, shape).astype(float)


@pytest.mark.parametrize(("mean", "ratio"), [(2.0, 2.0), (6.0, 3.0), (300.0, 9.0)])
def test_the_right_distribution_holds_what_it_promises_and_others_do_not(mean, ratio):
    actual = drawn(mean, ratio, 40_000)
    means = np.full(len(actual), mean)
    right = shares_inside(actual, means, means * ratio).mean(axis=1)
    np.testing.assert_allclose(right, [0.8, 0.95], atol=0.008)
    wide = shares_inside(actual, means, means * ratio * 4.0).mean(axis=1)
    narrow = shares_inside(actual, means, np.maximum(means * ratio / 4.0, means)).mean(axis=1)
    assert (wide > right + 0.005).all()
    assert (narrow < right - 0.005).all()


def test_shares_are_the_means_of_drawn_transforms():
    from scipy import stats

    actual, mean, variance = np.array([0.0, 1.0, 2.0, 7.0]), np.full(4, 1.2), np.full(4, 2.0)
    law = stats.nbinom(1.2 / (2.0 / 1.2 - 1.0), 1.2 / 2.0)
    draws = np.random.default_rng(1).uniform(law.cdf(actual - 1), law.cdf(actual), (200_000, 4))
    shares = shares_inside(actual, mean, variance)
    np.testing.assert_allclose(shares[0], ((draws > 0.1) & (draws < 0.9)).mean(axis=0), atol=0.005)
    np.testing.assert_allclose(shares[1], ((draws > 0.025) & (draws < 0.975)).mean(axis=0), atol=0.005)


@pytest.fixture(scope="module")
def sold():
    """240 products over 400 days, the last 28 of them to come."""
    return weekly_sales(400, LEVELS, seed=3, dispersion=1.8, last=MADE_ON + timedelta(days=28))


@pytest.fixture(scope="module")
def known(sold):
    return demand_frame(sold[:-28])


@pytest.mark.parametrize("size", [slice(0, 80), slice(80, 160), slice(160, 240)], ids=["slow", "middle", "fast"])
def test_what_was_said_of_a_store_holds(sold, known, size):
    predicted = forecast_store(known, promotions(), calendar(), store="S1", made_on=MADE_ON, history_days=730).predicted
    inside = shares_inside(sold[-28:, size], predicted.mean[:, size], predicted.variance[:, size]).mean(axis=(1, 2))
    assert abs(inside[0] - 0.8) < 0.04
    assert abs(inside[1] - 0.95) < 0.02


@pytest.mark.parametrize("wrong", [0.5, 2.0], ids=["too narrow", "too wide"])
def test_a_wrong_variance_is_seen_and_mended(known, wrong):
    history = read(known)
    calibration, right = Calibration(history), Calibration(history)
    last = len(history.units) - 1
    for origin in (last - 42, last - 28):
        made = forecast_from(history, origin, 28, fit_factors(history, origin))
        scored = np.ones_like(made.mean)
        right.add(made, scored)
        made.variance[:] *= wrong
        calibration.add(made, scored)
    newest = forecast_from(history, last, 28, fit_factors(history, last))
    known_scale, scale = right.scale(newest), calibration.scale(newest)
    assert (np.abs(np.log(known_scale)) < 0.2).all(), "nothing to mend"
    fast = LEVELS > 3.0
    assert (np.sign(np.log(scale[fast])) == -np.sign(np.log(wrong))).all()
    np.testing.assert_allclose(np.log(scale[fast]), -0.5 * np.log(wrong), atol=0.2)


def test_nothing_known_changes_nothing(known):
    history = read(known)
    last = len(history.units) - 1
    made = forecast_from(history, last - 28, 28, fit_factors(history, last - 28))
    calibration = Calibration(history)
    np.testing.assert_array_equal(calibration.scale(made), 1.0)
    calibration.add(made, np.zeros_like(made.mean))
    np.testing.assert_array_equal(calibration.scale(made), 1.0)
    assert 1.0 in SCALES
