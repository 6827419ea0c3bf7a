"""Pairs of stores for price tests: like sales, half of them controls, no store twice."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from emma_platform.serving.experiments import paired


def row(store, units, status="explore", product="P"):
    """One row of the overview."""
    return {
        "store": store, "product": product, "status": status, "units_28d": units, "current_price": 2.49,
        "recommended_price": 2.59, "test_days": 42, "test_chance": 0.85, "test_cost": 3.2,
    }  # fmt: skip


def test_neighbours_by_sales_make_a_pair_and_the_smaller_one_tests():
    found = paired([row("A", 100), row("B", 10), row("C", 90), row("D", 12)])
    assert [(one.store, one.control) for one in found] == [("B", "D"), ("C", "A")]
    assert (found[0].test_price, found[0].days, found[0].chance, found[0].cost_at_most) == (2.59, 42, 0.85, 3.2)


def test_a_store_alone_takes_the_nearest_that_keeps_its_price():
    rows = [
        row("A", 100),
        row("B", 40, "hold"),
        row("C", 90, "hold"),
        row("D", 99, "recommend"),
        row("E", 98, product="Q"),
    ]
    assert [(one.store, one.control) for one in paired(rows)] == [("A", "C")]
    assert paired([row("A", 100)]) == []


@given(st.lists(st.tuples(st.integers(0, 500), st.sampled_from(["explore", "hold"])), max_size=9))
def test_no_store_is_in_two_pairs_and_pairs_do_not_cross(stores):
    found = paired([row(f"S{number}", units, status) for number, (units, status) in enumerate(stores)])
    named = [store for one in found for store in (one.store, one.control)]
    assert len(set(named)) == len(named)
    sizes = {f"S{number}": units for number, (units, _) in enumerate(stores)}
    exploring = sum(status == "explore" for _, status in stores)
    assert exploring // 2 <= len(found) <= (exploring + 1) // 2
    both = sorted((sizes[one.store], sizes[one.control]) for one in found if one.control in sizes)
    tested = [pair for pair in both if pair[0] <= pair[1]]
    assert all(low[1] <= high[1] for low, high in pairwise(tested)) or exploring % 2 == 1
