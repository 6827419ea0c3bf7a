"""The chain's forecast model: trained when a week is over, the same however the files came, gone when not wanted."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from emma_platform.recompute.propagate import WHOLE
from emma_platform_tests.recompute.home import DAY_ONE, Home, sale

STORES, PRODUCTS, DAYS = ("S1", "S2"), 20, 290
SUNDAY = date(2026, 3, 22)
LAST = (SUNDAY - DAY_ONE).days
"""The last day of the first delivery, as `home.sale` counts."""

Sold = dict[tuple[str, int], list[str]]


def sold() -> Sold:
    """Lines by store and day; now and then a product sells five times as much for a week, which can be learned."""
    random = np.random.default_rng(5)
    lines: Sold = {}
    for store in STORES:
        lift = np.ones((DAYS + 7, PRODUCTS))
        for product in range(PRODUCTS):
            start = int(random.integers(0, 30))
            while start < len(lift):
                lift[start : start + 7, product] = 5.0
                start += int(random.integers(20, 60))
        units = random.poisson(random.lognormal(1.2, 0.6, PRODUCTS) * lift)
        for number, of_day in enumerate(units.tolist()):
            on = LAST + 1 - DAYS + number
            lines[store, on] = [
                sale(store, on, f"P{product}", quantity, receipt=f"R{product}")
                for product, quantity in enumerate(of_day)
                if quantity
            ]
    return lines


@pytest.fixture(scope="module")
def lines() -> Sold:
    return sold()


def deliver(home: Home, lines: Sold, *days: int) -> None:
    for on in days:
        home.sell(f"{on}.csv", *(line for store in STORES for line in lines[store, on]))


def home_of(folder: Path, lines: Sold, engine: str) -> Home:
    """A home with everything up to the Sunday, not updated yet."""
    home = Home(folder, forecast_engine=engine, forecast_history_days=330)
    past = [line for (_, on), of_day in lines.items() if on <= LAST for line in of_day]
    home.sell("past.csv", *past)
    return home


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory, lines: Sold) -> tuple[Home, list[set[object]], list[object]]:
    """A home that took Monday, Tuesday and a late correction one by one; which models it trained, and until when."""
    home = home_of(tmp_path_factory.mktemp("lived"), lines, "best")
    trained: list[set[object]] = []
    until: list[object] = []

    def update() -> None:
        trained.append(set(home.computed(home.update(), "forecast_model")))
        until.append({on for (on,) in home.rows("forecast_model", ["trained_until"])})

    update()
    for days in ((LAST + 1,), (LAST + 2,)):
        deliver(home, lines, *days)
        update()
    home.sell("late.csv", sale("S1", LAST - 60, "P3", 9, receipt="late"))
    update()
    return home, trained, until


def test_it_is_trained_when_a_week_is_over_and_when_a_day_of_its_own_changes(
    lived: tuple[Home, list[set[object]], list[object]],
) -> None:
    _, trained, until = lived
    assert trained == [{WHOLE}, {WHOLE}, set(), {WHOLE}]
    assert until == [{SUNDAY - timedelta(7)}, {SUNDAY}, {SUNDAY}, {SUNDAY}]


def test_the_forecasts_use_it_and_all_is_as_if_the_files_had_come_at_once(
    lived: tuple[Home, list[set[object]], list[object]], lines: Sold, tmp_path: Path
) -> None:
    home, *_ = lived
    assert ("boosting",) in home.rows("sales_forecast", ["method"])
    at_once = home_of(tmp_path, lines, "best")
    deliver(at_once, lines, LAST + 1, LAST + 2)
    at_once.sell("late.csv", sale("S1", LAST - 60, "P3", 9, receipt="late"))
    at_once.update()
    tables = ("forecast_model", "sales_forecast", "sales_forecast_totals", "forecast_scores", "forecast_accuracy")
    assert at_once.everything(tables) == home.everything(tables)
    evidence = at_once.rows("price_evidence")
    at_once.change(forecast_engine="fast")
    at_once.update()
    assert at_once.rows("forecast_model") == []
    assert {method for (method,) in at_once.rows("sales_forecast", ["method"])} == {"smoothing"}
    assert at_once.rows("price_evidence") == evidence
    assert not at_once.computed(at_once.update(), "sales_forecast")
