"""The forecast of every product of a store from one origin, using nothing that came after it.

Belongs here: level times factors, the variance around it, the seasonal naive to beat. Does not belong here: which of
them is shown, intervals' calibration and scores (`forecast`, `forecast_scores`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emma_platform.transforms.count_intervals import of_another_measure, shrunk_ratios
from emma_platform.transforms.demand import Codes, Demand, Flags, Floats
from emma_platform.transforms.demand_caps import caps
from emma_platform.transforms.demand_factors import Factors
from emma_platform.transforms.smoothing import (
    ERROR_DISCOUNT,
    RATES,
    Smoothed,
    advance,
    demand_pattern,
    rate_weights,
    smooth,
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
        share: weeks ahead x products, the factor on the mean by which boosting shares out a category's sum; 1 without.
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

    def variance(self, mean: Floats, ahead: Floats) -> Floats:
        """The variance around means so many days ahead, in units squared; `ahead` broadcasts to `mean`."""
        return np.asarray(
            mean * self.ratio * (1.0 + (ahead - 1.0) * (self.rate_weights * RATES[:, None] ** 2).sum(axis=0))
        )


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
    boosted: Flags
    fitted: Fitted


def forecast_from(demand: Demand, origin: int, horizon: int, factors: Factors) -> OriginForecast:
    """Forecast the `horizon` days after day `origin` (its index), with the factors as fitted on that day."""
    past = slice(0, origin + 1)
    units, known = demand.units[past], demand.known[past]
    lift = factors.on(demand, past)
    values = units / lift
    cap = caps(values, known)
    np.minimum(values, cap, out=values)
    evidence = after_first_sale(demand, origin)
    days = evidence.sum(axis=0).astype(np.float64)
    overall, worth = _start(values, evidence)
    start = smooth(values[:0], lift[:0], RATES, start=np.full(values.shape[1], overall), start_weight=worth)
    lift *= evidence
    run = advance(start, values, lift, RATES, discount=ERROR_DISCOUNT)
    weights = rate_weights(
        run.errors, demand_pattern(units, known), days, RATES, sharpness=_SHARPNESS, class_days=_CLASS_DAYS
    )
    level = (weights * run.levels).sum(axis=0)
    aged = (ERROR_DISCOUNT ** np.arange(origin, -1, -1.0))[:, None] * evidence
    total = np.maximum(aged.sum(axis=0), 1e-9)
    squared = (weights * run.errors).sum(axis=0) / total
    ratio = shrunk_ratios(squared, np.einsum("ij,ij->j", aged, values) / total, days)
    new = (demand.first_sale <= origin) & (origin - demand.first_sale + 1 < NEW_DAYS)
    level = np.where(new, _launch_level(demand, origin, values, known), level)

    future = slice(origin + 1, origin + 1 + horizon)
    closed = demand.closed_after(origin, horizon)
    mean = level * factors.on(demand, future)
    mean[closed] = 0.0
    naive = seasonal_naive(demand, origin, horizon)
    naive[closed] = 0.0
    fitted = Fitted(factors, cap, start, run, weights, level, ratio, np.ones((1, len(level))))
    variance = fitted.variance(mean, np.arange(1.0, horizon + 1)[:, None])
    boosted = np.zeros(len(level), dtype=np.bool_)
    return OriginForecast(origin, mean, variance, naive, closed, _live(demand, origin), new, boosted, fitted)


def _live(demand: Demand, origin: int) -> Flags:
    recent = demand.units[max(0, origin + 1 - DEAD_AFTER_DAYS) : origin + 1]
    return np.asarray((recent > 0).any(axis=0), dtype=np.bool_)


def after_first_sale(demand: Demand, origin: int) -> Flags:
    """What the level is estimated from: the known days after the first sale.

    The first sale is why the history starts there; counting it doubles the rate of a product that sold once more. On a
    store of 8,204 products that sell a few times a year it raised the bias from 11 % to 65 %.
    """
    evidence = demand.known[: origin + 1].copy()
    launched = np.flatnonzero(demand.first_sale <= origin)
    evidence[demand.first_sale[launched], launched] = False
    return evidence


def _start(values: Floats, evidence: Flags) -> tuple[float, float]:
    """The level that a product starts from, and how many days of evidence that is worth.

    The mean and the weight of the gamma-Poisson posterior, both by moments over the store's products but those of
    another measure (Robbins, An empirical Bayes approach to statistics, 1956): variance within days over variance
    between products.
    """
    days = evidence.sum(axis=0)
    used = days > 1
    if used.sum() < _START_PRODUCTS:
        return 0.0, 0.0
    count = days[used]
    kept = values[:, used] * evidence[:, used]
    rates = kept.sum(axis=0) / count
    alike = ~of_another_measure(rates)
    rates, count, kept = rates[alike], count[alike], kept[:, alike]
    within = np.maximum(np.einsum("ij,ij->j", kept, kept) / count - rates * rates, 0.0)
    mean = float((rates * count).sum() / count.sum())
    noise = float((within * count).sum() / count.sum())
    between = float((count * (rates - mean) ** 2).sum() / count.sum()) - noise * len(count) / float(count.sum())
    if mean <= 0:
        return 0.0, 0.0
    return mean, float(np.clip(noise / max(between, noise / _START_LONGEST_DAYS, 1e-300), 0.0, _START_LONGEST_DAYS))


def _launch_level(demand: Demand, origin: int, values: Floats, known: Flags) -> Floats:
    """Each product's mean, shrunk to what products of its category (else of the store) sold in their first 28 days.

    Only launches seen count: products that first sold more than 28 days after the store's first day, and are counted in
    the same measure as the others. The day of the first sale counts for nothing, as in `after_first_sale`: with it, the
    new ones among thousands that sell a few times a year (five stores of Complete Journey) were to sell 46 times what
    they sold in 28 days, without it twice.
    """
    age = np.arange(origin + 1)[:, None] - demand.first_sale
    launched = (demand.first_sale > _LAUNCH_DAYS) & (demand.first_sale <= origin)
    later = known & (age > 0)
    early = later & (age < _LAUNCH_DAYS) & launched
    sold, days = np.where(early, values, 0.0).sum(axis=0), early.sum(axis=0).astype(np.float64)
    mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    alike = ~of_another_measure(mean)
    sold, days = sold * alike, days * alike
    width = int(demand.categories.max(initial=-1)) + 1
    group_sold = np.bincount(demand.categories, weights=sold, minlength=width)
    group_days = np.bincount(demand.categories, weights=days, minlength=width)
    if not days.any():
        return np.asarray(mean, dtype=np.float64)
    own_days = later.sum(axis=0)
    own = np.where(later, values, 0.0).sum(axis=0)
    store = sold.sum() / days.sum()
    group = np.where(group_days > 0, group_sold / np.maximum(group_days, 1.0), store)[demand.categories]
    return np.asarray((_LAUNCH_STRENGTH_DAYS * group + own) / (_LAUNCH_STRENGTH_DAYS + own_days), dtype=np.float64)


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
