"""JSON to pieces: JSON Lines, and one array of objects.

Belongs here: objects to text columns; a number keeps its spelling. Does not belong here: encodings (`encoding`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from emma_platform.sources.columns import without_empty
from emma_platform.sources.encoding import Limits, line_error
from emma_platform.sources.piece import Piece
from emma_platform.sources.protocol import SourceError

_Object = dict[str, Any]
_LINE_END = re.compile(rb"\r\n|\n|\r")
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


def keys_of(objects: Iterable[_Object]) -> tuple[str, ...]:
    """Every key, in the order in which they are first seen."""
    return tuple(dict.fromkeys(key for found in objects for key in found))


def line_objects(blocks: Iterator[bytes], *, name: str, limits: Limits) -> Iterator[tuple[list[_Object], Piece]]:
    """The objects of JSON Lines, block by block, each list with a piece that holds the line numbers.

    Raises:
        SourceError: a line is too long.
    """
    first = 1
    for block in blocks:
        text = block.removesuffix(b"\x1a")
        lines = _LINE_END.split(text) if b"\r" in text else text.split(b"\n")
        if len(block) > limits.max_line_bytes:
            for number, line in enumerate(lines, start=first):
                if len(line) > limits.max_line_bytes:
                    raise line_error(name, number, limits)
        filled = [(number, line) for number, line in enumerate(lines, start=first) if line.strip()]
        yield _objects(filled)
        first += len(lines) - 1


def _objects(lines: list[tuple[int, bytes]]) -> tuple[list[_Object], Piece]:
    found = _decode(b"[" + b",".join(line for _, line in lines) + b"]")
    if isinstance(found, list) and len(found) == len(lines) and all(isinstance(item, dict) for item in found):
        return found, Piece({}, pa.array([number for number, _ in lines], pa.int64()))
    objects, numbers, unreadable = [], [], []
    for number, line in lines:
        item = _decode(line)
        if isinstance(item, dict):
            objects.append(item)
            numbers.append(number)
        else:
            unreadable.append((number, line.decode("utf-8", "replace")))
    return objects, Piece({}, pa.array(numbers, pa.int64()), unreadable)


def _decode(text: bytes) -> object:
    try:
        return _DECODER.decode(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def array_objects(text: bytes, *, name: str) -> list[_Object]:
    """The objects of one JSON array.

    Raises:
        SourceError: it is no array of objects.
    """
    try:
        found = _DECODER.decode(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise SourceError(
            f"{name} is no valid JSON: {error}. Correct it, or end the name in .jsonl if each line is an object."
        ) from error
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise SourceError(f"{name} is no array of objects. Write it as [{{…}}, {{…}}], or one object a line as .jsonl.")
    return found


def object_columns(objects: Sequence[_Object], wanted: Sequence[str]) -> dict[str, pa.Array[Any]]:
    """The wanted values as text columns; a missing key and null are null, nested values stay JSON."""
    return {key: _text_column([found.get(key) for found in objects]) for key in wanted}


def _text_column(values: list[Any]) -> pa.Array[Any]:
    try:
        text = pa.array(values, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
        text = pa.array([None if value is None else _text(value) for value in values], pa.string())
    return without_empty(text)


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()


def numbered(count: int, first: int = 1) -> pa.Array[Any]:
    """Line numbers of records that stand one after the other."""
    return pa.array(np.arange(first, first + count, dtype=np.int64))
