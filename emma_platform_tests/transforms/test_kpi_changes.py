"""Why a figure moved: laws that every split obeys, and changes with one cause, which must have one part."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emma_platform.model.parts import PART_NAMES
from emma_platform.transforms.exact_sums import exact_parts
from emma_platform.transforms.kpi_changes import KPIS, split_changes
from emma_platform_tests.transforms.change_world import Sale, parts, split

PRICES = {"P1": Decimal("1.99"), "P2": Decimal("0.85"), "P3": Decimal("7.5")}
UNITS = {"P1": [3, 5, 2, 4, 9, 12, 1], "P2": [1, 1, 0, 2, 3, 5, 0], "P3": [7, 7, 6, 7, 8, 2, 1]}


def week(start: int, *, times: int = 1, price: Decimal = Decimal(1), store: str = "S1", products: str = "P1 P2 P3"):
    """A week of every product with its own pattern; `times` the units at `price` times the price."""
    return [
        Sale(start + day, units * times, PRICES[product] * price, product, store, receipts=10 * times)
        for product in products.split()
        for day, units in enumerate(UNITS[product])
    ]


odd_sales = st.lists(
    st.builds(
        Sale,
        day=st.integers(0, 13),
        units=st.integers(-3, 9),
        price=st.decimals("0.01", "99.99", places=4),
        product=st.sampled_from(["P1", "P2", "P3", "P4"]),
        store=st.sampled_from(["S1", "S2"]),
        receipts=st.integers(0, 4),
    ),
    min_size=1,
    max_size=25,
    unique_by=lambda sale: (sale.store, sale.product, sale.day),
)
categories = st.fixed_dictionaries({p: st.sampled_from(["C1", "C2", None]) for p in ("P1", "P2", "P3", "P4")})
days = st.integers(0, 13)
promotion = st.tuples(st.sampled_from([None, "S1"]), st.sampled_from(["P1", "P2", "P9"]), st.integers(0, 9), days)
event = st.tuples(
    st.sampled_from([None, "S2"]), days, st.sampled_from("ab"), st.sampled_from(["holiday", "event", "closed"])
)
lost = st.tuples(st.just("S1"), st.sampled_from(["P1", "P3"]), days, st.floats(0, 5))
worlds = st.fixed_dictionaries(
    {
        "promotions": st.lists(promotion, max_size=3),
        "events": st.lists(event, max_size=3),
        "lives": st.fixed_dictionaries({"S1": st.tuples(st.integers(0, 9), days), "S2": st.just((0, 13))}),
        "lost": st.lists(lost, max_size=3),
    }
)


@settings(max_examples=60)
@given(sales=odd_sales, category=categories, world=worlds, kpi=st.sampled_from(KPIS))
def test_parts_sum_to_the_change_and_change_sign_with_the_periods(sales, category, world, kpi):
    sales = [replace(sale, category=category[sale.product]) for sale in sales]
    rows, back = (split(sales, kpi, swapped=swapped, **world) for swapped in (False, True))
    for row in rows.to_pylist():
        assert sum(row[name] for name in PART_NAMES) == row["change"] == row["after"] - row["before"]
    assert rows.select(["store", "product"]).equals(back.select(["store", "product"]))
    for name in ("change", *PART_NAMES):
        assert rows[name].to_pylist() == [-amount for amount in back[name].to_pylist()], name


@settings(max_examples=30)
@given(sales=odd_sales, category=categories, world=worlds)
def test_before_and_after_are_what_was_sold(sales, category, world):
    sales = [replace(sale, category=category[sale.product]) for sale in sales]
    world["lives"] = None
    rows = split(sales, **world)
    traded = {(sale.store, sale.day) for sale in sales if sale.units or sale.receipts}
    for name, days in (("before", range(7)), ("after", range(7, 14))):
        expected = sum(s.units * s.price for s in sales if s.day in days and (s.store, s.day) in traded)
        assert sum(rows[name].to_pylist()) == expected


@given(
    amounts=st.lists(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4), min_size=1, max_size=5),
    off=st.integers(-9, 9),
)
def test_rounded_parts_sum_to_any_total_and_negate(amounts, off):
    values = np.array(amounts)
    totals = np.rint(values.sum(axis=1)).astype(np.int64) + off
    found = exact_parts(values, totals)
    assert (found.sum(axis=1) == totals).all()
    assert np.abs(found - values).max() <= (abs(off) + 3) / 4 + 1.5
    assert (exact_parts(-values, -totals) == -found).all()


def test_the_largest_remainder_gets_what_rounding_lost():
    assert exact_parts(np.array([[0.4, 0.3, 0.3], [1.5, 0.5, 0.0]]), np.array([1, 2])).tolist() == [
        [1, 0, 0],
        [1, 1, 0],
    ]


@pytest.mark.parametrize("kpi", KPIS)
def test_nothing_changed(kpi):
    assert parts(split(week(0) + week(7), kpi, promotions=[(None, "P1", 2, 3), (None, "P1", 9, 10)])) == {}


@pytest.mark.parametrize(("kpi", "times"), [("revenue", 3), ("gross_margin", 2), ("units", 5), ("receipts", 2)])
def test_more_of_everything_is_volume(kpi, times):
    rows = split(week(0) + week(7, times=times), kpi, promotions=[(None, "P1", 2, 3), (None, "P1", 9, 10)])
    assert parts(rows) == {"volume": sum(rows["change"].to_pylist())}
    assert sum(rows["after"].to_pylist()) == times * sum(rows["before"].to_pylist())


@pytest.mark.parametrize("kpi", ["revenue", "gross_margin"])
def test_another_price_is_price(kpi):
    sales = week(0) + week(7, price=Decimal("1.1"))
    rows = split(sales, kpi, promotions=[(None, "P1", 2, 3), (None, "P1", 9, 10)])
    assert parts(rows) == {"price": sum(rows["change"].to_pylist())}
    assert parts(split(sales, "units")) == {}


def test_another_cost_is_cost():
    dearer = [replace(sale, unit_cost=Decimal("1.2")) for sale in week(7)]
    rows = split(week(0) + dearer, "gross_margin")
    assert parts(rows) == {"cost": -sum(Decimal("0.2") * sale.units for sale in dearer)}
    assert parts(split(week(0) + dearer)) == {}


@pytest.mark.parametrize("kpi", KPIS)
def test_a_closed_day_is_calendar(kpi):
    closed = [sale for sale in week(7) if sale.day != 11]
    rows = split(week(0) + closed, kpi)
    assert parts(rows) == {"calendar": sum(rows["change"].to_pylist())}
    again = split(week(0) + closed, kpi, events=[(None, 11, "closed for stocktaking", "closed")])
    assert again.equals(rows)


def test_a_holiday_is_calendar():
    holiday = [replace(sale, units=sale.units * 3) if sale.day == 9 else sale for sale in week(7)]
    rows = split(week(0) + holiday, events=[(None, 9, "May Day", "holiday")])
    assert parts(rows) == {"calendar": sum(rows["change"].to_pylist())}
    assert "calendar" not in parts(split(week(0) + holiday))


def test_a_holiday_of_both_periods_is_compared_with_itself():
    first = [replace(sale, units=sale.units * 3) if sale.day == 2 else sale for sale in week(0)]
    second = [replace(sale, units=sale.units * 3) if sale.day == 9 else sale for sale in week(7)]
    assert parts(split(first + second, events=[(None, 2, "x", "holiday"), ("S1", 9, "x", "holiday")])) == {}


def test_a_promotion_is_promotion():
    def sell(day, promoted):
        return Sale(day, 20 if promoted else 10, Decimal("1.5" if promoted else "2"))

    sales = [sell(day, day in {8, 9, 10}) for day in range(14)]
    rows = split(sales, promotions=[("S1", "P1", 8, 10), ("S2", "P1", 0, 13)])
    assert parts(rows) == {"promotion": 3 * (20 * Decimal("1.5") - 10 * 2)}
    whole = [sell(day, day >= 7) for day in range(14)]
    assert parts(split(whole, promotions=[(None, "P1", 7, 20)])) == {"promotion": Decimal(70)}
    assert "promotion" not in parts(split(sales))


def test_a_shift_to_dearer_products_is_mix():
    def sell(first, cheap, dear):
        prices = (("cheap", cheap, Decimal(1)), ("dear", dear, Decimal(3)))
        return [Sale(first + day, units, price, product) for day in range(7) for product, units, price in prices]

    before, after = sell(0, 10, 10), sell(7, 5, 15)
    rows = split(before + after)
    assert parts(rows) == {"mix": Decimal(70)}
    assert dict(zip(rows["product"].to_pylist(), rows["mix"].to_pylist(), strict=True)) == {"cheap": -35, "dear": 105}
    assert parts(split(before + after, "units")) == {}
    apart = [replace(sale, category=sale.product) for sale in before + after]
    assert parts(split(apart)) == {"volume": Decimal(70)}


def test_a_store_that_opens_or_closes_is_that():
    rows = split(week(0) + week(7) + week(7, store="S2"), lives={"S1": (0, 13), "S2": (7, 13)})
    assert parts(rows) == {"stores_opened": sum(rows["change"].to_pylist())}
    rows = split(week(0) + week(7) + week(0, store="S2"), lives={"S1": (0, 13), "S2": (0, 6)})
    assert parts(rows) == {"stores_closed": sum(rows["change"].to_pylist())}


def test_days_before_a_store_opened_are_openings():
    late = [sale for sale in week(0) if sale.day >= 4]
    rows = split(late + week(7), lives={"S1": (4, 13)})
    assert parts(rows) == {"stores_opened": sum(rows["change"].to_pylist())}
    early = [sale for sale in week(7) if sale.day < 10]
    rows = split(week(0) + early, lives={"S1": (0, 9)})
    assert parts(rows) == {"stores_closed": sum(rows["change"].to_pylist())}


def test_a_store_silent_for_a_period_within_its_life_is_calendar():
    assert set(parts(split(week(0) + week(0, store="S2") + week(7)))) == {"calendar"}


def test_products_that_come_and_go():
    rows = split(week(0, products="P1 P2") + week(7, products="P1 P3"))
    changes = dict(zip(rows["product"].to_pylist(), rows["change"].to_pylist(), strict=True))
    assert parts(rows) == {"products_new": changes["P3"], "products_gone": changes["P2"]}


def test_a_product_that_rarely_sells_is_not_called_new():
    rare = [Sale(8, product="rare"), Sale(11, product="rare")]
    assert set(parts(split(week(0) + week(7) + rare))) == {"volume", "mix"}
    assert "products_new" in parts(split(week(0) + week(7) + [*rare, Sale(12, product="rare")]))


def test_an_empty_shelf_is_a_stock_out():
    sales = [Sale(day, 0 if day in {8, 9} else 10) for day in range(14)]
    rows = split(sales, lost=[("S1", "P1", 8, 10.0), ("S1", "P1", 9, 10.0)])
    assert parts(rows) == {"stock_outs": Decimal(-40)}
    assert set(parts(split(sales))) == {"volume"}
    gone = [Sale(day, 10 if day < 7 else 0) for day in range(14)] + week(0, products="P3") + week(7, products="P3")
    assert set(parts(split(gone))) == {"products_gone"}
    lost = [("S1", "P1", day, 10.0) for day in range(7, 14)]
    assert parts(split(gone, lost=lost)) == {"stock_outs": Decimal(-140)}


def test_margin_leaves_out_what_has_no_cost():
    unknown = [replace(sale, unit_cost=None) for sale in week(7, products="P3")]
    rows = split(week(0) + week(7, products="P1 P2") + unknown, "gross_margin")
    assert rows["product"].to_pylist() == ["P1", "P2"]


def test_amounts_are_exact_far_beyond_what_doubles_hold_in_cents():
    sales = [Sale(day, 10**6, Decimal("12345.6789") + day // 7) for day in range(14)]
    rows = split(sales)
    assert rows["before"].to_pylist() == [7 * 10**6 * Decimal("12345.6789")]
    assert parts(rows) == {"price": Decimal(7 * 10**6)}


def test_an_unknown_figure_is_refused():
    with pytest.raises(ValueError, match="revenue, gross_margin, units, receipts"):
        split_changes(split(week(0)), "profit")
