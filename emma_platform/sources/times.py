"""Times as files write them: reading them, their zones, and the business day they fall on.

Belongs here: text to instants and days, in columns. Does not belong here: which rows are then set aside (`rows`).
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from emma_platform.sources.columns import compute as pc
from emma_platform.sources.columns import numbers, rows_at

_INSTANT = pa.timestamp("us", tz="UTC")
_NAIVE = pa.timestamp("us")
_SECOND = 1_000_000
_DAY = 86_400
_CLOCK = (
    r"(?:[T ]\s*(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?"
    r"(?:\s*(?P<p>[AaPp])\.?[Mm]\.?)?)?\s*(?P<z>[Zz]|[+-]\d{2}(?::?\d{2})?)?$"
)
_YEAR_FIRST = r"^(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})" + _CLOCK
_COMPACT = (
    r"^(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})"
    r"(?:[T ]?(?P<H>\d{2}):?(?P<M>\d{2})(?::?(?P<S>\d{2})(?:[.,](?P<f>\d{1,9}))?)?(?P<p>[AP])?)?"
    r"\s*(?P<z>[Zz]|[+-]\d{2}(?::?\d{2})?)?$"
)
_YEAR_LAST = r"^(?P<d>\d{1,2})[./-](?P<m>\d{1,2})[./-](?P<y>\d{4}|\d{2})" + _CLOCK
_ORDER = r"^\s*(?P<a>\d{1,2})(?P<s>[./-])(?P<b>\d{1,2})[./-]\d{2}"
_MONTHS = 12
_TRIED = 64
_CENTURY_TURN = 69
"""Two-digit years from here on are of the 20th century, as POSIX strptime reads them."""


@lru_cache(maxsize=1024)
def known_zone(name: str) -> bool:
    """Whether this is the name of a time zone, such as Europe/Berlin."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class DayOrder:
    """What a file's values say about `05/06/2026`.

    Attributes:
        day_first, month_first: values that can be read in that order only.
        slashes: values that are written with `/`.
        seen: values of this form.
        texts: values of any form.
    """

    day_first: int = 0
    month_first: int = 0
    slashes: int = 0
    seen: int = 0
    texts: int = 0

    def __add__(self, other: DayOrder) -> DayOrder:
        return DayOrder(
            self.day_first + other.day_first,
            self.month_first + other.month_first,
            self.slashes + other.slashes,
            self.seen + other.seen,
            self.texts + other.texts,
        )

    @property
    def open(self) -> bool:
        """Such values were seen and none of them decides, or nothing was seen at all."""
        return (self.seen > 0 or not self.texts) and self.day_first == self.month_first

    def is_day_first(self) -> bool:
        """The order of the file: of the majority of the values that decide, else month first where `/` is used."""
        return self.day_first > self.month_first if self.day_first != self.month_first else not self.slashes


def day_order(text: pa.Array[Any]) -> DayOrder:
    """What the values of one column say about the order of day and month."""
    texts = len(text) - text.null_count
    if _cast(text, _NAIVE) is not None or _cast(text, _INSTANT) is not None:
        return DayOrder(texts=texts)
    fields = pc.drop_null(pc.extract_regex(pc.unique(text), _ORDER))
    if not len(fields):
        return DayOrder(texts=texts)
    first, second = (_number(pc.struct_field(fields, name)) for name in ("a", "b"))
    slashes = pc.sum(pc.equal(pc.struct_field(fields, "s"), "/")).as_py()
    no_month, is_month = first > _MONTHS, first <= _MONTHS
    day_first, month_first = no_month & (second <= _MONTHS), is_month & (second > _MONTHS)
    return DayOrder(int(day_first.sum()), int(month_first.sum()), slashes, len(fields), texts)


@dataclass(frozen=True, slots=True)
class Times:
    """Times as they were read, one per row.

    Attributes:
        micros: microseconds since 1970; of the instant where `fixed`, else of the clock on the wall.
        valid: the text was a time.
        fixed: the text said its offset from UTC.
    """

    micros: np.ndarray
    valid: np.ndarray
    fixed: np.ndarray


def read_times(text: pa.Array[Any], *, date_format: str | None = None, day_first: bool = False) -> Times:
    """Times from text: ISO 8601, `22.11.2026 17:45`, `11/22/2026 5:45 PM`, `20261122`, or by a strptime format.

    A date alone is its midnight. What is no time comes back as not valid.
    """
    text = pc.utf8_trim_whitespace(text)
    if date_format is not None:
        return _formatted(text, date_format)
    for kind in (_NAIVE, _INSTANT):
        times = _cast(text, kind)
        if times is not None:
            return _whole(times, fixed=kind is _INSTANT)
    coded = pc.dictionary_encode(text, null_encoding="encode")
    distinct, codes = _by_parts(coded.dictionary, day_first=day_first), numbers(coded.indices)
    return Times(distinct.micros[codes], distinct.valid[codes], distinct.fixed[codes])


def _cast(text: pa.Array[Any], kind: pa.DataType) -> pa.Array[Any] | None:
    """The texts as times of this kind, if all are; a few are tried first, as each failure costs 2 microseconds."""
    try:
        pc.cast(text.slice(0, _TRIED), kind)
        times: pa.Array[Any] = pc.cast(text, kind)
    except pa.ArrowInvalid:
        return None
    return times


def _whole(times: pa.Array[Any], *, fixed: bool) -> Times:
    micros = numbers(pc.fill_null(pc.cast(times, pa.int64()), 0))
    valid = numbers(pc.is_valid(times))
    return Times(micros, valid, np.full(len(micros), fixed))


def _formatted(text: pa.Array[Any], date_format: str) -> Times:
    import pandas as pd

    fixed = "%z" in date_format
    values = pd.Series(text.to_pandas(), dtype=object)
    read = pd.to_datetime(values, format=date_format, errors="coerce", utc=fixed)
    return _whole(pa.Array.from_pandas(read, type=_INSTANT if fixed else _NAIVE, safe=False), fixed=fixed)


def _by_parts(text: pa.Array[Any], *, day_first: bool) -> Times:
    size = len(text)
    micros, valid, fixed = np.zeros(size, np.int64), np.zeros(size, bool), np.zeros(size, bool)
    open_rows = np.flatnonzero(numbers(pc.is_valid(text)))
    for pattern in (_YEAR_FIRST, _YEAR_LAST, _COMPACT):
        if not len(open_rows):
            break
        fields = pc.extract_regex(rows_at(text, open_rows), pattern)
        matched = numbers(pc.is_valid(fields))
        swap = pattern == _YEAR_LAST and not day_first
        rows = open_rows[matched]
        micros[rows], valid[rows], fixed[rows] = _from_parts(pc.drop_null(fields), swap=swap)
        open_rows = open_rows[~matched]
    return Times(micros, valid, fixed)


def _from_parts(fields: pa.StructArray, *, swap: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    part = {name: pc.struct_field(fields, name) for name in ("y", "m", "d", "H", "M", "S", "f", "p", "z")}
    year, month, day, hour, minute, second = (_number(part[name]) for name in ("y", "m", "d", "H", "M", "S"))
    if swap:
        month, day = day, month
    short = numbers(pc.equal(pc.utf8_length(part["y"]), 2))
    year = np.where(short, np.where(year < _CENTURY_TURN, year + 2000, year + 1900), year)
    half = pc.utf8_lower(part["p"])
    is_pm = numbers(pc.equal(half, "p"))
    twelve = numbers(pc.not_equal(half, ""))
    valid = (year >= 1) & (month >= 1) & (month <= _MONTHS) & (day >= 1)
    valid &= (hour * 3600 < _DAY) & (minute * 60 < 3600) & (second < 60)  # noqa: PLR2004 - seconds
    valid &= ~twelve | ((hour >= 1) & (hour * 3600 <= _DAY // 2))
    hour = np.where(twelve, hour % 12 + 12 * is_pm, hour)
    months = np.where(valid, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + np.where(valid, day - 1, 0)
    valid &= days < (months + 1).astype("datetime64[D]")
    fraction = _number(pc.utf8_slice_codeunits(pc.utf8_rpad(part["f"], 6, "0"), 0, 6))
    seconds = days.astype(np.int64) * _DAY + hour * 3600 + minute * 60 + second
    zoned = numbers(pc.not_equal(part["z"], ""))
    return (seconds - _offset_seconds(part["z"])) * _SECOND + fraction, valid, zoned


def _offset_seconds(text: pa.Array[Any]) -> np.ndarray:
    digits = pc.replace_substring_regex(text, r"[^0-9]", "")
    hours = _number(pc.utf8_slice_codeunits(digits, 0, 2))
    minutes = _number(pc.utf8_slice_codeunits(digits, 2, 4))
    sign = np.where(numbers(pc.starts_with(text, "-")), -1, 1)
    seconds: np.ndarray = sign * (hours * 3600 + minutes * 60)
    return seconds


def _number(digits: pa.Array[Any]) -> np.ndarray:
    """Digits as integers; no digits are zero."""
    padded = pc.if_else(pc.equal(digits, ""), "0", digits)
    return numbers(pc.cast(padded, pa.int64()))


def place(
    times: Times, stores: pa.Array[Any], zones: Mapping[str, str], source_zone: str | None = None
) -> tuple[pa.Array[Any], pa.Array[Any]]:
    """The instants and the business days of times at stores.

    A time without offset is local time of `source_zone`, else of the store. Its day is that of the store's clock: a
    store without a known zone has that of the source, else UTC. In the hour that a clock skips, the time is the end of
    the gap; in the hour it repeats, the first of the two.

    Args:
        times: the times, one per row.
        stores: the store of each row, text, may be null.
        zones: time zone by store.
        source_zone: the zone that the source states, if it states one.

    Returns:
        `timestamp[us, UTC]` and `date32`, null where the time is not valid.
    """
    utc, days = np.zeros(len(times.micros), np.int64), np.zeros(len(times.micros), np.int32)
    for zone, rows in _rows_by_zone(stores, zones, source_zone or "UTC"):
        micros, fixed = times.micros[rows], times.fixed[rows]
        naive = ~fixed & times.valid[rows]
        wall = source_zone or zone
        instants = micros if fixed.all() else np.where(naive, _to_utc(np.where(naive, micros, 0), wall), micros)
        local = _to_local(instants, zone) if source_zone or fixed.any() else micros
        if source_zone is None:
            local = np.where(naive, micros, local)
        utc[rows], days[rows] = instants, local // (_DAY * _SECOND)
    null = ~times.valid
    return pa.array(utc, pa.int64(), mask=null).cast(_INSTANT), pa.array(days, pa.int32(), mask=null).cast(pa.date32())


def _rows_by_zone(
    stores: pa.Array[Any], zones: Mapping[str, str], otherwise: str
) -> list[tuple[str, np.ndarray | slice]]:
    coded = pc.dictionary_encode(stores)
    wanted = [zones.get(store, otherwise) for store in coded.dictionary.to_pylist()]
    of_store = [*(zone if known_zone(zone) else otherwise for zone in wanted), otherwise]
    distinct = sorted(set(of_store if stores.null_count else of_store[:-1])) or [otherwise]
    if len(distinct) == 1:
        return [(distinct[0], slice(None))]
    codes = numbers(pc.fill_null(coded.indices, len(of_store) - 1))
    of_row = np.array(of_store)[codes]
    return [(zone, np.flatnonzero(of_row == zone)) for zone in distinct]


def _to_utc(micros: np.ndarray, zone: str) -> np.ndarray:
    if zone == "UTC":
        return micros
    wall = pa.array(micros).cast(_NAIVE)
    instants = pc.assume_timezone(wall, zone, ambiguous="earliest", nonexistent="latest")
    return numbers(instants.cast(pa.int64()))


def _to_local(micros: np.ndarray, zone: str) -> np.ndarray:
    if zone == "UTC":
        return micros
    local = pc.local_timestamp(pa.array(micros).cast(pa.timestamp("us", tz=zone)))
    return numbers(local.cast(pa.int64()))
