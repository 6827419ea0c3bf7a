"""Stores added up: means are sums, and the interval knows whether their errors come together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from emma_platform.model.report_card import SALES_FORECAST_TOTALS
from emma_platform.serving.together import ahead, past

NEWEST = date(2026, 3, 31)
Z_80, Z_95 = 1.2816, 1.9600

Errors = Callable[[int, int], float]
"""The error of a store on a day that is over, in standard deviations; its arguments are their numbers."""


def totals(deviations: list[float], errors: Errors, made_on: list[date] | None = None) -> pa.Table:
    """Stores that sell 100 a day; the standard deviation of each is the same on all days."""
    rows = []
    for store, deviation in enumerate(deviations):
        made = made_on[store] if made_on else NEWEST
        for horizon in (1, 7, 28):
            for number in range(28):
                day = made - timedelta(27 - number)
                rows.append((store, day - timedelta(horizon), day, horizon, 100 + deviation * errors(store, number)))
        rows += [(store, made, made + timedelta(horizon), horizon, None) for horizon in range(1, 29)]
    frame = pd.DataFrame(rows, columns=["store", "made_on", "day", "horizon_days", "actual_units"])
    deviation = frame["store"].map(dict(enumerate(deviations)))
    for name, z in (("p025", -Z_95), ("p10", -Z_80), ("p50", 0), ("p90", Z_80), ("p975", Z_95)):
        frame[name] = 100 + z * deviation
    frame = frame.assign(level="store", category=None, mean=100.0, naive=90.0, store="S" + frame["store"].astype(str))
    return pa.Table.from_pandas(
        frame[list(SALES_FORECAST_TOTALS.names)], schema=SALES_FORECAST_TOTALS.arrow_schema(), preserve_index=False
    )


def alike(_: int, day: int) -> float:
    return 1.0 if day % 2 else -1.0


def apart(store: int, day: int) -> float:
    """The sign changes every 1, 2, 4 days: no two stores' errors have anything in common over 28 days."""
    return 1.0 if (day >> store) % 2 else -1.0


@pytest.mark.parametrize(
    ("errors", "expected"), [(alike, 5.0), (apart, np.sqrt(3**2 + 1**2 + 1**2))], ids=["together", "on their own"]
)
def test_the_width_of_a_day_to_come_is_that_of_errors_so_far(errors: Errors, expected: float) -> None:
    found = ahead(totals([3.0, 1.0, 1.0], errors))
    assert found is not None
    assert [row["day"] for row in found.daily] == [NEWEST + timedelta(number) for number in range(1, 29)]
    for row in found.daily:
        assert row["mean"] == 300
        assert row["p90"] - row["mean"] == pytest.approx(Z_80 * expected)
        assert row["mean"] - row["p025"] == pytest.approx(Z_95 * expected)
    daily = past(totals([3.0, 1.0, 1.0], errors)).to_pandas()
    np.testing.assert_allclose(daily["p90"] - daily["mean"], Z_80 * expected)


@pytest.mark.parametrize(
    ("errors", "stores"), [(alike, 4.0), (apart, np.sqrt(3**2 + 1**2))], ids=["together", "on their own"]
)
def test_days_of_a_store_err_alike_by_a_fifth(errors: Errors, stores: float) -> None:
    found = ahead(totals([3.0, 1.0], errors))
    assert found is not None
    assert (found.first_day, found.last_day) == (NEWEST + timedelta(1), NEWEST + timedelta(28))
    assert found.mean == 2 * 28 * 100
    width = Z_80 * stores * np.sqrt(0.8 * 28 + 0.2 * 28**2)
    assert (found.p10, found.p90) == pytest.approx((found.mean - width, found.mean + width))


def test_one_store_keeps_its_own_interval() -> None:
    own = totals([3.0], alike).to_pandas()
    found = ahead(totals([3.0], alike))
    assert found is not None
    future = own[own["actual_units"].isna()]
    for name in ("p025", "p10", "p90", "p975"):
        np.testing.assert_array_equal([row[name] for row in found.daily], future[name])


def test_days_shown_are_those_that_every_store_has_and_a_closed_one_holds_nobody_back() -> None:
    late, closed = NEWEST - timedelta(2), NEWEST - timedelta(60)
    found = ahead(totals([3.0, 1.0, 1.0], alike, [NEWEST, late, closed]))
    assert found is not None
    assert [row["day"] for row in found.daily] == [NEWEST + timedelta(number) for number in range(1, 27)]
    assert {row["mean"] for row in found.daily} == {200}
    assert found.mean == 3 * 28 * 100


def test_nothing_is_ahead_of_no_store() -> None:
    assert ahead(totals([], alike)) is None
