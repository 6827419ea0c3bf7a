"""What the lake does on disks that refuse, and with tables and files that are not as it left them."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from deltalake import DeltaTable, Schema

from emma_platform.store.delta import DeltaStore
from emma_platform.store.protocol import StoreError, Whole
from emma_platform_tests.store.frames import (
    DAYS,
    on_disk,
    priors,
    stock,
    tuples,
)

D1 = DAYS[0]


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
