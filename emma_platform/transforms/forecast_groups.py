"""Groups of a store's products, its categories and the store itself: sums over them, and how far the sums scatter.

Belongs here: what products have in common, measured on the sums' own errors. Does not belong here: the products'
forecasts (`forecast_origin`), the tables (`forecast_totals`).

The error of a sum has two parts: what each product has for itself, which adds up as if they were independent, and what
the products of a group have in common, a share of the sum: Var = S + t^2 F^2, S the sum of the products' variances, F
the expected sum, t the common share. t comes by moments from the sum's own errors over the last year, at each distance:
t^2 = sum(e^2 - S) / sum(F^2). Where the errors are smaller than independence would make them (a product sells instead
of another), S is scaled down instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emma_platform.transforms.count_intervals import LEVELS, exact_quantiles
from emma_platform.transforms.demand import Codes, Demand, Floats
from emma_platform.transforms.forecast_origin import NEW_DAYS, OriginForecast
from emma_platform.transforms.smoothing import level_path

DISTANCES = (1, 7, 28)
"""The days ahead at which the errors of sums are measured; between them the variance is interpolated."""

_ERROR_DAYS = 364
_BURN_IN_DAYS = 28
_PRIOR_SHARE = 0.1
_PRIOR_DAYS = 14.0
_LEAST_SCALE = 0.05
_SMALLEST_MEAN = 1e-6


@dataclass(frozen=True)
class Groups:
    """The categories in the order of their numbers, and after them the store.

    Attributes:
        names: the category of each group but the last; None for products without one.
        order: the products, category by category.
        starts: where in `order` each category starts.
        unit: what each group is counted in: 1 for pieces, less where a product of it is sold in parts.
    """

    names: tuple[str | None, ...]
    order: Codes
    starts: Codes
    unit: Floats

    @classmethod
    def of(cls, demand: Demand, origin: int) -> Groups:
        """The groups of a store as known on day `origin`."""
        order = np.argsort(demand.categories, kind="stable").astype(np.int64)
        starts = np.searchsorted(demand.categories[order], np.arange(len(demand.category_names))).astype(np.int64)
        unit = np.minimum.reduceat(demand.unit(origin)[order], starts)
        return cls(demand.category_names, order, starts, np.append(unit, unit.min()))

    def sums(self, values: Floats) -> Floats:
        """Sums over the last axis by group, the store last."""
        by_category = np.add.reduceat(values[..., self.order], self.starts, axis=-1)
        return np.concatenate([by_category, by_category.sum(axis=-1, keepdims=True)], axis=-1)


@dataclass(frozen=True)
class Spread:
    """How far the sums of a store scatter around their forecasts.

    Attributes:
        scale: distances x groups, the factor on the sum of the products' variances.
        share: distances x groups, the square of the share of a sum that its products have in common.
    """

    scale: Floats
    share: Floats

    def quantiles(self, groups: Groups, mean: Floats, independent: Floats, ahead: Floats) -> Floats:
        """Quantiles of `LEVELS` of sums: levels x days x groups, negative binomial, in units.

        Args:
            groups: the groups.
            mean: days x groups, the expected sums.
            independent: days x groups, the sums of the products' variances.
            ahead: per day how many days ahead it is.
        """
        scale, share = (_between(values, ahead) for values in (self.scale, self.share))
        counted = mean / groups.unit
        positive = counted > _SMALLEST_MEAN
        variance = scale * independent + share * mean * mean
        ratio = np.maximum(variance / groups.unit / np.where(positive, mean, 1.0), 1.001)
        found = np.zeros((len(LEVELS), *mean.shape))
        found[:, positive] = exact_quantiles(counted[positive], ratio[positive])
        return found * groups.unit


def _between(values: Floats, ahead: Floats) -> Floats:
    return np.stack([np.interp(ahead, DISTANCES, column) for column in values.T], axis=1)


def measure_spread(demand: Demand, made: OriginForecast, groups: Groups) -> Spread:
    """The spread of sums as known on the day the forecast was made.

    The forecasts whose errors are taken are those of the level as it stood 1, 7 and 28 days before, with the factors of
    today. A common share of 10 % counts as 14 days of evidence.
    """
    from emma_platform.transforms.series_kernel import errors_of_sums

    fitted, end, width = made.fitted, made.origin + 1, len(groups.names)
    series, lift = demand.series, fitted.factors.lift
    path = level_path(fitted.start, series, lift, fitted.caps, slice(0, end), fitted.rate_weights)
    distances, firsts = np.array(DISTANCES), np.maximum(_BURN_IN_DAYS + np.array(DISTANCES), end - _ERROR_DAYS)
    found = np.zeros((len(DISTANCES), 3, width + 1, end))
    share = fitted.shared(distances)
    errors_of_sums(series, lift, path.T, end, fitted.ratio, fitted.growth, share, distances, firsts, NEW_DAYS, found)
    found[:, :, width] = found[:, :, :width].sum(axis=2)
    scale, share = (np.ones((len(DISTANCES), width + 1)) for _ in range(2))
    for number, first in enumerate(firsts.tolist()):
        error, expected, independent = found[number, :, :, first:].transpose(0, 2, 1)
        scale[number], share[number] = _moments(error, independent, expected)
    return Spread(scale, share)


def _moments(error: Floats, independent: Floats, expected: Floats) -> tuple[Floats, Floats]:
    """Scale and common share per group of one distance; arguments are days x groups."""
    days = (expected > 0).sum(axis=0)
    square = (expected * expected).sum(axis=0)
    alone = independent.sum(axis=0)
    safe = np.where(square > 0, square, 1.0)
    own = ((error * error).sum(axis=0) - alone) / safe
    share = (days * own + _PRIOR_DAYS * _PRIOR_SHARE**2) / (days + _PRIOR_DAYS)
    scale = 1.0 + np.minimum(share, 0.0) * safe / np.where(alone > 0, alone, 1.0)
    return np.maximum(scale, _LEAST_SCALE), np.maximum(share, 0.0)
