"""The list of products says what a plain walk over `product_overview` says."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emma_platform.model.access import EVERY_STORE, StoreScope
from emma_platform.serving.listing import Attention, folded
from emma_platform.serving.product_list import NAMES, Asked, all_products, product_list
from emma_platform.serving.publication import ServingError
from emma_platform.serving.publish import publish
from emma_platform.serving.reader import Reader
from emma_platform.store.delta import DeltaStore
from emma_platform.store.protocol import Whole
from emma_platform_tests.serving import chain

STORES, PRODUCTS = ("S1", "S2", "S3"), tuple(f"P{number}" for number in range(8))
NAMED = {"P1": "Crème fraîche", "P2": "Süßkartoffel", "P3": "CREMEQUARK", "P4": None}
STEADY = {"trend_wow_pct": 12, "trend_28d_pct": 6}
"""Selling days of the last 28 from which a change is no chance."""
NULLABLE = ("days_of_cover", "growth_28d_pct", "category")
TABLES = (
    "product_kpis", "products", "sales_forecast", "forecast_scores", "price_recommendations", "probable_stock_outs",
)  # fmt: skip


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    folder = tmp_path_factory.mktemp("listed")
    store, versions = DeltaStore(folder / "lake"), {}
    for name in TABLES:
        rows = chain.rows(name, stores=STORES, days=chain.days_before(35), products=PRODUCTS)
        if name == "products":
            names = [NAMED.get(product, f"name of {product}") for product in rows["product"].to_pylist()]
            rows = rows.set_column(1, rows.schema.field("name"), pa.array(names))
        if name == "product_kpis":
            at = rows.schema.get_field_index("selling_days_28d")
            selling = pa.array(np.arange(rows.num_rows) % 5 * 4, rows.schema.field(at).type)
            rows = rows.set_column(at, rows.schema.field(at), selling)
            for place, column in enumerate(NULLABLE):
                gaps = pa.array([number % 5 == place for number in range(rows.num_rows)])
                kept = pc.if_else(gaps, pa.scalar(None, rows.schema.field(column).type), rows[column])
                rows = rows.set_column(rows.schema.get_field_index(column), rows.schema.field(column), kept)
        if name == "probable_stock_outs":
            rows = rows.filter(pc.is_in(rows["product"], pa.array(["P2", "P5"])))
        versions[name] = store.commit(name, rows, Whole(), {})
    publish(store, versions=versions, published=folder / "p", publication_id="p", at=chain.AT, keep=1)
    return Reader(folder / "p")


asked = st.builds(
    Asked,
    stores=st.frozensets(st.sampled_from(STORES), max_size=2),
    products=st.frozensets(st.sampled_from([*PRODUCTS, "P"]), max_size=3),
    categories=st.frozensets(st.sampled_from(["", "category 3", "category 38"]), max_size=2),
    search=st.sampled_from(["", "creme", "CRÈME", "sus", "p 1", "süss", "name P5", "nowhere"]),
    attention=st.frozensets(st.sampled_from(Attention), max_size=2),
    period=st.sampled_from([7, 28]),
    sort=st.sampled_from(["revenue", "growth", *NAMES]),
    descending=st.booleans(),
)
scopes = st.sampled_from([EVERY_STORE, StoreScope.of("S1", "S3"), StoreScope.of("S2", "elsewhere")])


@settings(deadline=None, max_examples=150)
@given(asked=asked, scope=scopes, offset=st.integers(0, 20), limit=st.integers(1, 10))
def test_rows_order_and_totals(listed: Reader, asked: Asked, scope: StoreScope, offset: int, limit: int) -> None:
    if not all(map(scope.allows, asked.stores)):
        with pytest.raises(ServingError, match="there is no store"):
            product_list(listed, scope, asked)
        return
    everything = listed.table(scope, "product_overview").to_pylist()
    wanted = sorted((row for row in everything if is_asked(row, asked)), key=lambda row: place(row, asked))
    page = product_list(listed, scope, asked, offset=offset, limit=limit)
    shown = wanted[offset : offset + limit]
    assert [(row["store"], row["product"]) for row in page.rows] == [(row["store"], row["product"]) for row in shown]
    assert page.next_offset == (offset + limit if offset + limit < len(wanted) else None)
    assert [row["revenue_28d"] for row in page.rows] == [row["revenue_28d"] for row in shown]
    totals = page.totals
    assert (totals.products, totals.revenue_28d) == (len(wanted), total(wanted, "revenue_28d"))
    assert totals.revenue_7d == total(wanted, "revenue_7d")
    costed = [row for row in wanted if row["gross_margin_28d"] is not None]
    assert totals.gross_margin_28d == (total(costed, "gross_margin_28d") if costed else None)
    if costed:
        whole = total(costed, "gross_margin_28d") / total(costed, "revenue_28d") * 100
        assert totals.gross_margin_28d_pct == pytest.approx(float(whole))
    assert totals.forecast_units_28d == (
        pytest.approx(sum(row["forecast_units_28d"] for row in wanted)) if wanted else None
    )
    assert totals.counted == sum(row["on_hand"] is not None for row in wanted)
    assert totals.attention == {why: sum(needs(row, why) for row in wanted) for why in Attention}
    assert dict(page.stores) == {name: 8 for name in STORES if scope.allows(name)}
    assert sum(page.categories.values()) == len(everything)
    rows = all_products(listed, scope, asked)
    assert list(zip(rows["store"].to_pylist(), rows["product"].to_pylist(), strict=True)) == [
        (row["store"], row["product"]) for row in wanted
    ]


def is_asked(row: dict[str, Any], asked: Asked) -> bool:
    text = folded(f"{row['product']}\n{row['name'] or ''}")
    return (
        (not asked.stores or row["store"] in asked.stores)
        and (not asked.products or row["product"] in asked.products)
        and (not asked.categories or (row["category"] or "") in asked.categories)
        and all(word in text for word in folded(asked.search).split())
        and (not asked.attention or any(needs(row, why) for why in asked.attention))
    )


def needs(row: dict[str, Any], why: Attention) -> bool:
    match why:
        case Attention.PRICE:
            return row["status"] in {"recommend", "explore"}
        case Attention.COVER:
            return row["days_of_cover"] is not None and row["days_of_cover"] < 7
        case Attention.SHELF:
            return row["empty_shelf_since"] is not None
        case _:
            return row["forecast_skill_vs_seasonal_naive"] <= 0 and row["selling_days_28d"] >= 6


class Reversed:
    """A value whose order is turned round."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: Reversed) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reversed) and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash(self.value)


def place(row: dict[str, Any], asked: Asked) -> tuple[Any, ...]:
    named = {
        "revenue": f"revenue_{asked.period}d",
        "growth": "trend_wow_pct" if asked.period == 7 else "trend_28d_pct",
    }
    column = named.get(asked.sort, asked.sort)
    if column.startswith("trend"):
        value = row[column.replace("trend", "growth")] if row["selling_days_28d"] >= STEADY[column] else None
    else:
        value = row[column] if column in row else float(row["gross_margin_28d"]) / float(row["revenue_28d"])
    unknown = value is None
    key = 0 if unknown else Reversed(value) if asked.descending else value
    return unknown, key, row["store"], row["product"]


def total(rows: list[dict[str, Any]], name: str) -> Decimal:
    return sum((row[name] for row in rows), Decimal(0))


def test_a_rare_seller_has_no_trend(listed: Reader) -> None:
    rows = product_list(listed, EVERY_STORE, Asked(), limit=24).rows
    rare = [row for row in rows if row["selling_days_28d"] < 6]
    assert 0 < len(rare) < len(rows)
    for row in rows:
        assert row["trend_28d_pct"] == (None if row in rare else row["growth_28d_pct"])
        assert row["trend_wow_pct"] == (None if row["selling_days_28d"] < 12 else row["growth_wow_pct"])


def test_a_row_has_its_units_by_day(listed: Reader) -> None:
    (row,) = product_list(listed, EVERY_STORE, Asked(stores=frozenset({"S2"}), search="P2")).rows
    kpis = listed.product(EVERY_STORE, "S2", "P2").kpis
    by_day = dict(zip(kpis["day"].to_pylist(), kpis["units"].to_pylist(), strict=True))
    last: date = row["day"]
    assert row["units_by_day_30d"] == [float(by_day[last - timedelta(back)]) for back in reversed(range(30))]
    assert set(NAMES) | {"attention"} == set(row)
    assert Attention.SHELF in row["attention"]


def test_a_column_that_is_not_there(listed: Reader) -> None:
    with pytest.raises(ServingError, match=r"sorted by revenue, growth, store, .*not by 'price'"):
        product_list(listed, EVERY_STORE, Asked(sort="price"))


def test_days_without_a_row_are_zero_and_amounts_keep_their_decimals(tmp_path: Path) -> None:
    store = DeltaStore(tmp_path / "lake")
    rows = chain.rows("product_kpis", stores=["S1"], days=chain.days_before(40), products=["P1"])
    rows = rows.filter(pc.not_equal(rows["day"], chain.LAST_DAY - timedelta(2)))
    units = pa.array([Decimal(100), Decimal("0.05"), Decimal("-1.5")][number % 3] for number in range(39))
    rows = rows.set_column(rows.schema.get_field_index("units"), "units", units.cast(pa.decimal128(18, 3)))
    versions = {"product_kpis": store.commit("product_kpis", rows, Whole(), {})}
    publish(store, versions=versions, published=tmp_path / "p", publication_id="p", at=chain.AT, keep=1)
    (row,) = Reader(tmp_path / "p").table(EVERY_STORE, "product_overview").to_pylist()
    assert row["units_by_day_30d"].split() == [*(["0.05", "-1.5", "100"] * 10)[:27], "0", "0.05", "-1.5"]
