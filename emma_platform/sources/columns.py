"""Arrow's compute functions and their way to NumPy, as all modules of the sources use them.

Belongs here: the seam to Arrow alone. Does not belong here: anything about files.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

compute: Any = pyarrow.compute
"""`pyarrow.compute` without its type stubs, which leave out argument types that the functions take."""


def numbers(values: Any) -> np.ndarray:  # noqa: ANN401 - what compute returns
    """Integers or flags without nulls as a NumPy array."""
    return np.asarray(values)


def rows_at(values: pa.Array[Any], positions: np.ndarray) -> pa.Array[Any]:
    """The values at these positions, in their order."""
    found: pa.Array[Any] = compute.take(values, pa.array(positions, pa.int64()))
    return found


def without_empty(text: pa.Array[Any]) -> pa.Array[Any]:
    """The text with null in place of the empty text."""
    found: pa.Array[Any] = compute.if_else(compute.equal(text, ""), pa.scalar(None, pa.string()), text)
    return found


def nulls(count: int, kind: pa.DataType | None = None) -> pa.Array[Any]:
    """Nothing but nulls; text by default."""
    found: pa.Array[Any] = compute.cast(pa.nulls(count), kind or pa.string())
    return found
