"""Files that are strange and not broken, each dropped together with a good one: nothing of them is lost."""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path

import pytest

from emma_platform.model.access import EVERY_STORE
from emma_platform.recompute.batch import update
from emma_platform.recompute.platform import open_platform
from emma_platform.recompute.status import status
from emma_platform.serving.reader import Reader
from emma_platform_tests.recompute.home import HEADER, Home, day, sale
from emma_platform_tests.recompute.test_bad_input import BINARY, ROW, make, state


def test_a_header_without_rows_is_a_file_without_lines(tmp_path: Path) -> None:
    home = make(tmp_path)
    home.drop("header.csv", HEADER)
    home.update()
    now = state(home)
    assert now["failing"] == []
    assert (now["files"]["taken"], now["lines"]["in"]) == (2, 1)


def test_a_corrected_file_may_have_lost_all_its_rows(tmp_path: Path) -> None:
    home = make(tmp_path)
    home.sell("a.csv", *(sale(on=on) for on in range(3)))
    home.update()
    home.drop("a.csv", HEADER)
    home.update()
    now = state(home)
    assert now["lines"]["in"] == 1
    assert [store["last_day"] for store in now["stores"]] == [day(0)]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_other_encodings_and_line_ends_are_read(encoding: str, tmp_path: Path) -> None:
    home = make(tmp_path)
    home.drop("other.csv", (HEADER + sale(product="Käse") + sale(product="Öl")).replace("\n", "\r\n").encode(encoding))
    home.update()
    assert state(home)["lines"]["clean"] == 3
    assert {("Käse",), ("Öl",)} <= set(home.rows("clean_sales", ["product"]))


def test_lines_of_two_encodings_in_one_file(tmp_path: Path) -> None:
    home = make(tmp_path)
    home.drop(
        "mixed.csv", (HEADER + sale(product="Käse")).encode() + sale(product="Käse", receipt="L").encode("cp1252")
    )
    home.update()
    assert state(home)["lines"]["clean"] == 3
    assert home.rows("clean_sales", ["product"]).count(("Käse",)) == 2


def test_formulas_are_text_and_leave_as_text(tmp_path: Path) -> None:
    formulas = ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0"]
    home = make(tmp_path)
    home.sell("formula.csv", *(sale(product=formula, receipt=f"={number}") for number, formula in enumerate(formulas)))
    home.update()
    assert state(home)["lines"]["clean"] == 6
    assert {(formula,) for formula in formulas} <= set(home.rows("clean_sales", ["product"]))
    assert Reader(home.settings.published).product(EVERY_STORE, "S1", "=1+1").kpis.num_rows == 1


def test_numbers_that_are_none_are_set_aside_by_reason(tmp_path: Path) -> None:
    home = make(tmp_path)
    bad = ["NaN", "inf", "-Infinity", "1e400", "9" * 40, "0x1F", "١٢", "--1", "1e", "twelve"]
    home.sell("quantity.csv", *(sale(quantity=text, receipt=f"Q{number}") for number, text in enumerate(bad)))
    home.sell("price.csv", *(sale(price=text, receipt=f"P{number}") for number, text in enumerate(bad)))
    home.update()
    now = state(home)
    assert sum(now["set_aside_by_reason"].values()) + now["lines"]["clean"] == 2 * len(bad) + 1
    assert set(now["set_aside_by_reason"]) == {"bad_quantity", "bad_price"}
    assert now["set_aside_by_reason"]["bad_quantity"] >= len(bad) - 1
    assert {(f"{name}.csv", 2) for name in ("quantity", "price")} <= set(home.rows("set_aside_rows", ["file", "line"]))


def test_rows_without_a_place_are_counted_with_their_file_and_line(tmp_path: Path) -> None:
    home = make(tmp_path)
    lines = [
        '"S1",B,not a day,P1,1,1\n', '"",B,2026-01-01,P1,1,1\n', '"S1",B,2031-01-01,P1,1,1\n',
        '"S1",B,1999-01-01,P1,1,1\n', '"S1",B,2026-01-01\n', '"S1",B,9999-12-31,P1,1,1\n', '"S1",B,0001-01-01,P1,1,1\n',
    ]  # fmt: skip
    home.sell("a.csv", *lines)
    home.update()
    now = state(home)
    expected = {"bad_date": 1, "missing_store": 1, "future_date": 2, "prehistoric_date": 2, "unreadable_line": 1}
    assert now["set_aside_by_reason"] == expected
    assert home.rows("set_aside_rows", ["file", "line"]) == [("a.csv", line) for line in range(2, 9)]
    home.sell("a.csv", lines[0])
    home.update()
    assert state(home)["set_aside_by_reason"] == {"bad_date": 1}
    assert home.rows("set_aside_rows", ["file", "line"]) == [("a.csv", 2)]


STRANGE = ["a/b", "..", ".", "Zürich", "東京" * 40, "[/]", "x" * 3_000, "a\nb", "%2e", "S1 ", "'; drop table x"]


def test_any_store_name_goes_all_the_way(tmp_path: Path) -> None:
    home = make(tmp_path)
    home.sell("stores-of-all-kinds.csv", *(sale(name, product="P1", receipt="B") for name in STRANGE))
    home.update()
    now = state(home)
    assert now["failing"] == []
    names = {store["store"] for store in now["stores"]}
    assert names == {"S1", *STRANGE}
    reader = Reader(home.settings.published)
    assert set(reader.stores(EVERY_STORE)) == names
    for name in names:
        assert reader.product(EVERY_STORE, name, "P1").kpis.num_rows == 1
        assert reader.table(EVERY_STORE, "sales_forecast", stores=[name]).num_rows == 28
    assert not (tmp_path / "x").exists()
    home.sell("stores-of-all-kinds.csv", *(sale(name, product="P1", receipt="B", quantity=2) for name in STRANGE))
    assert home.update().partitions["clean_sales"] == len(STRANGE)


def test_two_files_for_one_store_day_are_joined_and_equal_lines_count_once(tmp_path: Path) -> None:
    home = make(tmp_path)
    home.sell("a.csv", sale(receipt="1"), sale(receipt="2"))
    home.sell("b.csv", sale(receipt="2"), sale(receipt="3"))
    home.update()
    now = state(home)
    assert now["lines"] == {"in": 5, "clean": 4, "set_aside": 0, "duplicates": 1, "redelivered": 0}
    home.sell("b.csv", sale(receipt="3"))
    home.update()
    assert state(home)["lines"] == {"in": 4, "clean": 4, "set_aside": 0, "duplicates": 0, "redelivered": 0}


def test_what_is_no_finished_file_is_left_alone(tmp_path: Path) -> None:
    home = make(tmp_path)
    landing = home.settings.landing
    home.sell("folder.csv/inside.csv", ROW)
    home.sell("upload.csv.part", ROW)
    home.sell(".hidden.csv", ROW)
    home.sell("notes.pdf", ROW)
    (landing / "broken.csv").symlink_to(landing / "nowhere.csv")
    (landing / "loop").symlink_to(landing)
    home.update()
    now = state(home)
    assert now["failing"] == []
    assert now["lines"]["clean"] == 2
    assert set(now["files"]["waiting_for"]) == {"upload.csv.part", "notes.pdf"}
    (landing / "upload.csv.part").rename(landing / "upload.csv")
    (landing / "nowhere.csv").write_text(HEADER + sale(receipt="N"))
    home.update()
    assert state(home)["files"]["redelivered"] == 2


def test_a_file_changed_just_now_waits(tmp_path: Path) -> None:
    home = Home(tmp_path)
    (home.settings.landing / "a.csv").write_text(HEADER + ROW)
    patient = open_platform(home.settings.model_copy(update={"quiet_seconds": 3_600.0}))
    assert update(patient).partitions == {}
    assert status(patient)["files"]["waiting_for"] == {"a.csv": "still growing"}
    home.update()
    assert len(home.rows("clean_sales")) == 1


def test_equal_bytes_that_are_read_differently_are_no_copies(tmp_path: Path) -> None:
    """The ending and the name decide how a file is read, so one that fails must not stand for the other."""
    home = make(tmp_path)
    zipped = gzip.compress((HEADER + ROW).encode())
    home.drop("a.csv", zipped)
    home.drop("longer.csv.gz", zipped)
    home.drop("b/c.csv", BINARY)
    home.drop("b/copy.csv", BINARY)
    home.update()
    now = state(home)
    assert [failing["file"] for failing in now["failing"]] == ["a.csv", "b/c.csv", "b/copy.csv"]
    assert now["lines"]["clean"] == 2
    assert now["files"]["redelivered"] == 0
    for name in ("stores.csv", "products.csv"):
        home.drop(name, "store,name,product\nS1,Mitte,P1\n")
    home.update()
    assert home.rows("stores", ["store", "name"]) == [("S1", "Mitte")]
    assert home.rows("products", ["product", "name"]) == [("P1", "Mitte")]


def test_rows_of_reference_files_that_are_wrong_are_set_aside(tmp_path: Path) -> None:
    home = make(tmp_path)
    home.drop("products.csv", "product,category,unit_cost\n,tea,1\nP1,tea,many\nP1,tea,NaN\nP2,tea,1e300\nP1,tea,0.9\n")
    home.drop("stores.csv", "store,time_zone\nS1,Mars/Olympus\nS1,Europe/Berlin\n")
    home.drop("stock.csv", "store,day,product,on_hand\nS1,2026-13-01,P1,3\nS1,2026-01-01,P1,NaN\nS1,2026-01-01,P1,7\n")
    home.drop("promotions.csv", "store,product,first_day,last_day\nS1,P1,2026-02-01,2026-01-01\n")
    home.update()
    now = state(home)
    assert now["failing"] == []
    assert now["reference_set_aside_by_reason"] == {"bad_reference": 4 + 1 + 2 + 1}
    (kpi,) = home.rows("product_kpis", ["product", "unit_cost", "on_hand", "day"])
    assert (kpi[0], float(str(kpi[1])), float(str(kpi[2])), kpi[3]) == ("P1", 0.9, 7.0, date.fromisoformat(day(0)))


def test_what_looks_like_a_reference_file_and_lacks_its_columns_fails_alone(tmp_path: Path) -> None:
    home = make(tmp_path)
    for kind in ("products", "stores", "stock", "promotions", "calendar"):
        home.drop(f"{kind}.csv", "nonsense\n1\n")
    home.update()
    now = state(home)
    assert {failing["file"] for failing in now["failing"]} == {
        f"{kind}.csv" for kind in ("products", "stores", "stock", "promotions", "calendar")
    }
    assert all("sources.yaml" in failing["error"] for failing in now["failing"])
