"""What is the lake's own: its files, its log, and commits that come second."""

from __future__ import annotations

import json
import os
import shutil
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import unquote

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from emma_platform.model.partitions import store_key
from emma_platform.store.delta import DeltaStore
from emma_platform.store.protocol import Days, Size, StoreError, Whole
from emma_platform_tests.store.frames import (
    DAYS,
    ODD_NAMES,
    on_disk,
    sales,
    set_aside,
    stock,
    tuples,
)

D1, D2, D3, D4 = DAYS


def test_other_readers_find_a_delta_table_of_the_lowest_protocol(root: Path) -> None:
    store = DeltaStore(root)
    store.commit("clean_sales", sales("a/b", D1, 3), Whole(), {"run": "r1"})
    store.commit("clean_sales", sales("a/b", D4, 2), Days({"a/b": frozenset([D4])}), {"run": "r2"})
    table = DeltaTable(str(root / "clean_sales"))
    assert (table.protocol().min_reader_version, table.protocol().min_writer_version) == (1, 2)
    assert [commit["run"] for commit in table.history()] == ["r2", "r1"]
    assert table.metadata().partition_columns == ["store_key", "month"]
    assert {(cut["store_key"], cut["month"]) for cut in table.partitions()} == {
        ("a%2Fb", "2025-12"),
        ("a%2Fb", "2026-01"),
    }
    assert table.count() == 5
    assert sorted(table.file_uris()) == sorted(store.files("clean_sales").paths)
    january = table.file_uris(file_pruning_predicate="store_key = 'a%2Fb' AND month = '2026-01'")
    assert tuple(january) == store.files("clean_sales", stores=["a/b"], months=["2026-01"]).paths


def test_one_file_a_place_however_often_it_changes(root: Path) -> None:
    store = DeltaStore(root)
    for day in DAYS:
        store.commit("stock", stock(*((n, day, "p", 1) for n in "ab")), Days({n: frozenset([day]) for n in "ab"}), {})
    assert len(store.files("stock").paths) == 4
    assert len(store.files("stock", stores=["a"]).paths) == 2


def test_going_back_touches_the_files_that_differ_only(root: Path) -> None:
    """Delta allows no commit that adds and removes the same file; other readers would read all of the table anew."""
    store = DeltaStore(root)
    store.commit("stock", stock(("a", D1, "p", 1), ("b", D1, "p", 2)), Whole(), {})
    (before,) = store.files("stock", stores=["a"]).paths
    store.commit("stock", stock(("a", D1, "p", 9)), Days({"a": frozenset([D1])}), {})
    (after,) = store.files("stock", stores=["a"]).paths
    store.restore("stock", 0)
    log = root / "stock" / "_delta_log" / f"{store.version('stock'):020d}.json"
    actions = [action for line in log.read_text("utf-8").splitlines() for action in json.loads(line).items()]
    assert sorted((kind, unquote(said["path"])) for kind, said in actions if "path" in said) == [
        ("add", Path(before).relative_to(root / "stock").as_posix()),
        ("remove", Path(after).relative_to(root / "stock").as_posix()),
    ]


def test_partition_values_are_ascii_and_never_empty(root: Path) -> None:
    store = DeltaStore(root)
    rows = set_aside(*((name, D1, 1) for name in ODD_NAMES), (None, None, 2))
    store.commit("set_aside_rows", rows, Whole(), {})
    values = {p["store_key"] for p in DeltaTable(str(root / "set_aside_rows")).partitions()}
    assert values == {store_key(name) or "%" for name in ODD_NAMES} | {"~"}
    assert len(values) == len(ODD_NAMES) + 1


def test_a_change_touches_only_the_files_of_its_months(root: Path) -> None:
    store = DeltaStore(root)
    store.commit("stock", stock(*((name, day, "p", 1) for name in "abc" for day in DAYS)), Whole(), {})
    before = set(store.files("stock").paths)
    store.commit("stock", stock(("a", D1, "p", 2)), Days({"a": frozenset([D1])}), {})
    after = set(store.files("stock").paths)
    assert len(before - after) == len(after - before) == 1
    store.commit("stock", stock(), Days({"a": frozenset([date(2025, 12, 5)])}), {})
    assert set(store.files("stock").paths) == after, "emptying an empty day rewrites nothing"


def test_row_groups_say_which_rows_they_may_hold(root: Path) -> None:
    store = DeltaStore(root)
    store.commit("clean_sales", sales("a", D1, 3), Whole(), {})
    (path,) = store.files("clean_sales").paths
    group = pq.ParquetFile(path).metadata.row_group(0)
    known = {
        c.path_in_schema: c.statistics for c in (group.column(i) for i in range(group.num_columns)) if c.statistics
    }
    assert known["day"].min == known["day"].max == D1
    assert {"store", "day", "receipt", "line"} == set(known)


def test_a_handle_follows_what_another_one_commits(root: Path) -> None:
    one, other = DeltaStore(root), DeltaStore(root)
    assert one.version("stock") is None
    for number in range(50):
        other.commit("stock", stock(("a", D1, "p", number)), Whole(), {})
        if number % 7 == 0:
            assert tuples(one.read("stock")) == tuples(stock(("a", D1, "p", number)))
        if number in {21, 45}:
            other.maintain("stock", [number])
    assert tuples(one.read("stock")) == tuples(stock(("a", D1, "p", 49)))
    shutil.rmtree(root / "stock")
    assert one.version("stock") is None
    other = DeltaStore(root)
    other.commit("stock", stock(("z", D1, "p", 1)), Whole(), {})
    assert tuples(one.read("stock")) == tuples(stock(("z", D1, "p", 1)))


def test_a_commit_that_comes_second_is_made_anew(root: Path) -> None:
    other = DeltaStore(root)
    other.commit("stock", stock(("a", D1, "p", 1), ("a", D2, "p", 1)), Whole(), {})
    rivals = [2, 3]
    waited: list[float] = []

    def clock() -> float:
        """Read once before each commit to the log: here another process comes first."""
        if rivals:
            other.commit("stock", stock(("a", D2, "p", rivals.pop(0))), Days({"a": frozenset([D2])}), {})
        return 0.0

    store = DeltaStore(root, sleep=waited.append, clock=clock)
    version = store.commit("stock", stock(("a", D1, "p", 9)), Days({"a": frozenset([D1])}), {})
    assert version == 3
    assert len(waited) == 2
    assert tuples(store.read("stock")) == tuples(stock(("a", D1, "p", 9), ("a", D2, "p", 3)))


def test_a_first_commit_that_comes_second_is_made_anew(root: Path) -> None:
    other = DeltaStore(root)
    rivals = [2]

    def clock() -> float:
        if rivals:
            other.commit("stock", stock(("a", D2, "p", rivals.pop())), Days({"a": frozenset([D2])}), {})
        return 0.0

    store = DeltaStore(root, sleep=lambda _: None, clock=clock)
    assert store.commit("stock", stock(("a", D1, "p", 9)), Days({"a": frozenset([D1])}), {}) == 1
    assert tuples(store.read("stock")) == tuples(stock(("a", D1, "p", 9), ("a", D2, "p", 2)))


def test_a_commit_that_always_comes_second_gives_up(root: Path) -> None:
    other = DeltaStore(root)

    def clock() -> float:
        other.commit("stock", stock(("a", D2, "p", 1)), Days({"a": frozenset([D2])}), {})
        return 0.0

    store = DeltaStore(root, attempts=3, sleep=lambda _: None, clock=clock)
    with pytest.raises(StoreError, match=r"stock: other processes committed first 3 times .*run again"):
        store.commit("stock", stock(("a", D1, "p", 9)), Days({"a": frozenset([D1])}), {})
    assert tuples(other.read("stock")) == tuples(stock(("a", D2, "p", 1)))
    other.maintain("stock", [])
    assert on_disk(root) == set(other.files("stock").paths), "the loser's files are dead at once"


def test_maintenance_shortens_the_log_and_leaves_young_orphans(root: Path) -> None:
    now = [1_900_000_000.0]
    store = DeltaStore(root, orphan_age=timedelta(hours=1), clock=lambda: now[0])
    for number in range(45):
        store.commit("stock", stock(("a", D1, "p", number)), Whole(), {})
    log = root / "stock" / "_delta_log"
    (first,) = store.files("stock", version=40).paths
    young = Path(first).with_name("45--0123.parquet")
    dead = Path(first).with_name("44--0123.parquet")
    foreign = Path(first).with_name("part-0001.parquet")
    for path in (young, dead, foreign):
        shutil.copy(first, path)
        os.utime(path, (now[0] - 60, now[0] - 60))
    assert store.maintain("stock", [40]) == Size(44, 44 * Path(first).stat().st_size)
    assert (young.exists(), dead.exists(), foreign.exists()) == (True, False, True)
    names = sorted(path.name[:20] for path in log.glob("*.json"))
    assert names[0] == f"{39:020d}"[:20]
    assert tuples(DeltaStore(root).read("stock", version=40)) == tuples(stock(("a", D1, "p", 40)))
    assert tuples(DeltaStore(root).read("stock")) == tuples(stock(("a", D1, "p", 44)))
    now[0] += 3600
    assert store.maintain("stock", [40]).files == 2
    assert (young.exists(), foreign.exists()) == (False, False)
    assert on_disk(root) == {first, *store.files("stock").paths}
