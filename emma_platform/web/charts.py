"""What charts show: small pictures as SVG, and the numbers that the page's script draws; pure functions.

Belongs here: choosing and rounding the numbers, and the sentence beside each chart. Does not belong here: colours and
drawing (`static/charts.js`) and reading (`serving`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.serving.price_curve import PriceCurve
from emma_platform.serving.product_page import ProductPage
from emma_platform.web import words
from emma_platform.web.columns import MarkupColumn

WIDTH, HEIGHT = 96, 24
_SPARK = f'<svg class="spark" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" aria-hidden="true">'
BANDS = ("p025", "p10", "mean", "p90", "p975")
HORIZONS = (1, 7, 28)
EPOCH = date(1970, 1, 1)


def sparklines(texts: pa.ChunkedArray[Any]) -> MarkupColumn:
    """Lines of values as SVG, from zero up; empty where there is nothing to show.

    Args:
        texts: the values of each line, separated by blanks; all have equally many.
    """
    if not len(texts):
        return MarkupColumn()
    found = cast("Any", pc.split_pattern)(texts, " ").combine_chunks()
    values = found.flatten().cast(pa.float64()).to_numpy().reshape(len(texts), -1)
    highest = values.max(axis=1, keepdims=True)
    shares = np.divide(values, highest, out=np.zeros_like(values), where=(values > 0) & (highest > 0))
    heights = HEIGHT - 1.5 - (HEIGHT - 3) * shares
    # Ten times a height is exact in the longer float: it is rounded as the height itself would be.
    tenths = np.rint(10 * heights.astype(np.longdouble)).astype(np.int64)
    # To write every point by itself takes five times as long: 0.7 ms for fifty lines.
    points = _points(values.shape[1])[np.arange(values.shape[1]), tenths].tolist()
    return MarkupColumn(
        f'{_SPARK}<polyline points="{" ".join(line)}"/></svg>' if seen else ""
        for line, seen in zip(points, highest[:, 0] > 0, strict=True)
    )


@cache
def _points(count: int) -> Any:  # noqa: ANN401 - an array of text
    """A line's points as text, by place among so many and by height from above in tenths."""
    step = WIDTH / max(count - 1, 1)
    tenths = range(10 * HEIGHT + 1)
    return np.array([[f"{place * step:.0f},{height / 10:.1f}" for height in tenths] for place in range(count)], object)


def fan(page: ProductPage) -> dict[str, Any]:
    """History and forecast by day, for one chart.

    Returns:
        `days` since `EPOCH`; by day `sold`, the forecast's `BANDS` (from the last known day on, so that the fan begins
        at the history's end) and `past`, what was forecast 1, 7 and 28 days before; `promotions` and `empty`, first
        and last day of each; `today`, the last known day.
    """
    sold, ahead = days(page.kpis, "day"), days(page.forecast, "day")
    if not sold and not ahead:
        return {}
    first, last = min([*sold, *ahead]), max([*sold, *ahead])
    today = min(ahead) - 1 if ahead else last
    # A day before today without a row had nothing sold: the shelf or the shop may have been empty, which is marked.
    known = min(today, last) - first + 1
    drawn: list[float | None] = [0.0] * known + [None] * (last - first + 1 - known)
    for day, units in zip(sold, values(page.kpis, "sold_units"), strict=True):
        if day - first < known:
            drawn[day - first] = None if units is None else round(units, 3)

    def line(figures: Iterable[tuple[int, float | None]]) -> list[float | None]:
        found: list[float | None] = [None] * len(drawn)
        for day, figure in figures:
            if figure is not None and first <= day <= last:
                found[day - first] = round(figure, 2)
        return found

    past: dict[int, list[tuple[int, float | None]]] = {horizon: [] for horizon in HORIZONS}
    made = (values(page.past_forecasts, name) for name in ("horizon_days", "mean"))
    for day, horizon, mean in zip(days(page.past_forecasts, "day"), *made, strict=True):
        if horizon in past:
            past[int(horizon)].append((day, mean))
    return {
        "days": list(range(first, last + 1)),
        "sold": drawn,
        **{name: line(zip(ahead, values(page.forecast, name), strict=True)) for name in BANDS},
        "past": {str(horizon): line(found) for horizon, found in past.items()},
        "promotions": _spans(page.promotions, first, last),
        "empty": _spans(page.stock_outs, first, last),
        "today": today,
    }


def values(rows: pa.Table, name: str) -> list[float | None]:
    """A column of numbers as floats; a page's table may have neither rows nor columns."""
    if not rows.num_rows:
        return []
    column = rows[name]
    return (column if column.type == pa.float64() else column.cast(pa.float64())).to_pylist()


def days(rows: pa.Table, name: str) -> list[int]:
    """A column of days as days since `EPOCH`, as charts count them: as dates they take nine times as long."""
    return cast("list[int]", rows[name].cast(pa.int32()).to_pylist()) if rows.num_rows else []


def fan_sentence(row: Mapping[str, Any] | None, drawn: Mapping[str, Any]) -> str:
    """What the history and forecast chart shows, which `fan` has drawn, beside the row of `product_overview`."""
    if row is None:
        return "There are no sales in the last 28 days."
    said = f"{words.units(row['sold_units_28d'])} sold in the last 28 days"
    if row["forecast_units_28d"] is not None:
        low, high = words.units(row["forecast_units_28d_p10"]), words.units(row["forecast_units_28d_p90"])
        said += (
            f"; {words.units(row['forecast_units_28d'])} expected in the next 28, with 80 % between {low} and {high}"
        )
    marked = [
        f"{_number_of_days(drawn[name])} {what}"
        for name, what in (("promotions", "on promotion"), ("empty", "with a probably empty shelf"))
        if drawn.get(name)
    ]
    if not marked:
        return f"{said}."
    # A narrow screen draws fewer weeks than are counted, so the sentence names its days itself.
    first, last = (words.short_day(EPOCH + timedelta(drawn["days"][at])) for at in (0, -1))
    return f"{said}. From {first} to {last}: {' and '.join(marked)}."


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
        gain = row["expected_profit_uplift_p50"]
        more = f"{words.money(abs(gain))} {'more' if gain >= 0 else 'less'}"
        said += f", at {words.price(row['recommended_price'])} about {more}"
    return f"{said}. Prices from {low} to {high} are allowed."


def _spans(rows: pa.Table, first: int, last: int) -> list[list[int]]:
    """First and last day of each row that touches the days shown, cut to them."""
    both = zip(days(rows, "first_day"), days(rows, "last_day"), strict=True)
    return [list(one) for one in sorted({(max(a, first), min(z, last)) for a, z in both if a <= last and z >= first})]


def _number_of_days(spans: Iterable[Sequence[int]]) -> str:
    number = len({day for first, last in spans for day in range(first, last + 1)})
    return f"{number} {'day' if number == 1 else 'days'}"
