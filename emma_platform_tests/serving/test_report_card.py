"""The report card of one store and of several, on the command line and as a picture."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from emma_platform.cli import main
from emma_platform.model.access import EVERY_STORE, StoreScope
from emma_platform.serving.listing import Attention
from emma_platform.serving.product_list import Asked, product_list
from emma_platform.serving.publication import ServingError
from emma_platform.serving.reader import Reader
from emma_platform.serving.report_card import LISTED, report_card
from emma_platform.settings import Settings

DAYS = 100
LAST_DAY = datetime.now(UTC).date() - timedelta(2)
STORES = ("S1", "S2", "Süd/3")
PRODUCTS = {"P1": "tea", "P2": "tea", "P3": "coffee"}


def emma(home: Path, *arguments: object) -> Result:
    environment = {"EMMA_QUIET_SECONDS": "0", "COLUMNS": "140"}
    result = CliRunner().invoke(main, [*map(str, arguments), "--home", str(home)], env=environment)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three stores whose days are good and bad together."""
    rng = np.random.default_rng(5)
    together = rng.gamma(25.0, 1 / 25.0, DAYS)
    lines = ["store,receipt,sold_at,product,quantity,unit_price\n"]
    for number, on in enumerate(LAST_DAY - timedelta(back) for back in range(DAYS - 1, -1, -1)):
        for store in STORES:
            for place, product in enumerate(PRODUCTS):
                mean = (8 + 6 * place) * (1 + 0.5 * (on.weekday() > 4)) * together[number]
                quantity = max(1, rng.poisson(mean))
                lines.append(f"{store},{store}{on:%j}{product},{on} 10:00:00,{product},{quantity},2.49\n")
    home = tmp_path_factory.mktemp("report") / "home"
    (home / "landing").mkdir(parents=True)
    (home / "landing" / "sales.csv").write_text("".join(lines))
    costs = "".join(f"{product},{category}\n" for product, category in PRODUCTS.items())
    (home / "landing" / "products.csv").write_text(f"product,category\n{costs}")
    assert emma(home, "update").exit_code == 0
    return home


@pytest.fixture(scope="module")
def reader(home: Path) -> Reader:
    return Reader(Settings(home=home).published)


def days_of(reader: Reader, level: str = "store") -> pd.DataFrame:
    rows = reader.table(EVERY_STORE, "sales_forecast_totals").to_pandas()
    return rows[(rows["level"] == level) & rows["actual_units"].notna()]


def by_horizon(rows: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    return {row["horizon_days"]: row for row in rows}


def test_one_store_as_a_whole_is_what_its_table_says(reader: Reader) -> None:
    rows = reader.table(EVERY_STORE, "forecast_accuracy", stores=["S1"]).to_pandas()
    expected = rows[rows["level"] == "store"].set_index("horizon_days")
    found = by_horizon(report_card(reader, EVERY_STORE, stores=["S1"]).whole)
    assert set(found) == {1, 7, 28}
    for horizon, row in found.items():
        for name in set(LISTED) - {"store", "category", "product", "horizon_days"}:
            said = expected.loc[horizon, name]
            assert row[name] == (pytest.approx(said) if isinstance(said, float) else said), name


def test_several_stores_are_added_up_day_by_day(reader: Reader) -> None:
    days = days_of(reader).groupby(["horizon_days", "day"])[["mean", "actual_units", "naive"]].sum()
    for horizon, row in by_horizon(report_card(reader, EVERY_STORE).whole).items():
        of = days.loc[horizon]
        error, naive = of["mean"] - of["actual_units"], of["naive"] - of["actual_units"]
        assert row["days"] == len(of)
        assert row["actual_units"] == pytest.approx(of["actual_units"].sum())
        assert row["bias"] == pytest.approx(of["mean"].sum() / of["actual_units"].sum() - 1)
        assert row["skill_vs_seasonal_naive"] == pytest.approx(1 - error.abs().sum() / naive.abs().sum())
        assert row["scaled_error"] == pytest.approx(np.sqrt((error**2).sum() / (naive**2).sum()))


def test_stores_that_move_together_have_a_wide_interval_together(reader: Reader) -> None:
    report = report_card(reader, EVERY_STORE)
    for horizon in (1, 7, 28):
        of = days_of(reader).query("horizon_days == @horizon")
        error = of.assign(e=of["actual_units"] - of["mean"]).pivot(index="day", columns="store", values="e").to_numpy()
        width = of.assign(w=of["p90"] - of["p10"]).pivot(index="day", columns="store", values="w").to_numpy() / 2.5632
        score = error / width
        pairs = [(score[:, a] * score[:, b]).sum() for a in range(3) for b in range(3) if a != b]
        r = np.clip(sum(pairs) / (6 * len(score)), 0, 1)
        assert r > 0.3
        variance = (1 - r) * (width**2).sum(axis=1) + r * width.sum(axis=1) ** 2
        found = [row for row in report.daily if row["horizon_days"] == horizon]
        np.testing.assert_allclose([row["p90"] - row["mean"] for row in found], 1.2816 * np.sqrt(variance))
        assert by_horizon(report.whole)[horizon]["coverage_80"] > 0.5


@pytest.mark.parametrize("asked", [{}, {"stores": ["S1"]}, {"category": "tea"}])
def test_what_is_to_come_is_the_sum_of_the_products(reader: Reader, asked: dict[str, Any]) -> None:
    rows = reader.table(EVERY_STORE, "sales_forecast", stores=asked.get("stores")).to_pandas()
    tea = [code for code, category in PRODUCTS.items() if asked.get("category", category) == category]
    coming = rows[(rows["made_on"] == LAST_DAY) & rows["product"].isin(tea)]
    found = report_card(reader, EVERY_STORE, **asked).ahead
    assert found is not None
    assert (found.first_day, found.last_day) == (LAST_DAY + timedelta(1), LAST_DAY + timedelta(28))
    assert found.mean == pytest.approx(coming["mean"].sum())
    assert found.p10 < found.mean < found.p90
    daily = {row["day"]: row["mean"] for row in found.daily}
    assert daily == pytest.approx({on: of["mean"].sum() for on, of in coming.groupby("day")})
    assert report_card(reader, EVERY_STORE, product="P1").ahead is None


@pytest.mark.parametrize(
    ("asked", "by", "named"),
    [
        ({}, "store", {("S1", None, None), ("S2", None, None), ("Süd/3", None, None)}),
        ({"stores": ["S2"]}, "category", {("S2", "tea", None), ("S2", "coffee", None)}),
        ({"by": "category"}, "category", {(None, "tea", None), (None, "coffee", None)}),
        ({"stores": ["S2"], "category": "tea"}, "product", {("S2", "tea", "P1"), ("S2", "tea", "P2")}),
        ({"product": "P3"}, "product", {(store, "coffee", "P3") for store in STORES}),
        ({"category": "tea"}, "store", {(store, "tea", None) for store in STORES}),
    ],
)
def test_parts_are_listed_by_what_says_most(
    reader: Reader, asked: dict[str, Any], by: str, named: set[tuple[str | None, ...]]
) -> None:
    found = report_card(reader, EVERY_STORE, **asked)
    assert found.by == by
    assert {(row["store"], row["category"], row["product"]) for row in found.rows} == named
    assert len(found.rows) == 3 * len(named)
    largest = [row["actual_units"] for row in found.rows if row["horizon_days"] == 7]
    assert largest == sorted(largest, reverse=True)
    assert bool(found.whole) == ("product" not in asked)


def test_what_is_not_there_is_refused(reader: Reader, home: Path) -> None:
    with pytest.raises(ServingError, match="nothing of this has a report card"):
        report_card(reader, EVERY_STORE, product="nothing")
    with pytest.raises(ServingError, match="there is no store 'S9'"):
        report_card(reader, EVERY_STORE, stores=["S9"])
    result = emma(home, "report", "--product", "P1", "--plot", home / "none.png")
    assert result.exit_code == 2
    assert "leave out --product" in result.stderr


def test_the_command_shows_it_says_it_as_json_and_draws_it(home: Path) -> None:
    shown = emma(home, "report", "--store", "S1", "--ahead", "28").stdout
    assert "Forecasts of S1, and what happened" in shown
    assert "28 days before" in shown
    assert f"Next: {LAST_DAY + timedelta(1)} to {LAST_DAY + timedelta(28)}" in shown
    assert "tea" in shown
    assert "S1 tea" not in shown, "one store needs no naming on each line"
    assert "S1 P3" in emma(home, "report", "--by", "product").stdout
    picture = home / "report.png"
    said = json.loads(emma(home, "report", "--json", "--by", "product", "--plot", picture).stdout)
    assert len(said["whole"]) == 3
    assert len(said["rows"]) == 3 * len(STORES) * len(PRODUCTS)
    assert said["naive_shown"] == {"products": 0, "of": 9}
    assert date.fromisoformat(said["rows"][0]["last_day"]) == LAST_DAY
    assert len(said["ahead"]["daily"]) == 28
    assert date.fromisoformat(said["ahead"]["daily"][-1]["day"]) == LAST_DAY + timedelta(28)
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("stores", "category"),
    [(STORES, None), (STORES[:2], None), (STORES[:1], None), (STORES, "tea"), (STORES[1:], "tea")],
)
def test_the_list_of_whole_stores_or_a_category_has_the_interval_of_its_report(
    reader: Reader, stores: tuple[str, ...], category: str | None
) -> None:
    ahead = report_card(reader, EVERY_STORE, stores=stores, category=category).ahead
    asked = Asked(stores=frozenset(stores), categories=frozenset([category] if category else []))
    totals = product_list(reader, EVERY_STORE, asked).totals
    assert ahead is not None
    found = (totals.forecast_units_28d, totals.forecast_units_28d_p10, totals.forecast_units_28d_p90)
    assert found == pytest.approx((ahead.mean, ahead.p10, ahead.p90))
    scope = StoreScope.of(*stores)
    assert product_list(reader, scope, Asked(categories=asked.categories)).totals == totals


@pytest.mark.parametrize(
    "asked",
    [
        Asked(search="P1"),
        Asked(products=frozenset({"P1"})),
        Asked(attention=frozenset(Attention)),
        Asked(categories=frozenset({"tea", "coffee"})),
    ],
)
def test_a_list_chosen_in_another_way_has_no_interval_rather_than_a_wrong_one(reader: Reader, asked: Asked) -> None:
    totals = product_list(reader, EVERY_STORE, asked).totals
    assert (totals.forecast_units_28d_p10, totals.forecast_units_28d_p90) == (None, None)
