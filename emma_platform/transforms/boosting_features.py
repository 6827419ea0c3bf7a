"""What gradient boosting sees of a forecast: a row for each product and each of the four weeks ahead.

Belongs here: the features, what was expected and what was sold by week. Does not belong here: the model
(`forecast_model`) and what is made of it (`forecast_boosting`).

A week and not a day is a row: the weekdays of a product are in the forecast already, a week's sum has less chance in
it, and a seventh of the rows says as much.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emma_platform.transforms.demand import Demand, Flags, Floats
from emma_platform.transforms.forecast_origin import WEEK, OriginForecast

WEEKS = 4
"""The weeks ahead."""

WINDOW_DAYS = 91
"""The last days looked at."""

_WINDOWS = (7, 14, 28, 56, 91)
_RATES = (0, 2, 4, 6, 7)
_LEAST = 1e-3
_HALF = 0.5

FEATURES = (
    "week", "log_level", "log_ratio", "log_age", *(f"log_rate_{number}" for number in _RATES),
    *(f"log_last_{days}" for days in _WINDOWS), "log_28_before_28", "sold_share_28", "zero_run", "zero_run_expected",
    "log_factor_ahead",
)  # fmt: skip
"""The columns, in order. Ratios are logs of what was sold over what the forecast's own level says."""

Features = npt.NDArray[np.float32]


def features(demand: Demand, made: OriginForecast) -> Features:
    """Weeks x products x `FEATURES`, as known on the day the forecast was made."""
    end = made.origin + 1
    past = slice(max(0, end - WINDOW_DAYS), end)
    known = demand.known[past]
    sold = demand.units[past] * known
    level = np.maximum(made.fitted.level, _LEAST)
    factors = made.fitted.factors.on(demand, past) * known
    since = {days: (sold[-days:].sum(axis=0), level * factors[-days:].sum(axis=0)) for days in _WINDOWS}
    recent, before = since[28], since[56]
    zero_run = _zero_run(sold, known)
    open_days = np.maximum(known[-28:].sum(axis=0), 1)
    columns = [
        np.log(level),
        np.log(np.maximum(made.fitted.ratio, _LEAST)),
        np.log1p(np.maximum(made.origin - demand.first_sale, 0)),
        *(np.log(np.maximum(made.fitted.end.levels[number], _LEAST) / level) for number in _RATES),
        *(_log_ratio(*since[days]) for days in _WINDOWS),
        _log_ratio(before[0] - recent[0], before[1] - recent[1]),
        (sold[-28:] > 0).sum(axis=0) / open_days,
        zero_run,
        zero_run * recent[1] / open_days,
    ]
    ahead = by_week(made.fitted.factors.on(demand, slice(end, end + WEEKS * WEEK))) / WEEK
    found = np.empty((WEEKS, len(level), len(FEATURES)), dtype=np.float32)
    found[:, :, 0] = np.arange(WEEKS)[:, None]
    found[:, :, 1:-1] = np.stack(columns, axis=1)
    found[:, :, -1] = np.log(np.maximum(ahead, _LEAST))
    return found


def by_week(values: Floats) -> Floats:
    """Sums of 28 days x products by week."""
    return np.asarray(values.reshape(WEEKS, WEEK, -1).sum(axis=1), dtype=np.float64)


def _log_ratio(sold: Floats, expected: Floats) -> Floats:
    return np.asarray(np.log((sold + _HALF) / (expected + _HALF)), dtype=np.float64)


def _zero_run(sold: Floats, known: Flags) -> Floats:
    """Known days since the last sale, within the window."""
    after = np.cumsum(sold[::-1], axis=0) == 0
    return np.asarray((after & known[::-1]).sum(axis=0), dtype=np.float64)
