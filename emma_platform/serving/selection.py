"""Which rows and columns of a published table are asked for and may be seen, checked and turned into SQL.

Belongs here: names, filters and the scope. Does not belong here: running the statement (`opened`).

What somebody sees whose scope is not every store: of a table with a column store the rows of the stores in the scope,
and of `promotions` and `calendar` also those of every store (store is null). A row that belongs to no store because its
store could not be read (in `set_aside_rows`, `source_files` and `publication_files`) may be any store's: only who sees
all sees it. Of the tables without a store, `products`, `columns` and `batches` are the same for all; those that tell of
the whole chain (`forecast_model`, `price_priors`, `publication`, `check_results`) have no rows for who sees a part.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

import pyarrow as pa

from emma_platform.model.access import StoreScope
from emma_platform.model.partitions import month_of
from emma_platform.model.schema import Grain, Table
from emma_platform.model.tables import KEPT
from emma_platform.serving.contents import SERVED
from emma_platform.serving.publication import ServingError

SCHEMA = "serving"
"""The name under which a reader attaches a publication."""

_NULL_IS_EVERY_STORE = frozenset({"promotions", "price_plan", "calendar"})

_OF_THE_CHAIN = frozenset({"forecast_model", "price_priors", "publication", "check_results"})


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows and columns of one table.

    Attributes:
        scope: who asks may see the rows of these stores only, as the module says.
        table: the table.
        columns: its columns, in the order asked for.
        asked: only rows of these stores; None for all. Promotions and calendar entries of all stores count as theirs.
        product: only rows of this product; None for all.
        first_day, last_day: only rows of these days, both included, by `day` or, where there is none, by `made_on`.
    """

    scope: StoreScope
    table: Table
    columns: tuple[str, ...]
    asked: frozenset[str] | None = None
    product: str | None = None
    first_day: date | None = None
    last_day: date | None = None

    @property
    def stores(self) -> frozenset[str] | None:
        """The stores whose rows are read: those asked for that may be seen; None for every row."""
        return self.scope.narrow(self.asked) if "store" in self.table.names else None

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the result."""
        whole = _arrow_schema(self.table.name)
        return whole if self.columns == self.table.names else pa.schema([whole.field(name) for name in self.columns])

    @property
    def in_files(self) -> bool:
        """The rows are in Parquet files that can be picked by store and month."""
        return self.table.name in KEPT and self.table.grain is not Grain.WHOLE

    def pick(self, files: Mapping[str | None, Sequence[tuple[str | None, str]]], *, unplaced: bool = True) -> list[str]:
        """The paths that may hold such rows, of month and path by store; no month may be any.

        No store may be any, too: its files are among them if `unplaced`.
        """
        seen = self.stores
        among = files if seen is None else [store for store in (*seen, None) if store in files]
        stores = [store for store in among if unplaced or store is not None]
        stores.sort(key=lambda store: (store is None, store or ""))
        first = month_of(self.first_day) if self.first_day else ""
        last = month_of(self.last_day) if self.last_day else "~"
        return [path for store in stores for month, path in files[store] if month is None or first <= month <= last]

    def sql(self, what: str | None = None) -> str:
        """The statement for the rows, or for `what` of them; `$paths` stands for the files, if it is in files."""
        source = f'{SCHEMA}."{self.table.name}"'
        if self.in_files:
            source = "read_parquet($paths, hive_partitioning = false)"
        chosen = what or ", ".join(f'"{name}"' for name in self.columns)
        conditions = ["false"] if self.table.name in _OF_THE_CHAIN and not self.scope.whole else []
        if self.stores is not None:
            every = " OR store IS NULL" if self.table.name in _NULL_IS_EVERY_STORE else ""
            # Spelled out, not a list: only then files and row groups are skipped by their statistics.
            listed = ", ".join(f"${name}" for name in self._store_parameters())
            conditions.append(f"(store IN ({listed}){every})" if listed else "false")
        if self.product is not None:
            conditions.append("product = $product")
        if self.first_day:
            conditions.append(f"{_day_column(self.table)} >= $first_day")
        if self.last_day:
            conditions.append(f"{_day_column(self.table)} <= $last_day")
        return f"SELECT {chosen} FROM {source}{' WHERE ' if conditions else ''}{' AND '.join(conditions)}"

    def parameters(self) -> dict[str, Any]:
        """The parameters of `sql`, but for the paths."""
        found = {"product": self.product, "first_day": self.first_day, "last_day": self.last_day}
        return self._store_parameters() | {name: value for name, value in found.items() if value is not None}

    def _store_parameters(self) -> dict[str, Any]:
        return {f"store_{number}": store for number, store in enumerate(sorted(self.stores or ()))}


def select(
    scope: StoreScope,
    name: str,
    *,
    stores: Collection[str] | None = None,
    product: str | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
    columns: Sequence[str] | None = None,
) -> Selection:
    """A checked selection.

    Raises:
        ServingError: there is no such table or column, or the table has no store or day to filter by.
    """
    if name not in SERVED:
        raise ServingError(f"there is no table {name!r}; there are {', '.join(sorted(SERVED))}")
    table = SERVED[name]
    unknown = [column for column in columns or () if column not in table.names]
    if unknown:
        raise ServingError(f"{name} has no column {', '.join(unknown)}; it has {', '.join(table.names)}")
    if isinstance(stores, str):
        raise ServingError(f"stores is a collection of names; give [{stores!r}]")
    if stores is not None and "store" not in table.names:
        raise ServingError(f"{name} has no column store; leave the store out")
    if first_day or last_day:
        _day_column(table)
    chosen = tuple(table.names if columns is None else columns)
    return Selection(scope, table, chosen, None if stores is None else frozenset(stores), product, first_day, last_day)


@cache
def _arrow_schema(name: str) -> pa.Schema:
    return SERVED[name].arrow_schema()


def _day_column(table: Table) -> str:
    for column in ("day", "made_on"):
        if column in table.names:
            return column
    raise ServingError(f"{table.name} has no column day or made_on; leave the days out")
