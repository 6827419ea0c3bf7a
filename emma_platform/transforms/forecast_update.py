"""A forecast carried on to a later day without a new fit: the level takes in the new days, all else stays as fitted.

Belongs here: the step from a kept state to that of a later day, and the forecast from there. Does not belong here: the
fit (`forecast_origin`) and what is done with forecasts of every day (`forecast_lookback`).

A day costs one step of the smoothing per rate, whatever the length of the history. Factors, caps and weights of the
rates are those of the fit. On M5 1.5 M products a second and core, their 28 days ahead included.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emma_platform.transforms.demand import Demand, Flags
from emma_platform.transforms.forecast_origin import Fitted, OriginForecast, seasonal_naive
from emma_platform.transforms.smoothing import advance


def carried_on(fitted: Fitted, demand: Demand, days: slice, new: Flags) -> Fitted:
    """What was fitted, with the state after these days.

    Args:
        fitted: as of the day before the first of them; it is left as it is.
        demand: the store's demand, which holds the days; products and first day are those of the fit.
        days: the new days, in order and without a gap.
        new: per product, launched shortly before the fit: its level stays that of its category's launches.
    """
    end = advance(fitted.end, demand.series, fitted.factors.lift, fitted.caps, days)
    level = (fitted.rate_weights * end.levels).sum(axis=0)
    return replace(fitted, end=end, level=np.where(new, fitted.level, level))


def updated(made: OriginForecast, demand: Demand, origin: int, horizon: int) -> OriginForecast:
    """The forecast of the `horizon` days after day `origin`, from the state of an earlier forecast.

    It is that of a fit on the earlier day with the days since smoothed in: to the last bit what one run of the
    recursion over all days gives. A product first sold after the fit waits for the next one.

    Args:
        made: the forecast of an earlier day; it may itself be an updated one.
        demand: the store's demand up to `origin` at least; products and first day are those of the fit.
        origin: index of the last day taken in.
        horizon: days to forecast.

    Raises:
        ValueError: the factors of the fit do not reach as far, or the day lies before that of the forecast.
    """
    reach = len(made.fitted.factors.calendar)
    if not made.origin <= origin <= reach - 1 - horizon:
        raise ValueError(f"day {origin} and {horizon} ahead do not lie within {made.origin} to {reach - 1}; fit anew")
    fitted = carried_on(made.fitted, demand, slice(made.origin + 1, origin + 1), made.new)
    closed = demand.closed_after(origin, horizon)
    mean = fitted.level * fitted.factors.on(demand, slice(origin + 1, origin + 1 + horizon))
    mean *= fitted.shared(np.arange(1, horizon + 1))
    mean[closed] = 0.0
    naive = seasonal_naive(demand, origin, horizon)
    naive[closed] = 0.0
    variance = fitted.variance(mean, np.arange(1.0, horizon + 1)[:, None])
    return replace(made, origin=origin, mean=mean, variance=variance, naive=naive, closed=closed, fitted=fitted)
