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


def test_a_price_not_paid_for_some_time_may_have_changed():
    price = [2.0] * 40 + [2.4] * 30 + [2.1] * 30
    sold = np.array([2] * 90 + [0] * 10)
    rate = (2 + 0.5) / (89 + 1)
    assert row(price, sold=sold)["still_charged"] == pytest.approx(np.exp(-10 * rate))
    assert row(price)["still_charged"] == 1.0
    assert row([2.0] * 99 + [1.5], promoted=(0, 0))["still_charged"] == pytest.approx(np.exp(-0.5 / 99))


def test_the_rate_of_price_changes_is_that_of_the_chance():
    rng = np.random.default_rng(4)
    moves = rng.random((300, 200)) < 0.02
    price = 2.0 + 0.1 * (np.cumsum(moves, axis=1) % 7)
    sold = np.where(np.arange(200) < 190, 1, 0)
    demand = sales(np.broadcast_to(sold, (300, 200)), price)
    table = price_evidence(
        demand, PROMOTIONS.arrow_schema().empty_table(), NO_STOCK_OUTS, store="S", last_day=LAST, history_days=200
    )
    kept = (price[:, 189:] == price[:, 189:190]).all(axis=1).mean()
    assert table["still_charged"][0].as_py() == pytest.approx(kept, abs=0.06)
