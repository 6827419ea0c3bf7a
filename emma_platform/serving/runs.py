"""Where each value of a sorted column begins and how many rows it has.

Belongs here: that. Does not belong here: what is found by it (`files`, `listing`, `store_pages` and their like).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

Places = np.ndarray[Any, np.dtype[np.int64]]


def runs(column: pa.ChunkedArray[Any]) -> tuple[Any, Places, Places]:
    """The values but null of a column of text whose equal ones lie together, as an array; their first row, how many."""
    values: Any = column.combine_chunks()
    numbers = values.dictionary_encode().indices.fill_null(-1).to_numpy()
    first = np.flatnonzero(np.diff(numbers, prepend=-2))
    count = np.diff(first, append=len(numbers))
    known = numbers[first] >= 0
    return values.take(pa.array(first[known])), first[known], count[known]


def places(column: pa.ChunkedArray[Any]) -> dict[str, tuple[int, int]]:
    """Of each value but null of such a column, its first row and how many, as `slice` takes them."""
    values, first, count = runs(column)
    return dict(zip(values.to_pylist(), zip(first.tolist(), count.tolist(), strict=True), strict=True))
