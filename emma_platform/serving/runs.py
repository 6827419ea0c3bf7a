"""Where each value of a sorted column begins and how many rows it has.

Belongs here: that. Does not belong here: what is found by it (`overview_table`, `store_files`, `store_pages`).
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
