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

    from emma_platform.transforms.forecast import Forecast, Predicted

LINES, PRODUCTS = "completejourney_transactions.parquet", "completejourney_products.parquet"
FILES = (LINES, PRODUCTS)
HORIZON = 28
LARGEST_QUANTITY = 100
ENDS = (("p10", "p90"), ("p025", "p975"))
"""The ends of the 80 and of the 95 % interval."""
COLUMNS = (
    "store",
    "day",
    "mean",
    "p025",
    "p10",
    "p90",
    "p975",
    "actual",
    "everything",
    "naive",
    "inside_80",
    "inside_95",
)


@dataclass(frozen=True)
class HeldOut:
    """What was forecast for the days after an origin, and what was sold.

    Attributes:
        rows: `COLUMNS`, a row a day and series: units; `actual` of the products forecast, `everything` with those that
            the forecast does not know of; the share of the day inside each interval, for counts of single products by
            the randomised transform.
        cpu: seconds that the forecasts took.
        series: products forecast, of all stores and origins.
    """

    rows: pd.DataFrame
    cpu: float
    series: int

    def inside(self, sold: str = "actual") -> list[float]:
        """The share of rows with `sold` within the 80 and the 95 % interval, ends included."""
        rows = self.rows
        return [float(((rows[sold] >= rows[low]) & (rows[sold] <= rows[high])).mean()) for low, high in ENDS]

    def error(self, forecast: str) -> float:
        """Sum of absolute errors as a share of everything sold."""
        rows = self.rows
        return float((rows[forecast] - rows["everything"]).abs().sum() / rows["everything"].sum())


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


def forecast(rows: pd.DataFrame, store: str, made_on: date) -> tuple[Forecast, float]:
    """The forecast of a store from one origin, and the seconds of CPU it took."""
    import pyarrow as pa

    from emma_platform.model.tables import CALENDAR, PROMOTIONS
    from emma_platform.transforms.forecast import forecast_store

    known = rows[(rows["store"] == store) & (rows["day"] <= made_on)]
    demand = pa.Table.from_pandas(known.drop(columns="store"), preserve_index=False)
    demand = demand.append_column("on_hand", pa.nulls(len(known), pa.float64()))
    none = (PROMOTIONS.arrow_schema().empty_table(), CALENDAR.arrow_schema().empty_table())
    with Stopwatch() as watch:
        made = forecast_store(demand, *none, store=store, made_on=made_on, history_days=730)
    return made, watch.cpu


def held_out(rows: pd.DataFrame, origins: list[date]) -> tuple[HeldOut, HeldOut]:
    """Products, and the totals of stores, after each origin."""
    products: list[pd.DataFrame] = []
    totals: list[pd.DataFrame] = []
    cpu, series = 0.0, 0
    for made_on in origins:
        for store in rows["store"].unique():
            made, seconds = forecast(rows, store, made_on)
            newest = made.sales_forecast.to_pandas().query("made_on == @made_on")
            cpu, series = cpu + seconds, series + newest["product"].nunique()
            own = rows[rows["store"] == store]
            beside = _inside(_beside(newest, own, made_on), made.predicted)
            products.append(beside)
            totals.append(_totals(made.sales_forecast_totals.to_pandas(), beside, own, made_on))
    return _of(products, cpu, series), _of(totals, cpu, series)


def _week_before(made_on: date, days: pd.Series) -> list[date]:
    return [made_on - timedelta(days=6 - ((day - made_on).days - 1) % 7) for day in days]


def _beside(newest: pd.DataFrame, own: pd.DataFrame, made_on: date) -> pd.DataFrame:
    """The forecast with the units sold, and those of the last known week."""
    sold = own.set_index(["product", "day"])["units"]
    week_before = _week_before(made_on, newest["day"])
    actual = sold.reindex(list(zip(newest["product"], newest["day"], strict=True))).fillna(0.0).to_numpy()
    naive = sold.reindex(list(zip(newest["product"], week_before, strict=True))).fillna(0.0).to_numpy()
    return newest.assign(actual=actual, everything=actual, naive=naive)


def _inside(beside: pd.DataFrame, predicted: Predicted) -> pd.DataFrame:
    """With the share of each day that lies inside its intervals, by the randomised transform."""
    from emma_platform.transforms.interval_calibration import shares_inside

    place = {product: number for number, product in enumerate(predicted.products)}
    at = (beside["horizon_days"].to_numpy() - 1, beside["product"].map(place).to_numpy())
    inside = shares_inside(beside["actual"].to_numpy(), predicted.mean[at], predicted.variance[at])
    return beside.assign(inside_80=inside[0], inside_95=inside[1])


def _totals(sums: pd.DataFrame, products: pd.DataFrame, own: pd.DataFrame, made_on: date) -> pd.DataFrame:
    """The store's totals with what these products sold and with all that it sold, and the last known week's."""
    found = sums[(sums["level"] == "store") & (sums["made_on"] == made_on)].drop(columns="naive")
    sold = own.groupby("day")["units"].sum()
    found = found.assign(
        actual=found["day"].map(products.groupby("day")["actual"].sum()),
        everything=sold.reindex(found["day"]).fillna(0.0).to_numpy(),
        naive=sold.reindex(_week_before(made_on, found["day"])).fillna(0.0).to_numpy(),
    )
    low, high = ((found["actual"] >= found[low]) & (found["actual"] <= found[high]) for low, high in ENDS)
    return found.assign(inside_80=low.astype("float64"), inside_95=high.astype("float64"))


def _of(parts: list[pd.DataFrame], cpu: float, series: int) -> HeldOut:
    import pandas as pd

    rows = pd.concat(parts)
    return HeldOut(rows[list(COLUMNS)].reset_index(drop=True), cpu, series)


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
