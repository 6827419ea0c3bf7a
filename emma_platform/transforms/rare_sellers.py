"""How much more or less a store's rare sellers sell than is expected of them, learned from its earlier forecasts.

Belongs here: the factors on the mean of products that sell less often than every twelfth day. Does not belong here: the
level itself (`forecast_origin`) and how far sales scatter around it (`interval_calibration`).

Products come and go, and of one that sells a few times a year nothing tells that it has gone: its level falls by less
than its sales. Of thousands of them together the store's earlier forecasts tell. In three stores of Complete Journey,
most of whose 5,700 products sell less than once in twelve days, 29 % too much was expected in three windows of 28 days
before 5 November; with the factors 15 %. Frequent sellers are left alone: what their earlier forecasts missed is a
season or chance (M5: factors for products that sell every third to twelfth day cost 0.003 to 0.009 of the WRMSSE).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emma_platform.transforms.demand import Codes, Demand, Floats
from emma_platform.transforms.forecast_origin import OriginForecast

_INTERVALS: Floats = np.array([12.0, 40.0, 120.0])
_PRIOR_UNITS = 20.0


class RareSellers:
    """What was expected and what was sold, by the average interval between a product's sales."""

    def __init__(self, history: Demand) -> None:
        """Nothing known yet."""
        self._history = history
        self._origins: list[int] = []
        self._expected: list[Floats] = []
        self._sold: list[Floats] = []

    def add(self, made: OriginForecast, scored: Floats) -> None:
        """Take in one more origin.

        Args:
            made: its forecast, as it is without a factor.
            scored: horizon x products, 1 where the day counts, else 0.
        """
        counted = scored * ~made.closed[:, None]
        of_group = np.equal.outer(_groups(made), np.arange(len(_INTERVALS) + 1)) / made.fitted.ratio[:, None]
        sold = np.ascontiguousarray(self._history.units[made.origin + 1 : made.origin + 1 + len(made.mean)])
        self._origins.append(made.origin)
        self._expected.append((made.mean * counted) @ of_group)
        self._sold.append((sold * counted) @ of_group)

    def on(self, made: OriginForecast) -> OriginForecast:
        """The forecast with the factors as known on its day.

        Each is the quasi-Poisson estimate, so units count the less the more a product's scatter (McCullagh and Nelder,
        Generalized Linear Models, 1989, 9.2): fuel by the thousandth of a gallon does not outweigh a thousand goods.
        20 units of Poisson scatter count as sold as expected.
        """
        expected, sold = (np.full(len(_INTERVALS) + 1, _PRIOR_UNITS) for _ in range(2))
        for earlier, means, units in zip(self._origins, self._expected, self._sold, strict=True):
            days = max(0, made.origin - earlier)
            expected += means[:days].sum(axis=0)
            sold += units[:days].sum(axis=0)
        factor = sold / expected
        factor[0] = 1.0
        each = factor[_groups(made)]
        fitted = replace(made.fitted, share=made.fitted.share * each)
        return replace(made, mean=made.mean * each, variance=made.variance * each, fitted=fitted)


def _groups(made: OriginForecast) -> Codes:
    """The group of each product by its interval; those new in the store, whose level is their category's, are in 0."""
    return np.where(made.new, 0, np.searchsorted(_INTERVALS, made.pattern.interval, side="right"))
