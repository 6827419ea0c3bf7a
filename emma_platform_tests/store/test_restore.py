"""Going back to an earlier version, on every store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emma_platform.store.delta import DeltaStore
from emma_platform.store.memory import MemoryStore
from emma_platform.store.protocol import Days, TableStore, Whole
from emma_platform_tests.store.frames import DAYS, stock, tuples


@pytest.fixture(params=[MemoryStore, DeltaStore])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> TableStore:
    make: Callable[[Path], TableStore] = request.param
    return make(tmp_path / "lake")


def test_a_restored_version_is_the_newest_again_and_takes_commits(store: TableStore) -> None:
    store.commit("stock", stock(("a", DAYS[0], "p", 1), ("b", DAYS[0], "p", 2)), Whole(), {})
    before = tuples(store.read("stock"))
    store.commit("stock", stock(("a", DAYS[0], "q", 9)), Days({"a": frozenset([DAYS[0]])}), {})
    assert tuples(store.read("stock")) != before
    store.restore("stock", 0)
    assert tuples(store.read("stock")) == before
    store.commit("stock", stock(), Days({"b": frozenset([DAYS[0]])}), {})
    assert tuples(store.read("stock")) == [row for row in before if "a" in row]


def test_restoring_the_newest_commits_nothing(store: TableStore) -> None:
    store.restore("stock", None)
    assert store.version("stock") is None
    store.commit("stock", stock(("a", DAYS[0], "p", 1)), Whole(), {})
    store.restore("stock", 0)
    assert store.version("stock") == 0


def test_no_version_is_an_empty_table(store: TableStore) -> None:
    store.commit("stock", stock(("a", DAYS[0], "p", 1)), Whole(), {})
    store.restore("stock", None)
    assert store.read("stock").num_rows == 0
