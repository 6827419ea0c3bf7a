"""The stages that compute tables by store and day: clean sales and key figures.

Belongs here: for each stage, read its inputs for a batch of stale partitions, run the transform, commit each table
once, write the ledger. Does not belong here: the transforms (`transforms`) and which partitions are stale (`plan`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta

import pyarrow as pa
import sqlalchemy as sa

from emma_platform.engine.protocol import Part
from emma_platform.model.partitions import WINDOW_DAYS, days_between, month_of
from emma_platform.model.reasons import NON_PRODUCT_CODES
from emma_platform.model.tables import TABLES
from emma_platform.recompute import propagate
from emma_platform.recompute.inputs import days_of, keys_frame
from emma_platform.recompute.ledger import Key, Result, chunks, mark_files, reasons, record, set_version, upsert, want
from emma_platform.recompute.plan import Selection, Stale, in_batches, stale, weight_of
from emma_platform.recompute.platform import Platform
from emma_platform.recompute.provenance import left_out
from emma_platform.settings import Settings
from emma_platform.transforms.clean_sales import Cleaned, split
from emma_platform.transforms.sql import load

CLEAN_LINES = 1_000_000
"""Raw lines judged at once: about 600 MB as text columns in memory."""

KPI_ROWS = 500_000
"""Rows of key figures in one batch: with them a process stays below 1.5 GB."""

KPI_LEAST = 20
"""Lines that a day counts for at least: products sold before have figures on a day without a line."""

DEMAND = ("store", "day", "product", "category", "units", "sold_units", "sold_revenue", "average_price", "on_hand")
"""The columns that forecasts and price evidence read; a change of the others (a cost) leaves them as they are."""


def clean(platform: Platform, selection: Selection, codes: Mapping[str, str], batch: int) -> None:
    """Compute the stale partitions of clean_sales and set_aside_rows."""
    if not (selection.has("clean_sales") or selection.has("set_aside_rows")):
        return
    with platform.ledger.transaction() as connection:
        work = stale(connection, "clean_sales", selection, weigh_by="raw_sales")
    done = 0
    announce(platform, "clean_sales", len(work))
    for items in in_batches(work, lambda: CLEAN_LINES, least=1):
        _clean_batch(platform, items, codes, batch)
        done += len(items)
        platform.observer.progress("clean_sales", done, len(work))


def announce(platform: Platform, layer: str, total: int) -> None:
    """Show that a layer begins, when there is anything to do."""
    if total:
        platform.observer.progress(layer, 0, total)


def non_product_codes(settings: Settings) -> list[str]:
    """The codes that stand for no product, upper case."""
    own = (code.strip().upper() for code in settings.non_product_codes.split(","))
    return sorted({*NON_PRODUCT_CODES, *(code for code in own if code)})


def _clean_batch(platform: Platform, items: Sequence[Stale], codes: Mapping[str, str], batch: int) -> None:
    keys = [item.key for item in items]
    judged = platform.engine.run(
        load("clean_sales").text,
        {
            "raw_sales": part_of(platform, "raw_sales", keys),
            "products": platform.store.read("products"),
            "stores": platform.store.read("stores"),
        },
        {"non_product_codes": non_product_codes(platform.settings)},
    )
    cleaned = split(judged)
    message = {"batch": str(batch)}
    replace = days_of(keys)
    versions = {
        "clean_sales": platform.store.commit("clean_sales", cleaned.clean_sales, replace, message),
        "set_aside_rows": platform.store.commit("set_aside_rows", cleaned.set_aside_rows, replace, message),
    }
    platform.observer.step("clean_sales: committed")
    duplicates = _duplicates(cleaned)
    results = {
        table: digest_days(platform, table, rows, items, duplicates if table == "clean_sales" else {})
        for table, rows in (("clean_sales", cleaned.clean_sales), ("set_aside_rows", cleaned.set_aside_rows))
    }
    with platform.ledger.transaction() as connection:
        changed = record(connection, "clean_sales", results["clean_sales"], batch)
        record(connection, "set_aside_rows", results["set_aside_rows"], batch)
        want(connection, "set_aside_rows", {result.key: result.done for result in results["set_aside_rows"]})
        _record_reasons(connection, keys, cleaned.set_aside_rows)
        _record_left_out(connection, keys, cleaned.left_out, batch)
        propagate.from_clean(connection, changed, codes)
        for table, version in versions.items():
            set_version(connection, table, version)
    platform.observer.step("clean_sales: recorded")


def part_of(platform: Platform, table: str, keys: Collection[Key]) -> Part:
    """The rows of exactly these store-days."""
    files = platform.store.files(table, stores={key.store for key in keys}, months={key.day[:7] for key in keys})
    return Part(files, keys_frame(keys))


def digest_days(
    platform: Platform,
    table: str,
    rows: pa.Table,
    items: Sequence[Stale],
    duplicates: Mapping[Key, int],
    facet: Sequence[str] = (),
) -> list[Result]:
    """The results of a batch's partitions; those without a row have an empty content."""
    by = ["store", "day"]
    whole = _by_day(platform.engine.digest(rows, by=by, columns=TABLES[table].names)) if rows.num_rows else {}
    part = _by_day(platform.engine.digest(rows, by=by, columns=facet)) if facet and rows.num_rows else {}
    return [
        Result(
            key=item.key,
            done=item.wanted,
            content=whole.get(item.key, ("", 0))[0],
            rows=whole.get(item.key, ("", 0))[1],
            facet=part.get(item.key, ("", 0))[0],
            duplicates=duplicates.get(item.key, 0),
        )
        for item in items
    ]


def _by_day(digests: pa.Table) -> dict[Key, tuple[str, int]]:
    columns = digests.select(["store", "day", "content", "rows"]).to_pydict().values()
    return {Key(store, day.isoformat()): (content, rows) for store, day, content, rows in zip(*columns, strict=True)}


def _duplicates(cleaned: Cleaned) -> dict[Key, int]:
    columns = cleaned.counts.select(["store", "day", "duplicates"]).to_pydict().values()
    return {Key(store, day.isoformat()): lines for store, day, lines in zip(*columns, strict=True) if lines}


def _days_by_store(keys: Sequence[Key]) -> Iterator[tuple[str, Sequence[str]]]:
    """The days of each store, in pieces that fit one statement."""
    by_store: dict[str, list[str]] = {}
    for key in keys:
        by_store.setdefault(key.store, []).append(key.day)
    for store, days in by_store.items():
        for part in chunks(days):
            yield store, part


def _record_left_out(connection: sa.Connection, keys: Sequence[Key], rows: pa.Table, batch: int) -> None:
    o = left_out.c
    before: set[tuple[object, ...]] = set()
    for store, days in _days_by_store(keys):
        which = (o.store == store, o.day.in_(days))
        before |= {tuple(row) for row in connection.execute(sa.select(left_out).where(*which))}
        connection.execute(sa.delete(left_out).where(*which))
    names = [column.name for column in left_out.columns]
    columns = rows.set_column(1, "day", rows["day"].cast(pa.string())).select(names).to_pydict().values()
    now = set(zip(*columns, strict=True))
    upsert(connection, left_out, [dict(zip(names, row, strict=True)) for row in sorted(now)])
    mark_files(connection, {str(row[0]) for row in before ^ now}, batch)


def _record_reasons(connection: sa.Connection, keys: Sequence[Key], rows: pa.Table) -> None:
    r = reasons.c
    for store, days in _days_by_store(keys):
        connection.execute(sa.delete(reasons).where(r.store == store, r.day.in_(days)))
    counted = rows.group_by(["store", "day", "reason"]).aggregate([("line", "count")])
    columns = counted.select(["store", "day", "reason", "line_count"]).to_pydict().values()
    upsert(
        connection,
        reasons,
        [
            {"input": "sales", "store": s, "day": d.isoformat(), "file": "", "reason": reason, "lines": lines}
            for s, d, reason, lines in zip(*columns, strict=True)
        ],
    )


def kpis(platform: Platform, selection: Selection, codes: Mapping[str, str], batch: int) -> None:
    """Compute the stale partitions of product_kpis."""
    if not selection.has("product_kpis"):
        return
    with platform.ledger.transaction() as connection:
        work = stale(connection, "product_kpis", selection, weigh_by="clean_sales")
    done = 0
    pace = _Pace()
    announce(platform, "product_kpis", len(work))
    for items in in_batches(work, pace.lines, KPI_LEAST):
        pace.note(_kpi_batch(platform, items, codes, batch), weight_of(items, KPI_LEAST))
        done += len(items)
        platform.observer.progress("product_kpis", done, len(work))


class _Pace:
    """How many lines bring about `KPI_ROWS` rows, as the batches so far say; 28 rows a line before the first."""

    def __init__(self) -> None:
        self._rows_a_line: float | None = None

    def lines(self) -> float:
        """The lines of the next batch."""
        return KPI_ROWS / (self._rows_a_line or WINDOW_DAYS)

    def note(self, rows: int, lines: int) -> None:
        """A batch of so many lines had so many rows; the densest batch counts, for the sake of memory."""
        self._rows_a_line = max(rows / lines, self._rows_a_line or 0)


def _kpi_batch(platform: Platform, items: Sequence[Stale], codes: Mapping[str, str], batch: int) -> int:
    """Compute some partitions; returns how many rows they have."""
    keys = [item.key for item in items]
    alive = [item.key for item in items if item.wanted]
    rows = platform.engine.run(
        load("product_kpis").text,
        {
            "clean_sales": part_of(platform, "clean_sales", _windows(alive)),
            "stock": part_of(platform, "stock", alive),
            "products": platform.store.read("products"),
            "wanted": keys_frame(alive),
        },
    )
    version = platform.store.commit("product_kpis", rows, days_of(keys), {"batch": str(batch)})
    platform.observer.step("product_kpis: committed")
    results = digest_days(platform, "product_kpis", rows, items, {}, facet=DEMAND)
    with platform.ledger.transaction() as connection:
        changed = record(connection, "product_kpis", results, batch)
        stores = {key.store for key in changed}
        propagate.from_kpis(connection, stores, codes, platform.settings.forecast_history_days)
        set_version(connection, "product_kpis", version)
    platform.observer.step("product_kpis: recorded")
    return rows.num_rows


def _windows(keys: Collection[Key]) -> set[Key]:
    """Every store-day in the 28 days that end on one of these."""
    ends: dict[str, set[date]] = {}
    for key in keys:
        ends.setdefault(key.store, set()).add(date.fromisoformat(key.day))
    back = timedelta(WINDOW_DAYS - 1)
    return {
        Key(store, day.isoformat())
        for store, days in ends.items()
        for last in days
        for day in ([last] if last - timedelta(1) in days else days_between(last - back, last))
    }


def months_before(last: str, days: int) -> set[str]:
    """The months that the given number of days up to and with the last one lie in."""
    end = date.fromisoformat(last)
    return {month_of(day) for day in days_between(end - timedelta(days - 1), end)}
