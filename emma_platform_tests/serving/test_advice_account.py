"""Sums of promised and delivered: the middle adds up, and the interval lies between its two extremes."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from emma_platform.serving.advice_account import Amount, total

Decision = tuple[str, float, float, float]

decisions = st.lists(
    st.tuples(st.sampled_from(["S1", "S2", "S3"]), st.floats(0, 50), st.floats(-100, 100), st.floats(0, 50)), max_size=8
)


def rows(made: list[Decision]) -> list[dict[str, object]]:
    return [
        {"store": store, "delivered_p10": middle - below, "delivered_p50": middle, "delivered_p90": middle + above}
        for store, below, middle, above in made
    ]


@given(decisions)
def test_the_interval_is_between_independent_errors_and_errors_that_add_up(made: list[Decision]) -> None:
    found = total(rows(made), "delivered")
    assert math.isclose(found.p50, math.fsum(middle for _, _, middle, _ in made), abs_tol=1e-9)
    below, above = [low for _, low, _, _ in made], [high for _, _, _, high in made]
    assert math.hypot(*below) - 1e-9 <= found.p50 - found.p10 <= math.fsum(below) + 1e-9
    assert math.hypot(*above) - 1e-9 <= found.p90 - found.p50 <= math.fsum(above) + 1e-9


def test_within_a_store_errors_add_up_and_between_stores_their_squares() -> None:
    assert total(rows([("S1", 3, 10, 3), ("S1", 3, 10, 3)]), "delivered") == Amount(14, 20, 26)
    assert total(rows([("S1", 3, 10, 3), ("S2", 4, 10, 4)]), "delivered") == Amount(15, 20, 25)
    assert total([], "delivered") == Amount(0, 0, 0)
