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
    ("product_kpis", "promotions", "calendar", "stores", "price_plan", "advice_decisions", "price_response"),
)  # fmt: skip

FORECAST_ACCURACY = Table(
    "forecast_accuracy",
    "The report card: what was forecast for each of the last 28 days 1, 7 and 28 days before it, and what happened; by product, category and store.",
    Grain.STORE, "forecast", "team:data-science", ("store", "level", "category", "product", "horizon_days"),
    (
        _STORE,
        Column("level", Type.TEXT, "product; category or store: the daily sums of their products.", allowed=("product", "category", "store")),
        Column("category", Type.TEXT, "The category; null for the whole store, and for products without one.", nullable=True),
        Column("product", Type.TEXT, "The product code; null for a category and the store.", nullable=True),
        Column("horizon_days", Type.COUNT, "How many days before each day its forecast was made: 1, 7 or 28.", lowest=1, highest=28),
        Column("first_day", Type.DAY, "The first day scored."),
        Column("last_day", Type.DAY, "The last day scored."),
        Column("days", Type.COUNT, "Days scored: the store open, the product launched and not counted out of stock.", lowest=1),
        Column("inside_80", Type.COUNT, "Days within p10 to p90.", lowest=0),
        Column("inside_95", Type.COUNT, "Days within p025 to p975.", lowest=0),
        _number("actual_units", "Units sold on these days.", "sum(y)", "units"),
        _number("forecast_units", "Units that were forecast for them.", "sum(f)", "units"),
        _number("naive_units", "Units that the seasonal naive said: those of the same weekday of the last week then known.", "sum(n)", "units"),
        _number("absolute_error", "Absolute errors of the forecast.", "sum(|f - y|)", "units"),
        _number("naive_absolute_error", "Absolute errors of the seasonal naive.", "sum(|n - y|)", "units"),
        _number("squared_error", "Squared errors of the forecast.", "sum((f - y)^2)"),
        _number("naive_squared_error", "Squared errors of the seasonal naive.", "sum((n - y)^2)"),
        Column("bias", Type.NUMBER, "Share by which the forecast was too high.", "forecast_units / actual_units - 1", unit="fraction", nullable=True, lowest=-1),
        Column("coverage_80", Type.NUMBER, "Share of the days inside the 80 % interval.", "inside_80 / days", unit="fraction", lowest=0, highest=1),
        Column("coverage_95", Type.NUMBER, "Share of the days inside the 95 % interval.", "inside_95 / days", unit="fraction", lowest=0, highest=1),
        _number("scaled_error", "Root mean squared error as a multiple of the seasonal naive's; below 1 is better.", "sqrt(squared_error / naive_squared_error)", "fraction", nullable=True),
        Column("skill_vs_seasonal_naive", Type.NUMBER, "Absolute error saved against the seasonal naive; below zero is worse.",
               "1 - absolute_error / naive_absolute_error", unit="fraction", nullable=True, highest=1),
        Column("shown", Type.TEXT, "What sales_forecast shows now: seasonal_naive where the forecast had no skill over it; sum: the sum of what is shown of the products.",
               allowed=("smoothing", "category", "seasonal_naive", "boosting", "sum")),
    ),
    ("product_kpis", "promotions", "calendar", "stores"),
)  # fmt: skip
