"""What is affected: the stale partitions of a table, and how they are cut into batches of bounded memory.

Belongs here: questions to the ledger about work to do. Does not belong here: doing it (`stages`, `store_stages`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from emma_platform.recompute.ledger import Key, partitions

p = partitions.c


class Stale(NamedTuple):
    """A partition to compute, the fingerprint it will then have been computed from, and its weight in rows."""

    key: Key
    wanted: str
    weight: int


@dataclass(frozen=True)
class Selection:
    """What a batch may compute: everything stale, or only these tables and these partitions of them.

    A store-day selects itself where a table is cut by store and day, and its store where a table is cut by store.
    """

    tables: frozenset[str] | None = None
    keys: frozenset[Key] | None = None

    def has(self, table: str) -> bool:
        """The table may be computed."""
        return self.tables is None or table in self.tables

    def picks(self, key: Key) -> bool:
        """The partition may be computed."""
        return self.keys is None or key in self.keys or (not key.day and not key.store)


EVERYTHING = Selection()


def stale(connection: sa.Connection, table: str, selection: Selection, weigh_by: str | None = None) -> list[Stale]:
    """The stale partitions of a table by store and day, weighed by the rows of the same partition of another table."""
    weights = partitions.alias()
    statement: sa.Select[Any] = sa.select(p.store, p.day, p.wanted).where(p.table_name == table, p.wanted != p.done)
    if weigh_by is None:
        statement = statement.add_columns(sa.literal(0))
    else:
        same = sa.and_(weights.c.table_name == weigh_by, weights.c.store == p.store, weights.c.day == p.day)
        statement = statement.add_columns(sa.func.coalesce(weights.c.rows, 0))
        statement = statement.select_from(partitions.outerjoin(weights, same))
    found = connection.execute(statement.order_by(p.store, p.day))
    items = (Stale(Key(row[0], row[1]), row[2], row[3]) for row in found)
    return [item for item in items if selection.picks(item.key)]


def in_batches(items: Sequence[Stale], limit: Callable[[], float], least: int) -> Iterator[list[Stale]]:
    """Batches of at most about `limit()` rows; a store-month is never cut, so that it is written once.

    Args:
        items: in order of store and day.
        limit: rows in a batch, asked again for each, so that it may follow what the batches before it took.
        least: rows that a partition counts for at least; it stands for the cost of a partition without rows.
    """
    batch: list[Stale] = []
    rows, most = 0, limit()
    for month in _months(items):
        weight = weight_of(month, least)
        if batch and rows + weight > most:
            yield batch
            batch, rows, most = [], 0, limit()
        batch += month
        rows += weight
    if batch:
        yield batch


def weight_of(items: Iterable[Stale], least: int) -> int:
    """The rows that partitions count for, each at least `least`."""
    return sum(max(item.weight, least) for item in items)


def _months(items: Iterable[Stale]) -> Iterator[list[Stale]]:
    month: list[Stale] = []
    for item in items:
        if month and (month[0].key.store, month[0].key.day[:7]) != (item.key.store, item.key.day[:7]):
            yield month
            month = []
        month.append(item)
    if month:
        yield month
