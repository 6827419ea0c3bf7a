"""When a price began, and the lowest price of the last 30 days, against days and prices known by hand."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from emma_platform.model.tables import PROMOTIONS
from emma_platform.transforms.price_evidence import price_evidence
from emma_platform_tests.transforms.price_world import LAST, NO_STOCK_OUTS, sales

DAYS = 100


def row(price, *, sold=2, promoted=None, history=DAYS):
    """What is known of one product with these daily prices, the last of them on `LAST`."""
    demand = sales(np.broadcast_to(np.asarray(sold), (1, len(price))), np.asarray([price], dtype=float))
    promotions = PROMOTIONS.arrow_schema().empty_table()
    if promoted:
        first, last = promoted
        rows = [{"store": None, "product": "P000", "first_day": back(first), "last_day": back(last)}]
        promotions = pa.Table.from_pylist(rows, schema=PROMOTIONS.arrow_schema())
    return price_evidence(
        demand, promotions, NO_STOCK_OUTS, store="S", last_day=LAST, history_days=history
    ).to_pylist()[0]


def back(days: int) -> date:
    return LAST - timedelta(days=days)


@pytest.mark.parametrize(
    ("price", "age"),
    [
        ([2.0] * DAYS, None),
        ([2.0] * 90 + [2.2] * 10, 9),
        ([2.0] * 90 + [2.01] * 10, None),
        ([2.0] * 50 + [2.4] * 40 + [2.0] * 10, 9),
        ([2.0] * 90 + [2.2] * 5 + [2.6] + [2.2] * 4, 9),
        ([2.0] * 98 + [2.2] * 2, 1),
    ],
)
def test_a_price_begins_after_another_one_and_not_after_one_odd_day(price, age):
    assert row(price)["price_since"] == (None if age is None else back(age))


def test_a_promotion_is_no_other_price():
    price = [2.0] * 80 + [1.5] * 10 + [2.0] * 10
    assert row(price)["price_since"] == back(9)
    assert row(price, promoted=(19, 10))["price_since"] is None


def test_the_day_stays_when_the_window_moves_on():
    price = [2.0] * 50 + [2.4] * 50
    assert [row(price, history=days)["price_since"] for days in (70, 84, 100)] == [back(49)] * 3


@pytest.mark.parametrize("age", [0, 29, 30])
def test_the_lowest_price_is_that_of_the_last_thirty_days_with_promotions(age):
    price = [2.0] * DAYS
    price[-1 - age] = 1.49
    assert row(price, promoted=(age, age))["lowest_price_30d"] == (1.49 if age < 30 else 2.0)


def test_without_a_sale_in_thirty_days_the_lowest_price_is_the_current_one():
    sold = np.r_[np.full(60, 2), np.zeros(40, dtype=int)]
    assert row([1.9] * 60 + [2.0] * 40, sold=sold)["lowest_price_30d"] == 1.9
