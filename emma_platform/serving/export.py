"""Writes published tables to files for people: CSV, Parquet and Excel.

Belongs here: formats, and files that are whole or not there. Does not belong here: which rows there are (`reader`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from emma_platform.model.access import StoreScope
from emma_platform.serving.cells import plain
from emma_platform.serving.publication import ServingError
from emma_platform.serving.reader import Reader
from emma_platform.serving.sheets import MOST_ROWS, write_sheet

STDOUT = Path("-")


class Format(StrEnum):
    """What an export is written as."""

    CSV = "csv"
    PARQUET = "parquet"
    XLSX = "xlsx"


def export(
    reader: Reader,
    scope: StoreScope,
    table: str,
    *,
    out: Path | BinaryIO,
    format: Format | str,  # noqa: A002
    stores: Collection[str] | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
) -> int:
    """Write rows of a published table and return how many, in bounded memory.

    CSV is UTF-8 with a header, `,` and `"`: texts in quotes, nothing for null, decimals exact, days and instants in
    ISO 8601, instants in UTC. In CSV and Excel, a text that a spreadsheet would run as a formula gets an apostrophe
    before it, as `cells.guarded` says; Parquet holds every value as it is, with the schema of `model.tables`.

    Args:
        reader: where the rows are.
        scope: the stores that may be seen.
        table: the table.
        out: a file, which is whole or not there; `-` is standard output; or an open binary stream.
        format: csv, parquet or xlsx.
        stores: only these stores.
        first_day: only from this day on.
        last_day: only up to this day.

    Raises:
        ServingError: no such table, store or format; a filter without a column; more rows than an Excel sheet holds.
    """
    if format not in set(Format):
        raise ServingError(f"there is no format {format!r}; there are {', '.join(Format)}")
    if format == Format.XLSX:
        count = reader.count(scope, table, stores=stores, first_day=first_day, last_day=last_day)
        if count > MOST_ROWS:
            raise ServingError(
                f"{table} has {count:,} such rows and an Excel sheet holds {MOST_ROWS:,}: "
                "export as csv or parquet, or fewer stores or days"
            )
    # A sheet's cells pass through Python one by one, so fewer of them are held at a time.
    batch_rows = 2_000 if format == Format.XLSX else 20_000
    batches = reader.batches(scope, table, stores=stores, first_day=first_day, last_day=last_day, batch_rows=batch_rows)
    with _stream(out) as stream:
        return write_rows(batches, table, format, stream)


def write_rows(batches: pa.RecordBatchReader, title: str, format: Format | str, out: BinaryIO) -> int:  # noqa: A002
    """Write rows to an open stream as `export` says, and return how many.

    Raises:
        ServingError: a text is longer than a cell of Excel can hold.
    """
    if format == Format.XLSX:
        return write_sheet(batches, batches.schema, title, out)
    return _write_csv(batches, out) if format == Format.CSV else _write_parquet(batches, out)


def _write_csv(batches: pa.RecordBatchReader, out: BinaryIO) -> int:
    written = 0
    header = plain(pa.RecordBatch.from_pylist([], schema=batches.schema)).schema
    with pa_csv.CSVWriter(out, header) as writer:
        for batch in batches:
            writer.write_batch(plain(batch))
            written += batch.num_rows
    return written


def _write_parquet(batches: pa.RecordBatchReader, out: BinaryIO) -> int:
    written = 0
    with pq.ParquetWriter(out, batches.schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)
            written += batch.num_rows
    return written


@contextmanager
def _stream(out: Path | BinaryIO) -> Iterator[BinaryIO]:
    if out == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    elif isinstance(out, Path) and out.exists() and not out.is_file() and not out.is_dir():
        with out.open("wb") as device:  # a pipe or a device is written to, never put another file in its place
            yield device
    elif isinstance(out, Path):
        fresh = out.with_name(f".{out.name}.{os.getpid()}.partial")
        try:
            with fresh.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(out)
        finally:
            fresh.unlink(missing_ok=True)
    else:
        yield out
