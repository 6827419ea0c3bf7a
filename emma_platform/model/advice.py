"""The tables of the advice ledger: what was decided on price advice, and what came of it.

Belongs here: their columns, types, units and meaning. Does not belong here: the other tables (`tables`).
"""

from __future__ import annotations

from emma_platform.model.schema import Column, Grain, Table, Type

_STORE = Column("store", Type.TEXT, "The store, as the till names it.")
_PRODUCT = Column("product", Type.TEXT, "The product code.")
_MADE_ON = Column("made_on", Type.DAY, "The last day that was known when the advice was given.")
_DIFFERENCE = "Bertrand, Duflo, Mullainathan 2004, IV.C; Abadie, Diamond, Hainmueller 2010, 2.4; Donald, Lang 2007"
_PROFIT_QUANTILES = (("p10", "90"), ("p50", "50"), ("p90", "10"))

ADVICE_DECISIONS = Table(
    "advice_decisions", "What was decided on price advice, with what was promised then.",
    Grain.WHOLE, "reference", "team:data-science", ("store", "product", "decided_at"),
    (
        Column("decided_at", Type.INSTANT, "When it was decided."),
        _STORE, _PRODUCT, _MADE_ON,
        Column("decision", Type.TEXT, "accept, change (to another price) or decline.", allowed=("accept", "change", "decline")),
        Column("price", Type.PRICE, "The price decided on; null when declined.", unit="currency per unit", nullable=True, lowest=0),
        Column("reason", Type.TEXT, "Why, in the words of who decided.", nullable=True),
        Column("decided_by", Type.TEXT, "Who decided.", nullable=True),
        Column("publication", Type.TEXT, "The publication that the advice was read from.", nullable=True),
        Column("current_price", Type.PRICE, "The price at the time.", unit="currency per unit", nullable=True, lowest=0),
        Column("recommended_price", Type.PRICE, "The price that was advised.", unit="currency per unit", nullable=True, lowest=0),
        Column("unit_cost", Type.PRICE, "The cost of one unit at the time.", unit="currency per unit", nullable=True, lowest=0),
        *(
            Column(f"expected_profit_uplift_{name}", Type.MONEY, f"Profit promised over 28 days; it is more with a chance of {chance} %.", unit="currency of the store", nullable=True)
            for name, chance in _PROFIT_QUANTILES
        ),
    ),
)  # fmt: skip

ADVICE_EFFECTS = Table(
    "advice_effects", "What came of each decision on price advice: promised, and delivered against controls that kept their price.",
    Grain.WHOLE, "prices", "team:data-science", ("store", "product", "made_on"),
    (
        _STORE, _PRODUCT, _MADE_ON,
        Column("decided_at", Type.INSTANT, "When it was decided; of several decisions on one recommendation the last."),
        Column("decision", Type.TEXT, "accept, change or decline.", allowed=("accept", "change", "decline")),
        Column("current_price", Type.PRICE, "The price before.", unit="currency per unit", nullable=True, lowest=0),
        Column("price", Type.PRICE, "The price decided on; null when declined.", unit="currency per unit", nullable=True, lowest=0),
        *(
            Column(f"promised_{name}", Type.NUMBER, f"Profit promised a week, if the advised price was accepted; it is more with a chance of {chance} %.", unit="currency of the store per week", nullable=True)
            for name, chance in _PROFIT_QUANTILES
        ),
        Column("status", Type.TEXT, "What is known: the reason says it in words.",
               allowed=("measured", "too_early", "price_not_changed", "reversed", "replaced", "no_control", "not_known", "declined")),
        Column("changed_on", Type.DAY, "The first day at the new price.", nullable=True),
        Column("days", Type.COUNT, "Days after the change that count: no promotion, goods on the shelf.", lowest=0, highest=28),
        Column("control", Type.TEXT, "What it was compared with: other stores, or these and other products of its category.", nullable=True, allowed=("stores", "stores and category")),
        Column("controls", Type.COUNT, "How many series of sales it was compared with.", lowest=0),
        *(
            Column(f"extra_units_{name}", Type.NUMBER, f"Units sold a week beyond those without the change; it is more with a chance of {chance} %.", "units - expected units of the controls' movement", _DIFFERENCE, "units per week", nullable=True)
            for name, chance in _PROFIT_QUANTILES
        ),
        *(
            Column(f"delivered_{name}", Type.NUMBER, f"Profit a week beyond that without the change; it is more with a chance of {chance} %.", "profit - expected units * (current_price - unit_cost)", _DIFFERENCE, "currency of the store per week", nullable=True)
            for name, chance in _PROFIT_QUANTILES
        ),
        Column("reason", Type.TEXT, "What came of it, in words."),
    ),
    ("product_kpis", "promotions", "advice_decisions"),
)  # fmt: skip

DECISION_COLUMNS = (
    ("decided_at", "store", "product", "made_on", "decision"),
    (
        "price", "reason", "decided_by", "publication", "current_price", "recommended_price", "unit_cost",
        *(f"expected_profit_uplift_{name}" for name, _ in _PROFIT_QUANTILES),
    ),
)  # fmt: skip
"""The columns a file of decisions must have, and those it may have."""
