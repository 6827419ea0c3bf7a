from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from emma_platform.model.access import EVERY_STORE
from emma_platform.model.tables import CLEAN_SALES, PRODUCTS
from emma_platform.serving.cells import guarded, iso
from emma_platform.serving.export import export
from emma_platform.serving.publication import ServingError
from emma_platform.serving.publish import publish
from emma_platform.serving.reader import Reader
from emma_platform.serving.sheets import MOST_ROWS
from emma_platform.store.delta import DeltaStore
from emma_platform.store.protocol import Whole
from emma_platform_tests.serving import chain

DAYS = {"first_day": chain.LAST_DAY - timedelta(days=3), "last_day": chain.LAST_DAY}
RUNS = ("=1+1", "+49 30 1", "-2+3", "@sum(a1)", "\t=1", "\r=1", "\n=1", "＝1", "-", "=cmd|' /C calc'!A0", "-1-1", "+")
HARMLESS = ("-5", "+5", "-5.25", "-1,5", "-1e5", "", "a=1", " =1", "5", "'", "it's", 'a"b', "a,b", "a\nb", "Köln")


def products_reader(folder: Path, rows: pa.Table) -> Reader:
    store = DeltaStore(folder / "lake")
    version = store.commit("products", rows, Whole(), {})
    publish(store, versions={"products": version}, published=folder / "p", publication_id="p", at=chain.AT, keep=1)
    return Reader(folder / "p")


def products(names: list[str | None], **columns: list[object]) -> pa.Table:
    rows = {name: [None] * len(names) for name in PRODUCTS.names} | columns
    rows |= {"product": [f"P{number:04d}" for number in range(len(names))], "name": names}
    return pa.table(rows, PRODUCTS.arrow_schema())


def sheet_of(path: Path) -> list[list[object]]:
    return CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python(skip_empty_area=False)


def test_a_pipe_is_written_to_and_stays_a_pipe(reader: Reader, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as cat:
        export(reader, EVERY_STORE, "clean_sales", out=pipe, format="csv", stores=["S001"], **DAYS)
        assert len(cat.communicate()[0].splitlines()) == 13
    assert pipe.is_fifo()


def test_csv_reads_back_as_it_was(reader: Reader, tmp_path: Path) -> None:
    out = tmp_path / "sales.csv"
    assert export(reader, EVERY_STORE, "clean_sales", out=out, format="csv", stores=["S001"], **DAYS) == 12
    expected = reader.table(EVERY_STORE, "clean_sales", stores=["S001"], **DAYS)
    types = {field.name: field.type for field in CLEAN_SALES.arrow_schema()}
    back = pa_csv.read_csv(out, convert_options=pa_csv.ConvertOptions(column_types=types, strings_can_be_null=False))
    assert back.cast(expected.schema).equals(expected)
    first = next(csv.DictReader(io.StringIO(out.read_text())))
    assert first["sold_at"].endswith("Z")
    assert datetime.fromisoformat(first["sold_at"]) == expected["sold_at"][0].as_py()
    assert first["revenue"] == str(expected["revenue"][0].as_py())


def test_parquet_is_the_table(reader: Reader, tmp_path: Path) -> None:
    out = tmp_path / "kpis.parquet"
    assert export(reader, EVERY_STORE, "product_kpis", out=out, format="parquet", **DAYS) == 24
    expected = reader.table(EVERY_STORE, "product_kpis", **DAYS)
    assert pq.read_schema(out) == expected.schema
    assert pq.read_table(out).equals(expected)


def test_excel_reads_back(reader: Reader, tmp_path: Path) -> None:
    out = tmp_path / "sales.xlsx"
    assert export(reader, EVERY_STORE, "clean_sales", out=out, format="xlsx", stores=["S002"], **DAYS) == 12
    header, *rows = sheet_of(out)
    expected = reader.table(EVERY_STORE, "clean_sales", stores=["S002"], **DAYS)
    assert header == expected.column_names
    for row, known in zip(rows, expected.to_pylist(), strict=True):
        found = dict(zip(header, row, strict=True))
        assert datetime.fromisoformat(str(found.pop("sold_at"))) == known.pop("sold_at")
        assert found == {name: float(v) if isinstance(v, Decimal) else v for name, v in known.items()}


def test_an_empty_selection_has_a_header(reader: Reader, tmp_path: Path) -> None:
    nothing = {"first_day": date(1999, 1, 1), "last_day": date(1999, 1, 2)}
    for name in ("csv", "parquet", "xlsx"):
        assert export(reader, EVERY_STORE, "clean_sales", out=tmp_path / name, format=name, **nothing) == 0
    assert (tmp_path / "csv").read_text().startswith('"store","day"')
    assert pq.read_schema(tmp_path / "parquet") == CLEAN_SALES.arrow_schema()
    assert sheet_of(tmp_path / "xlsx") == [list(CLEAN_SALES.names)]


@pytest.mark.parametrize("name", ["csv", "xlsx"])
def test_texts_are_never_formulas(tmp_path: Path, name: str) -> None:
    reader = products_reader(tmp_path, products([*RUNS, *HARMLESS, None]))
    out = tmp_path / f"products.{name}"
    export(reader, EVERY_STORE, "products", out=out, format=name)
    if name == "csv":
        found = [row["name"] for row in csv.DictReader(io.StringIO(out.read_bytes().decode(), newline=""))]
    else:
        found = [str(row[1]).replace("_x000D_", "\r") for row in sheet_of(out)[1:]]
    assert found == [*(f"'{text}" for text in RUNS), *HARMLESS, ""]


def test_parquet_keeps_texts_as_they_are(tmp_path: Path) -> None:
    export(
        products_reader(tmp_path, products(list(RUNS))), EVERY_STORE, "products", out=tmp_path / "x", format="parquet"
    )
    assert pq.read_table(tmp_path / "x")["name"].to_pylist() == list(RUNS)


@given(st.text())
def test_the_guard_adds_an_apostrophe_or_nothing(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    (found,) = guarded(pa.array([text])).to_pylist()
    assert found in {text, f"'{text}"}
    if found == text and text[:1] in set("=+-@\t\r\n"):
        assert text == "" or float(text.replace(",", "").replace(".", "")) is not None


def test_empty_text_and_nothing_differ_in_csv(tmp_path: Path) -> None:
    reader = products_reader(tmp_path, products(["", None]))
    export(reader, EVERY_STORE, "products", out=tmp_path / "x", format="csv")
    assert (tmp_path / "x").read_text().splitlines()[1:] == ['"P0000","",,,,,,,', '"P0001",,,,,,,,']


def test_decimals_are_exact(tmp_path: Path) -> None:
    costs = [Decimal("123456789012.345678"), Decimal("0.000001"), Decimal("0.1"), Decimal(0)]
    reader = products_reader(tmp_path, products(["a", "b", "c", "d"], unit_cost=costs))
    export(reader, EVERY_STORE, "products", out=tmp_path / "x.csv", format="csv")
    found = [row["unit_cost"] for row in csv.DictReader(io.StringIO((tmp_path / "x.csv").read_text()))]
    assert found == ["123456789012.345678", "0.000001", "0.100000", "0.000000"]
    export(reader, EVERY_STORE, "products", out=tmp_path / "x.xlsx", format="xlsx")
    assert [row[3] for row in sheet_of(tmp_path / "x.xlsx")[1:]] == ["123456789012.345678", 0.000001, 0.1, 0.0]


def test_instants_show_fractions_only_where_there_are() -> None:
    times = pa.array([0, 1_500_000, 1], pa.timestamp("us", "UTC"))
    assert iso(times).to_pylist() == [
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:00:01.500000Z",
        "1970-01-01T00:00:00.000001Z",
    ]


def test_dates_before_excels_calendar_are_text(reader: Reader, tmp_path: Path) -> None:
    rows = chain.rows("stock", stores=["S1"], days=[date(1900, 2, 28), date(1900, 3, 1)], products=["P"])
    store = DeltaStore(tmp_path / "lake")
    versions = {"stock": store.commit("stock", rows, Whole(), {})}
    publish(store, versions=versions, published=tmp_path / "p", publication_id="p", at=chain.AT, keep=1)
    export(Reader(tmp_path / "p"), EVERY_STORE, "stock", out=tmp_path / "x.xlsx", format="xlsx")
    assert [row[1] for row in sheet_of(tmp_path / "x.xlsx")[1:]] == ["1900-02-28", date(1900, 3, 1)]


def test_more_rows_than_a_sheet_holds(tmp_path: Path) -> None:
    count = MOST_ROWS + 1
    names = pa.array(np.arange(count)).cast(pa.string())
    empty = {field.name: pa.nulls(count, field.type) for field in PRODUCTS.arrow_schema()}
    rows = pa.table(empty | {"product": names}).cast(PRODUCTS.arrow_schema())
    reader = products_reader(tmp_path, rows)
    with pytest.raises(ServingError, match=r"1,048,576 such rows .* export as csv or parquet"):
        export(reader, EVERY_STORE, "products", out=tmp_path / "x.xlsx", format="xlsx")
    assert not (tmp_path / "x.xlsx").exists()


def test_a_failed_export_leaves_what_was_there(tmp_path: Path) -> None:
    reader = products_reader(tmp_path, products(["x" * 40_000]))
    out = tmp_path / "out" / "x.xlsx"
    out.parent.mkdir()
    out.write_text("before")
    with pytest.raises(ServingError, match="40000 letters"):
        export(reader, EVERY_STORE, "products", out=out, format="xlsx")
    assert out.read_text() == "before"
    assert list(out.parent.iterdir()) == [out]


def test_unknown_format(reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(ServingError, match="there are csv, parquet, xlsx"):
        export(reader, EVERY_STORE, "products", out=tmp_path / "x", format="pdf")


@pytest.mark.parametrize("name", ["csv", "parquet", "xlsx"])
def test_a_pipe_is_written_like_a_file(reader: Reader, tmp_path: Path, name: str) -> None:
    program = (
        "import sys; from pathlib import Path; from emma_platform.serving.export import export; "
        "from emma_platform.model.access import EVERY_STORE; "
        "from emma_platform.serving.reader import Reader; "
        f"export(Reader(Path(sys.argv[1])), EVERY_STORE, 'stores', out=Path('-'), format='{name}')"
    )
    folder = str(reader.publication.file.parent)
    piped = subprocess.run([sys.executable, "-c", program, folder], stdout=subprocess.PIPE, check=True).stdout
    stream = io.BytesIO()
    assert export(reader, EVERY_STORE, "stores", out=stream, format=name) == 2
    if name == "xlsx":
        (tmp_path / "x").write_bytes(piped)
        assert len(sheet_of(tmp_path / "x")) == 3
    else:
        assert piped == stream.getvalue()
