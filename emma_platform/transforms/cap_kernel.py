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
                found[first + column] = np.partition(sold[column, : count[column]], place)[place]
    return found
