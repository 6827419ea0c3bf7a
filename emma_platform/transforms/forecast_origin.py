"""The forecast of every product of a store from one origin, using nothing that came after it.

Belongs here: level times factors, the variance around it, the seasonal naive to beat. Does not belong here: which of
them is shown, intervals' calibration and scores (`forecast`, `forecast_scores`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from emma_platform.transforms.count_intervals import of_another_measure, shrunk_ratios
from emma_platform.transforms.demand import Codes, Demand, Flags, Floats
from emma_platform.transforms.demand_factors import Factors
from emma_platform.transforms.smoothing import (
    ERROR_DISCOUNT,
    RATES,
    Pattern,
    Smoothed,
    advance,
    pattern_of,
    rate_weights,
    started,
)

DEAD_AFTER_DAYS = 182
"""A product without a sale for so many days is not forecast."""

NEW_DAYS = 7
"""A product launched fewer days ago is forecast from its category's launches."""

WEEK = 7

_LAUNCH_DAYS = 28
_LAUNCH_STRENGTH_DAYS = 7.0
_SHARPNESS = 6.0
_CLASS_DAYS = 1000.0
_NAIVE_WEEKS = 8
_START_PRODUCTS = 5
_START_LONGEST_DAYS = 60.0


class Sums(NamedTuple):
    """Sums over the days of each product up to an origin; values are units over the factors, at most the cap.

    Attributes:
        cap: the cap on the product's values.
        days: known days after that of the first sale: those that levels are estimated from.
        value: values of these days.
        square: squares of these values.
        aged_days: these days, each worth less with age.
        aged_value: values of these days, likewise.
        early_days: those of these days that are among the first after the launch.
        early_value: values of the early days.
        known_days: all known days.
        known_value: values of all known days.
        sale_days: known days with a sale.
        sale_units: units of these days.
        sale_square: squares of these units.
        last_sale: the last day with a sale; -1 without one.
    """

    cap: Floats
    days: Floats
    value: Floats
    square: Floats
    aged_days: Floats
    aged_value: Floats
    early_days: Floats
    early_value: Floats
    known_days: Floats
    known_value: Floats
    sale_days: Floats
    sale_units: Floats
    sale_square: Floats
    last_sale: Floats


@dataclass(frozen=True)
class Fitted:
    """What was fitted on an origin, from which the level of any other day follows.

    Attributes:
        factors: the factors.
        caps: per product the cap on its deseasonalised sales.
        start: the state before the first day.
        end: the state after the origin.
        rate_weights: rates x products.
        level: per product the level on the origin; that of its category's launches for a new one.
        ratio: per product the variance to mean ratio one day ahead.
        share: weeks ahead x products, what is done to the mean: boosting shares out a category's sum, rare sellers are
            set right; 1 without.
    """

    factors: Factors
    caps: Floats
    start: Smoothed
    end: Smoothed
    rate_weights: Floats
    level: Floats
    ratio: Floats
    share: Floats

    def shared(self, ahead: Codes) -> Floats:
        """`share` of days so many days ahead: days x products; beyond its last week, that of the last."""
        return self.share[np.minimum((ahead - 1) // WEEK, len(self.share) - 1)]

    @property
    def growth(self) -> Floats:
        """Per product what the ratio grows by with each day further ahead, relative to it."""
        return np.asarray((self.rate_weights * RATES[:, None] ** 2).sum(axis=0), dtype=np.float64)

    def variance(self, mean: Floats, ahead: Floats) -> Floats:
        """The variance around means so many days ahead, in units squared; `ahead` broadcasts to `mean`."""
        variance = 1.0 + (ahead - 1.0) * self.growth
        variance *= self.ratio
        return np.asarray(mean * variance)


@dataclass(frozen=True)
class OriginForecast:
    """Horizon x products, horizon 1 first.

    Attributes:
        origin: index of the last day used.
        mean: expected units.
        variance: of the units around the mean, in units squared.
        naive: the same weekday of the last known week.
        closed: days on which the store is known to be closed; mean, variance and naive are 0 there.
        live: per product, launched and sold within the last 182 days.
        new: per product, launched fewer than 7 days before.
        pattern: how each product sells.
        boosted: per product, boosting has a say in its mean.
        fitted: what it was made with.
    """

    origin: int
    mean: Floats
    variance: Floats
    naive: Floats
    closed: Flags
    live: Flags
    new: Flags
    pattern: Pattern
    boosted: Flags
    fitted: Fitted


def forecast_from(demand: Demand, origin: int, horizon: int, factors: Factors) -> OriginForecast:
    """Forecast the `horizon` days after day `origin` (its index), with the factors as fitted on that day."""
    from emma_platform.transforms.series_kernel import sum_up

    aged, found = ERROR_DISCOUNT ** np.arange(origin, -1, -1.0), np.empty((len(Sums._fields), len(demand.products)))
    sum_up(demand.series, factors.lift, _LAUNCH_DAYS, aged, origin + 1, found)
    sums = Sums(*found)
    start = started(*_start(sums))
    run = advance(start, demand.series, factors.lift, sums.cap, slice(0, origin + 1))
    pattern = pattern_of(sums.known_days, sums.sale_days, sums.sale_units, sums.sale_square)
    weights = rate_weights(run.errors, pattern, sums.days, RATES, sharpness=_SHARPNESS, class_days=_CLASS_DAYS)
    level = (weights * run.levels).sum(axis=0)
    aged_days = np.maximum(sums.aged_days, 1e-9)
    squared = (weights * run.errors).sum(axis=0) / aged_days
    ratio = shrunk_ratios(squared, sums.aged_value / aged_days, sums.days)
    new = (demand.first_sale <= origin) & (origin - demand.first_sale + 1 < NEW_DAYS)
    level = np.where(new, _launch_level(demand, origin, sums), level)

    future = slice(origin + 1, origin + 1 + horizon)
    closed = demand.closed_after(origin, horizon)
    mean = level * factors.on(demand, future)
    mean[closed] = 0.0
    naive = seasonal_naive(demand, origin, horizon)
    naive[closed] = 0.0
    fitted = Fitted(factors, sums.cap, start, run, weights, level, ratio, np.ones((1, len(level))))
    variance = fitted.variance(mean, np.arange(1.0, horizon + 1)[:, None])
    boosted = np.zeros(len(level), dtype=np.bool_)
    live = sums.last_sale > max(origin - DEAD_AFTER_DAYS, -1)
    return OriginForecast(origin, mean, variance, naive, closed, live, new, pattern, boosted, fitted)


def _start(sums: Sums) -> tuple[Floats, float]:
    """The level that each product starts from, and how many days of evidence that is worth.

    The mean and the weight of the gamma-Poisson posterior, both by moments over the store's products but those of
    another measure (Robbins, An empirical Bayes approach to statistics, 1956): variance within days over variance
    between products.
    """
    width = len(sums.days)
    used = np.flatnonzero(sums.days > 1)
    if len(used) < _START_PRODUCTS:
        return np.zeros(width), 0.0
    used = used[~of_another_measure(sums.value[used] / sums.days[used])]
    count, rates = sums.days[used], sums.value[used] / sums.days[used]
    within = np.maximum(sums.square[used] / count - rates * rates, 0.0)
    mean = float((rates * count).sum() / count.sum())
    noise = float((within * count).sum() / count.sum())
    between = float((count * (rates - mean) ** 2).sum() / count.sum()) - noise * len(count) / float(count.sum())
    if mean <= 0:
        return np.zeros(width), 0.0
    worth = float(np.clip(noise / max(between, noise / _START_LONGEST_DAYS, 1e-300), 0.0, _START_LONGEST_DAYS))
    return np.full(width, mean), worth


def _launch_level(demand: Demand, origin: int, sums: Sums) -> Floats:
    """Each product's mean, shrunk to what products of its category (else of the store) sold in their first 28 days.

    Only launches seen count: products that first sold more than 28 days after the store's first day, and are counted in
    the same measure as the others. The day of the first sale counts for nothing, as in `smoothing.advance`: with it,
    the new ones among thousands that sell a few times a year (five stores of Complete Journey) were to sell 46 times
    what they sold in 28 days, without it twice.
    """
    mean = sums.known_value / np.maximum(sums.known_days, 1)
    launched = (demand.first_sale > _LAUNCH_DAYS) & (demand.first_sale <= origin) & ~of_another_measure(mean)
    sold, days = sums.early_value * launched, sums.early_days * launched
    if not days.any():
        return mean
    group_sold, group_days = (np.bincount(demand.categories, weights=values) for values in (sold, days))
    store = sold.sum() / days.sum()
    group = np.where(group_days > 0, group_sold / np.maximum(group_days, 1.0), store)[demand.categories]
    return np.asarray((_LAUNCH_STRENGTH_DAYS * group + sums.value) / (_LAUNCH_STRENGTH_DAYS + sums.days))


def seasonal_naive(demand: Demand, origin: int, horizon: int) -> Floats:
    """Each day's units on the latest known same weekday of the last eight weeks; 0 where there is none."""
    return latest_known(demand, origin - 6 + np.arange(7))[np.arange(horizon) % 7]


def latest_known(demand: Demand, days: Codes) -> Floats:
    """Units of these days, and where a day is not known those of the same weekday up to seven weeks before; else 0."""
    first = np.maximum(days, 0)
    missing = ~demand.known[first] | (days < 0)[:, None]
    naive = np.where(missing, 0.0, demand.units[first])
    for back in range(1, _NAIVE_WEEKS):
        columns = np.flatnonzero(missing.any(axis=0))
        rows = np.flatnonzero(days >= WEEK * back)
        if not len(columns) or not len(rows):
            break
        place = np.ix_(rows, columns)
        day = np.ix_(days[rows] - WEEK * back, columns)
        fresh = demand.known[day] & missing[place]
        naive[place] += np.where(fresh, demand.units[day], 0.0)
        missing[place] ^= fresh
    return naive
