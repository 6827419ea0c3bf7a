"""What came of a decision, in words that a shop owner understands.

Belongs here: the outcome of one decision and its sentence. Does not belong here: finding it out (`advice_effects`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

Quantiles = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Effect:
    """What came of a decision: quantiles (p10, p50, p90) a week where its status is measured.

    Attributes:
        status: as `advice_effects.status` says.
        changed_on: the first day at the new price.
        days: days after the change that count.
        control: what it was compared with; `controls` are how many series.
        units: units more than without the change, a week.
        profit: profit more than without the change, a week.
    """

    status: str
    changed_on: date | None = None
    days: int = 0
    control: str | None = None
    controls: int = 0
    units: Quantiles | None = None
    profit: Quantiles | None = None


_PLAIN = {
    "declined": "Declined, so nothing was to be delivered.",
    "replaced": "Decided again before the effect could be seen; the later decision counts.",
    "price_not_changed": "The decided price was not seen at the till within 28 days, outside promotions.",
    "too_early": "The decided price was not seen at the till yet; it has 28 days from the advice.",
    "not_known": "The decision's file gives no price, no earlier price or no unit cost, so its effect has no value.",
}
_SINCE = {
    "too_early": "; an effect needs 14 days that count: no promotion, goods on the shelf.",
    "replaced": ", but it was decided again before 14 days that count; the later decision counts.",
    "reversed": " and went back before 14 days that count.",
    "no_control": ", but nothing comparable kept its price and sold enough, so its effect cannot be told.",
    "not_known": ", but promotions, empty shelves or rare sales left too few days that count.",
}


def reason(effect: Effect, decision: Mapping[str, Any]) -> str:
    """The sentence that explains the outcome."""
    if effect.status == "measured":
        return _measured(effect, decision)
    if effect.changed_on is None:
        return _PLAIN[effect.status]
    return f"The price changed on {effect.changed_on}{_SINCE[effect.status]}"


def _measured(effect: Effect, decision: Mapping[str, Any]) -> str:
    low, middle, high = effect.profit or (0.0, 0.0, 0.0)
    compared = (
        f"{effect.controls} other stores that kept their price"
        if effect.control == "stores"
        else f"{effect.controls} series that kept their price, other products of the category among them"
    )
    sure = "earns more" if low > 0 else "earns less" if high < 0 else "may earn more or less: the sales do not tell"
    return (
        f"Since {effect.changed_on} it brings {middle:+.2f} a week (80 % sure: {low:+.2f} to {high:+.2f}) against"
        f" {compared}, over {effect.days} days; {decision['price']:.2f} {sure} than {decision['current_price']:.2f}."
    )
