"""One store's sales as days x products arrays: what was sold, which cells are evidence, what the calendar says.

Belongs here: reading the frames, masking what is not demand, promotions and events by day. Does not belong here: any
estimate (`demand_factors`, `smoothing`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]

_WEEKDAY_WINDOW = 56
_WEEKDAY_SEEN = 4
_HOLIDAYS_SEEN = 3
_WEEK = 7
_FINEST_UNIT = 0.01


@dataclass(frozen=True)
class Event:
    """A calendar event: its kind (holiday or event), its name and its days, history and future, as flags."""

    kind: str
    name: str
    on: Flags


class Series(NamedTuple):
    """A store's products side by side, for compiled loops that finish one before the next: products x days.

    A product's days lie next to one another, so that all of it is in the first level cache: 419 days are 3 kB.

    Attributes:
        units: units sold.
        known: the cell is evidence of demand.
        promoted: the product is promoted; days to come included.
        first_sale: per product the first day with a sale.
        category: per product the number of its category.
        weekday: of every day, days to come included.
    """

    units: Floats
    known: Flags
    promoted: Flags
    first_sale: Codes
    category: Codes
    weekday: Codes


class Cells(NamedTuple):
    """What the rows of a store say by product and day, products x days, for a compiled loop to fill.

    Attributes:
        units: units sold.
        out: nothing was sold, and a count says 0.
        in_stock: a count says more.
        traded: per day, something was sold.
        first_sale: per product the first day with a sale; past the end: none.
        first_part: per product the first day with a part of a unit sold; past the end: none.
        latest: per product the row of its latest day; -1: none.
    """

    units: Floats
    out: Flags
    in_stock: Flags
    traded: Flags
    first_sale: Codes
    first_part: Codes
    latest: Codes

    @classmethod
    def empty(cls, products: int, days: int) -> Self:
        """Nothing said yet."""
        return cls(
            units=np.zeros((products, days)),
            out=np.zeros((products, days), dtype=np.bool_),
            in_stock=np.zeros((products, days), dtype=np.bool_),
            traded=np.zeros(days, dtype=np.bool_),
            first_sale=np.full(products, days),
            first_part=np.full(products, days),
            latest=np.full(products, -1),
        )


@dataclass(frozen=True)
class Demand:
    """One store's history and what is known of the days after it.

    Arrays are days x products, each product's days next to one another in memory. Days run from `first_day` to
    `made_on`; `promoted`, `closed` and the events go on for the days of the forecast.

    Attributes:
        products: product codes, sorted.
        categories: per product the number of its category; products without one share a number.
        category_names: the category of each number; None for products without one.
        units: units sold per day, 0 where nothing is known, never below 0.
        known: the cell is evidence of demand: the store was open, the product launched and not out of stock.
        out: a count says that the shelf was empty, and nothing was sold.
        in_stock: a count says that goods were left at the close of the day.
        open: the store sold something on this day and the calendar does not call it closed.
        promoted: the product was or will be promoted.
        closed: the calendar calls the day closed.
        events: holidays and events by kind and name, the most frequent first.
        first_sale: index of each product's first day with a sale.
        first_part: index of each product's first day with a part of a unit sold, such as 0.355 kg; past the end: none.
    """

    first_day: date
    made_on: date
    products: list[str]
    categories: Codes
    category_names: tuple[str | None, ...]
    units: Floats
    known: Flags
    out: Flags
    in_stock: Flags
    open: Flags
    promoted: Flags
    closed: Flags
    events: tuple[Event, ...]
    first_sale: Codes
    first_part: Codes

    def unit(self, origin: int) -> Floats:
        """What each product is counted in, as known on day `origin`: 1 for pieces, 0.01 where parts are sold."""
        return np.where(self.first_part <= origin, _FINEST_UNIT, 1.0)

    @cached_property
    def series(self) -> Series:
        """The same, products x days, as compiled loops take it."""
        return Series(
            np.ascontiguousarray(self.units.T),
            np.ascontiguousarray(self.known.T),
            np.ascontiguousarray(self.promoted.T),
            self.first_sale,
            self.categories,
            self.weekdays,
        )

    @property
    def weekdays(self) -> Codes:
        """The weekday of every day, future ones included: 0 is Monday."""
        return (self.first_day.weekday() + np.arange(len(self.closed))) % 7

    def closed_after(self, origin: int, horizon: int) -> Flags:
        """Which of the days origin + 1 .. origin + horizon are closed, as known on day `origin`.

        Besides the calendar's closed days: every weekday on which the store was never open in the last eight weeks,
        though it had at least four chances; and holidays on which, as it seems, the store does not open.
        """
        days = np.arange(origin + 1, origin + 1 + horizon)
        recent = slice(max(0, origin + 1 - _WEEKDAY_WINDOW), origin + 1)
        weekdays = self.weekdays
        chances = np.bincount(weekdays[recent][~self.closed[recent]], minlength=7)
        opened = np.bincount(weekdays[recent][self.open[recent]], minlength=7)
        never = (opened == 0) & (chances >= _WEEKDAY_SEEN)
        return np.asarray(self.closed[days] | never[weekdays[days]] | self._idle_holidays(origin)[days], dtype=np.bool_)

    def _idle_holidays(self, origin: int) -> Flags:
        """The days of holidays on which the store was never open, as known on day `origin`.

        A holiday that no day of the history tells of follows the others where the store was open on fewer than half of
        at least three. A day tells if the store was open a week before or after it.
        """
        past = slice(0, origin + 1)
        usual = np.zeros(origin + 1, dtype=np.bool_)
        usual[_WEEK:] |= self.open[past][:-_WEEK]
        usual[:-_WEEK] |= self.open[past][_WEEK:]
        idle = np.zeros(len(self.closed), dtype=np.bool_)
        holidays = [event.on for event in self.events if event.kind == "holiday"]
        if not holidays:
            return idle
        on = np.stack(holidays)
        tells = on[:, past] & (usual & ~self.closed[past])
        known, opened = tells.sum(axis=1), (tells & self.open[past]).sum(axis=1)
        others = known.sum() >= _HOLIDAYS_SEEN and 2 * opened.sum() < known.sum()
        idle |= on[np.where(known > 0, opened == 0, others)].any(axis=0)
        return idle


def read_demand(
    demand: pa.Table,
    promotions: pa.Table,
    calendar: pa.Table,
    *,
    store: str,
    made_on: date,
    history_days: int,
    horizon_days: int,
) -> Demand | None:
    """The store's demand up to `made_on` over at most `history_days`, or None when nothing was sold in them.

    Args:
        demand: `day, product, category, units, on_hand`, one row per day and product, in any order; rows outside of
            the history are left out, products that never sold as well.
        promotions: as `model.tables.PROMOTIONS`; a null store means every store.
        calendar: as `model.tables.CALENDAR`; a null store means every store.
        store: the store.
        made_on: the last known day.
        history_days: days of history, `made_on` included.
        horizon_days: days after `made_on` for which promotions and events are laid out.
    """
    from emma_platform.transforms.demand_kernel import lay_out

    first = made_on - timedelta(days=history_days - 1)
    day = demand["day"].cast(pa.date32())
    inside = pc.and_(pc.greater_equal(day, pa.scalar(first)), pc.less_equal(day, pa.scalar(made_on)))
    if not pc.all(inside).as_py():
        demand = demand.filter(inside)
    days = np.asarray(demand["day"].cast(pa.date32()).cast(pa.int32()).to_numpy())
    units, on_hand = _numbers(demand["units"]), _numbers(demand["on_hand"])
    names: Any = demand["product"].cast(pa.string()).combine_chunks().dictionary_encode()
    name, spelled = names.indices.to_numpy(), names.dictionary.to_pylist()
    selling = np.flatnonzero(units > 0)
    if not len(selling):
        return None
    start = int(days[selling].min())
    products, rank = _sorted(spelled, np.bincount(name[selling], minlength=len(spelled)) > 0)
    length = _epoch(made_on) - start + 1
    cells = Cells.empty(len(products), length)
    lay_out(days, name, units, on_hand, rank, start, cells)
    closed, events = _calendar(calendar, store=store, start=start, length=length + horizon_days)
    is_open = cells.traded & ~closed[:length]
    known = is_open & ~cells.out
    known &= np.arange(length) >= cells.first_sale[:, None]
    categories, category_names = _categories(demand["category"].take(pa.array(cells.latest, pa.int64())))
    return Demand(
        first_day=made_on - timedelta(days=length - 1),
        made_on=made_on,
        products=products,
        categories=categories,
        category_names=category_names,
        units=cells.units.T,
        known=known.T,
        out=cells.out.T,
        in_stock=cells.in_stock.T,
        open=is_open,
        promoted=_promoted(promotions, products, store=store, start=start, length=length + horizon_days).T,
        closed=closed,
        events=events,
        first_sale=cells.first_sale,
        first_part=cells.first_part,
    )


def _epoch(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def _numbers(column: pa.ChunkedArray[Any]) -> Floats:
    """A numeric column as floats; null becomes NaN."""
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


def _sorted(names: list[Any], sold: Flags) -> tuple[list[str], Codes]:
    """The names of what was sold, sorted, and each name's number among them (-1: none)."""
    ordered = sorted(np.flatnonzero(sold).tolist(), key=names.__getitem__)
    rank = np.full(len(names), -1, dtype=np.int64)
    rank[ordered] = np.arange(len(ordered))
    return [names[index] for index in ordered], rank


def _categories(latest: pa.ChunkedArray[Any]) -> tuple[Codes, tuple[str | None, ...]]:
    """Each product's category on its latest day, numbered in the order of the names, none first, and these names."""
    categories: list[str | None] = latest.cast(pa.string()).to_pylist()
    names = sorted(set(categories), key=lambda name: (name is not None, name or ""))
    number = {name: place for place, name in enumerate(names)}
    return np.array([number[name] for name in categories], dtype=np.int64), tuple(names)


def _of_store(rows: pa.Table, store: str) -> pa.Table:
    stores = rows["store"].cast(pa.string())
    return rows.filter(pc.or_kleene(pc.is_null(stores), pc.equal(stores, pa.scalar(store))))


def _calendar(calendar: pa.Table, *, store: str, start: int, length: int) -> tuple[Flags, tuple[Event, ...]]:
    """The closed days, and the holidays and events with a day in the span."""
    rows = _of_store(calendar, store)
    day = np.asarray(rows["day"].cast(pa.date32()).cast(pa.int32()).to_numpy(), dtype=np.int64) - start
    closed = np.zeros(length, dtype=np.bool_)
    marked: dict[tuple[str, str], Flags] = {}
    for at, name, kind in zip(day.tolist(), rows["event"].to_pylist(), rows["kind"].to_pylist(), strict=True):
        if not 0 <= at < length:
            continue
        if kind == "closed":
            closed[at] = True
        else:
            marked.setdefault((kind or "event", name or ""), np.zeros(length, dtype=np.bool_))[at] = True
    order = sorted(marked, key=lambda key: (-int(marked[key].sum()), key))
    return closed, tuple(Event(kind, name, marked[kind, name]) for kind, name in order)


def _promoted(promotions: pa.Table, products: list[str], *, store: str, start: int, length: int) -> Flags:
    """Products x days, which is promoted when; a promotion that ends before it starts has no day."""
    rows = _of_store(promotions, store)
    places = {product: place for place, product in enumerate(products)}
    number = np.array([places.get(str(product), -1) for product in rows["product"].to_pylist()], dtype=np.int64)
    first, last = (
        np.asarray(rows[name].cast(pa.date32()).cast(pa.int32()).to_numpy(), dtype=np.int64) - start
        for name in ("first_day", "last_day")
    )
    valid = (number >= 0) & (last >= np.maximum(first, 0)) & (first < length)
    if not valid.any():
        return np.zeros((len(products), length), dtype=np.bool_)
    changes = np.zeros((len(products), length + 1), dtype=np.int32)
    np.add.at(changes, (number[valid], np.maximum(first[valid], 0)), 1)
    np.add.at(changes, (number[valid], np.minimum(last[valid], length - 1) + 1), -1)
    np.cumsum(changes, axis=1, out=changes)
    return np.asarray(changes[:, :-1] > 0, dtype=np.bool_)
