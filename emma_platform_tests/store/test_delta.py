"""What is the lake's own: its files, its log, crashes, other processes, and disks that refuse."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, Schema

from emma_platform.model.partitions import store_key
from emma_platform.store.delta import DeltaStore
from emma_platform.store.protocol import Days, Size, StoreError, Whole
from emma_platform_tests.store.frames import (
    DAYS,
    ODD_NAMES,
    generation,
    priors,
    sales,
    set_aside,
    stock,
    tuples,
    write_generations,
    write_months,
)

D1, D2, D3, D4 = DAYS


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "lake"


def on_disk(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*.parquet") if "_delta_log" not in path.parts}


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


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Writes beyond this size fail, as they do on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("size", [1_000, 20_000])
def test_a_full_disk_changes_nothing(root: Path, size: int, first: bool) -> None:
    """At 1,000 bytes the data files fail; at 20,000 they fit and the log entry of 120 of them does not."""
    store = DeltaStore(root)
    if not first:
        store.commit("stock", stock(("S1", D1, "p", 1)), Whole(), {})
    before = None if first else tuples(store.read("stock"))
    rows = stock(*((f"S{n}", D1, "p", 2) for n in range(120)))
    with files_no_larger_than(size), pytest.raises(StoreError, match=rf"stock: {root}/stock .*room"):
        store.commit("stock", rows, Whole(), {})
    for reader in (store, DeltaStore(root)):
        assert reader.version("stock") == (None if first else 0)
        assert first or tuples(reader.read("stock")) == before
    assert store.commit("stock", rows, Whole(), {}) == (0 if first else 1)
    assert tuples(store.read("stock")) == tuples(rows)


def test_what_a_full_disk_stopped_is_deleted_again(root: Path) -> None:
    store = DeltaStore(root)
    rows = stock(("a", D1, "p", 1), ("b", D1, "p", 1), *(("c", D1, f"{n**3:x}", n) for n in range(5_000)))
    with files_no_larger_than(20_000), pytest.raises(StoreError, match="room"):
        store.commit("stock", rows, Whole(), {})
    assert on_disk(root) == set()


def test_a_root_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = DeltaStore(tmp_path / "file" / "lake")
    assert store.version("stock") is None
    with pytest.raises(StoreError, match=rf"stock: {tmp_path}/file/lake/stock .*writable"):
        store.commit("stock", stock(("a", D1, "p", 1)), Whole(), {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_root_is_named(root: Path) -> None:
    DeltaStore(root).commit("stock", stock(("a", D1, "p", 1)), Whole(), {})
    folders = [path for path in (root, *root.rglob("*")) if path.is_dir()]
    for path in folders:
        path.chmod(0o555)
    try:
        with pytest.raises(StoreError, match=r"stock: .*writable"):
            DeltaStore(root).commit("stock", stock(("a", D1, "p", 2)), Whole(), {})
        assert DeltaStore(root).read("stock").num_rows == 1
    finally:
        for path in folders:
            path.chmod(0o755)


def test_what_is_no_table_of_ours_is_left_alone(root: Path) -> None:
    store = DeltaStore(root)
    (root / "stock").mkdir(parents=True)
    (root / "stock" / "notes.txt").write_text("mine")
    (root / "price_priors").write_text("a file")
    for table, rows in (("stock", stock()), ("price_priors", priors())):
        for ask in (lambda t=table: store.version(t), lambda t=table, r=rows: store.commit(t, r, Whole(), {})):
            with pytest.raises(StoreError, match=rf"{table}: {root}/{table} is there but is no table"):
                ask()
    assert [path.name for path in (root / "stock").iterdir()] == ["notes.txt"]


def test_a_table_of_other_columns_is_refused(root: Path) -> None:
    DeltaTable.create(str(root / "stock"), Schema.from_arrow(priors().schema))
    with pytest.raises(StoreError, match=r"stock: .* other columns .*emma rebuild"):
        DeltaStore(root).read("stock")


def test_a_table_with_deletion_vectors_is_refused(root: Path) -> None:
    config = {"delta.enableDeletionVectors": "true"}
    DeltaTable.create(str(root / "stock"), Schema.from_arrow(stock().schema), configuration=config)
    with pytest.raises(StoreError, match=r"stock: .*deletionVectors"):
        DeltaStore(root).files("stock")


def test_a_damaged_log_or_file_is_named(root: Path) -> None:
    store = DeltaStore(root)
    store.commit("stock", stock(("a", D1, "p", 1)), Whole(), {})
    Path(store.files("stock").paths[0]).write_bytes(b"not Parquet")
    with pytest.raises(StoreError, match=rf"stock: {root}/stock .*emma rebuild"):
        store.read("stock")
    (root / "stock" / "_delta_log" / f"{0:020d}.json").write_text(json.dumps({"add": 1}))
    with pytest.raises(StoreError, match=rf"stock: {root}/stock .*emma rebuild"):
        DeltaStore(root).version("stock")


@contextmanager
def process_of(work: Callable[..., None], *arguments: object) -> Iterator[tuple[ForkServerProcess, Connection]]:
    """A process at work, with what it tells; killed at the latest when the test leaves it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pandas", "emma_platform_tests.store.frames"])
    done, tell = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(*arguments, tell))
    process.start()
    tell.close()
    try:
        yield process, done
    finally:
        process.kill()
        process.join()
        process.close()
        done.close()


def received(done: Connection) -> list[int]:
    numbers = []
    try:
        while done.poll():
            numbers.append(done.recv())
    except EOFError:
        pass
    return numbers


def test_a_writer_killed_at_any_instant_leaves_the_last_good_version(root: Path) -> None:
    chance = random.Random(7)  # noqa: S311
    number = 0
    store = DeltaStore(root, orphan_age=timedelta(0))
    for _ in range(10):
        with process_of(write_generations, root, number, 1_000) as (process, done):
            assert done.poll(60)
            process.join(chance.uniform(0.0, 0.1))
            process.kill()
            process.join()
            acknowledged = max(received(done))
        found = set(store.read("stock")["on_hand"].to_pylist())
        assert found in ({acknowledged}, {acknowledged + 1})
        number = int(found.pop())
        assert tuples(store.read("stock")) == tuples(generation(number)[0])
        number += 1
        store.commit("stock", *generation(number), {})
        assert tuples(DeltaStore(root).read("stock")) == tuples(generation(number)[0])
        number += 1
    store.maintain("stock", [])
    assert on_disk(root) == set(store.files("stock").paths)


def test_a_reader_never_meets_half_a_commit(root: Path) -> None:
    store = DeltaStore(root)
    seen: set[int] = set()
    with process_of(write_generations, root, 0, 30) as (process, done):
        assert done.poll(60)
        while process.is_alive() or not seen:
            rows = store.read("stock")
            (number,) = set(rows["on_hand"].to_pylist())
            assert tuples(rows) == tuples(generation(int(number))[0])
            seen.add(int(number))
        assert process.exitcode == 0
    assert store.version("stock") == 29
    assert tuples(store.read("stock")) == tuples(generation(29)[0])


def test_two_writers_at_once_lose_and_double_nothing(root: Path) -> None:
    start = multiprocessing.get_context("forkserver").Barrier(2)
    with process_of(write_months, root, 1, start) as (one, _), process_of(write_months, root, 2, start) as (two, _):
        one.join()
        two.join()
        assert (one.exitcode, two.exitcode) == (0, 0)
    store = DeltaStore(root)
    days = [date(2025, month, day) for month in range(1, 13) for day in (1, 2, 3)]
    assert store.read("stock")["day"].to_pylist() == days
    assert store.version("stock") == 23
    assert len(store.files("stock").paths) == 12
