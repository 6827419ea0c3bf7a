"""Every table of the platform, once: columns, types, units, keys and meaning.

Belongs here: the public contract. Checks, documentation, files and readers are made from it.
Does not belong here: how a table is computed (`transforms`) or kept (`store`).
"""

from __future__ import annotations

from emma_platform.model.advice import ADVICE_DECISIONS, ADVICE_EFFECTS, DECISION_COLUMNS
from emma_platform.model.kpis import KPI_COLUMNS
from emma_platform.model.reasons import REASON_CODES
from emma_platform.model.schema import Column, Grain, Table, Type

_STORE = Column("store", Type.TEXT, "The store, as the till names it.")
_DAY = Column("day", Type.DAY, "The business day, in the store's time zone.")
_PRODUCT = Column("product", Type.TEXT, "The product code.")
_FILE = Column("file", Type.TEXT, "The file, as its path below landing/.")
_LINE = Column("line", Type.COUNT, "The line of the file; the header is line 1.", lowest=1)
_MADE_ON = Column("made_on", Type.DAY, "The last day that was known when the forecast was made.")

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
        Column("input", Type.TEXT, "What kind of file it came in.", allowed=("sales", "products", "stores", "stock", "promotions", "calendar", "advice_decisions")),
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


def _number(
    name: str, meaning: str, formula: str = "", unit: str = "", *, nullable: bool = False, lowest: float | None = None
) -> Column:
    return Column(name, Type.NUMBER, meaning, formula, "", unit, nullable, lowest)


_QUANTILES = tuple(
    _number(name, f"Units that demand stays below with a chance of {chance} %.", unit="units per day", lowest=0)
    for name, chance in (("p025", "2.5"), ("p10", "10"), ("p50", "50"), ("p90", "90"), ("p975", "97.5"))
)

SALES_FORECAST = Table(
    "sales_forecast", "Daily demand for the next 28 days with intervals; of earlier origins the days 1, 7 and 28 ahead.",
    Grain.STORE, "forecast", "team:data-science", ("store", "product", "made_on", "day"),
    (
        _STORE, _PRODUCT, _MADE_ON, _DAY,
        Column("horizon_days", Type.COUNT, "Days from made_on to day.", lowest=1, highest=28),
        _number("mean", "Expected units.", unit="units per day", lowest=0), *_QUANTILES,
        Column("method", Type.TEXT, "How it was made.", allowed=("smoothing", "category", "seasonal_naive")),
    ),
    ("product_kpis", "promotions", "calendar"),
)  # fmt: skip

FORECAST_SCORES = Table(
    "forecast_scores", "How good the forecast was at earlier origins, against the same weekday of the last known week.",
    Grain.STORE, "forecast", "team:data-science", ("store", "product"),
    (
        _STORE, _PRODUCT,
        Column("origins", Type.COUNT, "Rolling origins scored.", lowest=1),
        Column("days", Type.COUNT, "Forecast days scored.", lowest=1),
        _number("actual_units", "Units that were sold on the scored days.", "sum(y)", "units"),
        _number("absolute_error", "Absolute errors of the forecast.", "sum(|f - y|)", "units", lowest=0),
        _number("signed_error", "Errors of the forecast, too high is positive.", "sum(f - y)", "units"),
        _number("naive_absolute_error", "Absolute errors of the seasonal naive.", "sum(|n - y|)", "units", lowest=0),
        _number("squared_error", "Squared errors of the forecast.", "sum((f - y)^2)", lowest=0),
        _number("naive_scale", "Mean squared one-day change of the history before the origin.", "mean((y_t - y_(t-1))^2)", nullable=True),
        Column("inside_80", Type.COUNT, "Scored days within p10 to p90."),
        Column("inside_95", Type.COUNT, "Scored days within p025 to p975."),
        _number("wape", "Weighted absolute percentage error, 1 = 100 %.", "absolute_error / actual_units", "fraction", nullable=True),
        _number("rmsse", "Root mean squared scaled error (M5 guide, equation 1).", "sqrt(squared_error / days / naive_scale)", nullable=True),
        _number("bias", "Share by which the forecast was too high.", "signed_error / actual_units", "fraction", nullable=True),
        _number("coverage_80", "Share of the days inside the 80 % interval.", "inside_80 / days", "fraction"),
        _number("coverage_95", "Share of the days inside the 95 % interval.", "inside_95 / days", "fraction"),
        _number("skill_vs_seasonal_naive", "Error saved against the seasonal naive; below zero is worse.",
                "1 - absolute_error / naive_absolute_error", "fraction", nullable=True),
    ),
    ("product_kpis", "promotions", "calendar"),
)  # fmt: skip

PROBABLE_STOCK_OUTS = Table(
    "probable_stock_outs", "When a product was probably out of stock and what that cost: counted, or told by an improbable run of days without a sale.",
    Grain.STORE, "forecast", "team:data-science", ("store", "product", "first_day"),
    (
        _STORE, _PRODUCT,
        Column("first_day", Type.DAY, "The first day on which the shelf was probably empty."),
        Column("last_day", Type.DAY, "The last one; the store's last known day where it may still be empty."),
        Column("days", Type.COUNT, "Days from first_day to last_day on which the store was open.", lowest=1),
        Column("probability", Type.NUMBER, "The chance that the shelf was empty on any of them; what is less probable than even is not listed.", unit="fraction", lowest=0.5, highest=1),
        Column("evidence", Type.TEXT, "count: a stock count of one of the days says so; sales: only the missing sales do.", allowed=("count", "sales")),
        _number("lost_units", "Units expected to have been lost, the chance of no stock-out included.", "sum(chance of an empty shelf * expected units) by day", "units", lowest=0),
        *(
            _number(f"lost_units_{name}", f"Units lost stay below this with a chance of {chance} %; 0 where probably nothing was lost.", unit="units", lowest=0)
            for name, chance in (("p10", "10"), ("p90", "90"))
        ),
        _number("lost_revenue", "What lost_units would have brought at the latest price before.", "lost_units * average_price", "currency of the store", nullable=True, lowest=0),
    ),
    ("product_kpis", "promotions", "calendar"),
)  # fmt: skip

PRICE_EVIDENCE = Table(
    "price_evidence", "What one store's own sales say about the price response of a product, before any pooling.",
    Grain.STORE, "prices", "team:data-science", ("store", "product"),
    (
        _STORE, _PRODUCT,
        Column("category", Type.TEXT, "The product's category.", nullable=True),
        _number("current_price", "The price now: the latest price paid outside promotions.", "", "currency per unit", nullable=True, lowest=0),
        Column("price_since", Type.DAY, "The first day it was paid after another price; null when no other is known.", nullable=True),
        _number("lowest_price_30d", "The lowest daily price of the last 30 days, promotions included.", "min(sold_revenue / sold_units)", "currency per unit", nullable=True, lowest=0),
        _number("own_elasticity", "Elasticity from this store's weeks alone.", nullable=True),
        _number("own_variance", "Its variance, with dispersion and autocorrelation in it.", nullable=True, lowest=0),
        Column("observations", Type.COUNT, "Weeks used.", lowest=0),
        Column("price_points", Type.COUNT, "Different prices seen.", lowest=0),
        _number("own_change", "Change of the own elasticity from the first half of the weeks to the second.", nullable=True),
        _number("own_change_variance", "The variance that the change would have if the elasticity stood still.", nullable=True, lowest=0),
        _number("cross_elasticity", "Percent change of units per percent change of the category's other prices.", nullable=True),
        _number("cross_variance", "Its variance.", nullable=True, lowest=0),
        _number("promotion_lift", "What a promotion multiplies units by, beside its price.", nullable=True, lowest=0),
    ),
    ("product_kpis", "promotions"),
)  # fmt: skip

PRICE_PRIORS = Table(
    "price_priors", "What the whole chain says about price response, on a coarse grid so that one late day rarely moves it.",
    Grain.WHOLE, "prices", "team:data-science", ("level", "name"),
    (
        Column("level", Type.TEXT, "product, category or chain.", allowed=("product", "category", "chain")),
        Column("name", Type.TEXT, "The product or category; empty for the chain."),
        _number("elasticity", "The level's elasticity."),
        _number("spread", "Standard deviation of the true elasticities around it.", lowest=0),
        _number("cross_elasticity", "The category's cross elasticity: units against the category's other prices.", nullable=True),
        _number("inflation", "What the own variances are multiplied by; measured from changes between halves of the history.", lowest=1),
        Column("members", Type.COUNT, "Store-products behind it, rounded down to a power of two.", lowest=0),
    ),
    ("price_evidence",),
)  # fmt: skip

PRICE_RESPONSE = Table(
    "price_response", "Price elasticity per store and product, shrunk towards product, category and chain. Observational, not causal.",
    Grain.STORE, "prices", "team:data-science", ("store", "product"),
    (
        _STORE, _PRODUCT,
        _number("elasticity", "Percent change of units per percent change of price."),
        _number("std_error", "Its standard error.", lowest=0),
        Column("level", Type.TEXT, "The level that carries the most weight.", allowed=("store-product", "product", "category", "chain")),
        Column("observations", Type.COUNT, "Weeks used.", lowest=0),
        Column("price_points", Type.COUNT, "Different prices seen.", lowest=0),
        _number("own_weight", "Weight of the store's own evidence, 0 to 1.", "fraction", lowest=0),
        _number("cross_elasticity", "Percent change of units per percent change of the category's other prices, by category.", nullable=True),
        Column("note", Type.TEXT, "How far it can be trusted, in words."),
    ),
    ("price_evidence", "price_priors"),
)  # fmt: skip

PRICE_GUARDRAILS = ("minimum_margin", "largest_step", "price_ending", "short_stock", "cool_down")
"""What a recommended price must keep to."""

PRICE_RECOMMENDATIONS = Table(
    "price_recommendations", "What to charge, or why not to change it, with the gain expected over 28 days.",
    Grain.STORE, "prices", "team:data-science", ("store", "product", "made_on"),
    (
        _STORE, _PRODUCT, _MADE_ON,
        _number("current_price", "The price now.", unit="currency per unit", nullable=True, lowest=0),
        _number("recommended_price", "The price to charge; the current price when held, null when blocked.", unit="currency per unit", nullable=True, lowest=0),
        Column("status", Type.TEXT, "recommend, hold, explore or blocked.", allowed=("recommend", "hold", "explore", "blocked")),
        *(
            _number(f"expected_profit_uplift_{name}", f"Profit gained over 28 days; it is more with a chance of {chance} %.", unit="currency of the store", nullable=True)
            for name, chance in (("p10", "90"), ("p50", "50"), ("p90", "10"))
        ),
        _number("expected_units", "Units expected over 28 days at the recommended price.", unit="units", nullable=True, lowest=0),
        _number("probability_of_gain", "Chance that the recommended price earns more than the current one.", unit="fraction", nullable=True, lowest=0),
        Column("binding_constraint", Type.TEXT, "The guardrail that stopped the price from going further.", nullable=True,
               allowed=PRICE_GUARDRAILS),
        _number("constraint_cost", "Profit over 28 days that the guardrail costs.", unit="currency of the store", nullable=True, lowest=0),
        *(_number(f"{name}_cost", f"Profit a week of the best price without the guardrail {name}, less that with it.", unit="currency of the store per week", nullable=True, lowest=0) for name in PRICE_GUARDRAILS),
        _number("lowest_price_30d", "What a reduction must be announced from: the lowest price of the last 30 days (Directive 98/6/EC, Article 6a).", unit="currency per unit", nullable=True, lowest=0),
        _number("announced_reduction_pct", "Of a lower price, what may be announced against lowest_price_30d; 0 when nothing may be.", "max(0, 100 * (1 - recommended_price / lowest_price_30d))", "percent", nullable=True, lowest=0),
        Column("reason", Type.TEXT, "Why, in words."),
    ),
    ("sales_forecast", "price_response", "price_evidence", "product_kpis"),
)  # fmt: skip

PUBLISHED = Table(
    "published", "One publication: every table from one state, whole or not at all.",
    Grain.WHOLE, "serving", "team:bi", ("table",),
    (
        Column("table", Type.TEXT, "The table."),
        Column("version", Type.COUNT, "Its version in the lake.", lowest=0),
        Column("rows", Type.COUNT, "Its rows.", lowest=0),
    ),
    ("set_aside_rows", "forecast_scores", "probable_stock_outs", "price_recommendations", "advice_effects"),
)  # fmt: skip

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        RAW_SALES, SET_ASIDE_ROWS, CLEAN_SALES, PRODUCTS, STORES, PROMOTIONS, CALENDAR, STOCK, PRODUCT_KPIS, SALES_FORECAST,
        FORECAST_SCORES, PROBABLE_STOCK_OUTS, PRICE_EVIDENCE, PRICE_PRIORS, PRICE_RESPONSE, PRICE_RECOMMENDATIONS,
        ADVICE_DECISIONS, ADVICE_EFFECTS, PUBLISHED,
    )
}  # fmt: skip
"""Every table by name, in the order of the data's way."""

KEPT: tuple[str, ...] = tuple(name for name in TABLES if name != PUBLISHED.name)
"""The tables that the lake keeps."""

INPUT_COLUMNS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sales": (("store", "receipt", "sold_at", "product", "quantity", "unit_price"), ("line", "discount", "currency")),
    "products": (("product",), ("name", "category", "unit_cost", "list_price", "max_quantity")),
    "stores": (("store",), ("name", "city", "time_zone")),
    "stock": (("store", "day", "product", "on_hand"), ()),
    "promotions": (("product", "first_day", "last_day"), ("store", "kind")),
    "calendar": (("day", "event"), ("store", "kind")),
    "advice_decisions": DECISION_COLUMNS,
}
"""The columns a file of each kind must have, and those it may have."""
