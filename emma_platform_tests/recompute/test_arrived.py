"""Large files: what lies on disk and is written in parts counts as what is read and written at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emma_platform.engine.duckdb import DuckDBEngine
from emma_platform.model.tables import RAW_SALES, SET_ASIDE_ROWS
from emma_platform.recompute import arrived, intake
from emma_platform.recompute.arrived import Overflow
from emma_platform.recompute.ledger import Key
from emma_platform.sources.protocol import Delivery
from emma_platform_tests.recompute.home import Home, sale

NO_ROWS = SET_ASIDE_ROWS.arrow_schema().empty_table()
Line = tuple[str, int]

lines = st.lists(st.tuples(st.sampled_from(["S1", "S2", "S3"]), st.integers(0, 70)), max_size=40)
ENGINE = DuckDBEngine(threads=1)


def frame(chosen: Sequence[Line], first_line: int = 1) -> pa.Table:
    schema = RAW_SALES.arrow_schema()
    values = {
        "store": [store for store, _ in chosen],
        "day": [date.fromordinal(738_000 + on) for _, on in chosen],
        "file": ["a.csv"] * len(chosen),
        "line": list(range(first_line, first_line + len(chosen))),
        "sold_at_utc": [datetime(2026, 1, 1, tzinfo=UTC)] * len(chosen),
        "decimal_mark": ["."] * len(chosen),
    }
    return pa.table(
        {field.name: pa.array(values.get(field.name, [None] * len(chosen)), field.type) for field in schema},
        schema=schema,
    )


@given(lines, st.integers(1, 39), st.integers(1, 20), st.integers(1, 20))
def test_however_it_is_cut_it_says_the_same(chosen: list[Line], at: int, piece: int, part: int) -> None:
    whole = frame(chosen)
    with pytest.MonkeyPatch.context() as patch:
        together = arrived.arrived(ENGINE, "raw_sales", [whole])
        patch.setattr(arrived, "PIECE_ROWS", piece)
        patch.setattr(arrived, "PART_LINES", part)
        apart = arrived.arrived(ENGINE, "raw_sales", [whole[:at], whole[at:]])
        assert apart.slices == together.slices
        keys = {Key(store, day) for _, store, day in together.slices}
        seen: set[Key] = set()
        for wanted, rows in apart.parts(keys):
            assert not wanted & seen
            months = {(key.store, key.day[:7]) for key in wanted}
            assert not months & {(key.store, key.day[:7]) for key in keys - wanted}
            found = {
                Key(s, d.isoformat()): 0
                for s, d in zip(*rows.select(["store", "day"]).to_pydict().values(), strict=True)
            }
            assert wanted <= set(found)
            seen |= wanted
        assert seen == keys


def test_days_without_a_row_are_asked_for_too() -> None:
    nothing = arrived.arrived(ENGINE, "raw_sales", [])
    ((wanted, rows),) = nothing.parts({Key("S1", "2026-01-01")})
    assert wanted == {Key("S1", "2026-01-01")}
    assert not rows.num_rows


def test_what_is_too_much_for_memory_is_laid_on_disk_and_goes_with_the_group(tmp_path: Path) -> None:
    rows = frame([("S1", on) for on in range(50)])
    with Overflow(tmp_path / "spill", limit=int(rows.nbytes * 1.5)) as overflow:
        held = [overflow.hold(Delivery("sales", rows, NO_ROWS, 50)) for _ in range(3)]
        assert [delivery.rows is rows for delivery in held] == [True, False, False]
        assert len(list((tmp_path / "spill").rglob("*.arrow"))) == 2
        assert all(delivery.rows.equals(rows) for delivery in held)
    assert not list((tmp_path / "spill").iterdir())
    assert held[1].rows.equals(rows)  # mapped rows outlive their names


def test_a_file_larger_than_memory_gives_the_same_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sales = [
        sale(store=store, on=on, product=product, receipt=f"R{product}{on}")
        for store in ("S1", "S2")
        for on in range(0, 60, 3)
        for product in ("P1", "P2")
    ]
    plain, small = Home(tmp_path / "plain"), Home(tmp_path / "small")
    corrected = [line.replace(",1,2.50", ",2,2.50") for line in sales[:25]]
    for home in (plain, small):
        if home is small:
            monkeypatch.setattr(intake, "TEXT_TO_ROWS", 0)
            monkeypatch.setattr(arrived, "PIECE_ROWS", 7)
            monkeypatch.setattr(arrived, "PART_LINES", 5)
        home.sell("everything.csv", *sales)
        home.sell("day.csv", sale(store="S2", on=3, receipt="R9"))
        home.update()
        home.sell("everything.csv", *corrected)
        home.update()
    assert small.everything() == plain.everything()
    assert len(small.rows("raw_sales")) == 26
