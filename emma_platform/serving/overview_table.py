"""The rows of `product_overview` in memory: what every list and every page reads.

Belongs here: finding a product's row, or a scope's rows. Does not belong here: what a list adds (`listing`),
and where the rows lie (`at_hand`).

A statement over the publication's file takes 2 to 10 ms of CPU for one row, the more the more columns there are, and a
row from memory 0.05 ms; 20,000 rows take 24 MB, which all processes share (`at_hand`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.model.access import StoreScope
from emma_platform.serving.listing import ADDENDS, LISTED, Listing, derived, listing
from emma_platform.serving.runs import places

MOST_ROWS = 200_000
"""A larger table is asked row by row."""


@dataclass(frozen=True, slots=True)
class OverviewTable:
    """The rows by store and product.

    Attributes:
        rows: every column.
        more: what a list adds to each row, `listing.derived`.
        products: their codes.
        places: of each store, its first row and how many there are.
    """

    rows: pa.Table
    more: pa.Table
    products: pa.Array[Any]
    places: dict[str, tuple[int, int]]

    @classmethod
    def of(cls, rows: pa.Table) -> Self:
        """The table over rows in any order; in a publication they are in this one."""
        keys = [("store", "ascending"), ("product", "ascending")]
        order = cast("Any", pc.sort_indices)(rows, sort_keys=keys)
        if not np.array_equal(order, np.arange(rows.num_rows)):
            rows = rows.take(order)
        rows = rows.combine_chunks()
        return cls.in_order(rows, derived(rows))

    @classmethod
    def in_order(cls, rows: pa.Table, more: pa.Table) -> Self:
        """The table over rows by store and product, and what a list adds to them."""
        products: Any = rows["product"].combine_chunks()
        return cls(rows, more, products, places(rows["store"]))

    def row(self, store: str, product: str) -> pa.Table:
        """The row of a product, or none."""
        first, count = self.places.get(store, (0, 0))
        place = pc.index(self.products.slice(first, count), pa.scalar(product, pa.string())).as_py()
        return self.rows.slice(first + max(place, 0), 1 if place >= 0 else 0)

    def listing(self, scope: StoreScope) -> Listing:
        """The list of the stores that may be seen."""
        rows = self.rows.select([*LISTED, *ADDENDS])
        if scope.whole:
            return listing(rows, self.more)
        seen = [place for store, place in self.places.items() if scope.allows(store)]
        return listing(*(_parts(each, seen) for each in (rows, self.more)))


def _parts(rows: pa.Table, places: Sequence[tuple[int, int]]) -> pa.Table:
    return pa.concat_tables([rows.slice(*place) for place in places]) if places else rows.slice(0, 0)
