"""The dialect of a delimited text: its header, its delimiter, and what a record of it looks like.

Belongs here: sniffing, and the grammar of records as a regular expression. Does not belong here: cutting a whole
text into records (`delimited`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

DELIMITERS = (",", ";", "\t", "|", ":")
_BY_ENDING = {".tsv": "\t", ".psv": "|"}
_SNIFFED_LINES = 20
_SEPARATOR_LINE = re.compile(rb"[ \t]*\"?sep=(.)\"?[ \t]*(?:\r\n|\n|\r)", re.IGNORECASE)
_BLANK_LINES = re.compile(rb"(?:\r\n|\n|\r)+")
_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a delimited text is written.

    Attributes:
        delimiter: one ASCII character.
        header: the names of the columns, as they stand.
        start: where the first record after the header begins, in bytes.
        line: the physical line that begins there.
    """

    delimiter: str
    header: tuple[str, ...]
    start: int
    line: int


@lru_cache(maxsize=64)
def record_pattern(delimiter: str, fields: int | None = None) -> re.Pattern[bytes]:
    """A record of RFC 4180, with that many fields or with any number, up to its line end.

    A field that begins with a quote ends with one; within a field that begins without one, a quote is a sign.
    """
    sign = re.escape(delimiter)
    field = rf'(?:"(?:[^"]++|"")*+"|[^"{sign}\r\n][^{sign}\r\n]*+|)'
    times = "*+" if fields is None else f"{{{fields - 1}}}"
    return re.compile(rf"{field}(?:{sign}{field}){times}(?=\r|\n|\Z)".encode())


@lru_cache(maxsize=64)
def open_pattern(delimiter: str) -> re.Pattern[bytes]:
    """A record that ends within quotes at the end of the text."""
    sign = re.escape(delimiter)
    field = rf'(?:"(?:[^"]++|"")*+"|[^"{sign}\r\n][^{sign}\r\n]*+|)'
    return re.compile(rf'(?:{field}{sign})*+"(?:[^"]++|"")*+\Z'.encode())


def split_record(record: bytes, delimiter: str) -> list[str]:
    """The fields of one record."""
    if b'"' not in record:
        return record.decode("utf-8", "replace").split(delimiter)
    sign = re.escape(delimiter)
    fields = re.findall(rf'(?:^|{sign})("(?:[^"]|"")*"|[^{sign}]*)'.encode(), record)
    texts = [field.decode("utf-8", "replace") for field in fields]
    return [text[1:-1].replace('""', '"') if text[:1] == '"' else text for text in texts]


def sniff(head: bytes, *, ending: str, delimiter: str | None, known: Callable[[str], bool]) -> Dialect | None:
    """The dialect of a text from its first lines; none when there is nothing but empty lines.

    The delimiter is the one that yields the most known column names, then the one by which the first lines agree
    with the header, then the one of the ending, then the one that yields most columns.

    Args:
        head: the first block of the text.
        ending: the file's ending, such as `.tsv`.
        delimiter: what sources.yaml says, or none.
        known: tells whether a column's name is one that can be used.
    """
    start = _after_blank(head, 0)
    named = _SEPARATOR_LINE.match(head, start)
    if named:
        start = _after_blank(head, named.end())
        delimiter = delimiter or named.group(1).decode("latin-1")
    if start == len(head):
        return None
    headers = {
        sign: (end := _record_end(head, start, sign), split_record(head[start:end], sign))
        for sign in ((delimiter,) if delimiter else DELIMITERS)
    }
    splitting = [sign for sign, (_, names) in headers.items() if len(names) > 1] or list(headers)[:1]

    def rank(sign: str) -> tuple[float, ...]:
        end, names = headers[sign]
        agreement = _agreement(head, end, sign, len(names))
        return sum(map(known, names)), agreement, sign == _BY_ENDING.get(ending), len(names)

    chosen = splitting[0] if len(splitting) == 1 else max(splitting, key=rank)
    end, names = headers[chosen]
    after = _LINE_END.match(head, end)
    start_of_rows = after.end() if after else end
    header = tuple(name.strip() for name in names)
    return Dialect(chosen, header, start_of_rows, 1 + len(_LINE_END.findall(head[:start_of_rows])))


def _after_blank(head: bytes, start: int) -> int:
    blank = _BLANK_LINES.match(head, start)
    return blank.end() if blank else start


def _record_end(head: bytes, start: int, delimiter: str) -> int:
    record = record_pattern(delimiter).match(head, start)
    if record:
        return record.end()
    end = _LINE_END.search(head, start)
    return end.start() if end else len(head)


def _agreement(head: bytes, end: int, delimiter: str, fields: int) -> float:
    """The share of the first lines that have as many fields as the header."""
    pattern, position, agreeing, seen = record_pattern(delimiter, fields), end, 0, 0
    while position < len(head) and seen < _SNIFFED_LINES:
        position = _after_blank(head, position)
        if position == len(head):
            break
        agreeing += pattern.match(head, position) is not None
        position, seen = _record_end(head, position, delimiter), seen + 1
    return agreeing / seen if seen else 1.0
