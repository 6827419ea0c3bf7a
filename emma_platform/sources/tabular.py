"""Files to text columns: which format a file has by its ending, and opening it.

Belongs here: the endings, compression, Parquet, and the hand-over to the formats that need a module of their own.
Does not belong here: what the columns mean (`header`, `rows`).
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from emma_platform.sources.columns import compute as pc
from emma_platform.sources.columns import nulls, without_empty
from emma_platform.sources.delimited import delimited_pieces
from emma_platform.sources.dialect import sniff
from emma_platform.sources.documents import array_objects, keys_of, line_objects, numbered, object_columns
from emma_platform.sources.encoding import Limits, utf8_blocks
from emma_platform.sources.mapping import Entry
from emma_platform.sources.piece import Opened, Piece
from emma_platform.sources.protocol import SourceError
from emma_platform.sources.workbook import open_workbook

_DELIMITED = (".csv", ".txt", ".tsv", ".psv")
_JSON_LINES = (".jsonl", ".ndjson")
_PARQUET = (".parquet", ".pq")
_WORKBOOKS = (".xlsx", ".xls", ".xlsb", ".ods")
_TEXTS = (*_DELIMITED, *_JSON_LINES, ".json")
ENDINGS = (*_TEXTS, *(f"{ending}.gz" for ending in _TEXTS), *_PARQUET, *_WORKBOOKS)
"""The endings that can be read."""
_PARQUET_ROWS = 250_000
_LARGEST_ARRAY_BLOCKS = 4


def ending_of(name: str) -> str | None:
    """The ending by which a file is read, such as `.csv.gz`, or none."""
    lower = name.lower()
    return next((ending for ending in ENDINGS if lower.endswith(ending)), None)


def open_table(path: Path, *, name: str, entry: Entry | None, known: Callable[[str], bool], limits: Limits) -> Opened:
    """A file as a header and pieces.

    Args:
        path: where its bytes are, under any name.
        name: its name, which decides the format.
        entry: what sources.yaml says of it.
        known: tells whether a column's name is one that can be used; the delimiter is found by it.
        limits: sizes.

    Raises:
        SourceError: it cannot be read as what its ending says.
    """
    ending = ending_of(name)
    if ending is None:
        raise SourceError(f"{name} has no known ending. Give it one of {', '.join(ENDINGS)}.")
    if path.stat().st_size == 0:
        raise SourceError(f"{name} is empty. Send it again with its header and rows.")
    if ending in _WORKBOOKS:
        return open_workbook(path, name=name, sheet=entry.sheet if entry else None)
    if ending in _PARQUET:
        return _open_parquet(path, name)
    encoding = entry.encoding if entry else None

    def blocks() -> Iterator[bytes]:
        with _opened(path, zipped=ending.endswith(".gz")) as file:
            try:
                yield from utf8_blocks(file.read, name=name, encoding=encoding, limits=limits)
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise SourceError(f"{name} is no whole gzip file ({error}). Send it again.") from error

    plain = ending.removesuffix(".gz")
    if plain in _DELIMITED:
        return _open_delimited(blocks, plain, name, entry, known, limits)
    return _open_json_lines(blocks, name, limits) if plain in _JSON_LINES else _open_array(blocks, name, limits)


def _opened(path: Path, *, zipped: bool) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, "rb")) if zipped else path.open("rb")


def _open_delimited(
    blocks: Callable[[], Iterator[bytes]],
    ending: str,
    name: str,
    entry: Entry | None,
    known: Callable[[str], bool],
    limits: Limits,
) -> Opened:
    stream = blocks()
    head = next(stream, b"")
    opened = [chain((head,), stream)]
    dialect = sniff(head, ending=ending, delimiter=entry.delimiter if entry else None, known=known)
    if dialect is None:
        raise SourceError(f"{name} holds empty lines only. Send it again with its header and rows.")

    def pieces(wanted: Sequence[str]) -> Iterator[Piece]:
        return delimited_pieces(opened.pop() if opened else blocks(), dialect, wanted, name=name, limits=limits)

    return Opened(dialect.header, pieces)


def _open_json_lines(blocks: Callable[[], Iterator[bytes]], name: str, limits: Limits) -> Opened:
    first = next(line_objects(blocks(), name=name, limits=limits), None)
    if first is None or not first[0]:
        raise SourceError(f"{name} holds no JSON object. Write one object a line, or end the name in .json or .csv.")

    def pieces(wanted: Sequence[str]) -> Iterator[Piece]:
        for objects, piece in line_objects(blocks(), name=name, limits=limits):
            yield Piece(object_columns(objects, wanted), piece.lines, piece.unreadable)

    return Opened(keys_of(first[0]), pieces)


def _open_array(blocks: Callable[[], Iterator[bytes]], name: str, limits: Limits) -> Opened:
    parts, size = [], 0
    for block in blocks():
        parts.append(block)
        size += len(block)
        if size > _LARGEST_ARRAY_BLOCKS * limits.block_bytes:
            raise SourceError(f"{name} is too large for one JSON array. Write one object a line, as .jsonl.")
    objects = array_objects(b"".join(parts), name=name)

    def pieces(wanted: Sequence[str]) -> Iterator[Piece]:
        yield Piece(object_columns(objects, wanted), numbered(len(objects)))

    return Opened(keys_of(objects), pieces)


def _open_parquet(path: Path, name: str) -> Opened:
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{name} is no whole Parquet file ({error}). Send it again.") from error

    def pieces(wanted: Sequence[str]) -> Iterator[Piece]:
        first = 1
        if not rows:
            yield Piece({column: nulls(0) for column in wanted}, numbered(0))
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(_PARQUET_ROWS, columns=list(wanted)):
                    columns = {column: _texts(batch.column(column)) for column in wanted}
                    yield Piece(columns, numbered(batch.num_rows, first))
                    first += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise SourceError(
                f"{name} cannot be read ({error}). Write its columns as text, numbers or times."
            ) from error

    return Opened(tuple(schema.names), pieces)


def _texts(column: Any) -> pa.Array[Any]:  # noqa: ANN401 - an array of any type
    """A column of any flat type as text; times as ISO 8601, with `Z` when they are instants."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    text = None
    if pa.types.is_timestamp(column.type):
        wall = column.cast(pa.timestamp("us", tz=column.type.tz and "UTC"), safe=False)
        end = "Z" if column.type.tz else ""
        text = pc.replace_substring_regex(pc.cast(wall.cast(pa.timestamp("us")), pa.string()), r"(?:\.0+)?$", end)
    elif pa.types.is_floating(column.type):
        text = _float_texts(column)
    return without_empty(pc.cast(column, pa.string()) if text is None else text)


def _float_texts(column: Any) -> Any:  # noqa: ANN401 - arrays
    """Numbers without exponents where they are whole and fit 64 bits; the others as Arrow writes them."""
    text = pc.cast(column, pa.string())
    whole = pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), 2.0**53))
    if not pc.any(pc.and_(whole, pc.match_substring(text, "e"))).as_py():
        return text
    integers = pc.cast(pc.if_else(whole, column, 0.0), pa.int64())
    return pc.if_else(whole, pc.cast(integers, pa.string()), text)
