"""How fresh the figures are: to which day, published when, from how many files, and whether the checks passed.

Belongs here: the one line that stands on every page, and what each store's line says. Does not belong here: how it is
worded (`web`). Read once per publication and scope: it counts every file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from emma_platform.model.access import EVERY_STORE, StoreScope
from emma_platform.serving.reader import Reader
from emma_platform.serving.remembered import Remembered

REMEMBERED = 256
"""Answers kept: publications times scopes."""

_BY_STORE = """
    SELECT store, count(DISTINCT file) FILTER (copy_of IS NULL AND input = 'sales') AS files,
        arg_max(file, (taken_on, file)) FILTER (copy_of IS NULL) AS last_file,
        max(taken_on) FILTER (copy_of IS NULL) AS taken_on,
        {lines}
    FROM {rows} WHERE store IS NOT NULL GROUP BY store
"""
_LINES = ("lines", "clean", "set_aside", "duplicates")
_SUMS = ", ".join(f"CAST(coalesce(sum({n}) FILTER (input = 'sales'), 0) AS bigint) AS {n}" for n in _LINES)
_FILES = "SELECT state, count(DISTINCT file) AS files FROM {rows} WHERE state = 'taken' OR NOT withdrawn GROUP BY state"
_FILES_BY_STORE = _FILES.replace("SELECT", "SELECT store,").replace("GROUP BY", "GROUP BY store,")
_CHECKS = 'SELECT "table" || \'.\' || "check" AS name, passed FROM {rows} ORDER BY name'


@dataclass(frozen=True, slots=True)
class StoreFreshness:
    """One store.

    Attributes:
        store: the store.
        last_day: its last day with figures; None without any.
        behind_days: how many days that is before the newest day of the stores that may be seen.
        files: files that brought lines of it.
        last_file, taken_on: the file of it that was taken last, and when; None when it came with no file.
        lines, clean, set_aside, duplicates: its sales lines; the first is the sum of the others.
    """

    store: str
    last_day: date | None
    behind_days: int
    files: int
    last_file: str | None
    taken_on: date | None
    lines: int
    clean: int
    set_aside: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class Freshness:
    """Of the stores that may be seen.

    Attributes:
        publication: where it was read.
        published_at: when it was published.
        last_day: the newest day with figures; None without any.
        files: files that were dropped, with lines of these stores; who sees every store sees all.
        taken: those of them that were taken as they lie there.
        waiting, failing: the others.
        checks: how many checks the tables of the publication went through; 0 when none was evaluated.
        failed: the names of those that did not pass.
        stores: each store, by name.
    """

    publication: str
    published_at: datetime
    last_day: date | None
    files: int
    taken: int
    waiting: int
    failing: int
    checks: int
    failed: tuple[str, ...]
    stores: tuple[StoreFreshness, ...]

    @property
    def behind(self) -> tuple[StoreFreshness, ...]:
        """The stores whose figures end before the newest day."""
        return tuple(store for store in self.stores if store.behind_days)


@dataclass(frozen=True, slots=True)
class _Counted:
    """What a publication says of every store: asked once, for each store's page has a line of its own.

    Attributes:
        by_store: the columns of `_BY_STORE`, by store.
        states: how many files are in each state, by store.
        checks: the name of each check, and whether it passed.
    """

    by_store: Mapping[str, dict[str, Any]]
    states: Mapping[str, dict[str, int]]
    checks: Mapping[str, bool]


_counted = Remembered[_Counted](REMEMBERED)
_remembered = Remembered[Freshness](REMEMBERED)


def freshness(reader: Reader, scope: StoreScope) -> Freshness:
    """How fresh the publication is that a reader reads."""
    file = reader.publication.file

    def holds() -> bool:
        # A reader may have moved on meanwhile; what it read then is not of the publication asked for.
        return reader.publication.file == file

    def read() -> Freshness:
        return _read(reader, scope, _counted.of(file, lambda: _count(reader), holds=holds))

    return _remembered.of((file, scope), read, holds=holds)


def _count(reader: Reader) -> _Counted:
    by_store = reader.ask(EVERY_STORE, "source_files", _BY_STORE.replace("{lines}", _SUMS))
    states: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for row in reader.ask(EVERY_STORE, "source_files", _FILES_BY_STORE):
        states[row["store"]][row["state"]] = row["files"]
    checks = reader.ask(EVERY_STORE, "check_results", _CHECKS)
    return _Counted({row.pop("store"): row for row in by_store}, states, {row["name"]: row["passed"] for row in checks})


def _states(reader: Reader, scope: StoreScope, counted: _Counted) -> Mapping[str, int]:
    """How many files are in each state; one may hold lines of several stores."""
    if scope.stores is not None and len(scope.stores) == 1:
        (store,) = scope.stores
        return counted.states.get(store, {})
    return {row["state"]: row["files"] for row in reader.ask(scope, "source_files", _FILES)}


def _read(reader: Reader, scope: StoreScope, counted: _Counted) -> Freshness:
    publication = reader.publication
    last_days = reader.last_days(scope)
    newest = max(last_days.values(), default=None)
    nothing = {"files": 0, "last_file": None, "taken_on": None} | dict.fromkeys(_LINES, 0)
    stores = [
        StoreFreshness(
            store=store,
            last_day=last_days.get(store),
            behind_days=(newest - last_days[store]).days if newest and store in last_days else 0,
            **nothing | counted.by_store.get(store, {}),
        )
        for store in reader.stores(scope)
    ]
    states = _states(reader, scope, counted)
    return Freshness(
        publication=publication.id,
        published_at=publication.at,
        last_day=newest,
        files=sum(states.values()),
        taken=states.get("taken", 0),
        waiting=states.get("waiting", 0),
        failing=states.get("failing", 0),
        # Whether the checks passed is told to everybody; what they counted is not.
        checks=len(counted.checks),
        failed=tuple(name for name, passed in counted.checks.items() if not passed),
        stores=tuple(stores),
    )
