"""What the settings ask of a recommended price reaches the advice."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from emma_platform.recompute.price_stages import guardrails_of
from emma_platform.settings import Settings
from emma_platform.transforms.price_ladder import Guardrails


def test_every_setting_of_prices_is_a_guardrail() -> None:
    asked = Settings(
        minimum_margin_pct=7.0,
        largest_step_pct=4.0,
        price_endings="0.49, 0.99,",
        price_cool_down_days=9,
        price_change_cost=0.25,
    )
    assert guardrails_of(asked) == Guardrails(7.0, 4.0, (0.49, 0.99), 9, 0.25)
    assert guardrails_of(asked.model_copy(update={"price_endings": ""})).endings == ()


@pytest.mark.parametrize("cost", [-0.01, float("inf"), float("nan")])
def test_changing_a_price_costs_nothing_or_something(cost: float) -> None:
    with pytest.raises(ValidationError, match="price_change_cost"):
        Settings(price_change_cost=cost)
