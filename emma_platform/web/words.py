"""How numbers and days are said to people.

Belongs here: formats and short sentences, pure. Does not belong here: the advice's own reasons
(`transforms.price_reasons`) and which figures a page shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

Amount = float | int | Decimal
UNKNOWN = "–"
"""What is not known is not zero."""

_CENTS_BELOW = 100
_THOUSANDS_FROM, _MILLIONS_FROM = 9_999.5, 999_500
_CENT = 0.01


def count(value: Amount | None) -> str:
    """A whole number: `12,345`."""
    return UNKNOWN if value is None else f"{value:,.0f}".replace("-", "−")


def money(value: Amount | None) -> str:
    """An amount: cents below a hundred, whole above."""
    if value is None:
        return UNKNOWN
    return (f"{value:,.2f}" if abs(float(value)) < _CENTS_BELOW else f"{value:,.0f}").replace("-", "−")


def price(value: Amount | None) -> str:
    """A price, always with cents; below a cent, as of fuel sold by the millilitre, with as many digits as it takes."""
    if value is None:
        return UNKNOWN
    return f"{value:.2g}" if 0 < value < _CENT else f"{value:,.2f}"


def units(value: Amount | None) -> str:
    """Units: one decimal below ten."""
    if value is None:
        return UNKNOWN
    return (f"{value:.1f}".removesuffix(".0") if -10 < value < 10 else f"{value:,.0f}").replace("-", "−")  # noqa: PLR2004


def rough(value: Amount | None) -> str:
    """Units that nobody knows to the last one, as the bounds of a forecast: `932k`, `5.3m`."""
    if value is None or abs(float(value)) < _THOUSANDS_FROM:
        return units(value)
    return f"{float(value) / 1e6:.3g}m" if float(value) >= _MILLIONS_FROM else f"{float(value) / 1e3:,.0f}k"


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


def signed_price(value: Amount | None) -> str:
    """An amount with its sign and its cents: `+1,112.50`."""
    return UNKNOWN if value is None else f"{value:+,.2f}".replace("-", "−")


def signed_count(value: Amount | None) -> str:
    """Units with their sign: `+12`, `−3`."""
    return signed(value, units)


def day(value: date | None) -> str:
    """A day: `Sun 22 Nov 2026`."""
    return UNKNOWN if value is None else f"{value:%a} {value.day} {value:%b %Y}"


@lru_cache(maxsize=4_096)
def short_day(value: date | None) -> str:
    """A day of the last months: `Sun 22 Nov`; a page of a product says 56 of the same few, each in 5 µs."""
    return UNKNOWN if value is None else f"{value:%a} {value.day} {value:%b}"


def last_day(value: date | None, published: datetime) -> str:
    """The day that figures end with: with its year where that is another than the publication's."""
    return short_day(value) if value is None or value.year == published.year else day(value)


def moment(value: datetime | None) -> str:
    """An instant: `23 Nov 2026, 04:12 UTC`."""
    return UNKNOWN if value is None else f"{value.day} {value:%b %Y, %H:%M} UTC"


def when(value: datetime) -> str:
    """An instant of these days, short: `23 Nov 04:12`."""
    return f"{value.day} {value:%b %H:%M}"


_CHANCES = ((0.95, "almost certain"), (0.8, "very likely"), (0.6, "likely"))


def chance(probability: float | None) -> str:
    """A probability in words, for those who do not read percentages."""
    if probability is None:
        return "of unknown chance"
    for least, said in _CHANCES:
        if probability >= least:
            return said
    return "as likely as not"


def price_hint(
    status: str | None,
    current: Amount | None,
    recommended: Amount | None,
    gain: Amount | None,
    probability: float | None,
    reason: str | None,
) -> str:
    """What `product_overview` says of the price, short enough for a list; `gain` is `expected_profit_uplift_p50`."""
    if status == "recommend":
        prices = f"{price(current)} → {price(recommended)}"
        return f"{prices}, about {units(gain)} more profit over 28 days, {chance(probability)}"
    if status == "explore":
        return f"test {price(recommended)} instead of {price(current)}"
    if status == "hold":
        return f"keep {price(current)}"
    if status == "blocked":
        told = str(reason).removeprefix("No advice: ")
        return "no advice: " + re.split(r"; | \(|, (?:so|because) ", told, maxsplit=1)[0].rstrip(".")
    return "not enough price history"


_SHORT_DAYS = 7
_LONG_DAYS = 120


def shelf(on_hand: Amount | None, days_of_cover: float | None, empty_since: date | None) -> tuple[str, str]:
    """The state of the shelf in `product_overview`: how bad (good, warn, bad; empty when not known), and in words."""
    if on_hand is not None and on_hand <= 0:
        return "bad", "out of stock"
    if empty_since is not None:
        return "bad", "probably empty"
    if days_of_cover is None:
        return "", "no stock count" if on_hand is None else "not sold lately"
    if days_of_cover < _SHORT_DAYS:
        return "warn", f"{days_of_cover:.0f} {'day' if round(days_of_cover) == 1 else 'days'} left"
    return "good", "over 4 months" if days_of_cover > _LONG_DAYS else f"{days_of_cover:.0f} days"


def trend(change_pct: float | None) -> tuple[str, str, str]:
    """A change: class, arrow and what a screen reader says."""
    if change_pct is None:
        return "", "", "not known"
    arrow = _arrow(change_pct)
    if arrow == "→":
        return "", arrow, "about the same"
    said = f"{abs(change_pct):.0f} percent"
    return ("good", arrow, f"up {said}") if change_pct > 0 else ("bad", arrow, f"down {said}")


def trend_short(change_pct: float | None) -> str:
    """A change for the eye: `▲ 12 %`."""
    return UNKNOWN if change_pct is None else f"{_arrow(change_pct)} {abs(change_pct):,.0f} %"


def _arrow(change_pct: float) -> str:
    if abs(change_pct) < 1:
        return "→"
    return "▲" if change_pct > 0 else "▼"


_FILTERS = (
    count, money, price, units, rough, percent, share, signed, signed_price, signed_count, day, short_day, last_day,
    moment, when, chance, trend,
)  # fmt: skip
FILTERS: Mapping[str, Callable[..., Any]] = {function.__name__: function for function in _FILTERS}
"""The same words for templates."""
