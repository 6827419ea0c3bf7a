"""Stock-outs of one store that no stock count tells of: improbable runs of days without a sale, and what they cost.

Belongs here: which runs are looked at, their days, lost sales, the table. Does not belong here: the level around a run
(`zero_runs`) and the two explanations of it (`stock_out_chances`).

A count decides where there is one. Closed days, days before the first sale and a product that never sold again for more
than 56 open days are no stock-outs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.model.estimates import PROBABLE_STOCK_OUTS
from emma_platform.transforms.demand import Codes, Demand, Flags, Floats, read_demand
from emma_platform.transforms.demand_factors import Factors, fit_factors
from emma_platform.transforms.stock_out_chances import (
    Chances,
    Evidence,
    Rates,
    chances,
    learn,
    level_errors,
    usual_rates,
)
from emma_platform.transforms.zero_runs import Levels, OpenDays, Runs, find_runs, levels, store_days, summed

LISTED_FROM = 0.5
"""Runs at least this probably a stock-out are listed."""

LEARNED_FROM = 400
"""Runs that a store's rates are learned from at most."""

_LEAST_SURPRISE, _LEAST_LEARNED = 2.5, 0.5
_PASSES = 2
_TELLING = 0.5
_GONE_PRIOR_DAYS = 5_000.0
_P10, _P90 = 0.1, 0.9


@dataclass(frozen=True)
class Found:
    """The runs of a store that were weighed.

    Attributes:
        open_days: indices of the history's days on which the store was open; runs count in them.
        runs: the runs.
        expected: units expected on each day of a run, were there goods: days x runs.
        levels: what is known of each run's demand.
        chances: the chance of an empty shelf, of the whole run and of its days.
        rates: how often stock-outs begin and end in this store, as learned from its runs.
        counted: per run, whether a count says that the shelf was empty on some day of it.
    """

    open_days: Codes
    runs: Runs
    expected: Floats
    levels: Levels
    chances: Chances
    rates: Rates
    counted: Flags


def weigh(demand: Demand, origin: int, factors: Factors) -> Found | None:
    """The runs that could be stock-outs as known on day `origin`, and their chances; None where there is no such run.

    The factors are those of that day.

    Levels are taken twice: the second time the days that were found to be stock-outs count for no demand.
    """
    open_days = np.flatnonzero(demand.open[: origin + 1])
    units = demand.units[open_days]
    runs, gone = find_runs(units > 0)
    launch = np.searchsorted(open_days, demand.first_sale).astype(np.int64)
    launched = np.arange(len(open_days))[:, None] > launch
    out, in_stock = demand.out[open_days], demand.in_stock[open_days]
    weight = (launched & ~out).astype(np.float64)
    factor = factors.on(demand, slice(0, origin + 1))[open_days]
    rates = usual_rates((gone + 1.0) / (float(launched.sum()) + _GONE_PRIOR_DAYS))
    found: Found | None = None
    for _ in range(_PASSES):
        now = weight.copy()
        if found is not None:
            step, run = np.nonzero(found.chances.day)
            now[found.runs.start[run] + step, found.runs.product[run]] *= 1.0 - found.chances.day[step, run]
        days = OpenDays(units, factor * store_days(units, factor, now)[:, None], launch)
        found = _weighed(open_days, days, runs, now, out=out, in_stock=in_stock, rates=rates)
        if found is None:
            return None
        rates = found.rates
    return found


def _weighed(
    open_days: Codes, days: OpenDays, runs: Runs, weight: Floats, *, out: Flags, in_stock: Flags, rates: Rates
) -> Found | None:
    around = levels(days, runs, weight)
    total, counts = summed(days.factor), summed(out)
    end = runs.start + runs.length
    surprise = around.per_unit * around.level * (total[end, runs.product] - total[runs.start, runs.product])
    counted = counts[end, runs.product] > counts[runs.start, runs.product]
    sells = (days.units * (weight > 0)).sum(axis=0) / np.maximum((weight > 0).sum(axis=0), 1)
    telling = sells >= _TELLING
    looked_at = (surprise >= _LEAST_SURPRISE) | counted
    if not looked_at.any():
        return None
    stock = (in_stock, out)
    learned = _chosen(runs, (surprise >= _LEAST_LEARNED) & telling[runs.product])
    evidence, _ = _evidence(days, runs, around, stock, learned[:: max(1, -(-len(learned) // LEARNED_FROM))])
    seen = float((weight[:, telling] > 0).sum()) * len(evidence.length) / max(len(learned), 1)
    rates = learn(evidence, seen, rates)
    chosen = _chosen(runs, looked_at)
    evidence, expected = _evidence(days, runs, around, stock, chosen)
    return Found(
        open_days, runs.take(chosen), expected, around.take(chosen), chances(evidence, rates), rates, counted[chosen]
    )


def _chosen(runs: Runs, wanted: Flags) -> Codes:
    """The wanted runs, the longest first."""
    chosen = np.flatnonzero(wanted)
    return chosen[np.argsort(-runs.length[chosen], kind="stable")]


def _evidence(
    days: OpenDays, runs: Runs, around: Levels, stock: tuple[Flags, Flags], chosen: Codes
) -> tuple[Evidence, Floats]:
    """The evidence of the chosen runs, and the units expected on their days: days x runs."""
    runs, around = runs.take(chosen), around.take(chosen)
    step = np.arange(int(runs.length.max(initial=0)))[:, None]
    inside = step < runs.length
    at = np.where(inside, runs.start + step, runs.start)
    expected = np.where(inside, around.level * days.factor[at, runs.product], 0.0)
    in_stock, out = (cells[at, runs.product] & inside if cells.any() else np.zeros_like(inside) for cells in stock)
    return Evidence(
        runs.length, runs.ended, expected * around.per_unit, level_errors(around.shape), in_stock, out
    ), expected


def _lost(found: Found, rows: Codes) -> tuple[Floats, Floats, Floats]:
    """Units lost in these runs: mean, and the 10 % and 90 % points of what may have been lost, nothing included.

    With the chance that there was no stock-out nothing was lost; else the units of the empty days, negative binomial
    with the errors of the level and of the days on which the shelf was empty.
    """
    from scipy import special

    chance = found.chances.any_day[rows]
    share, expected, around = (
        np.minimum(found.chances.day[:, rows] / chance, 1.0),
        found.expected[:, rows],
        found.levels,
    )
    mean = np.maximum((share * expected).sum(axis=0), 1e-9)
    variance = around.ratio[rows] * mean + mean**2 / around.shape[rows]
    variance += (share * (1.0 - share) * expected**2).sum(axis=0)
    ratio = np.maximum(variance / mean, 1.001)
    points = []
    for level in (_P10, _P90):
        within = (level - (1.0 - chance)) / chance
        known = np.clip(within, 1e-6, 1.0 - 1e-6)
        units = np.maximum(np.ceil(special.nbdtrik(known, mean / (ratio - 1.0), 1.0 / ratio) - 1e-6), 0.0)
        points.append(np.where(within > 0, units, 0.0))
    return chance * mean, points[0], points[1]


def find_stock_outs(
    demand: pa.Table, promotions: pa.Table, calendar: pa.Table, *, store: str, last_day: date, history_days: int
) -> pa.Table:
    """The probable stock-outs of a store as known on its last day, as `model.estimates.PROBABLE_STOCK_OUTS`.

    Args:
        demand: rows of `product_kpis` of the store: `day, product, category, units, average_price, on_hand`, in any
            order.
        promotions: as `model.tables.PROMOTIONS`.
        calendar: as `model.tables.CALENDAR`.
        store: the store.
        last_day: the store's last known day.
        history_days: days of history, `last_day` included.
    """
    history = read_demand(
        demand, promotions, calendar, store=store, made_on=last_day, history_days=history_days, horizon_days=0
    )
    if history is None:
        return PROBABLE_STOCK_OUTS.arrow_schema().empty_table()
    last = len(history.units) - 1
    return stock_out_table(demand, history, weigh(history, last, fit_factors(history, last)), store)


def stock_out_table(demand: pa.Table, history: Demand, found: Found | None, store: str) -> pa.Table:
    """The probable stock-outs of a store as `model.estimates.PROBABLE_STOCK_OUTS`, by product and day.

    Args:
        demand: rows of `product_kpis` of the store: `day, product, average_price`, in any order.
        history: the same, as read.
        found: the runs as known on the last day of the history.
        store: the store.
    """
    if found is None:
        return PROBABLE_STOCK_OUTS.arrow_schema().empty_table()
    daily = found.chances.day
    shown = daily >= 0.5 * daily.max(axis=0)
    step = np.arange(len(daily))[:, None]
    first = found.runs.start + np.argmax(shown, axis=0)
    last = found.runs.start + np.where(shown, step, 0).max(axis=0)
    rows = np.flatnonzero(found.chances.any_day >= LISTED_FROM)
    rows = rows[np.lexsort((first[rows], found.runs.product[rows]))]
    mean, low, high = _lost(found, rows)
    epoch = (history.first_day - date(1970, 1, 1)).days
    first_day, last_day = (epoch + found.open_days[place[rows]] for place in (first, last))
    product = found.runs.product[rows]
    price = _prices(demand, history.products, product, first_day)
    columns: dict[str, pa.Array[Any]] = {
        "store": pa.array([store] * len(rows), pa.string()),
        "product": pa.array(history.products, pa.string()).take(pa.array(product, pa.int64())),
        "first_day": pa.array(first_day.astype(np.int32)).cast(pa.date32()),
        "last_day": pa.array(last_day.astype(np.int32)).cast(pa.date32()),
        "days": pa.array((last - first + 1)[rows].astype(np.int64)),
        "probability": pa.array(found.chances.any_day[rows]),
        "evidence": pa.array(np.where(found.counted[rows], "count", "sales").tolist(), pa.string()),
        "lost_units": pa.array(mean),
        "lost_units_p10": pa.array(low),
        "lost_units_p90": pa.array(high),
        "lost_revenue": pa.array(mean * np.nan_to_num(price), mask=np.isnan(price)),
    }
    schema = PROBABLE_STOCK_OUTS.arrow_schema()
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _prices(demand: pa.Table, products: list[str], product: Codes, day: Codes) -> Floats:
    """The latest average price of each product before the day; not a number where there is none."""
    names = pa.array([products[number] for number in np.unique(product).tolist()], pa.string())
    priced = demand.filter(
        pc.and_(pc.is_in(demand["product"].cast(pa.string()), value_set=names), pc.is_valid(demand["average_price"]))
    )
    code = np.unique(product)[pc.index_in(priced["product"].cast(pa.string()), value_set=names).to_numpy()]
    days = np.asarray(priced["day"].cast(pa.int32()).to_numpy(), dtype=np.int64)
    value = np.asarray(priced["average_price"].cast(pa.float64()).to_numpy(), dtype=np.float64)
    width = int(max(days.max(initial=0), day.max(initial=0))) + 1
    order = np.argsort(code * width + days, kind="stable")
    at = np.searchsorted((code * width + days)[order], product * width + day) - 1
    if not len(order):
        return np.full(len(product), np.nan)
    row = order[np.maximum(at, 0)]
    return np.where((at >= 0) & (code[row] == product), value[row], np.nan)
