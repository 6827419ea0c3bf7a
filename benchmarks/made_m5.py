"""Files like those of M5, made up and small: what tests and the size `tiny` run on.

Belongs here: the files. Does not belong here: reading them (`m5`). The weights are worked out series by series and day
by day, in the plainest way there is: what the fast scorer is compared with.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.m5 import CALENDAR, HORIZON, PRICES, PUBLIC_FIRST_DAY, SALES, WEIGHTS

STATES = {"CA": ("CA_1", "CA_2"), "TX": ("TX_1",), "WI": ("WI_1",)}
DEPARTMENTS = {"FOODS_1": "FOODS", "FOODS_2": "FOODS", "HOBBIES_1": "HOBBIES"}
FIRST_DATE = date(2011, 1, 29)
SNAP_DAYS = 10
PRICED_STORE = "CA_1"
LAST_DAY = PUBLIC_FIRST_DAY + HORIZON - 1


def write(folder: Path, *, items: int = 3, days: int = 240, seed: int = 1) -> None:
    """Write the four files: so many items in each of three departments, the last `days` days up to d_1941."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    first = LAST_DAY + 1 - days
    calendar = _calendar(LAST_DAY + HORIZON)
    calendar.to_parquet(folder / CALENDAR)
    sales, prices = _sales(random, items, first, calendar)
    sales.to_parquet(folder / SALES)
    prices[prices["store_id"] == PRICED_STORE].to_parquet(folder / PRICES)
    weights(sales, prices, calendar).to_parquet(folder / WEIGHTS)


def _calendar(days: int) -> pd.DataFrame:
    dates = [FIRST_DATE + timedelta(days=day) for day in range(days)]
    return pd.DataFrame(
        {
            "date": [day.isoformat() for day in dates],
            "wm_yr_wk": [11101 + number // 7 for number in range(days)],
            "event_name_1": ["Fair" if number % 90 == 0 else None for number in range(days)],
            "event_name_2": ["Feast" if number % 180 == 0 else None for number in range(days)],
            **{f"snap_{state}": [int(day.day <= SNAP_DAYS) for day in dates] for state in STATES},
        }
    )


def _sales(
    random: np.random.Generator, items: int, first: int, calendar: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows, prices = [], []
    weekday = np.array([1.0, 0.8, 0.8, 0.8, 0.9, 1.0, 1.3])
    numbers = np.arange(first, LAST_DAY + 1)
    for state, stores in STATES.items():
        for store in stores:
            for department, category in DEPARTMENTS.items():
                for number in range(1, items + 1):
                    item = f"{department}_{number:03d}"
                    sold = random.poisson(random.gamma(1.0, 2.0) * weekday[numbers % 7])
                    sold[: int(random.integers(0, 40))] = 0
                    rows.append(
                        {
                            "id": f"{item}_{store}_evaluation",
                            "item_id": item,
                            "dept_id": department,
                            "cat_id": category,
                            "store_id": store,
                            "state_id": state,
                        }
                        | {f"d_{day}": units for day, units in zip(numbers, sold, strict=True)}
                    )
                    price = float(random.integers(1, 9))
                    weeks = sorted(set(calendar["wm_yr_wk"].iloc[first - 1 :]))
                    prices += [(store, item, week, price + 0.5 * (week % 9 == 0)) for week in weeks]
    return pd.DataFrame(rows), pd.DataFrame(prices, columns=["store_id", "item_id", "wm_yr_wk", "sell_price"])


def weights(sales: pd.DataFrame, prices: pd.DataFrame, calendar: pd.DataFrame) -> pd.DataFrame:
    """Dollar sales of the 28 days before d_1914, and mean squared daily changes from the first sale to d_1913."""
    price = {(store, item, week): value for store, item, week, value in prices.itertuples(index=False)}
    week = dict(enumerate(calendar["wm_yr_wk"], 1))
    units: dict[tuple[int, str], dict[int, float]] = {}
    dollars: dict[tuple[int, str], float] = {}
    for row in sales.to_dict("records"):
        for level, key in enumerate(keys(row), 1):
            own = units.setdefault((level, key), {})
            for day in (int(name[2:]) for name in row if name.startswith("d_")):
                sold = float(row[f"d_{day}"])
                own[day] = own.get(day, 0.0) + sold
                if PUBLIC_FIRST_DAY - HORIZON <= day < PUBLIC_FIRST_DAY:
                    spent = sold * price[row["store_id"], row["item_id"], week[day]]
                    dollars[level, key] = dollars.get((level, key), 0.0) + spent
    total = dollars[1, "Total"]
    return pd.DataFrame(
        [
            (level, key, dollars.get((level, key), 0.0) / total / 12, scale(own, PUBLIC_FIRST_DAY))
            for (level, key), own in units.items()
        ],
        columns=["level", "key", "weight_public", "train_mse_d1913"],
    )


def keys(row: dict[str, str]) -> list[str]:
    """The twelve sums that a series is part of, level 1 first."""
    item, department, category = row["item_id"], row["dept_id"], row["cat_id"]
    store, state = row["store_id"], row["state_id"]
    return [
        "Total",
        state,
        store,
        category,
        department,
        f"{state}|{category}",
        f"{state}|{department}",
        f"{store}|{category}",
        f"{store}|{department}",
        item,
        f"{item}|{state}",
        row["id"],
    ]


def scale(units: dict[int, float], before: int) -> float:
    """The mean squared change from day to day, from the first sale on."""
    squares, started = [], False
    for day in sorted(units)[1:]:
        started = started or units[day - 1] > 0
        if started and day < before:
            squares.append((units[day] - units[day - 1]) ** 2)
    return sum(squares) / len(squares)
