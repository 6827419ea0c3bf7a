"""The rows of a store's sales laid out by product and day, compiled.

Belongs here: the pass over the rows, and how cells change from day to day. Does not belong here: names, promotions and
the calendar (`demand`). Import it where it is called only: loading the compiler takes most of a second.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from emma_platform.transforms.demand import Codes, Flags, Floats

Numbers = npt.NDArray[np.int32]


@njit(cache=True, nogil=True, error_model="numpy")
def lay_out(
    day: Numbers, name: Numbers, units: Floats, on_hand: Floats, rank: Codes, start: int,
    table: Floats, out: Flags, in_stock: Flags, latest: Codes,
) -> None:  # fmt: skip
    """Lay the rows out by product and day, in what holds zeros; a row with nothing sold, or returned, leaves them.

    Args:
        day: of each row.
        name: of each row the number of its product's name.
        units: of each row.
        on_hand: of each row the count at the close of the day; not a number where there is none.
        rank: of each name the number of its product; -1: never sold.
        start: the first day.
        table: products x days, filled with units.
        out: products x days, filled in where nothing was sold and a count says 0.
        in_stock: products x days, filled in where a count says more.
        latest: per product, -1, filled with the row of its latest day.
    """
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


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def squared_changes(units: Floats, known: Flags, end: int) -> Floats:
    """Per product the mean squared change from one day to the next, both known, before day `end`; 0 without any."""
    found = np.empty(len(units))
    for one in range(len(units)):
        own, counted, total, pairs = units[one], known[one], 0.0, 0.0
        for day in range(end - 1):
            both = 1.0 if counted[day] and counted[day + 1] else 0.0
            change = own[day + 1] - own[day]
            total += change * change * both
            pairs += both
        found[one] = total / max(pairs, 1.0)
    return found
