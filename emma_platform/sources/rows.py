"""Sales: canonical text columns to rows of `raw_sales`, and the rows that belong to no partition.

Belongs here: what every kind shares (`FileFacts`, blank text, the frame of rows set aside) and the rules of sales.
Does not belong here: the other kinds (`reference`), and the rules of `clean_sales`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from emma_platform.model.tables import INPUT_COLUMNS, RAW_SALES, SET_ASIDE_ROWS
from emma_platform.sources.columns import compute as pc
from emma_platform.sources.columns import nulls, numbers, rows_at
from emma_platform.sources.header import Binding
from emma_platform.sources.piece import Piece
from emma_platform.sources.protocol import Delivery
from emma_platform.sources.times import place, read_times

SET_ASIDE_SCHEMA = SET_ASIDE_ROWS.arrow_schema()
_SCHEMA = RAW_SALES.arrow_schema()
_REASONS = ("", "missing_store", "bad_date", "future_date", "prehistoric_date")
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What holds for every row of a file.

    Attributes:
        name: its path below landing.
        first_day, last_day: the days that its rows may lie in.
        decimal_mark: of its numbers.
        day_first: `05/06/2026` is the 5th of June.
        date_format, time_zone: what sources.yaml says, or none.
    """

    name: str
    first_day: date
    last_day: date
    decimal_mark: str
    day_first: bool
    date_format: str | None = None
    time_zone: str | None = None


def last_day_of(taken_on: date) -> date:
    """The last day that a row of a file taken on this day may have: the sender's day may have begun already."""
    return taken_on + timedelta(days=1)


def canonical_texts(piece: Piece, binding: Binding) -> dict[str, pa.Array[Any]]:
    """The canonical columns of the piece's kind as text; blank text is null, all other text is untouched."""
    count = len(piece.lines)
    required, optional = INPUT_COLUMNS[binding.input]
    texts: dict[str, pa.Array[Any]] = {}
    for column in required + optional:
        if column in binding.constants:
            texts[column] = pa.repeat(pa.scalar(binding.constants[column], pa.string()), count)
        elif column in binding.columns:
            texts[column] = _without_blanks(piece.columns[binding.columns[column]])
        else:
            texts[column] = nulls(count)
    return texts


def _without_blanks(text: pa.Array[Any]) -> pa.Array[Any]:
    blank = pc.utf8_is_space(text)
    return pc.if_else(blank, pa.scalar(None, pa.string()), text) if pc.any(blank).as_py() else text


def sales_delivery(piece: Piece, binding: Binding, facts: FileFacts, zones: Mapping[str, str]) -> Delivery:
    """The rows of one piece of a sales file."""
    texts = canonical_texts(piece, binding)
    store = texts["store"]
    times = read_times(texts["sold_at"], date_format=facts.date_format, day_first=facts.day_first)
    instants, days = place(times, store, zones, facts.time_zone)
    reason = _reasons(store, times.valid, days, facts)
    columns = {
        "store": store,
        "day": days,
        "line": piece.lines,
        "sold_at_utc": instants,
        **{"receipt_line" if column == "line" else column: text for column, text in texts.items() if column != "store"},
    }
    aside = np.flatnonzero(reason)
    if len(aside):
        good = np.flatnonzero(reason == 0)
        columns = {column: rows_at(values, good) for column, values in columns.items()}
    count = len(columns["line"])
    columns["file"] = pa.repeat(facts.name, count)
    columns["decimal_mark"] = pa.repeat(facts.decimal_mark, count)
    rows = pa.Table.from_arrays([columns[name] for name in _SCHEMA.names], schema=_SCHEMA)
    known_day = pc.if_else(pa.array(reason >= _REASONS.index("future_date")), days, pa.scalar(None, pa.date32()))
    set_aside = set_aside_rows(
        piece, binding, facts, aside, [_REASONS[code] for code in reason[aside]], texts, days=known_day
    )
    return Delivery(
        input="sales",
        rows=rows,
        set_aside=set_aside,
        lines=count + set_aside.num_rows,
    )


def _reasons(store: pa.Array[Any], dated: np.ndarray, days: pa.Array[Any], facts: FileFacts) -> np.ndarray:
    """Per row the position in `_REASONS` of the first that applies; 0 for rows that belong to a partition."""
    number = numbers(pc.fill_null(pc.cast(days, pa.int32()), 0))
    first, last = (facts.first_day - _EPOCH).days, (facts.last_day - _EPOCH).days
    missing = numbers(pc.is_null(store))
    return np.select([missing, ~dated, number > last, number < first], [1, 2, 3, 4], 0)


def set_aside_rows(
    piece: Piece,
    binding: Binding,
    facts: FileFacts,
    positions: np.ndarray,
    reasons: Sequence[str],
    texts: Mapping[str, pa.Array[Any]],
    *,
    days: pa.Array[Any] | None = None,
) -> pa.Table:
    """Rows set aside and unreadable lines as `set_aside_rows`, in the order of their lines.

    Args:
        piece: where they stand.
        binding: the columns that the file has.
        facts: the file.
        positions: the rows to set aside.
        reasons: why, one for each position.
        texts: the canonical columns of all rows.
        days: the days of all rows, where they are to be told.
    """
    if not len(positions) and not piece.unreadable:
        return SET_ASIDE_SCHEMA.empty_table()
    told = {
        column: rows_at(text, positions)
        for column, text in texts.items()
        if column in {**binding.columns, **binding.constants}
    }
    rows = pa.table(told).to_pylist() if told else []
    bare_lines, bare = [line for line, _ in piece.unreadable], [text for _, text in piece.unreadable]
    nothing = len(bare)

    def padded(values: pa.Array[Any] | None, kind: pa.DataType) -> pa.Array[Any]:
        head = rows_at(values, positions) if values is not None else nulls(len(positions), kind)
        return pa.concat_arrays([head, nulls(nothing, kind)])

    table = pa.Table.from_arrays(
        [
            pa.repeat(facts.name, len(rows) + nothing),
            pa.concat_arrays([rows_at(piece.lines, positions), pa.array(bare_lines, pa.int64())]),
            padded(texts.get("store"), pa.string()),
            padded(days, pa.date32()),
            pa.array([*reasons, *["unreadable_line"] * nothing], pa.string()),
            pa.array(
                [*(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows), *bare], pa.string()
            ),
            pa.repeat(binding.input, len(rows) + nothing),
        ],
        schema=SET_ASIDE_SCHEMA,
    )
    return table.sort_by("line") if nothing else table
