"""What came of price advice: for each decision, the change of price and its effect against controls.

Belongs here: when the price changed, which controls and days count, and the effect in units and money. Does not belong
here: the estimate itself (`counterfactual`), cutting sales to a window (`advice_window`), the words (`advice_words`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from emma_platform.model.advice import ADVICE_EFFECTS
from emma_platform.transforms.advice_window import Sales, Series, Window
from emma_platform.transforms.advice_words import Effect, reason
from emma_platform.transforms.counterfactual import Counterfactual, Floats, counterfactual
from emma_platform.transforms.price_panel import SAME_PRICE, WEEK, Flags

BLOCK_DAYS = 28
BEFORE_BLOCKS = 3
BEFORE_DAYS = BLOCK_DAYS * BEFORE_BLOCKS
AFTER_DAYS = 28
"""Days over which an effect is measured, at most; the same as the promise's."""

FEWEST_DAYS = 14
"""Days that count which an effect is measured over, at least; two of each weekday."""

WAITING_DAYS = 28
"""Days from a decision within which its price must be seen."""

FEWEST_STORES = 2
MOST_CONTROLS = 20
HORIZON_WEEKS = 4

_EPOCH = date(1970, 1, 1)
_DECLINED, _ACCEPTED, _CHANGED = "decline", "accept", "change"


@dataclass(frozen=True, slots=True)
class _Decision:
    """One row of `advice_decisions` as a plain record; `next_on` is the day of the next decision on the product."""

    row: dict[str, Any]
    next_on: int | None

    @property
    def series(self) -> Series:
        return self.row["store"], self.row["product"]

    @property
    def on(self) -> int:
        return int((self.row["made_on"] - _EPOCH).days)

    def number(self, name: str) -> float:
        value = self.row[name]
        return float("nan") if value is None else float(value)


def span(decisions: pa.Table) -> tuple[date, date] | None:
    """The first and last day whose sales the effects of these decisions may depend on; None without any to measure."""
    days = [item["made_on"] for item in decisions.to_pylist() if item["decision"] != _DECLINED]
    if not days:
        return None
    before = timedelta(BEFORE_DAYS - 1)
    return max(min(days), date.min + before) - before, min(max(days), _LAST) + timedelta(WAITING_DAYS + AFTER_DAYS)


_LAST = date.max - timedelta(WAITING_DAYS + AFTER_DAYS)


def advice_effects(decisions: pa.Table, sales: pa.Table, promotions: pa.Table) -> pa.Table:
    """The effect of each decision on price advice; of several on one recommendation the last counts.

    Treated is the product in its store from the first day at a price nearer to the decided one than to the old one,
    for 28 days or until the price goes back; before it, 84 days at the old price. Controls are the same product in
    other stores while its price there stays what it was on the day of the change, at most 20, those whose pattern
    before was nearest (squared distance of square roots of shares, which keeps the noise of counts even); where two
    such stores are not to be had, also the other products of its category in the same store. Days of promotions and of
    empty shelves do not count, on either side. Delivered is profit made less the profit that the expected units would
    have made at the old price, at the unit cost of the decision, so that a change of cost is not taken for an effect.

    Args:
        decisions: `advice_decisions`.
        sales: `product_kpis` within `span` of the decided products in every store, and of their categories in the
            stores of the decisions: columns as `advice_window.Sales` takes them.
        promotions: the table `promotions`.

    Returns:
        `advice_effects`, sorted by store, product and made_on.
    """
    found = Sales(sales, promotions)
    rows = [_row(decision, _measured(decision, found)) for decision in _last_of_each(decisions)]
    return pa.Table.from_pylist(rows, schema=ADVICE_EFFECTS.arrow_schema())


def _last_of_each(decisions: pa.Table) -> Iterator[_Decision]:
    ordered = decisions.sort_by([(name, "ascending") for name in ("store", "product", "made_on", "decided_at")])
    last = {(row["store"], row["product"], row["made_on"]): row for row in ordered.to_pylist()}
    rows = list(last.values())
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        follows = after is not None and (after["store"], after["product"]) == (row["store"], row["product"])
        yield _Decision(row, (after["made_on"] - _EPOCH).days if after and follows else None)


def _measured(decision: _Decision, sales: Sales) -> Effect:
    """What came of one decision."""
    if decision.row["decision"] == _DECLINED:
        return Effect("declined")
    old, new, cost = (decision.number(name) for name in ("current_price", "price", "unit_cost"))
    if not (old > 0 and new > 0 and cost >= 0):
        return Effect("not_known")
    if abs(np.log(new / old)) < SAME_PRICE:
        return Effect("price_not_changed")
    return _followed(decision, sales, old, new)


def _followed(decision: _Decision, sales: Sales, old: float, new: float) -> Effect:
    """What came of a decision to charge another price."""
    first, length = decision.on - BEFORE_DAYS + 1, BEFORE_DAYS + WAITING_DAYS + AFTER_DAYS
    known = sales.last_day(decision.series)
    end = min(length, length if decision.next_on is None else decision.next_on - first + 1)
    end = 0 if known is None else min(end, known - first + 1)
    superseded = decision.next_on is not None and decision.next_on - decision.on < WAITING_DAYS
    seen = sales.window([decision.series], first, length)
    at_new = _nearer_to_new(seen.price[0], old, new)
    changed = _first(at_new, BEFORE_DAYS, min(end, BEFORE_DAYS + WAITING_DAYS))
    if changed is None:
        waiting = end < BEFORE_DAYS + WAITING_DAYS
        return Effect("replaced" if superseded else "too_early" if waiting else "price_not_changed")
    stop = _first(~at_new, changed, min(end, changed + AFTER_DAYS)) or min(end, changed + AFTER_DAYS)
    effect = Effect("too_early", changed_on=_EPOCH + timedelta(first + changed))
    if (seen.counts[0, changed:stop]).sum() < FEWEST_DAYS:
        reversed_ = stop < min(end, changed + AFTER_DAYS)
        over = "not_known" if stop == changed + AFTER_DAYS else "replaced" if superseded else "too_early"
        return replace(effect, status="reversed" if reversed_ else over)
    return _against_controls(decision, sales, effect, first + changed, stop - changed)


def _nearer_to_new(price: Floats, old: float, new: float) -> Flags:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.abs(np.log(price / new)) < np.abs(np.log(price / old)))


def _first(flags: Flags, start: int, stop: int) -> int | None:
    found = np.flatnonzero(flags[start:stop])
    return start + int(found[0]) if len(found) else None


def _against_controls(decision: _Decision, sales: Sales, effect: Effect, changed: int, after: int) -> Effect:
    """The effect from the day of the change on, over so many days."""
    treated = decision.series
    old = decision.number("current_price")
    for kind, others in _pools(sales, treated):
        window = sales.window([treated, *others], changed - BEFORE_DAYS, BEFORE_DAYS + after)
        counts = window.counts & window.at(window.price[:, [BEFORE_DAYS]])
        counts[0, :BEFORE_DAYS] = (window.counts & window.at(np.array([[old]])))[0, :BEFORE_DAYS]
        chosen = _controls(window, counts, after)
        if kind == "stores" and len(chosen) < FEWEST_STORES:
            continue
        rows = [0, *chosen]
        cells = _blocks(window.units[rows], counts[rows])
        if not cells[1][0, -1]:
            return replace(effect, status="not_known")
        expected = counterfactual(*cells)
        if expected is not None:
            money = window.revenue[0, BEFORE_DAYS:][counts[0, BEFORE_DAYS:]].sum()
            known = replace(effect, status="measured", control=kind, controls=len(chosen), days=int(cells[1][0, -1]))
            return _in_money(known, decision, expected, float(cells[0][0, -1]), float(money))
    return replace(effect, status="no_control")


def _pools(sales: Sales, treated: Series) -> Iterator[tuple[str, Sequence[Series]]]:
    stores = sales.other_stores(treated)
    yield "stores", stores
    yield "stores and category", [*stores, *sales.other_products(treated)]


def _controls(window: Window, counts: Flags, after: int) -> list[int]:
    """The rows whose price stayed for half of the days after and two weeks before; the nearest, if they are many."""
    before = counts[:, :BEFORE_DAYS].sum(axis=1)
    enough = (before >= FEWEST_DAYS) & (2 * counts[:, BEFORE_DAYS:].sum(axis=1) >= after)
    enough &= (window.units * counts)[:, :BEFORE_DAYS].sum(axis=1) > 0
    rows = np.flatnonzero(enough[1:]) + 1
    if len(rows) > MOST_CONTROLS:
        shares = _pattern(window.units, counts)
        distance = ((shares[rows] - shares[0]) ** 2).sum(axis=1)
        rows = np.sort(rows[np.argsort(distance, kind="stable")[:MOST_CONTROLS]])
    return [int(row) for row in rows]


def _pattern(units: Floats, counts: Flags) -> Floats:
    """Square roots of the shares of each week before the change."""
    shape = (len(units), BEFORE_DAYS // WEEK, WEEK)
    sold = (units * counts)[:, :BEFORE_DAYS].reshape(shape).sum(axis=2)
    rate = sold / np.maximum(counts[:, :BEFORE_DAYS].reshape(shape).sum(axis=2), 1)
    return np.asarray(np.sqrt(rate / np.maximum(rate.sum(axis=1, keepdims=True), 1e-12)))


def _blocks(units: Floats, counts: Flags) -> tuple[Floats, Floats]:
    """Units and days that count of each block, the one after the change last; cells below a week are left out."""
    starts = np.r_[np.arange(BEFORE_BLOCKS) * BLOCK_DAYS, BEFORE_DAYS]
    sold = np.add.reduceat(np.where(counts, units, 0.0), starts, axis=1)
    days = np.add.reduceat(counts.astype(np.float64), starts, axis=1)
    few = days < WEEK
    return np.where(few, 0.0, sold), np.where(few, 0.0, days)


def _in_money(effect: Effect, decision: _Decision, expected: Counterfactual, units: float, revenue: float) -> Effect:
    """Effect a week in units and profit, with quantiles by Student's t and the delta method."""
    from scipy.special import stdtrit

    old, new, cost = (decision.number(name) for name in ("current_price", "price", "unit_cost"))
    margin_now = revenue / units - cost if units > 0 else new - cost
    noise = expected.dispersion * max(units, expected.units, 1.0)
    unsure = expected.units**2 * expected.log_variance
    week = WEEK / effect.days
    reach = float(stdtrit(expected.freedom, 0.9))

    def quantiles(middle: float, variance: float) -> tuple[float, float, float]:
        half = reach * float(np.sqrt(variance))
        return week * (middle - half), week * middle, week * (middle + half)

    return replace(
        effect,
        units=quantiles(units - expected.units, noise + unsure),
        profit=quantiles(
            units * margin_now - expected.units * (old - cost), noise * margin_now**2 + unsure * (old - cost) ** 2
        ),
    )


def _row(decision: _Decision, effect: Effect) -> dict[str, Any]:
    row = decision.row
    names = ("p10", "p50", "p90")
    advised = row["decision"] == _ACCEPTED
    promised = {n: row[f"expected_profit_uplift_{n}"] if advised else None for n in names}
    return {
        **{n: row[n] for n in ("store", "product", "made_on", "decided_at", "decision", "current_price", "price")},
        **{f"promised_{n}": None if value is None else float(value) / HORIZON_WEEKS for n, value in promised.items()},
        "status": effect.status,
        "changed_on": effect.changed_on,
        "days": effect.days,
        "control": effect.control,
        "controls": effect.controls,
        **{f"extra_units_{n}": value for n, value in zip(names, effect.units or (None,) * 3, strict=True)},
        **{f"delivered_{n}": value for n, value in zip(names, effect.profit or (None,) * 3, strict=True)},
        "reason": reason(effect, row),
    }
