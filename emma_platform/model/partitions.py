"""Partitions: how a store and a day become a key, and back.

Belongs here: the keys by which tables are cut, their safe spelling, and the windows that tie one partition to another.
Does not belong here: Dagster's partition definitions (`pipeline`) and what is affected by a change (`recompute`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import quote, unquote

WINDOW_DAYS = 28
"""A KPI day looks back over this many days, itself included."""

UNPLACED = "~"
"""The spelling of "no store": rows whose store or day cannot be read belong to no partition."""


@dataclass(frozen=True, order=True, slots=True)
class StoreDay:
    """One store on one business day: the unit in which sales arrive."""

    store: str
    day: date

    @property
    def key(self) -> str:
        """The partition key as Dagster spells it: `2026-11-22|S001`."""
        return f"{self.day.isoformat()}|{store_key(self.store)}"

    @classmethod
    def from_key(cls, key: str) -> StoreDay:
        """The store-day of a partition key.

        Raises:
            ValueError: the key is not `YYYY-MM-DD|store`.
        """
        day, separator, store = key.partition("|")
        if not separator:
            raise ValueError(f"{key!r} is not a partition key; expected YYYY-MM-DD|store, such as 2026-11-22|S001")
        return cls(store_from_key(store), date.fromisoformat(day))


def store_key(store: str) -> str:
    """A store's name in the ASCII letters that partition keys and paths can hold; letters, digits, `_` and `-` stay."""
    return quote(store, safe="").replace(".", "%2E").replace("~", "%7E")


def store_from_key(key: str) -> str:
    """The store's name that `store_key` spelled."""
    return unquote(key)


def month_of(day: date) -> str:
    """The month that a day's rows are stored under: `2026-11`."""
    return f"{day.year:04d}-{day.month:02d}"


def days_between(first: date, last: date) -> list[date]:
    """Every day from first to last, both included; empty when last is before first."""
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]


def last_whole_week(day: date) -> date:
    """The last day of the newest ISO week that is over on `day`: the Sunday before it."""
    return day - timedelta(days=day.isoweekday())
