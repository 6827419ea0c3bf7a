from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from emma_platform.model.tables import CLEAN_SALES, SET_ASIDE_ROWS
from emma_platform_tests.transforms.raw_lines import DAY, clean, kept, line, only, reasons, returns


def test_a_good_line_is_typed():
    cleaned = clean(
        [line(receipt=" R7 ", product=" P1 ", quantity="3", unit_price="2.5", discount="0.50", currency=" EUR ")]
    )
    assert only(cleaned) == {
        "store": "S1",
        "day": DAY,
        "receipt": "R7",
        "line": 1,
        "sold_at": datetime(2026, 3, 2, 10, tzinfo=UTC),
        "product": "P1",
        "quantity": Decimal("3.000"),
        "unit_price": Decimal("2.500000"),
        "discount": Decimal("0.5000"),
        "revenue": Decimal("7.5000"),
        "currency": "EUR",
        "is_return": False,
        "return_of": None,
        "is_known_product": True,
        "is_known_store": True,
    }
    assert cleaned.clean_sales.schema == CLEAN_SALES.arrow_schema()
    assert cleaned.set_aside_rows.schema == SET_ASIDE_ROWS.arrow_schema()


@pytest.mark.parametrize(
    ("reason", "values"),
    [
        ("missing_receipt", {"receipt": None}),
        ("missing_receipt", {"receipt": "  ", "product": "", "quantity": "x"}),
        ("missing_product", {"product": " ", "quantity": "x"}),
        ("not_a_product", {"product": "post", "quantity": "x"}),
        ("not_a_product", {"product": "Bank Charges"}),
        ("not_a_product", {"product": "--?"}),
        ("bad_quantity", {"quantity": None, "unit_price": "x"}),
        ("bad_quantity", {"quantity": "10000000.001"}),
        ("bad_price", {"unit_price": "", "discount": "x"}),
        ("bad_price", {"unit_price": "1000000000.01"}),
        ("bad_price", {"unit_price": "1000000000", "quantity": "10000000"}),
        ("bad_discount", {"discount": "a lot", "quantity": "0"}),
        ("bad_discount", {"discount": "-0.01"}),
        ("zero_quantity", {"quantity": "0.0004", "unit_price": "-1"}),
        ("negative_price", {"unit_price": "-0.01"}),
        ("zero_price", {"unit_price": "0.00"}),
    ],
)
def test_a_line_that_does_not_hold_is_set_aside_for_the_first_reason(reason, values):
    cleaned = clean([line(**values)])
    assert reasons(cleaned) == [reason]
    assert cleaned.clean_sales.num_rows == 0


def test_a_set_aside_row_tells_where_it_stood_and_what_it_said():
    said = {"receipt": 'R"1\\', "quantity": "x\n\ty\x01", "product": " Käse 🧀 ", "discount": ""}
    (row,) = clean([line(**said, file="sub/b.csv", line=17)]).set_aside_rows.to_pylist()
    spelled = row.pop("row")
    assert row == {
        "file": "sub/b.csv",
        "line": 17,
        "store": "S1",
        "day": DAY,
        "reason": "bad_quantity",
        "input": "sales",
    }
    assert json.loads(spelled) == {
        "store": "S1",
        "receipt_line": None,
        "sold_at": f"{DAY} 10:00",
        "unit_price": "2.50",
        "currency": None,
        **said,
    }
    assert ", " not in spelled
    assert "\n" not in spelled


def test_a_code_that_is_in_the_products_is_a_product():
    cleaned = clean([line(product="POST"), line(product="***")], products=("POST", "***"))
    assert reasons(cleaned) == []
    assert all(row["is_known_product"] for row in kept(cleaned))


def test_unknown_products_and_stores_are_kept_and_marked():
    row = only(clean([line(store="S/é 2", product="ÜÖ")]))
    assert (row["is_known_product"], row["is_known_store"]) == (False, False)


def test_a_price_of_zero_holds_when_a_discount_explains_it():
    assert only(clean([line(unit_price="0", discount="2.50")]))["revenue"] == 0


def test_numbers_are_read_with_the_decimal_mark_of_their_file():
    spelled = [
        (".", " 1.5 ", "1.5"),
        (".", "+1.5", "1.5"),
        (".", "1,234,567.25", "1234567.25"),
        (".", "5.", "5"),
        (".", ".5", "0.5"),
        (".", "007", "7"),
        (".", "1234567", "1234567"),
        (",", "1,5", "1.5"),
        (",", "1.234,5", "1234.5"),
        (",", "1.234", "1234"),
        (".", "1,234", "1234"),
        (".", "1.00049999999999999999999999999999999999999999", "1.000"),
        (".", "1.0005", "1.001"),
        (".", "-1.0005", "-1.001"),
        (".", "0.9995", "1.000"),
    ]
    lines = [
        line(receipt=f"{place:02d}", quantity=text, unit_price="1", decimal_mark=mark)
        for place, (mark, text, _) in enumerate(spelled)
    ]
    found = [row["quantity"] for row in kept(clean(lines, limits={"P1": 10**7}))]
    assert found == [Decimal(value) for _, _, value in spelled]


def test_what_is_no_number_is_bad():
    texts = "NaN nan inf -inf Infinity 0x10 1e3 1_000 12,34 1,2345 ,123 1,234,56 1.2.3 €5 5€ $5 -- + - . 5- (5) ١٢ 1,5"
    lines = [line(**{name: text}) for name in ("quantity", "unit_price", "discount") for text in texts.split()]
    count = len(texts.split())
    assert reasons(clean(lines)) == ["bad_quantity"] * count + ["bad_price"] * count + ["bad_discount"] * count


def test_revenue_is_exact_and_rounded_half_away_from_zero():
    rows = kept(clean([line(quantity=q, unit_price="0.00005") for q in ("1", "-1", "3")]))
    assert sorted(row["revenue"] for row in rows) == [Decimal("-0.0001"), Decimal("0.0001"), Decimal("0.0002")]


def test_exact_duplicates_stay_once_the_first_in_file_and_line():
    same = {"receipt_line": "1", "discount": "0", "currency": "EUR"}
    cleaned = clean(
        [
            line(**same, file="b.csv", line=2),
            line(**same, file="a.csv", line=9),
            line(**same | {"receipt_line": "01", "discount": None}, quantity="1.0", unit_price="2.500", receipt=" R1"),
            line(**same | {"receipt_line": "2"}),
            line(**same | {"currency": None}),
            line(**same, at="10:01"),
        ]
    )
    assert cleaned.counts.to_pylist() == [
        {"store": "S1", "day": DAY, "lines": 6, "clean": 4, "set_aside": 0, "duplicates": 2}
    ]


def test_of_duplicates_the_one_that_came_first_keeps_its_place():
    lines = [line(), line(product="P2"), line(), line(file="0.csv", line=9, product="P2")]
    assert {row["product"]: row["line"] for row in kept(clean(lines))} == {"P2": 1, "P1": 2}
    assert {row["product"]: row["line"] for row in kept(clean(lines[:3]))} == {"P1": 1, "P2": 2}


def test_rows_set_aside_are_never_duplicates():
    assert reasons(clean([line(quantity="x"), line(quantity="x")])) == ["bad_quantity", "bad_quantity"]


def test_lines_of_a_receipt_follow_the_till_then_the_file():
    cleaned = clean(
        [
            line(receipt_line="10", product="ten"),
            line(receipt_line="9", product="nine"),
            line(receipt_line=None, product="none"),
            line(receipt_line="B", product="text"),
            line(receipt_line="9", product="void", quantity="0"),
            line(receipt="R2", receipt_line="7", product="other"),
        ]
    )
    found = {row["product"]: row["line"] for row in kept(cleaned)}
    assert found == {"nine": 1, "ten": 2, "none": 3, "text": 4, "other": 1}


def fill(n, *, product="fill", quantity="2", price="5"):
    return [line(receipt=f"F{i}", product=product, quantity=quantity, unit_price=price) for i in range(n)]


@pytest.mark.parametrize(
    ("others", "quantity", "price", "is_absurd"),
    [
        (4, "101", "0.01", True),  # 50 times the median of 2 is 100
        (4, "100", "0.01", False),  # never up to 100 units
        (3, "101", "0.01", False),  # too few lines to say
        (19, "10001", "1", True),  # 1000 times the median value of 10 is 10,000
    ],
)
def test_quantities_far_beyond_what_the_product_sells_are_absurd(others, quantity, price, is_absurd):
    cleaned = clean([*fill(others, product="P1"), line(quantity=quantity, unit_price=price)])
    assert reasons(cleaned) == ["absurd_quantity"] * is_absurd


@pytest.mark.parametrize(
    ("others", "quantity", "is_absurd"), [(19, "10001", True), (18, "10001", False), (19, "10000", False)]
)
def test_values_far_beyond_what_the_store_sells_are_absurd(others, quantity, is_absurd):
    cleaned = clean([*fill(others), line(quantity=quantity, unit_price="1")])
    assert reasons(cleaned) == ["absurd_quantity"] * is_absurd


def test_fuel_sold_in_thousands_of_units_is_not_absurd():
    pumps = [line(receipt=f"P{i}", product="diesel", quantity=str(8000 + i), unit_price="0.0025") for i in range(9)]
    assert reasons(clean([*fill(30), *pumps, line(product="diesel", quantity="11000", unit_price="0.0025")])) == []


def test_the_limit_of_the_products_file_replaces_the_rule():
    lines = [*fill(4, product="P1"), line(quantity="5000"), line(product="P2", quantity="7")]
    assert reasons(clean(lines, limits={"P1": 5000, "P2": 6})) == ["absurd_quantity"]
    assert reasons(clean([line(quantity="-7")], limits={"P1": 6})) == ["absurd_quantity"]


def test_an_absurd_line_and_its_cancellation_are_both_kept():
    typo = [*fill(5, product="P1"), line(receipt="X", quantity="80995"), line(receipt="CX", quantity="-80995")]
    cleaned = clean(typo)
    assert reasons(cleaned) == []
    assert sum(row["quantity"] for row in kept(cleaned)) == 10
    assert reasons(clean([*typo, line(receipt="Y", quantity="80995")])) == ["absurd_quantity"]


def test_days_and_stores_do_not_touch_each_other():
    other = DAY + timedelta(days=1)
    cleaned = clean(
        [line(), line(day=other), line(store="S2"), line(day=other, receipt="back", quantity="-1", at="09:00")]
    )
    assert cleaned.clean_sales.num_rows == 4
    assert returns(cleaned) == {"back": None}
    assert {(r["store"], r["day"]): r["lines"] for r in cleaned.counts.to_pylist()} == {
        ("S1", DAY): 1,
        ("S1", other): 2,
        ("S2", DAY): 1,
    }


def test_no_lines_make_empty_tables():
    cleaned = clean([])
    assert (cleaned.clean_sales.num_rows, cleaned.set_aside_rows.num_rows, cleaned.counts.num_rows) == (0, 0, 0)
    assert cleaned.counts.column_names == ["store", "day", "lines", "clean", "set_aside", "duplicates"]
