"""Price advice from end to end on the command line: listed, decided, taken as a file, and its effect in the account."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from itertools import product as product_of
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from emma_platform.cli import main

HISTORY, AFTER = 196, 28
STORES = ("S1", "S2", "Süd/3")
PRODUCTS = ("P1", "P2", "P3")
TILL = (2.29, 2.49, 2.69)
"""The prices that take turns, four weeks each."""
LAST_DAY = datetime.now(UTC).date() - timedelta(AFTER + 2)
ENVIRONMENT = {"EMMA_PRICE_COOL_DOWN_DAYS": "0", "EMMA_QUIET_SECONDS": "0"}


def emma(home: Path, *arguments: object) -> Result:
    result = CliRunner().invoke(main, [*map(str, arguments), "--home", str(home)], env=ENVIRONMENT)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


LAST_PRICES = {
    (store, product): TILL[number % 3] for number, (store, product) in enumerate(product_of(STORES, PRODUCTS))
}


def units(store: str, product: str, on: date, price: float) -> int:
    """Demand falls with the third power of the price, and differs a little by day, store and product."""
    base = 12 + 3 * PRODUCTS.index(product) + 2 * STORES.index(store) + (on.toordinal() * 7 % 5)
    return round(base * (price / 2.49) ** -3)


def sold(first: date, days: int, charged: dict[tuple[str, str], float] | None = None) -> str:
    """A sales file at these prices, or at those of the till by turns."""
    lines = ["store,receipt,sold_at,product,quantity,unit_price\n"]
    for on in (first + timedelta(ahead) for ahead in range(days)):
        for number, (store, product) in enumerate(LAST_PRICES):
            price = charged[store, product] if charged else TILL[((on - LAST_DAY).days // 28 + number) % 3]
            quantity = units(store, product, on, price)
            lines.append(f"{store},{store}{on:%j}{product},{on} 10:00:00,{product},{quantity},{price}\n")
    return "".join(lines)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which nothing is decided."""
    return made(tmp_path_factory.mktemp("advice") / "home")


def made(home: Path) -> Path:
    """A chain whose demand asks for lower prices, computed and published."""
    (home / "landing").mkdir(parents=True)
    (home / "landing" / "sales.csv").write_text(sold(LAST_DAY - timedelta(HISTORY - 1), HISTORY))
    costs = "".join(f"{product},tea,1.00\n" for product in PRODUCTS)
    (home / "landing" / "products.csv").write_text(f"product,category,unit_cost\n{costs}NEW,tea,1.00\n")
    assert emma(home, "update").exit_code == 0
    return home


def listed(home: Path, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(emma(home, "advise", "list", "--json", *options).stdout)["advice"]
    return found


def files(home: Path) -> list[Path]:
    return sorted((home / "landing" / "advice_decisions").glob("**/*")) if (home / "landing").exists() else []


def test_what_waits_for_a_decision_is_listed_by_its_gain(home: Path) -> None:
    found = listed(home)
    assert {(one["store"], one["product"]) for one in found} == set(LAST_PRICES)
    gains = [one["uplift"][1] for one in found]
    assert gains == sorted(gains, reverse=True)
    assert {one["store"] for one in listed(home, "--store", "S2")} == {"S2"}
    shown = emma(home, "advise", "list").stdout
    assert "Lower from" in shown
    assert "emma advise accept" in shown


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("decline", "S1", "P1"), "say why it is declined, as its reason"),
        (("change", "S1", "P1", "--price", "3.50"), "if it is meant so, give a reason"),
        (("change", "S1", "P1", "--price", "1.01"), "leaves a margin of 1 % (at least 5 %)"),
        (("change", "S1", "P1", "--price", "0"), "above zero"),
        (("accept", "S1", "nothing"), "there is no advice for product 'nothing' in store 'S1'"),
        (("accept", "S9", "P1"), "there is no store 'S9'"),
        (("accept", "S1", "P1", "--publication", "of-old"), "there is no publication 'of-old'"),
    ],
)
def test_what_cannot_be_decided_is_refused_with_a_remedy(home: Path, arguments: tuple[str, ...], remedy: str) -> None:
    result = emma(home, "advise", *arguments)
    assert result.exit_code == 1
    assert remedy in " ".join(result.stderr.split())
    assert not files(home)


def test_a_price_that_is_none_is_wrong_use(home: Path) -> None:
    result = emma(home, "advise", "change", "S1", "P1", "--price", "cheap")
    assert result.exit_code == 2
    assert "write it like 2.49" in result.stderr


def test_without_a_decision_the_account_says_how_to_make_one(home: Path) -> None:
    assert "`emma advise list`" in emma(home, "advise", "account").stdout


def test_from_advice_to_account(tmp_path: Path) -> None:
    home = made(tmp_path / "home")
    first = json.loads(emma(home, "advise", "list", "--json").stdout)["publication"]
    (advised,) = (float(one["recommended_price"]) for one in listed(home, "--store", "S1") if one["product"] == "P1")
    assert advised < LAST_PRICES["S1", "P1"]

    accepted = emma(home, "advise", "accept", "S1", "P1", "--by", "owner")
    assert "The next `emma update` takes it." in accepted.stdout
    assert emma(home, "advise", "decline", "S2", "P1", "--reason", 'the other shop, "next door"').exit_code == 0
    assert emma(home, "advise", "change", "Süd/3", "P2", "--price", "2.39", "--publication", first).exit_code == 0
    assert len(files(home)) == 3
    assert all(path.name.endswith(".csv") and not path.name.startswith(".") for path in files(home))

    emma(home, "advise", "accept", "S1", "P1", "--by", "owner")
    assert len(files(home)) == 3, "deciding the same again changes nothing"
    decided = {("S1", "P1"), ("S2", "P1"), ("Süd/3", "P2")}
    assert {(one["store"], one["product"]) for one in listed(home)} == set(LAST_PRICES) - decided

    prices = LAST_PRICES | {("S1", "P1"): advised}
    (home / "landing" / "later.csv").write_text(sold(LAST_DAY + timedelta(1), AFTER, prices))
    assert emma(home, "update").exit_code == 0
    refused = emma(home, "advise", "accept", "S1", "P1", "--publication", first)
    assert refused.exit_code == 1
    assert "has changed since publication" in refused.stderr

    found = json.loads(emma(home, "advise", "account", "--json", "--plot", tmp_path / "account.png").stdout)
    assert found["decisions"] == {"accept": 1, "change": 1, "decline": 1}
    assert found["outcomes"] == {"measured": 1, "declined": 1, "price_not_changed": 1}
    assert found["measured"] == 1
    was, now = (
        sum(units("S1", "P1", LAST_DAY + timedelta(ahead), price) * (price - 1) for ahead in range(1, AFTER + 1))
        for price in (LAST_PRICES["S1", "P1"], advised)
    )
    assert found["delivered"]["p50"] == pytest.approx((now - was) / AFTER * 7, rel=0.1)
    assert (tmp_path / "account.png").read_bytes().startswith(b"\x89PNG")
    said = emma(home, "advise", "account").stdout
    assert "1 accepted, 1 changed, 1 declined" in said
    assert "by 1 accepted advice whose effect is measured" in said
    assert emma(home, "advise", "account", "--store", "S2").stdout.startswith("Decisions: 1 declined.")


def test_price_tests_are_told_in_words() -> None:
    from rich.console import Console

    from emma_platform.console_advice import show_tests
    from emma_platform.serving.experiments import Experiment

    screen = Console(record=True, width=300)
    show_tests(screen, [Experiment("P1", "S1", "Süd/3", 2.49, 2.59, 42, 0.85, 3.2)] * 26)
    told = screen.export_text()
    assert told.startswith("26 price tests would show what nobody knows yet:")
    assert (
        "P1: charge 2.59 instead of 2.49 in S1 for 6 weeks while Süd/3 keeps its price; it costs at most 3.20 a week "
        "and tells what to charge with a chance of 85%."
    ) in told
    assert "and 1 more; --json lists all" in told
    show_tests(screen, [])
    assert not screen.export_text()
