"""Prices known ahead: what each product will cost on the days of the forecast, and what that does to its demand.

Belongs here: plans and decisions made into a price for each day, and their effect with its uncertainty. Does not belong
here: elasticities (`price_response`) and the forecast at today's prices (`forecast_origin`).

A price acts as constant elasticity: units are multiplied by (planned price / price behind the level) ^ elasticity, the
elasticity being normal with the mean and the standard error of `price_response`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, timedelta

import numpy as np
import pyarrow as pa

from emma_platform.model.tables import PRICE_PLAN
from emma_platform.transforms.demand import Codes, Demand, Flags, Floats
from emma_platform.transforms.forecast_origin import OriginForecast
from emma_platform.transforms.price_panel import Rows, codes, current_price, floats, places, product_days, promoted_days
from emma_platform.transforms.smoothing import RATES

MEMORY_DAYS = 182
"""A plan that began longer ago is history: the level has long been that of its price."""

CARRIED_OUT_WITHIN_DAYS = 7
"""So long a plan stands though sales still show another price; after that, what is paid is the price."""

LARGEST_LOG_CHANGE = 1.0
"""No price is taken to move demand by more than one of 2.7 times the price behind it: elasticities know no further."""

_SAME = 0.005
_DEPTH_DAYS = 7.0
_DECLINED = "decline"


@dataclass(frozen=True)
class PricePath:
    """Prices of the days of the forecast and their effect, horizon x products.

    Attributes:
        price: what is charged; not a number where it stays as it is.
        lift: what demand is multiplied by.
        variance: of the lift, relative to its square, from the uncertainty of the elasticity.
    """

    price: Floats
    lift: Floats
    variance: Floats

    def applied(self, made: OriginForecast) -> OriginForecast:
        """The forecast at these prices: mean, naive and variance scaled, the lift's own variance added."""
        mean = made.mean * self.lift
        variance = made.variance * self.lift + mean**2 * self.variance
        return replace(made, mean=mean, variance=variance, naive=made.naive * self.lift)


def with_decisions(plan: pa.Table, decisions: pa.Table) -> pa.Table:
    """The plan and, as rows of it, the prices decided on price advice, from the day of the decision on (in UTC).

    Of several decisions on a product of a store the last counts; a refusal takes back what was accepted before.

    Args:
        plan: as `model.tables.PRICE_PLAN`.
        decisions: as `model.advice.ADVICE_DECISIONS`.
    """
    last = {
        (row["store"], row["product"]): row
        for row in decisions.sort_by("decided_at").select(
            ["store", "product", "decided_at", "decision", "price"]
        ).to_pylist()
    }  # fmt: skip
    rows = [
        {**row, "first_day": row["decided_at"].astimezone(UTC).date(), "last_day": None}
        for row in last.values()
        if row["decision"] != _DECLINED
    ]
    schema = PRICE_PLAN.arrow_schema()
    return pa.concat_tables([plan, pa.Table.from_pylist(rows, schema=schema)])


def planned_prices(
    demand: pa.Table,
    promotions: pa.Table,
    plan: pa.Table,
    response: pa.Table,
    *,
    history: Demand,
    made: OriginForecast,
    store: str,
) -> PricePath:
    """What the plan makes of the forecast of the days after the last known one.

    The price behind a product's level is the mean of its log prices, weighted as the level weights its days. On a
    promoted day a price with a last day is what is paid in the promotion, whose uplift knows the cut that promotions
    usually have: only what the price lies above or below that counts. Without a last day it is the price that the
    promotion's cut is taken off.

    Args:
        demand: rows of `product_kpis` of the store: `day, product, category, sold_units, sold_revenue, on_hand`.
        promotions: as `model.tables.PROMOTIONS`; a null store means every store.
        plan: as `model.tables.PRICE_PLAN`; a null store means every store. The latest first day counts, of two the
            store's own.
        response: `price_response` of the store; a product without a row keeps its demand.
        history: the store's demand.
        made: the forecast from the last known day, at the prices behind its level.
        store: the store.
    """
    horizon, width = made.mean.shape
    names = pa.array(history.products, pa.string())
    path = PricePath(np.full((horizon, width), np.nan), np.ones((horizon, width)), np.zeros((horizon, width)))
    rows = _of_products(plan, store, names, history.made_on, horizon)
    if not rows:
        return path
    known = _Known.of(demand, promotions, history, store)
    mine = np.array(sorted(rows), dtype=np.int64)
    paid = np.full((horizon, len(mine)), np.nan)
    temporary = np.zeros((horizon, len(mine)), dtype=np.bool_)
    for place, product in enumerate(mine.tolist()):
        known.paint(rows[product], product, paid[:, place], temporary[:, place])
    current = known.current[mine]
    change = np.log(paid) - known.behind_level(mine, made.fitted.rate_weights)
    promoted = history.promoted[made.origin + 1 : made.origin + 1 + horizon, mine]
    change -= np.where(temporary & promoted, known.cuts()[mine], 0.0)
    change = np.clip(np.nan_to_num(change), -LARGEST_LOG_CHANGE, LARGEST_LOG_CHANGE)
    at = codes(names.take(places(mine)), response["product"].combine_chunks())
    elasticity, error = (
        np.where(at >= 0, np.r_[floats(response[name]), 0.0][at], 0.0) for name in ("elasticity", "std_error")
    )
    path.lift[:, mine] = np.exp(elasticity * change)
    path.variance[:, mine] = np.expm1((error * change) ** 2)
    with np.errstate(invalid="ignore"):
        stays = np.abs(np.log(paid / current)) <= _SAME
    path.price[:, mine] = np.where(stays, np.nan, paid)
    return path


@dataclass(frozen=True)
class _Row:
    """A row of the plan; days count from the first one of the forecast, `until` is the day after the last."""

    start: int
    until: int
    temporary: bool
    own: bool
    price: float


def _of_products(
    plan: pa.Table, store: str, names: pa.Array[pa.StringScalar], made_on: date, horizon: int
) -> dict[int, list[_Row]]:
    """The rows that bear on the forecast by product, those that count first last."""
    first = made_on + timedelta(days=1)
    found: dict[int, list[_Row]] = {}
    product = codes(plan["product"], names)
    columns = [plan[name].to_pylist() for name in ("store", "first_day", "last_day", "price")]
    for number, whose, begins, ends, price in zip(product.tolist(), *columns, strict=True):
        start = (begins - first).days
        if number >= 0 and whose in (None, store) and -MEMORY_DAYS <= start < horizon:
            until = horizon if ends is None else (ends - first).days + 1
            row = _Row(start, until, ends is not None, whose is not None, float(price))
            found.setdefault(number, []).append(row)
    for rows in found.values():
        rows.sort(key=lambda row: (row.start, row.own, row.temporary, row.price))
    return found


@dataclass(frozen=True)
class _Known:
    """Prices paid, for the products of the history in its order.

    Attributes:
        current: the price now; 0 where none is known.
        regular: products x days, the log price paid outside promotions, not a number on a day without.
        carried: the same with the price of the day before where there is none.
        cut: log price of promoted days against the regular one, summed over `cut_days`.
    """

    current: Floats
    regular: Floats
    carried: Floats
    cut: Floats
    cut_days: Floats

    @classmethod
    def of(cls, demand: pa.Table, promotions: pa.Table, history: Demand, store: str) -> _Known:
        days = len(history.units)
        rows = product_days(demand, history.first_day, days)
        promoted = promoted_days(promotions, rows.products, store, history.made_on, days)
        place = codes(pa.array(history.products, pa.string()), rows.products)
        regular, paid = (_log_prices(rows, chosen, days) for chosen in (~promoted, promoted))
        seen = np.maximum.accumulate(np.where(np.isnan(regular), -1, np.arange(days)), axis=1)
        carried = np.where(seen >= 0, np.take_along_axis(regular, np.maximum(seen, 0), axis=1), np.nan)
        cut = paid - carried
        held = ~np.isnan(cut)
        return cls(
            current_price(rows, promoted)[place],
            regular[place],
            carried[place],
            np.where(held, cut, 0.0).sum(axis=1)[place],
            held.sum(axis=1)[place].astype(np.float64),
        )

    def cuts(self) -> Floats:
        """The usual cut of each product's promotions, on the log scale, drawn to the store's."""
        store = self.cut.sum() / max(float(self.cut_days.sum()), 1.0)
        return np.asarray((self.cut + _DEPTH_DAYS * store) / (self.cut_days + _DEPTH_DAYS), dtype=np.float64)

    def behind_level(self, products: Codes, rate_weights: Floats) -> Floats:
        """The log price behind each product's level; not a number where none is known."""
        log = self.carried[products]
        known = ~np.isnan(log)
        age = np.arange(log.shape[1])[::-1]
        weight = RATES[:, None] * (1.0 - RATES[:, None]) ** age
        total = weight @ known.T.astype(np.float64)
        mean = np.divide(weight @ np.where(known, log, 0.0).T, total, out=np.zeros_like(total), where=total > 0)
        mixed = (rate_weights[:, products] * mean).sum(axis=0)
        return np.where(known.any(axis=1), mixed, np.nan)

    def paint(self, rows: list[_Row], product: int, paid: Floats, temporary: Flags) -> None:
        """Fill in the price of each day of the forecast, and whether it is a temporary one."""
        log, current = self.regular[product], float(self.current[product]) or np.nan
        days = np.arange(-len(log), 0)
        sold = ~np.isnan(log)
        lasting = sold.copy()
        for row in rows:
            if row.temporary:
                lasting &= (days < row.start) | (days >= row.until)
        base = float(np.exp(log[np.flatnonzero(lasting)[-1]])) if lasting.any() else current
        if lasting.any() and not (sold & ~lasting).any():
            base = current
        paid[:] = base
        for row in rows:
            shown = row.start < -CARRIED_OUT_WITHIN_DAYS and bool((sold & (days >= row.start)).any())
            observed = current if row.temporary else base
            inside = slice(max(row.start, 0), max(row.until, 0))
            paid[inside] = observed if shown else row.price
            temporary[inside] = row.temporary


def _log_prices(rows: Rows, chosen: Flags, days: int) -> Floats:
    """Products x days: the log price of the chosen days with a sale; not a number on the others."""
    result = np.full((len(rows.products), days), np.nan)
    held = (rows.price > 0) & chosen[rows.code, rows.day]
    result[rows.code[held], rows.day[held]] = np.log(rows.price[held])
    return result
