"""How values are written for people's programs: CSV and spreadsheet cells.

Belongs here: texts that a spreadsheet would run as a formula, and times. Does not belong here: files (`export`).
"""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import pyarrow as pa
import pyarrow.compute as pc

_Array: TypeAlias = "pa.Array[Any]"
_FORMULA = "^[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
_NUMBER = r"^[+\-]?[0-9]+([.,][0-9]+)*([eE][+\-]?[0-9]+)?$"


def guarded(text: _Array) -> _Array:
    """Texts, with an apostrophe before those that a spreadsheet would run as a formula; numbers stay as they are.

    Source: OWASP, CSV Injection: texts that begin with = + - @, tab, return, line feed, or the signs' wide forms.
    """
    runs = pc.and_(pc.match_substring_regex(text, _FORMULA), pc.invert(pc.match_substring_regex(text, _NUMBER)))
    if not pc.any(runs).as_py():
        return text
    quoted = pc.replace_substring_regex(text, r"^", "'", max_replacements=1)
    return cast("_Array", pc.if_else(runs, quoted, text))


def iso(times: _Array) -> _Array:
    """Instants as ISO 8601 in UTC, such as 2026-11-22T17:45:00Z; fractions only where there are any."""
    written = pc.strftime(cast("Any", times).cast(pa.timestamp("us", "UTC")), format="%Y-%m-%dT%H:%M:%SZ")
    return cast("_Array", pc.replace_substring_regex(written, r"\.000000Z$", "Z"))


def plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch whose texts are guarded and whose instants are ISO 8601; the other columns stay as they are."""
    columns: list[Any] = []
    for column in batch.columns:
        if pa.types.is_string(column.type):
            columns.append(guarded(column))
        elif pa.types.is_timestamp(column.type):
            columns.append(iso(column))
        else:
            columns.append(column)
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
