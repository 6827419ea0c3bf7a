"""Encodings, JSON, Parquet, Excel and files that are none of it."""

import gzip
import io
import os
import zipfile
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from emma_platform.sources.protocol import SourceError
from emma_platform_tests.sources.conftest import HEADER, ROW, Desk


def products(desk: Desk, data: bytes) -> list[object]:
    return desk.read("a.csv", data).rows["product"].to_pylist()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_an_encoding_is_found(desk: Desk, encoding: str):
    assert products(desk, (HEADER + ROW.replace("P1", "Crème brûlée, größer".replace(",", ""))).encode(encoding)) == [
        "Crème brûlée größer"
    ]


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("cp1250", "Žluťoučký kůň"), ("cp1251", "Привет мир хлеб молоко"), ("cp932", "東京 牛乳 パン")],
)
def test_the_encoding_of_a_whole_file_is_guessed(desk: Desk, encoding: str, text: str):
    assert products(desk, (HEADER + ROW.replace("P1", text) * 5).encode(encoding)) == [text] * 5


def test_lines_of_two_encodings_in_one_file_are_each_read_right(desk: Desk):
    first, second = ROW.replace("P1", "größer"), ROW.replace("P1", "Ærø")
    data = HEADER.encode() + first.encode() + second.encode("latin-1") + ROW.encode() + b"S1,R,2026-11-22,\x81,1,2\n"
    assert products(desk, data) == ["größer", "Ærø", "P1", "\x81"]


def test_the_encoding_of_the_entry_is_used_and_what_it_cannot_read_is_not_lost(desk: Desk):
    desk.map('- pattern: "*"\n  table: sales\n  encoding: cp850\n')
    assert products(desk, (HEADER + ROW.replace("P1", "größer")).encode("cp850")) == ["größer"]
    desk.map('- pattern: "*"\n  table: sales\n  encoding: ascii\n')
    assert products(desk, (HEADER + ROW.replace("P1", "größer")).encode("cp1252")) == ["größer"]


OBJECT = (
    '{"Store": "S1", "receipt": 7, "Sold At": "2026-11-22T10:00:00Z", "product": "P", "quantity": 1.10, '
    '"unit_price": %s}'
)


def test_json_lines_keep_numbers_as_they_are_written(desk: Desk):
    text = OBJECT % "2.50" + "\n\n[1]\n" + OBJECT % "3e0" + '\n{"broken\n' + OBJECT % "null"
    delivery = desk.read("a.jsonl", text)
    assert delivery.rows["line"].to_pylist() == [1, 4, 6]
    assert delivery.rows["unit_price"].to_pylist() == ["2.50", "3e0", None]
    assert delivery.rows["quantity"].to_pylist() == ["1.10"] * 3
    assert delivery.set_aside.select(["line", "reason", "row"]).to_pylist() == [
        {"line": 3, "reason": "unreadable_line", "row": "[1]"},
        {"line": 5, "reason": "unreadable_line", "row": '{"broken'},
    ]


def test_json_lines_in_pieces_and_compressed_and_with_any_line_end(desk: Desk):
    lines = [OBJECT % number for number in range(100)]
    for end in ("\n", "\r\n"):
        data = gzip.compress(end.join(lines).encode())
        delivery = desk.read("a.ndjson.gz", data, block_bytes=1000)
        assert delivery.rows["unit_price"].to_pylist() == [str(number) for number in range(100)]
        assert delivery.rows["line"].to_pylist() == list(range(1, 101))


def test_json_values_that_are_no_text_become_text(desk: Desk):
    text = '{"product": "P", "name": true, "category": {"a": [1, null]}, "unit_cost": "1"}'
    row = desk.read("products.jsonl", text).rows.to_pylist()[0]
    assert (row["name"], row["category"]) == ("true", '{"a":["1",null]}')


def test_a_json_array_of_objects(desk: Desk):
    delivery = desk.read("a.json", f"[{OBJECT % 1},\n{OBJECT % 2}]")
    assert delivery.rows["line"].to_pylist() == [1, 2]
    assert delivery.rows["unit_price"].to_pylist() == ["1", "2"]


@pytest.mark.parametrize("text", ['{"a": 1}', "[1, 2]", "[{]", "7"])
def test_other_json_is_an_error(desk: Desk, text: str):
    with pytest.raises(SourceError, match="jsonl"):
        desk.deliveries("a.json", text)


def parquet(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def test_parquet_of_any_types(desk: Desk):
    desk.zones = {"S1": "Europe/Berlin"}
    moment = datetime(2026, 11, 22, 23, 30, tzinfo=timezone(timedelta(hours=1)))
    table = pa.table(
        {
            "store": pa.array(["S1", "S1"]).dictionary_encode(),
            "receipt": pa.array([1, 2], pa.int32()),
            "sold_at": pa.array([moment, moment], pa.timestamp("ns", tz="America/New_York")),
            "product": pa.array(["P", None], pa.large_string()),
            "quantity": [3.0, 1.5],
            "unit_price": [Decimal("1.20"), Decimal("0.00")],
            "other": [[1], [2]],
        }
    )
    delivery = desk.read("a.parquet", parquet(table))
    told = ["line", "receipt", "sold_at", "product", "quantity", "unit_price", "day"]
    assert delivery.rows.select(told).to_pylist() == [
        {"line": 1, "receipt": "1", "sold_at": "2026-11-22 22:30:00Z", "product": "P", "quantity": "3",
         "unit_price": "1.20", "day": date(2026, 11, 22)},
        {"line": 2, "receipt": "2", "sold_at": "2026-11-22 22:30:00Z", "product": None, "quantity": "1.5",
         "unit_price": "0.00", "day": date(2026, 11, 22)},
    ]  # fmt: skip


def test_parquet_local_times_and_dates_and_no_rows(desk: Desk):
    columns = {"store": ["S"], "receipt": ["R"], "product": ["P"], "quantity": [1], "unit_price": [1e20]}
    local = pa.table({**columns, "sold_at": [datetime.fromisoformat("2026-11-22 08:05")]})
    assert desk.read("a.pq", parquet(local)).rows["sold_at"].to_pylist() == ["2026-11-22 08:05:00"]
    days = pa.table({**columns, "sold_at": [date(2026, 11, 22)]})
    assert desk.read("b.pq", parquet(days)).rows["sold_at"].to_pylist() == ["2026-11-22"]
    assert desk.read("c.pq", parquet(days.slice(0, 0))).lines == 0


def workbook(*sheets: tuple[str, list[list[object]]]) -> bytes:
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True})
    style = book.add_format({"num_format": "dd.mm.yyyy hh:mm"})
    for name, rows in sheets:
        sheet = book.add_worksheet(name)
        for at, row in enumerate(rows):
            for column, cell in enumerate(row):
                if isinstance(cell, datetime):
                    sheet.write_datetime(at, column, cell, style)
                else:
                    sheet.write(at, column, cell)
    book.close()
    return file.getvalue()


TITLES = ["Store", "Receipt", "Sold At", "Product", "Quantity", "Unit-Price"]


def test_excel(desk: Desk):
    rows = [
        [],
        ["", *TITLES],
        ["", "S1", 1001, datetime.fromisoformat("2026-11-22 17:45"), 85123, 3, 1.99],
        [],
        ["", "S1", "1002", "2026-11-22", "85123A", 1e-7, 0.1],
    ]
    delivery = desk.read("a.xlsx", workbook(("data", rows)))
    assert delivery.rows["line"].to_pylist() == [3, 5]
    assert delivery.rows.select(["receipt", "sold_at", "product", "quantity", "unit_price"]).to_pylist() == [
        {
            "receipt": "1001",
            "sold_at": "2026-11-22 17:45:00",
            "product": "85123",
            "quantity": "3",
            "unit_price": "1.99",
        },
        {"receipt": "1002", "sold_at": "2026-11-22", "product": "85123A", "quantity": "0.0000001", "unit_price": "0.1"},
    ]


@pytest.mark.parametrize("sheet", ["sales", '"2"'])
def test_the_sheet_of_the_entry_is_read(desk: Desk, sheet: str):
    data = workbook(("notes", [["hello"]]), ("sales", [TITLES, ["S1", "R", "2026-11-22", "P", 1, 2]]))
    desk.map(f'- pattern: "*.xlsx"\n  table: sales\n  sheet: {sheet}\n')
    assert desk.read("a.xlsx", data).lines == 1
    desk.map('- pattern: "*.xlsx"\n  table: sales\n  sheet: other\n')
    with pytest.raises(SourceError, match=r"no sheet 'other'.*notes, sales"):
        desk.deliveries("a.xlsx", data)


def test_opendocument(desk: Desk):
    def cells(row: list[str]) -> str:
        texts = (f'<table:table-cell office:value-type="string"><text:p>{c}</text:p></table:table-cell>' for c in row)
        return f"<table:table-row>{''.join(texts)}</table:table-row>"

    kind = "application/vnd.oasis.opendocument.spreadsheet"
    urn = "urn:oasis:names:tc:opendocument:xmlns"
    body = "".join(map(cells, [TITLES, ["S1", "R", "2026-11-22", "P", "1", "2"]]))
    content = (
        f'<?xml version="1.0"?><office:document-content xmlns:office="{urn}:office:1.0" xmlns:table="{urn}:table:1.0" '
        f'xmlns:text="{urn}:text:1.0"><office:body><office:spreadsheet><table:table table:name="a">{body}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    manifest = (
        f'<?xml version="1.0"?><manifest:manifest xmlns:manifest="{urn}:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/></manifest:manifest>'
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("mimetype", kind)
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", manifest)
    assert desk.read("a.ods", file.getvalue()).rows["product"].to_pylist() == ["P"]


RUBBISH = bytes(range(256)) * 20


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.csv", b"", "is empty"),
        ("a.parquet", b"", "is empty"),
        ("a.csv", b"\n\r\n\n", "empty lines only"),
        ("a.csv", b"\xef\xbb\xbf", "empty lines only"),
        ("a.csv", RUBBISH, "not text"),
        ("a.jsonl", RUBBISH, "not text"),
        ("a.csv.gz", RUBBISH, "no whole gzip file"),
        ("a.csv.gz", gzip.compress(os.urandom(5000))[:2000], "no whole gzip file|not text"),
        ("a.csv.gz", gzip.compress((HEADER + ROW * 9999).encode())[:-20], "no whole gzip file"),
        ("a.parquet", RUBBISH, "no whole Parquet file"),
        ("a.xlsx", RUBBISH, "no Excel file"),
        ("a.xls", RUBBISH, "no Excel file"),
        ("a.xlsb", RUBBISH, "no Excel file"),
        ("a.ods", RUBBISH, "no Excel file"),
        ("a.jsonl", b"[1]\n", "no JSON object"),
        ("a.pdf", b"x", "no known ending"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error_and_yields_nothing(desk: Desk, name: str, data: bytes, words: str):
    taken = desk.take(name, data)
    reading = desk.source().read(taken, {})
    with pytest.raises(SourceError, match=words) as raised:
        next(reading)
    assert name in str(raised.value)


def test_an_instant_is_the_same_in_every_format(desk: Desk):
    moment = datetime(2026, 11, 22, 16, 45, tzinfo=UTC)
    columns = {"store": "S1", "receipt": "R", "product": "P", "quantity": "1", "unit_price": "1"}
    as_parquet = parquet(pa.table({**{k: [v] for k, v in columns.items()}, "sold_at": [moment]}))
    as_csv = ",".join([*columns, "sold_at"]) + "\n" + ",".join([*columns.values(), "2026-11-22T17:45:00+01:00"])
    found = {
        desk.read(name, data).rows["sold_at_utc"][0].as_py()
        for name, data in (("a.parquet", as_parquet), ("a.csv", as_csv))
    }
    assert found == {moment}
