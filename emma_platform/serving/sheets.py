"""Excel files, written row by row in bounded memory.

Belongs here: what an Excel sheet can hold and how. Does not belong here: which rows (`export`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any, BinaryIO

import pyarrow as pa

from emma_platform.serving.cells import plain
from emma_platform.serving.publication import ServingError

MOST_ROWS = 1_048_575
"""Rows of a sheet below its header."""

_LONGEST_TEXT = 32_767
_EXACT_DIGITS = 15
_FIRST_DATE = date(1900, 3, 1)  # Excel counts a 29 February 1900.


def write_sheet(batches: Iterable[pa.RecordBatch], schema: pa.Schema, title: str, out: BinaryIO) -> int:
    """Write one sheet with a header and return its rows.

    Numbers are numbers where Excel holds them exactly, with up to 15 digits, else text; dates are dates from March 1900
    on; instants are ISO 8601 text in UTC; texts are never formulas.

    Raises:
        ServingError: a text is longer than a cell can hold.
    """
    from xlsxwriter import Workbook

    written = 0
    with Workbook(out, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet(title[:31])
        day, bold = book.add_format({"num_format": "yyyy-mm-dd"}), book.add_format({"bold": True})
        for place, name in enumerate(schema.names):
            sheet.write_string(0, place, name, bold)
        sheet.freeze_panes(1, 0)
        for batch in batches:
            columns = [column.to_pylist() for column in plain(batch).columns]
            for values in zip(*columns, strict=True):
                written += 1
                for place, value in enumerate(values):
                    _write(sheet, written, place, value, day)
    return written


def _write(sheet: Any, row: int, column: int, value: Any, day: Any) -> None:  # noqa: ANN401
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(row, column, value)
    elif isinstance(value, date) and value >= _FIRST_DATE:
        sheet.write_datetime(row, column, value, day)
    elif isinstance(value, int | float | Decimal) and _is_exact(value):
        sheet.write_number(row, column, value)
    else:
        text = str(value)
        if len(text) > _LONGEST_TEXT:
            raise ServingError(
                f"row {row} holds a text of {len(text)} letters; a cell of an Excel file takes {_LONGEST_TEXT}: "
                "export as csv or parquet"
            )
        sheet.write_string(row, column, text)


def _is_exact(value: float | Decimal) -> bool:
    """Excel keeps it as it is: 15 digits of a decimal or whole number; every finite float."""
    if isinstance(value, float):
        return value - value == 0
    return len(Decimal(value).normalize().as_tuple().digits) <= _EXACT_DIGITS
