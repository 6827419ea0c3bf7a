"""Price evidence where shelves were empty: an empty shelf is not what a price did."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from emma_platform.model.tables import CALENDAR
from emma_platform.transforms.price_evidence import price_evidence
from emma_platform.transforms.stock_outs import find_stock_outs
from emma_platform_tests.transforms.price_world import LAST, NO_PROMOTIONS, NO_STOCK_OUTS, empty_shelf, sales

DAYS, PRODUCTS = 364, 40
WINDOW = {"store": "S", "last_day": LAST, "history_days": DAYS}
ELASTICITY = -2.0


def shop(*, sells_out):
    """Four units a day at prices that move; where it sells out, the second week of each low price ends after a day."""
    rng = np.random.default_rng(4)
    level = np.exp(rng.choice([-0.2, 0.0, 0.1], (PRODUCTS, DAYS // 28)))
    price = np.round(3.0 * np.repeat(level, 28, axis=1), 2)
    sold = rng.poisson(4.0 * (price / 3.0) ** ELASTICITY)
    if sells_out:
        ends = (np.arange(DAYS) % 28 > 7) & (np.arange(DAYS) % 28 < 14)
        sold[(price < 2.8) & ends] = 0
    return sales(sold, price)


def stock_outs(demand):
    return find_stock_outs(demand, NO_PROMOTIONS, CALENDAR.arrow_schema().empty_table(), **WINDOW)


def elasticities(demand, left_out=NO_STOCK_OUTS):
    return np.array(price_evidence(demand, NO_PROMOTIONS, left_out, **WINDOW)["own_elasticity"].to_pylist(), float)


def test_shelves_that_empty_at_low_prices_hide_no_elasticity():
    demand = shop(sells_out=True)
    blind, seeing = elasticities(demand), elasticities(demand, stock_outs(demand))
    assert np.median(blind) > ELASTICITY + 0.6
    assert np.median(seeing) == pytest.approx(ELASTICITY, abs=0.2)
    assert np.abs(seeing - ELASTICITY).mean() < 0.4 * np.abs(blind - ELASTICITY).mean()


def test_where_no_shelf_was_empty_nothing_changes():
    demand = shop(sells_out=False)
    found = stock_outs(demand)
    assert found.num_rows == 0
    np.testing.assert_array_equal(elasticities(demand, found), elasticities(demand))


def test_a_count_and_a_sure_stock_out_of_the_same_days_say_the_same():
    demand = shop(sells_out=False)
    days = [LAST - timedelta(days=back) for back in range(20, 13, -1)]
    demand = demand.filter(
        pa.array(
            [
                product != "P000" or day not in days
                for product, day in zip(demand["product"].to_pylist(), demand["day"].to_pylist(), strict=True)
            ]
        )
    )
    sure = {"store": "S", "product": "P000", "first_day": days[0], "last_day": days[-1], "days": 7, "probability": 1.0}
    told = pa.Table.from_pylist(
        [{**sure, "evidence": "sales", "lost_units": 0.0, "lost_units_p10": 0.0, "lost_units_p90": 0.0}],
        schema=NO_STOCK_OUTS.schema,
    )
    counted = pa.concat_tables([demand, empty_shelf("P000", days).cast(demand.schema)])
    np.testing.assert_allclose(elasticities(demand, told), elasticities(counted), rtol=1e-12)
    assert elasticities(demand)[0] != pytest.approx(elasticities(counted)[0], rel=1e-4)
