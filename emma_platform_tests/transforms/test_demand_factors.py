"""What kind of day it is: promotions, closed days and events, found in sales whose truth is known."""

from datetime import timedelta

import numpy as np
import pytest

from emma_platform_tests.transforms.forecast_frames import (
    MADE_ON,
    QUANTILES,
    calendar,
    day,
    demand_frame,
    newest,
    promotions,
    run,
    weekly_sales,
)


def promoted_sales(lift, *, days=365, products=12, level=20.0):
    """Sales with a promoted week every five weeks, the last one running after `made_on` for the first product."""
    units = weekly_sales(days, np.full(products, level), seed=9)
    rows = []
    for number in range(products):
        for start in range(3 + number * 2, days - 10, 35):
            units[start : start + 7, number] = np.rint(units[start : start + 7, number] * lift)
            first = day(days - 1 - start)
            rows.append(("S1" if number % 2 else None, f"P{number:03d}", first, first + timedelta(days=6)))
    return units, rows


@pytest.mark.parametrize("lift", [1.6, 3.0])
def test_promotion_uplift_is_recovered(lift):
    units, rows = promoted_sales(lift)
    plain = newest(run(demand_frame(units), promoted=promotions(*rows)))["P000"]
    planned = ("S1", "P000", MADE_ON + timedelta(days=8), MADE_ON + timedelta(days=14))
    lifted = newest(run(demand_frame(units), promoted=promotions(*rows, planned)))["P000"]
    np.testing.assert_allclose(lifted[7:14] / plain[7:14], lift, rtol=0.12)
    np.testing.assert_array_equal(np.delete(lifted, range(7, 14)), np.delete(plain, range(7, 14)))
    assert plain.mean() == pytest.approx(20.0, rel=0.12)


def test_a_product_never_promoted_before_gets_the_uplift_of_its_category():
    units, rows = promoted_sales(2.5)
    rows = [row for row in rows if row[1] != "P011"]
    units[:, 11] = weekly_sales(365, [20.0], seed=12)[:, 0]
    planned = ("S1", "P011", MADE_ON + timedelta(days=8), MADE_ON + timedelta(days=14))
    plain, lifted = (
        newest(run(demand_frame(units), promoted=promotions(*rows, *more)))["P011"] for more in ((), (planned,))
    )
    np.testing.assert_allclose(lifted[7:14] / plain[7:14], 2.5, rtol=0.12)


def test_promotions_of_other_stores_and_unknown_products_count_for_nothing():
    demand = demand_frame(weekly_sales(120, [5.0, 6.0], seed=10))
    other = promotions(
        ("S2", "P000", day(60), day(50)), ("S1", "P999", day(60), day(50)), ("S1", "P000", day(50), day(60))
    )
    assert run(demand, promoted=other).sales_forecast.equals(run(demand).sales_forecast)


def test_closed_days():
    units = weekly_sales(200, [30.0, 20.0], seed=11)
    units[-41] = 0.0
    closed = [(None, day(40), "Stocktaking", "closed"), ("S1", MADE_ON + timedelta(days=3), "Holiday", "closed")]
    result = run(demand_frame(units), events=calendar(*closed))
    for column in ("mean", *QUANTILES):
        values = newest(result, column)["P000"]
        assert values[2] == 0.0
    assert (np.delete(newest(result)["P000"], 2) > 2).all()
    # The stocktaking day lies after two of the four origins and is scored by none of them.
    scored = result.forecast_scores.to_pandas()["days"]
    assert (scored == 4 * 28 - 2).all()


def test_weekday_on_which_the_store_never_opens_is_forecast_zero():
    units = weekly_sales(200, [8.0, 3.0], seed=12)
    weekdays = np.array([day(199 - row).weekday() for row in range(200)])
    units[weekdays == 6] = 0.0
    means = newest(run(demand_frame(units)))["P000"]
    sundays = np.array([(MADE_ON + timedelta(days=ahead)).weekday() == 6 for ahead in range(1, 29)])
    assert not means[sundays].any()
    assert (means[~sundays] > 1).all()


def test_events_lift_and_lift_more_surely_the_more_often_they_were_seen():
    units = weekly_sales(365, np.full(30, 10.0), seed=13)
    for back in (300, 200, 100):
        units[-1 - back] *= 2.0
    units[-1 - 250] *= 3.0
    ahead = MADE_ON + timedelta(days=5), MADE_ON + timedelta(days=6)
    rows = [
        *((None, day(back), "Street market", "event") for back in (300, 200, 100)),
        (None, day(250), "Jubilee", "holiday"),
        (None, ahead[0], "Street market", "event"),
        (None, ahead[1], "Jubilee", "holiday"),
    ]
    plain = run(demand_frame(units), events=calendar(*rows[:4]))
    lifted = run(demand_frame(units), events=calendar(*rows))
    ratio = sum(newest(lifted).values()) / sum(newest(plain).values())
    assert 1.7 < ratio[4] < 2.1
    # Seen once, but by thirty products: most of what they sold more is believed, none of it is added.
    assert 2.0 < ratio[5] < 3.0
    np.testing.assert_allclose(ratio[[0, 1, 2, 3, 6]], 1.0, atol=0.06)
    np.testing.assert_array_equal(ratio[7:], 1.0)


def test_an_event_seen_once_by_one_small_product_is_hardly_believed():
    units = weekly_sales(365, [1.0], seed=22)
    units[-1 - 250] = 6.0
    seen = (None, day(250), "Jubilee", "holiday")
    again = (None, MADE_ON + timedelta(days=5), "Jubilee", "holiday")
    plain = newest(run(demand_frame(units), events=calendar(seen)))["P000"]
    lifted = newest(run(demand_frame(units), events=calendar(seen, again)))["P000"]
    assert 1.0 < lifted[4] / plain[4] < 1.6
