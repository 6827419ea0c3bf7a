"""A picture of one result: history, forecast and truth of a product, and what its price does.

Belongs here: drawing. Does not belong here: measuring (`scorecard`).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.demo.chain import Chain
from emma_platform.demo.oracle import DAYS, true_profit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_HISTORY = 56
_INK, _TRUTH, _BAND, _ADVICE = "#333333", "#c2410c", "#2563eb", "#15803d"


@dataclass(frozen=True, slots=True)
class _Advised:
    """One row of `price_recommendations` with its elasticity."""

    store: str
    product: str
    made_on: date
    current: float
    recommended: float
    status: str
    elasticity: float
    error: float


def picture(
    chain: Chain, tables: Mapping[str, pa.Table], *, store: str | None = None, product: str | None = None
) -> bytes:
    """A PNG of two panels: 56 days of sales with the forecast and the truth of the next 28, and profit by price.

    Args:
        chain: the truth.
        tables: `sales_forecast`, `price_response` and `price_recommendations`.
        store: left out with `product`, the recommendation with the highest expected gain is drawn.
        product: see `store`.

    Raises:
        ValueError: there is no advice with a price for what is asked.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    advised = _choose(tables, store, product)
    figure = Figure(figsize=(12, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    name = chain.products[chain.product_index[advised.product]].name
    place = chain.stores[chain.store_index[advised.store]].name
    figure.suptitle(f"{name}, {place} ({advised.product}, {advised.store})", fontweight="bold")
    _draw_forecast(left, chain, tables["sales_forecast"], advised)
    _draw_price(right, chain, advised)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=110, metadata={"Software": None})
    return data.getvalue()


def _choose(tables: Mapping[str, pa.Table], store: str | None, product: str | None) -> _Advised:
    advice = tables["price_recommendations"].filter(pc.is_valid(pc.field("recommended_price")))
    for column, value in (("store", store), ("product", product)):
        if value is not None:
            advice = advice.filter(pc.field(column) == value)
    if advice.num_rows == 0:
        raise ValueError(f"no price advice for store {store}, product {product}; name another or none")
    rank = pa.array([int(status == "recommend") for status in advice["status"].to_pylist()])
    order: list[tuple[str, Any]] = [
        ("made_on", "descending"), ("rank", "descending"), ("expected_profit_uplift_p50", "descending"),
        ("store", "ascending"), ("product", "ascending"),
    ]  # fmt: skip
    row: dict[str, Any] = advice.append_column("rank", rank).sort_by(order).slice(0, 1).to_pylist()[0]
    response = tables["price_response"].filter(
        (pc.field("store") == row["store"]) & (pc.field("product") == row["product"])
    )
    known = response.slice(0, 1).to_pylist() or [{"elasticity": np.nan, "std_error": np.nan}]
    return _Advised(
        row["store"], row["product"], row["made_on"], row["current_price"], row["recommended_price"], row["status"],
        known[0]["elasticity"], known[0]["std_error"],
    )  # fmt: skip


def _draw_forecast(axes: Axes, chain: Chain, forecast: pa.Table, advised: _Advised) -> None:
    s, p = chain.store_index[advised.store], chain.product_index[advised.product]
    last = (advised.made_on - chain.first_day).days
    first = max(0, last + 1 - _HISTORY)
    origin = np.datetime64(chain.first_day, "D")
    past = origin + np.arange(first, last + 1)
    axes.step(past, chain.sold[s, p, first : last + 1], where="mid", color=_INK, lw=1, label="sold")
    empty = past[chain.censored[s, p, first : last + 1]]
    if len(empty):
        axes.plot(empty, np.zeros(len(empty)), "v", color=_INK, ms=5, label="shelf empty")
    rows = forecast.filter(
        (pc.field("store") == advised.store)
        & (pc.field("product") == advised.product)
        & (pc.field("made_on") == advised.made_on)
    ).sort_by("day")
    days = origin + last + rows["horizon_days"].to_numpy()
    for low, high, alpha, label in (("p025", "p975", 0.15, "95 %"), ("p10", "p90", 0.25, "80 %")):
        axes.fill_between(days, rows[low].to_numpy(), rows[high].to_numpy(), step="mid", color=_BAND, alpha=alpha,
                          lw=0, label=f"forecast, {label}")  # fmt: skip
    axes.plot(days, rows["mean"].to_numpy(), color=_BAND, lw=1.8, label="forecast, mean")
    axes.plot(
        origin + np.arange(last + 1, last + 1 + DAYS),
        chain.expected[s, p, last + 1 : last + 1 + DAYS],
        color=_TRUTH, lw=1.5, ls="--", label="true expected demand",
    )  # fmt: skip
    axes.axvline(float(np.datetime64(advised.made_on, "D").astype(int)) + 0.5, color="#999999", lw=0.8)
    axes.tick_params(axis="x", labelrotation=30)
    axes.set(title="Sales and forecast", ylabel="units a day", ylim=(0, None))


def _draw_price(axes: Axes, chain: Chain, advised: _Advised) -> None:
    tomorrow = advised.made_on + timedelta(days=1)
    prices = np.linspace(0.8, 1.2, 81) * advised.current

    def profit(price: float) -> float:
        return true_profit(chain, advised.store, advised.product, price, tomorrow)

    axes.plot(prices, [profit(price) for price in prices], color=_TRUTH, lw=1.5, ls="--", zorder=3, label="true profit")
    now = profit(advised.current)
    cost = chain.products[chain.product_index[advised.product]].cost_cents / 100
    units = now / (advised.current - cost) if advised.current != cost else 0.0
    low, middle, high = (
        units * (prices - cost) * (prices / advised.current) ** (advised.elasticity + z * advised.error)
        for z in (-1.2816, 0.0, 1.2816)
    )
    axes.fill_between(prices, low, high, color=_BAND, alpha=0.2, lw=0, label="estimate, 80 %")
    axes.plot(prices, middle, color=_BAND, lw=1.8, label=f"estimate, elasticity {advised.elasticity:.2f}")
    axes.plot(advised.current, now, "o", color=_INK, ms=7, label=f"now {advised.current:.2f}")
    if advised.recommended != advised.current:
        axes.plot(advised.recommended, profit(advised.recommended), "D", color=_ADVICE, ms=8,
                  label=f"{advised.status} {advised.recommended:.2f}")  # fmt: skip
    axes.set(title="Profit over 28 days by price", xlabel="price", ylabel="profit")
