"""The tables of what a store sells in all: forecasts of its totals.

Belongs here: their columns, types, units and meaning. Does not belong here: forecasts of products (`estimates`).
"""

from __future__ import annotations

from emma_platform.model.estimates import SALES_FORECAST
from emma_platform.model.schema import Column, Grain, Table, Type

_STORE = Column("store", Type.TEXT, "The store, as the till names it.")
_LIKE_PRODUCTS = {column.name: column for column in SALES_FORECAST.columns}


def _number(name: str, meaning: str, formula: str = "", unit: str = "", *, nullable: bool = False) -> Column:
    return Column(name, Type.NUMBER, meaning, formula, "", unit, nullable, 0)


SALES_FORECAST_TOTALS = Table(
    "sales_forecast_totals",
    "Daily demand of a whole store and of each of its categories for the next 28 days: sums of the products' forecasts, with intervals that know how much products move together.",
    Grain.STORE, "forecast", "team:data-science", ("store", "level", "category", "made_on", "day"),
    (
        _STORE,
        Column("level", Type.TEXT, "category: one category of the store; store: all of it.", allowed=("category", "store")),
        Column("category", Type.TEXT, "The category; null for the whole store, and for products without one.", nullable=True),
        *(_LIKE_PRODUCTS[name] for name in ("made_on", "day", "horizon_days")),
        _number("mean", "Expected units.", "sum(sales_forecast.mean) over the products", "units per day"),
        *(_LIKE_PRODUCTS[name] for name in ("p025", "p10", "p50", "p90", "p975")),
        _number("naive", "Units of the seasonal naive: of each product those of the same weekday of its last known week.", unit="units per day"),
        _number("actual_units", "Units that these products sold on the day; null for days to come.", unit="units", nullable=True),
    ),
    ("product_kpis", "promotions", "calendar"),
)  # fmt: skip
