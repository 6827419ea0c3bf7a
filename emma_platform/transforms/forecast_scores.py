"""How good earlier forecasts were: errors, coverage and skill against the seasonal naive, product by product.

Belongs here: sums over scored days and the ratios of them. Does not belong here: which origins are scored (`forecast`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from emma_platform.model.estimates import FORECAST_SCORES
from emma_platform.transforms.demand import Codes, Flags, Floats

_COUNTS = ("origins", "days", "inside_80", "inside_95")
_SUMS = ("actual_units", "absolute_error", "signed_error", "naive_absolute_error", "squared_error")
_LEAST_ORIGINS = 2
_INNER = ("naive_squared_error", "naive_scale_days", "lost_origins")


@dataclass(frozen=True)
class Scores:
    """Sums per product over the scored days of all origins.

    Attributes:
        sums: `origins, days, inside_80, inside_95, actual_units, absolute_error, signed_error, naive_absolute_error,
            squared_error, naive_squared_error`, `naive_scale_days`, the naive scales weighted by scored days, and
            `lost_origins`, those at which the forecast's absolute error exceeded the seasonal naive's.
    """

    sums: dict[str, Floats]

    @classmethod
    def empty(cls, width: int) -> Scores:
        """Nothing scored yet, for so many products."""
        return cls({name: np.zeros(width) for name in (*_COUNTS, *_SUMS, *_INNER)})

    def add(
        self, *, actual: Floats, scored: Floats, mean: Floats, naive: Floats, quantiles: Floats, scale: Floats
    ) -> Scores:
        """These scores and those of one more origin.

        Args:
            actual: horizon x products, units sold.
            scored: horizon x products, 1 where the day counts, else 0.
            mean: the forecast.
            naive: the seasonal naive.
            quantiles: levels x horizon x products: p025, p10, p50, p90, p975.
            scale: per product the mean squared one-day change before the origin.
        """
        error = (mean - actual) * scored
        naive_error = (naive - actual) * scored
        days = scored.sum(axis=0)
        inside = [
            (((actual >= quantiles[low]) & (actual <= quantiles[-1 - low])) * scored).sum(axis=0) for low in (1, 0)
        ]
        more = {
            "origins": (days > 0).astype(np.float64),
            "days": days,
            "inside_80": inside[0],
            "inside_95": inside[1],
            "actual_units": (actual * scored).sum(axis=0),
            "absolute_error": np.abs(error).sum(axis=0),
            "signed_error": error.sum(axis=0),
            "naive_absolute_error": np.abs(naive_error).sum(axis=0),
            "squared_error": (error * error).sum(axis=0),
            "naive_squared_error": (naive_error * naive_error).sum(axis=0),
            "naive_scale_days": scale * days,
        }
        more["lost_origins"] = (more["absolute_error"] > more["naive_absolute_error"]).astype(np.float64)
        return Scores({name: self.sums[name] + more[name] for name in self.sums})

    def without_skill(self) -> Codes:
        """The products that at least two origins scored and at which the seasonal naive erred less over all of them.

        It must win in absolute and in squared error, in absolute error at every origin, and something must have been
        sold on the scored days, for a forecast of 0 is never wrong where nothing was. By absolute error alone 0 wins on
        whatever sells less than every other day: on M5 stores that rule replaced a quarter of the products and raised
        their RMSSE on the following four weeks from .63-.73 to .80-.94; this rule replaces 1 %.
        """
        sums = self.sums
        worse = (sums["absolute_error"] > sums["naive_absolute_error"]) & (
            sums["squared_error"] > sums["naive_squared_error"]
        )
        always = sums["lost_origins"] == sums["origins"]
        return np.flatnonzero(worse & always & (sums["actual_units"] > 0) & (sums["origins"] >= _LEAST_ORIGINS))

    def table(self, store: str, products: list[str], shown: Codes) -> pa.Table:
        """The scores of the shown products with a scored day, as `model.estimates.FORECAST_SCORES`."""
        rows = shown[self.sums["origins"][shown] > 0]
        sums = {name: values[rows] for name, values in self.sums.items()}
        days = sums["days"]
        scale = sums["naive_scale_days"] / days
        columns: dict[str, pa.Array[Any]] = {
            "store": pa.array([store] * len(rows), pa.string()),
            "product": pa.array([products[row] for row in rows.tolist()], pa.string()),
            **{name: pa.array(sums[name].astype(np.int64)) for name in _COUNTS},
            **{name: pa.array(sums[name]) for name in _SUMS},
            "naive_scale": _nullable(scale, scale > 0),
            "wape": _ratio(sums["absolute_error"], sums["actual_units"]),
            "rmsse": _nullable(np.sqrt(sums["squared_error"] / days / np.where(scale > 0, scale, 1.0)), scale > 0),
            "bias": _ratio(sums["signed_error"], sums["actual_units"]),
            "coverage_80": pa.array(sums["inside_80"] / days),
            "coverage_95": pa.array(sums["inside_95"] / days),
            "skill_vs_seasonal_naive": _ratio(
                sums["naive_absolute_error"] - sums["absolute_error"], sums["naive_absolute_error"]
            ),
        }
        schema = FORECAST_SCORES.arrow_schema()
        return pa.table([columns[name] for name in schema.names], schema=schema)


def _nullable(values: Floats, valid: Flags) -> pa.Array[Any]:
    return pa.array(values, mask=~valid)


def _ratio(numerator: Floats, denominator: Floats) -> pa.Array[Any]:
    """The quotient, null where the denominator is 0."""
    valid = denominator > 0
    return _nullable(numerator / np.where(valid, denominator, 1.0), valid)
