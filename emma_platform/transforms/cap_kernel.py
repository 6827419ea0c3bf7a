"""Quantiles of the days with a sale, product by product, compiled.

Belongs here: the loop over products. Does not belong here: what is made of the quantiles (`demand_caps`). Import it
where it is called only: loading the compiler takes most of a second.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from emma_platform.transforms.demand import Flags, Floats


@njit(cache=True, nogil=True)
def sold_quantiles(values: Floats, known: Flags, quantile: float) -> Floats:
    """Per column the smallest value that at least `quantile` of its known positive values do not exceed; else 0."""
    found = np.zeros(values.shape[1])
    sold = np.empty(values.shape[0])
    for column in range(values.shape[1]):
        count = 0
        for row in range(values.shape[0]):
            if known[row, column] and values[row, column] > 0.0:
                sold[count] = values[row, column]
                count += 1
        if count > 0:
            place = max(int(np.ceil(quantile * count)) - 1, 0)
            found[column] = np.partition(sold[:count], place)[place]
    return found
