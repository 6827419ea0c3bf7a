"""Tables of one row per store and product, in memory: what every click reads.

Belongs here: keeping such a table and finding a product's rows. Does not belong here: which tables a page needs
(`product_page`).

A statement over the publication's file takes 2 to 10 ms of CPU for one row, the more the more columns there are, and a
row from memory 0.05 ms; 20,000 rows of `product_overview` take 20 MB.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

MOST_ROWS = 200_000
"""A larger table is asked row by row."""

_Key = tuple[str | None, str]


@dataclass(frozen=True, slots=True)
class _Kept:
    rows: pa.Table
    places: dict[_Key, int]


class ByProduct:
    """The tables of a publication that were asked for; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def share(self, name: str, other: ByProduct) -> None:
        """Take over a table that is the same in another publication, if it is kept there."""
        with other._lock:
            kept = other._kept.get(name)
        if kept is not None:
            with self._lock:
                self._kept[name] = kept

    def rows(self, name: str, read: Callable[[], pa.Table], key: _Key) -> pa.Table:
        """The row of a store and product, or none.

        Args:
            name: the table.
            read: reads it whole; called once.
            key: store and product.
        """
        with self._lock:
            if name not in self._kept:
                rows = read().combine_chunks()
                keys: Any = zip(rows["store"].to_pylist(), rows["product"].to_pylist(), strict=True)
                self._kept[name] = _Kept(rows, {key: place for place, key in enumerate(keys)})
            kept = self._kept[name]
        place = kept.places.get(key)
        return kept.rows.slice(place or 0, 0 if place is None else 1)
