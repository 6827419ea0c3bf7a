"""Numbers and hints as people read them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from emma_platform.web import words

ADVICE: dict[str, Any] = {
    "status": "recommend", "current": 4.39, "recommended": 4.59, "gain": 31.2, "probability": 0.7, "reason": "",
}  # fmt: skip
STOCK: dict[str, Any] = {"on_hand": Decimal(12), "days_of_cover": 9.4, "empty_since": None}


@pytest.mark.parametrize(
    ("said", "as_text"),
    [
        (words.money(1234.5), "1,234"),
        (words.money(Decimal("-12.346")), "−12.35"),
        (words.money(None), "–"),
        (words.units(3.0), "3"),
        (words.units(3.25), "3.2"),
        (words.units(1234.4), "1,234"),
        (words.rough(9_999.4), "9,999"),
        (words.rough(Decimal(12_345)), "12k"),
        (words.rough(999_499), "999k"),
        (words.rough(5_314_110), "5.31m"),
        (words.rough(None), "–"),
        (words.percent(-4.4), "−4 %"),
        (words.share(0.336, 1), "33.6 %"),
        (words.signed(2.5), "+2.50"),
        (words.signed(-2.5), "−2.50"),
        (words.price(Decimal("4.590000")), "4.59"),
        (words.price(Decimal("0.002139")), "0.0021"),
        (words.price(0), "0.00"),
        (words.day(date(2026, 11, 22)), "Sun 22 Nov 2026"),
        (words.short_day(date(2026, 11, 2)), "Mon 2 Nov"),
        (words.last_day(date(2026, 11, 2), datetime(2026, 11, 23, tzinfo=UTC)), "Mon 2 Nov"),
        (words.last_day(date(2025, 12, 31), datetime(2026, 1, 1, tzinfo=UTC)), "Wed 31 Dec 2025"),
        (words.moment(datetime(2026, 11, 23, 4, 12, tzinfo=UTC)), "23 Nov 2026, 04:12 UTC"),
    ],
)
def test_numbers_and_days(said: str, as_text: str) -> None:
    assert said == as_text


@pytest.mark.parametrize(
    ("changed", "hint"),
    [
        ({}, "4.39 → 4.59, about 31 more profit over 28 days, likely"),
        ({"probability": 0.97}, "4.39 → 4.59, about 31 more profit over 28 days, almost certain"),
        ({"status": "explore"}, "test 4.59 instead of 4.39"),
        ({"status": "hold"}, "keep 4.39"),
        (
            {"status": "blocked", "reason": "No advice: its cost is not known; add unit_cost."},
            "no advice: its cost is not known",
        ),
        (
            {
                "status": "blocked",
                "reason": "No advice: it was not sold for a cent or more in the days looked at, so no price is known.",
            },
            "no advice: it was not sold for a cent or more in the days looked at",
        ),
        (
            {"status": "blocked", "reason": "No advice: it sells below cost (cost 2.00, price 1.00)."},
            "no advice: it sells below cost",
        ),
        ({"status": None}, "not enough price history"),
    ],
)
def test_the_price_hint_says_what_is_advised(changed: dict[str, Any], hint: str) -> None:
    assert words.price_hint(**ADVICE | changed) == hint


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        ({}, ("good", "9 days")),
        ({"days_of_cover": 1.2}, ("warn", "1 day left")),
        ({"days_of_cover": 500.0}, ("good", "over 4 months")),
        ({"on_hand": Decimal(0)}, ("bad", "out of stock")),
        ({"empty_since": date(2026, 11, 20)}, ("bad", "probably empty")),
        ({"on_hand": None, "days_of_cover": None}, ("", "no stock count")),
        ({"days_of_cover": None}, ("", "not sold lately")),
    ],
)
def test_the_shelf_is_said_in_words_beside_its_colour(changed: dict[str, Any], state: tuple[str, str]) -> None:
    assert words.shelf(**STOCK | changed) == state


def test_a_trend_says_its_direction_without_its_colour() -> None:
    assert words.trend(12.0) == ("good", "▲", "up 12 percent")
    assert words.trend(-12.0) == ("bad", "▼", "down 12 percent")
    assert words.trend(0.4) == ("", "→", "about the same")
    assert words.trend(None)[2] == "not known"
