"""Sales of two periods as days x rate: for each series and kind of day, how many days, and how much on one.

Belongs here: reading the sums of `kpi_changes.sql` into arrays, and rates of days that a period does not have.
Does not belong here: what a change of days or rates is called (`kpi_changes`).

Axes: a place is a series (store and product) on one kind of day; arrays are places x period (2) x promotion (2), where
promotion 0 are the days without one. Money and units are in ten-thousandths, whole numbers or floats.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from emma_platform.transforms.ten_thousandths import SCALE, wholes

Floats = NDArray[np.float64]
Wholes = NDArray[np.int64]

_FIGURES = ("units", "revenue", "cost")


@dataclass(frozen=True)
class DayRates:
    """Two periods of every series that has any figure in one of them.

    Attributes:
        names: store, product and category of each series.
        store, group: of each series the number of its store, and of its category within the store.
        place_series: of each place the number of its series, ascending.
        figures: units, revenue, cost and lost units, places x period x promotion; for receipts, units are receipts.
        selling_days: series x period.
        days: of each place's store, days traded of its kind: places x period.
        promoted: of these, the days on which the product was promoted.
        unopened, closed: days of the kind before the store's first and after its last day, places x period.
        store_days, store_unopened, store_closed: of each store all days traded, before and after: stores x period.
    """

    names: Mapping[str, pa.Array[Any]]
    store: Wholes
    group: Wholes
    place_series: Wholes
    figures: Mapping[str, Floats]
    selling_days: Floats
    days: Floats
    promoted: Floats
    unopened: Floats
    closed: Floats
    store_days: Floats
    store_unopened: Floats
    store_closed: Floats

    @property
    def series(self) -> int:
        """How many series there are."""
        return len(self.store)

    def totals(self, values: Floats) -> Floats:
        """Sums over the places of each series."""
        starts = np.searchsorted(self.place_series, np.arange(self.series))
        return np.add.reduceat(values, starts, axis=0) if self.series else values[:0]

    @cached_property
    def promoted_share(self) -> Floats:
        """Share of the days that are promoted: places x period; of a period without such days, the other's."""
        return _known(self.promoted, self.days)

    @cached_property
    def rates(self) -> dict[str, Floats]:
        """Each figure on a day of its place, period and promotion; where there is no such day, the other period's."""
        days = np.stack([self.days - self.promoted, self.promoted], axis=2)
        return {name: _known(values, days) for name, values in self.figures.items()}

    def day_rate(self, rate: Floats) -> Floats:
        """A rate by promotion as a rate of all days of its kind: places x period."""
        return (1 - self.promoted_share) * rate[..., 0] + self.promoted_share * rate[..., 1]

    def on_same_days(self, rate: Floats) -> Floats:
        """What each period brings on the mean of both periods' days: series x period x promotion."""
        share = mean(self.promoted_share)
        days = mean(self.days)[:, None] * np.stack([1 - share, share], axis=1)
        return self.totals(days[:, None, :] * rate)


def mean(values: Floats) -> Floats:
    """The mean of the two periods, which are the second axis."""
    result: Floats = (values[:, 0] + values[:, 1]) / 2
    return result


def step(values: Floats) -> Floats:
    """The second period less the first."""
    result: Floats = values[:, 1] - values[:, 0]
    return result


def read_sums(sums: pa.Table, *, of_stores: bool, only_with_cost: bool) -> DayRates:
    """The arrays of a result of `kpi_changes.sql`.

    Args:
        sums: its rows, in its order.
        of_stores: series are stores, and units their receipts; else series are products of stores.
        only_with_cost: leave out the products that have a row without a cost.
    """
    stores = sums["store"].combine_chunks().dictionary_encode()
    kinds = sums["kind"].combine_chunks().dictionary_encode()
    store, kind = (codes.indices.to_numpy() for codes in (stores, kinds))
    period = sums["period"].to_numpy()
    is_own = pc.is_null(sums["product"]).to_numpy(zero_copy_only=False)
    shape = (len(stores.dictionary), len(kinds.dictionary), 2)
    of_stores_at = np.ravel_multi_index((store[is_own], kind[is_own], period[is_own]), shape)
    own = {
        name: _summed(of_stores_at, sums[name].to_numpy()[is_own], shape)
        for name in ("days", "unopened_days", "closed_days")
    }
    series = _runs(store, sums["product"])
    taken = (is_own == of_stores) & _has_figures(sums, series, of_stores=of_stores, only_with_cost=only_with_cost)
    # Rows are taken column by column, where numbers are needed: to filter the names of all takes as long as all else.
    rows = np.flatnonzero(taken)
    store, kind, period = store[rows], kind[rows], period[rows]
    _, first, series = np.unique(series[rows], return_index=True, return_inverse=True)
    codes, place = np.unique(series * np.int64(len(kinds.dictionary)) + kind, return_inverse=True)
    place_series, place_kind = codes // len(kinds.dictionary), codes % len(kinds.dictionary)
    at = (2 * place + period) * 2 + sums["promoted"].to_numpy()[rows]

    def placed(values: NDArray[Any]) -> Floats:
        return _summed(at, values, (len(codes), 2, 2))

    names = _names(sums, rows, first, series)
    columns = ("receipts", "revenue", "cost") if of_stores else _FIGURES
    figures = {name: placed(wholes(sums[column])[rows]) for name, column in zip(_FIGURES, columns, strict=True)}
    store_of = store[first]
    of_place = {name: values[store_of[place_series], place_kind] for name, values in own.items()}
    return DayRates(
        names=names,
        store=store_of.astype(np.int64),
        group=_groups(store_of, names["category"]),
        place_series=place_series,
        figures=figures | {"lost": placed(sums["lost_units"].to_numpy()[rows] * SCALE)},
        selling_days=_summed(2 * series + period, sums["selling_days"].to_numpy()[rows], (len(first), 2)),
        days=of_place["days"],
        promoted=np.zeros((len(codes), 2)) if of_stores else placed(sums["days"].to_numpy()[rows])[..., 1],
        unopened=of_place["unopened_days"],
        closed=of_place["closed_days"],
        store_days=own["days"].sum(axis=1),
        store_unopened=own["unopened_days"].sum(axis=1),
        store_closed=own["closed_days"].sum(axis=1),
    )


def _summed(at: NDArray[Any], values: NDArray[Any], shape: tuple[int, ...]) -> Floats:
    """An array of this shape with the sum of the values at each place, which are counted in C order."""
    found = np.bincount(at, values, minlength=math.prod(shape))
    # Of no values the sums are whole numbers.
    result: Floats = found.astype(np.float64, copy=False).reshape(shape)
    return result


def _known(totals: Floats, days: Floats) -> Floats:
    """Totals a day; without days the other period's."""
    rate = np.divide(totals, days, out=np.zeros_like(totals), where=days > 0)
    return np.where(days > 0, rate, rate[:, ::-1])


def _runs(store: NDArray[np.generic], product: pa.ChunkedArray[Any]) -> Wholes:
    """A number for each store and product, in the order of the rows, which stand together."""
    codes = _codes(product.combine_chunks())
    starts = np.ones(len(codes), dtype=np.int64)
    starts[1:] = (codes[1:] != codes[:-1]) | (store[1:] != store[:-1])
    return np.cumsum(starts)


def _has_figures(sums: pa.Table, series: Wholes, *, of_stores: bool, only_with_cost: bool) -> NDArray[np.bool_]:
    """Per row: its series has a figure in one of the periods, and its costs if they are needed."""
    figures = [wholes(sums[name]) for name in (("receipts",) if of_stores else _FIGURES)]
    some = np.any(np.stack([*figures, sums["lost_units"].to_numpy()]) != 0, axis=0)
    found = np.bincount(series, some)[series] > 0
    if only_with_cost:
        found &= np.bincount(series, sums["without_cost"].to_numpy())[series] == 0
    return found


def _names(sums: pa.Table, rows: Wholes, first: Wholes, series: Wholes) -> dict[str, pa.Array[Any]]:
    names = {name: _taken(sums[name], rows[first]) for name in ("store", "product")}
    has_category = np.flatnonzero(sums["category"].is_valid().to_numpy()[rows])
    of_series = np.full(len(first), -1, dtype=np.int64)
    of_series[series[has_category]] = rows[has_category]
    return names | {"category": _taken(sums["category"], of_series)}


def _taken(column: pa.ChunkedArray[Any], rows: Wholes) -> pa.Array[Any]:
    """The values of these rows; null for a row below zero."""
    index: Any = pa.array(rows, pa.int64(), mask=rows < 0)
    result: pa.Array[Any] = column.combine_chunks().take(index)
    return result


def _codes(values: Any) -> Wholes:  # noqa: ANN401 - the stubs know no dictionaries
    """A number for each value, -1 for null."""
    result: Wholes = values.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return result


def _groups(store: NDArray[np.generic], category: pa.Array[Any]) -> Wholes:
    codes = _codes(category)
    both = store.astype(np.int64) * (int(codes.max(initial=0)) + 2) + codes + 1
    result: Wholes = np.unique(both, return_inverse=True)[1]
    return result
