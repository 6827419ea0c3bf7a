"""The report card of a store's forecast: rows of `forecast_accuracy` from sums of errors.

Belongs here: ratios, and which method is shown now. Does not belong here: the sums (`forecast_lookback`).
"""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from emma_platform.model.report_card import FORECAST_ACCURACY
from emma_platform.transforms.demand import Codes, Demand, Floats
from emma_platform.transforms.forecast_groups import DISTANCES, Groups
from emma_platform.transforms.forecast_lookback import SUMS, Lookback

_COUNTS = ("days", "inside_80", "inside_95")


def accuracy_table(
    found: Lookback, history: Demand, groups: Groups, live: Codes, shown: list[str | None], store: str
) -> pa.Table:
    """The rows as `model.report_card.FORECAST_ACCURACY`, by level, category, product and distance.

    Args:
        found: the errors.
        history: the store's demand.
        groups: its categories and the store.
        live: the products that are forecast now; the others have no row.
        shown: per product the method of what is shown now.
        store: the store.
    """
    products, categories = len(history.products), len(groups.names)
    by_category = np.lexsort((live, history.categories[live]))
    columns = np.concatenate([products + np.arange(categories), live[by_category], [products + categories]])
    column = np.repeat(columns, len(DISTANCES))
    distance = np.tile(np.arange(len(DISTANCES)), len(columns))
    kept = found.sums["days"][distance, column] > 0
    column, distance = column[kept], distance[kept]
    sums = {name: found.sums[name][distance, column] for name in SUMS}
    epoch = (history.first_day - date(1970, 1, 1)).days

    def named(values: list[str | None]) -> pa.Array[Any]:
        return pa.array([values[at] for at in column.tolist()], pa.string())

    def day(values: Codes) -> pa.Array[Any]:
        days: pa.Array[Any] = pa.array((values[distance, column] + epoch).astype(np.int32)).cast(pa.date32())
        return days

    own = [groups.names[number] for number in history.categories.tolist()]
    values: dict[str, pa.Array[Any]] = {
        "store": pa.array([store] * len(column), pa.string()),
        "level": named([*["product"] * products, *["category"] * categories, "store"]),
        "category": named([*own, *groups.names, None]),
        "product": named([*history.products, *[None] * (categories + 1)]),
        "horizon_days": pa.array(np.array(DISTANCES)[distance]),
        "first_day": day(found.first),
        "last_day": day(found.last),
        **{name: pa.array(sums[name].astype(np.int64) if name in _COUNTS else sums[name]) for name in SUMS},
        "bias": _ratio(sums["forecast_units"] - sums["actual_units"], sums["actual_units"]),
        "coverage_80": pa.array(sums["inside_80"] / sums["days"]),
        "coverage_95": pa.array(sums["inside_95"] / sums["days"]),
        "scaled_error": _ratio(np.sqrt(sums["squared_error"]), np.sqrt(sums["naive_squared_error"])),
        "skill_vs_seasonal_naive": _ratio(
            sums["naive_absolute_error"] - sums["absolute_error"], sums["naive_absolute_error"]
        ),
        "shown": named([*shown, *["sum"] * (categories + 1)]),
    }
    schema = FORECAST_ACCURACY.arrow_schema()
    return pa.table([values[name] for name in schema.names], schema=schema)


def _ratio(numerator: Floats, denominator: Floats) -> pa.Array[Any]:
    """The quotient, null where the denominator is 0."""
    valid = denominator > 0
    return pa.array(numerator / np.where(valid, denominator, 1.0), mask=~valid)
