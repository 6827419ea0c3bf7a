"""Why a figure moved, as read from a publication of a platform that took real files."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from emma_platform.model.access import EVERY_STORE
from emma_platform.model.parts import PART_NAMES
from emma_platform.serving.changes import FIGURES, explain_change
from emma_platform.serving.periods import Period, period
from emma_platform.serving.publication import ServingError
from emma_platform.serving.reader import Reader
from emma_platform.serving.waterfall import waterfall
from emma_platform_tests.recompute.home import Home, day, sale

KPIS = ("revenue", "gross_margin", "units")


def on(offset: int) -> date:
    return date.fromisoformat(day(offset))


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """56 days of two stores: S1 sells 2 and then 3 of P1, and P2 at 4.00 and then 5.00; S2 opens on day 28."""
    home = Home(tmp_path_factory.mktemp("changes") / "home")
    home.drop("products.csv", "product,category,unit_cost\nP1,fruit,1\nP2,tea,2\nP3,tea,\n")
    lines = []
    for offset in range(56):
        after = offset >= 28
        lines.append(sale("S1", offset, "P1", 3 if after else 2, "2.00"))
        lines.append(sale("S1", offset, "P2", 1, "5.00" if after else "4.00", receipt="R2"))
        lines.append(sale("S1", offset, "P3", 1, "1.11", receipt="R3"))
        if after:
            lines.append(sale("S2", offset, "P1", 1, "2.00"))
    home.sell("sales.csv", *lines)
    home.update()
    home.platform.ledger.close()
    return Reader(home.settings.published)


def latest(reader: Reader) -> tuple[Period, Period]:
    second = period(reader, EVERY_STORE)
    return second.other("previous"), second


def test_the_last_four_weeks_against_those_before(reader: Reader) -> None:
    change = explain_change(reader, EVERY_STORE, "revenue", *latest(reader))
    assert (change.first, change.second) == (Period(on(0), on(27)), Period(on(28), on(55)))
    assert {name: amount for name, amount in change.total.items() if amount} == {
        "before": Decimal("255.08"), "after": Decimal("395.08"), "change": Decimal(140),
        "stores_opened": Decimal(56), "volume": Decimal(56), "price": Decimal(28),
    }  # fmt: skip
    before, after, parts = change.shown()
    assert after - before == sum(amount for _, amount in parts)
    assert [part.name for part, _ in parts] == ["stores_opened", "volume", "price"]
    assert change.notes() == []


@pytest.mark.parametrize("kpi", KPIS)
@pytest.mark.parametrize("by", ["store", "category", "product"])
def test_rows_sum_to_the_whole(reader: Reader, kpi: str, by: str) -> None:
    change = explain_change(reader, EVERY_STORE, kpi, Period(on(3), on(20)), Period(on(25), on(55)), by=by)
    rows = change.rows.to_pylist()
    for name in FIGURES:
        assert sum(row[name] for row in rows) == change.total[name]
    for row in rows:
        assert sum(row[name] for name in PART_NAMES) == row["change"]
    assert [abs(row["change"]) for row in rows] == sorted((abs(row["change"]) for row in rows), reverse=True)
    assert {row[by] for row in rows} <= {"S1", "S2", "fruit", "tea", "P1", "P2", "P3"}


def test_what_is_asked_for_is_a_part_of_the_whole(reader: Reader) -> None:
    periods = latest(reader)
    rows = {
        row["product"]: row
        for row in explain_change(reader, EVERY_STORE, "revenue", *periods, by="product").rows.to_pylist()
    }
    only = explain_change(reader, EVERY_STORE, "revenue", *periods, product="P2")
    assert only.total == {name: rows["P2"][name] for name in FIGURES}
    tea = explain_change(reader, EVERY_STORE, "revenue", *periods, categories=["tea"])
    assert tea.total["change"] == rows["P2"]["change"] + rows["P3"]["change"]
    assert explain_change(reader, EVERY_STORE, "revenue", *periods, stores=["S2"]).total["stores_opened"] == 56
    assert explain_change(reader, EVERY_STORE, "receipts", *periods, stores=["S1"]).total["after"] == 3 * 28


def test_margin_says_what_it_leaves_out(reader: Reader) -> None:
    change = explain_change(reader, EVERY_STORE, "gross_margin", *latest(reader))
    assert change.total["price"] == 28
    assert change.left_out == Decimal("1.11") * 56
    assert "62.16" in change.notes()[0]


def test_a_period_that_reaches_beyond_the_figures_is_said(reader: Reader) -> None:
    change = explain_change(reader, EVERY_STORE, "units", Period(on(-9), on(9)), Period(on(10), on(29)))
    assert change.notes() == [
        f"Figures go from {on(0)} to {on(55)}; the period {on(-9)} to {on(9)} reaches beyond them."
    ]


def test_as_json(reader: Reader) -> None:
    found = explain_change(reader, EVERY_STORE, "revenue", *latest(reader), by="store").to_json()
    assert found["second_period"] == [day(28), day(55)]
    assert found["total"]["volume"] == 56.0
    assert [row["store"] for row in found["rows"]] == ["S1", "S2"]


def test_a_waterfall_is_a_picture(reader: Reader, tmp_path: Path) -> None:
    assert waterfall(explain_change(reader, EVERY_STORE, "revenue", *latest(reader))).startswith(b"\x89PNG")
    still = Period(on(0), on(6))
    assert waterfall(explain_change(reader, EVERY_STORE, "revenue", still, still)).startswith(b"\x89PNG")


def test_periods() -> None:
    week = Period(date(2026, 3, 2), date(2026, 3, 8))
    assert week.other("previous") == Period(date(2026, 2, 23), date(2026, 3, 1))
    assert week.other("year") == Period(date(2025, 3, 3), date(2025, 3, 9))
    assert week.other("2025-01-01..2025-01-31").days == 31
    for wrong in ("soon", "2025-01-01", "2025-01-02..2025-01-01"):
        with pytest.raises(ValueError, match=r".+"):
            week.other(wrong)


def test_what_cannot_be_asked(reader: Reader) -> None:
    first, second = latest(reader)
    for message, asked in {
        "there is no key figure": {"kpi": "profit"},
        "listed by store, category, product": {"kpi": "units", "by": "day"},
        "ask for receipts by store": {"kpi": "receipts", "by": "product"},
        "there is no store 'S9'": {"kpi": "units", "stores": ["S9"]},
        "nothing of what was asked": {"kpi": "units", "product": "P9"},
    }.items():
        with pytest.raises(ServingError, match=message):
            explain_change(reader, EVERY_STORE, first=first, second=second, **asked)  # type: ignore[arg-type]
    with pytest.raises(ServingError, match="there are no figures from 2020"):
        explain_change(reader, EVERY_STORE, "units", Period(date(2020, 1, 1), date(2020, 1, 5)), second)
    with pytest.raises(ServingError, match="they end on"):
        period(reader, EVERY_STORE, date(2030, 1, 1))


@pytest.mark.parametrize(("region", "by_calendar"), [("DE,BY", 6), ("DE,", 0)])
def test_the_calendar_part_knows_the_public_holidays_of_the_stores_region(
    tmp_path: Path, region: str, by_calendar: int
) -> None:
    """Two weeks from Monday, 5 January 2026; Tuesday the 6th, a holiday in Bavaria, brings 4, every other day 10."""
    home = Home(tmp_path / "home")
    home.drop("stores.csv", f"store,time_zone,country,subdivision\nS1,UTC,{region}\n")
    home.sell("sales.csv", *(sale("S1", offset, "P1", 4 if offset == 5 else 10, "1.00") for offset in range(4, 18)))
    home.update()
    home.platform.ledger.close()
    weeks = (Period(on(4), on(10)), Period(on(11), on(17)))
    change = explain_change(Reader(home.settings.published), EVERY_STORE, "units", *weeks)
    assert {name: amount for name, amount in change.total.items() if amount} == {
        "before": 64, "after": 70, "change": 6, **({"calendar": 6} if by_calendar else {"volume": 6}),
    }  # fmt: skip


def test_goods_that_were_not_there_are_a_part_of_their_own(tmp_path: Path) -> None:
    """P1 is gone for nine days of the second four weeks; two products go on as before."""
    home = Home(tmp_path / "home")
    home.sell(
        "sales.csv",
        *(
            sale("S1", offset, product, 6 + (offset * 5 + number) % 4, "2.00")
            for offset in range(84)
            for number, product in enumerate(("P1", "P2", "P3"))
            if product != "P1" or not 67 <= offset < 76
        ),
    )
    home.update()
    home.platform.ledger.close()
    reader = Reader(home.settings.published)
    (lost,) = reader.table(EVERY_STORE, "probable_stock_outs")["lost_units"].to_pylist()
    change = explain_change(reader, EVERY_STORE, "units", *latest(reader), by="product")
    assert float(change.total["stock_outs"]) == pytest.approx(-lost, rel=0.15)
    assert {row["product"]: bool(row["stock_outs"]) for row in change.rows.to_pylist()} == {
        "P1": True, "P2": False, "P3": False,
    }  # fmt: skip
    assert sum(change.total[name] for name in PART_NAMES) == change.total["change"]
