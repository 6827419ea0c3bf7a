"""Quantiles of the days with a sale, product by product, compiled.

Belongs here: the loop over products. Does not belong here: what is made of the quantiles (`demand_caps`). Import it
where it is called only: loading the compiler takes most of a second.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from emma_platform.transforms.demand import Flags, Floats

_BLOCK = 8
"""Columns that are read together: their cells of a row share a cache line."""


@njit(cache=True, nogil=True)
def sold_quantiles(values: Floats, known: Flags, quantile: float) -> Floats:
    """Per column the smallest value that at least `quantile` of its known positive values do not exceed; else 0."""
    height, width = values.shape
    found = np.zeros(width)
    sold = np.empty((_BLOCK, height))
    for first in range(0, width, _BLOCK):
        size = min(_BLOCK, width - first)
        count = np.zeros(_BLOCK, dtype=np.int64)
        for row in range(height):
            for column in range(size):
                if known[row, first + column] and values[row, first + column] > 0.0:
                    sold[column, count[column]] = values[row, first + column]
                    count[column] += 1
        for column in range(size):
            if count[column] > 0:
                place = max(int(np.ceil(quantile * count[column])) - 1, 0)
                found[first + column] = _smallest(sold[column], count[column], place)
    return found


@njit(cache=True, nogil=True)
def _smallest(values: Floats, size: int, place: int) -> float:
    """Of the first `size` values the one that `place` others come before; reorders them.

    Hoare's Find (Algorithm 65, 1961). `np.partition` gives the same, but takes 12 s to compile.
    """
    low, high = 0, size - 1
    while low < high:
        pivot = values[(low + high) // 2]
        left, right = low, high
        while left <= right:
            while values[left] < pivot:
                left += 1
            while values[right] > pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if place <= right:
            high = right
        elif place >= left:
            low = left
        else:
            break
    return float(values[place])
