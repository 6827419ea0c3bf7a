"""The forecast's report card: what was forecast 1, 7 and 28 days before, what happened, and whether that was any good.

Belongs here: choosing the rows of `forecast_accuracy`, and the same over several stores. Does not belong here: what it
looks like (`console_report`, `report_picture`), how stores' totals add up (`together`) and the errors of one store
(`transforms.forecast_lookback`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.model.access import StoreScope
from emma_platform.serving.publication import ServingError
from emma_platform.serving.reader import Reader
from emma_platform.serving.together import Ahead, ahead, answer, past

BY = ("store", "category", "product")
"""What a report card can be listed by."""

LISTED = (
    "store", "category", "product", "horizon_days", "first_day", "last_day", "days", "actual_units", "forecast_units",
    "bias", "coverage_80", "coverage_95", "scaled_error", "skill_vs_seasonal_naive", "shown",
)  # fmt: skip
"""What each line says; as in `forecast_accuracy`."""

_CARD = """
SELECT category, horizon_days, min(day) AS first_day, max(day) AS last_day, count(*) AS days,
    sum(actual) AS actual_units, sum(mean) AS forecast_units,
    CASE WHEN sum(actual) > 0 THEN sum(mean) / sum(actual) - 1 END AS bias,
    avg((actual BETWEEN p10 AND p90)::DOUBLE) AS coverage_80,
    avg((actual BETWEEN p025 AND p975)::DOUBLE) AS coverage_95,
    sqrt(sum((mean - actual) ^ 2) / nullif(sum((naive - actual) ^ 2), 0)) AS scaled_error,
    1 - sum(abs(mean - actual)) / nullif(sum(abs(naive - actual)), 0) AS skill_vs_seasonal_naive,
    'sum' AS shown
FROM daily GROUP BY category, horizon_days ORDER BY category, horizon_days
"""


@dataclass(frozen=True)
class Report:
    """A report card.

    Attributes:
        publication: where it was read.
        title: what it is about.
        whole: `LISTED` of all that was asked for, a row for each distance; empty for a single product.
        by: what `rows` are by.
        rows: `LISTED`, a row for each distance, the largest sellers first.
        daily: of the same as `whole`: `day, horizon_days, mean, actual, naive, p10, p90` by day.
        naive_shown: how many of the chosen store-products show the seasonal naive, and of how many.
        ahead: what is forecast of the same as `whole`; none for a single product.
    """

    publication: str
    title: str
    whole: list[dict[str, Any]]
    by: str
    rows: list[dict[str, Any]]
    daily: list[dict[str, Any]]
    naive_shown: tuple[int, int]
    ahead: Ahead | None

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        naive, products = self.naive_shown
        return {
            "publication": self.publication,
            "title": self.title,
            "whole": [_plain(row) for row in self.whole],
            "by": self.by,
            "rows": [_plain(row) for row in self.rows],
            "naive_shown": {"products": naive, "of": products},
            "ahead": None
            if self.ahead is None
            else _plain(vars(self.ahead) | {"daily": [_plain(d) for d in self.ahead.daily]}),
        }


def report_card(
    reader: Reader,
    scope: StoreScope,
    *,
    stores: Collection[str] | None = None,
    category: str | None = None,
    product: str | None = None,
    by: str | None = None,
) -> Report:
    """The report card of the chain, of some stores, of a category or of a product.

    Args:
        reader: the publication.
        scope: the stores that may be seen.
        stores: only these stores.
        category: only this category.
        product: only this product; then there is a row for each store.
        by: store, category or product; by default stores where there are several, else categories, else products.

    Raises:
        ServingError: no such store, or nothing of this kind has a report card yet.
    """
    accuracy = reader.table(scope, "forecast_accuracy", stores=stores)
    chosen = sorted({str(store) for store in accuracy["store"].to_pylist()})
    by = by or ("product" if product else "store" if len(chosen) > 1 else "product" if category else "category")
    products = _equal(_equal(_equal(accuracy, "level", "product"), "category", category), "product", product)
    if not products.num_rows:
        raise ServingError(
            "nothing of this has a report card: a store's starts four weeks after its first sale, a product's 14 days"
            " later"
        )
    totals = reader.table(scope, "sales_forecast_totals", stores=stores)
    level = "store" if category is None else "category"
    chosen_totals = _equal(_equal(totals, "level", level), "category", category)
    whole, daily = _together(chosen_totals)
    where = f"{len(chosen)} stores" if len(chosen) > 1 else chosen[0]
    if by == "product":
        rows = _listed(products)
    elif by == "category" and len(chosen) > 1:
        rows, _ = _together(_equal(_equal(totals, "level", "category"), "category", category))
    else:
        rows = _listed(_equal(_equal(accuracy, "level", level if by == "store" else "category"), "category", category))
    shown = _equal(products, "horizon_days", products["horizon_days"][0].as_py())["shown"].to_pylist()
    return Report(
        publication=reader.publication.id,
        title=", ".join(part for part in (product, category, where) if part),
        whole=whole if product is None else [],
        by=by,
        rows=_largest_first(rows, by),
        daily=daily if product is None else [],
        naive_shown=(shown.count("seasonal_naive"), len(shown)),
        ahead=ahead(chosen_totals) if product is None else None,
    )


def _equal(rows: pa.Table, column: str, value: str | int | None) -> pa.Table:
    """The rows with this value; all where there is none."""
    return rows if value is None else rows.filter(pc.equal(rows[column], pa.scalar(value)))


def _listed(rows: pa.Table) -> list[dict[str, Any]]:
    return rows.select(list(LISTED)).to_pylist()


def _together(totals: pa.Table) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The report card of the rows of all stores added up, by category, and its days."""
    daily = past(totals)
    card = answer(_CARD, daily=daily).to_pylist()
    return [{name: row.get(name) for name in LISTED} for row in card], daily.to_pylist()


def _largest_first(rows: list[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    """The rows of each store, category or product together, by their largest sales of any distance."""
    keys = ("store", "product") if by == "product" else ("store", "category")
    largest: dict[tuple[Any, ...], float] = {}
    for row in rows:
        key = tuple(row[name] for name in keys)
        largest[key] = max(largest.get(key, 0.0), row["actual_units"])

    def place(row: dict[str, Any]) -> tuple[Any, ...]:
        key = tuple(row[name] for name in keys)
        return -largest[key], tuple(str(part) for part in key), row["horizon_days"]

    return sorted(rows, key=place)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()}
