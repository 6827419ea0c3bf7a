"""Intervals of the seasonal naive from its own errors.

Belongs here: empirical quantiles of the errors of "as on the same weekday k weeks ago". Does not belong here: the
seasonal naive itself (`forecast_origin`).
"""

from __future__ import annotations

import numpy as np

from emma_platform.transforms.count_intervals import LEVELS
from emma_platform.transforms.demand import Codes, Demand, Floats
from emma_platform.transforms.forecast_origin import OriginForecast

_WEEK = 7
_ERROR_DAYS = 364


def naive_quantiles(history: Demand, made: OriginForecast, products: Codes) -> Floats:
    """Levels x horizon x the given products: the naive forecast and the quantiles of its past errors so far ahead.

    Errors of the last 364 days at the same number of weeks ahead; never below 0, 0 on closed days. Where no error was
    ever seen the quantiles are the forecast.
    """
    horizon = len(made.naive)
    past = slice(max(0, made.origin + 1 - _ERROR_DAYS), made.origin + 1)
    units, known = history.units[past, products], history.known[past, products]
    quantiles = np.empty((len(LEVELS), horizon, len(products)))
    for week in range((horizon + _WEEK - 1) // _WEEK):
        lag = _WEEK * (week + 1)
        pairs = known[lag:] & known[:-lag]
        errors = np.sort(np.where(pairs, units[lag:] - units[:-lag], np.inf), axis=0)
        count = pairs.sum(axis=0)
        days = slice(week * _WEEK, min(horizon, (week + 1) * _WEEK))
        for number, level in enumerate(LEVELS):
            at = np.clip(np.ceil(level * count).astype(np.int64) - 1, 0, None)
            error = errors[at, np.arange(len(products))] if len(errors) else np.full(len(products), np.inf)
            quantiles[number, days] = made.naive[days, products] + np.where(count > 0, error, 0.0)
    np.maximum(quantiles, 0.0, out=quantiles)
    quantiles[:, made.closed] = 0.0
    return quantiles
