"""The digest behind each table: what is asked of a price is a part of that of its advice, and of no other."""

from __future__ import annotations

import pytest

from emma_platform.recompute import code
from emma_platform.settings import Settings


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("minimum_margin_pct", 6.0),
        ("largest_step_pct", 11.0),
        ("price_endings", "0.99"),
        ("price_cool_down_days", 15),
        ("price_change_cost", 0.51),
    ],
)
def test_what_is_asked_of_a_price_is_a_part_of_what_its_advice_was_computed_from(setting: str, value: object) -> None:
    before, after = code.current(Settings()), code.current(Settings.model_validate({setting: value}))
    assert {table for table in before if before[table] != after[table]} == {"price_recommendations"}
