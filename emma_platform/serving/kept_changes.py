"""The changes that the pages of a store ask for, its last 28 days against those before: in a file by a publication.

Belongs here: which they are, and what they follow from. Does not belong here: when a file is written (`store_files`),
and every other change (`change_rows`). Worked out when it is asked for, a store's first change takes 60 ms; from here
1 ms.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa

from emma_platform.model.access import EVERY_STORE, StoreScope
from emma_platform.serving import change_sums
from emma_platform.serving.change_sums import Lives, Periods, content, sums
from emma_platform.serving.opened import Opened
from emma_platform.serving.periods import last_periods
from emma_platform.serving.reader import Reader
from emma_platform.serving.store_files import Kind, by_store
from emma_platform.transforms.code import source
from emma_platform.transforms.kpi_changes import KPIS, split_all
from emma_platform.transforms.sql import load


def kept_change(reader: Reader, scope: StoreScope, kpi: str, periods: Periods, lives: Lives) -> pa.Table | None:
    """The rows of `change_rows`, where they are kept: of one store, for the periods of its pages.

    Args:
        reader: the publication.
        scope: the stores that may be seen.
        kpi: one of `KPIS`.
        periods: the one before and the one after.
        lives: the last day being `date.max` where it is not before the end of the periods.
    """
    if len(lives) != 1 or kpi not in KPIS:
        return None
    store = lives[0][0]
    days = reader.store_days(scope, [store]).get(store)
    if days is None or lives != ((store, days[0], date.max),) or periods != last_periods(days[1]):
        return None
    kept = reader.store_rows(scope, store, CHANGES)
    return None if kept is None else pa.Table.from_batches([kept.tables[kpi]])


def _made_from(opened: Opened, store: str) -> list[str]:
    """All that the parts follow from: the first day with a sale, too, which is in the store's oldest files."""
    last_day = opened.last_days.get(store)
    if last_day is None:
        return []
    found = content(Reader.over(opened), EVERY_STORE, last_periods(last_day), [store])
    return [_form(), str(last_day), str(opened.oldest(store)), str(found)]


@cache
def _form() -> str:
    """How they are worked out."""
    parts = (load("kpi_changes").digest, source("kpi_changes"), source("public_holidays"), version("holidays"))
    return " ".join([*parts, Path(change_sums.__file__).read_text("utf-8")])


def _read(opened: Opened, stores: Sequence[str]) -> Iterator[tuple[str, Mapping[str, pa.Table]]]:
    reader = Reader.over(opened)
    by_last_day: defaultdict[date, list[tuple[str, date, date]]] = defaultdict(list)
    for store, (first, last) in reader.store_days(EVERY_STORE, stores).items():
        by_last_day[last].append((store, first, date.max))
    for last, lives in by_last_day.items():
        of_kpi = split_all(sums(reader, EVERY_STORE, last_periods(last), tuple(lives)))
        of_store: dict[str, dict[str, pa.Table]] = {
            store: {kpi: rows.slice(0, 0) for kpi, rows in of_kpi.items()} for store, _, _ in lives
        }
        for kpi, rows in of_kpi.items():
            for store, found in by_store(rows):
                of_store[store][kpi] = found
        yield from of_store.items()


CHANGES = Kind("change", KPIS, _made_from, _read)
"""The change of every key figure of a store."""
