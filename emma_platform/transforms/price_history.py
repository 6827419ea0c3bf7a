"""When a price began and how low it has been: what a change of it must respect.

Belongs here: facts about the prices paid, by day. Does not belong here: the current price itself (`price_panel`) and
what follows for the advice (`price_choice`).
"""

from __future__ import annotations

import numpy as np

from emma_platform.transforms.price_panel import SAME_PRICE, Flags, Rows
from emma_platform.transforms.price_regression import Floats, Ints

REFERENCE_DAYS = 30
"""Days whose lowest price a reduction is announced from (Directive 98/6/EC, Article 6a(2))."""


def began(rows: Rows, promoted: Flags, current: Floats) -> Ints:
    """The day of the window on which the current price was first paid; -1 where no other is known before it.

    Looked for among selling days outside promotions. Another price is one further than `SAME_PRICE` on two of these
    days in a row: one day alone is an odd receipt, not a price.

    Args:
        rows: the product-days.
        promoted: (products, days).
        current: (products,), from `current_price`; 0 is unknown.
    """
    count = len(rows.products)
    known = current[rows.code]
    held = (rows.price > 0) & ~promoted[rows.code, rows.day] & (known > 0)
    code, day = rows.code[held], rows.day[held]
    other = np.abs(np.log(rows.price[held] / known[held])) > SAME_PRICE
    place = np.arange(len(code))
    again = np.zeros(len(code), dtype=bool)
    again[1:] = other[1:] & other[:-1] & (code[1:] == code[:-1])
    last = np.full(count, -1, dtype=np.int64)
    np.maximum.at(last, code[again], place[again])
    closes = np.searchsorted(code, np.arange(count), side="right") - 1
    changed = (last >= 0) & (last < closes)
    result = np.full(count, -1, dtype=np.int64)
    result[changed] = day[last[changed] + 1]
    return result


def still_charged(rows: Rows, promoted: Flags, days: int) -> Floats:
    """The chance that the price last paid outside promotions is still the price on the window's last day.

    Prices change at random, at one rate for all products of the store (a Poisson process): the chance of no change in
    n days is exp(-rate * n). A change counts where two selling days in a row at one price are followed by two at
    another; half a change is added to those seen (the Jeffreys prior of a rate). 1 where nothing was sold.

    Args:
        rows: the product-days.
        promoted: (products, days).
        days: of the window.
    """
    count = len(rows.products)
    held = (rows.price > 0) & ~promoted[rows.code, rows.day]
    code, day, log = rows.code[held], rows.day[held], np.log(rows.price[held])
    first, last = np.full(count, days), np.full(count, -1)
    np.minimum.at(first, code, day)
    np.maximum.at(last, code, day)
    same = (np.abs(np.diff(log)) <= SAME_PRICE) & (np.diff(code) == 0)
    changes = int((same[:-2] & ~same[1:-1] & same[2:] & (np.diff(code)[1:-1] == 0)).sum())
    seen = last >= 0
    rate = (changes + 0.5) / (float((last - first)[seen].sum()) + 1.0)
    return np.where(seen, np.exp(-rate * (days - 1 - last)), 1.0)


def lowest_price(rows: Rows, current: Floats, days: int) -> Floats:
    """The lowest daily price of the last `REFERENCE_DAYS` of the window, in cents; the current one without a sale.

    Every price counts, promotions too: a reduction is announced from the lowest price applied (CJEU, C-330/23, Aldi
    Sud). Prices are what was paid on average in a day, so discounts at the till are in them.

    Args:
        rows: the product-days.
        current: (products,), the price where there was no sale.
        days: of the window.
    """
    lowest = np.full(len(rows.products), np.inf)
    held = (rows.price > 0) & (rows.day >= days - REFERENCE_DAYS)
    np.minimum.at(lowest, rows.code[held], rows.price[held])
    return np.asarray(np.round(np.where(np.isfinite(lowest), lowest, current), 2), dtype=np.float64)
