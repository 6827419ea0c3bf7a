"""The level of many series at once: simple exponential smoothing over a grid of rates, and how the rates are weighed.

Belongs here: the recursion, demand classes, weights of the rates. Does not belong here: what is divided out of the
sales before (`demand_factors`) and what is made of the level (`forecast_origin`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emma_platform.transforms.demand import Codes, Flags, Floats

RATES: Floats = np.array([0.005, 0.01, 0.02, 0.035, 0.06, 0.1, 0.16, 0.25])
"""The smoothing rates tried."""

SHORT_HISTORY_DAYS = 21
SHORT_HISTORY_RATE = 0.035
"""Series of at most so many days are smoothed with at most this rate."""

ERROR_DISCOUNT = 0.995
"""An error counts this much less with each day of age."""

_INTERVAL_LIMIT = 1.32
_VARIATION_LIMIT = 0.49
_CLASSES = 4


@dataclass(frozen=True)
class Smoothed:
    """The state after a run: all that the next day needs.

    Attributes:
        levels: rates x series, the level after the last day.
        errors: rates x series, the discounted, weighted sum of squared one-day-ahead errors.
        seen: per series how many observations the level rests on, what the start was worth included.
    """

    levels: Floats
    errors: Floats
    seen: Floats


def smooth(
    values: Floats, weights: Floats, rates: Floats, *, start: Floats, start_weight: float, discount: float = 1.0
) -> Smoothed:
    """Simple exponential smoothing of every column with every rate.

    l_t = l_(t-1) + a_t (y_t - l_(t-1)): Hyndman et al., Forecasting with Exponential Smoothing, 2008, section 2.2. The
    rate of the n-th observation is a_t = max(a, 1 / (start_weight + n)): the level starts as a running mean, and an
    infinite start_weight gives the textbook recursion. Days without weight change nothing.

    Args:
        values: days x series.
        weights: days x series, the weight of each squared error; 0 marks a day that is not known.
        rates: the rates, each between 0 and 1.
        start: per series the level before the first day.
        start_weight: how many observations `start` is worth.
        discount: factor on the weight of an error with each day of age.
    """
    levels = np.repeat(np.asarray(start, dtype=np.float64)[None, :], len(rates), axis=0)
    state = Smoothed(levels, np.zeros_like(levels), np.full(values.shape[1], float(start_weight)))
    return advance(state, values, weights, rates, discount=discount)


def advance(state: Smoothed, values: Floats, weights: Floats, rates: Floats, *, discount: float = 1.0) -> Smoothed:
    """The state after more days; the same as smoothing all days at once, to the last bit.

    No earlier day is read: 13 M series a second and core at eight rates.

    Args:
        state: the state before the first of these days; it is left as it is.
        values: days x series.
        weights: days x series, 0 where a day is not known.
        rates: the rates that the state was made with.
        discount: the discount that the state was made with.
    """
    from emma_platform.transforms.smoothing_kernel import advance as carry

    levels, errors, seen = state.levels.copy(), state.errors.copy(), state.seen.copy()
    carry(np.ascontiguousarray(values), np.ascontiguousarray(weights), rates, discount, levels, errors, seen)
    return Smoothed(levels, errors, seen)


def level_path(state: Smoothed, values: Floats, known: Flags, rates: Floats, rate_weights: Floats) -> Floats:
    """The weighted level of every series after each of these days: days x series.

    Args:
        state: the state before the first of these days; it is left as it is.
        values: days x series.
        known: days x series; a day that is not known changes nothing.
        rates: the rates that the state was made with.
        rate_weights: rates x series, columns sum to 1.
    """
    from emma_platform.transforms.smoothing_kernel import level_path as follow

    path = np.zeros(values.shape)
    follow(values, known, rates, rate_weights, state.levels.copy(), state.seen.copy(), path)
    return path


def demand_classes(units: Floats, known: Flags) -> Codes:
    """The demand class of every column: 0 smooth, 1 intermittent, 2 erratic, 3 lumpy.

    Average interval between sales up to 1.32 days or not, squared coefficient of variation of the sizes up to 0.49 or
    not: Syntetos, Boylan and Croston, On the categorization of demand patterns, JORS 56, 2005.
    """
    count = known.sum(axis=0)
    sold = known & (units > 0)
    sales = np.maximum(sold.sum(axis=0), 1)
    sizes = np.where(sold, units, 0.0)
    mean = sizes.sum(axis=0) / sales
    variation = np.maximum((sizes * sizes).sum(axis=0) / sales - mean * mean, 0.0)
    rare = count > _INTERVAL_LIMIT * sales
    varied = variation > _VARIATION_LIMIT * mean * mean
    return np.asarray(rare + 2 * varied, dtype=np.int64)


def rate_weights(
    errors: Floats, classes: Codes, evidence: Floats, rates: Floats, *, sharpness: float, class_days: float
) -> Floats:
    """How much each rate counts for each series: rates x series, columns sum to 1.

    The log of each rate's squared error against the best is averaged with that of the series' demand class, the class
    counting as `class_days` days of evidence; weights fall by exp(-sharpness x log ratio). Series of at most
    SHORT_HISTORY_DAYS days of evidence use rates up to SHORT_HISTORY_RATE only. A series without any error weighs all
    rates alike.
    """
    usable = errors.min(axis=0) > 0
    safe = np.where(usable, errors, 1.0)
    ratio = np.log(safe / safe.min(axis=0))
    pooled = np.zeros((len(rates), _CLASSES))
    for number in range(_CLASSES):
        members = usable & (classes == number) & (evidence > SHORT_HISTORY_DAYS)
        if members.any():
            pooled[:, number] = ratio[:, members].mean(axis=1)
    share = evidence / (evidence + class_days)
    score = share * ratio + (1.0 - share) * pooled[:, classes]
    score[np.ix_(rates > SHORT_HISTORY_RATE, evidence <= SHORT_HISTORY_DAYS)] = np.inf
    weights = np.exp(-sharpness * (score - score.min(axis=0)))
    return np.asarray(weights / weights.sum(axis=0), dtype=np.float64)
