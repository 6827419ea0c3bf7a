"""What one store's own sales say about the price response of each product.

Belongs here: the own elasticity with its variance, as `price_evidence`. Does not belong here: how days become weeks
(`price_panel`), the regression itself (`price_regression`) and pooling over stores (`price_priors`, `price_response`).
"""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from emma_platform.model.estimates import PRICE_EVIDENCE
from emma_platform.transforms.price_estimate import estimates
from emma_platform.transforms.price_history import began, lowest_price, still_charged
from emma_platform.transforms.price_panel import (
    SAME_PRICE,
    WEEK,
    Flags,
    Weeks,
    current_price,
    empty_shelves,
    places,
    price_points,
    product_days,
    promoted_days,
    weekly,
)

FEWEST_WEEKS = 8
"""Fewer weeks say nothing about four coefficients."""

FEWEST_PRICES = 2


def price_evidence(
    demand: pa.Table,
    promotions: pa.Table,
    stock_outs: pa.Table,
    *,
    store: str,
    last_day: date,
    history_days: int,
) -> pa.Table:
    """Own price elasticities of one store's products: one row per product with a row in the window.

    Weekly demand is quasi-Poisson: log E[units] = constant + elasticity * log(price) + cross elasticity * log(price
    index of the category's others) + promotion share + trend + the movement of the other products. What a promotion, a
    trend and the category's prices do is drawn to what they do to the store's products on average. Weeks are whole
    ones from Monday to Sunday, so that a new day leaves the elasticities alone until its week is over; a week counts
    from the product's first selling week (left out when it is a launch inside the window) to its last one, by the share
    of it with goods on the shelf, so that an empty shelf is not read as what a price did. A day without a sale has a
    neighbour's price. The variance is scaled by the dispersion and widened for autocorrelation;
    what it needs beyond that is measured over the chain, from the change between the halves (`price_priors`).

    Args:
        demand: rows of `product_kpis` of the store: day, product, category, sold_units, sold_revenue, on_hand; missing
            product-days are days without sales.
        promotions: the table `promotions`; a null store means all stores.
        stock_outs: `probable_stock_outs` of the store.
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
    panel = weekly(rows, promoted, empty_shelves(stock_outs, rows, last_day, days), weeks)
    found = estimates(panel, rows.category)
    observations = panel.used.sum(axis=1).astype(np.int64)
    points = price_points(rows)
    silent = (observations < FEWEST_WEEKS) | (points < FEWEST_PRICES) | ~_moved(panel)
    lonely = (observations < FEWEST_WEEKS) | ~found.crossed
    current = current_price(rows, promoted)
    since = began(rows, promoted, current)
    first = np.datetime64(last_day - timedelta(days=days - 1), "D")
    return pa.Table.from_arrays(
        [
            pa.array([store] * count, pa.string()),
            rows.products,
            rows.categories.take(places(rows.category)),
            pa.array(current, mask=~(current > 0)),
            pa.array(first + since, pa.date32(), mask=since < 0),
            pa.array(still_charged(rows, promoted, days), mask=~(current > 0)),
            pa.array(lowest_price(rows, current, days), mask=~(current > 0)),
            pa.array(found.elasticity, mask=silent),
            pa.array(found.variance, mask=silent),
            pa.array(observations),
            pa.array(points),
            pa.array(found.change, mask=silent),
            pa.array(found.change_variance, mask=silent),
            pa.array(found.cross, mask=lonely),
            pa.array(found.cross_variance, mask=lonely),
            pa.array(np.exp(found.lift), mask=observations < FEWEST_WEEKS),
        ],
        schema=PRICE_EVIDENCE.arrow_schema(),
    )


def _moved(panel: Weeks) -> Flags:
    """Products whose weekly prices differ by what one day at a price 1 % off makes of a week."""
    highest = np.where(panel.used > 0, panel.log_price, -np.inf).max(axis=1)
    lowest = np.where(panel.used > 0, panel.log_price, np.inf).min(axis=1)
    return np.asarray(highest - lowest >= SAME_PRICE / WEEK - 1e-9)
