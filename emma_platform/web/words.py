"""How numbers and days are said to people.

Belongs here: formats and short sentences, pure. Does not belong here: the advice's own reasons
(`transforms.price_reasons`) and which figures a page shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

Amount = float | int | Decimal
UNKNOWN = "–"
"""What is not known is not zero."""

_CENTS_BELOW = 100


def count(value: Amount | None) -> str:
    """A whole number: `12,345`."""
    return UNKNOWN if value is None else f"{value:,.0f}".replace("-", "−")


def money(value: Amount | None) -> str:
    """An amount: cents below a hundred, whole above."""
    if value is None:
        return UNKNOWN
    return (f"{value:,.2f}" if abs(float(value)) < _CENTS_BELOW else f"{value:,.0f}").replace("-", "−")


def price(value: Amount | None) -> str:
    """A price, always with cents."""
    return UNKNOWN if value is None else f"{value:,.2f}"


def units(value: Amount | None) -> str:
    """Units: one decimal below ten."""
    if value is None:
        return UNKNOWN
    return (f"{value:,.1f}".removesuffix(".0") if abs(float(value)) < 10 else f"{value:,.0f}").replace("-", "−")  # noqa: PLR2004


def percent(value: Amount | None, digits: int = 0) -> str:
    """A percentage that is given in percent."""
    return UNKNOWN if value is None else f"{value:.{digits}f} %".replace("-", "−")


def share(value: Amount | None, digits: int = 0) -> str:
    """A percentage that is given as a fraction."""
    return UNKNOWN if value is None else percent(float(value) * 100, digits)


def signed(value: Amount | None, say: Callable[[Amount | None], str] = money) -> str:
    """With its sign: `+12`, `−3.50`."""
    if value is None:
        return UNKNOWN
    return say(value) if value < 0 else f"+{say(value)}"


def signed_count(value: Amount | None) -> str:
    """Units with their sign: `+12`, `−3`."""
    return signed(value, units)


def day(value: date | None) -> str:
    """A day: `Sun 22 Nov 2026`."""
    return UNKNOWN if value is None else f"{value:%a} {value.day} {value:%b %Y}"


def short_day(value: date | None) -> str:
    """A day of the last months: `Sun 22 Nov`."""
    return UNKNOWN if value is None else f"{value:%a} {value.day} {value:%b}"


def moment(value: datetime | None) -> str:
    """An instant: `23 Nov 2026, 04:12 UTC`."""
    return UNKNOWN if value is None else f"{value.day} {value:%b %Y, %H:%M} UTC"


FILTERS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (count, money, price, units, percent, share, signed, signed_count, day, short_day, moment)
}
"""The same words for templates."""
