from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emma_platform.engine.duckdb import DuckDBEngine
from emma_platform.model.reasons import NON_PRODUCT_CODES, REASON_CODES
from emma_platform.model.tables import CLEAN_SALES, PRODUCTS, RAW_SALES, SET_ASIDE_ROWS, STORES
from emma_platform.transforms.clean_sales import Cleaned, split
from emma_platform.transforms.sql import load

ENGINE = DuckDBEngine(threads=2)
DAY = date(2026, 3, 2)


def line(**values):
    """One raw line: P1 sold once at 2.50, but for what is said."""
    clock = values.pop("at", "10:00")
    day = values.get("day", DAY)
    row = dict.fromkeys(RAW_SALES.names) | {
        "store": "S1",
        "day": day,
        "file": "a.csv",
        "receipt": "R1",
        "sold_at": f"{day} {clock}",
        "sold_at_utc": datetime.combine(day, time.fromisoformat(clock), UTC),
        "product": "P1",
        "quantity": "1",
        "unit_price": "2.50",
        "decimal_mark": ".",
    }
    return row | values


def numbered(lines):
    """The lines with the place that they have in the list as their line of the file, where they do not say it."""
    return [row | {"line": row["line"] or place} for place, row in enumerate(lines, start=2)]


def clean(lines, *, products=("P1", "P2"), limits=None, stores=("S1",), engine=ENGINE) -> Cleaned:
    limits = limits or {}
    known = [
        dict.fromkeys(PRODUCTS.names) | {"product": p, "max_quantity": limits.get(p)} for p in {*products, *limits}
    ]
    tables = {
        "raw_sales": pa.Table.from_pylist(numbered(lines), schema=RAW_SALES.arrow_schema()),
        "products": pa.Table.from_pylist(known, schema=PRODUCTS.arrow_schema()),
        "stores": pa.Table.from_pylist(
            [dict.fromkeys(STORES.names) | {"store": s} for s in stores], schema=STORES.arrow_schema()
        ),
    }
    return split(engine.run(load("clean_sales").text, tables, {"non_product_codes": list(NON_PRODUCT_CODES)}))


def kept(cleaned):
    return sorted(cleaned.clean_sales.to_pylist(), key=lambda row: [str(row[k]) for k in CLEAN_SALES.key])


def reasons(cleaned):
    rows = cleaned.set_aside_rows.to_pylist()
    return [row["reason"] for row in sorted(rows, key=lambda row: (row["file"], row["line"]))]


def only(cleaned):
    (row,) = cleaned.clean_sales.to_pylist()
    return row


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


def returns(cleaned):
    return {row["receipt"]: row["return_of"] for row in kept(cleaned) if row["is_return"]}


def test_a_return_takes_back_the_latest_sale_before_it_once():
    cleaned = clean(
        [
            line(receipt="A", at="09:00"),
            line(receipt="B", at="10:00"),
            line(receipt="late", at="18:00"),
            line(receipt="dear", at="10:30", unit_price="2.51"),
            line(receipt="other", at="10:30", product="P2"),
            line(receipt="two", at="10:30", quantity="2"),
            line(receipt="first", at="11:00", quantity="-1"),
            line(receipt="second", at="12:00", quantity="-1"),
            line(receipt="third", at="13:00", quantity="-1"),
        ]
    )
    assert returns(cleaned) == {"first": "B", "second": "A", "third": None}


def test_a_return_before_any_sale_takes_none_of_a_later_return():
    cleaned = clean(
        [
            line(receipt="early", at="08:00", quantity="-1"),
            line(receipt="A", at="09:00"),
            line(receipt="now", at="09:00", quantity="-1"),
        ]
    )
    assert returns(cleaned) == {"early": None, "now": "A"}


def test_a_cancellation_takes_back_the_receipt_it_names():
    cleaned = clean(
        [
            line(receipt="1", at="09:00"),
            line(receipt="2", at="10:00"),
            line(receipt="C1", at="11:00", quantity="-1"),
            line(receipt="C9", at="12:00", quantity="-1"),
        ]
    )
    assert returns(cleaned) == {"C1": "1", "C9": "2"}


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


rubbish = st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
numbers = st.sampled_from(
    ["1", "-1", "2", "0", "101", "-101", "5000", "1.234,5", "1,234.5", ",", "x", "", None, "9" * 40]
)
LINES = st.lists(
    st.fixed_dictionaries(
        {
            "store": st.sampled_from(["S1", "S2"]),
            "file": st.sampled_from(["a.csv", "b.csv"]),
            "receipt": st.sampled_from(["R1", "CR1", "R2", None]) | rubbish,
            "receipt_line": st.sampled_from(["1", "01", "2", None]) | rubbish,
            "product": st.sampled_from(["P1", "P2", "POST", None]) | rubbish,
            "quantity": numbers | rubbish,
            "unit_price": numbers | rubbish,
            "discount": st.sampled_from([None, "", "0", "1"]) | rubbish,
            "currency": st.sampled_from([None, "EUR"]) | rubbish,
            "at": st.sampled_from(["09:00", "10:00"]),
            "decimal_mark": st.sampled_from([".", ","]),
        }
    ).map(lambda values: line(**values)),
    max_size=25,
)


@settings(max_examples=30, deadline=None)
@given(lines=LINES, shuffle=st.randoms(use_true_random=False))
def test_every_line_is_accounted_for_and_the_order_of_lines_is_nothing(lines, shuffle):
    lines = numbered(lines)
    cleaned = clean(lines, limits={"P2": 3})
    counts = cleaned.counts.to_pylist()
    assert Counter({(row["store"], row["day"]): row["lines"] for row in counts}) == Counter(
        (row["store"], row["day"]) for row in lines
    )
    assert all(row["lines"] == row["clean"] + row["set_aside"] + row["duplicates"] for row in counts)
    assert sum(row["clean"] for row in counts) == cleaned.clean_sales.num_rows
    assert sum(row["set_aside"] for row in counts) == cleaned.set_aside_rows.num_rows
    assert set(reasons(cleaned)) <= set(REASON_CODES)
    by_place = {(row["file"], row["line"]): row for row in lines}
    for row in cleaned.set_aside_rows.to_pylist():
        came = by_place[row["file"], row["line"]]
        assert json.loads(row["row"]) == {name: came[name] for name in json.loads(row["row"])}
    keys = [tuple(row[name] for name in CLEAN_SALES.key) for row in cleaned.clean_sales.to_pylist()]
    assert len(set(keys)) == len(keys)

    again = list(lines)
    shuffle.shuffle(again)
    other = clean(again, limits={"P2": 3})
    for name in ("clean_sales", "set_aside_rows", "counts"):
        rows, others = getattr(cleaned, name).to_pylist(), getattr(other, name).to_pylist()
        assert sorted(map(str, rows)) == sorted(map(str, others))


def takes_back(row, sale, *, is_named):
    goods = ("product", "unit_price")
    is_opposite = [row[name] for name in goods] == [sale[name] for name in goods] and row["quantity"] == -sale[
        "quantity"
    ]
    return is_opposite and (not is_named or row["receipt"] == "C" + sale["receipt"])


def slow_returns(rows):
    """Each return in order of time: the sale it names, else the latest one that nobody has taken."""
    order = sorted(rows, key=lambda r: (r["sold_at"], r["is_return"], r["receipt"], r["line"]))
    taken, found = set(), {}
    for is_named in (True, False):
        for place, row in enumerate(order):
            if not row["is_return"] or place in found:
                continue
            before = [i for i, sale in enumerate(order[:place]) if i not in taken and not sale["is_return"]]
            fit = [i for i in before if takes_back(row, order[i], is_named=is_named)]
            if fit:
                taken.add(fit[-1])
                found[place] = order[fit[-1]]["receipt"]
    return {(row["receipt"], row["line"]): found.get(place) for place, row in enumerate(order)}


@settings(max_examples=30, deadline=None)
@given(
    lines=st.lists(
        st.builds(
            line,
            receipt=st.sampled_from(["1", "2", "C1", "C2", "CC1"]),
            receipt_line=st.integers(1, 9).map(str),
            at=st.sampled_from(["09:00", "10:00", "11:00"]),
            quantity=st.sampled_from(["1", "-1"]),
        ),
        max_size=14,
    )
)
def test_returns_are_those_that_a_till_roll_read_line_by_line_gives(lines):
    rows = kept(clean(lines))
    assert {(row["receipt"], row["line"]): row["return_of"] for row in rows} == slow_returns(rows)


def test_one_thread_gives_what_many_give():
    lines = [
        line(
            receipt=f"R{i % 97}",
            product=f"P{i % 13}",
            quantity=str(i % 7 - 2),
            at=f"{i % 24:02d}:00",
            day=DAY + timedelta(days=i % 5),
        )
        for i in range(3000)
    ]
    with DuckDBEngine(threads=1) as one, DuckDBEngine(threads=4) as many:
        first, second = clean(lines, engine=one), clean(lines, engine=many)
        for name in ("clean_sales", "set_aside_rows"):
            content = [
                engine.digest(getattr(cleaned, name), [], getattr(cleaned, name).column_names).to_pylist()
                for engine, cleaned in ((one, first), (many, second))
            ]
            assert content[0] == content[1]
