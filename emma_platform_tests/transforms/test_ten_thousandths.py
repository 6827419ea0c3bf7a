"""Amounts as whole ten-thousandths: exactly those that the decimals say, wherever they lie in memory."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emma_platform.transforms.ten_thousandths import SCALE, decimals, wholes

DIGITS = 18


@given(
    amounts=st.lists(st.none() | st.integers(-(10**DIGITS) + 1, 10**DIGITS - 1), max_size=9),
    places=st.integers(0, 4),
    start=st.integers(0, 3),
)
def test_they_are_what_the_decimals_say(amounts: list[int | None], places: int, start: int) -> None:
    known = [None if amount is None else amount // 10 ** (4 - places) for amount in amounts]
    exact = [None if amount is None else Decimal(amount).scaleb(-places) for amount in known]
    whole = pa.array(exact, pa.decimal128(DIGITS, places))
    numbers = [0 if amount is None else int(amount * SCALE) for amount in exact]
    assert wholes(pa.chunked_array([whole.slice(start)])).tolist() == numbers[start:]
    assert wholes(pa.chunked_array([whole.slice(start), whole])).tolist() == numbers[start:] + numbers


@given(st.lists(st.integers(-(10**DIGITS) + 1, 10**DIGITS - 1), max_size=9))
def test_they_come_back_as_decimals(values: list[int]) -> None:
    found = decimals(np.array(values, np.int64))
    assert found.to_pylist() == [Decimal(value).scaleb(-4) for value in values]
    assert wholes(pa.chunked_array([found])).tolist() == values


@pytest.mark.parametrize("kind", [pa.decimal128(18, 6), pa.float64()])
def test_what_has_none_is_refused(kind: pa.DataType) -> None:
    with pytest.raises(ValueError, match="has no whole ten-thousandths"):
        wholes(pa.chunked_array([pa.nulls(2, kind)]))
