"""What the page says of the future: a forecast of 28 days, how good it was, and a price.

Belongs here: models of one product, fitted when asked for. Does not belong here: pooling over products and stores,
which the platform has and which would read all of their lines as well.
"""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from statistics import mean, quantiles

from benchmarks.rivals.on_demand.models import Product, ReceiptLine

HORIZON = 28
ORIGINS = 4
LONG_ENOUGH = 56


@dataclass(frozen=True)
class Forecast:
    """Expected units of the next 28 days, with the 80 % interval, and the error at earlier origins."""

    means: list[float]
    p10: list[float]
    p90: list[float]
    wape: float | None


@dataclass(frozen=True)
class Price:
    """Elasticity and the price, within 10 % of the current one, that earns most."""

    elasticity: float | None
    recommended: float | None


def forecast(units: dict[date, Decimal], last: date) -> Forecast:
    """Exponential smoothing with a weekly season, fitted now and at 4 earlier origins to score it."""
    first = min(units, default=last)
    series = [float(units.get(first + timedelta(n), 0)) for n in range((last - first).days + 1)]
    if len(series) < 2:  # noqa: PLR2004
        return Forecast(series * HORIZON, series * HORIZON, series * HORIZON, None)
    errors, sold = 0.0, 0.0
    for back in range(1, ORIGINS + 1):
        known, actual = series[: -HORIZON * back], series[-HORIZON * back :][:HORIZON]
        if len(known) >= LONG_ENOUGH:
            errors += sum(abs(f - y) for f, y in zip(_smoothed(known)[0], actual, strict=True))
            sold += sum(actual)
    means, residuals = _smoothed(series)
    low, high = (quantiles(residuals, n=10)[at] for at in (0, -1))
    return Forecast(
        means,
        [max(0.0, f + low) for f in means],
        [max(0.0, f + high) for f in means],
        errors / sold if sold else None,
    )


def _smoothed(series: list[float]) -> tuple[list[float], list[float]]:
    """The next 28 days and the residuals (Holt and Winters, additive)."""
    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    if len(series) < LONG_ENOUGH:
        level = mean(series)
        return [level] * HORIZON, [y - level for y in series]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = ExponentialSmoothing(series, seasonal="add", seasonal_periods=7).fit()
    return [max(0.0, float(f)) for f in fitted.forecast(HORIZON)], [float(r) for r in fitted.resid]


def price(lines: list[ReceiptLine], product: Product, last: date) -> Price:
    """Log units on log price over the weeks, and the best of 21 prices at that elasticity."""
    weeks: dict[int, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for line in lines:
        if line.quantity > 0:
            week = weeks[(last - line.receipt.sold_at.date()).days // 7]
            week[0] += float(line.quantity)
            week[1] += float(line.quantity * line.unit_price)
    points = [(math.log(paid / units), math.log(units)) for units, paid in weeks.values()]
    if len(points) < 2 or product.unit_cost is None:  # noqa: PLR2004
        return Price(None, None)
    x_mean, y_mean = mean(x for x, _ in points), mean(y for _, y in points)
    spread = sum((x - x_mean) ** 2 for x, _ in points)
    if not spread:
        return Price(None, None)
    elasticity = sum((x - x_mean) * (y - y_mean) for x, y in points) / spread
    current, cost = math.exp(points[0][0]), float(product.unit_cost)
    candidates = [current * (0.9 + step / 100) for step in range(21)]
    return Price(elasticity, max(candidates, key=lambda p: (p - cost) * (p / current) ** elasticity))
