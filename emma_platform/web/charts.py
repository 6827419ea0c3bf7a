"""What charts show: small pictures as SVG, and the numbers that the page's script draws; pure functions.

Belongs here: choosing and rounding the numbers, and the sentence beside each chart. Does not belong here: colours and
drawing (`static/charts.js`) and reading (`serving`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
from markupsafe import Markup

from emma_platform.serving.price_curve import PriceCurve
from emma_platform.serving.product_page import ProductPage
from emma_platform.web import words

WIDTH, HEIGHT = 96, 24
_EPOCH = date(1970, 1, 1)
BANDS = ("p025", "p10", "mean", "p90", "p975")
HORIZONS = (1, 7, 28)


def sparkline(values: Sequence[float]) -> Markup:
    """A line of values as SVG, from zero up; nothing when there is nothing to show."""
    highest = max(values, default=0)
    if highest <= 0:
        return Markup("")
    step = WIDTH / max(len(values) - 1, 1)
    points = " ".join(
        f"{i * step:.0f},{HEIGHT - 1.5 - max(value, 0) / highest * (HEIGHT - 3):.1f}" for i, value in enumerate(values)
    )
    return Markup(
        '<svg class="spark" viewBox="0 0 {w} {h}" width="{w}" height="{h}" aria-hidden="true">'
        '<polyline points="{points}"/></svg>'
    ).format(w=WIDTH, h=HEIGHT, points=points)


def fan(page: ProductPage) -> dict[str, Any]:
    """History and forecast by day, for one chart.

    Returns:
        `days` since 1970; by day `sold`, the forecast's `BANDS` (from the last known day on, so that the fan begins at
        the history's end) and `past`, what was forecast 1, 7 and 28 days before; `promotions` and `empty`, first and
        last day of each; `today`, the last known day.
    """
    sold = {row["day"]: float(row["sold_units"]) for row in page.kpis.to_pylist()}
    ahead = {row["day"]: row for row in page.forecast.to_pylist()}
    if not sold and not ahead:
        return {}
    first, last = min([*sold, *ahead]), max([*sold, *ahead])
    today = min(ahead) - timedelta(days=1) if ahead else last
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    past = {(row["day"], row["horizon_days"]): row["mean"] for row in page.past_forecasts.to_pylist()}
    known = [day <= today for day in days]
    # A day before today without a row had nothing sold: the shelf or the shop may have been empty, which is marked.
    history = [round(sold.get(day, 0.0), 3) if before else None for day, before in zip(days, known, strict=True)]

    def line(name: str) -> list[float | None]:
        return [_rounded(ahead[day][name]) if day in ahead else None for day in days]

    return {
        "days": [(day - _EPOCH).days for day in days],
        "sold": history,
        **{name: line(name) for name in BANDS},
        "past": {str(h): [_rounded(past.get((day, h))) for day in days] for h in HORIZONS},
        "promotions": _spans(page.promotions, first, last),
        "empty": _spans(page.stock_outs, first, last),
        "today": (today - _EPOCH).days,
    }


def fan_sentence(page: ProductPage, drawn: Mapping[str, Any]) -> str:
    """What the history and forecast chart shows, which `fan` has drawn."""
    if not page.overview.num_rows:
        return "There are no sales in the last 28 days."
    row = page.overview.to_pylist()[0]
    said = f"{words.units(row['sold_units_28d'])} sold in the last 28 days"
    if row["forecast_units_28d"] is not None:
        low, high = words.units(row["forecast_units_28d_p10"]), words.units(row["forecast_units_28d_p90"])
        said += (
            f"; {words.units(row['forecast_units_28d'])} expected in the next 28, with 80 % between {low} and {high}"
        )
    marked = [
        f"{_days(drawn[name])} {what}"
        for name, what in (("promotions", "on promotion"), ("empty", "with a probably empty shelf"))
        if drawn.get(name)
    ]
    return said + (f". Marked: {' and '.join(marked)}." if marked else ".")


def curve(found: PriceCurve, row: Mapping[str, Any]) -> dict[str, Any]:
    """Profit and units by price, for one chart, beside the advice in a row of `product_overview`."""
    return {
        **{
            name: [round(value, 4 if name == "prices" else 2) for value in getattr(found, name)]
            for name in ("prices", "profit", "low", "high", "units")
        },
        "current": found.current,
        "recommended": row["recommended_price"],
        "allowed": list(found.allowed),
    }


def curve_sentence(found: PriceCurve, row: Mapping[str, Any]) -> str:
    """What the price chart shows."""
    low, high = (words.price(value) for value in found.allowed)
    now = words.money(found.profit[found.prices.index(found.current)])
    said = f"At today's {words.price(found.current)} about {now} of profit over 28 days are expected"
    if row["status"] in {"recommend", "explore"}:
        gain = words.signed(row["expected_profit_uplift_p50"])
        said += f", at {words.price(row['recommended_price'])} {gain}"
    return f"{said}. Prices from {low} to {high} are allowed."


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _spans(rows: pa.Table, first: date, last: date) -> list[list[int]]:
    """First and last day of each row that touches the days shown, cut to them."""
    spans = {
        (max(row["first_day"], first), min(row["last_day"], last))
        for row in rows.to_pylist()
        if row["first_day"] <= last and row["last_day"] >= first
    }
    return [[(start - _EPOCH).days, (end - _EPOCH).days] for start, end in sorted(spans)]


def _days(spans: Iterable[Sequence[int]]) -> str:
    number = len({day for first, last in spans for day in range(first, last + 1)})
    return f"{number} {'day' if number == 1 else 'days'}"
