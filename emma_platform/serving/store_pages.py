"""The rows behind the product pages of a store, in memory: what every click after the first one reads.

Belongs here: keeping the rows of the stores that are looked at, within a bound, and finding a product's among them.
Does not belong here: which rows a page needs (`product_page`).

Whoever opens a page looks at more of the same store. The page of one product reads some ten files, 10 to 30 ms; its
rows from here take 1 ms. Reading all rows of a store takes two to five times as long as reading one
product's, so no request waits for that: the first page of a store reads its own rows and the store's are read beside.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from emma_platform.serving.publication import ServingError

MOST_BYTES = 150_000_000
"""Bytes that the stores of one open publication take: 13 KB a product (130 MB for 10 stores of 1,000), hence some
11,000 products. While the next publication is warmed, both take that much, less what is the same in both."""

REST_SECONDS = 60.0
"""A store gives way to another once nobody has asked for it so long: pages all over a chain that does not fit would
otherwise read whole stores for one page each."""

_DECIMAL64_DIGITS = 18

_log = logging.getLogger(__name__)

Read = Callable[[], Mapping[str, pa.Table]]
"""Reads the rows of a store by table, each with a column product and sorted by it."""


@dataclass(frozen=True, slots=True)
class ProductRows:
    """Rows sorted by product.

    Attributes:
        packed: the rows, in narrower types that hold the same values.
        schema: their types.
        places: for each product its first row and how many there are.
    """

    packed: pa.Table
    schema: pa.Schema
    places: Mapping[str, tuple[int, int]]

    def of(self, product: str) -> pa.Table:
        """The rows of a product, none if it has none."""
        if product not in self.places:
            return self.schema.empty_table()
        rows = self.packed.slice(*self.places[product])
        # Column by column: a cast of the table takes as long for a column that stays what it is as for any other.
        columns = zip(rows.columns, self.schema.types, strict=True)
        return pa.Table.from_arrays([c if c.type == kind else c.cast(kind) for c, kind in columns], schema=self.schema)


class StorePages:
    """The stores of a publication that were asked for last; threads may share it."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        """Keep stores within a number of bytes; 0 keeps none."""
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._filling: str | None = None
        self._too_large: set[str] = set()

    @property
    def kept(self) -> tuple[str, ...]:
        """The stores in memory, the one asked for last at the end."""
        with self._lock:
            return tuple(self._kept)

    @property
    def asked(self) -> tuple[str, ...]:
        """Those of them that somebody has asked for, in the same order."""
        with self._lock:
            return tuple(store for store, kept in self._kept.items() if kept.asked is not None)

    def of(self, store: str, read: Read) -> Mapping[str, ProductRows] | None:
        """The rows of a store by table; None while they are not here.

        A thread then reads them for the next who asks, one store at a time, if they may come to lie here.
        """
        now = time.monotonic()
        with self._lock:
            kept = self._kept.get(store)
            if kept is not None:
                kept.asked = now
                self._kept.move_to_end(store)
                return kept.tables
            if self._filling is not None or store in self._too_large or not self._has_room(now):
                return None
            self._filling = store
        threading.Thread(target=self._fill_beside, args=(store, read), name=f"pages of {store}").start()
        return None

    def fill(self, store: str, read: Read, *, asked: float | None = None) -> None:
        """Read the rows of a store now, and keep them if they are within the bound; `asked` is when, if ever."""
        tables = {name: _by_product(rows) for name, rows in read().items()}
        self._keep(store, _Kept(tables, sum(table.packed.nbytes for table in tables.values()), asked))

    def share(self, store: str, other: StorePages) -> None:
        """Keep what another publication, in which they are the same, has of a store's rows."""
        with other._lock:
            kept = other._kept.get(store)
        if kept is not None:
            self._keep(store, replace(kept, asked=None))

    def _keep(self, store: str, kept: _Kept) -> None:
        with self._lock:
            if kept.size > self._most_bytes:
                self._too_large.add(store)
                return
            self._kept[store] = kept
            while sum(kept.size for kept in self._kept.values()) > self._most_bytes:
                self._kept.popitem(last=False)

    def _fill_beside(self, store: str, read: Read) -> None:
        try:
            self.fill(store, read, asked=time.monotonic())
        except ServingError as error:
            _log.info("the rows of store %s are not kept in memory: %s", store, error)
        finally:
            with self._lock:
                self._filling = None

    def _has_room(self, now: float) -> bool:
        if not self._kept:
            return self._most_bytes > 0
        sizes = [kept.size for kept in self._kept.values()]
        longest = next(iter(self._kept.values())).asked
        if longest is None or now - longest > REST_SECONDS:
            return True
        return sum(sizes) + sum(sizes) / len(sizes) <= self._most_bytes


@dataclass(slots=True)
class _Kept:
    tables: Mapping[str, ProductRows]
    size: int
    asked: float | None


def _by_product(rows: pa.Table) -> ProductRows:
    rows = rows.combine_chunks()
    codes: Any = rows["product"].combine_chunks().dictionary_encode()
    # The report card's rows of a category or a store have no product; they lie at the end.
    numbers = codes.indices.fill_null(-1).to_numpy()
    starts: np.ndarray[Any, np.dtype[np.int64]] = np.flatnonzero(np.diff(numbers, prepend=-2))
    lengths = np.diff(starts, append=len(numbers))
    products = rows["product"].take(starts).to_pylist()
    places = zip(products, zip(starts.tolist(), lengths.tolist(), strict=True), strict=True)
    packed = rows.cast(pa.schema([field.with_type(_narrow(field.type)) for field in rows.schema]))
    return ProductRows(packed, rows.schema, {product: place for product, place in places if product is not None})


def _narrow(kind: pa.DataType) -> pa.DataType:
    """Half the bytes of 91 days: 8 instead of 16 for an amount, 4 for a text that repeats."""
    if pa.types.is_decimal128(kind) and kind.precision <= _DECIMAL64_DIGITS:
        return pa.decimal64(kind.precision, kind.scale)
    return pa.dictionary(pa.int32(), kind) if pa.types.is_string(kind) else kind
