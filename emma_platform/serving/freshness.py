"""How fresh the figures are: to which day, published when, from how many files, and whether the checks passed.

Belongs here: the one line that stands on every page, and what each store's line says. Does not belong here: how it is
worded (`web`) and the counts (`received`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from emma_platform.model.access import EVERY_STORE, StoreScope
from emma_platform.serving.reader import Reader
from emma_platform.serving.received import FILE_STATES, LINES
from emma_platform.serving.remembered import Remembered

REMEMBERED = 256
"""Answers kept: publications times scopes."""


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


_remembered = Remembered[Freshness](REMEMBERED)


def freshness(reader: Reader, scope: StoreScope) -> Freshness:
    """How fresh the publication is that a reader reads."""
    holds = reader.stays()
    return _remembered.of((reader.publication.file, scope), lambda: _read(reader, scope), holds=holds)


def _states(reader: Reader, scope: StoreScope) -> Mapping[str, int]:
    """How many files are in each state; one may hold lines of several stores."""
    if not scope.whole and len(scope.stores or ()) > 1:
        return {row["state"]: row["files"] for row in reader.ask(scope, "source_files", FILE_STATES)}
    rows: list[Any] = reader.at_hand(scope, "file_states").to_pylist()
    return {row["state"]: row["files"] for row in rows if not scope.whole or row["store"] is None}


def _read(reader: Reader, scope: StoreScope) -> Freshness:
    publication = reader.publication
    last_days = reader.last_days(scope)
    newest = max(last_days.values(), default=None)
    received: dict[str, dict[str, Any]] = {
        row.pop("store"): row for row in reader.at_hand(scope, "received").to_pylist()
    }
    # Whether the checks passed is told to everybody; what they counted is not.
    checks: list[dict[str, Any]] = reader.at_hand(EVERY_STORE, "checks").to_pylist()
    nothing = {"files": 0, "last_file": None, "taken_on": None} | dict.fromkeys(LINES, 0)
    stores = [
        StoreFreshness(
            store=store,
            last_day=last_days.get(store),
            behind_days=(newest - last_days[store]).days if newest and store in last_days else 0,
            **nothing | received.get(store, {}),
        )
        for store in reader.stores(scope)
    ]
    states = _states(reader, scope)
    return Freshness(
        publication=publication.id,
        published_at=publication.at,
        last_day=newest,
        files=sum(states.values()),
        taken=states.get("taken", 0),
        waiting=states.get("waiting", 0),
        failing=states.get("failing", 0),
        checks=len(checks),
        failed=tuple(check["name"] for check in checks if not check["passed"]),
        stores=tuple(stores),
    )
