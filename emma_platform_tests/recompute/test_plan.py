"""What is affected, and how work is cut into batches."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emma_platform.recompute.batch import materialise
from emma_platform.recompute.ledger import Key, Ledger, Result, record, want
from emma_platform.recompute.plan import EVERYTHING, Selection, Stale, in_batches, stale
from emma_platform_tests.recompute.home import Home, day, sale
from emma_platform_tests.recompute.midway import At

keys = st.builds(
    lambda store, month, on: Key(f"S{store}", f"2026-{month:02d}-{on:02d}"),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 28),
)
work = st.lists(st.builds(Stale, keys, st.just("w"), st.integers(0, 50)), unique_by=lambda item: item.key).map(sorted)


def month(item: Stale) -> tuple[str, str]:
    return item.key.store, item.key.day[:7]


@given(work, st.integers(1, 200), st.integers(1, 5))
def test_batches_are_all_the_work_in_order_and_cut_no_month(items: list[Stale], limit: int, least: int) -> None:
    batches = list(in_batches(items, lambda: limit, least))
    assert [item for batch in batches for item in batch] == items
    assert all(month(one[-1]) != month(other[0]) for one, other in pairwise(batches))
    for batch in batches:
        weight = sum(max(item.weight, least) for item in batch)
        assert weight <= limit or len({month(item) for item in batch}) == 1


def test_batches_are_no_smaller_than_need_be() -> None:
    items = [Stale(Key("S1", f"2026-{month:02d}-01"), "w", 10) for month in range(1, 7)]
    assert [len(batch) for batch in in_batches(items, lambda: 20, 1)] == [2, 2, 2]


def test_the_size_of_a_batch_may_follow_the_batches_before_it() -> None:
    items = [Stale(Key("S1", f"2026-{month:02d}-01"), "w", 10) for month in range(1, 8)]
    limits = iter([10, 20, 40])
    assert [len(batch) for batch in in_batches(items, lambda: next(limits), 1)] == [1, 2, 4]


def test_stale_is_what_should_be_computed_from_something_else(tmp_path: Path) -> None:
    one, two, gone, fresh = (Key("S1", f"2026-01-0{on}") for on in range(1, 5))
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    with ledger.transaction() as connection:
        record(connection, "raw_sales", [Result(two, "x", "x", 7)], 1)
        record(connection, "clean_sales", [Result(key, "old", "c", 1) for key in (two, gone, fresh)], 1)
        want(connection, "clean_sales", {one: "new", two: "new", gone: "", fresh: "old"})
        want(connection, "product_kpis", {fresh: "new"})
        found = stale(connection, "clean_sales", EVERYTHING, weigh_by="raw_sales")
        assert found == [Stale(one, "new", 0), Stale(two, "new", 7), Stale(gone, "", 0)]
        assert stale(connection, "clean_sales", Selection(keys=frozenset({gone, fresh}))) == [Stale(gone, "", 0)]
    ledger.close()


def test_a_selection_names_tables_and_partitions() -> None:
    selection = Selection(frozenset({"clean_sales"}), frozenset({Key("S1", day(0))}))
    assert selection.has("clean_sales")
    assert not selection.has("product_kpis")
    assert selection.picks(Key("S1", day(0)))
    assert not selection.picks(Key("S1", day(1)))
    assert selection.picks(Key("", ""))
    assert EVERYTHING.has("product_kpis")
    assert EVERYTHING.picks(Key("S1", day(0)))


@pytest.mark.parametrize("table", ["raw_sales", "clean_sales", "product_kpis"])
def test_a_materialised_partition_is_computed_and_no_other(table: str, tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.sell("a.csv", *(sale(on=on) for on in range(5)))
    home.update()
    before = home.everything()
    report = materialise(home.platform, Selection(frozenset({table}), frozenset({Key("S1", day(2))})))
    assert home.computed(report, table) == {Key("S1", day(2))}
    assert set(report.partitions) <= {table, "set_aside_rows"}
    assert home.everything() == before
    assert set(home.update().partitions) == {"published"}
    assert home.update().partitions == {}


def test_advice_asked_for_between_a_crash_and_the_next_update_waits_for_that_update(tmp_path: Path) -> None:
    """The response does not follow its evidence yet: no advice is made from the two of them."""
    home = Home(tmp_path)
    home.sell("a.csv", sale(on=0))
    home.update()
    home.sell("a.csv", sale(on=0), sale(on=1, product="P2"))

    def die() -> None:
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        home.update(At("price_evidence: recorded", die))
    asked = materialise(home.platform, Selection(frozenset({"price_recommendations"}), frozenset({Key("S1", "")})))
    assert asked.partitions == {}
    assert home.computed(home.update(), "price_recommendations") == {Key("S1", "")}
    assert home.rows("price_recommendations", ["product"]) == [("P1",), ("P2",)]
