"""A forecast carried on by new days: the recursion in one go, and close to a new fit."""

import numpy as np
import pytest

from emma_platform.transforms.demand_factors import fit_factors
from emma_platform.transforms.forecast_origin import forecast_from
from emma_platform.transforms.forecast_update import updated
from emma_platform.transforms.smoothing import advance
from emma_platform_tests.transforms.forecast_frames import calendar, day, demand_frame, promotions, read, weekly_sales

DAYS, AFTER, HORIZON = 420, 7, 28
LAST = DAYS - 1
FIT = LAST - AFTER


@pytest.fixture(scope="module")
def demand():
    """40 products that sell 1 to 20 a day, one launched three days before the fit; promotions, events, no stock."""
    units = weekly_sales(DAYS, np.exp(np.random.default_rng(5).normal(1.5, 0.7, 40)), seed=6)
    units[: FIT - 2, 7] = 0.0
    units[FIT - 2 :, 7] += 1.0
    stock = np.full(units.shape, 90.0)
    units[-4:, 3] = stock[-4:, 3] = 0.0
    promoted = [("S1", f"P{number:03d}", day(back), day(back - 6)) for number in range(20) for back in (200, 100, 4)]
    events = [("S1", day(back), "market", "event") for back in range(8, 400, 30)]
    known = demand_frame(units, on_hand=stock, categories=["food", "drinks"] * 20)
    return read(
        known,
        promoted=promotions(*promoted),
        events=calendar(*events),
        history_days=DAYS,
        horizon_days=HORIZON,
    )


def fitted_on(demand, origin):
    return forecast_from(demand, origin, HORIZON, fit_factors(demand, origin))


@pytest.fixture(scope="module")
def fit(demand):
    return fitted_on(demand, FIT)


def test_it_is_the_recursion_run_through_in_one_go(demand, fit):
    fitted = fit.fitted
    whole = advance(fitted.start, demand.series, fitted.factors.lift, fitted.caps, slice(0, LAST + 1))
    made = updated(fit, demand, LAST, HORIZON)
    np.testing.assert_allclose(made.fitted.end.levels, whole.levels, rtol=1e-12)
    np.testing.assert_allclose(made.fitted.end.errors, whole.errors, rtol=1e-12)
    level = (fitted.rate_weights * whole.levels).sum(axis=0)[~fit.new]
    days = slice(LAST + 1, LAST + 1 + HORIZON)
    mean = level * fitted.factors.on(demand, days)[:, ~fit.new]
    np.testing.assert_allclose(made.mean[:, ~fit.new], np.where(made.closed[:, None], 0.0, mean), rtol=1e-12)


def test_day_by_day_is_the_same_as_all_days_at_once(demand, fit):
    daily = fit
    for origin in range(FIT + 1, LAST + 1):
        daily = updated(daily, demand, origin, HORIZON)
    once = updated(fit, demand, LAST, HORIZON)
    for name in ("mean", "variance", "naive"):
        np.testing.assert_array_equal(getattr(daily, name), getattr(once, name))
    np.testing.assert_array_equal(updated(fit, demand, FIT, HORIZON).mean, fit.mean)


def test_it_is_close_to_a_new_fit_and_much_closer_than_the_old_one(demand, fit):
    refit, made = fitted_on(demand, LAST), updated(fit, demand, LAST, HORIZON)
    settled = ~fit.new
    old, kept, new = fit.mean[AFTER:, settled], made.mean[:-AFTER, settled], refit.mean[:-AFTER, settled]
    distance = np.abs(kept - new).sum() / new.sum()
    assert distance < 0.01
    assert distance < np.abs(old - new).sum() / new.sum() / 5
    assert np.abs(kept / new - 1).max() < 0.12, "the promotion in the new days moves an uplift"


def test_a_new_product_keeps_the_level_of_its_category(demand, fit):
    assert np.flatnonzero(fit.new).tolist() == [7]
    made = updated(fit, demand, LAST, HORIZON)
    assert made.fitted.level[7] == fit.fitted.level[7]
    assert made.fitted.level[6] != fit.fitted.level[6]


def test_days_out_of_stock_change_no_level(demand, fit):
    before, after = (updated(fit, demand, origin, HORIZON).fitted.level[3] for origin in (LAST - 4, LAST))
    assert after == before > 0


def test_what_the_fit_does_not_reach_is_refused(demand, fit):
    assert len(updated(fit, demand, LAST, HORIZON).mean) == HORIZON
    with pytest.raises(ValueError, match="fit anew"):
        updated(fit, demand, LAST, HORIZON + 1)
    with pytest.raises(ValueError, match="fit anew"):
        updated(fit, demand, FIT - 1, HORIZON)
