"""Why a key figure moved: its change between two periods as parts that sum to it exactly, per store and product.

Belongs here: the arithmetic of the parts. Does not belong here: the sums it starts from (`kpi_changes.sql`), which
periods and products are asked for (`serving.changes`) and the parts' words (`model.parts`).

Method: a figure of a period is days x rate, and a rate is units x value of a unit. A product of two factors that
changes is split by Bennet's indicator, (a1 - a0) (b0 + b1) / 2 + (b1 - b0) (a0 + a1) / 2: exact, and the same whichever
period is the base (Bennet, The theory of measurement of changes in cost of living, Journal of the Royal Statistical
Society 83, 1920; Balk, Price and Quantity Index Numbers, 2008, section 3.2). The parts of a category, store or chain
are the sums of those of its products, and a product that hardly sells moves little.

1. stores, calendar: the change of the number of days of a kind (`kpi_changes.sql`), at the mean rate of such a day.
2. promotion: the change of the share of those days that were promoted, at what a promoted day brought beyond another.
3. what is left, on the mean number of days of each kind, is a change of units a day and of the value of a unit. The
   second is price and cost. The first is lost units (stock_outs) and demand; demand is the store's category (volume)
   times the product's share of it (mix).
A rate that cannot be known, because a period has no such day, is taken over from the other period. A store that traded
in only one of the periods is an opening or a closure with all of its change. A product that sold in only one is new or
gone with all of its change if, at the rate of that period, at least three days with a sale were to be expected in the
other: below that, none at all has a chance above 5 % (rule of three: Hanley and Lippman-Hand, If nothing goes wrong, is
everything all right?, JAMA 249, 1983), and it counts under volume and mix.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from emma_platform.model.parts import PART_NAMES
from emma_platform.transforms.day_rates import DayRates, Floats, Wholes, mean, read_sums, step
from emma_platform.transforms.exact_sums import exact_parts
from emma_platform.transforms.ten_thousandths import decimals

KPIS: tuple[str, ...] = ("revenue", "gross_margin", "units", "receipts")
"""The key figures that can be explained; receipts by store only, for a receipt holds many products."""

EXPECTED_DAYS = 3.0
"""Days with a sale to be expected, from which on none at all says that a product is new or gone."""

_Claims = dict[str, NDArray[np.bool_]]


def split_changes(sums: pa.Table, kpi: str, *, second_is_later: bool = True) -> pa.Table:
    """The change of a key figure from period 0 to period 1, per store and product.

    Args:
        sums: as `kpi_changes.sql` gives them.
        kpi: one of `KPIS`. Gross margin leaves out the products that have a row without a cost.
        second_is_later: period 1 is the later one; decides only what is called new and what gone.

    Returns:
        store, product (null for receipts), category, before, after, change and `model.parts.PART_NAMES`, by store and
        product, without those that have nothing in either period. Figures are decimals of four places, and in every row
        the parts sum to the change.

    Raises:
        ValueError: there is no such key figure.
    """
    if kpi not in KPIS:
        raise ValueError(f"no key figure {kpi!r} can be explained; there are {', '.join(KPIS)}")
    return _split(_read(sums, kpi), kpi, second_is_later=second_is_later)


def split_all(sums: pa.Table) -> dict[str, pa.Table]:
    """`split_changes` of every key figure, period 1 being the later one; what several of them need is read once."""
    same = _read(sums, "revenue")
    return {
        kpi: _split(same if kpi in {"revenue", "units"} else _read(sums, kpi), kpi, second_is_later=True)
        for kpi in KPIS
    }


def _read(sums: pa.Table, kpi: str) -> DayRates:
    return read_sums(sums, of_stores=kpi == "receipts", only_with_cost=kpi == "gross_margin")


def _split(known: DayRates, kpi: str, *, second_is_later: bool) -> pa.Table:
    both = np.rint(known.totals(_figure(known.figures, kpi).sum(axis=2))).astype(np.int64)
    change = both[:, 1] - both[:, 0]
    claims = _claims(known, second_is_later=second_is_later)
    alike = ~np.logical_or.reduce(list(claims.values()))
    amounts = _of_days(known, _figure(known.rates, kpi)) | _of_sales(known, kpi, alike)
    parts = np.stack([np.where(alike, amounts.get(name, 0), 0) for name in PART_NAMES], axis=1)
    for name, claimed in claims.items():
        parts[claimed, PART_NAMES.index(name)] = change[claimed]
    exact = exact_parts(parts, change)
    figures = {"before": both[:, 0], "after": both[:, 1], "change": change}
    columns = figures | dict(zip(PART_NAMES, exact.T, strict=True))
    return pa.table({**known.names, **{name: decimals(values) for name, values in columns.items()}})


def _figure(figures: Mapping[str, Floats], kpi: str) -> Floats:
    if kpi == "gross_margin":
        margin: Floats = figures["revenue"] - figures["cost"]
        return margin
    return figures["revenue" if kpi == "revenue" else "units"]


def _claims(known: DayRates, *, second_is_later: bool) -> _Claims:
    """The series whose whole change is an opening, a closure, a new or a gone product; no series is two of them."""
    claims = {name: np.zeros(known.series, dtype=bool) for name in PART_NAMES[:4]}
    sold = known.totals(np.abs(known.figures["units"]) + np.abs(known.figures["revenue"]) + known.figures["lost"])
    is_product = known.names["product"].null_count == 0
    for silent in (0, 1):
        other = 1 - silent
        days, other_days = known.store_days[known.store, silent], known.store_days[known.store, other]
        unopened, closed = known.store_unopened[known.store, silent], known.store_closed[known.store, silent]
        only_other = (days == 0) & (other_days > 0)
        claims["stores_opened"] |= only_other & (unopened > 0) & (unopened >= closed)
        claims["stores_closed"] |= only_other & (closed > unopened)
        share = np.divide(days, other_days, out=np.zeros(known.series), where=other_days > 0)
        expected = known.selling_days[:, other] * share
        unsold = (sold[:, silent].sum(axis=1) == 0) & (expected >= EXPECTED_DAYS)
        name = "products_new" if (silent == 0) == second_is_later else "products_gone"
        claims[name] |= unsold & is_product
    return claims


def _of_days(known: DayRates, rate: Floats) -> dict[str, Floats]:
    """The parts that come from how many days of which kind there were."""
    usual = mean(known.day_rate(rate))
    beyond = mean(rate[..., 1] - rate[..., 0])
    by_place = {
        "stores_opened": -step(known.unopened) * usual,
        "stores_closed": -step(known.closed) * usual,
        "calendar": step(known.days + known.unopened + known.closed) * usual,
        "promotion": mean(known.days) * step(known.promoted_share) * beyond,
    }
    return {name: known.totals(values) for name, values in by_place.items()}


def _of_sales(known: DayRates, kpi: str, alike: NDArray[np.bool_]) -> dict[str, Floats]:
    """The parts that come from units a day and the value of a unit, on the same days."""
    units, lost, revenue, cost = (
        known.on_same_days(known.rates[name]) for name in ("units", "lost", "revenue", "cost")
    )
    value = np.ones((known.series, 2))
    parts: dict[str, Floats] = {}
    if kpi in {"revenue", "gross_margin"}:
        value = _unit_value(revenue, units)
        parts["price"] = (step(revenue) - step(units) * value).sum(axis=1)
    if kpi == "gross_margin":
        unit_cost = _unit_value(cost, units)
        parts["cost"] = (step(units) * unit_cost - step(cost)).sum(axis=1)
        value = value - unit_cost
    parts["stock_outs"] = -(step(lost) * value).sum(axis=1)
    demand = units + lost
    in_group = known.names["product"].null_count == 0
    groups = known.group if in_group else np.arange(known.series)
    total = _by_group(groups, np.where(alike[:, None], demand.sum(axis=2), 0))[groups]
    has_shares = np.all(total > 0, axis=1)
    shares = np.divide(demand, total[..., None], out=np.zeros_like(demand), where=has_shares[:, None, None])
    as_the_group = np.where(has_shares[:, None], step(total)[:, None] * mean(shares), step(demand))
    beyond_it = np.where(has_shares[:, None], mean(total)[:, None] * step(shares), 0)
    parts["volume"] = (as_the_group * value).sum(axis=1)
    parts["mix"] = (beyond_it * value).sum(axis=1)
    return parts


def _unit_value(money: Floats, units: Floats) -> Floats:
    """Mean value of a unit over the periods with units, series x promotion; with returns only, of both together."""
    some = units > 0
    each = np.divide(money, units, out=np.zeros_like(money), where=some)
    counted = some.sum(axis=1)
    usual = np.divide(each.sum(axis=1), counted, out=np.zeros_like(each[:, 0]), where=counted > 0)
    all_money, all_units = money.sum(axis=1), units.sum(axis=1)
    pooled = np.divide(all_money, all_units, out=np.zeros_like(all_money), where=all_units != 0)
    result: Floats = np.where(counted > 0, usual, pooled)
    return result


def _by_group(groups: Wholes, values: Floats) -> Floats:
    result: Floats = np.stack([np.bincount(groups, column) for column in values.T], axis=1)
    return result
