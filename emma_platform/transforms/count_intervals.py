"""Intervals of daily counts: how far sales scatter around their mean, and the quantiles of that scatter.

Belongs here: variance to mean ratios shrunk by demand level, negative binomial probabilities and quantiles. Does not
belong here: the mean (`forecast`), what is learned from earlier intervals (`interval_calibration`).
"""

from __future__ import annotations

import numpy as np

from emma_platform.transforms.demand import Codes, Flags, Floats

LEVELS: Floats = np.array([0.025, 0.1, 0.5, 0.9, 0.975])
"""The quantiles of a forecast: p025, p10, p50, p90, p975."""

_MEAN_GRID = 0.02
_RATIO_GRID = 0.04
_LEAST_RATIO = 1.001
_RECURSION_MEAN = 100.0
_FAR_VARIANCE = 1e7
_SMALLEST_MEAN = 1e-6
_LOWEST_STEP = -700
_KNOWN: Floats = np.full((1_400, 160, len(LEVELS)), np.nan)
"""The quantiles of `LEVELS` at the places of the grid that were asked for, means of a millionth to a million: 9 MB.
Forecasts ask for the same ones again and again; looking up takes a fortieth of the time."""

_BINS = 12
_PRIOR_DAYS = 60.0
_MEASURES_APART = 1_000.0


def negative_binomial_quantiles(mean: Floats, variance: Floats, levels: Floats = LEVELS) -> Floats:
    """Quantiles of negative binomial counts: levels x the shape of `mean`, whole numbers, never below 0.

    A variance up to the mean counts as 1.001 means, next to Poisson. Means are rounded to a geometric grid of 2 % and
    ratios of variance to mean to one of 4 %, so that equal pairs are computed once and remembered.

    Args:
        mean: expected counts; the quantiles of 0 are 0.
        variance: their variances.
        levels: probabilities, ascending.
    """
    from emma_platform.transforms.count_kernel import look_up

    means = np.where(mean > _SMALLEST_MEAN, mean, 0.0).ravel()
    ratios = np.maximum(np.ravel(variance) / np.where(means > 0, means, 1.0), _LEAST_RATIO)
    known = _KNOWN if levels is LEVELS else np.empty((0, 0, len(levels)))
    quantiles = np.empty((len(levels), len(means)))
    look_up(means, ratios, known, _MEAN_GRID, _RATIO_GRID, _LOWEST_STEP, quantiles)
    new = np.flatnonzero(np.isnan(quantiles[0]))
    if len(new):
        mean_step, ratio_step = (
            np.rint(np.log(values[new]) / grid).astype(np.int64)
            for values, grid in ((means, _MEAN_GRID), (ratios, _RATIO_GRID))
        )
        quantiles[:, new] = _at(mean_step, ratio_step, levels)
        row = mean_step - _LOWEST_STEP
        kept = (row >= 0) & (row < known.shape[0]) & (ratio_step < known.shape[1])
        known[row[kept], ratio_step[kept]] = quantiles[:, new[kept]].T
    return quantiles.reshape(len(levels), *mean.shape)


def _at(mean_step: Codes, ratio_step: Codes, levels: Floats) -> Floats:
    """Quantiles at places of the grid: levels x the shape of `mean_step`; equal places are computed once."""
    width = int(ratio_step.max(initial=0)) + 1
    lowest = int(mean_step.min(initial=0))
    steps, inverse = np.unique((mean_step - lowest) * width + ratio_step, return_inverse=True)
    means = np.exp((steps // width + lowest) * _MEAN_GRID)
    ratios = np.maximum(np.exp(steps % width * _RATIO_GRID), _LEAST_RATIO)
    return exact_quantiles(means, ratios, levels)[:, inverse.reshape(mean_step.shape)]


def exact_quantiles(mean: Floats, ratio: Floats, levels: Floats = LEVELS) -> Floats:
    """The smallest k with P(Y <= k) >= level for each level and pair: levels x pairs.

    Up to a mean of 100 by summing the probabilities from 0 on, beyond from the mean on; where the spread is so wide
    that the sum is long, by the inverse of the incomplete beta function, which costs 45 us for five levels.

    Args:
        mean: expected counts, above 0.
        ratio: ratio of variance to mean, above 1.
        levels: probabilities, ascending.
    """
    from emma_platform.transforms.count_kernel import quantiles_from, quantiles_up

    quantiles = np.zeros((len(levels), len(mean)))
    near = mean <= _RECURSION_MEAN
    quantiles_up(mean, ratio, levels, np.flatnonzero(near), quantiles)
    if near.all():
        return quantiles
    from scipy import special

    size, chance = mean / (ratio - 1.0), 1.0 / ratio
    far = ~near & (mean * ratio > _FAR_VARIANCE)
    between = np.flatnonzero(~near & ~far)
    start = np.floor(mean[between])
    below = np.asarray(special.betainc(size[between], start + 1.0, chance[between]), dtype=np.float64)
    quantiles_from(mean, ratio, levels, between, start, below, quantiles)
    if far.any():
        size, chance = size[far], chance[far]
        found = np.maximum(np.ceil(special.nbdtrik(levels[:, None], size, chance) - 1e-6), 0.0)
        short = special.betainc(size, found + 1.0, chance) < levels[:, None]
        quantiles[:, far] = found + short
    return quantiles


def probabilities(counts: Floats, mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """The probabilities of less than these counts, and of at most as much; all of one shape.

    A mean of 0 is taken as a millionth, a variance up to the mean as 1.001 means.
    """
    from scipy import special

    from emma_platform.transforms.count_kernel import sums_until

    shape = np.shape(counts)
    count, centre = np.ravel(counts), np.maximum(np.ravel(mean), _SMALLEST_MEAN)
    ratio = np.maximum(np.ravel(variance) / centre, _LEAST_RATIO)
    size, chance = centre / (ratio - 1.0), 1.0 / ratio
    below, until = np.zeros(len(count)), np.zeros(len(count))
    near = centre <= _RECURSION_MEAN
    sums_until(count, size, chance, np.exp(size * np.log(chance)), np.flatnonzero(near), below, until)
    if not near.all():
        far = ~near
        until[far] = special.betainc(size[far], count[far] + 1.0, chance[far])
        less = special.betainc(size[far], np.maximum(count[far], 1.0), chance[far])
        below[far] = np.where(count[far] > 0, less, 0.0)
    return below.reshape(shape), until.reshape(shape)


def shrunk_ratios(squared: Floats, level: Floats, days: Floats) -> Floats:
    """Variance to mean ratios per series, shrunk to those of series that sell about as much.

    Series are put in up to twelve bins of equal size by level; a bin's ratio is the mean of its series' by days of
    evidence, and counts as 60 days of evidence against the series' own. Those of another measure are a bin of theirs.

    Args:
        squared: per series the mean squared error of the deseasonalised one-day-ahead forecasts.
        level: per series the mean of the same days.
        days: per series the days of evidence.
    """
    sold = (level > 0) & (days > 0)
    own = np.where(sold, squared, 1.0) / np.where(sold, level, 1.0)
    if not sold.any():
        return own
    apart = of_another_measure(np.where(sold, level, 0.0))
    usual = np.flatnonzero(sold & ~apart)
    order = usual[np.argsort(level[usual], kind="stable")]
    pooled = np.ones_like(own)
    for members in (*np.array_split(order, min(_BINS, len(order))), np.flatnonzero(apart)):
        if len(members):
            pooled[members] = np.average(own[members], weights=days[members])
    share = days / (days + _PRIOR_DAYS)
    return np.where(sold, share * own + (1.0 - share) * pooled, 1.0)


def of_another_measure(level: Floats) -> Flags:
    """Which series sell so much that they must be counted in something else than the store's other ones.

    Fuel by the thousandth of a gallon among goods by the piece: three such products of 7,413 in a store of Complete
    Journey made the mean of all and the variances pooled over them a hundred times too large. They are those from the
    first on that sells 1,000 times the mean of all that sell less, if these are half of the sellers at least. In the
    stores of M5 the largest such ratio is 74.

    Args:
        level: per series the units a day, not negative.
    """
    order = np.argsort(level, kind="stable")
    ascending = level[order]
    sells = ascending > 0
    mean_below = np.cumsum(ascending)[:-1] / np.maximum(np.cumsum(sells)[:-1], 1)
    jumps = np.flatnonzero(ascending[1:] > _MEASURES_APART * mean_below) + 1
    jumps = jumps[2 * np.cumsum(sells)[jumps - 1] >= sells.sum()]
    found = np.zeros(len(level), dtype=np.bool_)
    if len(jumps) and sells[jumps[0] - 1]:
        found[order[jumps[0] :]] = True
    return found
