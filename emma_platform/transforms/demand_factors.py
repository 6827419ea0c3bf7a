"""What lifts and lowers demand besides its level: weekday, promotion and event factors, each shrunk towards its group.

Belongs here: factors estimated from the days up to an origin, and their product by day. Does not belong here: the level
(`smoothing`).

All factors are ratios of sales to an expected level and are shrunk in the manner of the gamma-Poisson model: prior
factor and prior strength k give (k x prior + sold) / (k + expected), sold and expected in units of the series' variance
to mean ratio, so that an erratic seller counts less than a steady one and the unit of measure cancels out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emma_platform.transforms.demand import Codes, Demand, Flags, Floats

_HALF_WINDOW = 28
_STRENGTH_STORE = 20.0
_STRENGTH_CATEGORY = 400.0
_STRENGTH_SERIES = 150.0
_STRENGTH_UPLIFT = 40.0
_STRENGTH_EVENT = 400.0
_EVENT_DAYS = 2
_EVENT_STRENGTH_DAYS = 1.0
_LEAST_VARIATION = 0.01
_LEAST_UPLIFT, _LARGEST_UPLIFT = 0.2, 20.0


@dataclass(frozen=True)
class Factors:
    """Multiplicative factors of one origin.

    Attributes:
        weekday: 7 x products.
        uplift: per product, on promoted days.
        events: event days x factor by product, in the order in which they multiply.
    """

    weekday: Floats
    uplift: Floats
    events: tuple[tuple[Flags, Floats], ...]

    def on(self, demand: Demand, days: slice) -> Floats:
        """The product of all factors on these days: days x products."""
        factor = np.where(demand.promoted[days], self.uplift, 1.0)
        factor *= self.weekday[demand.weekdays[days]]
        for on, lift in self.events:
            factor[on[days]] *= lift
        return factor


def fit_factors(demand: Demand, origin: int) -> Factors:
    """The factors as known on day `origin` (its index); only days up to it are looked at.

    Promotion and event days are left out of the expected level and of the weekday profile. An event that occurred on
    fewer than two open days has the factor of its kind; a kind with fewer than two has none.
    """
    past = slice(0, origin + 1)
    units, known, promoted = demand.units[past], demand.known[past], demand.promoted[past]
    special = np.zeros(origin + 1, dtype=np.bool_)
    for event in demand.events:
        special |= event.on[past]
    special &= demand.open[past]
    usual = known & ~promoted & ~special[:, None]
    level = expected_level(units, usual, known)
    dispersion = _dispersion(units, level, usual)
    groups = demand.categories
    weekday = _weekday_profile(units / dispersion, level / dispersion, usual, demand.weekdays[past], groups)
    units = units / dispersion
    level = level / dispersion * weekday[demand.weekdays[past]]
    ordinary = ~special[:, None] & known & promoted
    uplift = _uplift(
        np.einsum("ij,ij->j", units, ordinary.astype(np.float64)),
        np.einsum("ij,ij->j", level, ordinary.astype(np.float64)),
        groups,
    )
    lifted = np.where(promoted, uplift, 1.0)
    lifted *= level
    lifted *= known
    return Factors(weekday, uplift, _event_factors(demand, origin, units * known, lifted, groups))


def expected_level(units: Floats, usual: Flags, known: Flags) -> Floats:
    """The mean of the usual days within four weeks of each day, per product; of all known days where there are none."""
    days = len(units)
    total = np.zeros((days + 1, units.shape[1]))
    count = np.zeros((days + 1, units.shape[1]))
    np.cumsum(units * usual, axis=0, out=total[1:])
    np.cumsum(usual, axis=0, out=count[1:])
    low = np.maximum(np.arange(days) - _HALF_WINDOW, 0)
    high = np.minimum(np.arange(days) + _HALF_WINDOW + 1, days)
    level = total[high] - total[low]
    number = count[high] - count[low]
    overall = np.where(count[-1] > 0, total[-1], (units * known).sum(axis=0)) / np.maximum(
        np.where(count[-1] > 0, count[-1], known.sum(axis=0)), 1
    )
    none = number == 0
    number[none] = 1.0
    level /= number
    np.maximum(level, 0.0, out=level)
    return np.where(none, overall, level)


def _dispersion(units: Floats, level: Floats, usual: Flags) -> Floats:
    """Variance to mean ratio around the level, at least 1 % of the mean; 1 for a series without sales."""
    error = (units - level) * usual
    mean = np.einsum("ij,ij->j", level, usual.astype(np.float64))
    square = np.einsum("ij,ij->j", error, error)
    days = np.maximum(usual.sum(axis=0), 1)
    sold = mean > 0
    ratio = square / np.where(sold, mean, 1.0)
    return np.where(sold, np.maximum(ratio, _LEAST_VARIATION * mean / days), 1.0)


def _shrink(sold: Floats, expected: Floats, prior: Floats | float, strength: float) -> Floats:
    return np.asarray((strength * prior + sold) / (strength + expected), dtype=np.float64)


def _by_group(values: Floats, groups: Codes) -> Floats:
    """Sums over the last axis by group."""
    width = int(groups.max(initial=-1)) + 1
    return np.stack([np.bincount(groups, weights=row, minlength=width) for row in np.atleast_2d(values)])


def _weekday_profile(units: Floats, level: Floats, usual: Flags, weekdays: Codes, groups: Codes) -> Floats:
    """7 x products, mean 1 over the weekdays on which the store ever opened, shrunk store > category > product."""
    sold, expected = np.zeros((7, units.shape[1])), np.zeros((7, units.shape[1]))
    first = int(weekdays[0])
    for day in range(7):
        rows = slice((day - first) % 7, None, 7)
        sold[day] = np.einsum("ij,ij->j", units[rows], usual[rows].astype(np.float64))
        expected[day] = np.einsum("ij,ij->j", level[rows], usual[rows].astype(np.float64))
    store = _shrink(sold.sum(axis=1), expected.sum(axis=1), 1.0, _STRENGTH_STORE)
    category = _shrink(_by_group(sold, groups), _by_group(expected, groups), store[:, None], _STRENGTH_CATEGORY)
    series = _shrink(sold, expected, category[:, groups], _STRENGTH_SERIES)
    seen = expected.sum(axis=1) > 0
    return series / series[seen].mean(axis=0) if seen.any() else np.ones_like(series)


def _uplift(sold: Floats, expected: Floats, groups: Codes) -> Floats:
    store = _shrink(sold.sum(keepdims=True), expected.sum(keepdims=True), 1.0, _STRENGTH_UPLIFT)
    category = _shrink(_by_group(sold, groups)[0], _by_group(expected, groups)[0], store, _STRENGTH_UPLIFT)
    return np.clip(_shrink(sold, expected, category[groups], _STRENGTH_UPLIFT), _LEAST_UPLIFT, _LARGEST_UPLIFT)


def _event_factors(
    demand: Demand, origin: int, sold: Floats, expected: Floats, groups: Codes
) -> tuple[tuple[Flags, Floats], ...]:
    """The factors of all events; days that hold several are explained by the most frequent first."""
    past = slice(0, origin + 1)
    kinds: dict[str, float] = {}
    for kind in sorted({event.kind for event in demand.events}):
        on = np.logical_or.reduce([event.on[past] for event in demand.events if event.kind == kind]) & demand.open[past]
        kinds[kind] = _store_lift(sold[on].sum(), expected[on].sum(), int(on.sum()), 1.0)
    factors = []
    for event in demand.events:
        on = event.on[past] & demand.open[past]
        lift = np.full(sold.shape[1], kinds[event.kind])
        if on.sum() >= _EVENT_DAYS:
            own_sold, own_expected = sold[on].sum(axis=0), expected[on].sum(axis=0)
            store = _store_lift(own_sold.sum(), own_expected.sum(), int(on.sum()), kinds[event.kind])
            by_category = _by_group(np.stack([own_sold, own_expected]), groups)
            lift = _shrink(by_category[0], by_category[1], store, _STRENGTH_EVENT)[groups]
        expected[on] *= lift
        factors.append((event.on, lift))
    return tuple(factors)


def _store_lift(sold: float, expected: float, days: int, prior: float) -> float:
    """The store's factor on `days` event days, shrunk to the prior as if that were seen on one more day."""
    if days < _EVENT_DAYS or sold <= 0 or expected <= 0:
        return prior
    share = days / (days + _EVENT_STRENGTH_DAYS)
    return float(prior ** (1.0 - share) * (sold / expected) ** share)
