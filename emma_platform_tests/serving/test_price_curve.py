"""The curve by price agrees with the advice it stands beside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emma_platform.serving.price_curve import price_curve
from emma_platform.settings import Settings

SETTINGS = Settings(home=Path("unused"))
ROW: dict[str, Any] = {
    "current_price": 4.99,
    "unit_cost": 2.76,
    "forecast_units_28d": 53.3,
    "price_response_elasticity": -1.7,
    "price_response_std_error": 0.35,
}


def test_profit_and_units_are_those_of_constant_elasticity() -> None:
    curve = price_curve(ROW, SETTINGS)
    assert curve is not None
    prices = np.array(curve.prices)
    expected = 53.3 * (prices / 4.99) ** -1.7 * (prices - 2.76)
    np.testing.assert_allclose(curve.profit, expected, rtol=1e-9)
    assert curve.allowed == (4.59, 5.39)


@given(
    price=st.floats(0.5, 500), margin=st.floats(0.01, 0.9), elasticity=st.floats(-6, -0.05), error=st.floats(0.01, 2)
)
def test_the_band_holds_the_middle_and_closes_at_todays_price(
    price: float, margin: float, elasticity: float, error: float
) -> None:
    row = ROW | {"current_price": price, "unit_cost": price * (1 - margin)}
    row |= {"price_response_elasticity": elasticity, "price_response_std_error": error}
    curve = price_curve(row, SETTINGS)
    assert curve is not None
    prices, low, middle, high = map(np.array, (curve.prices, curve.low, curve.profit, curve.high))
    assert (np.diff(prices) > 0).all()
    assert (low <= middle + 1e-9).all()
    assert (middle <= high + 1e-9).all()
    today = curve.prices.index(curve.current)
    assert low[today] == middle[today] == high[today]


@pytest.mark.parametrize("missing", ROW)
def test_without_one_of_its_inputs_there_is_no_curve(missing: str) -> None:
    assert price_curve(ROW | {missing: None}, SETTINGS) is None
