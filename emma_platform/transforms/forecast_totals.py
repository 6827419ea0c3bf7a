"""What a store and each of its categories will sell in all: the sums of the products' forecasts, with intervals.

Belongs here: the rows of `sales_forecast_totals`. Does not belong here: how far sums scatter (`forecast_groups`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from emma_platform.model.report_card import SALES_FORECAST_TOTALS
from emma_platform.transforms.count_intervals import LEVELS
from emma_platform.transforms.demand import Codes, Demand, Flags, Floats
from emma_platform.transforms.forecast_groups import Groups, Spread
from emma_platform.transforms.forecast_origin import OriginForecast


@dataclass(frozen=True)
class Totals:
    """Forecasts of the sums, one entry a day and distance; arrays are days x groups.

    Attributes:
        day: index of each day.
        ahead: how many days before it the forecast was made.
        mean: expected units.
        quantiles: levels x days x groups.
        naive: the sums of the seasonal naive.
        actual: units sold; None for days to come.
    """

    day: Codes
    ahead: Codes
    mean: Floats
    quantiles: Floats
    naive: Floats
    actual: Floats | None


def newest_totals(made: OriginForecast, groups: Groups, spread: Spread) -> Totals:
    """The sums of what is shown for the days ahead: the mean is exactly the sum of the live products' means."""
    mean, naive, independent = (groups.sums(values * made.live) for values in (made.mean, made.naive, made.variance))
    ahead = np.arange(1, len(mean) + 1)
    quantiles = spread.quantiles(groups, mean, independent, ahead.astype(np.float64))
    return Totals(made.origin + ahead, ahead, mean, quantiles, naive, None)


def totals_table(parts: list[Totals], history: Demand, groups: Groups, live: Flags, store: str) -> pa.Table:
    """The rows of all parts as `model.report_card.SALES_FORECAST_TOTALS`, in order of their key.

    A group without a live product has none.
    """
    shown = np.flatnonzero(groups.sums(live.astype(np.float64)) > 0)
    width = len(shown)
    day, ahead = (np.concatenate([getattr(part, name) for part in parts]) for name in ("day", "ahead"))
    order = np.lexsort((day, day - ahead))
    rows = len(order)
    epoch = (history.first_day - date(1970, 1, 1)).days

    def flat(values: list[Floats]) -> pa.Array[Any]:
        return pa.array(np.concatenate(values)[np.ix_(order, shown)].T.ravel())

    def days(values: Codes) -> pa.Array[Any]:
        return pa.array(np.tile((values[order] + epoch).astype(np.int32), width)).cast(pa.date32())

    sold = flat([np.full(part.mean.shape, np.nan) if part.actual is None else part.actual for part in parts])
    categories = pa.array([*groups.names, None], pa.string())
    levels = pa.array(["category"] * len(groups.names) + ["store"], pa.string())
    group = np.repeat(shown, rows)
    return pa.table(
        [
            pa.repeat(pa.scalar(store, pa.string()), width * rows),
            levels.take(group),
            categories.take(group),
            days(day - ahead),
            days(day),
            pa.array(np.tile(ahead[order], width)),
            flat([part.mean for part in parts]),
            *(flat([part.quantiles[number] for part in parts]) for number in range(len(LEVELS))),
            flat([part.naive for part in parts]),
            pa.array(sold.to_numpy(), from_pandas=True),
        ],
        schema=SALES_FORECAST_TOTALS.arrow_schema(),
    )
