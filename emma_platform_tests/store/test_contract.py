"""What every store promises, shown on each of them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emma_platform.model.partitions import month_of
from emma_platform.model.tables import TABLES
from emma_platform.store.protocol import Days, NoVersionError, Replace, Size, StoreError, Stores, TableStore, Whole
from emma_platform_tests.store.frames import DAYS, ODD_NAMES, evidence, priors, sales, set_aside, stock, tuples

D1, D2, D3, D4 = DAYS


def days(**of_stores: date) -> Days:
    return Days({name: frozenset([day]) for name, day in of_stores.items()})


def test_nothing_committed_is_an_empty_table(store: TableStore) -> None:
    assert store.version("stock") is None
    assert store.files("stock").paths == ()
    assert store.read("stock") == TABLES["stock"].arrow_schema().empty_table()
    with pytest.raises(StoreError, match="no version 0"):
        store.read("stock", version=0)


@pytest.mark.parametrize("replace", [Whole(), Stores(frozenset("a")), Days({}), Days({None: frozenset()})])
def test_a_commit_without_rows_still_makes_the_table(store: TableStore, replace: Replace) -> None:
    assert store.commit("stock", stock(), replace, {}) == 0
    assert store.version("stock") == 0
    assert store.read("stock", version=0).num_rows == 0


def test_days_replace_only_themselves(store: TableStore) -> None:
    store.commit(
        "stock", stock(("a", D1, "p", 1), ("a", D2, "p", 2), ("a", D3, "p", 3), ("b", D2, "p", 4)), Whole(), {}
    )
    new = stock(("a", D2, "q", 5), ("a", D2, "r", 6))
    assert store.commit("stock", new, days(a=D2), {}) == 1
    expected = stock(("a", D1, "p", 1), ("a", D3, "p", 3), ("b", D2, "p", 4), ("a", D2, "q", 5), ("a", D2, "r", 6))
    assert tuples(store.read("stock")) == tuples(expected)


def test_empty_rows_empty_what_is_replaced(store: TableStore) -> None:
    store.commit("stock", stock(("a", D1, "p", 1), ("a", D2, "p", 2), ("b", D2, "p", 4)), Whole(), {})
    store.commit("stock", stock(), days(a=D2), {})
    assert tuples(store.read("stock")) == tuples(stock(("a", D1, "p", 1), ("b", D2, "p", 4)))
    store.commit("stock", stock(), Stores(frozenset({"b", "never seen"})), {})
    assert tuples(store.read("stock")) == tuples(stock(("a", D1, "p", 1)))
    store.commit("stock", stock(), Whole(), {})
    assert store.read("stock").num_rows == 0
    assert store.version("stock") == 3


def test_rows_without_store_day_are_replaced_all_at_once(store: TableStore) -> None:
    unplaced = [(None, None, 1), (None, D1, 2), ("a", None, 3)]
    store.commit("set_aside_rows", set_aside(*unplaced, ("a", D1, 4)), Whole(), {})
    store.commit("set_aside_rows", set_aside(("a", D1, 5)), days(a=D1), {})
    assert tuples(store.read("set_aside_rows")) == tuples(set_aside(*unplaced, ("a", D1, 5)))
    assert tuples(store.read("set_aside_rows", stores=[None])) == tuples(set_aside(*unplaced))
    assert tuples(store.read("set_aside_rows", months=[""])) == tuples(set_aside(*unplaced))
    assert tuples(store.read("set_aside_rows", stores=["a"])) == tuples(set_aside(("a", D1, 5)))
    store.commit("set_aside_rows", set_aside((None, D4, 6)), Days({None: frozenset([D3])}), {})
    assert tuples(store.read("set_aside_rows")) == tuples(set_aside((None, D4, 6), ("a", D1, 5)))


def test_stores_replace_all_their_months(store: TableStore) -> None:
    store.commit("stock", stock(("a", D1, "p", 1), ("a", D4, "p", 2), ("b", D1, "p", 3)), Whole(), {})
    store.commit("stock", stock(("a", D2, "p", 9)), Stores(frozenset("a")), {})
    assert tuples(store.read("stock")) == tuples(stock(("a", D2, "p", 9), ("b", D1, "p", 3)))
    store.commit("price_evidence", evidence(("a", "p"), ("b", "p")), Whole(), {})
    store.commit("price_evidence", evidence(("a", "q")), Stores(frozenset("a")), {})
    assert tuples(store.read("price_evidence")) == tuples(evidence(("a", "q"), ("b", "p")))
    assert tuples(store.read("price_evidence", stores=["b"])) == tuples(evidence(("b", "p")))


@pytest.mark.parametrize(
    ("table", "rows", "replace"),
    [
        ("stock", stock(("a", D1, "p", 1)), days(a=D2)),
        ("stock", stock(("a", D1, "p", 1)), days(a=D3)),
        ("stock", stock(("a", D1, "p", 1), ("b", D1, "p", 1)), days(a=D1)),
        ("stock", stock(("a", D1, "p", 1)), Days({None: frozenset([D1])})),
        ("stock", stock(("a", D1, "p", 1)), Stores(frozenset("b"))),
        ("set_aside_rows", set_aside(("a", None, 1)), days(a=D1)),
        ("set_aside_rows", set_aside(("a", None, 1)), Stores(frozenset("a"))),
        ("set_aside_rows", set_aside((None, D1, 1)), Days({})),
        ("price_evidence", evidence(("a", "p")), Stores(frozenset("b"))),
        ("price_evidence", evidence(("a", "p")), days(a=D1)),
        ("price_priors", priors(("p", 1.0)), Stores(frozenset("p"))),
    ],
)
def test_rows_outside_of_what_is_replaced_are_refused(
    store: TableStore, table: str, rows: pa.Table, replace: Replace
) -> None:
    with pytest.raises(StoreError, match=table):
        store.commit(table, rows, replace, {})
    assert store.version(table) is None


def _with(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return rows.set_column(rows.column_names.index(name), name, values)


_ROW = stock(("a", D1, "p", 1))


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (_ROW.drop_columns(["product"]), "missing product"),
        (_ROW.append_column("extra", pa.array([1])), "unknown extra"),
        (_ROW.append_column("product", pa.array(["q"])), "product is there 2 times"),
        (_with(_ROW, "on_hand", pa.array([1.0])), r"on_hand is double, not decimal128\(18, 3\)"),
        (_with(_ROW, "line", pa.array([1], pa.int32())), "line is int32, not int64"),
        (_with(_ROW, "product", pa.array([None], pa.string())), "product has nulls"),
    ],
)
def test_other_columns_than_the_tables_are_refused(store: TableStore, rows: pa.Table, says: str) -> None:
    with pytest.raises(StoreError, match=f"stock: {says}"):
        store.commit("stock", rows, Whole(), {})
    assert store.version("stock") is None


def test_columns_are_matched_by_name(store: TableStore) -> None:
    rows = stock(("a", D1, "product", 1))
    store.commit("stock", rows.select(list(reversed(rows.column_names))), Whole(), {})
    assert store.read("stock") == rows


def test_unknown_tables_and_columns_and_cuts_are_refused(store: TableStore) -> None:
    for ask in (
        lambda: store.commit("nope", stock(), Whole(), {}),
        lambda: store.version("nope"),
        lambda: store.files("published"),
        lambda: store.read("stock", columns=["nope"]),
        lambda: store.read("price_priors", stores=["a"]),
        lambda: store.read("price_evidence", months=["2025-12"]),
    ):
        with pytest.raises(StoreError):
            ask()


def test_a_read_is_exact_and_in_the_tables_own_columns(store: TableStore) -> None:
    rows = stock(*((name, day, "p", 1) for name in ODD_NAMES for day in DAYS))
    store.commit("stock", rows, Whole(), {})
    for name in ODD_NAMES:
        found = store.read("stock", stores=[name], months=["2026-01"], columns={"on_hand", "day", "store"})
        assert found.column_names == ["store", "day", "on_hand"]
        assert [(r["store"], r["day"]) for r in found.to_pylist()] == [(name, D3), (name, D4)]
    assert store.read("stock", stores=[]).num_rows == 0
    assert store.read("stock", months=[]).num_rows == 0
    assert store.read("stock", stores=[None]).num_rows == 0
    assert store.read("stock").schema == TABLES["stock"].arrow_schema()


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_is_a_store(store: TableStore, name: str) -> None:
    others = [(other, D1, "p", 0) for other in ODD_NAMES if other != name]
    store.commit("stock", stock((name, D1, "p", 1), (name, D2, "p", 2), *others), Whole(), {})
    store.commit("stock", stock((name, D2, "q", 3)), Days({name: frozenset([D2])}), {})
    assert tuples(store.read("stock", stores=[name])) == tuples(stock((name, D1, "p", 1), (name, D2, "q", 3)))
    store.commit("stock", stock(), Stores(frozenset([name])), {})
    assert tuples(store.read("stock")) == tuples(stock(*others))


def test_files_hold_the_rows_in_plain_parquet(store: TableStore) -> None:
    rows = pa.concat_tables([sales("Zürich/1", D1, 9), sales("b", D4, 9)])
    store.commit("clean_sales", rows, Whole(), {})
    assert store.read("clean_sales").schema == TABLES["clean_sales"].arrow_schema()
    assert tuples(store.read("clean_sales")) == tuples(rows)
    files = store.files("clean_sales")
    assert files.table == "clean_sales"
    plain = [pq.ParquetFile(path).read() for path in files.paths]
    assert all(Path(path).is_absolute() and path.isascii() for path in files.paths)
    assert tuples(pa.concat_tables(plain)) == tuples(rows)
    assert plain[0].schema == TABLES["clean_sales"].arrow_schema()
    pruned = store.files("clean_sales", stores=["Zürich/1"], months=[month_of(D1)])
    assert [pq.ParquetFile(path).read()["store"][0].as_py() for path in pruned.paths] == ["Zürich/1"]


def test_rows_lie_in_the_tables_order(store: TableStore) -> None:
    store.commit("clean_sales", sales("a", D1, 50), Whole(), {})
    store.commit("clean_sales", sales("a", date(2025, 12, 1), 50), days(a=date(2025, 12, 1)), {})
    (path,) = store.files("clean_sales").paths
    found = pq.ParquetFile(path).read().select(["day", "receipt"]).to_pylist()
    assert found == sorted(found, key=lambda row: (row["day"], row["receipt"]))
    assert len(found) == 100


def test_every_version_stays_as_it_was(store: TableStore) -> None:
    expected = []
    for number in range(4):
        store.commit("stock", stock(("a", D1, "p", number), ("a", D2, "p", 7)), Whole(), {})
        store.commit("stock", stock(("a", D2, "p", number)), days(a=D2), {})
        expected.append(tuples(stock(("a", D1, "p", number), ("a", D2, "p", number))))
    assert [tuples(store.read("stock", version=2 * n + 1)) for n in range(4)] == expected
    old = store.files("stock", version=1).paths
    assert tuples(pa.concat_tables([pq.ParquetFile(path).read() for path in old])) == expected[0]
    with pytest.raises(StoreError, match="no version 8"):
        store.files("stock", version=8)


def test_maintenance_keeps_what_is_kept_and_the_newest(store: TableStore) -> None:
    for number in range(5):
        store.commit("stock", stock(("a", D1, "p", number)), Whole(), {})
        store.files("stock")
    store.commit("price_priors", priors(("p", 1.0)), Whole(), {})
    assert store.replaced("stock", None).files == 4
    assert store.replaced("stock", 1).files == 3
    assert store.replaced("price_priors", 0) == store.replaced("stores", None) == Size()
    assert store.maintain("stock", [1, 3]).files == 2
    assert store.maintain("stock", [1, 3]) == store.maintain("stores", []) == Size()
    for number in (1, 3, 4):
        assert tuples(store.read("stock", version=number)) == tuples(stock(("a", D1, "p", number)))
    for number in (0, 2):
        with pytest.raises(StoreError, match=f"stock has no version {number}"):
            store.files("stock", version=number)
    with pytest.raises(NoVersionError, match="no version 2"):
        store.maintain("stock", [2])
    assert tuples(store.read("stock", version=1)) == tuples(stock(("a", D1, "p", 1)))
    assert store.maintain("stock", []).files == 2
    assert tuples(store.read("stock")) == tuples(stock(("a", D1, "p", 4)))
    assert store.read("price_priors").num_rows == 1
