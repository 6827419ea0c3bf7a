"""Tables of a chain of any size, made in columns and put into a lake: rows that are valid, not rows that mean anything.

Belongs here: rows by the description of their table. Does not belong here: files of receipt lines (`chain`) and a chain
whose truth is known (`emma_platform.demo`).

Computing 20,000 product-stores of three years takes hours, reading them does not depend on what the numbers say. Every
store has the same numbers, from a thousand values a column, so that files are about as large as real ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from emma_platform.model.schema import Column
    from emma_platform.store.delta import DeltaStore

LAST_DAY = date(2026, 11, 22)
BY_DAY = ("product_kpis",)
BY_STORE = ("sales_forecast", "forecast_scores", "price_response", "price_recommendations")
WHOLE = ("products", "stores")
HORIZON = 28
SPANS = {
    "elasticity": (-3.0, -0.5), "std_error": (0.05, 0.5), "own_weight": (0.0, 1.0), "cross_elasticity": (-0.5, 0.5),
    "probability_of_gain": (0.0, 1.0), "coverage_80": (0.6, 0.95), "coverage_95": (0.85, 1.0), "wape": (0.2, 1.0),
    "p025": (0.0, 1.0), "p10": (1.0, 2.0), "p50": (2.0, 4.0), "mean": (2.0, 4.0), "p90": (4.0, 6.0), "p975": (6.0, 9.0),
    "expected_profit_uplift_p10": (0.0, 5.0), "expected_profit_uplift_p50": (5.0, 10.0),
    "expected_profit_uplift_p90": (10.0, 20.0),
}  # fmt: skip
"""Where numbers lie that are drawn or computed with; other numbers lie between 0 and 10."""


def stores_of(count: int) -> list[str]:
    """The names of the stores."""
    return [f"S{number + 1:03d}" for number in range(count)]


def products_of(count: int) -> list[str]:
    """The codes of the products."""
    return [f"P{number:05d}" for number in range(count)]


def fill(store: DeltaStore, *, stores: int, days: int, products: int) -> dict[str, int]:
    """Fill an empty lake; returns the versions of the tables."""
    from emma_platform.store.protocol import Stores, Whole

    codes = products_of(products)
    names = stores_of(stores)
    versions = {
        "products": store.commit("products", made("products", {"product": codes}), Whole(), {}),
        "stores": store.commit("stores", made("stores", {"store": names}), Whole(), {}),
    }
    for table in (*BY_DAY, *BY_STORE):
        rows = made(table, _axes(table, names[0], days, codes))
        for name in names:
            versions[table] = store.commit(table, of_store(rows, name), Stores({name}), {})
    return versions


def of_store(rows: pa.Table, store: str) -> pa.Table:
    """The same rows of another store."""
    import pyarrow as pa

    names = pa.array([store]).take(pa.array([0] * rows.num_rows))
    return rows.set_column(rows.column_names.index("store"), rows.schema.field("store"), names)


def recommendations(store: str, products: int, *, seed: int) -> pa.Table:
    """Other price recommendations of one store: what a day's batch changes, and the next publication shows."""
    return made("price_recommendations", {"store": [store], "product": products_of(products)}, seed=seed)


def _axes(table: str, store: str, days: int, products: list[str]) -> dict[str, Sequence[Any]]:
    axes: dict[str, Sequence[Any]] = {"store": [store]}
    if table in BY_DAY:
        axes["day"] = [LAST_DAY - timedelta(days - 1 - day) for day in range(days)]
    if table == "sales_forecast":
        axes["day"] = [LAST_DAY + timedelta(ahead) for ahead in range(1, HORIZON + 1)]
    return axes | {"product": products}


def made(table: str, axes: dict[str, Sequence[Any]], *, seed: int = 0) -> pa.Table:
    """One row for every combination of the axes, which are key columns; the other columns are made up."""
    import numpy as np
    import pyarrow as pa

    from emma_platform.model.tables import TABLES

    described, random = TABLES[table], np.random.default_rng(seed)
    codes = np.meshgrid(*(np.arange(len(values)) for values in axes.values()), indexing="ij")
    columns = {
        axis: pa.array(values, described.column(axis).type.arrow()).take(pa.array(code.ravel()))
        for (axis, values), code in zip(axes.items(), codes, strict=True)
    }
    for column in described.columns:
        if column.name not in columns:
            columns[column.name] = _column(column, random.integers(0, 1_000, codes[0].size))
    if table == "sales_forecast":
        columns["horizon_days"] = pa.array(codes[1].ravel() + 1, pa.int64())
    return pa.table({name: columns[name] for name in described.names}).cast(described.arrow_schema())


def _column(column: Column, numbers: np.ndarray) -> pa.Array:
    """A column of up to a thousand values, each at the place that `numbers` says."""
    import pyarrow as pa

    from emma_platform.model.schema import Type

    kind = column.type
    values: list[Any]
    if column.allowed:
        values = list(column.allowed)
    elif kind is Type.TEXT:
        values = [f"{column.name} {number}" for number in range(12)]
    elif kind is Type.DAY:
        values = [LAST_DAY]
    elif kind is Type.INSTANT:
        values = [datetime(2026, 11, 23, tzinfo=UTC)]
    elif kind is Type.FLAG:
        values = [False, True]
    elif kind is Type.NUMBER:
        lowest, highest = SPANS.get(column.name, (0.01, 10.0))
        values = [lowest + (highest - lowest) * step / 999 for step in range(1_000)]
    else:
        values = list(range(1, 1_001))
    return pa.array(values).cast(_castable(pa.array(values).type, kind)).take(pa.array(numbers % len(values)))


def _castable(found: pa.DataType, kind: Any) -> pa.DataType:  # noqa: ANN401 - a Type, imported where it is used
    """The type of a column; whole numbers become decimals of any precision only by way of one that holds them all."""
    import pyarrow as pa

    wanted = kind.arrow()
    return pa.decimal128(38, wanted.scale) if pa.types.is_decimal(wanted) and pa.types.is_integer(found) else wanted
