"""The laws of the platform over random histories: nothing lost, incremental = rebuild, only the affected."""

from __future__ import annotations

import os
import tempfile
from datetime import date, timedelta
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from emma_platform.model.tables import KEPT, TABLES
from emma_platform.recompute.batch import rebuild
from emma_platform.recompute.ledger import Key
from emma_platform.recompute.stages import DEMAND
from emma_platform.recompute.status import status
from emma_platform_tests.recompute.histories import Drop, Event, histories, play
from emma_platform_tests.recompute.home import Home, day

few = settings(
    max_examples=int(os.environ.get("EMMA_TEST_HISTORIES", "12")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
Rows = list[tuple[object, ...]]


@few
@given(history=histories)
def test_incremental_equals_a_rebuild_from_the_same_files(history: list[Event]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lived = Home(Path(folder) / "lived")
        files = play(lived, history)
        at_once = Home(Path(folder) / "at-once")
        for name, text in sorted(files.items(), reverse=True):
            at_once.drop(name, text)
        at_once.update()
        found = lived.everything()
        assert found == at_once.everything()
        rebuild(lived.platform)
        assert lived.everything() == found


@few
@given(history=histories)
def test_nothing_is_lost(history: list[Event]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        files = play(home, history)
        lines = status(home.platform)["lines"]
        sent = sum(text.count("\n") - 1 for name, text in files.items() if name.endswith(("a.csv", "b.csv", "c.csv")))
        set_aside = [row for row in home.rows("set_aside_rows") if row[-1] == "sales"]
        assert lines["in"] == sent
        assert lines["in"] == lines["clean"] + lines["set_aside"] + lines["duplicates"]
        assert lines["clean"] == len(home.rows("clean_sales"))
        assert lines["set_aside"] == len(set_aside)


@few
@given(history=histories, again=histories)
def test_only_the_affected_partitions_are_computed(history: list[Event], again: list[Event]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        play(home, history)
        before = home.everything()
        for event in again:
            if isinstance(event, Drop):
                home.drop(event.name, event.text)
        report = home.update()
        after = home.everything()
        for table, expected in affected(before, after).items():
            assert home.computed(report, table) == expected, table


def affected(before: dict[str, Rows], after: dict[str, Rows]) -> dict[str, set[Key]]:
    """The partitions that a change must touch, found by comparing whole tables, table by table."""
    changed = {table: _changed(before[table], after[table], table) for table in ("raw_sales", "stock", "clean_sales")}
    products = _differing(before["products"], after["products"], (0, 5))
    stores = _differing(before["stores"], after["stores"], (0,))
    clean = changed["raw_sales"] | {
        _key("raw_sales", row)
        for row in after["raw_sales"]
        if str(_value("raw_sales", row, "product")).strip() in products or _value("raw_sales", row, "store") in stores
    }
    costs = _differing(before["products"], after["products"], (0, 2, 3))
    known = before["product_kpis"]
    priced = {_key("product_kpis", row) for row in known if _value("product_kpis", row, "product") in costs}
    existing = {_key("product_kpis", row) for rows in (before, after) for row in rows["product_kpis"]}
    reach = {
        Key(key.store, (date.fromisoformat(key.day) + timedelta(offset)).isoformat())
        for key in changed["clean_sales"]
        for offset in range(28)
    }
    moved = _changed(before["product_kpis"], after["product_kpis"], "product_kpis", DEMAND)
    promoted = _differing(before["promotions"], after["promotions"], tuple(range(5)))
    selling = {key.store for key in existing}
    named = selling if None in promoted else promoted & selling
    forecast = {Key(key.store, "") for key in moved} | {Key(str(store), "") for store in named}
    return {
        "raw_sales": changed["raw_sales"],
        "clean_sales": clean,
        "product_kpis": ((reach | changed["stock"]) & existing) | (priced & existing),
        "sales_forecast": forecast,
        "price_evidence": forecast,
    }


def _value(table: str, row: tuple[object, ...], column: str) -> object:
    return row[TABLES[table].names.index(column)]


def _key(table: str, row: tuple[object, ...]) -> Key:
    return Key(str(_value(table, row, "store")), str(_value(table, row, "day")))


def _changed(before: Rows, after: Rows, table: str, columns: tuple[str, ...] | None = None) -> set[Key]:
    chosen = [TABLES[table].names.index(name) for name in columns or TABLES[table].names]

    def states(rows: Rows) -> dict[Key, list[str]]:
        cut: dict[Key, list[str]] = {}
        for row in rows:
            cut.setdefault(_key(table, row), []).append(repr([row[i] for i in chosen]))
        return {key: sorted(texts) for key, texts in cut.items()}

    old, new = states(before), states(after)
    return {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}


def _differing(before: Rows, after: Rows, columns: tuple[int, ...]) -> set[object]:
    def states(rows: Rows) -> set[tuple[object, ...]]:
        return {tuple(row[i] for i in columns) for row in rows}

    return {row[0] for row in states(before) ^ states(after)}


def test_every_kept_table_is_compared() -> None:
    assert set(KEPT) == set(TABLES) - {"published"}
    assert day(27) == "2026-01-28"
