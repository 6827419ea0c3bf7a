"""The M5 data (Makridakis, Spiliotis, Assimakopoulos, The M5 accuracy competition, IJF 38, 2022) and its score.

Belongs here: reading the files, the WRMSSE over the twelve levels. Does not belong here: forecasts (`q1_m5`).

Days are numbered as in the data: d_1914 is day 1914.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from benchmarks.real_data import needed

if TYPE_CHECKING:
    import pandas as pd
    from scipy import sparse

Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.object_]

SALES, CALENDAR = "m5_sales_d1495_d1941.parquet", "m5_calendar.parquet"
PRICES, WEIGHTS = "m5_sell_prices_partial.parquet", "m5_weights_public.parquet"
FILES = (SALES, CALENDAR, PRICES, WEIGHTS)
PUBLIC_FIRST_DAY, HORIZON = 1914, 28
LEVELS: tuple[tuple[str, ...], ...] = (
    (),
    ("states",),
    ("stores",),
    ("categories",),
    ("departments",),
    ("states", "categories"),
    ("states", "departments"),
    ("stores", "categories"),
    ("stores", "departments"),
    ("items",),
    ("items", "states"),
    ("items", "stores"),
)
"""What the series are added up by, level 1 first."""


@dataclass(frozen=True)
class M5:
    """All series, in the order of the sales file (store by store).

    Attributes:
        first_day: number of the first row of `units` and `prices`.
        units: days x series, units sold.
        prices: days x series, NaN where unknown; goes on after the last day of `units`, to the calendar's end.
        items, departments, categories, stores, states: per series.
        dates: of the rows of `prices`.
        events: of the same days, the names of its events, none to two.
        snap: state to a flag for each of the same days: food stamps may be spent.
        weights: per row of `sums`, the official ones of the public phase (dollar sales of d_1886..d_1913); their total
            is 1.
        public_scales: per row of `sums`, the official mean squared daily change up to d_1913.
    """

    first_day: int
    units: npt.NDArray[np.float32]
    prices: npt.NDArray[np.float32]
    items: Names
    departments: Names
    categories: Names
    stores: Names
    states: Names
    dates: list[date]
    events: list[tuple[str, ...]]
    snap: dict[str, npt.NDArray[np.bool_]]
    weights: Floats
    public_scales: Floats

    def rows(self, first_day: int, last_day: int) -> slice:
        """The rows of `units` and `prices` of these days, both included."""
        return slice(first_day - self.first_day, last_day + 1 - self.first_day)

    @cached_property
    def groups(self) -> list[tuple[npt.NDArray[np.int64], list[str]]]:
        """For each level the number of each series' sum, and the sums' keys."""
        return _groups({name: getattr(self, name) for level in LEVELS for name in level}, len(self.items))

    @cached_property
    def sums(self) -> sparse.csr_matrix:
        """All sums of all levels, level 1 first, by series: 1 where a series is part of the sum."""
        from scipy import sparse

        blocks, series = [], np.arange(len(self.items))
        for codes, keys in self.groups:
            blocks.append(sparse.csr_matrix((np.ones(len(series)), (codes, series)), shape=(len(keys), len(series))))
        return sparse.vstack(blocks, format="csr")

    @cached_property
    def level_of_sum(self) -> npt.NDArray[np.int64]:
        """The level, 0 to 11, of each row of `sums`."""
        return np.repeat(np.arange(len(LEVELS)), [len(keys) for _, keys in self.groups])

    def scales(self, first_day: int) -> Floats:
        """Per sum the mean squared daily change from the first sale to the day before `first_day`.

        The official ones for the public window; else from the days at hand, which begin later than the official
        history. A sum without a change has NaN.
        """
        if first_day == PUBLIC_FIRST_DAY:
            return self.public_scales
        history = self.sums @ self.units[: first_day - self.first_day].T.astype(np.float64)
        started = np.maximum.accumulate(history > 0, axis=1)[:, :-1]
        change = np.diff(history, axis=1)
        count = started.sum(axis=1)
        squares = np.einsum("ij,ij,ij->i", change, change, started.astype(np.float64))
        return np.where(squares > 0, squares / np.maximum(count, 1), np.nan)


@dataclass(frozen=True)
class Score:
    """WRMSSE of each level, level 1 first, and their mean."""

    levels: Floats
    average: float


def score(m5: M5, forecast: npt.NDArray[np.floating], first_day: int) -> Score:
    """The WRMSSE of a forecast of 28 days.

    Args:
        m5: the data; they hold the days forecast.
        forecast: 28 x series, units.
        first_day: the number of the first day forecast. For another than the public one the weights are those of the
            public phase all the same: dollar sales need prices, which are known for one store and a half.

    Raises:
        ValueError: the shapes do not fit.
    """
    actual = m5.units[m5.rows(first_day, first_day + HORIZON - 1)].astype(np.float64)
    if actual.shape != np.shape(forecast) or len(actual) != HORIZON:
        raise ValueError(f"a forecast of {np.shape(forecast)} days x series for {actual.shape} known ones")
    error = m5.sums @ (actual - forecast).T
    scales = m5.scales(first_day)
    scored = scales > 0
    rmsse = np.sqrt(np.einsum("ij,ij->i", error, error) / HORIZON / np.where(scored, scales, 1.0))
    parts = np.where(scored, m5.weights * rmsse, 0.0)
    levels = np.bincount(m5.level_of_sum, weights=parts, minlength=len(LEVELS)) * len(LEVELS)
    return Score(levels, float(levels.mean()))


def load(data: Path | None = None) -> M5:
    """Read the files from the folder given or found (`real_data.folder`).

    Raises:
        AbsentError: they are not there.
    """
    import pandas as pd

    folder = needed(FILES, data)
    sales, calendar = pd.read_parquet(folder / SALES), pd.read_parquet(folder / CALENDAR)
    columns = [name for name in sales.columns if name.startswith("d_")]
    first = int(columns[0][2:])
    calendar = calendar.iloc[first - 1 :]
    names = {
        plural: sales[column].to_numpy(dtype=object)
        for plural, column in {
            "items": "item_id",
            "departments": "dept_id",
            "categories": "cat_id",
            "stores": "store_id",
            "states": "state_id",
        }.items()
    }
    weights, scales = _official(pd.read_parquet(folder / WEIGHTS), _groups(names, len(sales)))
    return M5(
        first_day=first,
        units=np.ascontiguousarray(sales[columns].to_numpy(dtype=np.float32).T),
        prices=_prices(pd.read_parquet(folder / PRICES), sales, calendar["wm_yr_wk"].to_numpy()),
        **names,
        dates=[date.fromisoformat(day) for day in calendar["date"]],
        events=[
            tuple(name for name in pair if isinstance(name, str))
            for pair in zip(calendar["event_name_1"], calendar["event_name_2"], strict=True)
        ],
        snap={state: calendar[f"snap_{state}"].to_numpy() > 0 for state in sorted(set(names["states"]))},
        weights=weights,
        public_scales=scales,
    )


def _groups(names: dict[str, Names], series: int) -> list[tuple[npt.NDArray[np.int64], list[str]]]:
    import pandas as pd

    found = []
    for level in LEVELS:
        key = names[level[0]] if level else np.full(series, "Total", dtype=object)
        for name in level[1:]:
            key = key + "|" + names[name]
        codes, keys = pd.factorize(key, sort=True)
        found.append((codes.astype(np.int64), [str(name) for name in keys]))
    return found


def _official(weights: pd.DataFrame, groups: list[tuple[npt.NDArray[np.int64], list[str]]]) -> tuple[Floats, Floats]:
    """The official weights and scales in the order of our sums."""
    parts = []
    for number, (_, keys) in enumerate(groups, 1):
        rows = weights[weights["level"] == number].set_index("key")
        names = [f"{key.replace('|', '_')}_evaluation" for key in keys] if number == len(LEVELS) else keys
        parts.append(rows.loc[names, ["weight_public", "train_mse_d1913"]].to_numpy(dtype=np.float64))
    both = np.concatenate(parts)
    return both[:, 0], both[:, 1]


def _prices(prices: pd.DataFrame, sales: pd.DataFrame, weeks: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Days x series; a week without a row has no price."""
    known = prices[prices["wm_yr_wk"].isin(weeks)]
    wide = known.pivot_table(index=["store_id", "item_id"], columns="wm_yr_wk", values="sell_price", observed=True)
    series = list(zip(sales["store_id"], sales["item_id"], strict=True))
    return wide.reindex(index=series, columns=weeks).to_numpy(dtype=np.float32).T
