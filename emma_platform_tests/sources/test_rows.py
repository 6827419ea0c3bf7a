"""Rows of sales, of the other kinds, and rows that are set aside."""

import json
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emma_platform.model.tables import RAW_SALES, TABLES
from emma_platform.sources.decimals import MarkEvidence, mark_evidence, read_decimals
from emma_platform_tests.sources.conftest import HEADER, ROW, Desk


@pytest.mark.parametrize(
    ("values", "mark"),
    [
        (["1,99", "5"], ","),
        (["1.234,56"], ","),
        (["1.99"], "."),
        (["1,234.56"], "."),
        (["1,234", "2.50"], "."),
        (["1.234", "2,5"], ","),
        (["1,500"], ","),
        (["1.500"], "."),
        (["1.234.567"], ","),
        (["1,234,567"], "."),
        (["5", "-3", None, "x"], "."),
        (["1.50", "2.50", "3,5"], "."),
        (["€ 1,99"], ","),
        (["0,125"], ","),
        ([None], "."),
    ],
)
def test_the_decimal_mark_is_decided_by_the_values_that_decide(values: list[str | None], mark: str):
    assert mark_evidence([pa.array(values, pa.string()), pa.array([None], pa.string())]).mark() == mark
    one_by_one = [mark_evidence([pa.array([value], pa.string())]) for value in values]
    assert sum(one_by_one[1:], one_by_one[0]).mark() == mark
    assert MarkEvidence().mark() == "."


def decimals(values: list[str | None], mark: str) -> list[Decimal | None]:
    read, bad = read_decimals(pa.array(values, pa.string()), mark, pa.decimal128(18, 3))
    assert [value is None for value in read.to_pylist()] == [
        value is None or flag for value, flag in zip(values, bad.to_pylist(), strict=True)
    ]
    return read.to_pylist()


def test_numbers_under_a_decimal_mark():
    assert decimals([" 1.5 ", "-.5", "+7", "1,234.5", "1 234", "1'234.5", None], ".") == [
        Decimal(text) for text in ("1.5", "-0.5", "7", "1234.5", "1234", "1234.5")
    ] + [None]
    assert decimals(["1,5", "1.234,5", "1.234"], ",") == [Decimal("1.5"), Decimal("1234.5"), Decimal(1234)]
    assert decimals(["0.0005", "-2.0005", "1.23449999999999999999"], ".") == [
        Decimal("0.001"), Decimal("-2.001"), Decimal("1.234")
    ]  # fmt: skip


def test_what_is_no_number():
    for mark, bad in ((".", "1,5"), (",", "1.5")):
        values = [bad, "nan", "inf", "-Infinity", "x", "1e3", "", "--1", "1.2.3", "9" * 16, "9" * 40, "٣", "12,34,5"]
        assert set(decimals(values, mark)) == {None}


@settings(deadline=None, max_examples=60)
@given(values=st.lists(st.decimals(-(10**14), 10**14, places=3), min_size=1), mark=st.sampled_from(".,"))
def test_any_number_comes_back(values: list[Decimal], mark: str):
    assert decimals([f"{value:f}".replace(".", mark) for value in values], mark) == values
    if mark == ",":
        grouped = [f"{value:,.3f}".translate(str.maketrans(",.", ".,")) for value in values]
        assert decimals(grouped, mark) == values


def test_sales_have_the_columns_of_raw_sales(desk: Desk):
    text = (
        "store,receipt,sold_at,product,quantity,unit_price,line,discount,currency\nS,R,2026-11-22,P,1,1.5,3,0.5,EUR\n"
    )
    delivery = desk.read("x/a.csv", text)
    assert delivery.rows.schema == RAW_SALES.arrow_schema()
    row = delivery.rows.to_pylist()[0]
    assert (row["file"], row["line"], row["receipt_line"], row["discount"], row["currency"]) == (
        "x/a.csv",
        2,
        "3",
        "0.5",
        "EUR",
    )
    assert (delivery.input, delivery.lines) == ("sales", 1)


def test_rows_that_belong_to_no_partition_are_set_aside_with_reason_and_place(desk: Desk):
    lines = [
        ",R,2026-11-22,P,1,1",
        "S,R,yesterday,P,1,1",
        "S,R,,P,1,1",
        "S,R,2026-11-24,P,1,1",
        "S,R,2026-11-25,P,1,1",
        "S,R,1999-12-31,P,1,1",
        "S,R,2000-01-01,,x,y",
        "too,short",
    ]
    delivery = desk.read("a.csv", HEADER + "\n".join(lines))
    assert delivery.rows["line"].to_pylist() == [5, 8]
    found = delivery.set_aside.to_pylist()
    assert [(row["line"], row["reason"], row["store"], row["day"]) for row in found] == [
        (2, "missing_store", None, None),
        (3, "bad_date", "S", None),
        (4, "bad_date", "S", None),
        (6, "future_date", "S", date(2026, 11, 25)),
        (7, "prehistoric_date", "S", date(1999, 12, 31)),
        (9, "unreadable_line", None, None),
    ]
    assert {(row["file"], row["input"]) for row in found} == {("a.csv", "sales")}
    assert found[1]["row"] == (
        '{"store":"S","receipt":"R","sold_at":"yesterday","product":"P","quantity":"1","unit_price":"1"}'
    )
    assert json.loads(found[2]["row"])["sold_at"] is None
    assert found[5]["row"] == "too,short"


def test_the_decimal_mark_of_the_file_stands_on_every_row(desk: Desk):
    text = HEADER.replace(",", ";") + "S;R;2026-11-22;P;1;2\nS;R;2026-11-22;P;1;1,99\n"
    assert desk.read("a.csv", text).rows["decimal_mark"].to_pylist() == [",", ","]
    desk.map('- {pattern: "*", table: sales, decimal_mark: "."}')
    assert desk.read("a.csv", text).rows["decimal_mark"].to_pylist() == [".", "."]


REFERENCE = {
    "products": "product;name;category;unit_cost;list_price;max_quantity\nP;Brötchen;;1,25;1.250,5;\n",
    "stores": "store;name;city;time_zone;country;subdivision\nS;=1+1;Köln;Europe/Berlin; de;nw\n",
    "promotions": "store;product;first_day;last_day;kind\n;P;22.11.2026;24.11.2026;\n",
    "price_plan": "store;product;first_day;last_day;price\n;P;22.11.2026;;1,99\n",
    "calendar": "day;event;store;kind\n24.12.2026;Heiligabend;;\n",
    "stock": "store;day;product;on_hand\nS;22.11.2026;P;-1,5\n",
}


@pytest.mark.parametrize("kind", REFERENCE)
def test_reference_rows_are_typed_and_know_their_place(desk: Desk, kind: str):
    delivery = desk.read(f"{kind}.csv", REFERENCE[kind])
    schema = TABLES[kind].arrow_schema()
    if kind != "stock":
        schema = schema.append(pa.field("file", pa.string(), nullable=False))
        schema = schema.append(pa.field("line", pa.int64(), nullable=False))
    assert delivery.rows.schema == schema
    assert (delivery.input, delivery.lines, delivery.set_aside.num_rows) == (kind, 1, 0)
    row = delivery.rows.to_pylist()[0]
    assert (row.pop("file"), row.pop("line")) == (f"{kind}.csv", 2)
    assert row == {
        "products": {"product": "P", "name": "Brötchen", "category": None, "unit_cost": Decimal("1.25"),
                     "list_price": Decimal("1250.5"), "max_quantity": None, "price_group": None, "pack_family": None,
                     "pack_size": None},
        "stores": {"store": "S", "name": "=1+1", "city": "Köln", "time_zone": "Europe/Berlin", "country": "DE",
                   "subdivision": "NW"},
        "promotions": {"store": None, "product": "P", "first_day": date(2026, 11, 22), "last_day": date(2026, 11, 24),
                       "kind": None},
        "price_plan": {"store": None, "product": "P", "first_day": date(2026, 11, 22), "last_day": None,
                       "price": Decimal("1.99")},
        "calendar": {"store": None, "day": date(2026, 12, 24), "event": "Heiligabend", "kind": "event"},
        "stock": {"store": "S", "day": date(2026, 11, 22), "product": "P", "on_hand": Decimal("-1.5")},
    }[kind]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("products", "product,unit_cost\n,1\n"),
        ("products", "product,unit_cost\nP,x\n"),
        ("products", "product,unit_cost\nP,nan\n"),
        ("products", "product,unit_cost\nP,inf\n"),
        ("products", "product,unit_cost\nP,-1\n"),
        ("products", "product,max_quantity\nP,99999999999999999999\n"),
        ("stores", "store,time_zone\nS,Mars/Olympus\n"),
        ("stores", "store,time_zone\n ,UTC\n"),
        ("stores", "store,country\nS,QQ\n"),
        ("stores", "store,country,subdivision\nS,DE,XX\n"),
        ("stores", "store,country,subdivision\nS,,BY\n"),
        ("stock", "store,day,product,on_hand\nS,2026-11-22,P,\n"),
        ("stock", "store,day,product,on_hand\nS,2026-11-22,,1\n"),
        ("stock", "store,day,product,on_hand\nS,2026-02-30,P,1\n"),
        ("stock", "store,day,product,on_hand\nS,2026-11-25,P,1\n"),
        ("stock", "store,day,product,on_hand\nS,1999-12-31,P,1\n"),
        ("promotions", "product,first_day,last_day\nP,2026-11-22,\n"),
        ("promotions", "product,first_day,last_day\nP,2026-11-22,2026-11-21\n"),
        ("price_plan", "product,first_day,price\nP,2026-11-22,\n"),
        ("price_plan", "product,first_day,price\nP,2026-11-22,0\n"),
        ("price_plan", "product,first_day,last_day,price\nP,2026-11-22,2026-11-21,1\n"),
        ("calendar", "day,event\n2026-12-24,\n"),
        ("calendar", "day,event,kind\n2026-12-24,X,party\n"),
    ],
)
def test_reference_rows_without_key_or_with_an_invalid_value_are_set_aside(desk: Desk, kind: str, text: str):
    delivery = desk.read(f"{kind}.csv", text + "broken,line,of,far,too,many,fields\n")
    assert delivery.rows.num_rows == 0
    found = delivery.set_aside.select(["line", "reason", "input"]).to_pylist()
    assert found == [
        {"line": 2, "reason": "bad_reference", "input": kind},
        {"line": 3, "reason": "unreadable_line", "input": kind},
    ]
    assert list(json.loads(delivery.set_aside["row"][0].as_py())) == text.split("\n", maxsplit=1)[0].split(",") or kind


def test_holidays_in_any_case_and_future_days_of_the_calendar(desk: Desk):
    delivery = desk.read("calendar.csv", "day,event,kind\n2030-12-25,Xmas,Holiday\n2026-12-31,Closed, CLOSED \n")
    assert delivery.rows["kind"].to_pylist() == ["holiday", "closed"]


def test_rows_of_one_file_are_the_same_in_one_piece_and_in_many(desk: Desk):
    rows = "".join(ROW.replace("P1", f'"P, {at}"') + ("short\n" if at % 7 == 0 else "") for at in range(300))
    whole = desk.read("a.csv", HEADER + rows)
    pieces = desk.read("a.csv", HEADER + rows, block_bytes=700)
    assert whole.rows.equals(pieces.rows)
    assert whole.set_aside.equals(pieces.set_aside)
