"""The key figures at the head of a product's page, each beside how it moved.

Belongs here: choosing, comparing and saying them. Does not belong here: the rest of the page (`page_product`), and why
a figure moved (`serving.changes`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa

from emma_platform.serving.listing import STEADY_DAYS
from emma_platform.serving.periods import DEFAULT_DAYS
from emma_platform.serving.product_page import ProductPage
from emma_platform.web import charts, words

_SUMMED = ("revenue", "units", "sold_units", "sold_revenue", "gross_margin")


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


def cards(page: ProductPage, row: Mapping[str, Any] | None) -> list[Card]:
    """The six key figures; those that nothing is known of say so."""
    if row is None:
        return []
    compared = _compared(page.kpis.select(["day", *_SUMMED]), row["day"])
    now, before = map(_sums, compared)
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
    rare = sum(1 for rows in compared for units in charts.values(rows, "sold_units") if units) < STEADY_DAYS
    return [replace(card, rare=rare and card.change_pct is not None and not card.neutral) for card in found]


def _margin(row: Mapping[str, Any]) -> str:
    if row["gross_margin_28d"] is None:
        return "its cost is not known"
    return f"{words.share(row['gross_margin_28d'] / row['revenue_28d'], 1)} of revenue" if row["revenue_28d"] else ""


def _change(now: float | Decimal | None, before: float | Decimal | None) -> float | None:
    if now is None or before is None or before <= 0:
        return None
    return 100 * (float(now) / float(before) - 1)


def _compared(kpis: pa.Table, last_day: date) -> list[pa.Table]:
    """The rows of the 28 days that end on a day, and of the 28 before."""
    days, last = charts.days(kpis, "day"), (last_day - charts.EPOCH).days
    ends = [bisect_right(days, last - back) for back in (0, DEFAULT_DAYS, 2 * DEFAULT_DAYS)]
    return [kpis.slice(first, end - first) for end, first in pairwise(ends)]


def _sums(rows: pa.Table) -> dict[str, float | None]:
    """Sums of each column; None where a day's value is not known."""
    by_day = {name: charts.values(rows, name) for name in _SUMMED}
    return {name: None if None in values else sum(filter(None, values)) for name, values in by_day.items()}
