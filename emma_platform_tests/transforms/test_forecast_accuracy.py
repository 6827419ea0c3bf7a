"""The report card: forecasts of daily origins, made of nothing that came after, and what came of them."""

import numpy as np
import pytest

from emma_platform.model.report_card import FORECAST_ACCURACY
from emma_platform_tests.transforms.forecast_frames import MADE_ON, calendar, day, demand_frame, run, weekly_sales

SUMS = [
    "actual_units", "forecast_units", "naive_units", "absolute_error", "naive_absolute_error", "squared_error",
    "naive_squared_error",
]  # fmt: skip


def card(result, level="product", horizon=None):
    rows = result.forecast_accuracy.to_pandas()
    rows = rows[rows["level"] == level]
    return rows if horizon is None else rows[rows["horizon_days"] == horizon]


def totals(result, horizon, level="store"):
    rows = result.sales_forecast_totals.to_pandas()
    return rows[(rows["level"] == level) & (rows["horizon_days"] == horizon) & (rows["made_on"] < MADE_ON)]


@pytest.fixture(scope="module")
def store():
    units = weekly_sales(300, np.exp(np.random.default_rng(3).normal(1.5, 0.7, 40)), seed=4)
    return units, run(demand_frame(units, categories=["food", "drinks"] * 20))


def test_there_is_a_row_for_each_product_category_and_the_store_at_each_distance(store):
    _, result = store
    table = result.forecast_accuracy
    assert table.schema.equals(FORECAST_ACCURACY.arrow_schema())
    table.validate(full=True)
    assert table.num_rows == (40 + 2 + 1) * 3
    rows = table.to_pandas()
    days = rows.groupby("horizon_days")["days"].unique().to_dict()
    assert {horizon: list(found) for horizon, found in days.items()} == {1: [28], 7: [28], 28: [22]}
    assert set(rows["last_day"]) == {MADE_ON}
    assert set(rows.loc[rows["horizon_days"] < 28, "first_day"]) == {day(27)}
    assert set(card(result)["shown"]) == {"smoothing"}
    assert set(card(result, "store")["shown"]) == {"sum"}


def test_what_happened_is_what_was_sold(store):
    units, result = store
    np.testing.assert_allclose(card(result, horizon=1)["actual_units"].sum(), units[-28:].sum())
    np.testing.assert_allclose(card(result, "store", 28)["actual_units"], units[-22:].sum())
    np.testing.assert_allclose(totals(result, 7)["actual_units"], units[-28:].sum(axis=1))
    np.testing.assert_allclose(card(result, "store", 7)["naive_units"], units[-35:-7].sum())
    weekly = units[-56:].reshape(8, 7, 40)[:-4].reshape(28, 40)
    np.testing.assert_allclose(card(result, "store", 28)["naive_units"], weekly[-22:].sum())


def test_ratios_are_those_of_the_sums(store):
    _, result = store
    rows = result.forecast_accuracy.to_pandas()
    np.testing.assert_allclose(rows["bias"], rows["forecast_units"] / rows["actual_units"] - 1)
    np.testing.assert_allclose(rows["coverage_80"], rows["inside_80"] / rows["days"])
    np.testing.assert_allclose(rows["coverage_95"], rows["inside_95"] / rows["days"])
    np.testing.assert_allclose(
        rows["skill_vs_seasonal_naive"], 1 - rows["absolute_error"] / rows["naive_absolute_error"]
    )
    np.testing.assert_allclose(rows["scaled_error"], np.sqrt(rows["squared_error"] / rows["naive_squared_error"]))


def test_categories_and_the_store_are_the_daily_sums_of_their_products(store):
    _, result = store
    for horizon in (1, 7, 28):
        products, whole = card(result, horizon=horizon), card(result, "store", horizon)
        for name in ("actual_units", "forecast_units", "naive_units"):
            np.testing.assert_allclose(products[name].sum(), whole[name])
            np.testing.assert_allclose(
                products.groupby("category")[name].sum(), card(result, "category", horizon).set_index("category")[name]
            )
        rows = totals(result, horizon)
        np.testing.assert_allclose(np.abs(rows["mean"] - rows["actual_units"]).sum(), whole["absolute_error"])
        inside = (rows["actual_units"] >= rows["p10"]) & (rows["actual_units"] <= rows["p90"])
        np.testing.assert_allclose(inside.sum(), whole["inside_80"])
        assert whole["absolute_error"].item() < products["absolute_error"].sum() / 2


def test_on_a_weekly_origin_it_is_the_forecast_of_that_origin(store):
    _, result = store
    rows = result.sales_forecast.to_pandas()
    for horizon, back in ((1, 28), (7, 28), (28, 28), (28, 35), (28, 49)):
        shown = rows[(rows["made_on"] == day(back)) & (rows["horizon_days"] == horizon)]
        found = totals(result, horizon)
        found = found[found["made_on"] == day(back)]
        np.testing.assert_allclose(found["mean"], shown["mean"].sum(), rtol=1e-9)


def test_most_days_are_inside_and_the_forecast_beats_the_naive(store):
    _, result = store
    for horizon in (1, 7, 28):
        rows = card(result, horizon=horizon)
        assert 0.78 < rows["inside_80"].sum() / rows["days"].sum() < 0.92
        assert 0.93 < rows["inside_95"].sum() / rows["days"].sum() < 0.99
        assert rows["absolute_error"].sum() < 0.85 * rows["naive_absolute_error"].sum()
        assert (card(result, "store", horizon)["skill_vs_seasonal_naive"] > 0).all()


@pytest.mark.parametrize("horizon", [1, 7, 28])
def test_nothing_that_came_after_a_forecast_is_in_it(store, horizon):
    """A tenfold last week changes no forecast made before it."""
    units, before = store
    later = units.copy()
    later[-7:] *= 10
    after = run(demand_frame(later, categories=["food", "drinks"] * 20))
    old, new = (
        rows[[on <= day(7) for on in rows["made_on"]]].set_index("day")["mean"]
        for rows in (totals(before, horizon), totals(after, horizon))
    )
    assert len(old)
    np.testing.assert_allclose(new, old)


def test_a_level_that_moved_is_followed_from_the_day_before_and_missed_from_four_weeks_before():
    units = np.full((200, 3), 10.0)
    units[-20:] = 30.0
    bias = card(run(demand_frame(units)), "store").set_index("horizon_days")["bias"]
    assert bias[28] < -0.6
    assert bias[28] < bias[7] < bias[1] < 0


def test_days_out_of_stock_and_closed_days_are_not_scored():
    units, stock = weekly_sales(200, [6.0, 9.0], seed=7), np.full((200, 2), 50.0)
    units[-3:, 0], stock[-3:, 0] = 0.0, 0.0
    units[-10] = 0.0
    result = run(demand_frame(units, on_hand=stock), events=calendar((None, day(9), "stocktaking", "closed")))
    rows = card(result, horizon=1).set_index("product")
    assert rows["days"].to_dict() == {"P000": 24, "P001": 27}
    assert card(result, "store", 1)["days"].item() == 27
    np.testing.assert_allclose(card(result, "store", 1)["actual_units"], units[-28:].sum())


def test_where_the_naive_is_shown_the_card_says_so():
    units = weekly_sales(300, np.full(6, 6.0), seed=18)
    units[:, 0] = np.where(np.arange(300) % 14 < 7, 0.0, 1.0)
    units[-120:, 0] = np.tile([0, 0, 0, 90, 0, 0, 40], 18)[:120]
    result = run(demand_frame(units))
    method = result.sales_forecast.to_pandas().query("made_on == @MADE_ON").groupby("product")["method"].first()
    shown = card(result).groupby("product")["shown"].first()
    assert shown.to_dict() == method.to_dict()
    assert shown["P000"] == "seasonal_naive"
    rows = card(result).set_index("product").loc["P000"]
    assert (rows["naive_absolute_error"] == 0).all()
    assert rows["skill_vs_seasonal_naive"].isna().all(), "nothing can be saved of an error that is not there"


def test_a_short_history_has_no_report_card_yet():
    result = run(demand_frame(weekly_sales(20, [5.0, 3.0])))
    assert result.forecast_accuracy.num_rows == 0
    assert set(result.sales_forecast_totals["made_on"].to_pylist()) == {MADE_ON}
    young = run(demand_frame(weekly_sales(45, [5.0, 3.0])))
    assert set(card(young, horizon=1)["days"]) == {28}
