"""The tables that a publication holds beside the lake's own, each with its columns and their meaning.

Belongs here: what `product_overview`, `publication`, `publication_files` and `columns` are.
Does not belong here: the lake's tables (`model.tables`), those of where figures come from (`model.provenance`), and how
these are filled (`publish`, `overview`).
"""

from __future__ import annotations

from dataclasses import replace

from emma_platform.model.estimates import FORECAST_SCORES, PRICE_RECOMMENDATIONS, PRICE_RESPONSE, PROBABLE_STOCK_OUTS
from emma_platform.model.provenance import PROVENANCE
from emma_platform.model.schema import Column, Grain, Table, Type
from emma_platform.model.tables import KEPT, PRODUCT_KPIS, PRODUCTS, TABLES

LEAD_TIME = (
    "Hyndman, Koehler, Ord and Snyder, Forecasting with Exponential Smoothing, 2008: "
    "variance of the lead-time demand of ETS(A,N,N)"
)


def _renamed(table: Table, prefix: str, names: tuple[str, ...]) -> tuple[Column, ...]:
    return tuple(replace(table.column(name), name=f"{prefix}{name}", nullable=True) for name in names)


def _forecast(name: str, meaning: str, formula: str, source: str = "") -> Column:
    return Column(name, Type.NUMBER, meaning, formula, source, "units", nullable=True, lowest=0)


def _lost(part: str, meaning: str) -> Column:
    formula = f"sum(lost_units{part} * share of its days within the 28)"
    return Column(f"probable_lost_units_28d{part}", Type.NUMBER, meaning, formula, unit="units", lowest=0)


_SUM = (
    "sd_d = (p975 - p025) / 3.92, of whole units sqrt(mean) at least; variance of the sum = sum(sd_d^2), raised as the "
    "widening of the days tells"
)

OVERVIEW_SCORES = ("wape", "coverage_80", "skill_vs_seasonal_naive")
OVERVIEW_RESPONSE = ("elasticity", "std_error", "level")
OVERVIEW_PRICES = tuple(n for n in PRICE_RECOMMENDATIONS.names if n not in {"store", "product", "made_on", "reason"})

PRODUCT_OVERVIEW = Table(
    "product_overview",
    "One row per store and product on the store's last known day: key figures, forecast and price side by side.",
    Grain.WHOLE, "serving", "team:bi", ("store", "product"),
    (
        *PRODUCT_KPIS.columns[:3],
        *_renamed(PRODUCTS, "", ("name",)),
        *PRODUCT_KPIS.columns[3:],
        Column("forecast_made_on", Type.DAY, "The last day that was known when the forecast was made.", nullable=True),
        _forecast("forecast_units_28d", "Units expected over the 28 days after forecast_made_on.", "sum(mean)"),
        _forecast("forecast_units_28d_p10",
                  "Units that the 28 days together fall below with a chance of 10 %, approximately.",
                  f"sum(mean) - 1.2816 * sd of the sum, at least 0; {_SUM}", LEAD_TIME),
        _forecast("forecast_units_28d_p90",
                  "Units that the 28 days together stay below with a chance of 90 %, approximately.",
                  f"sum(mean) + 1.2816 * sd of the sum; {_SUM}", LEAD_TIME),
        *_renamed(FORECAST_SCORES, "forecast_", OVERVIEW_SCORES),
        *_renamed(PRICE_RESPONSE, "price_response_", OVERVIEW_RESPONSE),
        Column("recommendation_made_on", Type.DAY, "The last day that was known when the recommendation was made.",
               nullable=True),
        *_renamed(PRICE_RECOMMENDATIONS, "", OVERVIEW_PRICES),
        *_renamed(PRICE_RECOMMENDATIONS, "recommendation_", ("reason",)),
        _lost("", "Units probably lost to empty shelves over the 28 days up to day; 0 where none is listed."),
        _lost("_p10", "Of each of these stock-outs the units that were lost at least with a chance of 90 %, together."),
        _lost("_p90", "Of each of these stock-outs the units that were lost at most with a chance of 90 %, together."),
        Column("empty_shelf_since", Type.DAY, "The first day of a probable stock-out that has not ended; else null.",
               nullable=True),
        replace(PROBABLE_STOCK_OUTS.column("probability"), name="empty_shelf_probability", nullable=True),
        Column("units_by_day_30d", Type.TEXT,
               "Units of each of the last 30 days, the oldest first, separated by blanks; 0 without key figures."),
    ),
    (
        "product_kpis", "products", "sales_forecast", "forecast_scores", "price_response", "price_recommendations",
        "probable_stock_outs",
    ),
)  # fmt: skip

PUBLICATION = Table(
    "publication", "What this publication is: one row per table.",
    Grain.WHOLE, "serving", "team:bi", ("table",),
    (
        Column("id", Type.TEXT, "The publication."),
        Column("at", Type.INSTANT, "When it was published."),
        Column("table", Type.TEXT, "The table."),
        Column("version", Type.COUNT, "Its version in the lake; null when never written.", nullable=True, lowest=0),
        Column("rows", Type.COUNT, "Its rows.", lowest=0),
        Column("code", Type.TEXT,
               "Digest of the code, columns and settings that all its rows were computed with; null when it is not.",
               nullable=True),
    ),
)  # fmt: skip

PUBLICATION_FILES = Table(
    "publication_files", "The Parquet files behind the views.",
    Grain.WHOLE, "serving", "team:bi", ("path",),
    (
        Column("table", Type.TEXT, "The table."),
        Column("store", Type.TEXT, "The store whose rows it holds; null for rows without a store-day.", nullable=True),
        Column("month", Type.TEXT, "The month whose rows it holds; null where it is not cut by day.", nullable=True),
        Column("path", Type.TEXT, "The file."),
        Column("rows", Type.COUNT, "Its rows.", lowest=0),
    ),
)  # fmt: skip

COLUMNS = Table(
    "columns", "What every column means: one row per table and column.",
    Grain.WHOLE, "serving", "team:bi", ("table", "column"),
    tuple(
        Column(name, Type.TEXT, meaning)
        for name, meaning in (
            ("table", "The table."), ("column", "The column."), ("type", "Its type, as SQL spells it."),
            ("unit", "Its unit; empty when it has none."), ("meaning", "What it says."),
            ("formula", "How it is computed; empty when it is not."), ("source", "Where the formula comes from."),
        )
    ),
)  # fmt: skip

SERVED: dict[str, Table] = {name: TABLES[name] for name in KEPT} | {
    table.name: table
    for table in (
        PRODUCT_OVERVIEW, PUBLICATION, PUBLICATION_FILES, *PROVENANCE, COLUMNS,
    )
}  # fmt: skip
"""Every table and view of a publication by name."""
