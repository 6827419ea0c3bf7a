"""Decimals as whole ten-thousandths, in which sums are exact, and back.

Belongs here: reading and writing the words that decimals lie in; as Arrow's arithmetic it takes 20 times as long. Does
not belong here: what the amounts mean.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

SCALE = 10_000
"""The ten-thousandths of one: all the decimals of `Type.MONEY`."""

_PLACES = 4


def wholes(column: pa.ChunkedArray[Any]) -> NDArray[np.int64]:
    """Decimals of at most four places as whole ten-thousandths; null is none.

    Raises:
        ValueError: they are no such decimals.
    """
    kind: Any = column.type
    if not pa.types.is_decimal128(kind) or not 0 <= kind.scale <= _PLACES:
        raise ValueError(f"{kind} has no whole ten-thousandths")
    array: Any = column.combine_chunks()
    buffer = array.buffers()[1]
    # The lower half of 128 bits is the number, as long as that is below 2^63: types of 18 digits are.
    words = np.frombuffer(buffer, "<i8")[2 * array.offset :: 2][: len(array)] if buffer else np.zeros(0, np.int64)
    known = words if array.null_count == 0 else np.where(array.is_valid().to_numpy(zero_copy_only=False), words, 0)
    result: NDArray[np.int64] = known * np.int64(10 ** (_PLACES - kind.scale))
    return result


def decimals(values: NDArray[np.int64]) -> pa.Decimal128Array:
    """Whole ten-thousandths as decimals of four places, exactly."""
    words = np.stack([values, values >> 63], axis=1).astype("<i8")
    array = pa.Array.from_buffers(pa.decimal128(18, _PLACES), len(values), [None, pa.py_buffer(words.tobytes())])
    return cast("pa.Decimal128Array", array)
