"""The tables of what is estimated: forecasts and their scores, probable stock-outs, price response and price advice.

Belongs here: their columns, types, units and meaning. Does not belong here: the other tables (`tables`).
"""

from __future__ import annotations

from emma_platform.model.schema import Column, Grain, Table, Type

_STORE = Column("store", Type.TEXT, "The store, as the till names it.")
_DAY = Column("day", Type.DAY, "The business day, in the store's time zone.")
_PRODUCT = Column("product", Type.TEXT, "The product code.")
_MADE_ON = Column("made_on", Type.DAY, "The last day that was known when the forecast was made.")


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
        Column("method", Type.TEXT, "How it was made.", allowed=("smoothing", "category", "seasonal_naive", "boosting")),
        _number("planned_price", "The price it counts on, where a plan or a decision changes the price by then.", unit="currency per unit", nullable=True, lowest=0),
    ),
    ("product_kpis", "promotions", "calendar", "stores", "price_plan", "advice_decisions", "price_response", "forecast_model"),
)  # fmt: skip

FORECAST_MODEL = Table(
    "forecast_model", "The best engine of the chain (EMMA_FORECAST_ENGINE=best): gradient boosting trained once a week, what it saves and where it is used.",
    Grain.WHOLE, "forecast", "team:data-science", ("level", "category", "demand_class"),
    (
        Column("level", Type.TEXT, "chain: the model; class: one category and demand class.", allowed=("chain", "class")),
        Column("category", Type.TEXT, "The category; empty for the chain and for products without one."),
        Column("demand_class", Type.TEXT, "How often and how evenly a product sells.", allowed=("all", "smooth", "intermittent", "erratic", "lumpy")),
        Column("trained_until", Type.DAY, "The last day that was known when it was trained and judged."),
        Column("training_rows", Type.COUNT, "Product-weeks trained on.", nullable=True, lowest=0),
        Column("origins", Type.COUNT, "Earlier origins that judge, none of whose outcomes it was trained on.", nullable=True, lowest=0),
        Column("origins_won", Type.COUNT, "Of these, those at which it saves more than 1 % of the fast engine's error.", nullable=True, lowest=0),
        _number("gain_pct", "What it saves of the root mean squared scaled error of weekly sums, over these origins.", "100 * mean(1 - error / error of the fast engine)", "percent", nullable=True),
        _number("weight", "Its weight: 1 where it is used, 0.5 where both are averaged, 0 where the fast engine stays.", nullable=True, lowest=0),
        Column("model", Type.TEXT, "Of the chain: the model, as LightGBM writes it.", nullable=True),
    ),
    ("product_kpis", "promotions", "calendar", "stores"),
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
    ("product_kpis", "promotions", "calendar", "stores"),
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
    ("product_kpis", "promotions", "calendar", "stores"),
)  # fmt: skip

PRICE_EVIDENCE = Table(
    "price_evidence", "What one store's own sales say about the price response of a product, before any pooling.",
    Grain.STORE, "prices", "team:data-science", ("store", "product"),
    (
        _STORE, _PRODUCT,
        Column("category", Type.TEXT, "The product's category.", nullable=True),
        _number("current_price", "The price now: the latest price paid outside promotions.", "", "currency per unit", nullable=True, lowest=0),
        Column("price_since", Type.DAY, "The first day it was paid after another price; null when no other is known.", nullable=True),
        _number("still_charged", "Chance that it is still the price: none seen for n days may have changed since.", "exp(-price changes a day in the store * days since it was last paid)", "fraction", nullable=True, lowest=0),
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
    ("product_kpis", "promotions", "calendar", "stores", "probable_stock_outs"),
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

PRICE_GUARDRAILS = (
    "minimum_margin", "largest_step", "price_ending", "short_stock", "cool_down", "price_group", "pack_order",
)  # fmt: skip
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
        _number("probability_of_gain", "Chance that the current price is still charged, and the recommended one earns more.", unit="fraction", nullable=True, lowest=0),
        Column("binding_constraint", Type.TEXT, "The guardrail that stopped the price from going further.", nullable=True,
               allowed=PRICE_GUARDRAILS),
        _number("constraint_cost", "Profit over 28 days that the guardrail costs.", unit="currency of the store", nullable=True, lowest=0),
        *(_number(f"{name}_cost", f"Profit a week of the best price without the guardrail {name}, less that with it; of products priced together, this one's share.", unit="currency of the store per week", nullable=True, lowest=0) for name in PRICE_GUARDRAILS),
        _number("lowest_price_30d", "What a reduction must be announced from: the lowest price of the last 30 days (Directive 98/6/EC, Article 6a).", unit="currency per unit", nullable=True, lowest=0),
        _number("announced_reduction_pct", "Of a lower price, what may be announced against lowest_price_30d; 0 when nothing may be.", "max(0, 100 * (1 - recommended_price / lowest_price_30d))", "percent", nullable=True, lowest=0),
        Column("test_days", Type.COUNT, "Of explore: days of the test, until it ends with an answer with a chance of 80 %.", unit="days", nullable=True, lowest=7, highest=84),
        _number("test_chance", "Of explore: chance that the test ends with an answer.", unit="fraction", nullable=True, lowest=0),
        _number("test_cost", "Of explore: profit a week that the test costs at most, with a chance of 90 %.", unit="currency of the store per week", nullable=True, lowest=0),
        Column("reason", Type.TEXT, "Why, in words."),
    ),
    ("sales_forecast", "price_response", "price_evidence", "product_kpis", "products"),
)  # fmt: skip
