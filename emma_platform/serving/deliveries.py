"""What was delivered: files that wait or fail, rows that were set aside, and how many lines came for each day.

Belongs here: reading that from a publication, page by page. Does not belong here: the freshness of stores (`freshness`)
and the files behind one figure (`receipts`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

from emma_platform.model.access import StoreScope
from emma_platform.model.reasons import REASONS, Reason
from emma_platform.serving.reader import Reader

PAGE_ROWS = 50

_TROUBLE = """
    SELECT DISTINCT file, state, message, bool_or(sha256 IS NOT NULL) OVER (PARTITION BY file) AS was_taken
    FROM {rows} WHERE state <> 'taken' AND NOT withdrawn ORDER BY state, file
"""
_REASONS = "SELECT reason, count(*) AS rows FROM {rows} GROUP BY reason ORDER BY rows DESC, reason"
_ROWS = """
    SELECT file, line, store, day, reason, "row", input FROM {rows} WHERE reason = $reason
    ORDER BY day DESC NULLS FIRST, file, line LIMIT $limit OFFSET $offset
"""
_LINES = "SELECT store, day, count(*) AS lines FROM {rows} GROUP BY store, day ORDER BY store, day"
_KNOWN = {reason.code: reason for reason in REASONS}


@dataclass(frozen=True, slots=True)
class Trouble:
    """A file that waits or fails.

    Attributes:
        file: its path below landing/.
        state: `waiting` or `failing`.
        message: why, and what to do.
        was_taken: an earlier content of it counts meanwhile.
    """

    file: str
    state: str
    message: str | None
    was_taken: bool


@dataclass(frozen=True, slots=True)
class SetAside:
    """The rows set aside for one reason: how many, what it means and what to do."""

    reason: Reason
    rows: int


def troubles(reader: Reader, scope: StoreScope) -> tuple[Trouble, ...]:
    """The files that wait or fail, failing first; one whose stores are not known is only told to who sees all."""
    return tuple(Trouble(**row) for row in reader.ask(scope, "source_files", _TROUBLE))


def set_aside(
    reader: Reader,
    scope: StoreScope,
    *,
    stores: Collection[str] | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
) -> tuple[SetAside, ...]:
    """How many rows were set aside for each reason, most first.

    Args:
        reader: the publication.
        scope: the stores that may be seen.
        stores: only rows of these; None for all, also rows whose store cannot be read.
        first_day: only rows of this day or a later one; with either, rows whose day cannot be read are left out.
        last_day: only rows of this day or an earlier one.

    Raises:
        ServingError: there is no such store.
    """
    rows = reader.ask(scope, "set_aside_rows", _REASONS, stores=stores, first_day=first_day, last_day=last_day)
    return tuple(SetAside(_KNOWN[row["reason"]], row["rows"]) for row in rows)


def rows_set_aside(
    reader: Reader,
    scope: StoreScope,
    reason: str,
    *,
    stores: Collection[str] | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
    page: int = 1,
) -> list[dict[str, Any]]:
    """The rows of one reason, `PAGE_ROWS` a page and one more if there is a next: newest day first, undated before.

    Filters and errors are those of `set_aside`; a row is `file, line, store, day, reason, row, input`.
    """
    asked = {"reason": reason, "limit": PAGE_ROWS + 1, "offset": (page - 1) * PAGE_ROWS}
    return reader.ask(scope, "set_aside_rows", _ROWS, asked, stores=stores, first_day=first_day, last_day=last_day)


def lines_by_day(reader: Reader, scope: StoreScope, first_day: date, last_day: date) -> dict[str, dict[date, int]]:
    """For each store how many sales lines came for each of these days; a day without a line is left out."""
    found: dict[str, dict[date, int]] = {}
    for row in reader.ask(scope, "raw_sales", _LINES, first_day=first_day, last_day=last_day):
        found.setdefault(row["store"], {})[row["day"]] = row["lines"]
    return found
