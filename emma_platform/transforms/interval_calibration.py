"""How wide a store's intervals must be, learned from its earlier forecasts, and whether they hold what they promise.

Belongs here: the factors on the standard deviation, and how many days earlier intervals held. Does not belong here: the
distribution itself (`count_intervals`).

An interval of counts holds more than it promises: from 0 on, and whole units only. What tells whether a distribution is
right is the randomised probability integral transform (Czado, Gneiting and Held, Predictive model assessment for count
data, Biometrics 65, 2009): what was sold is spread evenly over the probabilities from P(Y < y) to P(Y <= y), and 80 %
of that must lie between 10 and 90 %.
"""

from __future__ import annotations

import numpy as np

from emma_platform.transforms.count_intervals import probabilities
from emma_platform.transforms.demand import Codes, Demand, Floats
from emma_platform.transforms.forecast_origin import OriginForecast

SCALES: Floats = np.array([0.7, 0.8, 0.9, 1.0, 1.12, 1.25, 1.4, 1.6])
"""The factors on the standard deviation that are tried."""

INTERVALS: tuple[tuple[float, float], ...] = ((0.1, 0.9), (0.025, 0.975))
"""The intervals shown, by the probabilities at their ends."""

_LEAST_CHANCE = 1e-6
_SIZES: Floats = np.array([0.3, 1.0, 3.0])
_ALIKE = 10.0
_SPREAD = 0.1
_EVERY = 3


def shares_inside(actual: Floats, mean: Floats, variance: Floats) -> Floats:
    """The share of each value that lies in each of `INTERVALS`, by the transform: intervals x the shape of `actual`.

    The mean over draws of the transform, worked out instead of drawn: no chance is in it.

    Args:
        actual: counts.
        mean: of the negative binomial distribution predicted.
        variance: of the same.
    """
    below, until = probabilities(actual, mean, variance)
    mass = np.maximum(until - below, 1e-12)
    return np.stack(
        [np.clip((np.minimum(until, high) - np.maximum(below, low)) / mass, 0.0, 1.0) for low, high in INTERVALS]
    )


class Calibration:
    """The factors under which what was sold after a store's earlier origins is most probable.

    One of products that sell about as much: slow sellers' levels are the less certain ones. Likelihood decides and not
    how many days were inside, for the zeros of a slow seller are inside of whatever is wide or narrow enough.
    """

    def __init__(self, history: Demand) -> None:
        """Nothing known yet."""
        self._history = history
        self._origins: list[int] = []
        self._fits: list[Floats] = []

    def add(self, made: OriginForecast, scored: Floats) -> None:
        """Take in one more origin.

        Args:
            made: its forecast.
            scored: horizon x products, 1 where the day counts, else 0.
        """
        ahead = np.arange(0, len(made.mean), _EVERY)
        days, unit = made.origin + 1 + ahead, self._history.unit(made.origin)
        mean, variance = made.mean[ahead] / unit, made.variance[ahead] / unit**2
        counted = scored[ahead] * ~made.closed[ahead, None]
        of_size = np.equal.outer(_sizes(made, unit), np.arange(len(_SIZES) + 1)).astype(np.float64)
        actual = np.rint(self._history.units[days] / unit)
        fits = []
        for scale in SCALES.tolist():
            below, until = probabilities(actual, mean, variance * scale**2)
            fits.append((np.log(np.maximum(until - below, _LEAST_CHANCE)) * counted) @ of_size)
        self._origins.append(made.origin)
        self._fits.append(np.stack(fits))

    def scale(self, made: OriginForecast) -> Floats:
        """Per product the factor as known on the day of a forecast; 1 where nothing tells otherwise.

        It is the most probable one, a tenth of the log-likelihood counting, for days and products err alike. The log of
        the factor of a size is expected around the store's with standard deviation 0.1, the store's around 0.
        """
        width = len(_SIZES) + 1
        fit = np.zeros((len(SCALES), width))
        for earlier, fits in zip(self._origins, self._fits, strict=True):
            fit += fits[:, : len(range(0, max(0, made.origin - earlier), _EVERY))].sum(axis=1)
        store = _most_probable(fit.sum(axis=1, keepdims=True), np.zeros(1))
        log_scale = _most_probable(fit, np.repeat(store, width))
        return np.asarray(np.exp(log_scale)[_sizes(made, self._history.unit(made.origin))])


def _sizes(made: OriginForecast, unit: Floats) -> Codes:
    """The group of each product by what it is expected to sell on a day."""
    return np.asarray(np.searchsorted(_SIZES, made.mean.mean(axis=0) / unit, side="right"), dtype=np.int64)


def _most_probable(fit: Floats, centre: Floats) -> Floats:
    """The logs of the most probable factors of some groups.

    Args:
        fit: factors x groups, the log-likelihood.
        centre: the log of each group's factor, before anything is known of it.
    """
    logs = np.log(SCALES)
    probable = fit / _ALIKE - 0.5 * ((logs[:, None] - centre) / _SPREAD) ** 2
    return np.asarray(logs[np.argmax(probable, axis=0)])
