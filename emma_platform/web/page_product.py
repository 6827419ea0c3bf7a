"""The page of one product in one store: what its template is given.

Belongs here: choosing and arranging what the reader says of the product. Does not belong here: routes (`pages`), charts
(`charts`) and the look (`templates/product.html`).
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
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
from emma_platform.serving.listing import STEADY_DAYS
from emma_platform.serving.periods import DEFAULT_DAYS, Period
from emma_platform.serving.price_curve import price_curve
from emma_platform.serving.product_page import ProductPage
from emma_platform.serving.publication import ServingError
from emma_platform.serving.remembered import Remembered
from emma_platform.web import charts, words
from emma_platform.web.addresses import product_path
from emma_platform.web.filters import Filters
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


_SUMMED = ("revenue", "units", "sold_units", "sold_revenue", "gross_margin")


_prepared = Remembered[None](1_000)


@dataclass(frozen=True, slots=True)
class Card:
    """A key figure: its value, and how it moved against the 28 days before.

    Attributes:
        label, column: what it is called, and the column that the glossary explains.
        value, note: what is shown, large and small.
        change_pct: None where there is nothing to compare with.
        why: the name for the question why, or None.
        neutral: more of it is neither good nor bad.
        rare: it sold too seldom for a change to be more than chance.
    """

    label: str
    column: str
    value: str
    note: str = ""
    change_pct: float | None = None
    why: str | None = None
    neutral: bool = False
    rare: bool = False


def product_values(shown: Shown, scope: StoreScope, store: str, product: str) -> dict[str, Any]:
    """All that the template of the page needs.

    Raises:
        ServingError: there is no such store or product.
    """
    page = shown.reader.product(scope, store, product)
    row = next(iter(page.overview.to_pylist()), None)
    curve = price_curve(row, shown.settings) if row else None
    fan = charts.fan(page)
    named = row or _named(shown, scope, product)
    return {
        "store": store,
        "product": product,
        "name": named.get("name") or product,
        "category": named.get("category"),
        "store_name": shown.store_names(scope).get(store, store),
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
        "fan_rows": _fan_rows(page),
        "curve": curve,
        "curve_data": json.dumps(charts.curve(curve, row), separators=(",", ":")) if curve and row else None,
        "curve_sentence": charts.curve_sentence(curve, row) if curve and row else None,
        "guardrails": _guardrails(row),
        "response": next(iter(page.response.to_pylist()), None),
        "accuracy": page.accuracy.to_pylist(),
        "stock_outs": page.stock_outs.to_pylist()[-3:],
        "shelf": words.shelf(row["on_hand"], row["days_of_cover"], row["empty_shelf_since"])
        if row
        else ("", "not sold or counted lately"),
        "sql": _sql(store, product),
        **advice_values(shown, scope, store, product, page.overview),
    }


def advice_values(
    shown: Shown, scope: StoreScope, store: str, product: str, overview: pa.Table | None = None
) -> dict[str, Any]:
    """What the advice box and the ledger need; `overview` is the product's row, where it is read already."""
    landing = shown.settings.landing
    try:
        advice: Advice | None = advice_for(shown.reader, scope, landing, store, product, overview=overview)
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
        "store_name": shown.store_names(scope).get(store, store),
        "here": product_path(store, product),
    }


def prepare_why(shown: Shown, scope: StoreScope, store: str) -> None:
    """Split the changes of a store while somebody reads the page of a product: why it moved is asked for next."""

    def prepare() -> None:
        with suppress(ServingError):
            _change_of(shown, scope, store, "revenue")

    _prepared.of((shown.reader.publication.file, scope, store), prepare)


def _change_of(shown: Shown, scope: StoreScope, store: str, kpi: str, product: str | None = None) -> Change:
    last_day = shown.reader.last_days(scope).get(store, date.min + timedelta(days=2 * DEFAULT_DAYS))
    second = Period(last_day - timedelta(days=DEFAULT_DAYS - 1), last_day)
    return explain_change(shown.reader, scope, kpi, second.before(), second, stores=[store], product=product)


def cards(page: ProductPage, row: Mapping[str, Any] | None) -> list[Card]:
    """The six key figures; those that nothing is known of say so."""
    if row is None:
        return []
    now, before = _sums(page, row["day"])
    margin = _change(now["gross_margin"], before["gross_margin"])
    sold, brought = before["sold_units"], before["sold_revenue"]
    price_before = brought / sold if brought and sold else None
    interval = (
        f"80 %: {words.rough(row['forecast_units_28d_p10'])} to {words.rough(row['forecast_units_28d_p90'])} units"
        if row["forecast_units_28d"] is not None
        else "not sold often enough"
    )
    cover = "" if row["on_hand"] is None else f"{words.units(row['on_hand'])} on hand"
    found = [
        Card("Revenue, 28 days", "revenue_28d", words.money(row["revenue_28d"]),
             f"rank {row['revenue_rank_28d']} in the store", _change(now["revenue"], before["revenue"]), "revenue"),
        Card("Units, 28 days", "units_28d", words.units(row["units_28d"]), f"on {row['selling_days_28d']} of 28 days",
             _change(now["units"], before["units"]), "units"),
        Card("Gross margin, 28 days", "gross_margin_28d", words.money(row["gross_margin_28d"]),
             _margin(row), margin, None if row["gross_margin_28d"] is None else "gross_margin"),
        Card("Average price", "average_price_28d", words.price(row["average_price_28d"]),
             "" if row["unit_cost"] is None else f"cost {words.price(row['unit_cost'])}",
             _change(row["average_price_28d"], price_before), neutral=True),
        Card("Forecast, 28 days", "forecast_units_28d", words.units(row["forecast_units_28d"]), interval,
             _change(row["forecast_units_28d"], float(row["units_28d"]))),
        Card("Stock lasts", "days_of_cover",
             words.UNKNOWN if row["days_of_cover"] is None else f"{row['days_of_cover']:.0f} days",
             cover or "no stock count"),
    ]  # fmt: skip
    rare = _selling_days(page, row["day"]) < STEADY_DAYS
    return [replace(card, rare=rare and card.change_pct is not None and not card.neutral) for card in found]


def _name(shown: Shown, scope: StoreScope, store: str, product: str) -> str:
    found = shown.reader.overview_row(scope, store, product)
    return (found["name"][0].as_py() if found.num_rows else _named(shown, scope, product).get("name")) or product


def _named(shown: Shown, scope: StoreScope, product: str) -> Mapping[str, Any]:
    """What the products file says of a product."""
    statement = "SELECT name, category FROM {rows} WHERE product = $product"
    return next(iter(shown.reader.ask(scope, "products", statement, {"product": product})), {})


def _margin(row: Mapping[str, Any]) -> str:
    if row["gross_margin_28d"] is None:
        return "its cost is not known"
    return f"{words.share(row['gross_margin_28d'] / row['revenue_28d'], 1)} of revenue" if row["revenue_28d"] else ""


def _change(now: float | Decimal | None, before: float | Decimal | None) -> float | None:
    if now is None or before is None or before <= 0:
        return None
    return 100 * (float(now) / float(before) - 1)


def _sums(page: ProductPage, last_day: date) -> list[Mapping[str, float | None]]:
    """Sums of the 28 days that end on a day, and of the 28 before; None where a day's value is not known."""
    days: list[Any] = page.kpis["day"].to_pylist()
    ends = [bisect_right(days, last_day - timedelta(days=back)) for back in (0, DEFAULT_DAYS, 2 * DEFAULT_DAYS)]
    found: list[dict[str, float | None]] = [{}, {}]
    for name in _SUMMED:
        by_day = charts.values(page.kpis, name)
        for sums, end, first in zip(found, ends[:2], ends[1:], strict=True):
            known = [value for value in by_day[first:end] if value is not None]
            sums[name] = sum(known) if len(known) == end - first else None
    return [*found]


def _selling_days(page: ProductPage, last_day: date) -> int:
    """The days with a sale among those that are compared."""
    first = last_day - timedelta(days=2 * DEFAULT_DAYS - 1)
    sold = zip(page.kpis["day"].to_pylist(), charts.values(page.kpis, "sold_units"), strict=True)
    return sum(1 for day, units in sold if day and day >= first and units)


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


def _fan_rows(page: ProductPage) -> list[dict[str, Any]]:
    """The chart as a table: the next 28 days, then the last 28, newest first."""
    bands = [charts.values(page.forecast, name) for name in charts.BANDS]
    ahead = [
        {"day": day, "sold": None, **dict(zip(charts.BANDS, band, strict=True))}
        for day, *band in zip(page.forecast["day"].to_pylist(), *bands, strict=True)
    ]
    last = page.kpis.slice(max(0, page.kpis.num_rows - DEFAULT_DAYS))
    sold = zip(last["day"].to_pylist(), charts.values(last, "sold_units"), strict=True)
    return ahead + [{"day": day, "sold": units} for day, units in sold][::-1]


def _sql(store: str, product: str) -> str:
    quoted = [value.replace("'", "''") for value in (store, product)]
    return f"SELECT * FROM product_kpis WHERE store = '{quoted[0]}' AND product = '{quoted[1]}' ORDER BY day"
