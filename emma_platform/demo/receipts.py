"""Units sold become receipts: baskets with times, each line one product of one basket.

Belongs here: the sales lines of the demo chain as columns. Does not belong here: how a shop writes them down (`lines`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emma_platform.demo.world import Ints

OPENS, CLOSES = 8 * 3600, 20 * 3600
"""Opening hours in seconds after midnight, local time; no clock change falls between them."""

_BASKET_UNITS = 4.0


@dataclass(frozen=True, eq=False)
class Sales:
    """Sales lines in the order of store, day, receipt and product; every column has one entry a line.

    Attributes:
        store, product, day: indices; day 0 is the chain's first day.
        receipt: number within its store and day, from 1, in the order of time.
        second: seconds after local midnight, the same on all lines of a receipt.
        quantity: units, from 1.
        cents: price paid per unit.
    """

    store: Ints
    day: Ints
    receipt: Ints
    second: Ints
    product: Ints
    quantity: Ints
    cents: Ints

    def __len__(self) -> int:
        """Lines."""
        return len(self.store)


def make_receipts(rng: np.random.Generator, sold: Ints, paid: Ints) -> Sales:
    """Every unit sold, put into baskets of four units on average; a product stands on one line of a basket.

    Args:
        rng: draws which units share a basket, and when.
        sold: units, store x product x day.
        paid: price in cents, of the same shape.
    """
    _, products, days = sold.shape
    by_day = sold.transpose(0, 2, 1)
    units = by_day.sum(axis=2)
    baskets = np.maximum(1, np.rint(units / _BASKET_UNITS)).astype(np.int64)
    cell = np.repeat(np.arange(by_day.size), by_day.reshape(-1))
    group, product = np.divmod(cell, products)
    # The power makes some baskets large: the first of a day holds more units than the last.
    basket = (baskets.reshape(-1)[group] * rng.random(len(cell)) ** 1.3).astype(np.int64)
    widest = int(baskets.max(initial=1))
    shuffled = _times(rng, baskets.reshape(-1), widest)
    line, quantity = np.unique((group * widest + basket) * products + product, return_counts=True)
    at, product = np.divmod(line, products)
    group, basket = np.divmod(at, widest)
    second = shuffled[at]
    # Receipts are numbered by time within the day: sort lines by (store-day, second, basket), then count the changes.
    order = np.lexsort((product, basket, second, group))
    group, basket, second, product, quantity = (a[order] for a in (group, basket, second, product, quantity))
    new_group = np.diff(group, prepend=-1) != 0
    serial = np.cumsum(new_group | (np.diff(basket, prepend=-1) != 0))
    receipt = serial - serial[new_group][np.cumsum(new_group) - 1] + 1
    store, day = np.divmod(group, days)
    return Sales(store, day, receipt, second, product, quantity.astype(np.int64), paid[store, product, day])


def _times(rng: np.random.Generator, baskets: Ints, widest: int) -> Ints:
    """A time for each basket of each store-day, with a noon and an evening peak: flat, store-day x widest."""
    count = len(baskets) * widest
    peak = np.where(rng.random(count) < 0.4, 0.35, 0.8)  # noqa: PLR2004
    near_peak = peak + 0.08 * rng.standard_normal(count)
    share = np.where(rng.random(count) < 0.5, rng.random(count), near_peak)  # noqa: PLR2004
    return (OPENS + np.clip(share, 0, 1) * (CLOSES - OPENS - 1)).astype(np.int64)
