"""How a table lies in a store: which rows lie together, in what order, and which of them a change replaces.

Belongs here: pure functions over Arrow frames that every store shares. Does not belong here: files, logs and versions
(`delta`, `delta_log`, `memory`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.model.partitions import UNPLACED, month_of, store_key
from emma_platform.model.schema import Grain, Table
from emma_platform.model.tables import KEPT, TABLES
from emma_platform.store.protocol import Days, Replace, StoreError, Stores, Whole

EMPTY_NAME = "%"
"""The spelling of a store whose name is empty: Delta reads an empty partition value as null."""

LONGEST_FOLDER = 200
"""Letters of a partition value that its folder's name shows, for file systems take 255 bytes; the log has all of it."""

PARTITION_COLUMNS: Mapping[Grain, tuple[str, ...]] = {
    Grain.STORE_DAY: ("store_key", "month"),
    Grain.STORE: ("store_key",),
    Grain.WHOLE: (),
}
"""The columns that a table is physically cut by; they are in the log and in the paths, not in the data files."""


@dataclass(frozen=True, order=True, slots=True)
class Place:
    """Where rows lie together: a store (as `store_key` spells it) and a month, or as much of it as the grain has."""

    store_key: str = ""
    month: str = ""

    def values(self, grain: Grain) -> dict[str, str | None]:
        """The partition values."""
        return {column: getattr(self, column) for column in PARTITION_COLUMNS[grain]}

    def path(self, name: str) -> str:
        """A file's path below the table's folder: `store_key=S001/<name>`; ASCII that needs no escaping in a URL.

        Months have no folders: making them took a quarter of the time of a first commit of 5,484 files.
        """
        return f"store_key={self.store_key.replace('%', '.')[:LONGEST_FOLDER]}/{name}" if self.store_key else name


_LARGEST = 2**62

NOWHERE = Place(UNPLACED, UNPLACED)
"""The place of rows without a store-day."""


def table_of(name: str) -> Table:
    """The table of that name.

    Raises:
        StoreError: the lake keeps no such table.
    """
    if name not in KEPT:
        raise StoreError(f"{name}: no such table in the lake; it keeps {', '.join(KEPT)}")
    return TABLES[name]


def spelled_stores(stores: Collection[str | None] | None) -> frozenset[str] | None:
    """Stores as partition values; None stays None, which means all."""
    if stores is None:
        return None
    return frozenset(UNPLACED if store is None else store_key(store) or EMPTY_NAME for store in stores)


def spelled_months(months: Collection[str] | None) -> frozenset[str] | None:
    """Months as partition values; the month '' is that of rows without a store-day."""
    return None if months is None else frozenset(month or UNPLACED for month in months)


def conform(table: Table, rows: pa.Table) -> pa.Table:
    """The rows with the table's schema: columns matched by name, never by position.

    Raises:
        StoreError: a column is missing, unknown, twice there, of another type, or null where it may not be.
    """
    schema = table.arrow_schema()
    missing = [name for name in table.names if name not in rows.column_names]
    extra = [name for name in rows.column_names if name not in table.names]
    wrong = [f"missing {name}" for name in missing] + [f"unknown {name}" for name in extra]
    for field in schema:
        found = rows.schema.get_all_field_indices(field.name)
        if len(found) > 1:
            wrong.append(f"{field.name} is there {len(found)} times")
        elif found and rows.schema.field(found[0]).type != field.type:
            wrong.append(f"{field.name} is {rows.schema.field(found[0]).type}, not {field.type}")
        elif found and not field.nullable and rows.column(found[0]).null_count:
            wrong.append(f"{field.name} has nulls")
    if wrong:
        raise StoreError(f"{table.name}: {'; '.join(wrong)}; give the columns of model.tables")
    return pa.Table.from_arrays([rows.column(name) for name in table.names], schema=schema)


def in_order(table: Table, rows: pa.Table) -> pa.Table:
    """The rows in the table's natural order: store, day (where it is cut by days), then key; nulls come last."""
    first = {Grain.STORE_DAY: ("store", "day"), Grain.STORE: ("store",), Grain.WHOLE: ()}[table.grain]
    places = _places(rows, tuple(dict.fromkeys((*first, *table.key))))
    if (places[1:] >= places[:-1]).all():
        return rows
    order: pa.Array[Any] = pa.array(np.argsort(places, kind="stable"))
    return rows.take(order)


def _places(rows: pa.Table, names: Sequence[str]) -> np.ndarray:
    """For each row a whole number that orders it: the ranks of its columns as the digits of one number.

    A third of the time of sorting by the columns themselves, of which the texts are compared letter by letter.
    """
    places = np.zeros(rows.num_rows, np.int64)
    size = 1
    for name in names:
        ranks, ranked = _ranks(rows.column(name).combine_chunks())
        if size * ranked >= _LARGEST:
            places = np.unique(places, return_inverse=True)[1].astype(np.int64)
            size = rows.num_rows
        places, size = places * ranked + ranks, size * ranked
    return places


def _ranks(column: pa.Array[Any]) -> tuple[np.ndarray, int]:
    """Each value's rank among the values there are, nulls last, and how many ranks there are."""
    encoded: Any = column.dictionary_encode()
    values = encoded.dictionary
    ranks = np.empty(len(values) + 1, np.int64)
    ranks[np.asarray(pc.sort_indices(values))] = np.arange(len(values))
    ranks[-1] = len(values)
    return ranks[np.asarray(encoded.indices.fill_null(len(values)))], len(values) + 1


def pieces(table: Table, rows: pa.Table) -> dict[Place, pa.Table]:
    """The rows cut by place, each piece in natural order; places without rows are not in it."""
    if not rows.num_rows:
        return {}
    rows = in_order(table, rows)
    if table.grain is Grain.WHOLE:
        return {Place(): rows}
    if table.grain is Grain.STORE:
        return _cut(rows, by_month=False)
    unplaced = pc.or_(pc.is_null(rows["store"]), pc.is_null(rows["day"]))
    if not pc.any(unplaced).as_py():
        return _cut(rows, by_month=True)
    return {**_cut(rows.filter(pc.invert(unplaced)), by_month=True), NOWHERE: rows.filter(unplaced)}


def _cut(rows: pa.Table, *, by_month: bool) -> dict[Place, pa.Table]:
    """Slices of rows that are sorted by store (and day) and have both."""
    if not rows.num_rows:
        return {}
    codes: list[Any] = [rows["store"].combine_chunks().dictionary_encode().indices]
    if by_month:
        codes.append(pc.add(pc.multiply(pc.year(rows["day"]), 12), pc.month(rows["day"])))
    changes = [np.diff(np.asarray(code)) != 0 for code in codes]
    bounds = [0, *(np.flatnonzero(np.logical_or.reduce(changes)) + 1).tolist(), rows.num_rows]
    found = {}
    for start, end in pairwise(bounds):
        key = store_key(rows["store"][start].as_py()) or EMPTY_NAME
        month = month_of(rows["day"][start].as_py()) if by_month else ""
        found[Place(key, month)] = rows.slice(start, end - start)
    return found


def check_inside(table: Table, new: Mapping[Place, pa.Table], replace: Replace) -> None:
    """Refuse rows that lie outside of what they are to replace.

    Raises:
        StoreError: such rows, or the table is not cut in the way that `replace` names.
    """
    if isinstance(replace, Whole):
        return
    if table.grain is Grain.WHOLE or (isinstance(replace, Days) and table.grain is not Grain.STORE_DAY):
        raise StoreError(f"{table.name} is cut by {table.grain}; it cannot be replaced by {type(replace).__name__}")
    stores = spelled_stores(replace.stores) if isinstance(replace, Stores) else frozenset()
    days = _days_by_place(replace) if isinstance(replace, Days) else {}
    for place, rows in new.items():
        if (isinstance(replace, Stores) and place.store_key in (stores or ())) or (
            place in days
            and (days[place] is None or not set(pc.unique(rows["day"]).to_pylist()) - (days[place] or set()))
        ):
            continue
        raise StoreError(
            f"{table.name}: rows of store {rows['store'][0].as_py()!r}, {place.month or 'any day'}, lie outside of "
            "what the commit replaces; name their store and day in it or leave them out"
        )


def replaced(replace: Replace, held: Iterable[Place]) -> dict[Place, frozenset[date] | None]:
    """The days replaced at each place, None for all of them; `held` are the places that have rows now."""
    if isinstance(replace, Days):
        return _days_by_place(replace)
    if isinstance(replace, Stores):
        stores = spelled_stores(replace.stores) or frozenset()
        return {place: None for place in held if place.store_key in stores}
    return dict.fromkeys(held)


def _days_by_place(replace: Days) -> dict[Place, frozenset[date] | None]:
    found: dict[Place, frozenset[date] | None] = {}
    for store, days in replace.days.items():
        if store is None:
            found[NOWHERE] = None
            continue
        months: defaultdict[str, set[date]] = defaultdict(set)
        for day in days:
            months[month_of(day)].add(day)
        key = store_key(store) or EMPTY_NAME
        found |= {Place(key, month): frozenset(of_month) for month, of_month in months.items()}
    return found


def without_days(rows: pa.Table, days: frozenset[date]) -> pa.Table:
    """The rows of one place that stay when these days are replaced."""
    return rows.filter(pc.invert(pc.is_in(rows["day"], value_set=pa.array(sorted(days), pa.date32()))))


def check_cut(table: Table, stores: Collection[str | None] | None, months: Collection[str] | None) -> None:
    """Refuse to read by a cut that the table does not have.

    Raises:
        StoreError: stores asked of a table in one piece, or months of a table not cut by days.
    """
    asked = {"store_key": stores, "month": months}
    for column, wanted in asked.items():
        if wanted is not None and column not in PARTITION_COLUMNS[table.grain]:
            what = "stores" if column == "store_key" else "months"
            raise StoreError(f"{table.name} is cut by {table.grain}, not by {what}; read it and filter its rows")


def schema_of(table: Table, columns: Collection[str] | None) -> pa.Schema:
    """The schema of the named columns, in the table's order.

    Raises:
        StoreError: the table has no such column.
    """
    unknown = sorted(set(columns or ()) - set(table.names))
    if unknown:
        raise StoreError(f"{table.name} has no column {', '.join(unknown)}; it has {', '.join(table.names)}")
    return pa.schema([field for field in table.arrow_schema() if columns is None or field.name in columns])
