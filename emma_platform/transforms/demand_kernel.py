"""The rows of a store's sales laid out by product and day, compiled.

Belongs here: the two passes over the rows, and what cells say by themselves. Does not belong here: names,
promotions and the calendar (`demand`). Import it where it is called only: loading the compiler takes most of a second.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from emma_platform.transforms.demand import Codes, Flags, Floats

Numbers = npt.NDArray[np.int32]


@njit(cache=True, nogil=True, error_model="numpy")
def first_sold(day: Numbers, name: Numbers, units: Floats, names: int) -> tuple[int, Flags]:
    """The first day with a sale (past all days: none), and which of so many names have one.

    Args:
        day: of each row.
        name: of each row the number of its product's name.
        units: of each row.
        names: how many names there are.
    """
    first, sold = np.iinfo(np.int32).max, np.zeros(names, dtype=np.bool_)
    for row in range(len(day)):
        if units[row] > 0.0:
            sold[name[row]] = True
            first = min(first, day[row])
    return first, sold


@njit(cache=True, nogil=True, error_model="numpy")
def lay_out(
    day: Numbers, name: Numbers, units: Floats, on_hand: Floats, rank: Codes, start: int, length: int, width: int
) -> tuple[Floats, Flags, Flags, Codes]:
    """Units, shelf empty and goods left, each products x days, and per product the row of its latest day.

    A row with nothing sold counts as 0 units, returns included. The shelf was empty where nothing was sold and a count
    says 0; goods were left where it says more.

    Args:
        day: of each row.
        name: of each row the number of its product's name.
        units: of each row.
        on_hand: of each row the count at the close of the day; not a number where there is none.
        rank: of each name the number of its product; -1: never sold.
        start: the first day.
        length: how many days.
        width: how many products.
    """
    table = np.zeros((width, length))
    out, in_stock = np.zeros((width, length), dtype=np.bool_), np.zeros((width, length), dtype=np.bool_)
    latest = np.full(width, -1)
    for row in range(len(day)):
        product, at = rank[name[row]], day[row] - start
        if product >= 0 and at >= 0:
            if units[row] > 0.0:
                table[product, at] = units[row]
            elif on_hand[row] == 0.0:
                out[product, at] = True
            if on_hand[row] > 0.0:
                in_stock[product, at] = True
            if latest[product] < 0 or day[row] > day[latest[product]]:
                latest[product] = row
    return table, out, in_stock, latest


@njit(cache=True, nogil=True, error_model="numpy")
def traded(units: Floats) -> Flags:
    """The days on which anything was sold; units are products x days."""
    days = np.zeros(units.shape[1], dtype=np.bool_)
    for one in range(len(units)):
        for day in range(units.shape[1]):
            days[day] |= units[one, day] > 0.0
    return days


@njit(cache=True, nogil=True, error_model="numpy")
def evidence(units: Floats, out: Flags, is_open: Flags) -> tuple[Flags, Codes, Codes]:
    """Which cells are evidence of demand, products x days; per product the first day with a sale, and with a part.

    Args:
        units: products x days; each product has a day with a sale.
        out: products x days, the shelf was empty.
        is_open: per day, the store was open.
    """
    width, length = units.shape
    known = np.zeros((width, length), dtype=np.bool_)
    first_sale, first_part = np.zeros(width, dtype=np.int64), np.full(width, length)
    for one in range(width):
        while not units[one, first_sale[one]] > 0.0:
            first_sale[one] += 1
        for day in range(first_sale[one], length):
            known[one, day] = is_open[day] and not out[one, day]
            if first_part[one] == length and units[one, day] != np.floor(units[one, day]):
                first_part[one] = day
    return known, first_sale, first_part


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def squared_changes(units: Floats, known: Flags, end: int) -> Floats:
    """Per product the mean squared change from one day to the next, both known, before day `end`; 0 without any."""
    found = np.zeros(len(units))
    for one in range(len(units)):
        own, counted, total, pairs = units[one], known[one], 0.0, 0.0
        for day in range(end - 1):
            both = 1.0 if counted[day] and counted[day + 1] else 0.0
            change = own[day + 1] - own[day]
            total += change * change * both
            pairs += both
        found[one] = total / max(pairs, 1.0)
    return found
