"""What lifts and lowers demand besides its level: calendar, weekday and promotion factors.

Belongs here: factors estimated from the days up to an origin, and their product by day. Does not belong here: the
effect of the calendar on a store and its categories (`calendar_regression`) and the level (`smoothing`).

A product's own factors are ratios of sales to what was expected, shrunk in the manner of the gamma-Poisson model: prior
factor and prior strength k give (k x prior + sold) / (k + expected), sold and expected in units of the series' variance
to mean ratio, so that an erratic seller counts less than a steady one and the unit of measure cancels out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np

from emma_platform.transforms.calendar_regression import calendar_lift
from emma_platform.transforms.calendar_terms import calendar_terms, rare_events
from emma_platform.transforms.count_intervals import of_another_measure
from emma_platform.transforms.demand import Codes, Demand, Floats

_HALF_WINDOW = 20
_STRENGTH_SERIES = 300.0
_STRENGTH_UPLIFT = 40.0
_LEAST_VARIATION = 0.01
_LEAST_UPLIFT, _LARGEST_UPLIFT = 0.2, 20.0


class Lift(NamedTuple):
    """What multiplies a product's level on a day, for compiled loops: the product of these three.

    Attributes:
        calendar: categories x days.
        weekday: products x 7.
        uplift: per product, on promoted days.
    """

    calendar: Floats
    weekday: Floats
    uplift: Floats


class Usual(NamedTuple):
    """What is usually sold, without promotions, for compiled loops to fill; plain days are known and not promoted.

    Attributes:
        level: products x days, the mean of the usual days around each day.
        squared: per product the squared distance of plain days from it, on average.
        mean: per product the level of plain days, on average.
        sold: categories x days, units of plain days.
        expected: categories x days, levels of plain days.
    """

    level: Floats
    squared: Floats
    mean: Floats
    sold: Floats
    expected: Floats

    @classmethod
    def empty(cls, products: int, categories: int, days: int) -> Self:
        """Nothing known yet, and nothing summed."""
        of_products = np.empty(products), np.empty(products)
        return cls(np.empty((products, days)), *of_products, np.zeros((categories, days)), np.zeros((categories, days)))


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

    @cached_property
    def lift(self) -> Lift:
        """The same, as compiled loops take it."""
        return Lift(np.ascontiguousarray(self.calendar.T), np.ascontiguousarray(self.weekday.T), self.uplift)

    def on(self, demand: Demand, days: slice) -> Floats:
        """The product of all factors on these days: days x products."""
        factor = self.weekday[demand.weekdays[days]]
        factor *= self.calendar[days][:, demand.categories]
        promoted = demand.promoted[days]
        if promoted.any():
            factor *= np.where(np.ascontiguousarray(promoted), self.uplift, 1.0)
        return factor


def fit_factors(demand: Demand, origin: int) -> Factors:
    """The factors as known on day `origin` (its index); only days up to it are looked at.

    Promotion days and days with a rare event are left out of the expected level, promotion days and products of another
    measure of the calendar's effect.
    """
    from emma_platform.transforms.series_kernel import capped_means, usual_levels, weekday_sums

    series, end = demand.series, origin + 1
    cap, mean = capped_means(series, end)
    usual = Usual.empty(len(cap), len(demand.category_names), end)
    usual_levels(series, cap, rare_events(demand, origin), ~of_another_measure(mean), _HALF_WINDOW, end, usual)
    calendar = calendar_lift(calendar_terms(demand, origin), usual.sold.T, usual.expected.T)
    by_weekday = np.zeros((2, 2, 7, len(cap)))
    weekday_sums(series, cap, usual.level, np.ascontiguousarray(calendar.T), end, by_weekday)
    (sold, expected), (promoted_sold, promoted_expected) = by_weekday / _dispersion(usual)
    weekday = _weekday_profile(sold, expected)
    uplift = _uplift(promoted_sold.sum(axis=0), (promoted_expected * weekday).sum(axis=0), demand.categories)
    return Factors(calendar, weekday, uplift)


def _dispersion(usual: Usual) -> Floats:
    """Variance to mean ratio around the level, at least 1 % of the mean; 1 for a series without sales."""
    sold = usual.mean > 0
    ratio = usual.squared / np.where(sold, usual.mean, 1.0)
    return np.where(sold, np.maximum(ratio, _LEAST_VARIATION * usual.mean), 1.0)


def _shrink(sold: Floats, expected: Floats, prior: Floats | float, strength: float) -> Floats:
    return np.asarray((strength * prior + sold) / (strength + expected), dtype=np.float64)


def _weekday_profile(sold: Floats, expected: Floats) -> Floats:
    """7 x products: a product's weekdays against its category's, mean 1 over those on which the store ever opened."""
    profile = _shrink(sold, expected, 1.0, _STRENGTH_SERIES)
    seen = expected.sum(axis=1) > 0
    return profile / profile[seen].mean(axis=0) if seen.any() else np.ones_like(profile)


def _uplift(sold: Floats, expected: Floats, groups: Codes) -> Floats:
    store = _shrink(sold.sum(keepdims=True), expected.sum(keepdims=True), 1.0, _STRENGTH_UPLIFT)
    of_category = [np.bincount(groups, weights=sums).astype(np.float64) for sums in (sold, expected)]
    category = _shrink(of_category[0], of_category[1], store, _STRENGTH_UPLIFT)
    return np.clip(_shrink(sold, expected, category[groups], _STRENGTH_UPLIFT), _LEAST_UPLIFT, _LARGEST_UPLIFT)
