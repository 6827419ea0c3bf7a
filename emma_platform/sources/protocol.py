"""The seam of the sources: what is new, what it says, and how it is known again.

Belongs here: the Protocol every source fulfils and the words it speaks. Does not belong here: any one source, and what
is done with the rows (`recompute`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

import pyarrow as pa


class SourceError(Exception):
    """A delivery that cannot be read at all; the message names the file, the line where known, and the remedy."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A delivery as seen from outside: enough to know whether it must be looked at again."""

    name: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What lies at a source.

    Attributes:
        ready: deliveries to look at.
        waiting: those left alone for now, with the reason.
        present: the names of all deliveries, also those that need no look.
        closed: why some of them cannot be seen, so that nothing can be said of names that are not present; or none.
        ready_in: seconds until the first of those that still grow is ready if it grows no more, or none.
    """

    ready: list[Sighting]
    waiting: dict[str, str] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    closed: str | None = None
    ready_in: float | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """A delivery copied into the archive, known by the hash of its bytes."""

    name: str
    size: int
    mtime_ns: int
    sha256: str
    taken_on: date


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one delivery says.

    Attributes:
        input: the kind of rows: sales, products, stores, stock, promotions, price plan, calendar or decisions.
        rows: `sales`: the columns of `raw_sales`; `stock`: those of `stock`; other kinds: the columns of their table
            with `file` and `line` added. All typed as in `model.tables`.
        set_aside: rows that belong to no partition, as `set_aside_rows`.
        lines: data lines in the delivery; equals the rows of both frames together.
    """

    input: str
    rows: pa.Table
    set_aside: pa.Table
    lines: int


class Source(Protocol):
    """Where deliveries come from."""

    def scan(self, known: Mapping[str, Sighting]) -> Scan:
        """Deliveries that are new or differ from those known, ready ones first seen whole."""
        ...

    def take(self, sighting: Sighting, today: date) -> Taken:
        """Copy a delivery into the archive and hash it.

        Raises:
            SourceError: it changed, vanished or cannot be read while it was copied.
        """
        ...

    def read(self, taken: Taken, zones: Mapping[str, str]) -> Iterator[Delivery]:
        """The rows of an archived delivery, in pieces of bounded memory, every piece of one kind.

        `zones` are the stores' time zones.

        Raises:
            SourceError: it cannot be read as what its entry in sources.yaml says; nothing of it counts then.
        """
        ...

    def description(self, name: str) -> str:
        """A digest of what decides how a delivery is read, besides its bytes and the stores' time zones."""
        ...
