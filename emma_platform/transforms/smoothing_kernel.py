"""The recursion of exponential smoothing, compiled.

Belongs here: loops over days that numpy would run day by day. Does not belong here: what is smoothed and how the rates
are weighed (`smoothing`). Import it where it is called only: loading the compiler takes most of a second. Element by
element throughout: slices set from slices take 7 s more to compile.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from emma_platform.transforms.demand import Flags, Floats

_BLOCK = 8
"""Series that are carried along together: their cells of a day share a cache line."""


@njit(cache=True, nogil=True, error_model="numpy")
def advance(
    values: Floats, weights: Floats, rates: Floats, discount: float, levels: Floats, errors: Floats, seen: Floats
) -> None:
    """Carry the state of every series over the given days, in place; arguments as in `smoothing.advance`."""
    width = values.shape[1]
    level, squared = np.zeros((len(rates), _BLOCK)), np.zeros((len(rates), _BLOCK))
    value, weight, known, count = np.zeros(_BLOCK), np.zeros(_BLOCK), np.zeros(_BLOCK), np.zeros(_BLOCK)
    for first in range(0, width, _BLOCK):
        size = min(_BLOCK, width - first)
        for place in range(size):
            count[place] = seen[first + place]
            for rate in range(len(rates)):
                level[rate, place], squared[rate, place] = levels[rate, first + place], errors[rate, first + place]
        for day in range(len(values)):
            for place in range(size):
                value[place], weight[place] = values[day, first + place], weights[day, first + place]
            _one_day(value, weight, known, rates, discount, level, squared, count)
        for place in range(size):
            seen[first + place] = count[place]
            for rate in range(len(rates)):
                levels[rate, first + place], errors[rate, first + place] = level[rate, place], squared[rate, place]


@njit(cache=True, nogil=True, error_model="numpy")
def level_path(
    values: Floats, known: Flags, rates: Floats, rate_weights: Floats, levels: Floats, seen: Floats, path: Floats
) -> None:
    """Fill `path` with the weighted level after each day; arguments as in `smoothing.level_path`."""
    for day in range(len(values)):
        for rate in range(len(rates)):
            for series in range(values.shape[1]):
                if known[day, series]:
                    step = max(rates[rate], min(1.0 / max(seen[series] + 1.0, 1.0), 1.0))
                    levels[rate, series] += (values[day, series] - levels[rate, series]) * step
                path[day, series] += rate_weights[rate, series] * levels[rate, series]
        for series in range(values.shape[1]):
            if known[day, series]:
                seen[series] += 1.0


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _one_day(
    value: Floats,
    weight: Floats,
    known: Floats,
    rates: Floats,
    discount: float,
    level: Floats,
    squared: Floats,
    count: Floats,
) -> None:
    """One day of a whole block; places beyond the last series are unknown on every day of it or not read."""
    for place in range(_BLOCK):
        known[place] = 1.0 if weight[place] > 0.0 else 0.0
        count[place] += known[place]
    for rate in range(len(rates)):
        for place in range(_BLOCK):
            step = max(rates[rate], min(1.0 / max(count[place], 1.0), 1.0))
            error = (value[place] - level[rate, place]) * known[place]
            level[rate, place] += error * step
            squared[rate, place] = discount * squared[rate, place] + error * error * weight[place]
