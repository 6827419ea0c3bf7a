"""M5 through the platform's forecast.

Belongs here: a store's sales and calendar as it reads them, and the forecasts of all stores. Does not belong here:
reading the files (`m5`) and the comparisons (`q1_m5`, `q1_engines`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import m5
from benchmarks.measure import Stopwatch

if TYPE_CHECKING:
    import pyarrow as pa

    from emma_platform.transforms.demand import Demand
    from emma_platform.transforms.forecast_boosting import Boosting


def demand_of(data: m5.M5, store: str, last_day: int, *, priced: bool = True) -> pa.Table:
    """A store's sales up to a day as the columns of `product_kpis` that a forecast reads; days before launch left out.

    Product is the item, category the department.
    """
    import pyarrow as pa

    of_store = np.flatnonzero(data.stores == store)
    past = slice(0, last_day + 1 - data.first_day)
    units = data.units[past, of_store].astype(np.float64)
    launched = np.maximum.accumulate(units > 0, axis=0)
    day, product = np.nonzero(launched)
    price = data.prices[past, of_store][day, product].astype(np.float64)
    dates = pa.array(data.dates[past], pa.date32())
    return pa.table(
        {
            "day": dates.take(pa.array(day)),
            "product": pa.array(data.items[of_store]).take(pa.array(product)),
            "category": pa.array(data.departments[of_store]).take(pa.array(product)),
            "units": units[day, product],
            "average_price": pa.array(price, mask=np.isnan(price) if priced else np.ones(len(price), dtype=bool)),
            "on_hand": pa.nulls(len(day), pa.float64()),
        }
    )


def calendar_of(data: m5.M5) -> pa.Table:
    """The events of all stores, and the days of food stamps of the stores of each state."""
    import pyarrow as pa

    from emma_platform.model.tables import CALENDAR

    state_of = dict(zip(data.stores, data.states, strict=True))
    rows: list[dict[str, Any]] = [
        {"store": None, "day": day, "event": name, "kind": "holiday"}
        for day, names in zip(data.dates, data.events, strict=True)
        for name in names
    ]
    for store, state in sorted(state_of.items()):
        rows += [
            {"store": store, "day": data.dates[at], "event": "SNAP", "kind": "event"}
            for at in np.flatnonzero(data.snap[state])
        ]
    return pa.Table.from_pylist(rows, schema=CALENDAR.arrow_schema())


def demand_at(data: m5.M5, store: str, first_day: int) -> tuple[Demand, np.ndarray]:
    """A store's demand up to the day before `first_day`, and which series its products are.

    Raises:
        ValueError: nothing was sold before.
    """
    from emma_platform.model.tables import PROMOTIONS
    from emma_platform.transforms.demand import read_demand

    demand = read_demand(
        demand_of(data, store, first_day - 1),
        PROMOTIONS.arrow_schema().empty_table(),
        calendar_of(data),
        store=store,
        made_on=data.dates[data.rows(first_day, first_day).start] - timedelta(days=1),
        history_days=730,
        horizon_days=m5.HORIZON,
    )
    if demand is None:
        raise ValueError(f"{store} sold nothing before d_{first_day}")
    of_store = np.flatnonzero(data.stores == store)
    place = dict(zip(data.items[of_store], of_store, strict=True))
    return demand, np.array([place[product] for product in demand.products])


def fits(data: m5.M5, first_day: int) -> tuple[np.ndarray, float]:
    """What the rivals do, and nothing more: a fit of every series and 28 days with 80 and 95 % intervals.

    It is what `forecast_store` does at each of its five origins, with reading the rows; without earlier origins the
    intervals are not calibrated. Prices are not read: a fit knows none, they act where some are planned. As with the
    rivals a warm-up, the first store once, loads what is compiled.

    Returns:
        The means, days x series, and CPU seconds.
    """
    from emma_platform.model.tables import PROMOTIONS
    from emma_platform.transforms.count_intervals import negative_binomial_quantiles
    from emma_platform.transforms.demand import read_demand
    from emma_platform.transforms.demand_factors import fit_factors
    from emma_platform.transforms.forecast_origin import forecast_from

    made_on = data.dates[data.rows(first_day, first_day).start] - timedelta(days=1)
    calendar, promotions = calendar_of(data), PROMOTIONS.arrow_schema().empty_table()
    found, cpu = np.zeros((m5.HORIZON, len(data.items))), 0.0
    stores = list(dict.fromkeys(data.stores))
    for number, store in enumerate([stores[0], *stores]):
        rows = demand_of(data, store, first_day - 1, priced=False)
        with Stopwatch() as watch:
            demand = read_demand(
                rows, promotions, calendar, store=store, made_on=made_on, history_days=730, horizon_days=m5.HORIZON
            )
            if demand is None:
                continue
            last = len(demand.units) - 1
            made = forecast_from(demand, last, m5.HORIZON, fit_factors(demand, last))
            negative_binomial_quantiles(made.mean, made.variance)
        cpu += watch.cpu if number else 0.0
        of_store = np.flatnonzero(data.stores == store)
        place = dict(zip(data.items[of_store], of_store, strict=True))
        found[:, [place[product] for product in demand.products]] = made.mean * made.live
    return found, cpu


def forecasts(
    data: m5.M5, first_day: int, *, priced: bool = True, boosting: Boosting | None = None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Forecast 28 days of every series: mean, p025, p10, p90, p975 x days x series; mean and variance; CPU seconds.

    A series without a forecast (nothing sold for half a year) has 0 throughout. Mean and variance are those of the
    distributions behind the intervals; the mean shown is the seasonal naive where it is better.
    """
    from emma_platform.model.tables import PROMOTIONS
    from emma_platform.transforms.forecast import forecast_store

    made_on = data.dates[data.rows(first_day, first_day).start] - timedelta(days=1)
    calendar, promotions = calendar_of(data), PROMOTIONS.arrow_schema().empty_table()
    found, predicted = np.zeros((5, m5.HORIZON, len(data.items))), np.zeros((2, m5.HORIZON, len(data.items)))
    cpu = 0.0
    for store in dict.fromkeys(data.stores):
        demand = demand_of(data, store, first_day - 1, priced=priced)
        with Stopwatch() as watch:
            made = forecast_store(
                demand, promotions, calendar, store=store, made_on=made_on, history_days=730, boosting=boosting
            )
        cpu += watch.cpu
        of_store = np.flatnonzero(data.stores == store)
        place = dict(zip(data.items[of_store], of_store, strict=True))
        rows = made.sales_forecast.to_pandas()
        rows = rows[rows["made_on"] == made_on]
        ahead, series = rows["horizon_days"].to_numpy() - 1, rows["product"].map(place).to_numpy()
        for number, name in enumerate(("mean", "p025", "p10", "p90", "p975")):
            found[number, ahead, series] = rows[name].to_numpy()
        at = [place[product] for product in made.predicted.products]
        predicted[:, :, at] = made.predicted.mean, made.predicted.variance
    return found, predicted, cpu
