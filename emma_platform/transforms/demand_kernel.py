"""The rows of a store's sales laid out by product and day, compiled.

Belongs here: the pass over the rows, and how cells change from day to day. Does not belong here: names, promotions and
the calendar (`demand`). Import it where it is called only: loading the compiler takes most of a second.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from emma_platform.transforms.demand import Cells, Codes, Flags, Floats

Numbers = npt.NDArray[np.int32]


@njit(cache=True, nogil=True, error_model="numpy")
def lay_out(day: Numbers, name: Numbers, units: Floats, on_hand: Floats, rank: Codes, start: int, cells: Cells) -> None:
    """Lay the rows out by product and day; a row with nothing sold, or returned, is a day with 0 units.

    Args:
        day: of each row.
        name: of each row the number of its product's name.
        units: of each row.
        on_hand: of each row the count at the close of the day; not a number where there is none.
        rank: of each name the number of its product; -1: never sold.
        start: the first day.
        cells: what is filled.
    """
    for row in range(len(day)):
        product, at, sold = rank[name[row]], np.int64(day[row] - start), units[row]
        if product >= 0 and at >= 0:
            if sold > 0.0:
                cells.units[product, at] = sold
                cells.traded[at] = True
                cells.first_sale[product] = min(cells.first_sale[product], at)
                if sold != np.floor(sold):
                    cells.first_part[product] = min(cells.first_part[product], at)
            elif on_hand[row] == 0.0:
                cells.out[product, at] = True
            if on_hand[row] > 0.0:
                cells.in_stock[product, at] = True
            if cells.latest[product] < 0 or day[row] > day[cells.latest[product]]:
                cells.latest[product] = row


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
