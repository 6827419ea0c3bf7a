"""What was forecast for each of the last days, 1, 7 and 28 days before it, and what came of it.

Belongs here: the forecasts of daily origins, and the totals and sums of errors over them. Does not belong here: the
weekly origins that these go on from (`forecast`), the rows made of the sums (`forecast_accuracy`).

A day's forecast is that of the last weekly origin before it was made, carried on: the level takes in every day up to
the one it is made on, all else stays as fitted on the origin. So no forecast knows what came after it, and a day costs
one step of the smoothing. The factors are up to four weeks old: a forecast fitted on its own day does a little better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from emma_platform.transforms.demand import Codes, Demand, Flags, Floats
from emma_platform.transforms.forecast_groups import DISTANCES, Groups, measure_spread
from emma_platform.transforms.forecast_origin import WEEK, OriginForecast, latest_known
from emma_platform.transforms.forecast_totals import Totals
from emma_platform.transforms.smoothing import level_path

DAYS = 28
"""The last days whose forecasts are looked back at."""

SCORED_AFTER_DAYS = 14
"""A product is scored from the first origin so many days after its first sale."""

SUMS = (
    "days", "inside_80", "inside_95", "actual_units", "forecast_units", "naive_units", "absolute_error",
    "naive_absolute_error", "squared_error", "naive_squared_error",
)  # fmt: skip
"""What is summed over the days of a column."""

_NEVER = np.iinfo(np.int64).max

Quantiles = Callable[[OriginForecast], Floats]
"""The calibrated quantiles of the products' forecasts of an origin: levels x days x products."""


@dataclass(frozen=True)
class Lookback:
    """Errors over the last days.

    Attributes:
        sums: each of `SUMS` as distances x columns: the products, the categories, the store.
        first, last: distances x columns, indices of the first and the last scored day; only where `days` is above 0.
        totals: the forecasts of the categories and the store.
    """

    sums: dict[str, Floats]
    first: Codes
    last: Codes
    totals: list[Totals]


def look_back(history: Demand, origins: list[tuple[OriginForecast, Quantiles]], groups: Groups) -> Lookback:
    """Look back from the store's last day over weekly origins, the oldest first.

    How far the totals scatter is measured on the oldest origin.
    """
    newest = len(history.units) - 1
    width = len(history.products) + len(groups.unit)
    found = Lookback(
        {name: np.zeros((len(DISTANCES), width)) for name in SUMS},
        np.full((len(DISTANCES), width), _NEVER),
        np.full((len(DISTANCES), width), -1),
        [],
    )
    if not origins:
        return found
    spread = measure_spread(history, origins[0][0], groups)
    ends = [made.origin - 1 for made, _ in origins[1:]] + [newest - 1]
    for (made, quantiles), end in zip(origins, ends, strict=True):
        reach = len(made.fitted.factors.calendar) - 1
        levels = _levels(history, made, min(end, reach))
        for number, distance in enumerate(DISTANCES):
            until = min(end, newest - distance, reach - distance)
            days = np.arange(max(made.origin, newest + 1 - DAYS - distance), until + 1) + distance
            if not len(days):
                continue
            ahead = _ahead(history, made, levels, days, distance)
            cells = history.known[days] & made.live
            scorable = cells & (history.first_sale + SCORED_AFTER_DAYS <= made.origin)
            sums = [groups.sums(values * cells) for values in (ahead.mean, ahead.naive, ahead.variance)]
            mean, naive, independent = sums
            actual = history.units[days]
            sold = groups.sums(actual * cells)
            bounds = spread.quantiles(groups, mean, independent, np.full(len(days), float(distance)))
            found.totals.append(Totals(days, np.full(len(days), distance), mean, bounds, naive, sold))
            _add(
                found,
                number,
                days,
                np.hstack([scorable, groups.sums(cells.astype(np.float64)) > 0]),
                np.hstack([actual, sold]),
                np.hstack([ahead.mean, mean]),
                np.hstack([ahead.naive, naive]),
                np.concatenate([quantiles(ahead), bounds], axis=2),
            )
    return found


def _levels(history: Demand, made: OriginForecast, end: int) -> Floats:
    """Each product's level on the origin and every day after it up to `end`."""
    fitted, days = made.fitted, slice(made.origin + 1, end + 1)
    path = level_path(fitted.end, history.series, fitted.factors.lift, fitted.caps, days, fitted.rate_weights)
    return np.vstack([fitted.level, np.where(made.new, fitted.level, path)])


def _ahead(history: Demand, made: OriginForecast, levels: Floats, days: Codes, distance: int) -> OriginForecast:
    """The forecasts of these days, made so many days before each."""
    origins = days - distance
    mean = levels[origins - made.origin] * made.fitted.factors.on(history, slice(days[0], days[-1] + 1))
    mean *= made.fitted.shared(np.array([distance]))
    naive = latest_known(history, days - WEEK * -(-distance // WEEK))
    closed = np.array([history.closed_after(origin, distance)[-1] for origin in origins.tolist()], dtype=np.bool_)
    mean[closed], naive[closed] = 0.0, 0.0
    variance = made.fitted.variance(mean, np.array(float(distance)))
    return replace(made, mean=mean, variance=variance, naive=naive, closed=closed)


def _add(
    found: Lookback,
    number: int,
    days: Codes,
    scored: Flags,
    actual: Floats,
    mean: Floats,
    naive: Floats,
    quantiles: Floats,
) -> None:
    """Take in forecasts of some days at one distance; arrays are days x columns."""
    inside = [(actual >= quantiles[low]) & (actual <= quantiles[-1 - low]) for low in (1, 0)]
    error, naive_error = mean - actual, naive - actual
    more = {
        "days": scored,
        "inside_80": inside[0],
        "inside_95": inside[1],
        "actual_units": actual,
        "forecast_units": mean,
        "naive_units": naive,
        "absolute_error": np.abs(error),
        "naive_absolute_error": np.abs(naive_error),
        "squared_error": error * error,
        "naive_squared_error": naive_error * naive_error,
    }
    for name, values in more.items():
        found.sums[name][number] += (values * scored).sum(axis=0)
    found.last[number] = np.maximum(found.last[number], np.where(scored, days[:, None], -1).max(axis=0))
    found.first[number] = np.minimum(found.first[number], np.where(scored, days[:, None], _NEVER).min(axis=0))
