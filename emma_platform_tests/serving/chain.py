"""A small chain of made-up rows for every table of the lake: valid by type and key, without meaning."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from emma_platform.model.schema import Column, Grain, Type
from emma_platform.model.tables import KEPT, TABLES
from emma_platform.store.protocol import TableStore, Whole

ODD_STORES = (
    "Köln/Süd 100%", "a.b~c", "~", ".", "%41", "it's \"one\"", "NULL", "", " S 1 ", "=1+1", "東京" * 20, "x/../y", "1",
    "[*]?", "new\nline",
)  # fmt: skip
LAST_DAY = date(2026, 11, 22)
AT = datetime(2026, 11, 23, 5, 30, tzinfo=UTC)


def days_before(count: int, last: date = LAST_DAY) -> list[date]:
    return [last - timedelta(days=back) for back in reversed(range(count))]


def rows(name: str, *, stores: Sequence[str], days: Sequence[date], products: Sequence[str], mark: int = 0) -> pa.Table:
    """Rows of a table; `mark` moves every number, so that two states can be told apart."""
    table = TABLES[name]
    axes: dict[str, Sequence[Any]] = {}
    if "store" in table.names:
        axes["store"] = stores
    if table.grain is Grain.STORE_DAY or name == "calendar":
        axes["day"] = days
    if name == "sales_forecast":
        axes["day"] = [days[-1] + timedelta(days=ahead) for ahead in range(1, 29)]
    if "product" in table.names:
        axes["product"] = products
    axes = axes or {"category" if name == "forecast_model" else "name": products}
    codes = np.meshgrid(*(np.arange(len(values)) for values in axes.values()), indexing="ij")
    length = codes[0].size
    columns = {
        axis: pa.array(values, table.column(axis).type.arrow()).take(pa.array(code.ravel()))
        for (axis, values), code in zip(axes.items(), codes, strict=True)
    }
    number = np.arange(length) + mark
    for column in table.columns:
        if column.name not in columns:
            columns[column.name] = _values(column, number, days[-1])
    if name == "sales_forecast":
        columns["horizon_days"] = pa.array(codes[1].ravel() + 1, pa.int64())
    return pa.table({name: columns[name] for name in table.names}).cast(table.arrow_schema())


def _values(column: Column, number: np.ndarray, last: date) -> pa.Array:
    kind = column.type
    if column.allowed:
        return pa.array(np.array(column.allowed)[number % len(column.allowed)].tolist())
    if kind is Type.TEXT:
        return pa.array([f"{column.name} {n}" for n in number.tolist()])
    if kind is Type.DAY:
        return pa.array([last] * len(number), pa.date32())
    if kind is Type.INSTANT:
        return pa.array(np.datetime64(AT.replace(tzinfo=None), "us") + number.astype("timedelta64[s]")).cast(
            kind.arrow()
        )
    if kind is Type.FLAG:
        number = number % 2
    return pa.array(number % 28 + 1 if kind in {Type.COUNT, Type.NUMBER} else number % 1000 + 0.25).cast(kind.arrow())


def fill(
    store: TableStore,
    *,
    stores: Sequence[str] = ("S001", "S002"),
    days: Sequence[date] = (),
    products: Sequence[str] = ("P1", "P2", "P3"),
    mark: int = 0,
    tables: Sequence[str] = KEPT,
) -> dict[str, int]:
    """Put rows into tables of a store, in the place of what is there; returns the versions."""
    return {
        name: store.commit(
            name,
            rows(name, stores=stores, days=days or days_before(40), products=products, mark=mark),
            Whole(),
            {},
        )
        for name in tables
    }
