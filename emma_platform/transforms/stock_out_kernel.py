"""The two passes over the days of a run without a sale, compiled.

Belongs here: the forward and backward recursions of the hidden states, run by run, and the parts of the level's error.
Does not belong here: what they mean and how the rates are learned (`stock_out_chances`). Import it where it is called
only: loading the compiler takes most of a second. Step by step in numpy the same took 3.4 ms for 60 products, ten times
a store.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from emma_platform.transforms.demand import Codes, Flags, Floats


@njit(cache=True, nogil=True, error_model="numpy")
def passes(
    length: Codes,
    ended: Flags,
    expected: Floats,
    in_stock: Flags,
    out: Flags,
    error: Floats,
    weight: Floats,
    begin: float,
    end: float,
    gone: float,
) -> tuple[Floats, Floats, Floats]:
    """What is likely of each run, summed over the parts of the level's error.

    Args:
        length: days of each run.
        ended: whether a sale ended it.
        expected: days x runs, minus the log of the chance of selling nothing on the day.
        in_stock: days x runs, counted as in stock.
        out: days x runs, counted as out of stock.
        error: parts x runs, the level's error in each of its parts.
        weight: the probability of each part.
        begin: chance per day that a stock-out begins.
        end: that it ends.
        gone: that the product is gone for good.

    Returns:
        Per run the likelihood of all its days, the part of it in which the shelf was never empty, and days x runs the
        part in which it was empty on that day.
    """
    days, runs = expected.shape
    total, without, daily = np.zeros(runs), np.zeros(runs), np.zeros((days, runs))
    zero, reached = np.zeros(days), np.zeros(days)
    stay = 1.0 - begin - gone
    for run in range(runs):
        after_here, after_out, after_gone = (stay, end, 0.0) if ended[run] else (1.0, 1.0, 1.0)
        for part in range(len(weight)):
            here, empty, left, never, never_left = 1.0, 0.0, 0.0, 1.0, 0.0
            for day in range(length[run]):
                zero[day] = 0.0 if out[day, run] else np.exp(-error[part, run] * expected[day, run])
                uncounted = 0.0 if in_stock[day, run] else 1.0
                left = (left + gone * here) * uncounted
                never_left = (never_left + gone * never) * uncounted
                here, empty = (
                    (stay * here + end * empty) * zero[day],
                    (begin * here + (1.0 - end) * empty) * uncounted,
                )
                never *= stay * zero[day]
                reached[day] = empty
            total[run] += weight[part] * (here * after_here + empty * after_out + left * after_gone)
            without[run] += weight[part] * (never * after_here + never_left * after_gone)
            later_here, later_out, later_gone = after_here, after_out, after_gone
            for day in range(length[run] - 1, -1, -1):
                uncounted = 0.0 if in_stock[day, run] else 1.0
                daily[day, run] += weight[part] * reached[day] * later_out
                from_here, from_out = zero[day] * later_here, uncounted * later_out
                later_gone *= uncounted
                later_here = stay * from_here + begin * from_out + gone * later_gone
                later_out = end * from_here + (1.0 - end) * from_out
    return total, without, daily


@njit(cache=True, nogil=True, error_model="numpy")
def interpolate(table: Floats, step: float, place: Floats, found: Floats) -> None:
    """Fill `found`, rows x places, with the rows of the table between its points, by polynomials of degree five.

    Args:
        table: rows x points.
        step: the distance between points.
        place: how far from the first point; at least two steps from either end.
        found: what is filled.
    """
    share = np.empty(6)
    for at in range(len(place)):
        exact = place[at] / step
        first = min(max(int(exact) - 2, 0), table.shape[1] - 6)
        for own in range(6):
            share[own] = 1.0
            for other in range(6):
                if other != own:
                    share[own] *= (exact - first - other) / (own - other)
        for row in range(len(table)):
            total = 0.0
            for own in range(6):
                total += share[own] * table[row, first + own]
            found[row, at] = total
