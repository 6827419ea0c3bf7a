"""The laws of the platform over random histories: nothing lost, incremental = rebuild, only the affected.

EMMA_TEST_HISTORIES sets how many histories are lived.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, example, given, note, settings
from hypothesis import strategies as st

from emma_platform.model.access import EVERY_STORE
from emma_platform.model.tables import KEPT, TABLES
from emma_platform.recompute import intake, stages, store_stages
from emma_platform.recompute.ledger import Key, partitions
from emma_platform.recompute.status import status
from emma_platform.recompute.told import told as publisher_told
from emma_platform.serving.publication import current
from emma_platform.serving.reader import Reader
from emma_platform_tests.recompute.events import Event, told
from emma_platform_tests.recompute.expected import affected, inputs, kind_of, lines_of, raw_sales
from emma_platform_tests.recompute.histories import ESTABLISHED, ONE_BY_ONE, histories
from emma_platform_tests.recompute.home import Home
from emma_platform_tests.recompute.life import Life, Moment, Rows, State, begin, live, settled
from emma_platform_tests.recompute.shrink import smallest

HISTORIES = int(os.environ.get("EMMA_TEST_HISTORIES", "5"))
TOGETHER = {
    "set_aside_rows": "clean_sales", "sales_forecast_totals": "sales_forecast", "forecast_scores": "sales_forecast",
    "forecast_accuracy": "sales_forecast", "probable_stock_outs": "price_evidence",
}  # fmt: skip
"""Tables that are computed in one go with another."""
seldom = st.sampled_from([False] * 7 + [True])


@pytest.mark.long
@settings(
    max_examples=HISTORIES,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a failing history is made smaller by `smallest`
)
@given(history=histories, piecemeal=seldom)
@example(history=[*ESTABLISHED, *ONE_BY_ONE], piecemeal=False)
def test_the_laws_hold_through_any_history(history: list[Event], piecemeal: bool) -> None:
    if (failure := broken(history, piecemeal)) is not None:
        left = smallest(history, lambda some: type(broken(some, piecemeal)) is type(failure))
        note(f"# {'In pieces' if piecemeal else 'At once'}:\n{told(left)}")
        the_laws_hold(left, piecemeal)


def broken(history: Sequence[Event], piecemeal: bool) -> Exception | None:
    """How a law is broken by a history, if any is."""
    try:
        the_laws_hold(history, piecemeal)
    except Exception as failure:  # noqa: BLE001 - whatever it is, the history is at fault
        return failure
    return None


def the_laws_hold(history: Sequence[Event], piecemeal: bool) -> None:
    """The laws hold after every update of a history, and its end is what a home is where all files arrive at once."""
    with tempfile.TemporaryDirectory() as folder, work_in_pieces(piecemeal):
        life, events = begin(Path(folder) / "lived", history)
        lived = life.home
        for moment in live(life, events):
            nothing_is_lost(lived, moment.after)
            nothing_changes_by_itself(moment)
            only_the_affected_are_computed(moment, exactly=not piecemeal)
            parts_sum_to_the_whole(moment.after.tables)
            what_is_told_of_changes_is_all_there_is(lived)
        at_once = Home(Path(folder) / "at-once")
        at_once.change(**lived.settings.model_dump(exclude={"home"}))
        settled(moment.after.files, at_once)
        rebuilt = at_once.everything()
        for table, rows in moment.after.tables.items():
            assert rows == rebuilt[table], f"{table}: lived and rebuilt differ"
        assert contents(lived) == contents(at_once)
        assert accounts(lived) == accounts(at_once)
        assert status(lived.platform)["stale"] == {}


@contextmanager
def work_in_pieces(piecemeal: bool) -> Iterator[None]:
    """Batches of single files, months and stores instead of one batch."""
    with pytest.MonkeyPatch.context() as patch:
        if piecemeal:
            patch.setattr(intake, "GROUP_FILES", 1)
            patch.setattr(stages, "CLEAN_LINES", 1)
            patch.setattr(stages, "KPI_ROWS", 1)
            patch.setattr(store_stages, "DEMAND_ROWS", 1)
        yield


def contents(home: Home) -> dict[tuple[str, Key], str]:
    """The content hash of every partition there is, of whole tables where they hold rows; publications left out."""
    p = partitions.c
    there = (p.wanted != "", sa.or_(p.store != "", p.rows > 0), p.table_name != "published")
    with home.platform.ledger.transaction() as connection:
        found = connection.execute(sa.select(p.table_name, p.store, p.day, p.content).where(*there))
        return {(table, Key(store, on)): content for table, store, on, content in found}


def what_is_told_of_changes_is_all_there_is(home: Home) -> None:
    """The files as published before, those that changed since replaced, are the files as the ledger knows them."""
    before = current(home.settings.published)
    tell = publisher_told(home.platform, 0, {})
    since, whole = tell(before), tell(None)
    if since.whole or before is None:
        return
    changed = set(since.changed_files["file"].to_pylist())
    kept = Reader(home.settings.published).table(EVERY_STORE, "source_files").to_pylist()
    found = [row for row in kept if row["file"] not in changed] + since.source_files.to_pylist()
    assert sorted(found, key=repr) == sorted(whole.source_files.to_pylist(), key=repr)


def accounts(home: Home) -> list[tuple[object, ...]]:
    """Of every file that was taken: what became of its lines, store by store."""
    names = ("file", "store", "sha256", "copy_of", "first_day", "last_day", "lines", "clean", "set_aside", "duplicates")
    rows = publisher_told(home.platform, 0, {})(None).source_files.to_pylist()
    return sorted((tuple(row[name] for name in names) for row in rows if row["sha256"]), key=repr)


def nothing_is_lost(home: Home, state: State) -> None:
    """Every line of a sales file is a raw line or set aside; every raw line is clean, set aside or a duplicate."""
    lines = status(home.platform)["lines"]
    raw = {(key, line[0], line[1]) for key, found in raw_sales(state.files).items() for line in found}
    names = TABLES["raw_sales"].names
    held = [dict(zip(names, row, strict=True)) for row in state.tables["raw_sales"]]
    assert sorted((Key(str(r["store"]), str(r["day"])), r["file"], r["line"]) for r in held) == sorted(raw)
    unplaced = [row for row in state.tables["set_aside_rows"] if row[-1] == "sales" and row[3] is None]
    assert len(lines_of(state.files, "sales")) == len(raw) + len(unplaced)
    sent = [text.count("\n") - 1 for name, text in state.files.items() if kind_of(name) == "sales"]
    assert lines["in"] == sum(sent) == lines["clean"] + lines["set_aside"] + lines["duplicates"]
    assert lines["clean"] == len(state.tables["clean_sales"])
    assert lines["set_aside"] == len([row for row in state.tables["set_aside_rows"] if row[-1] == "sales"])


def nothing_changes_by_itself(moment: Moment) -> None:
    """Same files and settings, same tables, whatever was rebuilt or materialised by hand."""
    before, after = moment.before, moment.after
    if (before.files, before.settings) == (after.files, after.settings):
        assert before.tables == after.tables


def only_the_affected_are_computed(moment: Moment, *, exactly: bool) -> None:
    """Computed is what a change touches and what was asked for: no partition more, none less."""
    for table, expected in affected(moment.before, moment.after).items():
        computed = moment.computed.get(table, set())
        assert computed >= expected, f"{table}: not computed"
        if exactly and moment.straight and moment.by_hand is not None:
            asked = moment.by_hand.get(TOGETHER.get(table, table), set())
            assert computed - asked <= expected, f"{table}: computed for nothing"


def parts_sum_to_the_whole(tables: Mapping[str, Rows]) -> None:
    """Key figures of products sum up to those of their category and store, and to the clean sales of the days."""
    clean, kpis = (
        [dict(zip(TABLES[table].names, row, strict=True)) for row in tables[table]]
        for table in ("clean_sales", "product_kpis")
    )
    brought: dict[tuple[object, object], Decimal] = defaultdict(Decimal)
    for line in clean:
        brought[line["store"], line["day"]] += line["revenue"]  # type: ignore[operator]
    by_store: dict[tuple[object, object], list[dict[str, object]]] = defaultdict(list)
    for row in kpis:
        by_store[row["store"], row["day"]].append(row)
    for (store, on), rows in by_store.items():
        assert isinstance(on, date)
        for column, days in (("revenue", 1), ("revenue_7d", 7), ("revenue_14d", 14), ("revenue_28d", 28)):
            whole = sum((brought.get((store, on - timedelta(back)), Decimal()) for back in range(days)), Decimal())
            assert sum(row[column] for row in rows) == whole, (store, on, column)  # type: ignore[misc]
        for row in rows:
            category = [other["revenue_28d"] for other in rows if other["category"] == row["category"]]
            assert row["category_revenue_28d"] == (None if row["category"] is None else sum(category))  # type: ignore[arg-type]
            assert row["store_revenue_28d"] == sum(other["revenue_28d"] for other in rows)  # type: ignore[misc]
    assert sum((row["revenue"] for row in kpis), Decimal()) == sum(brought.values(), Decimal())  # type: ignore[misc]


def test_every_computed_table_has_its_inputs_said(tmp_path: Path) -> None:
    *_, moment = live(Life(Home(tmp_path)), [])
    assert inputs(moment.after).keys() == set(KEPT)
