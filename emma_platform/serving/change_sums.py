"""The sums that a key figure's change is worked out from, read from the files of the months concerned.

Belongs here: reading them, and what they follow from. Does not belong here: which sums there are (`kpi_changes.sql`),
how a change is split (`transforms.kpi_changes`), and keeping what was read (`change_rows`, `kept_changes`).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta
from functools import cache

import numpy as np
import pyarrow as pa

from emma_platform.engine.duckdb import DuckDBEngine, EngineError
from emma_platform.engine.protocol import Input
from emma_platform.model.access import StoreScope
from emma_platform.serving.periods import Period
from emma_platform.serving.publication import ServingError
from emma_platform.serving.reader import Reader
from emma_platform.store.protocol import Files
from emma_platform.transforms.public_holidays import store_calendar
from emma_platform.transforms.sql import load

Periods = tuple[Period, Period]
"""The one before and the one after."""

Lives = tuple[tuple[str, date, date], ...]
"""Store, first and last day of the stores that are asked for."""

Content = tuple[tuple[str | int | None, ...], ...]

_PROMOTION = ("store", "product", "first_day", "last_day")
_STOCK_OUT = ("store", "product", "first_day", "last_day", "lost_units")


def content(reader: Reader, scope: StoreScope, periods: Periods, stores: Collection[str]) -> Content:
    """What the sums are made from beside the stores' lives, which publications may share.

    Files, whose content never changes, and versions of tables.
    """
    versions = (reader.publication.versions.get(name) for name in ("promotions", "calendar", "stores"))
    stock_outs = reader.paths(scope, "probable_stock_outs", stores=stores)
    return _figures(reader, scope, periods, stores), stock_outs, tuple(versions)


def sums(reader: Reader, scope: StoreScope, periods: Periods, lives: Lives) -> pa.Table:
    """The rows of `kpi_changes.sql`.

    Raises:
        ServingError: there is no such store, or the files of the publication cannot be read.
    """
    stores, first_days, last_days = (list(values) for values in zip(*lives, strict=True))
    days = [
        (period.first + timedelta(offset), number)
        for number, period in enumerate(periods)
        for offset in range(period.days)
    ]
    tables: dict[str, Input] = {
        "product_kpis": Files("product_kpis", _figures(reader, scope, periods, stores)),
        "periods": pa.table(
            {
                "day": pa.array([day for day, _ in days], pa.date32()),
                "period": pa.array([number for _, number in days], pa.int32()),
                "weekday": [f"2 {day:%w}" for day, _ in days],
            }
        ),
        "lives": pa.table(
            {
                "store": stores,
                "first_day": pa.array(first_days, pa.date32()),
                "last_day": pa.array(last_days, pa.date32()),
            }
        ),
        "promotions": reader.table(scope, "promotions", stores=stores, columns=_PROMOTION),
        "calendar": _calendar(reader, scope, stores, periods),
        "lost_units": _lost_units(reader, scope, stores),
    }
    try:
        return _engine().run(load("kpi_changes").text, tables)
    except EngineError as error:
        raise ServingError(f"the change cannot be read ({error}); run `emma update`") from error


def _figures(reader: Reader, scope: StoreScope, periods: Periods, stores: Collection[str]) -> tuple[str, ...]:
    """The files of key figures of both periods' months."""
    paths = {
        path
        for period in periods
        for path in reader.paths(scope, "product_kpis", stores=stores, first_day=period.first, last_day=period.last)
    }
    return tuple(sorted(paths))


@cache
def _engine() -> DuckDBEngine:
    """One for the process: to open one takes 40 ms, longer than the statement over a store."""
    return DuckDBEngine(threads=1)


def _calendar(reader: Reader, scope: StoreScope, stores: Collection[str], periods: Periods) -> pa.Table:
    """The calendar that the forecasts of these stores know, over both periods: with each one's public holidays."""
    calendar, known = (reader.table(scope, name, stores=stores) for name in ("calendar", "stores"))
    first, last = min(period.first for period in periods), max(period.last for period in periods)
    for store in stores:
        calendar = store_calendar(calendar, known, store=store, first=first, last=last)
    return calendar


def _lost_units(reader: Reader, scope: StoreScope, stores: Collection[str]) -> pa.Table:
    """store, product, day, lost_units: what probable stock-outs cost, spread evenly over their days."""
    runs = reader.table(scope, "probable_stock_outs", stores=stores, columns=_STOCK_OUT)
    first, last = (runs[name].cast(pa.int32()).to_numpy().astype(np.int64) for name in ("first_day", "last_day"))
    days = last - first + 1
    run = np.repeat(np.arange(len(days)), days)
    within = np.arange(len(run)) - np.repeat(np.cumsum(days) - days, days)
    by_day = runs.select(["store", "product"]).take(pa.array(run, pa.int64()))
    by_day = by_day.append_column("day", pa.array((first[run] + within).astype(np.int32)).cast(pa.date32()))
    return by_day.append_column("lost_units", pa.array(runs["lost_units"].to_numpy()[run] / days[run]))
