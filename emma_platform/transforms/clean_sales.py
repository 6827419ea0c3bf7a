"""Cuts the judged sales lines into the tables they make.

Belongs here: what happens to the result of `clean_sales.sql`. Does not belong here: the rules; that statement has them.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.model.tables import CLEAN_SALES, SET_ASIDE_ROWS

_NAMED_ESCAPES = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r"}
_CONTROL_CHARACTERS = {chr(code): _NAMED_ESCAPES.get(code, f"\\u{code:04x}") for code in range(32)}


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What a batch of store-days comes to.

    Attributes:
        clean_sales: as the table, in no order.
        set_aside_rows: as the table, in no order.
        counts: one row per store-day: `store, day, lines, clean, set_aside, duplicates` (integers); lines is the
            sum of the other three.
        left_out: one row per store-day and file that has such lines: `store, day, file, set_aside, duplicates`
            (integers, not both zero).
    """

    clean_sales: pa.Table
    set_aside_rows: pa.Table
    counts: pa.Table
    left_out: pa.Table


def split(judged: pa.Table) -> Cleaned:
    """The tables that judged lines make.

    Args:
        judged: the result of `clean_sales.sql`.

    Raises:
        ValueError: a column that the tables demand is empty in a row.
    """
    verdict = judged["verdict"]
    is_clean, is_duplicate = (pc.equal(verdict, pa.scalar(name)) for name in ("clean", "duplicate"))
    is_aside = pc.invert(pc.or_(is_clean, is_duplicate))
    return Cleaned(
        clean_sales=judged.select(CLEAN_SALES.names).filter(is_clean).cast(CLEAN_SALES.arrow_schema()),
        set_aside_rows=_set_aside(judged.filter(is_aside)),
        counts=_counts(judged, {"clean": is_clean, "set_aside": is_aside, "duplicates": is_duplicate}),
        left_out=_left_out(judged.select(["store", "day", "file", "verdict"]).filter(pc.invert(is_clean))),
    )


def _set_aside(rows: pa.Table) -> pa.Table:
    columns = {"file": "file", "file_line": "line", "store": "store", "day": "day", "verdict": "reason"}
    return (
        rows.select(list(columns))
        .rename_columns(list(columns.values()))
        .append_column("row", _without_control_characters(rows["raw"]))
        .append_column("input", pa.repeat(pa.scalar("sales"), len(rows)))
        .select(SET_ASIDE_ROWS.names)
        .cast(SET_ASIDE_ROWS.arrow_schema())
    )


def _without_control_characters(text: pa.ChunkedArray[pa.StringScalar]) -> pa.ChunkedArray[pa.StringScalar]:
    """JSON as RFC 8259, section 7, demands it: no control character stands for itself within a string."""
    for character, escape in _CONTROL_CHARACTERS.items():
        text = pc.replace_substring(text, pattern=character, replacement=escape)
    return text


def _counts(judged: pa.Table, flags: dict[str, pa.BooleanArray]) -> pa.Table:
    marked = judged.select(["store", "day"])
    for name, flag in flags.items():
        marked = marked.append_column(name, pc.cast(flag, pa.int64()))
    counted = marked.group_by(["store", "day"]).aggregate([([], "count_all"), *((name, "sum") for name in flags)])
    return counted.select(["store", "day", "count_all", *(f"{name}_sum" for name in flags)]).rename_columns(
        ["store", "day", "lines", *flags]
    )


def _left_out(rows: pa.Table) -> pa.Table:
    duplicate = pc.cast(pc.equal(rows["verdict"], pa.scalar("duplicate")), pa.int64())
    marked = (
        rows.drop_columns("verdict")
        .append_column("duplicates", duplicate)
        .append_column("set_aside", pc.subtract(pa.scalar(1), duplicate))
    )
    by = ["store", "day", "file"]
    counted = marked.group_by(by).aggregate([("set_aside", "sum"), ("duplicates", "sum")])
    return counted.select([*by, "set_aside_sum", "duplicates_sum"]).rename_columns([*by, "set_aside", "duplicates"])
