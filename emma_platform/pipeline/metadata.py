"""What a person finds beside a partition in Dagster: the rows worth a look, and a plot where that says more.

Belongs here: metadata of materialisations (https://docs.dagster.io/guides/build/assets/metadata-and-tags). Does not
belong here: row counts and data versions, which every partition has (`report`).

Only the newest few partitions of a batch get it: a picture takes 0.07 s, and nobody opens 10,000 of them.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.recompute.ledger import Key
from emma_platform.recompute.platform import Platform
from emma_platform.recompute.reporting import Computed

DESCRIBED, PICTURED = 8, 2
"""Partitions of a table and batch that are described, and of those with a picture."""

Described = dict[tuple[str, Key], dict[str, dg.MetadataValue]]

_KPIS = ["product", "units", "revenue", "gross_margin_pct", "revenue_28d", "abc_class", "days_of_cover"]
_SCORES = ["product", "actual_units", "wape", "skill_vs_seasonal_naive", "coverage_80", "bias"]
_ADVICE = ["product", "status", "current_price", "recommended_price", "reason"]
_STOCK_OUTS = ["product", "first_day", "last_day", "probability", "lost_units", "lost_revenue"]
_TOTALS = ["level", "category", "day", "mean", "p10", "p90"]
_ACCURACY = ["level", "category", "product", "horizon_days", "bias", "coverage_80", "skill_vs_seasonal_naive", "shown"]
_LOOKS = {
    "clean_sales": (["product", "quantity", "unit_price", "revenue", "is_return"], "revenue"),
    "set_aside_rows": (["file", "line", "reason", "row"], None),
    "product_kpis": (_KPIS, "revenue_28d"),
    "sales_forecast_totals": (_TOTALS, "mean"),
    "forecast_accuracy": (_ACCURACY, "actual_units"),
    "forecast_scores": (_SCORES, "actual_units"),
    "probable_stock_outs": (_STOCK_OUTS, "lost_units"),
    "price_response": (["product", "elasticity", "std_error", "level", "price_points"], None),
    "price_recommendations": (_ADVICE, "expected_profit_uplift_p50"),
}  # fmt: skip
"""The columns worth a look, and the one whose largest rows come first."""


def describe(platform: Platform, computed: Sequence[Computed]) -> Described:
    """A table of the foremost rows, and for forecasts a plot, for the newest partitions of each table."""
    found: Described = {}
    for item in _newest(computed):
        rows = _rows(platform, item)
        if item.table in _LOOKS:
            columns, largest = _LOOKS[item.table]
            found[item.table, item.key] = {"rows": dg.MetadataValue.md(_markdown(_foremost(rows, largest), columns))}
        elif item.table == "sales_forecast":
            found[item.table, item.key] = {"plot": dg.MetadataValue.md(_fan(rows, item.key.store))}
    return found


def _newest(computed: Sequence[Computed]) -> Iterator[Computed]:
    seen: dict[str, int] = {}
    for item in sorted(computed, key=lambda item: (item.key.day, item.key.store), reverse=True):
        most = PICTURED if item.table == "sales_forecast" else DESCRIBED if item.table in _LOOKS else 0
        if item.rows and seen.setdefault(item.table, 0) < most:
            seen[item.table] += 1
            yield item


def _rows(platform: Platform, item: Computed) -> pa.Table:
    months = {item.key.day[:7]} if item.key.day else None
    rows = platform.store.read(item.table, stores=[item.key.store], months=months)
    if not item.key.day:
        return rows
    return rows.filter(pc.equal(rows["day"], pa.scalar(item.key.day).cast(pa.date32())))


def _foremost(rows: pa.Table, largest: str | None, limit: int = 12) -> pa.Table:
    return (rows.sort_by([(largest, "descending")]) if largest else rows).slice(0, limit)


def _markdown(rows: pa.Table, columns: Sequence[str]) -> str:
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    lines += [f"| {' | '.join(_cell(row[name]) for name in columns)} |" for row in rows.select(columns).to_pylist()]
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def _fan(rows: pa.Table, store: str) -> str:
    """A plot of the store's expected units a day, all products together, with the five largest products."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    newest = rows.filter(pc.equal(rows["made_on"], pc.max(rows["made_on"])))
    days = newest.group_by("day").aggregate([("mean", "sum")]).sort_by("day")
    totals = newest.group_by("product").aggregate([("mean", "sum")]).sort_by([("mean_sum", "descending")])
    figure = Figure(figsize=(7, 2.6))  # a layout worked out by matplotlib takes as long again as the picture
    axes = figure.subplots(gridspec_kw={"left": 0.07, "right": 0.78, "top": 0.88, "bottom": 0.2})
    axes.plot(days["day"].to_numpy(), days["mean_sum"].to_numpy(), color="black", label="all products")
    for product in totals["product"].slice(0, 5):
        own = newest.filter(pc.equal(newest["product"], product)).sort_by("day")
        axes.plot(own["day"].to_numpy(), own["mean"].to_numpy(), linewidth=1, label=str(product))
    axes.set_title(f"{store}: expected units a day", loc="left", fontsize=10)
    axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=90)
    return f"![expected units a day](data:image/png;base64,{base64.b64encode(picture.getvalue()).decode()})"
