from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from math import sqrt

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emma_platform.engine.duckdb import DuckDBEngine
from emma_platform.model.tables import CLEAN_SALES, PRODUCT_KPIS, PRODUCTS, STOCK
from emma_platform.transforms.sql import load

ENGINE = DuckDBEngine(threads=2)
FIRST = date(2026, 2, 1)
RATIO_COLUMNS = {column.name for column in PRODUCT_KPIS.columns if column.type == "double"}


def sale(day, product="P1", quantity="1", price="2", *, store="S1", receipt="R1", discount="0"):
    """A clean line; its day is counted from FIRST."""
    quantity, price = Decimal(quantity), Decimal(price)
    when = FIRST + timedelta(days=day)
    revenue = (quantity * price).quantize(Decimal("0.0001"), ROUND_HALF_UP)
    return dict.fromkeys(CLEAN_SALES.names) | {
        "store": store,
        "day": when,
        "receipt": receipt,
        "sold_at": datetime(when.year, when.month, when.day, 12, tzinfo=UTC),
        "product": product,
        "quantity": quantity,
        "unit_price": price,
        "discount": Decimal(discount),
        "revenue": revenue,
        "is_return": quantity < 0,
        "is_known_product": True,
        "is_known_store": True,
    }


def count(day, product, on_hand, *, store="S1", file="s.csv"):
    return {"store": store, "day": FIRST + timedelta(days=day), "file": file, "product": product, "on_hand": on_hand}


def product(name, category=None, unit_cost=None):
    cost = None if unit_cost is None else Decimal(unit_cost)
    return dict.fromkeys(PRODUCTS.names) | {"product": name, "category": category, "unit_cost": cost}


def figures(sales, wanted, *, products=(), stock=(), engine=ENGINE) -> pa.Table:
    sales = [row | {"line": place} for place, row in enumerate(sales, start=1)]
    stock = [row | {"on_hand": Decimal(row["on_hand"]), "line": place} for place, row in enumerate(stock, start=2)]
    days = [{"store": store, "day": FIRST + timedelta(days=day)} for store, day in wanted]
    tables = {
        "clean_sales": pa.Table.from_pylist(sales, schema=CLEAN_SALES.arrow_schema()),
        "products": pa.Table.from_pylist(list(products), schema=PRODUCTS.arrow_schema()),
        "stock": pa.Table.from_pylist(stock, schema=STOCK.arrow_schema()),
        "wanted": pa.Table.from_pylist(days, schema=pa.schema([("store", pa.string()), ("day", pa.date32())])),
    }
    return engine.run(load("product_kpis").text, tables).cast(PRODUCT_KPIS.arrow_schema())


def by_key(table):
    return {(row["store"], (row["day"] - FIRST).days, row["product"]): row for row in table.to_pylist()}


# The same figures worked out slowly, from model/kpis.py, without looking at the statement.


def ratio(numerator, denominator, times=1.0):
    if numerator is None or denominator is None or denominator == 0:
        return None
    return times * float(numerator) / float(denominator)


def money(value):
    return None if value is None else value.quantize(Decimal("0.0001"), ROUND_HALF_UP)


def slow_row(mine, of_day, store, day, name, known, on_hand):
    """The columns of one row that need no other product; `mine(a, b)` are the product's lines from d-b to d-a."""
    today, all_28 = mine(0, 0), mine(0, 27)

    def units(lines):
        return sum((line["quantity"] for line in lines), Decimal(0))

    def revenue(lines):
        return sum((line["revenue"] for line in lines), Decimal(0))

    def sold(lines):
        return [line for line in lines if line["quantity"] > 0]

    sold_units, sold_revenue = units(sold(today)), revenue(sold(today))
    discount = sum((line["discount"] for line in sold(today)), Decimal(0))
    returned = -units(line for line in today if line["quantity"] < 0)
    receipts = len({line["receipt"] for line in sold(today)})
    store_receipts = len({line["receipt"] for line in sold(of_day)})
    unit_cost = known.get("unit_cost")
    cost = None if unit_cost is None else money(units(today) * unit_cost)
    cost_28d = None if unit_cost is None else money(units(all_28) * unit_cost)
    margin = None if cost is None else revenue(today) - cost
    weeks = [units(sold(mine(7 * k, 7 * k + 6))) for k in range(4)]
    mean = sum(weeks) / 4
    cv = None if mean == 0 else sqrt(sum(float(w - mean) ** 2 for w in weeks) / 4) / float(mean)
    sold_28 = sold(all_28)
    last_7, before_7 = revenue(mine(0, 6)), revenue(mine(7, 13))
    last_14, before_14 = revenue(mine(0, 13)), revenue(mine(14, 27))
    return {
        "store": store, "day": FIRST + timedelta(days=day), "product": name, "category": known.get("category"),
        "units": units(today), "sold_units": sold_units, "returned_units": returned,
        "revenue": revenue(today), "sold_revenue": sold_revenue, "discount": discount,
        "receipts": receipts, "store_receipts": store_receipts,
        "average_price": ratio(sold_revenue, sold_units),
        "discount_rate_pct": ratio(discount, sold_revenue + discount, 100),
        "return_rate_pct": ratio(returned, sold_units, 100),
        "basket_share_pct": ratio(receipts, store_receipts, 100),
        "unit_cost": unit_cost, "cost": cost, "gross_margin": margin,
        "gross_margin_pct": ratio(margin, revenue(today), 100),
        "units_7d": units(mine(0, 6)), "units_28d": units(all_28), "sold_units_28d": units(sold_28),
        "revenue_7d": last_7, "revenue_28d": revenue(all_28), "sold_revenue_28d": revenue(sold_28),
        "average_price_28d": ratio(revenue(sold_28), units(sold_28)),
        "cost_28d": cost_28d, "gross_margin_28d": None if cost_28d is None else revenue(all_28) - cost_28d,
        "selling_days_28d": len({line["day"] for line in sold_28}),
        "days_since_sale": min(((FIRST + timedelta(days=day) - line["day"]).days for line in sold_28), default=None),
        "units_cv_28d": cv, "xyz_class": None if cv is None else "X" if cv < 0.5 else "Y" if cv < 1 else "Z",
        "revenue_previous_7d": before_7, "growth_wow_pct": ratio(last_7 - before_7, before_7, 100),
        "revenue_14d": last_14, "revenue_previous_14d": before_14,
        "growth_28d_pct": ratio(last_14 - before_14, before_14, 100),
        "on_hand": on_hand,
        "days_of_cover": None if on_hand is None else ratio(on_hand, units(all_28) / 28),
        "sell_through_28d": None if on_hand is None else ratio(units(sold_28), units(sold_28) + on_hand),
    }  # fmt: skip


def slow_day(sales, store, day, products, stock):
    """Every row of one store-day."""
    today = FIRST + timedelta(days=day)
    here = [line for line in sales if line["store"] == store and 0 <= (today - line["day"]).days <= 27]
    counted = {}
    for place, row in sorted(enumerate(stock), key=lambda pair: (pair[1]["file"], pair[0])):
        if (row["store"], row["day"]) == (store, today):
            counted[row["product"]] = (place, Decimal(row["on_hand"]))
    known = {row["product"]: row for row in products}
    rows = []
    for name in {line["product"] for line in here} | set(counted):

        def mine(newest, oldest, name=name):
            return [line for line in here if line["product"] == name and newest <= (today - line["day"]).days <= oldest]

        of_day = [line for line in here if line["day"] == today]
        rows.append(slow_row(mine, of_day, store, day, name, known.get(name, {}), counted.get(name, (0, None))[1]))
    rows.sort(key=lambda row: (-row["revenue_28d"], row["product"]))
    positive = sum((max(row["revenue_28d"], Decimal(0)) for row in rows), Decimal(0))
    before = Decimal(0)
    for rank, row in enumerate(rows, start=1):
        same = [other["revenue_28d"] for other in rows if other["category"] == row["category"]]
        row["category_revenue_28d"] = None if row["category"] is None else sum(same, Decimal(0))
        row["revenue_share_of_category_28d"] = ratio(row["revenue_28d"], row["category_revenue_28d"])
        row["store_revenue_28d"] = sum((other["revenue_28d"] for other in rows), Decimal(0))
        row["revenue_rank_28d"] = rank
        share = before / positive if positive else Decimal(1)
        row["abc_class"] = "A" if share < Decimal("0.80") else "B" if share < Decimal("0.95") else "C"
        before += max(row["revenue_28d"], Decimal(0))
    return rows


quantities = st.sampled_from(["1", "2", "3", "0.125", "10", "-1", "-2", "-0.5"])
SALES = st.lists(
    st.builds(
        sale,
        day=st.integers(0, 70),
        product=st.sampled_from(["P1", "P2", "P3", "Ä/4"]),
        quantity=quantities,
        price=st.sampled_from(["0", "1", "2.5", "0.000333", "7.99"]),
        store=st.sampled_from(["S1", "S1", "S2"]),
        receipt=st.sampled_from(["R1", "R2", "R3"]),
        discount=st.sampled_from(["0", "0.5"]),
    ),
    max_size=40,
)
STOCKS = st.lists(
    st.builds(
        count,
        day=st.integers(25, 75),
        product=st.sampled_from(["P1", "P2", "P9"]),
        on_hand=st.sampled_from(["0", "4", "12.5", "-1"]),
        file=st.sampled_from(["s.csv", "t.csv"]),
    ),
    max_size=8,
)
WANTED = st.sets(st.tuples(st.sampled_from(["S1", "S2", "S3"]), st.integers(0, 80)), max_size=12)
KNOWN = (
    product("P1", "food", "0.7"),
    product("P2", "food", "1.234567"),
    product("P3", "toys"),
    product("P9", None, "1"),
)


@settings(max_examples=45, deadline=None)
@given(sales=SALES, stock=STOCKS, wanted=WANTED)
def test_every_figure_is_what_a_slow_reading_of_its_formula_gives(sales, stock, wanted):
    found = by_key(figures(sales, wanted, products=KNOWN, stock=stock))
    expected = {
        (store, day, row["product"]): row for store, day in wanted for row in slow_day(sales, store, day, KNOWN, stock)
    }
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        assert row.keys() == set(PRODUCT_KPIS.names)
        for name, value in row.items():
            if name in RATIO_COLUMNS and value is not None:
                assert found[key][name] == pytest.approx(value, rel=1e-9, abs=1e-12), (key, name)
            else:
                assert found[key][name] == value, (key, name)


@settings(max_examples=10, deadline=None)
@given(sales=SALES, cut=st.integers(0, 80))
def test_parts_sum_to_the_whole_and_batches_do_not_matter(sales, cut):
    wanted = {("S1", day) for day in range(75)}
    whole = figures(sales, wanted)
    parts = [figures(sales, {key for key in wanted if (key[1] < cut) == early}) for early in (True, False)]
    everything = ENGINE.digest(whole, [], PRODUCT_KPIS.names).to_pylist()
    assert ENGINE.digest(pa.concat_tables(parts), [], PRODUCT_KPIS.names).to_pylist() == everything
    for day in range(75):
        today = FIRST + timedelta(days=day)
        rows = [row for (_, d, _), row in by_key(whole).items() if d == day]
        revenue = [line["revenue"] for line in sales if (line["store"], line["day"]) == ("S1", today)]
        assert sum(row["revenue"] for row in rows) == sum(revenue)
        assert {row["store_revenue_28d"] for row in rows} <= {sum(row["revenue_28d"] for row in rows)}


def test_the_window_is_28_days_and_no_more():
    found = by_key(figures([sale(0, quantity="3")], {("S1", day) for day in range(40)}))
    assert sorted(day for _, day, _ in found) == list(range(28))
    assert found["S1", 27, "P1"]["units_28d"] == 3
    assert found["S1", 27, "P1"]["days_since_sale"] == 27
    assert [found["S1", day, "P1"]["units_7d"] for day in (6, 7)] == [3, 0]
    assert [found["S1", day, "P1"]["revenue_previous_7d"] for day in (6, 7, 13, 14)] == [0, 6, 6, 0]


@pytest.mark.parametrize("gap", [27, 28, 29, 40])
@pytest.mark.parametrize("counted", [False, True])
def test_a_rare_product_has_rows_around_its_sales_and_counts_only(gap, counted):
    stock = [count(gap - 1, "P1", "5")] if counted else []
    found = by_key(figures([sale(0), sale(gap)], {("S1", day) for day in range(70)}, stock=stock))
    days = {*range(28), *range(gap, gap + 28), *([gap - 1] if counted else [])}
    assert sorted(day for _, day, _ in found) == sorted(days)
    for day in days:
        assert found["S1", day, "P1"]["units_28d"] == sum(0 <= day - sold <= 27 for sold in (0, gap))


def test_a_wanted_day_without_anything_has_no_rows():
    assert figures([sale(0)], {("S1", 28), ("S2", 0)}).num_rows == 0
    assert figures([], {("S1", 0)}).num_rows == 0
    assert figures([sale(0)], set()).num_rows == 0


def test_of_several_counts_the_last_by_file_and_line_holds():
    stock = [count(5, "P1", "9", file="b.csv"), count(5, "P1", "8", file="b.csv"), count(5, "P1", "7", file="a.csv")]
    (row,) = figures([], {("S1", 5), ("S1", 6)}, stock=stock).to_pylist()
    assert row["on_hand"] == 8
    assert row["days_of_cover"] is None
    assert (row["units_28d"], row["abc_class"], row["xyz_class"], row["days_since_sale"]) == (0, "C", None, None)


def test_a_count_long_after_the_last_sale_sees_none_of_it():
    found = by_key(figures([sale(0)], {("S1", 0), ("S1", 60)}, stock=[count(60, "P1", "4")]))
    row = found["S1", 60, "P1"]
    assert (row["units_28d"], row["revenue_28d"], row["days_since_sale"]) == (0, 0, None)


def test_abc_takes_the_share_before_the_product_and_ties_go_by_product():
    sales = [
        sale(0, name, "1", price) for name, price in (("B", "40"), ("A", "40"), ("C", "15"), ("D", "5"), ("E", "0"))
    ]
    found = by_key(figures(sales, {("S1", 0)}))
    ranks = {name: (row["revenue_rank_28d"], row["abc_class"]) for (_, _, name), row in found.items()}
    assert ranks == {"A": (1, "A"), "B": (2, "A"), "C": (3, "B"), "D": (4, "C"), "E": (5, "C")}


def test_costs_beyond_the_range_of_money_are_not_known():
    sales = [sale(0, quantity="9000000", price="0.01")]
    (row,) = figures(sales, {("S1", 0)}, products=[product("P1", None, "900000000000")]).to_pylist()
    assert (row["cost"], row["gross_margin"], row["revenue"]) == (None, None, 90000)


def test_one_thread_gives_what_many_give():
    sales = [sale(i % 60, f"P{i % 17}", str(i % 5 - 1 or 1), "1.1", receipt=f"R{i % 31}") for i in range(4000)]
    wanted = {("S1", day) for day in range(60)}
    with DuckDBEngine(threads=1) as one, DuckDBEngine(threads=4) as many:
        contents = [
            engine.digest(figures(sales, wanted, engine=engine), [], PRODUCT_KPIS.names).to_pylist()
            for engine in (one, many)
        ]
    assert contents[0] == contents[1]
