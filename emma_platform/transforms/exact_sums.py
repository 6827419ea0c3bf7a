"""Amounts rounded so that they still sum to their total.

Belongs here: the largest-remainder rule. Does not belong here: what the amounts mean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def exact_parts(amounts: NDArray[np.float64], totals: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whole numbers near the amounts of each row, which sum to the row's total.

    Largest remainder (Balinski and Young, Fair Representation, 1982, chapter 3): every amount is rounded, halves away
    from zero, and the units that are then missing go one each to the amounts that rounding moved furthest from them; of
    equals, the first. Negated amounts and totals give the negated result.

    Args:
        amounts: rows x parts, which sum to about the row's total.
        totals: a whole number a row.
    """
    rounded = np.copysign(np.floor(np.abs(amounts) + 0.5), amounts)
    whole = rounded.astype(np.int64)
    missing = totals - whole.sum(axis=1)
    parts = amounts.shape[1]
    moved = (amounts - rounded) * np.sign(missing)[:, None]
    place = np.argsort(np.argsort(-moved, axis=1, kind="stable"), axis=1, kind="stable")
    each, rest = np.divmod(np.abs(missing), parts)
    given = each[:, None] + (place < rest[:, None])
    result: NDArray[np.int64] = whole + np.sign(missing)[:, None] * given
    return result
