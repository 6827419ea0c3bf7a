"""Every table of the platform, once: columns, types, units, keys and meaning.

Belongs here: the public contract. Checks, documentation, files and readers are made from it.
Does not belong here: how a table is computed (`transforms`) or kept (`store`).
"""

from __future__ import annotations

from emma_platform.model.advice import ADVICE_DECISIONS, ADVICE_EFFECTS, DECISION_COLUMNS
from emma_platform.model.estimates import (
    FORECAST_MODEL,
    FORECAST_SCORES,
    PRICE_EVIDENCE,
    PRICE_PRIORS,
    PRICE_RECOMMENDATIONS,
    PRICE_RESPONSE,
    PROBABLE_STOCK_OUTS,
    SALES_FORECAST,
)
from emma_platform.model.kpis import KPI_COLUMNS
from emma_platform.model.reasons import REASON_CODES
from emma_platform.model.report_card import FORECAST_ACCURACY, SALES_FORECAST_TOTALS
from emma_platform.model.schema import Column, Grain, Table, Type

_STORE = Column("store", Type.TEXT, "The store, as the till names it.")
_DAY = Column("day", Type.DAY, "The business day, in the store's time zone.")
_PRODUCT = Column("product", Type.TEXT, "The product code.")
_FILE = Column("file", Type.TEXT, "The file, as its path below landing/.")
_LINE = Column("line", Type.COUNT, "The line of the file; the header is line 1.", lowest=1)

RAW_SALES = Table(
    "raw_sales", "Every line as it came, as text, with the store and day it belongs to.",
    Grain.STORE_DAY, "ingest", "team:data-engineering", ("file", "line"),
    (
        _STORE, _DAY, _FILE, _LINE,
        Column("receipt", Type.TEXT, "The receipt number, as it came.", nullable=True),
        Column("receipt_line", Type.TEXT, "The line on the receipt, as it came.", nullable=True),
        Column("sold_at", Type.TEXT, "The time of sale, as it came.", nullable=True),
        Column("sold_at_utc", Type.INSTANT, "The time of sale, read in the time zone of the source or the store."),
        Column("product", Type.TEXT, "The product code, as it came.", nullable=True),
        Column("quantity", Type.TEXT, "The quantity, as it came.", nullable=True),
        Column("unit_price", Type.TEXT, "The price paid per unit, as it came.", nullable=True),
        Column("discount", Type.TEXT, "What was taken off the line, as it came.", nullable=True),
        Column("currency", Type.TEXT, "The currency, as it came.", nullable=True),
        Column("decimal_mark", Type.TEXT, "The decimal mark of the file's numbers.", allowed=(".", ",")),
    ),
)  # fmt: skip

CLEAN_SALES = Table(
    "clean_sales", "Sales lines that hold: typed, without exact duplicates, returns marked.",
    Grain.STORE_DAY, "sales", "team:data-engineering", ("store", "day", "receipt", "line"),
    (
        _STORE, _DAY,
        Column("receipt", Type.TEXT, "The receipt number."),
        Column("line", Type.COUNT, "The line within the receipt, 1 is the first: in the order of the till's own line numbers where given, else of the file.", lowest=1),
        Column("sold_at", Type.INSTANT, "The time of sale."),
        _PRODUCT,
        Column("quantity", Type.QUANTITY, "Units; below zero for a return.", unit="units"),
        Column("unit_price", Type.PRICE, "Price paid per unit, after discount.", unit="currency per unit", lowest=0),
        Column("discount", Type.MONEY, "Taken off the whole line; zero when none is given.", unit="currency of the store", lowest=0),
        Column("revenue", Type.MONEY, "What the line brought, below zero for a return.", "quantity * unit_price", unit="currency of the store"),
        Column("currency", Type.TEXT, "The currency, where the file says it.", nullable=True),
        Column("is_return", Type.FLAG, "The line takes goods back or cancels a sale."),
        Column("return_of", Type.TEXT, "The receipt of the same day that a return takes back: same product, price and quantity, the latest one before it.", nullable=True),
        Column("is_known_product", Type.FLAG, "The product is in a products file."),
        Column("is_known_store", Type.FLAG, "The store is in a stores file."),
    ),
    ("raw_sales", "products", "stores"),
)  # fmt: skip

SET_ASIDE_ROWS = Table(
    "set_aside_rows", "Rows that were not taken, each with the reason and where it stands.",
    Grain.STORE_DAY, "ingest", "team:data-engineering", ("file", "line"),
    (
        _FILE, _LINE,
        Column("store", Type.TEXT, "The store, where it can be read.", nullable=True),
        Column("day", Type.DAY, "The day, where it can be read.", nullable=True),
        Column("reason", Type.TEXT, "Why it was set aside; the list is in docs/tables.md.", allowed=REASON_CODES),
        Column("row", Type.TEXT, "The row as it came, as JSON of its canonical columns, or the bare line."),
        Column("input", Type.TEXT, "What kind of file it came in.", allowed=("sales", "products", "stores", "stock", "promotions", "price_plan", "calendar", "advice_decisions")),
    ),
    ("raw_sales", "products"),
)  # fmt: skip

PRODUCTS = Table(
    "products", "What the chain sells: one row per product, from the products files.",
    Grain.WHOLE, "reference", "team:data-engineering", ("product",),
    (
        _PRODUCT,
        Column("name", Type.TEXT, "The product's name.", nullable=True),
        Column("category", Type.TEXT, "The product's category.", nullable=True),
        Column("unit_cost", Type.PRICE, "Cost of one unit.", unit="currency per unit", nullable=True, lowest=0),
        Column("list_price", Type.PRICE, "The regular price of one unit.", unit="currency per unit", nullable=True, lowest=0),
        Column("max_quantity", Type.QUANTITY, "The largest quantity a line may hold; replaces the rule for absurd quantities.", unit="units", nullable=True, lowest=0),
        Column("price_group", Type.TEXT, "Products of one group have one price in a store (line pricing).", nullable=True),
        Column("pack_family", Type.TEXT, "Packs of the same thing: a bigger one never costs more per unit than a smaller one.", nullable=True),
        Column("pack_size", Type.QUANTITY, "How much the pack holds, in one unit for the whole family.", nullable=True, lowest=0),
    ),
)  # fmt: skip

STORES = Table(
    "stores", "The chain's stores, from the stores files.",
    Grain.WHOLE, "reference", "team:data-engineering", ("store",),
    (
        _STORE,
        Column("name", Type.TEXT, "The store's name.", nullable=True),
        Column("city", Type.TEXT, "The store's city.", nullable=True),
        Column("time_zone", Type.TEXT, "The store's time zone, such as Europe/Berlin.", nullable=True),
        Column("country", Type.TEXT, "The country whose public holidays the store has, ISO 3166-1 alpha-2, such as DE.", nullable=True),
        Column("subdivision", Type.TEXT, "Its region with holidays of its own: what ISO 3166-2 puts behind the country, such as BY.", nullable=True),
    ),
)  # fmt: skip

PROMOTIONS = Table(
    "promotions", "Announced promotions, past and future, from the promotions files.",
    Grain.WHOLE, "reference", "team:data-engineering", ("store", "product", "first_day", "last_day", "kind"),
    (
        Column("store", Type.TEXT, "The store; null for all stores.", nullable=True),
        _PRODUCT,
        Column("first_day", Type.DAY, "The promotion's first day."),
        Column("last_day", Type.DAY, "The promotion's last day."),
        Column("kind", Type.TEXT, "What kind of promotion.", nullable=True),
    ),
)  # fmt: skip

PRICE_PLAN = Table(
    "price_plan", "Prices decided ahead of their day, from the price plan files.",
    Grain.WHOLE, "reference", "team:data-engineering", ("store", "product", "first_day"),
    (
        Column("store", Type.TEXT, "The store; null for all stores.", nullable=True),
        _PRODUCT,
        Column("first_day", Type.DAY, "The first day at the price; of several rows the one with the latest first day counts."),
        Column("last_day", Type.DAY, "The last day of a temporary price; null where it stays.", nullable=True),
        Column("price", Type.PRICE, "The price of one unit.", unit="currency per unit", lowest=0),
    ),
)  # fmt: skip

CALENDAR = Table(
    "calendar", "Holidays, closed days and the chain's own events, from the calendar files.",
    Grain.WHOLE, "reference", "team:data-engineering", ("store", "day", "event"),
    (
        Column("store", Type.TEXT, "The store; null for all stores.", nullable=True),
        _DAY,
        Column("event", Type.TEXT, "The event's name."),
        Column("kind", Type.TEXT, "holiday, closed or event.", allowed=("holiday", "closed", "event")),
    ),
)  # fmt: skip

STOCK = Table(
    "stock", "Stock counts as they came; of several for one product and day the last in file and line order counts.",
    Grain.STORE_DAY, "reference", "team:data-engineering", ("file", "line"),
    (
        _STORE, _DAY, _FILE, _LINE, _PRODUCT,
        Column("on_hand", Type.QUANTITY, "Units on hand at the close of the day.", unit="units"),
    ),
)  # fmt: skip

PRODUCT_KPIS = Table(
    "product_kpis", "Key figures: one row per store, day and product sold within 28 days or in stock.",
    Grain.STORE_DAY, "kpis", "team:bi", ("store", "day", "product"), KPI_COLUMNS, ("clean_sales", "stock", "products"),
)  # fmt: skip


PUBLISHED = Table(
    "published", "One publication: every table from one state, whole or not at all.",
    Grain.WHOLE, "serving", "team:bi", ("table",),
    (
        Column("table", Type.TEXT, "The table."),
        Column("version", Type.COUNT, "Its version in the lake.", lowest=0),
        Column("rows", Type.COUNT, "Its rows.", lowest=0),
    ),
    (
        "set_aside_rows", "sales_forecast_totals", "forecast_scores", "forecast_accuracy", "probable_stock_outs",
        "price_recommendations",
        "advice_effects",
    ),
)  # fmt: skip

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        RAW_SALES, SET_ASIDE_ROWS, CLEAN_SALES, PRODUCTS, STORES, PROMOTIONS, PRICE_PLAN, CALENDAR, STOCK, PRODUCT_KPIS,
        FORECAST_MODEL, SALES_FORECAST, SALES_FORECAST_TOTALS, FORECAST_SCORES, FORECAST_ACCURACY, PROBABLE_STOCK_OUTS, PRICE_EVIDENCE,
        PRICE_PRIORS, PRICE_RESPONSE, PRICE_RECOMMENDATIONS,
        ADVICE_DECISIONS, ADVICE_EFFECTS, PUBLISHED,
    )
}  # fmt: skip
"""Every table by name, in the order of the data's way."""

KEPT: tuple[str, ...] = tuple(name for name in TABLES if name != PUBLISHED.name)
"""The tables that the lake keeps."""

INPUT_COLUMNS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sales": (("store", "receipt", "sold_at", "product", "quantity", "unit_price"), ("line", "discount", "currency")),
    "products": (
        ("product",),
        ("name", "category", "unit_cost", "list_price", "max_quantity", "price_group", "pack_family", "pack_size"),
    ),
    "stores": (("store",), ("name", "city", "time_zone", "country", "subdivision")),
    "stock": (("store", "day", "product", "on_hand"), ()),
    "promotions": (("product", "first_day", "last_day"), ("store", "kind")),
    "price_plan": (("product", "first_day", "price"), ("store", "last_day")),
    "calendar": (("day", "event"), ("store", "kind")),
    "advice_decisions": DECISION_COLUMNS,
}
"""The columns a file of each kind must have, and those it may have."""
