"""The store's forecast: what it says on data whose truth is known."""

import numpy as np
import pytest

from emma_platform.model.estimates import FORECAST_SCORES, SALES_FORECAST
from emma_platform_tests.transforms.forecast_frames import (
    MADE_ON,
    PROFILE,
    QUANTILES,
    day,
    demand_frame,
    newest,
    run,
    weekly_sales,
)


def test_better_than_the_seasonal_naive_and_near_the_truth():
    level = np.exp(np.random.default_rng(1).normal(1.0, 1.0, 60))
    result = run(demand_frame(weekly_sales(365, level, seed=2)))
    scores = result.forecast_scores.to_pandas()
    assert len(scores) == 60
    assert (scores["origins"] == 4).all()
    assert (scores["days"] == 112).all()
    assert scores["absolute_error"].sum() < 0.8 * scores["naive_absolute_error"].sum()
    assert abs(scores["signed_error"].sum() / scores["actual_units"].sum()) < 0.05
    assert 0.5 < scores["rmsse"].mean() < 0.9
    means = newest(result)
    truth = PROFILE[(MADE_ON.weekday() + 1 + np.arange(28)) % 7]
    total = sum(means.values())
    np.testing.assert_allclose(total, truth * level.sum(), rtol=0.1)


def test_coverage_on_negative_binomial_demand():
    level = np.exp(np.random.default_rng(3).normal(2.0, 0.7, 80))
    scores = run(demand_frame(weekly_sales(300, level, seed=4))).forecast_scores.to_pandas()
    days = scores["days"].sum()
    for name, nominal in (("inside_80", 0.80), ("inside_95", 0.95)):
        share = scores[name].sum() / days
        # The ends of an interval of counts belong to it, so it holds somewhat more than its name says.
        assert nominal - 4 * np.sqrt(nominal * (1 - nominal) / days) <= share <= nominal + 0.09


def test_tables_have_the_schema_and_the_rows_of_the_contract():
    result = run(demand_frame(weekly_sales(200, [3.0, 0.4, 12.0], seed=5)))
    table = result.sales_forecast
    assert table.schema.equals(SALES_FORECAST.arrow_schema())
    assert result.forecast_scores.schema.equals(FORECAST_SCORES.arrow_schema())
    rows = table.to_pandas()
    assert len(rows) == 3 * (28 + 4 * 3)
    keys = list(zip(rows["product"], rows["made_on"], rows["day"], strict=True))
    assert keys == sorted(set(keys))
    assert sorted(set(rows["made_on"]), reverse=True) == [MADE_ON, *(day(28 + 7 * back) for back in range(4))]
    earlier = rows[rows["made_on"] < MADE_ON]
    assert set(earlier["horizon_days"]) == {1, 7, 28}
    assert ((rows["day"] - rows["made_on"]).map(lambda gap: gap.days) == rows["horizon_days"]).all()
    assert (rows[QUANTILES].diff(axis=1).iloc[:, 1:] >= 0).all().all()
    assert (rows[[*QUANTILES, "mean"]] >= 0).all().all()
    assert set(rows["store"]) == {"S1"}


def test_ratios_of_scores_follow_from_their_sums():
    scores = run(demand_frame(weekly_sales(200, [3.0, 0.4, 12.0], seed=6))).forecast_scores.to_pandas()
    np.testing.assert_allclose(scores["wape"], scores["absolute_error"] / scores["actual_units"])
    np.testing.assert_allclose(scores["bias"], scores["signed_error"] / scores["actual_units"])
    np.testing.assert_allclose(scores["rmsse"] ** 2, scores["squared_error"] / scores["days"] / scores["naive_scale"])
    np.testing.assert_allclose(
        scores["skill_vs_seasonal_naive"], 1 - scores["absolute_error"] / scores["naive_absolute_error"]
    )
    np.testing.assert_allclose(scores["coverage_80"], scores["inside_80"] / scores["days"])


def test_scores_are_those_of_the_rows_shown():
    units = weekly_sales(200, [40.0], seed=7)
    result = run(demand_frame(units), horizon_days=1)
    rows = result.sales_forecast.to_pandas()
    rows = rows[rows["made_on"] < MADE_ON]
    actual = np.array([units[-1 - (MADE_ON - at).days, 0] for at in rows["day"]])
    week_before = np.array([units[-1 - (MADE_ON - at).days - 7, 0] for at in rows["day"]])
    score = result.forecast_scores.to_pylist()[0]
    assert score["days"] == 4
    assert score["absolute_error"] == pytest.approx(np.abs(rows["mean"] - actual).sum())
    assert score["naive_absolute_error"] == pytest.approx(np.abs(week_before - actual).sum())
    assert score["signed_error"] == pytest.approx((rows["mean"] - actual).sum())
    assert score["inside_80"] == ((actual >= rows["p10"]) & (actual <= rows["p90"])).sum()


def test_intervals_widen_with_the_horizon():
    rng = np.random.default_rng(8)
    level = np.maximum(60 + np.cumsum(rng.normal(0, 1.5, (400, 12)), axis=0), 20)
    result = run(demand_frame(rng.poisson(level).astype(float)))
    low, high, methods = newest(result, "p025"), newest(result, "p975"), newest(result, "method")
    shown = [name for name in low if set(methods[name]) == {"smoothing"}]
    assert len(shown) > 6
    width = sum(high[name] - low[name] for name in shown)
    assert width[21:].mean() > 1.04 * width[:7].mean()


def test_constant_sales_are_forecast_exactly():
    result = run(demand_frame(np.full((150, 3), [4.0, 7.0, 250.0])))
    for product, value in zip(("P000", "P001", "P002"), (4.0, 7.0, 250.0), strict=True):
        np.testing.assert_allclose(newest(result)[product], value, rtol=1e-9)
    scores = result.forecast_scores.to_pandas()
    np.testing.assert_allclose(scores["absolute_error"], 0.0, atol=1e-6)
    assert scores["naive_scale"].isna().all()
    assert scores["rmsse"].isna().all()
    assert scores["skill_vs_seasonal_naive"].isna().all()


def test_stock_outs_are_not_lack_of_demand():
    units = weekly_sales(200, [10.0, 10.0], seed=14)
    stock = np.full_like(units, 50.0)
    empty = units.copy()
    empty[-20:-4, 0] = 0.0
    stock[-20:-4, 0] = 0.0
    seen = newest(run(demand_frame(empty, on_hand=stock)))["P000"].mean()
    unseen = newest(run(demand_frame(empty)))["P000"].mean()
    assert seen == pytest.approx(10.0, rel=0.15)
    assert unseen < 0.9 * seen


def test_a_few_huge_days_do_not_carry_the_level_away():
    units = weekly_sales(200, [2.0, 2.0], seed=15)
    units[-3, 0] = 5000.0
    assert newest(run(demand_frame(units)))["P000"].mean() < 4.0


def test_new_products_follow_the_launches_of_their_category():
    units = weekly_sales(300, np.full(10, 12.0), seed=16)
    for number, launch in enumerate((100, 120, 140)):
        units[:launch, number] = 0.0
    units[:, 3] = 0.0
    units[-3:, 3] = [1.0, 0.0, 1.0]
    units[:, 4] = 0.0
    units[-3:, 4] = [1.0, 0.0, 1.0]
    categories = ["food"] * 4 + ["tools"] + ["food"] * 5
    result = run(demand_frame(units, categories=categories))
    methods = newest(result, "method")
    assert set(methods["P003"]) == {"category"}
    assert set(methods["P000"]) == {"smoothing"}
    assert newest(result)["P003"].mean() > 6.0


def test_products_that_stopped_selling_have_no_rows():
    units = weekly_sales(400, [5.0, 5.0, 5.0], seed=17)
    units[-182:, 0] = 0.0
    units[-181:, 1] = 0.0
    result = run(demand_frame(units))
    assert sorted(newest(result)) == ["P001", "P002"]
    assert set(result.sales_forecast["product"].to_pylist()) == {"P001", "P002"}
    assert set(result.forecast_scores["product"].to_pylist()) == {"P001", "P002"}


def test_seasonal_naive_is_shown_where_it_wins_every_time():
    units = weekly_sales(300, np.full(6, 6.0), seed=18)
    # Every seventh day a bulk order that the cap on single days takes for an accident.
    units[:, 0] = np.where(np.arange(300) % 14 < 7, 0.0, 1.0)
    units[-120:, 0] = np.tile([0, 0, 0, 90, 0, 0, 40], 18)[:120]
    result = run(demand_frame(units))
    methods = newest(result, "method")
    assert set(methods["P000"]) == {"seasonal_naive"}
    assert set(methods["P001"]) == {"smoothing"}
    np.testing.assert_array_equal(newest(result)["P000"], np.tile(units[-7:, 0], 4))
    rows = result.sales_forecast.to_pandas()
    rows = rows[rows["product"] == "P000"]
    assert (rows[QUANTILES].diff(axis=1).iloc[:, 1:] >= 0).all().all()
    assert set(rows[rows["made_on"] < MADE_ON]["method"]) == {"smoothing"}


def test_goods_sold_by_weight():
    rng = np.random.default_rng(19)
    units = rng.gamma(4.0, 0.1, (250, 8))
    result = run(demand_frame(units))
    assert newest(result)["P000"].mean() == pytest.approx(0.4, rel=0.2)
    assert 0 < newest(result, "p10")["P000"].mean() < 0.4 < newest(result, "p90")["P000"].mean() < 1.0
    scores = result.forecast_scores.to_pandas()
    assert 0.7 < scores["inside_80"].sum() / scores["days"].sum() < 0.92


def test_rows_missing_for_days_without_a_sale_change_nothing():
    demand = demand_frame(weekly_sales(150, [0.3, 4.0, 9.0], seed=20))
    sold = demand.filter(np.array([float(value) > 0 for value in demand["units"].to_pylist()]))
    assert len(sold) < len(demand)
    assert run(sold).sales_forecast.equals(run(demand).sales_forecast)


def test_returns_count_as_no_sale():
    units = weekly_sales(150, [4.0, 9.0], seed=21)
    units[100, 0] = 0.0
    back = units.copy()
    back[100, 0] = -3.0
    assert run(demand_frame(back)).sales_forecast.equals(run(demand_frame(units)).sales_forecast)


@pytest.mark.parametrize("horizon", [0, 29])
def test_horizon_out_of_range_is_refused(horizon):
    with pytest.raises(ValueError, match="give 1 to 28"):
        run(demand_frame(np.ones((10, 1))), horizon_days=horizon)


def test_history_out_of_range_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        run(demand_frame(np.ones((10, 1))), history_days=0)


def test_fuel_by_the_thousandth_of_a_gallon_leaves_the_goods_by_the_piece_as_they_were():
    goods = weekly_sales(120, np.linspace(0.1, 2.0, 24), seed=8)
    fuel = np.random.default_rng(9).integers(15_000, 25_000, 120).astype(float)[::-1, None]
    categories = ["food"] * 24
    alone = run(demand_frame(goods, categories=categories))
    beside = run(demand_frame(np.hstack([goods, fuel]), categories=[*categories, "fuel"]))
    for column, near in (("mean", 0.02), ("p10", 1.0), ("p975", 2.0)):
        found = newest(beside, column)
        for product, expected in newest(alone, column).items():
            np.testing.assert_allclose(found[product], expected, rtol=0, atol=near)
    assert newest(beside)["P024"] == pytest.approx(20_000, rel=0.2)


def test_a_new_product_among_rare_ones_is_not_expected_to_go_on_as_on_the_day_of_its_first_sale():
    units = (np.random.default_rng(5).random((200, 80)) < 0.03).astype(float)
    begun = np.append(np.linspace(40, 190, 79).astype(int), 196)
    units[np.arange(200)[:, None] < begun] = 0.0
    units[begun, np.arange(80)] = 1.0
    units[197:, 79] = 0.0
    found = newest(run(demand_frame(units)), "mean")["P079"]
    assert found.mean() == pytest.approx(0.03, abs=0.02)
