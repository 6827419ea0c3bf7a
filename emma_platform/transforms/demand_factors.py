"""What lifts and lowers demand besides its level: calendar, weekday and promotion factors.

Belongs here: factors estimated from the days up to an origin, and their product by day. Does not belong here: the
effect of the calendar on a store and its categories (`calendar_regression`) and the level (`smoothing`).

A product's own factors are ratios of sales to what was expected, shrunk in the manner of the gamma-Poisson model: prior
factor and prior strength k give (k x prior + sold) / (k + expected), sold and expected in units of the series' variance
to mean ratio, so that an erratic seller counts less than a steady one and the unit of measure cancels out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emma_platform.transforms.calendar_regression import calendar_lift
from emma_platform.transforms.calendar_terms import calendar_terms, rare_events
from emma_platform.transforms.count_intervals import of_another_measure
from emma_platform.transforms.demand import Codes, Demand, Flags, Floats
from emma_platform.transforms.demand_caps import caps

_HALF_WINDOW = 20
_STRENGTH_SERIES = 300.0
_STRENGTH_UPLIFT = 40.0
_LEAST_VARIATION = 0.01
_LEAST_UPLIFT, _LARGEST_UPLIFT = 0.2, 20.0


@dataclass(frozen=True)
class Factors:
    """Multiplicative factors of one origin.

    Attributes:
        calendar: days x categories, the days of the forecast included.
        weekday: 7 x products, what a product deviates from its category.
        uplift: per product, on promoted days.
    """

    calendar: Floats
    weekday: Floats
    uplift: Floats

    def on(self, demand: Demand, days: slice) -> Floats:
        """The product of all factors on these days: days x products."""
        factor = np.where(demand.promoted[days], self.uplift, 1.0)
        factor *= self.weekday[demand.weekdays[days]]
        factor *= self.calendar[days][:, demand.categories]
        return factor


def fit_factors(demand: Demand, origin: int) -> Factors:
    """The factors as known on day `origin` (its index); only days up to it are looked at.

    Promotion days and days with a rare event are left out of the expected level, promotion days and products of another
    measure of the calendar's effect.
    """
    past = slice(0, origin + 1)
    known, promoted = demand.known[past], demand.promoted[past]
    units = np.minimum(demand.units[past], caps(demand.units[past], known))
    plain = known & ~promoted
    level = expected_level(units, plain & ~rare_events(demand, origin)[:, None], known)
    dispersion = _dispersion(units, level, plain)
    groups = demand.categories
    alike = plain & ~of_another_measure(units.mean(axis=0))
    calendar = calendar_lift(
        calendar_terms(demand, origin), _by_group(units * alike, groups), _by_group(level * alike, groups)
    )
    units = units / dispersion
    level = level / dispersion
    level *= calendar[past][:, groups]
    weekday = _weekday_profile(units, level, plain, demand.weekdays[past])
    level *= weekday[demand.weekdays[past]]
    lifted = (known & promoted).astype(np.float64)
    uplift = _uplift(np.einsum("ij,ij->j", units, lifted), np.einsum("ij,ij->j", level, lifted), groups)
    return Factors(calendar, weekday, uplift)


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
    of_group = np.equal.outer(groups, np.arange(int(groups.max(initial=-1)) + 1))
    return np.atleast_2d(values) @ of_group.astype(np.float64)


def _weekday_profile(units: Floats, level: Floats, plain: Flags, weekdays: Codes) -> Floats:
    """7 x products: a product's weekdays against its category's, mean 1 over those on which the store ever opened."""
    sold, expected = np.zeros((7, units.shape[1])), np.zeros((7, units.shape[1]))
    first = int(weekdays[0])
    for day in range(7):
        rows = slice((day - first) % 7, None, 7)
        counted = plain[rows].astype(np.float64)
        sold[day] = np.einsum("ij,ij->j", units[rows], counted)
        expected[day] = np.einsum("ij,ij->j", level[rows], counted)
    profile = _shrink(sold, expected, 1.0, _STRENGTH_SERIES)
    seen = expected.sum(axis=1) > 0
    return profile / profile[seen].mean(axis=0) if seen.any() else np.ones_like(profile)


def _uplift(sold: Floats, expected: Floats, groups: Codes) -> Floats:
    store = _shrink(sold.sum(keepdims=True), expected.sum(keepdims=True), 1.0, _STRENGTH_UPLIFT)
    category = _shrink(_by_group(sold, groups)[0], _by_group(expected, groups)[0], store, _STRENGTH_UPLIFT)
    return np.clip(_shrink(sold, expected, category[groups], _STRENGTH_UPLIFT), _LEAST_UPLIFT, _LARGEST_UPLIFT)
