"""Laws of the forecast: what may not change it, and frames at the edge."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emma_platform_tests.transforms.forecast_frames import (
    MADE_ON,
    calendar,
    day,
    demand_frame,
    newest,
    promotions,
    run,
    weekly_sales,
)

PROMOTED = promotions((None, "P001", day(90), day(80)), ("S1", "P002", day(40), MADE_ON + timedelta(days=4)))
EVENTS = calendar(
    (None, day(70), "Fair", "event"), (None, day(35), "Fair", "event"), ("S1", day(20), "Repair", "closed")
)


def sales(days=150, products=6, seed=1):
    level = np.exp(np.random.default_rng(seed).normal(0.5, 1.2, products))
    return weekly_sales(days, level, seed=seed)


def test_order_of_rows_changes_not_a_byte():
    demand = demand_frame(sales(), categories=["a", "b", None, "a", "b", None])
    whole = run(demand, promoted=PROMOTED, events=EVENTS)
    rng = np.random.default_rng(2)
    for _ in range(3):
        mixed = run(
            demand.take(rng.permutation(len(demand))),
            promoted=PROMOTED.take(rng.permutation(len(PROMOTED))),
            events=EVENTS.take(rng.permutation(len(EVENTS))),
        )
        assert mixed.sales_forecast.equals(whole.sales_forecast)
        assert mixed.forecast_scores.equals(whole.forecast_scores)


def test_chunks_and_string_types_change_nothing():
    demand = demand_frame(sales())
    chunked = pa.concat_tables([demand.slice(0, 100), demand.slice(100)])
    place = chunked.schema.get_field_index("product")
    encoded = chunked.set_column(place, "product", chunked["product"].dictionary_encode())
    assert run(encoded).sales_forecast.equals(run(demand).sales_forecast)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 3), st.integers(0, 10_000))
def test_what_comes_later_never_changes_an_earlier_origin(back, seed):
    origin = 28 + 7 * back
    units = sales(products=5)
    later = units.copy()
    rng = np.random.default_rng(seed)
    later[-origin:] = np.round(rng.gamma(0.5, 20.0, later[-origin:].shape), 1)
    later[-origin:, 0] = 0.0
    # Every product stays alive, so that its rows are there to be compared.
    later[-1] += 1.0
    one, other = (
        run(demand_frame(frame), promoted=PROMOTED, events=EVENTS).sales_forecast.to_pandas()
        for frame in (units, later)
    )
    known = [frame[frame["made_on"] <= day(origin)].reset_index(drop=True) for frame in (one, other)]
    assert known[0].equals(known[1])


def test_rows_after_made_on_are_not_looked_at():
    units = sales(days=160)
    cut = demand_frame(units[:-10], last=day(10))
    whole = demand_frame(units)
    assert run(whole, made_on=day(10)).sales_forecast.equals(run(cut, made_on=day(10)).sales_forecast)


def test_an_earlier_origin_says_what_was_said_on_that_day():
    units = sales(days=200, products=8)
    now = run(demand_frame(units)).sales_forecast.to_pandas()
    for back in (28, 49):
        then = run(demand_frame(units), made_on=day(back)).sales_forecast.to_pandas()
        then = then[(then["made_on"] == day(back)) & then["horizon_days"].isin([1, 7, 28])]
        shown = now[now["made_on"] == day(back)]
        same = (then["method"] != "seasonal_naive").to_numpy()
        assert same.any()
        # The intervals differ: then, more earlier origins were there to calibrate them.
        np.testing.assert_array_equal(then["mean"].to_numpy()[same], shown["mean"].to_numpy()[same])


def test_rows_before_the_history_are_not_looked_at():
    units = sales(days=200)
    assert run(demand_frame(units), history_days=100).sales_forecast.equals(
        run(demand_frame(units[-100:]), history_days=100).sales_forecast
    )


def test_a_product_that_never_sold_changes_nothing():
    units = sales()
    more = np.hstack([units, np.zeros((len(units), 1))])
    assert run(demand_frame(more)).sales_forecast.equals(run(demand_frame(units)).sales_forecast)


def test_another_product_changes_a_forecast_by_pooling_only():
    units = weekly_sales(300, np.full(20, 8.0), seed=3)
    more = np.hstack([units, weekly_sales(300, [8.0], seed=99)])
    before, after = newest(run(demand_frame(units))), newest(run(demand_frame(more)))
    for product, mean in before.items():
        np.testing.assert_allclose(after[product], mean, rtol=0.03)


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([2, 3, 10, 100]))
def test_means_scale_with_the_unit_of_measure(factor):
    # Below the cap on single days only: its margin of one unit does not scale.
    units = sales(days=120, products=5) + 10.0
    one = newest(run(demand_frame(units), promoted=PROMOTED, events=EVENTS))
    other = newest(run(demand_frame(units * factor), promoted=PROMOTED, events=EVENTS))
    for product, mean in one.items():
        np.testing.assert_allclose(other[product], mean * factor, rtol=1e-9)


def test_names_of_products_change_only_the_names():
    units = sales(products=4)
    one = run(demand_frame(units, names=["a", "b", "c", "d"])).sales_forecast
    other = run(demand_frame(units, names=["Ä/1", "Ö.2", "ß 3", "雪"])).sales_forecast
    assert one.drop_columns(["product"]).equals(other.drop_columns(["product"]))


def test_empty_frames():
    empty = demand_frame(np.zeros((0, 2)))
    result = run(empty)
    assert len(result.sales_forecast) == 0
    assert len(result.forecast_scores) == 0


@pytest.mark.parametrize("units", [np.zeros((60, 3)), -np.ones((60, 3))])
def test_nothing_sold_gives_no_rows(units):
    result = run(demand_frame(units))
    assert len(result.sales_forecast) == 0
    assert len(result.forecast_scores) == 0


def test_everything_sold_before_the_history_gives_no_rows():
    assert len(run(demand_frame(sales(), last=day(200)), history_days=100).sales_forecast) == 0


def test_one_product_on_one_day():
    result = run(demand_frame(np.array([[5.0]])))
    assert newest(result)["P000"].tolist() == [5.0] * 28
    assert set(newest(result, "method")["P000"]) == {"category"}
    assert len(result.forecast_scores) == 0


def test_one_sale_of_each_of_many_products():
    units = np.zeros((120, 40))
    units[np.arange(40) * 3, np.arange(40)] = 1.0
    result = run(demand_frame(units))
    means = newest(result)
    assert len(means) == 40
    assert all(np.isfinite(mean).all() and (mean >= 0).all() for mean in means.values())


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 90),
    st.integers(1, 4),
    st.integers(1, 28),
    st.sampled_from([0.02, 0.3, 5.0, 4000.0]),
    st.integers(0, 99),
)
def test_any_small_store_gives_finite_ordered_rows(days, products, horizon, level, seed):
    rng = np.random.default_rng(seed)
    units = rng.poisson(level, (days, products)) * rng.choice([1.0, 1.0, 0.125, 37.0], products)
    stock = np.where(rng.random(units.shape) < 0.2, 0.0, np.nan)
    result = run(
        demand_frame(units, on_hand=stock), promoted=PROMOTED, events=EVENTS, history_days=60, horizon_days=horizon
    )
    rows = result.sales_forecast.to_pandas()
    numbers = rows[["p025", "p10", "p50", "p90", "p975"]].to_numpy()
    assert np.isfinite(numbers).all()
    assert np.isfinite(rows["mean"]).all()
    assert (rows["mean"] >= 0).all()
    assert (numbers >= 0).all()
    assert (np.diff(numbers, axis=1) >= 0).all()
    assert not rows.duplicated(["product", "made_on", "day"]).any()
    result.sales_forecast.validate(full=True)
    result.forecast_scores.validate(full=True)
