"""Amounts made whole: they sum to the total, none moves far, and the sign of everything is that of what came in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emma_platform.transforms.exact_sums import exact_parts

quarters = st.lists(st.integers(-40, 40).map(lambda count: count / 4), min_size=1, max_size=6)
"""Halves among them, where rounding could go either way."""


@given(row=quarters, beside=st.integers(-3, 3))
def test_they_sum_to_the_total_and_turn_with_its_sign(row: list[float], beside: int) -> None:
    amounts, totals = np.array([row]), np.array([round(sum(row)) + beside])
    parts = exact_parts(amounts, totals)
    assert parts.sum() == totals[0]
    assert np.array_equal(exact_parts(-amounts, -totals), -parts)
    assert np.abs(parts - amounts).max() <= 0.5 + np.ceil((abs(sum(row) - totals[0]) + 0.5 * len(row)) / len(row))


@pytest.mark.parametrize(
    ("row", "total", "expected"),
    [
        ([0.4, 0.4, 0.2], 1, [1, 0, 0]),  # of equals, the first
        ([1.2, 1.7, 1.1], 4, [1, 2, 1]),
        ([0.5, 0.5], 1, [0, 1]),  # both are rounded up; the first gives back
        ([2.5, -0.5], 2, [3, -1]),  # halves away from zero
        ([0.0, 0.0], 5, [3, 2]),
    ],
)
def test_what_is_missing_goes_to_those_that_rounding_moved_furthest(
    row: list[float], total: int, expected: list[int]
) -> None:
    assert exact_parts(np.array([row]), np.array([total])).tolist() == [expected]
