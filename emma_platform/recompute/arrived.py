"""What a group of files brings for one table: rows in pieces, of which only so many bytes are held in memory.

Belongs here: where such rows lie until they are written, the content of their slices, and how they are cut into parts.
Does not belong here: writing them (`inputs`).

A slice is what one file says of one store-day. One file may hold years of a whole chain, so neither all of its rows nor
a copy of them may be in memory at once: what is beyond a limit is laid on disk and mapped.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Self

import pyarrow as pa

from emma_platform.engine.protocol import Engine
from emma_platform.model.tables import TABLES
from emma_platform.recompute.ledger import Key
from emma_platform.sources.protocol import Delivery

PIECE_ROWS = 500_000
"""Rows of small files that are looked at together."""

PART_LINES = 1_000_000
"""Lines written at once: about 150 MB as text columns, several times while they are merged and sorted."""

Slice = tuple[str, str, str]  # file, store, day


class Overflow:
    """Holds deliveries in memory up to a limit, and the rows of those beyond it on disk.

    Args:
        folder: where they are laid, in a folder of its own that goes with this.
        limit: bytes held in memory.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder, self._limit = folder, limit
        self._held = 0
        self._own: Path | None = None

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the disk back; mapped rows stay readable as long as they are used."""
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)

    def hold(self, delivery: Delivery) -> Delivery:
        """The delivery, its rows mapped from disk when too many are in memory already."""
        size = delivery.rows.nbytes
        if self._held + size <= self._limit:
            self._held += size
            return delivery
        if self._own is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._own = Path(mkdtemp(prefix="rows-", dir=self._folder))
        path = str(self._own / f"{len(list(self._own.iterdir()))}.arrow")
        with pa.OSFile(path, "wb") as sink, pa.ipc.new_file(sink, delivery.rows.schema) as writer:
            writer.write_table(delivery.rows)
        return replace(delivery, rows=pa.ipc.open_file(pa.memory_map(path)).read_all())


@dataclass(frozen=True)
class Piece:
    """Some of the rows, and the content and number of the lines of each slice that they hold, or hold a part of."""

    rows: pa.Table
    slices: dict[Slice, tuple[int, int]]


@dataclass
class Arrived:
    """All rows that a group brings for one table.

    Attributes:
        pieces: the rows.
        slices: the content and the number of lines of each slice.
    """

    pieces: list[Piece] = field(default_factory=list)
    slices: dict[Slice, tuple[str, int]] = field(default_factory=dict)

    def parts(self, keys: Collection[Key]) -> Iterator[tuple[set[Key], pa.Table]]:
        """The store-days asked for in parts of about `PART_LINES` lines, each with the pieces that hold its rows.

        A store-month is in one part, so that it is written once. The order is that of the rows, so that a file in order
        of stores is gone through once, and one in order of days as well.
        """
        places: dict[tuple[str, str], set[Key]] = defaultdict(set)
        for key in keys:
            places[key.store, key.day[:7]].add(key)
        held, lines = self._held(places)
        part: set[Key] = set()
        weight = 0
        for place in sorted(places, key=lambda place: (held.get(place, [-1])[0], place)):
            if part and weight + lines[place] > PART_LINES:
                yield part, self._rows(part, held)
                part, weight = set(), 0
            part |= places[place]
            weight += lines[place]
        if part:
            yield part, self._rows(part, held)

    def _held(
        self, places: Collection[tuple[str, str]]
    ) -> tuple[dict[tuple[str, str], list[int]], dict[tuple[str, str], int]]:
        """For each place the pieces that have rows of it, in order, and how many rows there are."""
        held: dict[tuple[str, str], dict[int, None]] = defaultdict(dict)
        lines: dict[tuple[str, str], int] = defaultdict(int)
        for number, piece in enumerate(self.pieces):
            for (_, store, day), (_, count) in piece.slices.items():
                if (place := (store, day[:7])) in places:
                    held[place][number] = None
                    lines[place] += count
        return {place: list(numbers) for place, numbers in held.items()}, lines

    def _rows(self, part: Collection[Key], held: dict[tuple[str, str], list[int]]) -> pa.Table:
        numbers = sorted({number for key in part for number in held.get((key.store, key.day[:7]), ())})
        return pa.concat_tables([self.pieces[number].rows for number in numbers] or [self.pieces[0].rows.slice(0, 0)])


def arrived(engine: Engine, table: str, rows: Iterable[pa.Table]) -> Arrived:
    """The rows of many files as one arrival at a table."""
    found = Arrived()
    for piece in _gathered(table, rows):
        slices = _digest(engine, table, piece)
        found.pieces.append(Piece(piece, slices))
        for name, (content, lines) in slices.items():
            before, more = found.slices.get(name, ("0", 0))
            found.slices[name] = (str(int(before) + content), more + lines)
    return found


def _gathered(table: str, rows: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Small frames together, at least one; nothing is copied."""
    empty = TABLES[table].arrow_schema().empty_table()
    together = [empty]
    count = 0
    for frame in rows:
        if count and count + frame.num_rows > PIECE_ROWS:
            yield pa.concat_tables(together)
            together, count = [empty], 0
        together.append(frame.select(empty.column_names).cast(empty.schema))
        count += frame.num_rows
    yield pa.concat_tables(together)


def _digest(engine: Engine, table: str, rows: pa.Table) -> dict[Slice, tuple[int, int]]:
    """The content of each slice as a number, so that the parts of a slice can be added up."""
    if not rows.num_rows:
        return {}
    digests = engine.digest(rows, by=["file", "store", "day"], columns=TABLES[table].names).to_pydict()
    days = [day.isoformat() for day in digests["day"]]
    states = zip(map(int, digests["content"]), digests["rows"], strict=True)
    return dict(zip(zip(digests["file"], digests["store"], days, strict=True), states, strict=True))
