"""What becomes of files over time: corrected, delivered again, copied, withdrawn, read in another way."""

from __future__ import annotations

import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from emma_platform.recompute.batch import rebuild
from emma_platform.recompute.ledger import Key
from emma_platform.recompute.status import status
from emma_platform_tests.recompute.home import HEADER, Home, day, sale


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def units(home: Home) -> list[tuple[object, ...]]:
    return home.rows("clean_sales", ["store", "day", "quantity"])


def iso(store: str, on: int) -> Key:
    return Key(store, day(on))


def test_a_corrected_file_replaces_what_it_said_before(home: Home) -> None:
    home.sell("a.csv", sale(on=0), sale(on=1), sale("S2", on=1))
    home.sell("b.csv", sale(on=1, receipt="other"))
    home.update()
    home.sell("a.csv", sale(on=0), sale(on=1, quantity=5), sale(on=2))
    report = home.update()
    assert home.computed(report, "clean_sales") == {iso("S1", 1), iso("S1", 2), iso("S2", 1)}
    files = home.rows("raw_sales", ["store", "day", "file"])
    assert [(store, str(on), file) for store, on, file in files] == [
        ("S1", day(0), "a.csv"),
        ("S1", day(1), "a.csv"),
        ("S1", day(1), "b.csv"),
        ("S1", day(2), "a.csv"),
    ]
    assert Decimal(5) in [quantity for _, _, quantity in units(home)]


def test_a_store_that_a_correction_takes_away_is_gone_from_every_table(home: Home) -> None:
    home.sell("a.csv", sale("S1"), sale("S2"))
    home.update()
    home.sell("a.csv", sale("S1"))
    home.update()
    for table, rows in home.everything().items():
        assert "S2" not in {cell for row in rows for cell in row}, table
    now = status(home.platform)
    assert [store["store"] for store in now["stores"]] == ["S1"]
    assert now["partitions"]["product_kpis"] == 1
    assert now["stale"] == {}


def test_the_same_bytes_again_change_nothing(home: Home) -> None:
    home.sell("a.csv", sale())
    home.update()
    before = home.everything()
    home.sell("a.csv", sale())
    report = home.update()
    assert (report.partitions, home.everything()) == ({}, before)
    assert status(home.platform)["lines"]["in"] == 1
    assert home.update().partitions == {}


def test_copies_under_other_names_count_as_duplicates_whatever_comes_first(home: Home) -> None:
    """The shortest name counts, so that the tables do not depend on the order of arrival."""
    home.sell("long-name.csv", sale())
    home.update()
    assert home.rows("raw_sales", ["file"]) == [("long-name.csv",)]
    home.sell("b.csv", sale())
    home.sell("folder/c.csv", sale())
    report = home.update()
    assert "clean_sales" not in report.partitions or home.computed(report, "product_kpis") == set()
    assert home.rows("raw_sales", ["file"]) == [("b.csv",)]
    now = status(home.platform)
    assert now["lines"] == {"in": 3, "clean": 1, "set_aside": 0, "duplicates": 2, "redelivered": 2}
    assert (now["files"]["taken"], now["files"]["redelivered"]) == (3, 2)


def test_a_copy_speaks_for_itself_once_its_original_says_something_else(home: Home) -> None:
    home.sell("a.csv", sale())
    home.sell("copy.csv", sale())
    home.update()
    home.sell("a.csv", sale(on=5))
    home.update()
    assert [(file, str(on)) for file, on in home.rows("raw_sales", ["file", "day"])] == [
        ("a.csv", day(5)),
        ("copy.csv", day(0)),
    ]
    assert status(home.platform)["lines"]["duplicates"] == 0


def test_a_file_that_cannot_be_read_stays_the_original_of_its_copies(home: Home) -> None:
    """What it said before still counts, and the shortest name is told, in whatever order they came."""
    home.sell("a.csv", sale())
    home.update()
    home.sell("copy.csv", sale())
    home.drop("a.csv", "what is this?\nno table\n")
    home.update()
    assert home.rows("raw_sales", ["file"]) == [("a.csv",)]
    assert status(home.platform)["lines"]["duplicates"] == 1
    home.sell("a.csv", sale(on=5))
    home.update()
    assert home.rows("raw_sales", ["file"]) == [("a.csv",), ("copy.csv",)]


def test_time_zones_that_arrive_with_the_sales_hold_for_them_at_once(home: Home) -> None:
    home.sell("a.csv", f"S1,R1,{day(0)}T23:30:00Z,P1,1,1\n")
    home.drop("stores.csv", "store,time_zone\nS1,Europe/Berlin\n")
    assert home.computed(home.update(), "raw_sales") == {iso("S1", 1)}


def test_a_time_zone_moves_the_rows_that_a_file_had_before_it_failed(home: Home) -> None:
    home.sell("a.csv", f"S1,R1,{day(0)}T23:30:00Z,P1,1,1\n")
    home.update()
    home.drop("a.csv", "what is this?\nno table\n")
    home.update()
    home.drop("stores.csv", "store,time_zone\nS1,Europe/Berlin\n")
    home.update()
    assert home.rows("raw_sales", ["day", "file"]) == [(date(2026, 1, 2), "a.csv")]
    home.update()
    assert [file["file"] for file in status(home.platform)["failing"]] == ["a.csv"]


def test_a_day_that_went_in_a_rebuild_is_there_again_when_it_comes_back(home: Home) -> None:
    home.sell("a.csv", sale(on=0), sale(on=40))
    home.update()
    before = home.everything()
    home.sell("a.csv", sale(on=40))
    rebuild(home.platform)
    assert status(home.platform)["partitions"]["product_kpis"] == 1
    home.sell("a.csv", sale(on=0), sale(on=40))
    home.update()
    assert home.everything() == before


def test_a_calendar_touches_what_reads_it_and_nothing_that_follows_from_what_stays(home: Home) -> None:
    home.sell("a.csv", sale(on=0), sale(on=1))
    home.update()
    home.drop("calendar.csv", f"store,day,event,kind\n,{day(3)},fair,event\n")
    report = home.update()
    assert home.computed(report, "sales_forecast") == {Key("S1", "")}
    assert home.computed(report, "price_evidence") == {Key("S1", "")}
    assert not {"price_priors", "price_response", "product_kpis"} & report.partitions.keys()


def test_a_withdrawn_file_keeps_its_data(home: Home) -> None:
    home.sell("a.csv", sale())
    home.update()
    before = home.everything()
    home.withdraw("a.csv")
    assert home.update().partitions == {}
    assert home.everything() == before
    assert status(home.platform)["files"]["withdrawn"] == 1
    home.sell("a.csv", sale())
    home.update()
    assert status(home.platform)["files"]["withdrawn"] == 0
    assert home.everything() == before


def test_a_late_file_moves_the_days_between(home: Home) -> None:
    """A store has key figures up to its last day, so a later day brings those between as well."""
    home.sell("a.csv", sale(on=0))
    home.update()
    home.sell("b.csv", sale(on=10))
    report = home.update()
    assert home.computed(report, "product_kpis") == {iso("S1", on) for on in range(1, 11)}
    home.sell("b.csv", sale(on=4))
    home.update()
    assert {str(on) for (on,) in home.rows("product_kpis", ["day"])} == {day(on) for on in range(5)}


def test_stock_is_replaced_by_store_and_day(home: Home) -> None:
    home.sell("a.csv", sale(on=0), sale(on=1))
    home.drop("stock.csv", f"store,day,product,on_hand\nS1,{day(0)},P1,5\nS1,{day(1)},P1,4\n")
    home.update()
    home.drop("stock.csv", f"store,day,product,on_hand\nS1,{day(0)},P1,5\nS1,{day(1)},P1,9\n")
    report = home.update()
    assert home.computed(report, "stock") == {iso("S1", 1)}
    assert home.computed(report, "product_kpis") == {iso("S1", 1)}
    assert [on_hand for (on_hand,) in home.rows("product_kpis", ["on_hand"])] == [Decimal(5), Decimal(9)]


def test_a_changed_cost_touches_the_days_that_used_it(home: Home) -> None:
    home.sell("a.csv", sale(on=0, product="P1"), sale(on=40, product="P2"))
    home.drop("products-1.csv", "product,category,unit_cost\nP1,tea,1.00\nP2,jam,1.00\n")
    home.update()
    home.drop("products-2.csv", "product,category,unit_cost\nP2,jam,1.50\n")
    report = home.update()
    assert home.computed(report, "product_kpis") == {iso("S1", 40)}
    assert set(report.partitions) == {"products", "product_kpis", "price_recommendations", "published"}
    home.drop("products-2.csv", "product,category,unit_cost\n")
    home.update()
    assert {cost for (cost,) in home.rows("products", ["unit_cost"])} == {Decimal(1)}


def test_a_time_zone_moves_instants_to_their_day(home: Home) -> None:
    late = f"S1,R1,{day(0)}T23:30:00Z,P1,1,1\n"
    home.sell("a.csv", late, sale(on=0, receipt="wall"))
    home.update()
    assert [str(on) for (on,) in home.rows("clean_sales", ["day"])] == [day(0), day(0)]
    home.drop("stores.csv", "store,time_zone\nS1,Europe/Berlin\n")
    home.update()
    assert [str(on) for (on,) in home.rows("clean_sales", ["day"])] == [day(0), day(1)]
    lines = status(home.platform)["lines"]
    assert (lines["in"], lines["clean"]) == (2, 2)


def test_the_day_is_that_of_the_sources_time_zone_until_a_stores_file_says_another(home: Home) -> None:
    home.settings.sources_file.write_text("- pattern: 'a.csv'\n  table: sales\n  time_zone: America/New_York\n")
    home.sell("a.csv", sale(on=0, hour=23), sale("S2", on=0, hour=23))
    home.update()
    assert [str(on) for (on,) in home.rows("clean_sales", ["day"])] == [day(0), day(0)]
    home.drop("stores.csv", "store,time_zone\nS1,Europe/Berlin\nS2,\n")
    home.update()
    days = home.rows("clean_sales", ["store", "day"])
    assert [(store, str(on)) for store, on in days] == [("S1", day(1)), ("S2", day(0))]
    incremental = home.everything()
    rebuild(home.platform)
    assert home.everything() == incremental


SHOP = "- pattern: '*.csv'\n  table: sales\n  date_format: '{}'\n"


def test_a_changed_sources_yaml_holds_for_new_files_and_by_a_rebuild_for_all(home: Home) -> None:
    """Rows move to other days then, so the days that they leave must lose them."""
    home.settings.sources_file.write_text(SHOP.format("%d/%m/%Y"))
    home.drop("a.csv", HEADER + "S1,R1,05/02/2026,P1,1,1\nS1,R2,06/02/2026,P1,1,1\n")
    home.update()
    home.settings.sources_file.write_text(SHOP.format("%m/%d/%Y"))
    assert home.update().partitions == {}
    home.drop("b.csv", HEADER + "S1,R3,02/07/2026,P1,1,1\n")
    home.update()
    days = sorted(str(on) for (on,) in home.rows("clean_sales", ["day"]))
    assert days == ["2026-02-05", "2026-02-06", "2026-02-07"]
    home.settings.sources_file.write_text(SHOP.format("%Y"))
    rebuild(home.platform)
    assert home.rows("clean_sales") == home.rows("raw_sales") == []
    assert status(home.platform)["set_aside_by_reason"] == {"bad_date": 3}
    home.settings.sources_file.write_text(SHOP.format("%d/%m/%Y"))
    rebuild(home.platform)
    lines = status(home.platform)["lines"]
    assert (lines["in"], lines["clean"], lines["set_aside"]) == (3, 2, 1)


def test_columns_and_constants_of_sources_yaml(home: Home) -> None:
    home.settings.sources_file.write_text(
        "- pattern: 'tills/**/*.txt'\n  table: sales\n  constants: {store: Mitte}\n  decimal_mark: ','\n"
        "  delimiter: ';'\n"
        "  columns: {receipt: Bon, product: Artikel, quantity: Menge, sold_at: Zeit, unit_price: Preis}\n"
    )
    home.drop("tills/1/x.txt", "Bon;Artikel;Menge;Zeit;Preis\n7;Käse;2;2026-01-01 10:00;1,50\n")
    home.update()
    assert home.rows("clean_sales", ["store", "product", "quantity", "revenue"]) == [
        ("Mitte", "Käse", Decimal(2), Decimal(3))
    ]


@pytest.mark.parametrize("name", ["über den Tag.csv", "a\u2028b.csv", "a'b.csv", "a\nb.csv", "%2F.csv", "[x].csv"])
def test_any_file_name_counts_and_is_found_again(home: Home, name: str) -> None:
    home.sell(name, sale(), '"S1",R9,yesterday,P1,1,1\n')
    home.update()
    assert home.rows("raw_sales", ["file"]) == home.rows("set_aside_rows", ["file"]) == [(name,)]
    assert [taken.name for taken in home.platform.source.archived()] == [name]


def test_a_file_that_grows_is_replaced_each_time(home: Home) -> None:
    path = home.settings.landing / "till.csv"
    for number in range(1, 4):
        home.sell("till.csv", *(sale(receipt=f"R{receipt}") for receipt in range(number)))
        home.update()
        assert len(home.rows("clean_sales")) == number
    os.utime(path, (1, 1))
    assert home.update().partitions == {}
    assert status(home.platform)["lines"]["in"] == 3
