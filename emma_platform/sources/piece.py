"""What every format is turned into: pieces of text columns with the line each row stands on.

Belongs here: the words between the formats and the rows. Does not belong here: any one format, and what the columns
mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a file, of bounded size.

    Attributes:
        columns: text by the column's name in the header; only the wanted ones; null where the file has
            nothing; never empty.
        lines: the line of each row, `int64`.
        unreadable: lines that are no rows, each with its number, bare.
    """

    columns: dict[str, pa.Array[Any]]
    lines: pa.Array[Any]
    unreadable: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Opened:
    """A file whose header is known; `pieces` reads the wanted columns, from the start each time it is called."""

    header: tuple[str, ...]
    pieces: Callable[[Sequence[str]], Iterator[Piece]]
