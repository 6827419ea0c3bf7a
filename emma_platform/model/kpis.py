"""The columns of `product_kpis`: every key figure with its formula and where the formula comes from.

Belongs here: what the figures mean. Does not belong here: how they are computed (`transforms/product_kpis.sql`).
Every ratio stands beside its numerator and denominator, so that it can be recomputed from sums at any level.
Null says "not known" (no cost, no stock, no denominator); zero says zero.
"""

from __future__ import annotations

from emma_platform.model.schema import Column, Type

_NRF = "NRF/ARTS retail metrics"
_ABC = "Silver, Pyke and Thomas, Inventory and Production Management in Supply Chains, 4th ed., 2017, section 2.3"
_XYZ = "Scholz-Reiter et al., Integration of demand forecasts in ABC-XYZ analysis, 2012, section 2"
_STOCK = "Levy, Weitz and Grewal, Retailing Management, 10th ed., 2019, chapter 12"
_MARGIN = "Levy, Weitz and Grewal, Retailing Management, 10th ed., 2019, chapter 6"


def _money(name: str, meaning: str, formula: str = "", source: str = "", *, nullable: bool = False) -> Column:
    return Column(name, Type.MONEY, meaning, formula, source, "currency of the store", nullable)


def _units(name: str, meaning: str, formula: str = "", source: str = "", *, nullable: bool = False) -> Column:
    return Column(name, Type.QUANTITY, meaning, formula, source, "units", nullable)


def _ratio(name: str, meaning: str, formula: str, source: str = "", unit: str = "") -> Column:
    return Column(name, Type.NUMBER, meaning, formula, source, unit, nullable=True)


KPI_COLUMNS: tuple[Column, ...] = (
    Column("store", Type.TEXT, "The store."),
    Column("day", Type.DAY, "The business day, in the store's time zone."),
    Column("product", Type.TEXT, "The product, sold within the last 28 days or counted in stock on this day."),
    Column("category", Type.TEXT, "The product's category, from the products file.", nullable=True),
    _units("units", "Units sold less units returned.", "sum(quantity)", _NRF),
    _units("sold_units", "Units sold, returns not taken off.", "sum(quantity) where quantity > 0", _NRF),
    _units("returned_units", "Units brought back or cancelled, as a positive number.", "-sum(quantity) where quantity < 0", _NRF),
    _money("revenue", "Net sales: after discounts and returns.", "sum(revenue)", _NRF),
    _money("sold_revenue", "Sales after discounts, returns not taken off.", "sum(revenue) where quantity > 0", _NRF),
    _money("discount", "Taken off the price on the lines sold.", "sum(discount) where quantity > 0", _NRF),
    Column("receipts", Type.COUNT, "Receipts on which the product was sold.", "count(distinct receipt) where quantity > 0", _NRF),
    Column("store_receipts", Type.COUNT, "Receipts of the store on this day, on which anything was sold.",
           "count(distinct receipt) where quantity > 0, whole store", _NRF),
    _ratio("average_price", "Average price paid per unit.", "sold_revenue / sold_units", _NRF, "currency per unit"),
    _ratio("discount_rate_pct", "Share of the undiscounted sales that was taken off.", "100 * discount / (sold_revenue + discount)", _NRF, "%"),
    _ratio("return_rate_pct", "Units returned per unit sold.", "100 * returned_units / sold_units", _NRF, "%"),
    _ratio("basket_share_pct", "Share of the store's receipts that hold the product (penetration).", "100 * receipts / store_receipts", _NRF, "%"),
    Column("unit_cost", Type.PRICE, "Cost of one unit, from the products file.", unit="currency per unit", nullable=True),
    _money("cost", "Cost of the units sold less returned.", "units * unit_cost", _MARGIN, nullable=True),
    _money("gross_margin", "What is left of the revenue after the cost of goods.", "revenue - cost", _MARGIN, nullable=True),
    _ratio("gross_margin_pct", "Gross margin per revenue.", "100 * gross_margin / revenue", _MARGIN, "%"),
    _units("units_7d", "Units of the last 7 days.", "sum(units), days d-6..d"),
    _units("units_28d", "Units of the last 28 days.", "sum(units), days d-27..d"),
    _units("sold_units_28d", "Units sold of the last 28 days, returns not taken off.", "sum(sold_units), days d-27..d"),
    _money("revenue_7d", "Revenue of the last 7 days.", "sum(revenue), days d-6..d"),
    _money("revenue_28d", "Revenue of the last 28 days.", "sum(revenue), days d-27..d"),
    _money("sold_revenue_28d", "Sales of the last 28 days, returns not taken off.", "sum(sold_revenue), days d-27..d"),
    _ratio("average_price_28d", "Average price paid per unit over 28 days.", "sold_revenue_28d / sold_units_28d", _NRF, "currency per unit"),
    _money("cost_28d", "Cost of the units of the last 28 days.", "units_28d * unit_cost", _MARGIN, nullable=True),
    _money("gross_margin_28d", "Gross margin of the last 28 days.", "revenue_28d - cost_28d", _MARGIN, nullable=True),
    Column("selling_days_28d", Type.COUNT, "Days of the last 28 with a sale.", "count(days with sold_units > 0), days d-27..d"),
    Column("days_since_sale", Type.COUNT, "Days since the last sale: 0 is today; null when none within 28 days.",
           "d - max(day with sold_units > 0)", nullable=True),
    _money("category_revenue_28d", "Revenue of the product's category in the store over 28 days.", "sum(revenue_28d) by category", nullable=True),
    _ratio("revenue_share_of_category_28d", "The product's share of its category's revenue, 1 = all of it.",
           "revenue_28d / category_revenue_28d", _NRF, "fraction"),
    _money("store_revenue_28d", "Revenue of the whole store over 28 days.", "sum(revenue_28d), whole store"),
    Column("revenue_rank_28d", Type.COUNT, "Rank by revenue_28d in the store, 1 is the highest; ties by product code.",
           "row_number() by revenue_28d descending, product", lowest=1),
    Column("abc_class", Type.TEXT, "A: the products that bring the first 80 % of the revenue; B: up to 95 %; C: the rest.",
           "running share of positive revenue_28d before this product < 0.80: A; < 0.95: B; else C", _ABC, allowed=("A", "B", "C")),
    _ratio("units_cv_28d", "Coefficient of variation of the units of the four weeks that end today.",
           "population standard deviation / mean of four 7-day sums of sold_units", _XYZ),
    Column("xyz_class", Type.TEXT, "X: steady demand (variation below 0.5); Y: below 1.0; Z: the rest; null without a sale.",
           "units_cv_28d < 0.5: X; < 1.0: Y; else Z", _XYZ, nullable=True, allowed=("X", "Y", "Z")),
    _money("revenue_previous_7d", "Revenue of the 7 days before the last 7.", "sum(revenue), days d-13..d-7"),
    _ratio("growth_wow_pct", "Week over week: the last 7 days against the 7 before.",
           "100 * (revenue_7d - revenue_previous_7d) / revenue_previous_7d", _NRF, "%"),
    _money("revenue_14d", "Revenue of the last 14 days.", "sum(revenue), days d-13..d"),
    _money("revenue_previous_14d", "Revenue of the 14 days before the last 14.", "sum(revenue), days d-27..d-14"),
    _ratio("growth_28d_pct", "Growth within the 28 days: the second half against the first.",
           "100 * (revenue_14d - revenue_previous_14d) / revenue_previous_14d", _NRF, "%"),
    _units("on_hand", "Stock counted at the close of this day.", "from the stock file", _STOCK, nullable=True),
    _ratio("days_of_cover", "How long the stock lasts at the rate of the last 28 days.", "on_hand / (units_28d / 28)", _STOCK, "days"),
    _ratio("sell_through_28d", "Share of what was there to sell that was sold; opening stock and deliveries together equal units sold and closing stock.",
           "sold_units_28d / (sold_units_28d + on_hand)", _STOCK, "fraction"),
)  # fmt: skip
