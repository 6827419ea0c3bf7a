"""Prices of products that are priced together: the joint best by exhaustive search, and what the ties cost."""

from __future__ import annotations

from dataclasses import replace
from itertools import product as combinations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emma_platform.transforms.price_ladder import Guardrails, Products, offers
from emma_platform.transforms.price_recommendations import recommend
from emma_platform_tests.transforms.price_world import (
    LAST,
    evidence_rows,
    forecast_rows,
    latest_rows,
    listed_rows,
    response_rows,
)

COARSE = Guardrails(5.0, 12.0, (0.09, 0.29, 0.59, 0.99))
GUARDRAILS = ("minimum_margin", "largest_step", "price_ending", "price_group", "pack_order")


def advise(goods, points=None, change_cost=0.0, **ties):
    """The advice for products with the given prices, costs, units, elasticities and errors."""
    price, cost, units, elasticity, error = (list(column) for column in zip(*goods, strict=True))
    table = recommend(
        evidence=evidence_rows(current_price=price, price_points=points or [5] * len(price)),
        response=response_rows(elasticity=elasticity, std_error=error),
        forecast=forecast_rows(units),
        latest=latest_rows(cost),
        listed=listed_rows(**ties),
        guardrails=replace(COARSE, change_cost=change_cost),
        store="S",
        made_on=LAST,
    )
    return table.to_pylist()


def alone(goods, without=None):
    """By product, its allowed prices with (expected gain, lower bound), from advice on the product by itself."""
    from numpy import array

    columns = (array(column, dtype=float) for column in zip(*goods, strict=True))
    found = offers(Products(*columns), COARSE, without=without)
    result = [{price: (0.0, 0.0)} for price, *_ in goods]
    for place, price, expected, p10 in zip(found.product, found.price, found.expected, found.p10, strict=True):
        result[place][round(float(price), 2)] = (float(expected), float(p10))
    return result


def in_order(goods, families, sizes, prices):
    """No bigger pack is dearer per unit than a smaller one, or no further than it is today."""
    for one in range(len(goods)):
        for two in range(len(goods)):
            if families[one] and families[one] == families[two] and sizes[one] < sizes[two]:
                now = goods[two][0] / sizes[two] / (goods[one][0] / sizes[one])
                if prices[two] / sizes[two] > prices[one] / sizes[one] * max(now, 1.0) * (1 + 1e-9):
                    return False
    return True


def choices(goods, unit, ladders, change_cost):
    """What products of one group may do: keep today's prices, or take one price that is worth its changes.

    Each with the gain of it, and what the changes leave of that.
    """
    now = tuple(goods[one][0] for one in unit)
    common = set.intersection(*(set(ladders[one]) for one in unit))
    found = []
    for prices in {now, *((price,) * len(unit) for price in common)}:
        gains = [ladders[one][price] for one, price in zip(unit, prices, strict=True)]
        gain, bound = (sum(column) for column in zip(*gains, strict=True))
        cost = change_cost * sum(price != today for price, today in zip(prices, now, strict=True))
        if prices == now or (gain >= max(cost, 0.01) and bound > 0):
            found.append((dict(zip(unit, prices, strict=True)), gain, gain - cost))
    return found


def search(goods, groups, families, sizes, without=None, change_cost=0.0):
    """The highest joint gain that ties allow, by trying every combination of choices, and the prices.

    Highest less what the changes cost, which each group must gain.
    """
    groups = [None] * len(goods) if without == "price_group" else groups
    families = [None] * len(goods) if without == "pack_order" else families
    ladders = alone(goods, without)
    members = {}
    for place, group in enumerate(groups):
        members.setdefault(group or place, []).append(place)
    best, most = (0.0, [price for price, *_ in goods]), 0.0
    for chosen in combinations(*(choices(goods, unit, ladders, change_cost) for unit in members.values())):
        left = sum(left for *_, left in chosen)
        if left > most + 1e-9:
            by_place = {place: price for prices, *_ in chosen for place, price in prices.items()}
            prices = [by_place[place] for place in range(len(goods))]
            if in_order(goods, families, sizes, prices):
                best, most = (sum(gain for _, gain, _ in chosen), prices), left
    return best


goods = st.tuples(
    st.sampled_from([1.99, 2.09, 2.49, 2.99, 3.49]),
    st.floats(0.5, 1.5),
    st.floats(20, 400),
    st.floats(-5, -0.3),
    st.floats(0.02, 0.5),
)
size = st.sampled_from([0.5, 1.0, 1.5])


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(goods, st.sampled_from([None, "A", "B"]), st.sampled_from([None, "X"]), size), min_size=2, max_size=3
    ),
    st.sampled_from([0.0, 0.5, 8.0]),
)
@example([((2.49, 1.0, 300.0, -0.5, 0.05), None, "X", 0.5), ((3.49, 1.5, 300.0, -0.5, 0.05), None, "X", 0.7)], 0.5)
@example([((2.49, 1.0, 300.0, -0.5, 0.05), "A", None, 0.5), ((2.49, 1.5, 300.0, -4.0, 0.05), "A", None, 0.5)], 0.0)
def test_prices_and_the_cost_of_every_tie_equal_an_exhaustive_search(chain, change_cost):
    known, groups, families, sizes = (list(column) for column in zip(*chain, strict=True))
    known = [(price, round(cost, 2), *rest) for price, cost, *rest in known]
    rows = advise(known, change_cost=change_cost, price_group=groups, pack_family=families, pack_size=sizes)
    _, prices = search(known, groups, families, sizes, change_cost=change_cost)
    assert [row["recommended_price"] for row in rows] == pytest.approx(prices)
    for row, price, (now, *_) in zip(rows, prices, known, strict=True):
        assert row["status"] == ("recommend" if price != now else "hold")
    for some in components(groups, families):
        ties = [[column[one] for one in some] for column in (known, groups, families, sizes)]
        bound, _ = search(*ties, change_cost=change_cost)
        for name in GUARDRAILS:
            lost = search(*ties, without=name, change_cost=change_cost)[0] - bound
            assert 4 * sum(rows[one][f"{name}_cost"] for one in some) == pytest.approx(max(lost, 0.0), abs=1e-4)


def test_without_ties_every_product_is_advised_by_itself():
    known = [(2.49, 1.0, 300.0, -0.5, 0.05), (2.09, 1.0, 300.0, -4.0, 0.05)]
    apart = [advise([one])[0] for one in known]
    for ties in (
        {},
        {"price_group": [None, None], "pack_family": [None, None], "pack_size": [None, None]},
        {"price_group": ["A", "B"], "pack_family": ["X", "X"], "pack_size": [1, None]},
        {"pack_family": ["X", "X"], "pack_size": [1, 1]},
    ):
        for row, single in zip(advise(known, **ties), apart, strict=True):
            assert row | {"product": "P000"} == single


def test_a_price_group_moves_to_one_price_for_its_joint_gain():
    known = [(2.49, 1.0, 400.0, -0.8, 0.1), (2.49, 1.0, 100.0, -1.66, 0.1), (2.59, 1.0, 50.0, -1.63, 0.1)]
    apart = advise(known)
    assert [row["status"] for row in apart] == ["recommend", "hold", "hold"]
    rows = advise(known, price_group=["A"] * 3)
    assert {row["recommended_price"] for row in rows} == {2.59}
    assert [row["status"] for row in rows] == ["recommend", "recommend", "hold"]
    assert "It moves together with its price group." in rows[1]["reason"]
    assert sum(row["expected_profit_uplift_p10"] for row in rows) > 0


def test_a_group_must_gain_what_changing_each_of_its_prices_costs():
    known = [(2.49, 1.0, 60.0, -0.8, 0.1), (2.49, 1.0, 20.0, -0.8, 0.1), (2.59, 1.0, 20.0, -0.8, 0.1)]
    rows = advise(known, price_group=["A"] * 3)
    assert [row["recommended_price"] for row in rows] == [2.59, 2.59, 2.59]
    gain = sum(alone([one])[0][2.59][0] for one in known[:2])
    for cost, price in ((gain / 2 - 1e-6, 2.59), (gain / 2 + 1e-6, 2.49)):
        rows = advise(known, price_group=["A"] * 3, change_cost=cost)
        assert [row["recommended_price"] for row in rows] == [price, price, 2.59]
    assert (
        "its price group has one price, and no other is sure to earn more for the whole group and worth"
        in (rows[0]["reason"])
    )
    assert "less than changing a price costs" in rows[1]["reason"]


def test_a_little_more_gain_is_not_worth_one_more_price_that_moves():
    known = [(2.49, 1.0, 100.0, -0.5, 0.05), (2.59, 1.0, 41.65, -4.0, 0.05)]
    up, down = (sum(ladder.get(price, (0, 0))[0] for ladder in alone(known)) for price in (2.59, 2.29))
    assert up < down < up + 0.5
    for cost, price in ((0.0, 2.29), (0.5, 2.59)):
        rows = advise(known, price_group=["A", "A"], change_cost=cost)
        assert [row["recommended_price"] for row in rows] == [price, price]


def test_a_group_with_a_price_that_never_moved_or_without_a_known_cost_stays():
    known = [(2.49, 1.0, 400.0, -0.8, 0.1), (2.49, 1.0, 100.0, -2.2, 0.3)]
    still = advise(known, price_group=["A", "A"], points=[5, 1])
    assert [row["status"] for row in still] == ["hold", "hold"]
    assert "its price group has one price" in still[0]["reason"]
    assert still[0]["price_group_cost"] > 0
    unknown = advise([known[0], (2.49, None, *known[1][2:])], price_group=["A", "A"])
    assert [row["status"] for row in unknown] == ["hold", "blocked"]
    assert "its price group has one price" in unknown[0]["reason"]


def test_a_bigger_pack_is_not_made_dearer_per_unit_than_a_smaller_one():
    big = (4.49, 2.0, 300.0, -0.5, 0.05)
    free = advise([big])[0]
    assert free["recommended_price"] > 4.8
    for small in ((2.39, 1.2, 100.0, -2.0, 0.1), (2.39, None, 100.0, -2.0, 0.1)):
        row = advise([small, big], pack_family=["X", "X"], pack_size=[0.5, 1.0])[1]
        assert row["recommended_price"] < 4.78
        assert row["pack_order_cost"] > 0
    stuck = advise([(2.25, 1.12, 100.0, -2.0, 0.1), big], pack_family=["X", "X"], pack_size=[0.5, 1.0])[1]
    assert (stuck["status"], stuck["binding_constraint"]) == ("hold", "pack_order")
    assert "a bigger pack dearer per unit than a smaller one" in stuck["reason"]


def test_an_order_that_is_broken_today_may_only_get_better():
    small, big = (1.99, 0.5, 300.0, -4.0, 0.05), (4.49, 2.0, 300.0, -4.0, 0.05)
    rows = advise([small, big], pack_family=["X", "X"], pack_size=[0.5, 1.0])
    now, then = 4.49 / 1.99, rows[1]["recommended_price"] / rows[0]["recommended_price"]
    assert then <= now + 1e-9
    assert rows[1]["recommended_price"] < 4.49


def test_large_families_are_solved_in_bounded_time():
    known = [(round(2.49 + place, 2), 1.0, 100.0 + place, -0.5 - place / 10, 0.1) for place in range(14)]
    sizes = [round(price * 1.01**place, 3) for place, (price, *_) in enumerate(known)]
    rows = advise(known, pack_family=["X"] * 14, pack_size=sizes)
    prices = [row["recommended_price"] for row in rows]
    assert in_order(known, ["X"] * 14, sizes, prices)
    assert sum(row["status"] == "recommend" for row in rows) > 5


def components(groups, families):
    """Places that hang together by groups and families."""
    found = [{place} for place in range(len(groups))]
    for tie in (groups, families):
        for each in set(tie) - {None}:
            those = {place for place, one in enumerate(tie) if one == each}
            joined = [some for some in found if some & those]
            found = [some for some in found if not some & those] + [set().union(*joined)]
    return [sorted(some) for some in found]
