"""What charts are given to draw."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from emma_platform.model.access import EVERY_STORE
from emma_platform.serving.price_curve import price_curve
from emma_platform.serving.product_page import ProductPage
from emma_platform.serving.reader import Reader
from emma_platform.settings import Settings
from emma_platform.web import charts

LAST = date(2026, 11, 22)


def page(**tables: list[dict[str, Any]]) -> ProductPage:
    """A page whose tables hold these rows."""
    names = set(ProductPage.__dataclass_fields__) - {"publication", "store", "product"}
    given = {name: pa.Table.from_pylist(tables.get(name, [])) for name in names}
    return ProductPage(publication="p", store="S", product="P", **given)


SOLD = [{"day": LAST - timedelta(days=back), "sold_units": back} for back in (3, 1, 0)]
AHEAD = [
    {"day": LAST + timedelta(days=ahead), "mean": 2.0, "p025": 0.0, "p10": 1.0, "p90": 3.0, "p975": 4.0}
    for ahead in range(1, 29)
]


def test_the_fan_begins_where_the_history_ends_and_a_day_without_a_row_sold_nothing() -> None:
    drawn = charts.fan(page(kpis=SOLD, forecast=AHEAD))
    assert drawn["sold"][:4] == [3, 0, 1, 0]
    assert drawn["sold"][4:] == [None] * 28
    assert drawn["mean"][:4] == [None] * 4
    assert drawn["mean"][4:] == [2.0] * 28
    assert drawn["days"][3] == drawn["today"]
    assert {len(drawn[name]) for name in ("days", "sold", *charts.BANDS)} == {32}


def test_promotions_and_empty_shelves_are_cut_to_the_days_shown() -> None:
    runs = [
        {"first_day": LAST - timedelta(days=90), "last_day": LAST - timedelta(days=80)},
        {"first_day": LAST - timedelta(days=9), "last_day": LAST - timedelta(days=2)},
        {"first_day": LAST + timedelta(days=20), "last_day": LAST + timedelta(days=60)},
    ]
    drawn = charts.fan(page(kpis=SOLD, forecast=AHEAD, promotions=runs, stock_outs=runs[:2]))
    today = drawn["today"]
    assert drawn["promotions"] == [[today - 3, today - 2], [today + 20, today + 28]]
    assert drawn["empty"] == [[today - 3, today - 2]]


def test_the_sentence_names_the_days_it_counts_for_a_narrow_screen_draws_fewer() -> None:
    row = {"sold_units_28d": 4, "forecast_units_28d": None}
    runs = [{"first_day": LAST - timedelta(days=2), "last_day": LAST}]
    drawn = charts.fan(page(kpis=SOLD, forecast=AHEAD, promotions=runs))
    said = "4 sold in the last 28 days. From Thu 19 Nov to Sun 20 Dec: 3 days on promotion."
    assert charts.fan_sentence(row, drawn) == said
    assert charts.fan_sentence(row, charts.fan(page(kpis=SOLD))) == "4 sold in the last 28 days."


def test_without_sales_and_forecast_there_is_nothing_to_draw() -> None:
    assert charts.fan(page()) == {}
    assert charts.fan_sentence(None, {}) == "There are no sales in the last 28 days."


@given(
    st.integers(1, 40).flatmap(
        lambda days: st.lists(st.lists(st.floats(-5, 1e6), min_size=days, max_size=days), max_size=3)
    )
)
@example([[2.2e-309]])
@example([[1.0, 0.0, 60.0], [0.0, 0.0, 0.0]])
def test_a_sparkline_goes_from_zero_to_its_largest_value(series: list[list[float]]) -> None:
    drawn = charts.sparklines(pa.chunked_array([[" ".join(map(str, values)) for values in series]], pa.string()))
    for values, line in zip(series, drawn, strict=True):
        if max(values) <= 0:
            assert not line
            continue
        points = line.split('points="')[1].split('"', maxsplit=1)[0].split()
        last = max(len(values) - 1, 1)
        assert points == [
            f"{place * charts.WIDTH / last:.0f},{22.5 - 21 * (max(value, 0.0) / max(values)):.1f}"
            for place, value in enumerate(values)
        ]


def test_sentences_say_what_the_figures_of_a_real_product_say(shared_home: Path) -> None:
    reader = Reader(shared_home / "published")
    rows = reader.table(EVERY_STORE, "product_overview").to_pylist()
    advised = next(row for row in rows if row["status"] == "recommend")
    shown = reader.product(EVERY_STORE, advised["store"], advised["product"])
    sentence = charts.fan_sentence(advised, charts.fan(shown))
    assert sentence.startswith(f"{advised['sold_units_28d']:.0f} sold in the last 28 days; ")
    curve = price_curve(advised, Settings(home=shared_home))
    assert curve is not None
    assert f"{advised['recommended_price']:.2f}" in charts.curve_sentence(curve, advised)
    assert curve.allowed[0] <= advised["recommended_price"] <= curve.allowed[1]
