"""Totals of a store and its categories: coherent sums, and intervals that know what products have in common."""

import numpy as np
import pytest

from emma_platform.model.report_card import SALES_FORECAST_TOTALS
from emma_platform_tests.transforms.forecast_frames import MADE_ON, day, demand_frame, run, weekly_sales


def by_group(result, column="mean"):
    rows = result.sales_forecast_totals.to_pandas()
    rows = rows[rows["made_on"] == MADE_ON].sort_values("day")
    return {key: group[column].to_numpy() for key, group in rows.groupby(["level", "category"], dropna=False)}


def named(found):
    """Keys with None for a category that is not there."""
    return {
        (level, category if isinstance(category, str) else None): values for (level, category), values in found.items()
    }


def shaken(days, width, common, *, seed, level=4.0):
    """Sales whose expected value moves together by a random factor with this coefficient of variation each day."""
    rng = np.random.default_rng(seed)
    together = rng.gamma(1 / common**2, common**2, days)[:, None] if common else np.ones((days, 1))
    return rng.poisson(level * together * np.ones((1, width))).astype(float)


def test_means_are_the_sums_of_the_products_and_of_the_categories():
    units = weekly_sales(200, [3.0, 0.4, 12.0, 2.0], seed=5)
    result = run(demand_frame(units, categories=["food", None, "food", "drinks"]))
    table = result.sales_forecast_totals
    assert table.schema.equals(SALES_FORECAST_TOTALS.arrow_schema())
    table.validate(full=True)
    products = result.sales_forecast.to_pandas()
    products = products[products["made_on"] == MADE_ON]
    sums = products.pivot(index="day", columns="product", values="mean")
    found = named(by_group(result))
    assert set(found) == {("category", "food"), ("category", "drinks"), ("category", None), ("store", None)}
    for names, key in ((["P000", "P002"], "food"), (["P001"], None), (["P003"], "drinks")):
        np.testing.assert_allclose(found["category", key], sums[names].sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(found["store", None], sums.sum(axis=1), rtol=1e-12)


def test_a_product_that_is_not_forecast_is_in_no_total():
    units = weekly_sales(300, [3.0, 5.0], seed=6)
    units[:-190, 1], units[-190:, 1] = 5.0, 0.0
    result = run(demand_frame(units, categories=["food", "gone"]))
    assert set(named(by_group(result))) == {("category", "food"), ("store", None)}
    np.testing.assert_array_equal(*named(by_group(result)).values())


@pytest.mark.parametrize("common", [0.0, 0.15])
def test_intervals_cover_totals_of_products_that_move_together_and_of_those_that_do_not(common):
    """On 30 stores of 50 products, each with 28 days to come: the share inside is what the interval says."""
    inside, width = {80: [], 95: []}, []
    for seed in range(30):
        units = shaken(220, 50, common, seed=seed)
        result = run(demand_frame(units[:-28], last=day(28)), made_on=day(28))
        rows = result.sales_forecast_totals.filter(
            [level == "store" for level in result.sales_forecast_totals["level"].to_pylist()]
        ).to_pandas()
        rows = rows[rows["made_on"] == day(28)]
        actual = units[-28:].sum(axis=1)
        for name, low, high in ((80, "p10", "p90"), (95, "p025", "p975")):
            inside[name] += list((actual >= rows[low]) & (actual <= rows[high]))
        width.append((rows["p90"] - rows["p10"]).mean() / rows["mean"].mean())
    assert 0.74 < np.mean(inside[80]) < 0.88
    assert 0.91 < np.mean(inside[95]) < 0.99
    expected = 2 * 1.2816 * np.sqrt(1 / 200 + common**2)
    np.testing.assert_allclose(np.mean(width), expected, rtol=0.2)


def test_products_sold_instead_of_one_another_have_a_narrower_total():
    rng = np.random.default_rng(8)
    total = rng.poisson(100, 300)
    first = rng.binomial(total, rng.beta(2, 2, 300))
    units = np.stack([first, total - first], axis=1).astype(float)
    found = by_group(run(demand_frame(units)), "p90"), by_group(run(demand_frame(units)), "p10")
    (width,) = {round(float((high - low).mean()), 6) for high, low in zip(*(f.values() for f in found), strict=True)}
    assert 20 < width < 34, "each product scatters by 25, their sum by 10: 2.6 times that is the width"


def test_parts_of_a_unit_are_counted_in_hundredths_and_closed_days_are_zero():
    units = weekly_sales(200, [3.0, 8.0], seed=5)
    units[:, 0] += 0.255 * (units[:, 0] > 0)
    units[(MADE_ON.weekday() - np.arange(199, -1, -1)) % 7 == 6] = 0.0
    rows = run(demand_frame(units)).sales_forecast_totals.to_pandas()
    store = rows[rows["level"] == "store"]
    sundays = np.array([on.weekday() == 6 for on in store["day"]])
    assert (store.loc[sundays, ["mean", "p025", "p975"]] == 0).all(axis=None)
    high = store.loc[~sundays, "p90"].to_numpy() * 100
    np.testing.assert_allclose(high, np.rint(high), atol=1e-6)
    assert (np.rint(high) % 100 != 0).any()
