"""Products, stores, stock, promotions, prices planned, …: canonical text columns to typed rows of their tables.

Belongs here: types, keys and what makes a row invalid. Does not belong here: sales (`rows`), and which of several rows
for one key counts.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from emma_platform.model.schema import Column, Type
from emma_platform.model.tables import STOCK, TABLES
from emma_platform.sources.columns import compute as pc
from emma_platform.sources.columns import numbers, rows_at
from emma_platform.sources.decimals import read_decimals
from emma_platform.sources.header import Binding
from emma_platform.sources.piece import Piece
from emma_platform.sources.protocol import Delivery
from emma_platform.sources.rows import FileFacts, canonical_texts, set_aside_rows
from emma_platform.sources.times import known_zone, read_times

_DAY_MICROS = 86_400_000_000
_REGION = ("country", "subdivision")
_NUMBERS = (Type.QUANTITY, Type.PRICE, Type.MONEY)
_PLACE = [pa.field("file", pa.string(), nullable=False), pa.field("line", pa.int64(), nullable=False)]


def columns_of(kind: str, types: tuple[Type, ...]) -> list[str]:
    """The columns of these types that a file of this kind may hold."""
    return [column.name for column in TABLES[kind].columns if column.type in types and column.name != "line"]


def reference_delivery(piece: Piece, binding: Binding, facts: FileFacts) -> Delivery:
    """The rows of one piece of a file that is not sales; rows without key or with an invalid value are set aside."""
    kind, count = binding.input, len(piece.lines)
    texts = canonical_texts(piece, binding)
    wrong = np.zeros(count, bool)
    read: dict[str, pa.Array[Any]] = {"file": pa.repeat(facts.name, count), "line": piece.lines}
    for column in TABLES[kind].columns:
        if column.name not in read:
            read[column.name], bad = _read(column, texts[column.name], kind, facts)
            wrong |= _flags(bad)
    wrong |= _contradicting(kind, read, facts)
    schema = STOCK.arrow_schema() if kind == "stock" else pa.schema([*TABLES[kind].arrow_schema(), *_PLACE])
    good, aside = np.flatnonzero(~wrong), np.flatnonzero(wrong)
    rows = pa.Table.from_arrays([rows_at(read[name], good) for name in schema.names], schema=schema)
    set_aside = set_aside_rows(piece, binding, facts, aside, ["bad_reference"] * len(aside), texts)
    return Delivery(input=kind, rows=rows, set_aside=set_aside, lines=count + len(piece.unreadable))


def _read(column: Column, text: pa.Array[Any], kind: str, facts: FileFacts) -> tuple[pa.Array[Any], pa.Array[Any]]:
    """A column typed, and flags of the rows in which it is invalid or missing."""
    if column.type in _NUMBERS:
        values, bad = read_decimals(text, facts.decimal_mark, column.type.arrow())
        if column.lowest is not None:
            bad = pc.or_(bad, pc.fill_null(pc.less(values, pa.scalar(Decimal(column.lowest), values.type)), False))
    elif column.type is Type.DAY:
        values, bad = _days(text, facts)
    elif column.type is Type.INSTANT:
        values, bad = _instants(text, facts)
    else:
        values, bad = _words(column, text, kind)
    return values, bad if column.nullable else pc.or_(bad, pc.is_null(values))


def _days(text: pa.Array[Any], facts: FileFacts) -> tuple[pa.Array[Any], pa.Array[Any]]:
    times = read_times(text, date_format=facts.date_format, day_first=facts.day_first)
    days = pa.array((times.micros // _DAY_MICROS).astype(np.int32), mask=~times.valid).cast(pa.date32())
    return days, pc.and_(pc.is_valid(text), pc.is_null(days))


def _instants(text: pa.Array[Any], facts: FileFacts) -> tuple[pa.Array[Any], pa.Array[Any]]:
    """Times of day; one without an offset is in UTC."""
    times = read_times(text, date_format=facts.date_format, day_first=facts.day_first)
    values = pa.array(times.micros, mask=~times.valid).cast(Type.INSTANT.arrow())
    return values, pc.and_(pc.is_valid(text), pc.is_null(values))


def _words(column: Column, text: pa.Array[Any], kind: str) -> tuple[pa.Array[Any], pa.Array[Any]]:
    if column.allowed:
        given = pc.fill_null(text, "event") if kind == "calendar" else text
        text = pc.utf8_lower(pc.utf8_trim_whitespace(given))
        return text, pc.invert(pc.is_in(text, value_set=pa.array(column.allowed)))
    if column.name == "time_zone":
        zones = [zone for zone in pc.unique(text).to_pylist() if zone is not None and known_zone(zone)]
        known = pc.is_in(text, value_set=pa.array(zones, pa.string()))
        return text, pc.and_(pc.is_valid(text), pc.invert(known))
    if column.name in _REGION:
        text = pc.utf8_upper(pc.utf8_trim_whitespace(text))
    return text, pa.repeat(False, len(text))


def _contradicting(kind: str, read: dict[str, pa.Array[Any]], facts: FileFacts) -> np.ndarray:
    """Rows whose values hold one by one but not together, or not on this platform."""
    if kind == "promotions":
        return _flags(pc.less(read["last_day"], read["first_day"]))
    if kind == "price_plan":
        ends_first = pc.fill_null(pc.less(read["last_day"], read["first_day"]), False)
        return _flags(pc.or_(ends_first, pc.equal(read["price"], pa.scalar(Decimal(0), read["price"].type))))
    if kind == "stores":
        places = zip(*(read[name].to_pylist() for name in _REGION), strict=True)
        return np.array([not _known_region(country, part) for country, part in places], dtype=bool)
    if kind == "stock":
        first, last = (pa.scalar(day, pa.date32()) for day in (facts.first_day, facts.last_day))
        return _flags(pc.or_(pc.less(read["day"], first), pc.greater(read["day"], last)))
    if kind == "advice_decisions":
        priced = pc.fill_null(pc.greater(read["price"], pa.scalar(Decimal(0), read["price"].type)), False)
        return _flags(pc.and_(pc.not_equal(read["decision"], "decline"), pc.invert(priced)))
    return np.zeros(len(read["line"]), bool)


@cache
def _known_region(country: str | None, subdivision: str | None) -> bool:
    """Whether public holidays are known of it; so they are, none, where nothing is said."""
    if country is None:
        return subdivision is None
    import holidays  # a quarter of a second

    try:
        holidays.country_holidays(country, subdiv=subdivision)
    except NotImplementedError:
        return False
    return True


def _flags(values: pa.Array[Any]) -> np.ndarray:
    return numbers(pc.fill_null(values, False))
