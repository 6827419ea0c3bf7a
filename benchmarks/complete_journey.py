"""Complete Journey: a year of grocery receipts of a household panel, as daily sales by store.

Belongs here: reading the data, made data of the same shape, and forecasts of weeks held out. Does not belong here: what
is compared with what (`q6_complete_journey`).

A line counts when its quantity is 1 to 100: fuel and coupons, which come by the thousand, are no demand for goods.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.measure import Stopwatch

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

LINES, PRODUCTS = "completejourney_transactions.parquet", "completejourney_products.parquet"
FILES = (LINES, PRODUCTS)
HORIZON = 28
LARGEST_QUANTITY = 100
QUANTILES = ("p025", "p10", "p90", "p975")
INTERVALS = {80: (1, 2), 95: (0, 3)}
"""Which of the quantiles bound an interval of so many percent."""


@dataclass(frozen=True)
class HeldOut:
    """What was forecast for the days after an origin, and what was sold, one entry a day and series.

    Attributes:
        actual, mean, naive: units.
        quantiles: those of `QUANTILES` x entries.
        cpu: seconds that the forecasts took.
        series: products forecast, of all stores and origins.
    """

    actual: np.ndarray
    mean: np.ndarray
    naive: np.ndarray
    quantiles: np.ndarray
    cpu: float
    series: int

    def coverage(self, percent: int) -> float:
        """The share of entries inside the 80 or 95 % interval."""
        low, high = INTERVALS[percent]
        return float(((self.actual >= self.quantiles[low]) & (self.actual <= self.quantiles[high])).mean())

    def error(self, forecast: np.ndarray) -> float:
        """Sum of absolute errors as a share of what was sold."""
        return float(np.abs(forecast - self.actual).sum() / self.actual.sum())


def sales(folder: Path, stores: int) -> pd.DataFrame:
    """Rows of `store, day, product, category, units, average_price` of the stores with the most lines."""
    import pandas as pd

    lines = pd.read_parquet(folder / LINES)
    lines = lines[lines["quantity"].between(1, LARGEST_QUANTITY)]
    busiest = lines["store_id"].value_counts().index[:stores]
    lines = lines[lines["store_id"].isin(busiest)]
    category = pd.read_parquet(folder / PRODUCTS).set_index("product_id")["department"]
    day = lines["sold_at"].dt.date
    by_day = lines.groupby([lines["store_id"], day, lines["product_id"]], sort=True)
    rows = by_day[["quantity", "sales_value"]].sum().reset_index()
    return pd.DataFrame(
        {
            "store": rows["store_id"].astype(str),
            "day": rows["sold_at"],
            "product": rows["product_id"].astype(str),
            "category": rows["product_id"].map(category),
            "units": rows["quantity"].astype("float64"),
            "average_price": rows["sales_value"] / rows["quantity"],
        }
    )


def forecast(rows: pd.DataFrame, store: str, made_on: date) -> tuple[pa.Table, pa.Table, float]:
    """`sales_forecast` and `sales_forecast_totals` of a store from one origin, and the seconds of CPU they took."""
    import pyarrow as pa

    from emma_platform.model.tables import CALENDAR, PROMOTIONS
    from emma_platform.transforms.forecast import forecast_store

    known = rows[(rows["store"] == store) & (rows["day"] <= made_on)]
    demand = pa.Table.from_pandas(known.drop(columns="store"), preserve_index=False)
    demand = demand.append_column("on_hand", pa.nulls(len(known), pa.float64()))
    none = (PROMOTIONS.arrow_schema().empty_table(), CALENDAR.arrow_schema().empty_table())
    with Stopwatch() as watch:
        made = forecast_store(demand, *none, store=store, made_on=made_on, history_days=730)
    return made.sales_forecast, made.sales_forecast_totals, watch.cpu


def held_out(rows: pd.DataFrame, origins: list[date]) -> tuple[HeldOut, HeldOut]:
    """Products, and the totals of stores, after each origin."""
    products: list[pd.DataFrame] = []
    totals: list[pd.DataFrame] = []
    cpu, series = 0.0, 0
    for made_on in origins:
        for store in rows["store"].unique():
            table, sums, seconds = forecast(rows, store, made_on)
            newest = table.to_pandas().query("made_on == @made_on")
            cpu, series = cpu + seconds, series + newest["product"].nunique()
            products.append(_beside(newest, rows, store, made_on))
            totals.append(_totals(sums.to_pandas(), rows, store, made_on))
    return _of(products, cpu, series), _of(totals, cpu, series)


def _beside(newest: pd.DataFrame, rows: pd.DataFrame, store: str, made_on: date) -> pd.DataFrame:
    """The forecast with the units sold, and those of the last known week."""
    own = rows[rows["store"] == store]
    sold = own.set_index(["product", "day"])["units"]
    week_before = [made_on - timedelta(days=6 - (ahead - 1) % 7) for ahead in newest["horizon_days"]]
    found = newest.copy()
    found["actual"] = sold.reindex(list(zip(found["product"], found["day"], strict=True))).fillna(0.0).to_numpy()
    found["naive"] = sold.reindex(list(zip(found["product"], week_before, strict=True))).fillna(0.0).to_numpy()
    return found


def _totals(sums: pd.DataFrame, rows: pd.DataFrame, store: str, made_on: date) -> pd.DataFrame:
    """The store's totals with all that it sold, products never seen before included, and the last known week's."""
    found = sums[(sums["level"] == "store") & (sums["made_on"] == made_on)].drop(columns="naive")
    sold = rows[rows["store"] == store].groupby("day")["units"].sum()
    week_before = [made_on - timedelta(days=6 - ((day - made_on).days - 1) % 7) for day in found["day"]]
    return found.assign(
        actual=sold.reindex(found["day"]).fillna(0.0).to_numpy(),
        naive=sold.reindex(week_before).fillna(0.0).to_numpy(),
    )


def _of(parts: list[pd.DataFrame], cpu: float, series: int) -> HeldOut:
    import pandas as pd

    rows = pd.concat(parts)
    actual, mean, naive = (rows[name].to_numpy() for name in ("actual", "mean", "naive"))
    return HeldOut(actual, mean, naive, rows[list(QUANTILES)].to_numpy().T, cpu, series)


def write_made(folder: Path, *, stores: int = 2, products: int = 12, days: int = 150, seed: int = 3) -> None:
    """Files of the same columns with made receipts up to the last day of 2017."""
    import pandas as pd

    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    rates = random.gamma(1.0, 1.0, size=(stores, products))
    units = random.poisson(rates[:, None, :], size=(stores, days, products))
    store, day, product = np.nonzero(units)
    quantity = units[store, day, product]
    first = np.datetime64("2018-01-01T12:00:00") - np.timedelta64(days, "D")
    pd.DataFrame(
        {
            "store_id": store + 300,
            "sold_at": (first + day.astype("timedelta64[D]")).astype("datetime64[us]"),
            "product_id": product + 1_000,
            "quantity": quantity,
            "sales_value": quantity * 2.5,
        }
    ).to_parquet(folder / LINES)
    pd.DataFrame({"product_id": np.arange(products) + 1_000, "department": "GROCERY"}).to_parquet(folder / PRODUCTS)
