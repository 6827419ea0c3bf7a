"""What changed from one publication to another: the store-days whose sales are others now, and the files that did it.

Belongs here: finding that out between two publications that are kept. Does not belong here: why a figure moved from one
period to another (`changes`), and how it is shown (`web`).

A file of the lake never changes under its name, so only store-months whose files differ are read: a day's late file
costs that store's month, however long the history.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from emma_platform.engine.duckdb import DuckDBEngine, EngineError
from emma_platform.model.access import StoreScope
from emma_platform.serving.publication import ServingError
from emma_platform.serving.reader import Reader
from emma_platform.store.protocol import Files

Key = tuple[str, date]
_Place = tuple[str, str]
_Lines = tuple[Any, ...] | None
_Figures = dict[Any, tuple[Any, ...]]

_PLACES = 'SELECT store, month, path FROM {rows} WHERE "table" = $table AND rows > 0 AND month IS NOT NULL'
_SALES = """
    SELECT store, day, sum(revenue) AS revenue, sum(quantity) AS units,
        CAST(sum(CAST(hash(receipt, line, product, quantity, unit_price, discount) AS hugeint)) AS varchar) AS content
    FROM clean_sales GROUP BY store, day
"""
_LINES = """
    SELECT store, day, file, count(*) AS lines,
        CAST(sum(CAST(hash(line, receipt, receipt_line, sold_at, product, quantity, unit_price, discount, currency)
            AS hugeint)) AS varchar) AS content
    FROM raw_sales GROUP BY store, day, file
"""
_RECENT = "WHERE taken_on >= $since OR state <> 'taken'"
_NAMED = "WHERE file IN (SELECT unnest($files))"
_SOURCES = """
    SELECT file, any_value(input) AS input, any_value(sha256) AS sha256, any_value(taken_on) AS taken_on,
        any_value(copy_of) AS copy_of, any_value(state) AS state
    FROM {rows} WHERE_ GROUP BY file
"""


@dataclass(frozen=True, slots=True)
class Cause:
    """A file that changed a store-day: its lines of that day before and after."""

    file: str
    lines_before: int
    lines_after: int

    @property
    def kind(self) -> str:
        """What happened: `late` (it came), `corrected` (it says something else), `gone` (it says nothing any more)."""
        if not self.lines_before:
            return "late"
        return "corrected" if self.lines_after else "gone"


@dataclass(frozen=True, slots=True)
class DayChange:
    """A store-day whose clean sales are others than before.

    Attributes:
        store, day: which.
        revenue_before, revenue_after: in the currency of the store; None where the day had no sales.
        units_before, units_after: as these.
        causes: the files whose lines of the day differ, by name; none when a rule or a products file changed.
    """

    store: str
    day: date
    revenue_before: Decimal | None
    revenue_after: Decimal | None
    units_before: Decimal | None
    units_after: Decimal | None
    causes: tuple[Cause, ...]

    @property
    def is_new(self) -> bool:
        """Nothing was known of the day before."""
        return self.revenue_before is None

    @property
    def revenue(self) -> Decimal:
        """The change of the revenue."""
        return (self.revenue_after or Decimal(0)) - (self.revenue_before or Decimal(0))

    @property
    def units(self) -> Decimal:
        """The change of the units."""
        return (self.units_after or Decimal(0)) - (self.units_before or Decimal(0))


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file that is new, says something else, fails, or was delivered again: `kind` is one of these as a word."""

    file: str
    kind: str
    input: str | None
    taken_on: date | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """From an earlier publication to a later one.

    Attributes:
        before, after: their ids.
        before_at, after_at: when they were published.
        days: the store-days whose sales changed, the newest first.
        arrivals: the files between them, by name.
    """

    before: str
    before_at: datetime
    after: str
    after_at: datetime
    days: tuple[DayChange, ...]
    arrivals: tuple[Arrival, ...]

    @property
    def corrected(self) -> tuple[DayChange, ...]:
        """The days that had sales before, the largest change of revenue first."""
        found = [day for day in self.days if not day.is_new]
        return tuple(sorted(found, key=lambda day: (-abs(day.revenue), day.store, day.day)))

    @property
    def new(self) -> tuple[DayChange, ...]:
        """The days that had none."""
        return tuple(day for day in self.days if day.is_new)


def compare(reader: Reader, scope: StoreScope, before: Reader) -> Comparison:
    """What changed since an earlier publication.

    Args:
        reader: the later publication.
        scope: the stores that may be seen.
        before: the earlier one.

    Raises:
        ServingError: files of one of them are not where it was made.
    """
    return Comparison(
        before=before.publication.id,
        before_at=before.publication.at,
        after=reader.publication.id,
        after_at=reader.publication.at,
        days=_days(reader, scope, before),
        arrivals=_arrivals(reader, scope, before),
    )


def _days(reader: Reader, scope: StoreScope, before: Reader) -> tuple[DayChange, ...]:
    was, now = _read(before, reader, scope, "clean_sales", _SALES)
    sold = {key: (was.get(key), now.get(key)) for key in was.keys() | now.keys() if was.get(key) != now.get(key)}
    changed: set[Key] = {(store, day) for store, day in sold}
    causes = _causes(reader, scope, before, changed)
    return tuple(
        DayChange(
            store=store,
            day=day,
            revenue_before=old[0] if old else None,
            revenue_after=new[0] if new else None,
            units_before=old[1] if old else None,
            units_after=new[1] if new else None,
            causes=tuple(causes.get((store, day), ())),
        )
        for (store, day), (old, new) in sorted(sold.items(), key=lambda item: (-item[0][1].toordinal(), item[0][0]))
    )


def _causes(reader: Reader, scope: StoreScope, before: Reader, changed: Collection[Key]) -> dict[Key, list[Cause]]:
    if not changed:
        return {}
    was, now = _read(before, reader, scope, "raw_sales", _LINES)
    found: defaultdict[Key, list[Cause]] = defaultdict(list)
    for key, differing in _differing(was, now).items():
        if key in changed:
            moved = {old for _, old, new in differing if new is None} & {
                new for _, old, new in differing if old is None
            }
            found[key] += [
                Cause(file, old[0] if old else 0, new[0] if new else 0)
                for file, old, new in differing
                if not (new is None and old in moved) and not (old is None and new in moved)
            ]
    return found


def _differing(was: _Figures, now: _Figures) -> dict[Key, list[tuple[str, _Lines, _Lines]]]:
    """For each store-day the files whose lines differ, with their number and content; what moved to a copy is twice."""
    found: defaultdict[Key, list[tuple[str, _Lines, _Lines]]] = defaultdict(list)
    for store, day, file in sorted(was.keys() | now.keys()):
        old, new = (lines.get((store, day, file)) for lines in (was, now))
        if old != new:
            found[store, day].append((file, old, new))
    return found


def _read(before: Reader, after: Reader, scope: StoreScope, table: str, sql: str) -> tuple[_Figures, _Figures]:
    """What a statement says of both, of the store-months whose files differ; by its columns that are no figures."""
    was, now = (_places(reader, scope, table) for reader in (before, after))
    differing = [place for place in was.keys() | now.keys() if was.get(place) != now.get(place)]
    return _figures(table, sql, was, differing), _figures(table, sql, now, differing)


def _places(reader: Reader, scope: StoreScope, table: str) -> dict[_Place, frozenset[str]]:
    found: defaultdict[_Place, set[str]] = defaultdict(set)
    for row in reader.ask(scope, "publication_files", _PLACES, {"table": table}):
        if row["store"] is not None:
            found[row["store"], row["month"]].add(row["path"])
    return {place: frozenset(paths) for place, paths in found.items()}


def _figures(table: str, sql: str, places: dict[_Place, frozenset[str]], differing: Collection[_Place]) -> _Figures:
    paths = sorted(path for place in differing for path in places.get(place, ()))
    if not paths:
        return {}
    with DuckDBEngine() as engine:
        try:
            rows = engine.run(sql, {table: Files(table, tuple(paths))})
        except EngineError as error:
            raise ServingError(f"{table} cannot be compared ({error}); run `emma update`") from error
    names = ("store", "day", "file") if table == "raw_sales" else ("store", "day")
    keys = zip(*(rows[name].to_pylist() for name in names), strict=True)
    figures = zip(*(rows[name].to_pylist() for name in rows.column_names if name not in names), strict=True)
    return dict(zip(keys, figures, strict=True))


def _arrivals(reader: Reader, scope: StoreScope, before: Reader) -> tuple[Arrival, ...]:
    """What was taken since, or on the day of the earlier publication, is compared: other bytes are another arrival."""

    def ask(one: Reader, which: str, parameters: dict[str, Any]) -> dict[str, dict[str, Any]]:
        rows = one.ask(scope, "source_files", _SOURCES.replace("WHERE_", which), parameters)
        return {row["file"]: row for row in rows}

    now = ask(reader, _RECENT, {"since": before.publication.at.date()})
    was = ask(before, _NAMED, {"files": list(now)})
    found = []
    for file, row in sorted(now.items()):
        kind = _kind(was.get(file), row)
        if kind is not None:
            found.append(Arrival(file, kind, row["input"], row["taken_on"]))
    return tuple(found)


def _kind(was: dict[str, Any] | None, now: dict[str, Any]) -> str | None:
    if now["state"] != "taken":
        return str(now["state"]) if was is None or was["state"] != now["state"] else None
    if was is not None and was["sha256"] == now["sha256"]:
        return None
    if now["copy_of"] is not None:
        return "delivered again"
    return "new" if was is None or was["sha256"] is None else "changed"
