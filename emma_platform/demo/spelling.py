"""How each shop of the demo chain writes its sales down: five kinds of files for the same columns.

Belongs here: formats, and the text of lines. Does not belong here: which lines there are (`faults`) and where files go
(`landing`).
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.demo.chain import Chain
from emma_platform.demo.faults import FAULTS, GOOD, Sent
from emma_platform.demo.world import Ints

Texts = npt.NDArray[np.object_]

_ISO_DATED = ("future_date", "prehistoric_date")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True, slots=True)
class Spelling:
    """One way to write a sales file.

    Attributes:
        columns: canonical columns in the file's order; `name`, the product's name, is one that the platform ignores.
        headers: what the file calls them; empty in JSON lines.
        suffix: of the file's name.
        delimiter: between fields; empty for JSON lines.
        decimal, encoding: as Python names them.
        moment: `iso`, `german`, or `utc`; the first two are local times.
        monthly: one file holds a month, else a day.
        gzipped: the file is compressed.
    """

    columns: tuple[str, ...] = ("store", "receipt", "sold_at", "product", "quantity", "unit_price")
    headers: tuple[str, ...] = ("store", "receipt", "sold_at", "product", "quantity", "unit_price")
    suffix: str = ".csv"
    delimiter: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    moment: str = "iso"
    monthly: bool = False
    gzipped: bool = False

    def contents(self, lines: list[str]) -> bytes:
        """The bytes of a file with these data lines; the same lines give the same bytes."""
        header = [self.delimiter.join(self.headers)] if self.headers else []
        data = ("\n".join(header + lines) + "\n").encode(self.encoding)
        return gzip.compress(data, compresslevel=6, mtime=0) if self.gzipped else data


_CANONICAL = ("store", "receipt", "sold_at", "product", "quantity", "unit_price")
_RICH = ("store", "receipt", "line", "sold_at", "product", "quantity", "unit_price", "discount", "currency")

PLAIN = Spelling()
RICH = Spelling(columns=_RICH, headers=_RICH)
MONTHLY = Spelling(monthly=True)
GERMAN = Spelling(
    columns=("store", "receipt", "sold_at", "product", "name", "quantity", "unit_price"),
    headers=("Filiale", "Bon", "Zeitpunkt", "Artikel", "Bezeichnung", "Menge", "Stückpreis"),
    delimiter=";",
    decimal=",",
    encoding="latin-1",
    moment="german",
)
GZIPPED = Spelling(suffix=".csv.gz", gzipped=True)
JSON_LINES = Spelling(headers=(), suffix=".jsonl", delimiter="", moment="utc")

_IN_ORDER = (RICH, MONTHLY, GERMAN, GZIPPED, JSON_LINES)


def spelling_of(store: int) -> Spelling:
    """How the store at that position writes: the first five each in their own way, the others plain."""
    return _IN_ORDER[store] if store < len(_IN_ORDER) else PLAIN


def spell(chain: Chain, sent: Sent, store: int) -> list[str]:
    """The data lines of one store, as they stand in its files, in the order of `sent` (which holds that store only)."""
    spelling = spelling_of(store)
    fields, is_return = _fields(chain, sent, store, spelling), sent.is_return()
    for place in np.flatnonzero(sent.fault != GOOD):
        fault = FAULTS[sent.fault[place]]
        if fault.field and not is_return[place]:
            text = fault.texts[sent.variant[place] % len(fault.texts)]
            fields[fault.field][place] = _moment(text, spelling) if fault.outcome in _ISO_DATED else text
    lines = _as_json(spelling, fields) if not spelling.delimiter else _joined(spelling, fields)
    for place in np.flatnonzero(_torn(sent)):
        cut = lines[place].rpartition(spelling.delimiter)[0]
        lines[place] = cut if sent.variant[place] % 2 else lines[place] + spelling.delimiter + "x"
    return lines


def _torn(sent: Sent) -> npt.NDArray[np.bool_]:
    return np.isin(sent.fault, [i for i, fault in enumerate(FAULTS) if fault.outcome == "unreadable_line"])


def _fields(chain: Chain, sent: Sent, store: int, spelling: Spelling) -> dict[str, Texts]:
    """Every column of the spelling as text, before faults."""
    point = spelling.decimal
    receipts = _each(sent.receipt, lambda number: f"{number:04d}")
    of_return = np.where(sent.is_return(), "R", "").astype(object)
    makers: dict[str, Callable[[], Texts]] = {
        "store": lambda: np.full(len(sent), chain.stores[store].code, dtype=object),
        "receipt": lambda: _each(sent.day, lambda day: f"{chain.day(day):%y%m%d}-") + receipts + of_return,
        "line": lambda: _each(sent.line, str),
        "sold_at": lambda: _sold_at(chain, sent, store, spelling),
        "product": lambda: _each(sent.product, lambda index: chain.products[index].code),
        "name": lambda: _each(sent.product, lambda index: chain.products[index].name),
        "quantity": lambda: _each(sent.quantity, str),
        "unit_price": lambda: _each(sent.cents, lambda cents: _money(cents, point)),
        "discount": lambda: _each(sent.off, lambda cents: _money(cents, point) if cents else ""),
        "currency": lambda: np.full(len(sent), chain.stores[store].currency, dtype=object),
    }
    return {column: makers[column]() for column in spelling.columns}


def _each(values: Ints, text: Callable[[Any], str]) -> Texts:
    """The text of each value; spelled once for each different one."""
    different, where = np.unique(values, return_inverse=True)
    return np.asarray(np.array([text(int(value)) for value in different], dtype=object)[where])


def _money(cents: int, point: str) -> str:
    return f"{cents // 100}{point}{cents % 100:02d}"


def _sold_at(chain: Chain, sent: Sent, store: int, spelling: Spelling) -> Texts:
    if spelling.moment != "utc":
        pattern = "%d.%m.%Y " if spelling.moment == "german" else "%Y-%m-%d "
        days = _each(sent.day, lambda day: chain.day(day).strftime(pattern))
        return np.asarray(days + _each(sent.second, lambda second: str(timedelta(seconds=second)).rjust(8, "0")))
    zone = ZoneInfo(chain.stores[store].time_zone)
    noons = (datetime.combine(chain.day(day), time(12), zone) for day in range(chain.days))
    behind = np.array([-int((noon.utcoffset() or timedelta()).total_seconds()) for noon in noons])
    instants = np.datetime64(chain.first_day, "s") + (sent.day * 86_400 + sent.second + behind[sent.day])
    return np.asarray(np.datetime_as_string(instants, unit="s").astype(object) + "Z")


def _moment(iso: str, spelling: Spelling) -> str:
    moment = datetime.fromisoformat(iso)
    if spelling.moment == "utc":
        return f"{moment:%Y-%m-%dT%H:%M:%S}Z"
    return f"{moment:%d.%m.%Y %H:%M:%S}" if spelling.moment == "german" else f"{moment:%Y-%m-%d %H:%M:%S}"


def _joined(spelling: Spelling, fields: dict[str, Texts]) -> list[str]:
    return _join([fields[column] for column in spelling.columns], spelling.delimiter)


def _join(columns: list[Texts], delimiter: str) -> list[str]:
    arrays: list[Any] = [pa.array(column, pa.string()) for column in columns]
    joined: list[str] = pc.binary_join_element_wise(*arrays, delimiter).to_pylist()
    return joined


def _as_json(spelling: Spelling, fields: dict[str, Texts]) -> list[str]:
    parts: list[Texts] = []
    for column in spelling.columns:
        different, where = np.unique(fields[column].astype(str), return_inverse=True)
        bare = column in ("quantity", "unit_price")
        values = [
            text if bare and _NUMBER.fullmatch(text) else json.dumps(text, ensure_ascii=False) for text in different
        ]
        parts.append(np.array([f'"{column}": {value}' for value in values], dtype=object)[where])
    parts[0], parts[-1] = "{" + parts[0], parts[-1] + "}"
    return _join(parts, ", ")
