"""Forecasts of 28 days by other libraries, as their documentation shows it.

Belongs here: a function a rival: history (days x series) and its dates in, 28 x series out. Does not belong here: which
series, their scores and times (`q1_m5`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

HORIZON, WEEK = 28, 7
Rival = Callable[[np.ndarray, list[date]], np.ndarray]


def _long(history: np.ndarray, days: list[date]) -> pd.DataFrame:
    """Rows of series, day and units; each series from its first sale on."""
    import pandas as pd

    length, width = history.shape
    rows = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(width), length),
            "ds": np.tile(pd.to_datetime(pd.Series(days)).to_numpy(), width),
            "y": history.T.ravel(),
        }
    )
    return rows[np.maximum.accumulate(history > 0, axis=0).T.ravel()]


def _wide(found: pd.DataFrame, column: str) -> np.ndarray:
    return np.maximum(found.pivot_table(index="ds", columns="unique_id", values=column).to_numpy(), 0.0)


def statsforecast(model: str, history: np.ndarray, days: list[date]) -> np.ndarray:
    """A model of statsforecast; with intervals where it makes them itself."""
    from statsforecast import StatsForecast, models

    made = {
        "AutoETS": partial(models.AutoETS, season_length=WEEK),
        "AutoTheta": partial(models.AutoTheta, season_length=WEEK),
        "IMAPA": models.IMAPA,
        "CrostonSBA": models.CrostonSBA,
    }[model]()
    level = {"level": [80, 95]} if model.startswith("Auto") else {}
    runner = StatsForecast(models=[made], freq="D", n_jobs=1)
    return _wide(runner.forecast(df=_long(history, days), h=HORIZON, **level), model)


def weekday(days: pd.DatetimeIndex) -> pd.Index:
    """0 is Monday. The library's own feature of that name asks pandas in a way that pandas warns of."""
    return days.day_of_week


def mlforecast(history: np.ndarray, days: list[date]) -> np.ndarray:
    """LightGBM with the Tweedie loss over all series, recursive: lags, rolling means, weekday."""
    from lightgbm import LGBMRegressor
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean

    model = LGBMRegressor(objective="tweedie", n_estimators=300, learning_rate=0.05, num_leaves=63, verbosity=-1,
                          num_threads=1, deterministic=True)  # fmt: skip
    runner = MLForecast(
        models={"found": model},
        freq="D",
        lags=[1, 7, 14, 28],
        lag_transforms={1: [RollingMean(7), RollingMean(28)], 7: [RollingMean(28)]},
        date_features=[weekday, "day", "month"],
    )
    runner.fit(_long(history, days), static_features=[])
    return _wide(runner.predict(HORIZON), "found")


def statsmodels(history: np.ndarray, _days: list[date]) -> np.ndarray:
    """Additive error, no trend, additive weekly season, by maximum likelihood, a series at a time."""
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel

    columns = []
    for values in history.T:
        own = values[np.argmax(values > 0) :]
        seasonal = "add" if len(own) > 2 * WEEK else None
        model = ETSModel(own, error="add", trend=None, seasonal=seasonal, seasonal_periods=WEEK if seasonal else None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            columns.append(model.fit(disp=False).forecast(HORIZON))
    return np.maximum(np.stack(columns, axis=1), 0.0)


RIVALS: dict[str, Rival] = {
    **{name: partial(statsforecast, name) for name in ("AutoETS", "AutoTheta", "IMAPA", "CrostonSBA")},
    "mlforecast": mlforecast,
    "statsmodels": statsmodels,
}
