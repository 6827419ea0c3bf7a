"""Rows as a download: JSON, CSV, Parquet or Excel, in bounded memory and whole or not at all.

Belongs here: the formats of the API and their answers. Does not belong here: which rows (`api`), and how CSV, Parquet
and Excel are written (`serving.export`).

An answer is written to a file first, in memory while it is small: what goes wrong half way is an error with its
status, not half a file.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, BinaryIO, Literal, cast
from urllib.parse import quote

import pyarrow as pa
from fastapi import Request
from starlette.responses import Response, StreamingResponse

from emma_platform.serving.export import write_rows
from emma_platform.serving.publication import ServingError

Kind = Literal["json", "csv", "parquet", "xlsx"]

MEDIA = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}

MOST_SHEET_ROWS = 50_000
"""An Excel file of 20,000 rows takes 6 s to write; more is for the command line or another format."""

_IN_MEMORY = 4 << 20
_PIECE = 1 << 16


def kind_asked(request: Request, asked: Kind | None) -> Kind:
    """The format: as the query says, else the first that the Accept header names, else JSON."""
    if asked is not None:
        return asked
    for wanted in request.headers.get("accept", "").split(","):
        for kind, media in MEDIA.items():
            if wanted.partition(";")[0].strip() == media.partition(";")[0]:
                return cast("Kind", kind)
    return "json"


def check_sheet(kind: Kind, rows: int) -> None:
    """See that an Excel file is not too long.

    Raises:
        ServingError: it would be; the message says what to do.
    """
    if kind == "xlsx" and rows > MOST_SHEET_ROWS:
        raise ServingError(
            f"there are {rows:,} such rows, and an Excel file is made of up to {MOST_SHEET_ROWS:,} here: ask for csv "
            "or parquet, for fewer stores or days, or set a limit"
        )


def answer(batches: pa.RecordBatchReader, kind: Kind, name: str, told: Mapping[str, object]) -> Response:
    """The answer with all rows; JSON holds `told` beside them, the others are attachments named after `name`."""
    file = cast("BinaryIO", tempfile.SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115 - closed once sent
    try:
        if kind == "json":
            _write_json(batches, file, told)
        else:
            write_rows(batches, name, kind, file)
    except BaseException:
        file.close()
        raise
    size = file.tell()
    file.seek(0)
    headers = {"content-length": str(size)}
    if kind != "json":
        headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(name)}.{kind}"
    return StreamingResponse(_pieces(file), media_type=MEDIA[kind], headers=headers)


def to_json(value: object) -> bytes:
    """JSON: decimals as texts with all of their digits, days and instants in ISO 8601, what is no number as null."""
    try:
        text = json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        text = json.dumps(_finite(value), default=_plain, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def _write_json(batches: pa.RecordBatchReader, out: BinaryIO, told: Mapping[str, object]) -> None:
    out.write(to_json(told)[:-1] + (b"," if told else b"") + b'"rows":[')
    first = True
    for batch in batches:
        if batch.num_rows:
            out.write((b"" if first else b",") + to_json(batch.to_pylist())[1:-1])
            first = False
    out.write(b"]}")


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _finite(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value
