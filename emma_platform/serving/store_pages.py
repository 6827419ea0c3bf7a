"""The rows behind the pages of one store as one file, read where it lies.

Belongs here: the form of such a file, writing and opening it, finding a product's rows. Does not belong here: which
rows there are and when the file is written (`store_files`).

Rows lie in the file as Arrow has them in memory. So nothing is parsed or copied before a product's rows are taken, the
processes that answer share the system's one copy, and a store takes no memory of theirs: a page reads some 20 KB.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

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
    unfinished = file.with_name(f".{file.name}.partial")
    with unfinished.open("wb") as handle:
        for rows in (pa.table(places), *tables.values()):
            with pa.ipc.new_stream(handle, rows.schema) as stream:
                stream.write_batch(_one_batch(rows))
        handle.flush()
        os.fsync(handle.fileno())
    unfinished.replace(file)


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
    # Closing gives the handle back; what is mapped stays as long as rows of it are held.
    with pa.memory_map(str(file)) as mapped:
        places, *tables = (_one_batch(pa.ipc.open_stream(mapped).read_all()) for _ in ("places", *names))
    return StoreRows(
        places[_PRODUCT],
        dict(zip(names, tables, strict=True)),
        {name: (places[f"{name}.first"].to_numpy(), places[f"{name}.count"].to_numpy()) for name in names},
    )


def _one_batch(rows: pa.Table) -> pa.RecordBatch:
    """The rows as one batch: without a copy where they are in one piece."""
    columns: list[Any] = [
        column.chunk(0) if column.num_chunks == 1 else column.combine_chunks() for column in rows.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=rows.schema)
