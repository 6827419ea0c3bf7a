"""Delimited text to pieces: where records begin and end, and which have the header's number of fields.

Belongs here: cutting UTF-8 blocks into records and reading them. Does not belong here: encodings (`encoding`) and
sniffing (`dialect`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from emma_platform.sources.columns import nulls
from emma_platform.sources.dialect import Dialect, open_pattern, record_pattern
from emma_platform.sources.encoding import Limits, line_error
from emma_platform.sources.piece import Piece
from emma_platform.sources.protocol import SourceError

_LF, _CR, _QUOTE = 10, 13, 34
_END_OF_FILE = b"\x1a"
"""DOS programs end a text with it."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """The records of a block.

    Attributes:
        starts, ends: positions of their first byte and of the byte after their last.
        good: they have the header's number of fields.
        used: how far the block is used up.
        multiline: some record may go over several lines.
    """

    starts: np.ndarray
    ends: np.ndarray
    good: np.ndarray
    used: int
    multiline: bool


def delimited_pieces(
    blocks: Iterator[bytes], dialect: Dialect, wanted: Sequence[str], *, name: str, limits: Limits
) -> Iterator[Piece]:
    """The rows below the header, a piece for each block.

    Args:
        blocks: the whole text from its first byte, as `encoding.utf8_blocks` gives it.
        dialect: how it is written.
        wanted: the columns to read, by their names in the header.
        name: the file's name, for errors.
        limits: sizes.

    Raises:
        SourceError: a line is too long.
    """
    block = next(blocks, b"")[dialect.start :]
    line = dialect.line
    while True:
        following = next(blocks, None)
        final = following is None
        if final:
            block = block.removesuffix(_END_OF_FILE)
        line_ends = _line_ends(block)
        _refuse_long_lines(block, line_ends, line, name=name, limits=limits)
        cut = _cut(block, line_ends, dialect, final=final, limit=limits.max_line_bytes)
        yield _piece(block, cut, line + np.searchsorted(line_ends, cut.starts), dialect, wanted, name=name)
        if following is None:
            return
        line += int(np.searchsorted(line_ends, cut.used))
        block = block[cut.used :] + following


def _line_ends(block: bytes) -> np.ndarray:
    """Positions of the last byte of every line end: a line feed, or a carriage return that none follows."""
    signs = np.frombuffer(block, np.uint8)
    feeds = np.flatnonzero(signs == _LF)
    if b"\r" not in block:
        return feeds
    returns = np.flatnonzero(signs == _CR)
    lone = returns[np.append(signs, 0)[returns + 1] != _LF]
    return np.union1d(feeds, lone) if len(lone) else feeds


def _refuse_long_lines(block: bytes, line_ends: np.ndarray, line: int, *, name: str, limits: Limits) -> None:
    if len(block) <= limits.max_line_bytes:
        return
    lengths = np.diff(line_ends, prepend=-1, append=len(block))
    long = np.flatnonzero(lengths > limits.max_line_bytes + 2)
    if len(long):
        raise line_error(name, line + int(long[0]), limits)


def _cut(block: bytes, line_ends: np.ndarray, dialect: Dialect, *, final: bool, limit: int) -> _Cut:
    cut = _cut_regular(block, line_ends, dialect, final=final)
    if cut is None or len(block) - cut.used > limit or (len(cut.ends) and (cut.ends - cut.starts).max() > limit):
        return _cut_one_by_one(block, dialect, final=final, limit=limit)
    return cut


def _cut_regular(block: bytes, line_ends: np.ndarray, dialect: Dialect, *, final: bool) -> _Cut | None:
    """The records of a block in which every quote stands where RFC 4180 has it; else none."""
    signs = np.frombuffer(block, np.uint8)
    delimiter = ord(dialect.delimiter)
    delimiters, record_ends = np.flatnonzero(signs == delimiter), line_ends
    if b'"' in block:
        quotes = np.flatnonzero(signs == _QUOTE)
        if not _quotes_are_regular(signs, quotes, delimiter, final=final):
            return None
        delimiters = delimiters[np.searchsorted(quotes, delimiters) % 2 == 0]
        record_ends = record_ends[np.searchsorted(quotes, record_ends) % 2 == 0]
    multiline = len(record_ends) != len(line_ends)
    used = int(record_ends[-1]) + 1 if len(record_ends) else 0
    if final and used < len(block):
        record_ends, used = np.append(record_ends, len(block)), len(block)
    starts = np.concatenate([[0], record_ends[:-1] + 1])[: len(record_ends)].astype(np.int64)
    fields = np.diff(np.searchsorted(delimiters, record_ends), prepend=0) + 1
    ends = record_ends
    if b"\r\n" in block:
        inside = np.minimum(record_ends, len(block) - 1)
        pair = (signs[inside] == _LF) & (record_ends > starts) & (signs[inside - 1] == _CR)
        ends = record_ends - pair
    filled = ends > starts
    return _Cut(starts[filled], ends[filled], fields[filled] == len(dialect.header), used, multiline)


def _quotes_are_regular(signs: np.ndarray, quotes: np.ndarray, delimiter: int, *, final: bool) -> bool:
    """Whether quotes open after a delimiter or line end and close before one, doubled quotes aside."""
    if final and len(quotes) % 2:
        return False
    separates = np.zeros(256, bool)
    separates[[delimiter, _LF, _CR]] = True
    opening, closing = quotes[0::2], quotes[1::2]
    doubled = np.zeros(len(opening) + 1, bool)
    doubled[1 : len(opening)] = opening[1:] == closing[: len(opening) - 1] + 1
    opens = (opening == 0) | separates[signs[opening - 1]] | doubled[: len(opening)]
    inside = np.minimum(closing + 1, len(signs) - 1)
    closes = (closing + 1 == len(signs)) | separates[signs[inside]] | doubled[1 : len(closing) + 1]
    return bool(opens.all() and closes.all())


def _cut_one_by_one(block: bytes, dialect: Dialect, *, final: bool, limit: int) -> _Cut:
    """The records of a block with stray quotes: a record that the grammar does not know costs its first line only."""
    fields = record_pattern(dialect.delimiter, len(dialect.header))
    record, still_open = record_pattern(dialect.delimiter), open_pattern(dialect.delimiter)
    spans: list[tuple[int, int, bool]] = []
    position = 0
    while position < len(block):
        found = fields.match(block, position) or record.match(block, position)
        if found and found.end() - position <= limit:
            end, good = found.end(), found.re is fields
        elif not final and len(block) - position <= limit and still_open.match(block, position):
            break
        else:
            end, good = _line_end(block, position), False
        if end > position:
            spans.append((position, end, good))
        position = end + (2 if block.startswith(b"\r\n", end) else 1)
    table = np.array(spans, np.int64).reshape(-1, 3)
    return _Cut(table[:, 0], table[:, 1], table[:, 2].astype(bool), min(position, len(block)), multiline=True)


def _line_end(block: bytes, start: int) -> int:
    ends = [at for sign in (b"\n", b"\r") if (at := block.find(sign, start)) >= 0]
    return min(ends, default=len(block))


def _piece(block: bytes, cut: _Cut, lines: np.ndarray, dialect: Dialect, wanted: Sequence[str], *, name: str) -> Piece:
    bad = np.flatnonzero(~cut.good)
    unreadable = [(int(lines[i]), block[cut.starts[i] : cut.ends[i]].decode("utf-8", "replace")) for i in bad]
    rows = memoryview(block)[: cut.used]
    if len(bad):
        edges = [0, *np.column_stack([cut.starts[bad], cut.ends[bad]]).ravel().tolist(), cut.used]
        rows = memoryview(b"".join([rows[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]))
    count = len(lines) - len(bad)
    numbers = pa.array(lines[cut.good], pa.int64())
    if not count:
        return Piece({column: nulls(0) for column in wanted}, numbers, unreadable)
    table = _parse(rows, dialect, tuple(wanted), multiline=cut.multiline)
    if table.num_rows != count:
        raise SourceError(f"{name}: {table.num_rows} rows came of {count} lines. Save it again as CSV in UTF-8.")
    columns = {column: table.column(column).combine_chunks() for column in wanted}
    return Piece(columns, numbers, unreadable)


def _parse(rows: memoryview, dialect: Dialect, wanted: tuple[str, ...], *, multiline: bool) -> pa.Table:
    read = pa_csv.ReadOptions(column_names=list(dialect.header), use_threads=False, block_size=len(rows) + 1)
    parse = pa_csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=multiline)
    file = cast("IO[bytes]", pa.BufferReader(pa.py_buffer(rows)))
    return pa_csv.read_csv(file, read_options=read, parse_options=parse, convert_options=_convert(wanted))


@lru_cache(maxsize=64)
def _convert(wanted: tuple[str, ...]) -> pa_csv.ConvertOptions:
    return pa_csv.ConvertOptions(
        include_columns=list(wanted),
        column_types=dict.fromkeys(wanted, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
        check_utf8=False,
    )
