"""What one store's own sales say about the price response of each product.

Belongs here: the own elasticity with its variance, as `price_evidence`. Does not belong here: how days become weeks
(`price_panel`), the regression itself (`price_regression`) and pooling over stores (`price_priors`, `price_response`).
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from emma_platform.model.tables import PRICE_EVIDENCE
from emma_platform.transforms.price_panel import (
    SAME_PRICE,
    WEEK,
    Flags,
    Weeks,
    current_price,
    places,
    price_points,
    product_days,
    promoted_days,
    weekly,
)
from emma_platform.transforms.price_regression import (
    Floats,
    Ints,
    autocorrelation_inflation,
    common_movement,
    dispersion,
    poisson_fit,
)

FEWEST_WEEKS = 8
"""Fewer weeks say nothing about four coefficients."""

FEWEST_PRICES = 2

RIDGE = np.array([0.0, 0.01, 1.0, 1.0])
"""Penalties of constant, log price (a standard deviation of 10), promotion share and trend per year (of 1 each): weak
beside 8 weeks of 2 units, there so that a promotion that always comes with the same cut leaves an answer at all."""

ROUNDS = 2
"""Fits with the common movement; a third moved 99 % of 900 simulated elasticities by less than .32 of their error."""


def price_evidence(
    demand: pa.Table, promotions: pa.Table, *, store: str, last_day: date, history_days: int
) -> pa.Table:
    """Own price elasticities of one store's products: one row per product with a row in the window.

    Weekly demand is quasi-Poisson: log E[units] = constant + elasticity * log(price) + promotion share + trend + the
    movement of the other products of the category. Weeks are whole ones from Monday to Sunday, so that a new
    day leaves the elasticities alone until its week is over; a week counts from the product's first selling week (left
    out when it is a launch inside the window) to its last one. A day without a sale has a neighbour's price. The
    variance is scaled by the dispersion and widened for autocorrelation.

    Args:
        demand: rows of `product_kpis` of the store: day, product, category, sold_units, sold_revenue, on_hand; missing
            product-days are days without sales.
        promotions: the table `promotions`; a null store means all stores.
        store: the store.
        last_day: the store's last known day.
        history_days: days looked at, cut at the start of a week.

    Returns:
        `price_evidence`, sorted by product. The elasticity is null below 8 weeks or 2 prices that differ by 1 %.
    """
    unfinished = (last_day.weekday() + 1) % WEEK
    weeks = max((history_days - unfinished) // WEEK, 1)
    days = weeks * WEEK + unfinished
    rows = product_days(demand, last_day - timedelta(days=days - 1), days)
    count = len(rows.products)
    if not count:
        return PRICE_EVIDENCE.arrow_schema().empty_table()
    promoted = promoted_days(promotions, rows.products, store, last_day, days)
    panel = weekly(rows, promoted, weeks)
    elasticity, variance = _elasticities(panel, rows.category)
    observations = panel.used.sum(axis=1).astype(np.int64)
    points = price_points(rows)
    silent = (observations < FEWEST_WEEKS) | (points < FEWEST_PRICES) | ~_moved(panel)
    current = current_price(rows, promoted)
    return pa.Table.from_arrays(
        [
            pa.array([store] * count, pa.string()),
            rows.products,
            rows.categories.take(places(rows.category)),
            pa.array(current, mask=~(current > 0)),
            pa.array(elasticity, mask=silent),
            pa.array(variance, mask=silent),
            pa.array(observations),
            pa.array(points),
        ],
        schema=PRICE_EVIDENCE.arrow_schema(),
    )


def _moved(panel: Weeks) -> Flags:
    """Products whose weekly prices differ by what one day at a price 1 % off makes of a week."""
    highest = np.where(panel.used > 0, panel.log_price, -np.inf).max(axis=1)
    lowest = np.where(panel.used > 0, panel.log_price, np.inf).min(axis=1)
    return np.asarray(highest - lowest >= SAME_PRICE / WEEK - 1e-9)


def _elasticities(panel: Weeks, category: Ints) -> tuple[Floats, Floats]:
    """Elasticity and variance of each product; zeros where no week counts."""
    count, weeks = panel.units.shape
    elasticity, variance = np.zeros(count), np.zeros(count)
    live = panel.used.any(axis=1)
    if not live.any():
        return elasticity, variance
    used, units = panel.used[live], (panel.units * panel.used)[live]
    total = used.sum(axis=1, keepdims=True)
    price = (panel.log_price[live] - (panel.log_price[live] * used).sum(axis=1, keepdims=True) / total) * used
    year = np.broadcast_to(np.arange(weeks) / 52.0, used.shape)
    trend = (year - (year * used).sum(axis=1, keepdims=True) / total) * used
    design = np.stack([np.ones_like(used), price, panel.promotion[live], trend], axis=2) * used[:, :, None]
    stocked = np.log(np.where(used > 0, panel.exposure[live], 1.0))
    base = np.exp(stocked) * used
    base *= (units.sum(axis=1) / base.sum(axis=1))[:, None]
    for _ in range(ROUNDS):
        offset = stocked + common_movement(units, base, category[live])
        fit = poisson_fit(units, design, offset, used, RIDGE)
        base = fit.fitted / np.exp(offset) * np.exp(stocked)
    scale = dispersion(units, fit.fitted, used, len(RIDGE))
    residuals = (units - fit.fitted) / np.sqrt(np.maximum(fit.fitted * scale[:, None], 1e-9)) * used
    factor = autocorrelation_inflation(residuals, price, used, len(RIDGE))
    elasticity[live] = fit.coefficients[:, 1]
    variance[live] = fit.inverse[:, 1, 1] * scale * factor
    return elasticity, variance
