"""Delimited text: whatever it is written like, every record comes back with its texts and its line."""

import gzip
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emma_platform.sources.protocol import SourceError
from emma_platform_tests.sources.conftest import HEADER, ROW, Desk

COLUMNS = ("store", "receipt", "sold_at", "product", "quantity", "unit_price")
LINE_END = re.compile(r"\r\n|\n|\r")
SIGNS = "abR7 .,;|:\t=+-'\"/\\ßéñ"
WIDE = "č日本€\u00a0😀"


def written(value: str, delimiter: str, style: str) -> str:
    special = any(sign in value for sign in (delimiter, "\r", "\n")) or value.startswith('"')
    if style == "all" or special or (style == "some" and len(value) % 2):
        return '"' + value.replace('"', '""') + '"'
    return value


@st.composite
def files(draw: st.DrawFn) -> dict[str, object]:
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    signs = SIGNS + ("" if encoding == "cp1252" else WIDE) + draw(st.sampled_from(["", "\n", "\r\n", "\r"]))
    text = st.text(st.sampled_from(signs), max_size=8)
    delimiter = draw(st.sampled_from(",;\t|"))
    style = draw(st.sampled_from(["needed", "some", "all"]))
    line_end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    mark = draw(st.sampled_from(".,"))
    out, expected, line = delimiter.join(COLUMNS) + line_end, {}, 2
    for _ in range(draw(st.integers(0, 12))):
        kind = draw(st.sampled_from(["row", "row", "row", "empty", "short", "long"]))
        if kind == "row":
            price = f"{draw(st.integers(0, 999))}{mark}{draw(st.integers(10, 99))}"
            values = [draw(text), draw(text), "2026-11-22 17:45", draw(text), draw(text), price]
            expected[line] = values
            record = delimiter.join(written(value, delimiter, style) for value in values)
        elif kind == "empty":
            record = ""
        else:
            record = delimiter.join(["x"] * (3 if kind == "short" else 9))
            expected[line] = record
        out += record + line_end
        line += len(LINE_END.findall(record)) + 1
    if draw(st.booleans()):
        out = out.removesuffix(line_end)
    return {
        "data": out.encode(encoding),
        "expected": expected,
        "encoding": "cp1252" if encoding == "cp1252" else None,
        "block_bytes": draw(st.sampled_from([16, 64, 1 << 20])),
        "zipped": draw(st.booleans()),
        "mark": mark,
        "delimiter": delimiter,
    }


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(file=files())
def test_any_table_comes_back_with_its_texts_and_lines(file: dict[str, object]):
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder))
        desk.landing.mkdir()
        if file["encoding"]:
            desk.map(f'- pattern: "*"\n  table: sales\n  encoding: {file["encoding"]}\n')
        data = gzip.compress(file["data"]) if file["zipped"] else file["data"]
        name = "a.csv.gz" if file["zipped"] else "a.csv"
        delivery = desk.read(name, data, block_bytes=file["block_bytes"])
    expected = file["expected"]
    assert delivery.lines == len(expected)
    found = {}
    for row in delivery.rows.to_pylist():
        found[row["line"]] = [row[column] for column in COLUMNS]
    bare = {row["line"]: row for row in delivery.set_aside.to_pylist()}
    for line, values in expected.items():
        if isinstance(values, str):
            assert (bare[line]["reason"], bare[line]["row"]) == ("unreadable_line", values)
        elif not values[0].strip():
            assert bare[line]["reason"] == "missing_store"
        else:
            assert found[line] == [None if not value.strip() else value for value in values]
    rows = [values for values in expected.values() if not isinstance(values, str)]
    if found and rows and all(not set(row[4]) & set(".,") for row in rows):
        assert set(delivery.rows["decimal_mark"].to_pylist()) == {file["mark"]}


def test_lines_with_another_number_of_fields_are_set_aside_and_the_others_go_on(desk: Desk):
    delivery = desk.read("a.csv", HEADER + ROW + "S1,R1,2026-11-22\n\n" + ROW + "a,b,c,d,e,f,g\n")
    assert delivery.rows["line"].to_pylist() == [2, 5]
    assert delivery.set_aside.select(["line", "reason", "row", "store"]).to_pylist() == [
        {"line": 3, "reason": "unreadable_line", "row": "S1,R1,2026-11-22", "store": None},
        {"line": 6, "reason": "unreadable_line", "row": "a,b,c,d,e,f,g", "store": None},
    ]


@pytest.mark.parametrize("block_bytes", [60, 1 << 20])
def test_a_quote_that_is_never_closed_costs_its_line_only(desk: Desk, block_bytes: int):
    stray = 'S1,R1,2026-11-22,"5 inch nail,1,2\n'
    delivery = desk.read("a.csv", HEADER + ROW + stray + ROW * 30, block_bytes=block_bytes)
    assert delivery.set_aside["line"].to_pylist() == [3]
    assert delivery.set_aside["row"].to_pylist() == [stray.strip()]
    assert delivery.rows["line"].to_pylist() == [2, *range(4, 34)]


def test_a_stray_quote_before_a_quoted_line_costs_its_line_only(desk: Desk):
    stray = 'S1,R1,2026-11-22,"5 inch nail,1,2\n'
    delivery = desk.read("a.csv", HEADER + stray + '"S1","R2","2026-11-22","P, big","1","2"\n' + ROW)
    assert delivery.set_aside["line"].to_pylist() == [2]
    assert delivery.rows["product"].to_pylist() == ["P, big", "P1"]


def test_a_quote_within_a_field_is_a_sign(desk: Desk):
    delivery = desk.read(
        "a.csv", HEADER + 'S1,R1,2026-11-22,nail 5",1,2\n' + 'S1,R1,2026-11-22,"a ""b""\nc",1,2\n' + ROW
    )
    assert delivery.rows["product"].to_pylist() == ['nail 5"', 'a "b"\nc', "P1"]
    assert delivery.rows["line"].to_pylist() == [2, 3, 5]


def test_formulas_are_text(desk: Desk):
    delivery = desk.read("a.csv", HEADER + "=S1,R1,2026-11-22,=cmd|' /C calc'!A0,@1,-2\n")
    row = delivery.rows.to_pylist()[0]
    assert (row["store"], row["product"], row["quantity"]) == ("=S1", "=cmd|' /C calc'!A0", "@1")


def test_text_is_not_trimmed_but_blank_text_is_null(desk: Desk):
    row = desk.read("a.csv", HEADER + ' S/1. ä ,   ,2026-11-22,"", 1 ,\t\n').rows.to_pylist()[0]
    assert [row[c] for c in COLUMNS] == [" S/1. ä ", None, "2026-11-22", None, " 1 ", None]


@pytest.mark.parametrize("delimiter", list(",;\t|:"))
def test_the_delimiter_is_found(desk: Desk, delimiter: str):
    values = ["S1", "R1", "20261122", "P1", "1", "2"]
    text = delimiter.join(COLUMNS) + "\n" + delimiter.join(values) + "\n"
    assert desk.read("a.txt", text).rows["product"].to_pylist() == ["P1"]


def test_times_with_colons_do_not_make_a_delimiter(desk: Desk):
    text = 'store;receipt;sold_at;product;quantity;"unit:price, net"\nS1;R1;2026-11-22 17:45;a,b,c:d;1;1,50\n'
    desk.map('- pattern: "*"\n  table: sales\n  columns: {unit_price: "unit:price, net"}\n')
    assert desk.read("a.csv", text).rows["product"].to_pylist() == ["a,b,c:d"]


def test_the_separator_line_of_excel_is_no_header(desk: Desk):
    delivery = desk.read("a.csv", "sep=;\n" + (HEADER + ROW).replace(",", ";"))
    assert delivery.rows["line"].to_pylist() == [3]


def test_empty_lines_before_the_header_and_the_end_of_file_sign_are_no_lines(desk: Desk):
    delivery = desk.read("a.csv", "\r\n\n" + HEADER + ROW + "\x1a")
    assert delivery.rows["line"].to_pylist() == [4]
    assert delivery.lines == 1


def test_a_header_alone_is_no_error(desk: Desk):
    for text in (HEADER, HEADER.strip(), HEADER + "\n\n"):
        delivery = desk.read("a.csv", text)
        assert (delivery.input, delivery.lines) == ("sales", 0)


def test_a_line_that_is_too_long_is_an_error_with_its_number(desk: Desk):
    text = HEADER + ROW + "S1,R1,2026-11-22," + "x" * 5000 + ",1,2\n" + ROW
    for block_bytes in (512, 1 << 20):
        with pytest.raises(SourceError, match=r"a\.csv, line 3: .*EMMA_MAX_LINE_MEGABYTES"):
            list(desk.source(max_line_bytes=1000, block_bytes=block_bytes).read(desk.take("a.csv", text), {}))


def test_a_long_file_comes_in_pieces_of_bounded_size(desk: Desk):
    pieces = desk.deliveries("a.csv", HEADER + ROW * 3000, block_bytes=10_000)
    assert len(pieces) >= 9
    assert max(piece.lines for piece in pieces) < 700
    assert [line for piece in pieces for line in piece.rows["line"].to_pylist()] == list(range(2, 3002))


def test_what_decides_late_in_a_long_file_decides_for_all_of_it(desk: Desk):
    early = "S1;R1;05/06/2026;P1;1;1\n" * 400
    late = "S1;R1;25/06/2026;P1;1;1,5\n"
    header = HEADER.replace(",", ";")
    pieces = desk.deliveries("a.csv", header + early + late, block_bytes=2000)
    assert len(pieces) > 3
    assert {str(day) for piece in pieces for day in piece.rows["day"].to_pylist()} == {"2026-06-05", "2026-06-25"}


@pytest.mark.parametrize("ending", ["csv", "txt", "tsv", "psv"])
def test_every_ending_also_compressed(desk: Desk, ending: str):
    text = HEADER + ROW
    assert desk.read(f"a.{ending}", text).lines == 1
    assert desk.read(f"a.{ending.upper()}.gz", gzip.compress(text.encode())).lines == 1
