"""Rare sellers of which many have gone: the store's earlier forecasts tell, and nothing else is touched."""

import numpy as np
import pytest

from emma_platform.transforms.demand_factors import fit_factors
from emma_platform.transforms.forecast_origin import forecast_from
from emma_platform.transforms.forecast_update import updated
from emma_platform.transforms.rare_sellers import RareSellers
from emma_platform_tests.transforms.forecast_frames import demand_frame, newest, read, run

DAYS, OFTEN, RARE = 300, 20, 400


@pytest.fixture(scope="module")
def sold():
    """20 products that sell every day; 400 that sell twice in 60 days, each until it goes, one after the other."""
    rng = np.random.default_rng(6)
    units = rng.poisson(1.0 / 30.0, (DAYS, RARE)).astype(float)
    units[np.arange(DAYS)[:, None] >= np.linspace(60, 480, RARE)] = 0.0
    return np.hstack([rng.poisson(6.0, (DAYS, OFTEN)).astype(float), units])


@pytest.fixture(scope="module")
def history(sold):
    return read(demand_frame(sold))


def forecast(history, origin):
    return forecast_from(history, origin, 28, fit_factors(history, origin))


@pytest.fixture(scope="module")
def learned(history):
    """What was learned from the forecast made 28 days before the last day, and that one."""
    made, rare = forecast(history, DAYS - 29), RareSellers(history)
    rare.add(made, np.ones_like(made.mean))
    return rare, made


def test_what_was_expected_too_much_is_taken_off_the_rare_sellers_only(history, learned):
    rare, earlier = learned
    made = forecast(history, DAYS - 1)
    mended = rare.on(made)
    seldom = made.pattern.interval >= 12.0
    assert 300 < seldom.sum() <= RARE
    expected, came = earlier.mean[:, OFTEN:].sum(), history.units[-28:, OFTEN:].sum()
    assert expected > 1.2 * came, "there is nothing to learn"
    assert mended.mean[:, seldom].sum() / made.mean[:, seldom].sum() == pytest.approx(came / expected, abs=0.1)
    assert (mended.mean[:, ~seldom] == made.mean[:, ~seldom]).all()
    np.testing.assert_allclose(mended.variance * made.mean, made.variance * mended.mean)


def test_no_day_after_the_forecast_is_known_to_it(history, learned):
    rare, earlier = learned
    at_once = rare.on(earlier)
    np.testing.assert_array_equal(at_once.mean, earlier.mean)


def test_a_forecast_carried_on_keeps_the_factor(history, learned):
    rare, _ = learned
    made = forecast(history, DAYS - 8)
    kept, plain = (updated(one, history, DAYS - 1, 28) for one in (rare.on(made), made))
    factor = rare.on(made).mean.sum(axis=0) / np.maximum(made.mean.sum(axis=0), 1e-12)
    np.testing.assert_allclose(kept.mean, plain.mean * factor)


def test_what_is_published_is_set_right(sold, history):
    plain = forecast(history, DAYS - 1).mean.sum(axis=0)
    said = newest(run(demand_frame(sold)))
    found = sum(said[product].sum() for product in history.products[OFTEN:] if product in said)
    assert found < 0.9 * plain[OFTEN:].sum()


def test_what_is_counted_by_the_thousand_does_not_outweigh_a_thousand_goods(sold, history, learned):
    fuel = np.zeros((DAYS, 1))
    fuel[::20], fuel[-28::4] = 8_000.0, 9_000.0
    both = read(demand_frame(np.hstack([sold, fuel])))
    earlier, rare = forecast(both, DAYS - 29), RareSellers(both)
    rare.add(earlier, np.ones_like(earlier.mean))
    factors = rare.on(forecast(both, DAYS - 1)).fitted.share[0, :-1]
    np.testing.assert_allclose(factors, learned[0].on(forecast(history, DAYS - 1)).fitted.share[0], rtol=0.1)
