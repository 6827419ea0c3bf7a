"""Files that are broken, strange or mended, each dropped together with a good one that must be taken."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from emma_platform.model.access import EVERY_STORE
from emma_platform.recompute.status import status
from emma_platform.serving.reader import Reader
from emma_platform.sources.protocol import SourceError
from emma_platform_tests.recompute.home import HEADER, Home, sale

ROW = sale(receipt="B")
BINARY = bytes(range(256)) * 20

UNREADABLE: Mapping[str, tuple[bytes, str]] = {
    "empty.csv": (b"", r"empty\.csv is empty\. Send it again"),
    "blank.csv": (b"\n\n\n", r"blank\.csv holds empty lines only\. Send it again"),
    "binary.csv": (BINARY, r"binary\.csv is not text\. Save it as CSV in UTF-8"),
    "binary.xlsx": (BINARY, r"binary\.xlsx is no Excel file .* Save it as"),
    "binary.parquet": (BINARY, r"binary\.parquet is no whole Parquet file .* Send it again"),
    "binary.csv.gz": (BINARY, r"binary\.csv\.gz is no whole gzip file .* Send it again"),
    "cut.csv.gz": (gzip.compress((HEADER + ROW).encode())[:-9], r"cut\.csv\.gz is no whole gzip file .* Send it again"),
    "cut.json": (b'[{"store": "S1"', r"cut\.json is no valid JSON.* line 1 .* Correct it"),
    "tilde.csv": (
        (HEADER + ROW).replace(",", "~").encode(),
        r"(?s)tilde\.csv lacks the sales columns store.* sources\.yaml.* delimiter",
    ),
    "lacking.csv": (
        b"store,receipt,sold_at,product,quantity\nS1,R1,2026-01-01,P1,1\n",
        r"(?s)lacking\.csv lacks the sales column unit_price\. .* sources\.yaml.*unit_price: \?",
    ),
    "twice.csv": (b"store," + HEADER.encode(), r"twice\.csv: the header has 'store' twice\. Rename or remove"),
    "long.csv": (
        (HEADER + ROW + sale(receipt="x" * 1_500_000)).encode(),
        r"long\.csv, line 3: the line is longer than 1,000,000 bytes\. Split it, .*EMMA_MAX_LINE_MEGABYTES",
    ),
}


def make(folder: Path, **settings: object) -> Home:
    """A home with a good file that waits to be taken."""
    home = Home(folder, **settings)
    home.sell("good.csv", sale(receipt="G"))
    return home


def state(home: Home) -> dict[str, Any]:
    """The status, after seeing that no line was lost and the good file counts."""
    now = status(home.platform)
    lines = now["lines"]
    assert lines["in"] == lines["clean"] + lines["set_aside"] + lines["duplicates"]
    assert lines["clean"] == len(home.rows("clean_sales"))
    assert len([row for row in home.rows("raw_sales", ["file"]) if row == ("good.csv",)]) == 1
    assert Reader(home.settings.published).rows(EVERY_STORE, "clean_sales") == lines["clean"]
    return now


def test_unreadable_files_say_why_and_are_taken_once_they_are_mended(tmp_path: Path) -> None:
    home = make(tmp_path, max_line_megabytes=1)
    for name, (data, _) in UNREADABLE.items():
        home.drop(name, data)
    home.update()
    now = state(home)
    failing = {file["file"]: file for file in now["failing"]}
    assert failing.keys() == UNREADABLE.keys()
    for name, (_, message) in UNREADABLE.items():
        assert failing[name]["attempts"] == 1, name
        assert re.match(message, failing[name]["error"]), failing[name]["error"]
    assert (now["files"]["taken"], now["files"]["failing"]) == (1, len(UNREADABLE))
    assert now["stale"] == {}
    for name in UNREADABLE:
        mended = HEADER + sale(receipt=name)
        home.drop(name, MENDED[name](mended) if name in MENDED else mended)
    home.update()
    now = state(home)
    assert now["failing"] == []
    assert {row for (row,) in home.rows("clean_sales", ["receipt"])} == {"G", *UNREADABLE}
    assert now["lines"]["clean"] == 1 + len(UNREADABLE)


def _as_parquet(text: str) -> bytes:
    import io

    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa_csv.read_csv(io.BytesIO(text.encode())), out)
    return out.getvalue()


def _as_sheet(text: str) -> bytes:
    import io

    import xlsxwriter

    out = io.BytesIO()
    with xlsxwriter.Workbook(out) as book:
        sheet = book.add_worksheet()
        for number, line in enumerate(text.splitlines()):
            sheet.write_row(number, 0, [field.strip('"') for field in line.split(",")])
    return out.getvalue()


def _as_json(text: str) -> bytes:
    import json

    header, *lines = [[field.strip('"') for field in line.split(",")] for line in text.splitlines()]
    return json.dumps([dict(zip(header, line, strict=True)) for line in lines]).encode()


MENDED = {
    "binary.xlsx": _as_sheet,
    "binary.parquet": _as_parquet,
    "binary.csv.gz": lambda text: gzip.compress(text.encode()),
    "cut.csv.gz": lambda text: gzip.compress(text.encode()),
    "cut.json": _as_json,
}


def test_a_file_is_tried_so_often_and_then_waits_until_it_changes(tmp_path: Path) -> None:
    home = make(tmp_path, max_attempts=2)
    home.drop("bad.csv", BINARY)
    tried = []
    for _ in range(4):
        home.update()
        tried.append(state(home)["failing"][0]["attempts"])
    assert tried == [1, 2, 2, 2]
    home.drop("bad.csv", BINARY)
    home.update()
    assert state(home)["failing"][0]["attempts"] == 1


def test_a_file_given_up_is_read_once_sources_yaml_says_how(tmp_path: Path) -> None:
    home = make(tmp_path, max_attempts=2)
    home.drop("shop.csv", (HEADER + ROW).replace("store", "Shop"))
    for _ in range(3):
        home.update()
    assert state(home)["failing"][0]["attempts"] == 2
    sources = home.settings.sources_file
    sources.write_text("- pattern: shop.csv\n  table: sales\n  columns: {store: Laden}\n")
    home.update()
    (failing,) = state(home)["failing"]
    assert failing["attempts"] == 1
    assert "store: Laden" in failing["error"]
    sources.write_text("- pattern: shop.csv\n  table: sales\n  columns: {store: Shop}\n")
    home.update()
    now = state(home)
    assert now["failing"] == []
    assert now["lines"]["clean"] == 2


def test_an_invalid_sources_yaml_stops_the_update_and_is_named(tmp_path: Path) -> None:
    home = make(tmp_path)
    home.update()
    before = home.everything()
    home.settings.sources_file.write_text("- pattern: '*.csv'\n  table: sails\n")
    home.sell("late.csv", ROW)
    for _ in range(home.settings.max_attempts + 1):
        with pytest.raises(SourceError, match=r"sources\.yaml, entry 1 .*'sails'"):
            home.update()
    now = state(home)
    (failing,) = now["failing"]
    assert failing["file"] == "sources.yaml"
    assert "Set it to one of sales" in failing["error"]
    assert now["files"]["waiting_for"] == {"late.csv": "next update"}
    assert home.everything() == before
    home.settings.sources_file.unlink()
    home.update()
    now = state(home)
    assert now["failing"] == []
    assert now["lines"]["clean"] == 2


def test_a_bad_file_over_a_good_one_keeps_what_the_good_one_brought(tmp_path: Path) -> None:
    home = make(tmp_path)
    home.sell("a.csv", ROW)
    home.update()
    before = home.everything()
    home.drop("a.csv", BINARY)
    assert home.update().partitions == {"published": 1}, "computed is nothing, but people are told"
    now = state(home)
    assert [failing["file"] for failing in now["failing"]] == ["a.csv"]
    assert home.everything() == before
    home.sell("a.csv", sale(receipt="B", quantity=2))
    home.update()
    now = state(home)
    assert now["failing"] == []
    assert (Decimal(2), "B") in home.rows("clean_sales", ["quantity", "receipt"])


def test_the_same_bytes_under_another_name_while_their_file_fails(tmp_path: Path) -> None:
    home = make(tmp_path)
    home.sell("z-long.csv", ROW)
    home.update()
    home.drop("z-long.csv", BINARY)
    home.update()
    home.sell("z.csv", ROW)
    home.update()
    now = state(home)
    assert now["lines"] == {"in": 3, "clean": 2, "set_aside": 0, "duplicates": 1, "redelivered": 1}
    home.sell("z-long.csv", sale(receipt="C"))
    home.update()
    assert state(home)["lines"]["clean"] == 3
