"""The rows behind the pages of one store as one file, of which a page reads some 20 KB.

Belongs here: what lies in such a file, and finding a product's rows. Does not belong here: how it lies there
(`arrow_file`), which rows there are and when the file is written (`store_files`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.serving import arrow_file
from emma_platform.serving.remembered import Remembered
from emma_platform.serving.runs import Places, runs

_MOST_OPEN = 1_000
"""Files held open: an open one takes 20 KB beside what is read of it."""

_PRODUCT = "product"


@dataclass(frozen=True, slots=True)
class StoreRows:
    """The open file of a store.

    Attributes:
        products: the codes that have rows in any table.
        tables: rows by table.
        places: for each table, the first row and the number of rows of each of `products`.
    """

    products: pa.Array[Any]
    tables: Mapping[str, pa.RecordBatch]
    places: Mapping[str, tuple[Places, Places]]

    def number(self, product: str) -> int:
        """The product's place among `products`, -1 if it is not there."""
        found: int = pc.index(self.products, pa.scalar(product, pa.string())).as_py()
        return found

    def of(self, table: str, number: int, schema: pa.Schema) -> pa.Table:
        """The rows of the product of this number in a table, whose schema this is."""
        if number < 0:
            return schema.empty_table()
        first, count = self.places[table]
        # As they lie in the file: to widen 70 columns of narrower types takes 1 ms a page.
        return pa.Table.from_batches([self.tables[table].slice(int(first[number]), int(count[number]))], schema)


def write(file: Path, tables: Mapping[str, pa.Table]) -> None:
    """Write the file of a store, whole under its name or not at all.

    Args:
        file: where.
        tables: rows by table, each with a column `product` and sorted by it; rows without a product come last.
    """
    # The report card's rows of a category or a store have no product; they lie at the end.
    found = {name: runs(rows[_PRODUCT]) for name, rows in tables.items()}
    products = pc.unique(pa.chunked_array([codes for codes, _, _ in found.values()], pa.string()))
    places: dict[str, Any] = {_PRODUCT: products}
    for name, (codes, first, count) in found.items():
        at = cast("Any", pc.index_in)(codes, value_set=products).to_numpy()
        for column, values in ((f"{name}.first", first), (f"{name}.count", count)):
            of_all = np.zeros(len(products), dtype=np.int64)
            of_all[at] = values
            places[column] = of_all
    arrow_file.write(file, (pa.table(places), *tables.values()))


_open = Remembered[StoreRows](_MOST_OPEN)


def opened(file: Path, names: tuple[str, ...]) -> StoreRows | None:
    """The file of a store, which holds these tables in this order; None while there is none that can be read.

    A file never changes under its name: one that was opened for a publication serves the next as well.
    """
    try:
        return _open.of(file, lambda: _read(file, names))
    except (OSError, pa.ArrowException):
        return None


def _read(file: Path, names: tuple[str, ...]) -> StoreRows:
    places, *tables = arrow_file.mapped(file, 1 + len(names))
    return StoreRows(
        places[_PRODUCT],
        dict(zip(names, tables, strict=True)),
        {name: (places[f"{name}.first"].to_numpy(), places[f"{name}.count"].to_numpy()) for name in names},
    )
