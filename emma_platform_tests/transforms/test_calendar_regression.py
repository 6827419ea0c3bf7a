"""The effect of the calendar: recovered where it is known, shrunk where little is seen."""

from datetime import timedelta

import numpy as np

from emma_platform.transforms.calendar_regression import calendar_lift
from emma_platform.transforms.calendar_terms import Terms, calendar_terms
from emma_platform_tests.transforms.forecast_frames import MADE_ON, PROFILE, calendar, day, demand_frame, read

DAYS = 371
WEEKEND = (np.arange(DAYS + 28) % 7 >= 5).astype(float)
FAIR = (np.arange(DAYS + 28) % 120 == 60).astype(float)
TERMS = Terms(np.stack([WEEKEND, FAIR], axis=1), np.array([0.5, 0.3]))


def lifted(expected, effect, *, seed=1, dispersion=1.5):
    """Negative binomial sales of each category around expected x exp(effect), all but the last 28 days of the terms."""
    mean = np.outer(np.ones(DAYS), expected) * np.exp(TERMS.columns[:DAYS] @ np.asarray(effect))
    rng = np.random.default_rng(seed)
    return rng.negative_binomial(mean / (dispersion - 1.0), 1.0 / dispersion).astype(float)


def test_effects_of_store_and_categories_are_recovered():
    expected = np.array([400.0, 900.0])
    sold = lifted(expected, [[0.5, 0.2], [0.4, 0.7]])
    lift = calendar_lift(TERMS, sold, np.tile(expected, (DAYS, 1)))
    assert lift.shape == (DAYS + 28, 2)
    weekend, plain = (WEEKEND > 0) & (FAIR == 0), (WEEKEND == 0) & (FAIR == 0)
    np.testing.assert_allclose(np.log(lift[weekend][0] / lift[plain][0]), [0.5, 0.2], atol=0.03)
    np.testing.assert_allclose(lift[plain & (np.arange(DAYS + 28) >= DAYS)][0], lift[plain][0])


def test_little_evidence_is_hardly_believed():
    expected = np.array([0.3])
    sold = np.zeros((DAYS, 1))
    sold[FAIR[:DAYS] > 0] = 3.0
    sold[::4] += 1.0
    lift = calendar_lift(TERMS, sold, np.tile(expected, (DAYS, 1)))
    assert 1.0 < lift[60, 0] / lift[61, 0] < 3.0


def test_the_unit_of_measure_cancels_out_and_no_sales_have_no_effect():
    expected = np.tile([40.0, 90.0], (DAYS, 1))
    sold = lifted(expected[0], [[0.5, 0.2], [0.4, 0.7]])
    one, other = calendar_lift(TERMS, sold, expected), calendar_lift(TERMS, sold * 100, expected * 100)
    np.testing.assert_allclose(other, one, rtol=1e-9)
    np.testing.assert_array_equal(calendar_lift(TERMS, 0 * sold, expected), 1.0)


def test_terms_know_nothing_of_later_days():
    units = np.tile(PROFILE, 30)[:200, None] * 10.0
    rows = [(None, day(back), "Fair", "event") for back in (150, 60)]
    later = (None, MADE_ON + timedelta(days=20), "Jubilee", "holiday")

    def terms(*events):
        return calendar_terms(read(demand_frame(units), events=calendar(*events)), 199 - 28)

    one, other = terms(*rows), terms(*rows, later)
    np.testing.assert_array_equal(one.columns, other.columns)
    assert len(one.columns) == 200 + 7, "the 28 days of the forecast, and seven more"
    assert (one.spread > 0).all()
