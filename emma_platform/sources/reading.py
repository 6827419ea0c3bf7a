"""One file from its bytes to its deliveries.

Belongs here: the order of the steps, and what is decided once for a whole file. Does not belong here: the steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from emma_platform.model.schema import Type
from emma_platform.sources.decimals import MarkEvidence, mark_evidence
from emma_platform.sources.encoding import Limits
from emma_platform.sources.header import Binding, bind, known_names, plain
from emma_platform.sources.mapping import Entry
from emma_platform.sources.piece import Opened, Piece
from emma_platform.sources.protocol import Delivery, SourceError, Taken
from emma_platform.sources.reference import columns_of, reference_delivery
from emma_platform.sources.rows import FileFacts, last_day_of, sales_delivery
from emma_platform.sources.tabular import open_table
from emma_platform.sources.times import DayOrder, day_order


def read_file(
    path: Path, taken: Taken, entry: Entry | None, zones: Mapping[str, str], *, first_day: date, limits: Limits
) -> Iterator[Delivery]:
    """The deliveries of one file, at least one.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        names = known_names(entry)
        opened = open_table(path, name=taken.name, entry=entry, known=lambda name: plain(name) in names, limits=limits)
        binding = bind(opened.header, name=taken.name, entry=entry)
        pieces, evidence = _surveyed(opened, binding, entry)
        facts = FileFacts(
            name=taken.name,
            first_day=first_day,
            last_day=last_day_of(taken.taken_on),
            decimal_mark=evidence.numbers.mark() if evidence.numbers else _given_mark(entry),
            day_first=evidence.days is not None and evidence.days.is_day_first(),
            date_format=entry.date_format if entry else None,
            time_zone=entry.time_zone if entry else None,
        )
        for piece in pieces:
            sales = binding.input == "sales"
            yield sales_delivery(piece, binding, facts, zones) if sales else reference_delivery(piece, binding, facts)
    except OSError as error:
        raise SourceError(f"{taken.name} cannot be read from {path} ({error.strerror}). Drop it again.") from error


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What a file's values say about how they are written; none where nothing is to be decided."""

    numbers: MarkEvidence | None
    days: DayOrder | None

    def __add__(self, other: _Evidence) -> _Evidence:
        return _Evidence(
            self.numbers + other.numbers if self.numbers and other.numbers else None,
            self.days + other.days if self.days and other.days else None,
        )

    @property
    def open(self) -> bool:
        """Something is still to be decided."""
        return bool(self.numbers and self.numbers.open) or bool(self.days and self.days.open)


def _surveyed(opened: Opened, binding: Binding, entry: Entry | None) -> tuple[Iterator[Piece], _Evidence]:
    """All pieces, and the evidence up to the one that decides; a long file may be read twice for it."""
    given_mark = entry is not None and entry.decimal_mark is not None
    given_format = entry is not None and entry.date_format is not None

    def evidence_of(piece: Piece) -> _Evidence:
        numbers = [] if given_mark else _texts(piece, binding, _numbers(binding.input))
        days = [] if given_format else _texts(piece, binding, _times(binding.input))
        orders = [day_order(text) for text in days]
        return _Evidence(mark_evidence(numbers) if numbers else None, sum(orders, DayOrder()) if days else None)

    pieces = opened.pieces(binding.wanted)
    first = next(pieces)
    second = next(pieces, None)
    evidence = evidence_of(first)
    if second is None:
        return iter((first,)), evidence
    if evidence.open:
        for piece in islice(opened.pieces(binding.wanted), 1, None):
            evidence += evidence_of(piece)
            if not evidence.open:
                break
    return chain((first, second), pieces), evidence


def _given_mark(entry: Entry | None) -> str:
    return entry.decimal_mark if entry and entry.decimal_mark else "."


def _texts(piece: Piece, binding: Binding, names: list[str]) -> list[pa.Array[Any]]:
    constants = [pa.array([binding.constants[name]]) for name in names if name in binding.constants]
    return [*constants, *(piece.columns[binding.columns[name]] for name in names if name in binding.columns)]


def _numbers(kind: str) -> list[str]:
    if kind == "sales":
        return ["quantity", "unit_price", "discount"]
    return columns_of(kind, (Type.QUANTITY, Type.PRICE, Type.MONEY))


def _times(kind: str) -> list[str]:
    return ["sold_at"] if kind == "sales" else columns_of(kind, (Type.DAY, Type.INSTANT))
