"""What a product would earn at every price near today's: the curve behind the advice.

Belongs here: the prices looked at, and the range that the guardrails allow. Does not belong here: the gain of a price
(`transforms.price_ladder`) and the choice among prices (`transforms.price_choice`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from emma_platform.settings import Settings
from emma_platform.transforms.price_ladder import Guardrails, Products, candidates, gains

_POINTS = 61
_BEYOND = 1.6
"""The curve goes so many times the largest step to both sides: far enough to see what the step costs."""

_KNOWN = ("current_price", "unit_cost", "forecast_units_28d", "price_response_elasticity", "price_response_std_error")


@dataclass(frozen=True, slots=True)
class PriceCurve:
    """Profit and units over 28 days by price; all tuples have one length, prices ascend and hold today's.

    Attributes:
        prices: currency per unit.
        profit: at the expected elasticity; more than `low` with a chance of 90 %, than `high` with one of 10 %.
        units: expected.
        current: today's price.
        allowed: the lowest and the highest price that the guardrails leave, today's among them.
    """

    prices: tuple[float, ...]
    profit: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    units: tuple[float, ...]
    current: float
    allowed: tuple[float, float]


def price_curve(row: Mapping[str, Any], settings: Settings) -> PriceCurve | None:
    """The curve of a row of `product_overview`; None where price, cost, forecast or price response is not known.

    Args:
        row: the product's.
        settings: where the guardrails are.
    """
    price, cost, units, elasticity, error = (None if row[name] is None else float(row[name]) for name in _KNOWN)
    if price is None or cost is None or units is None or elasticity is None or error is None or price <= 0:
        return None
    product = Products(*(np.array([value]) for value in (price, cost, units, elasticity, error)))
    ends = tuple(float(ending) for ending in settings.price_endings.split(",") if ending.strip())
    rails = Guardrails(settings.minimum_margin_pct, settings.largest_step_pct, ends)
    _, allowed = candidates(product, rails)
    step = _BEYOND * settings.largest_step_pct / 100
    # An odd number of points over an even range would hold today's price, which `gains` does not take.
    ladder = np.linspace(price * (1 - step), price * (1 + step), _POINTS - 1)
    ladder = ladder[ladder > cost + 0.01]
    offered = gains(product, np.zeros(len(ladder), dtype=np.int64), ladder)
    now = units * (price - cost)
    place = int(np.searchsorted(ladder, price))

    def curve(values: Any, today: float) -> tuple[float, ...]:  # noqa: ANN401 - an array of either kind
        found = values.tolist()
        return (*found[:place], today, *found[place:])

    return PriceCurve(
        prices=curve(ladder, price),
        profit=curve(now + offered.p50, now),
        low=curve(now + offered.p10, now),
        high=curve(now + offered.p90, now),
        units=curve(offered.units, units),
        current=price,
        allowed=(min([price, *allowed.tolist()]), max([price, *allowed.tolist()])),
    )
