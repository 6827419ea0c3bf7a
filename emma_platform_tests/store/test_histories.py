"""Any history of commits, on every store, equals a list of rows that was treated in the same way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emma_platform.model.partitions import month_of
from emma_platform.store.protocol import Days, Replace, Stores, TableStore, Whole
from emma_platform_tests.store.frames import DAYS, ODD_NAMES, evidence, priors, set_aside, stock, tuples

D1 = DAYS[0]


_NAMES = st.sampled_from(ODD_NAMES[:4])
_SOME_DAYS = st.frozensets(st.sampled_from(DAYS), max_size=3)
_REPLACE: dict[str, st.SearchStrategy[Replace]] = {
    "stock": st.one_of(
        st.just(Whole()),
        st.builds(Stores, st.frozensets(_NAMES, max_size=3)),
        st.builds(Days, st.dictionaries(st.one_of(st.none(), _NAMES), _SOME_DAYS, max_size=3)),
    ),
    "price_evidence": st.one_of(st.just(Whole()), st.builds(Stores, st.frozensets(_NAMES, max_size=3))),
    "price_priors": st.just(Whole()),
}
_REPLACE["set_aside_rows"] = _REPLACE["stock"]
Cell = tuple[str | None, date | None]


def _covered(replace: Replace, cell: Cell) -> bool:
    name, day = cell
    if isinstance(replace, Whole):
        return True
    if isinstance(replace, Stores):
        return name in replace.stores and day is not None
    if name is None or day is None:
        return None in replace.days
    return day in replace.days.get(name, ())


def _cells(table: str) -> list[Cell]:
    placed: list[Cell] = [(name, day) for name in ODD_NAMES[:4] for day in DAYS]
    if table == "set_aside_rows":
        return [*placed, (None, None), (None, D1), ("..", None)]
    return placed


def _frame(table: str, rows: list[tuple[Cell, int]]) -> pa.Table:
    if table == "stock":
        return stock(*((str(name), day or D1, f"p{n}", n) for (name, day), n in rows))
    if table == "set_aside_rows":
        return set_aside(*((name, day, n) for (name, day), n in rows))
    if table == "price_evidence":
        return evidence(*((str(name), f"{day} {n}") for (name, day), n in rows))
    return priors(*((f"{name} {day}", float(n)) for (name, day), n in rows))


@st.composite
def _histories(draw: st.DrawFn) -> tuple[str, list[tuple[Replace, list[tuple[Cell, int]]]]]:
    table = draw(st.sampled_from(list(_REPLACE)))
    history = []
    for _ in range(draw(st.integers(1, 5))):
        replace = draw(_REPLACE[table])
        inside = [cell for cell in _cells(table) if _covered(replace, cell)]
        rows = st.lists(st.tuples(st.sampled_from(inside), st.integers(1, 9)), max_size=6)
        history.append((replace, draw(rows) if inside else []))
    return table, history


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=_histories(), data=st.data())
def test_any_history_equals_a_list_of_rows(
    make: Callable[[Path], TableStore], tmp_path_factory: pytest.TempPathFactory, history: Any, data: st.DataObject
) -> None:
    table, commits = history
    store = make(tmp_path_factory.mktemp("lake"))
    states: list[list[tuple[Cell, int]]] = []
    now: list[tuple[Cell, int]] = []
    for number, (replace, rows) in enumerate(commits):
        now = [row for row in now if not _covered(replace, row[0])] + rows
        assert store.commit(table, _frame(table, rows), replace, {"n": str(number)}) == number
        assert tuples(store.read(table)) == tuples(_frame(table, now))
        states.append(now)
    version = data.draw(st.integers(0, len(states) - 1))
    then = states[version]
    assert tuples(store.read(table, version=version)) == tuples(_frame(table, then))
    if table in {"stock", "set_aside_rows"}:
        names = data.draw(st.lists(st.one_of(st.none(), _NAMES), max_size=2))
        months = data.draw(st.lists(st.sampled_from(["2025-12", "2026-01", ""]), max_size=2))
        wanted = [
            (cell, n)
            for cell, n in then
            for placed in [None not in cell]
            if (cell[0] if placed else None) in names and (month_of(cell[1]) if placed and cell[1] else "") in months
        ]
        found = store.read(table, version=version, stores=names, months=months)
        assert tuples(found) == tuples(_frame(table, wanted))
