"""The page of one product in one store: what its template is given.

Belongs here: choosing and arranging what the reader says of the product. Does not belong here: routes (`pages`), charts
(`charts`) and the look (`templates/product.html`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.model.access import StoreScope
from emma_platform.model.advice import ADVICE_EFFECTS
from emma_platform.model.estimates import PRICE_GUARDRAILS
from emma_platform.serving.advice import Advice, AdviceError, advice_for
from emma_platform.serving.changes import Change, explain_change
from emma_platform.serving.freshness import freshness
from emma_platform.serving.periods import DEFAULT_DAYS, last_periods
from emma_platform.serving.price_curve import PriceCurve, price_curve
from emma_platform.serving.product_page import ProductPage
from emma_platform.web import charts, words
from emma_platform.web.addresses import product_path
from emma_platform.web.filters import Filters
from emma_platform.web.product_cards import cards
from emma_platform.web.publication_shown import Shown

WHY = {"revenue": "Revenue", "units": "Units", "gross_margin": "Gross margin"}
"""The key figures whose change is split into parts."""

GUARDRAIL_WORDS = {
    "minimum_margin": "the lowest margin",
    "largest_step": "the largest step at once",
    "price_ending": "the price endings",
    "short_stock": "no cut while the stock is short",
    "cool_down": "the rest after a change",
    "price_group": "one price for its group",
    "pack_order": "a bigger pack is never dearer per unit",
}


_SAID = (
    "store", "product", "name", "category", "day", "revenue_28d", "revenue_rank_28d", "units_28d", "sold_units_28d",
    "selling_days_28d", "gross_margin_28d", "average_price_28d", "unit_cost", "on_hand", "days_of_cover",
    "empty_shelf_since", "forecast_units_28d", "forecast_units_28d_p10", "forecast_units_28d_p90", "abc_class",
    "xyz_class", "price_response_elasticity", "price_response_std_error", "status", "current_price",
    "recommended_price", "expected_profit_uplift_p10", "expected_profit_uplift_p50", "expected_profit_uplift_p90",
    "recommendation_made_on", "recommendation_reason", "binding_constraint",
    *(f"{name}_cost" for name in PRICE_GUARDRAILS),
)  # fmt: skip
_RESPONSE = ("elasticity", "std_error", "note")
_STOCK_OUT = ("evidence", "first_day", "last_day", "days", "lost_units", "lost_revenue")
_ACCURACY = ("horizon_days", "actual_units", "forecast_units", "coverage_80", "skill_vs_seasonal_naive", "shown")
"""What the page says of each table, first of `product_overview`; a value more takes 3 µs."""


def product_values(shown: Shown, scope: StoreScope, store: str, product: str) -> dict[str, Any]:
    """All that the template of the page needs.

    Raises:
        ServingError: there is no such store or product.
    """
    page = shown.reader.product(scope, store, product)
    row = next(iter(_rows(page.overview, _SAID)), None)
    curve = price_curve(row, shown.settings) if row else None
    fan = charts.fan(page)
    named = row or _named(shown, scope, product)
    return {
        "store": store,
        "product": product,
        "name": named.get("name") or product,
        "category": named.get("category"),
        "store_name": shown.store_name(store),
        "row": row,
        "here": product_path(store, product),
        "publication": shown.reader.publication,
        "fresh": freshness(shown.reader, StoreScope.of(store)),
        "row_query": Filters(store=(store,), product=(product,), known_on=shown.known_on or "").query(),
        "cards": cards(page, row),
        "fan": json.dumps(fan, separators=(",", ":")) if fan else None,
        "fan_marks": {name: bool(fan.get(name)) for name in ("promotions", "empty")},
        "fan_moves": any(fan.get("sold", ())) or any(fan.get("p975", ())),
        "fan_sentence": charts.fan_sentence(row, fan),
        "sold_words": _sold_words(page),
        "ahead_words": _ahead_words(page),
        "curve": _curve_words(curve) if curve else None,
        "curve_data": json.dumps(charts.curve(curve, row), separators=(",", ":")) if curve and row else None,
        "curve_sentence": charts.curve_sentence(curve, row) if curve and row else None,
        "guardrails": _guardrails(row),
        "response": next(iter(_rows(page.response, _RESPONSE)), None),
        "accuracy": _rows(page.accuracy, _ACCURACY),
        "stock_outs": _rows(page.stock_outs, _STOCK_OUT)[-3:],
        "shelf": words.shelf(row["on_hand"], row["days_of_cover"], row["empty_shelf_since"])
        if row
        else ("", "not sold or counted lately"),
        "sql": _sql(store, product),
        **advice_values(shown, scope, store, product, row),
    }


def advice_values(
    shown: Shown, scope: StoreScope, store: str, product: str, row: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What the advice box and the ledger need; `row` is of `product_overview`, where it is read already."""
    landing = shown.settings.landing
    try:
        advice: Advice | None = advice_for(shown.reader, scope, landing, store, product, row=row)
    except AdviceError:
        advice = None
    ledger = []
    if shown.reader.publication.rows.get(ADVICE_EFFECTS.name):
        effects = shown.reader.table(scope, ADVICE_EFFECTS.name, stores=[store])
        ledger = effects.filter(pc.field("product") == product).sort_by([("decided_at", "descending")]).to_pylist()
    return {
        "advice": advice,
        "ledger": ledger,
        "here": product_path(store, product),
        "publication": shown.reader.publication,
        "error": None,
        "given": {"decision": None, "price": "", "reason": ""},
    }


def why_values(shown: Shown, scope: StoreScope, store: str, product: str, kpi: str) -> dict[str, Any]:
    """Why a key figure moved from the 28 days before to the last 28.

    Raises:
        ServingError: nothing of it was sold in these periods, or there is no such figure.
    """
    change = _change_of(shown, scope, store, kpi, product)
    before, after, parts = change.shown()
    say = words.units if kpi == "units" else words.money
    largest = max((abs(amount) for _, amount in parts), default=Decimal(1)) or Decimal(1)
    return {
        "kpi": WHY[kpi],
        "why_kinds": WHY,
        "before": say(before),
        "after": say(after),
        "change": words.signed(after - before, say),
        "parts": [
            {"label": part.label, "meaning": part.meaning, "amount": words.signed(amount, say), "up": amount > 0,
             "width": round(float(abs(amount) / largest) * 100)}
            for part, amount in parts
        ],
        "notes": change.notes(),
    }  # fmt: skip


def title_values(shown: Shown, scope: StoreScope, store: str, product: str) -> dict[str, Any]:
    """What a page about a product and nothing else of it is headed with: their codes and names."""
    return {
        "store": store,
        "product": product,
        "name": _name(shown, scope, store, product),
        "store_name": shown.store_name(store),
        "here": product_path(store, product),
    }


def _change_of(shown: Shown, scope: StoreScope, store: str, kpi: str, product: str | None = None) -> Change:
    last_day = shown.reader.last_days(scope).get(store, date.min + timedelta(days=2 * DEFAULT_DAYS))
    return explain_change(shown.reader, scope, kpi, *last_periods(last_day), stores=[store], product=product)


def _name(shown: Shown, scope: StoreScope, store: str, product: str) -> str:
    found = shown.reader.overview_row(scope, store, product)
    return (found["name"][0].as_py() if found.num_rows else _named(shown, scope, product).get("name")) or product


def _named(shown: Shown, scope: StoreScope, product: str) -> Mapping[str, Any]:
    """What the products file says of a product."""
    statement = "SELECT name, category FROM {rows} WHERE product = $product"
    return next(iter(shown.reader.ask(scope, "products", statement, {"product": product})), {})


def _guardrails(row: Mapping[str, Any] | None) -> list[tuple[str, str, bool]]:
    """What each guardrail costs a week, where it costs anything; and whether it is the one that binds."""
    if row is None:
        return []
    costs = [(name, row[f"{name}_cost"]) for name in PRICE_GUARDRAILS]
    return [
        (GUARDRAIL_WORDS[name], words.money(cost), name == row["binding_constraint"])
        for name, cost in costs
        if cost is not None and cost >= 0.005  # noqa: PLR2004 - less is no cent
    ]


def _rows(table: pa.Table, columns: Sequence[str]) -> list[dict[str, Any]]:
    return table.select(columns).to_pylist() if table.num_rows else []


def _ahead_words(page: ProductPage) -> dict[str, list[str]]:
    """The forecast as columns of a table, by day."""
    bands = {name: list(map(words.units, charts.values(page.forecast, name))) for name in charts.BANDS}
    return {"day": _day_words(page.forecast), **bands}


def _sold_words(page: ProductPage) -> dict[str, list[str]]:
    """What was sold in the last 28 days as columns of a table, the newest day first."""
    last = page.kpis.slice(max(0, page.kpis.num_rows - DEFAULT_DAYS))
    sold = ["" if units is None else words.units(units) for units in charts.values(last, "sold_units")]
    return {"day": _day_words(last)[::-1], "sold": sold[::-1]}


def _day_words(rows: pa.Table) -> list[str]:
    return [words.short_day(charts.EPOCH + timedelta(day)) for day in charts.days(rows, "day")]


def _curve_words(curve: PriceCurve) -> dict[str, list[str]]:
    """Every third price of the curve as columns of a table."""
    said = {"prices": words.price, "profit": words.money, "low": words.money, "high": words.money, "units": words.units}
    return {name: list(map(say, getattr(curve, name)[::3])) for name, say in said.items()}


def _sql(store: str, product: str) -> str:
    quoted = [value.replace("'", "''") for value in (store, product)]
    return f"SELECT * FROM product_kpis WHERE store = '{quoted[0]}' AND product = '{quoted[1]}' ORDER BY day"
