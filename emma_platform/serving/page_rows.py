"""Which rows the product pages of a store show, and their file: written with a publication, for stores that changed.

Belongs here: the tables, their order, the name of a store's file, and writing those that are missing. Does not belong
here: the form of a file (`store_pages`) and the page (`product_page`).

A file is named by what it is made from: the store's files in the lake, which never change. So a store that did not
change keeps its file from publication to publication, and an earlier publication finds its own as long as it is there.
Without it a page is read from the lake's files: 10 to 30 ms, where this takes 1 ms.
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from functools import cache
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.model.access import EVERY_STORE
from emma_platform.serving import store_pages
from emma_platform.serving.opened import Opened
from emma_platform.serving.publication import ServingError
from emma_platform.serving.runs import runs
from emma_platform.serving.selection import Selection, select
from emma_platform.serving.store_pages import StoreRows

HISTORY_DAYS = 91
"""Days of key figures on a product page: 13 weeks; the file of a store reaches no further."""

HISTORY_COLUMNS = (
    "day", "units", "sold_units", "returned_units", "revenue", "sold_revenue", "discount", "average_price",
    "gross_margin", "gross_margin_pct", "units_28d", "revenue_28d", "on_hand", "days_of_cover",
)  # fmt: skip
"""Key figures of each day on a product page."""

ORDERS = {
    "product_kpis": ("day",),
    "sales_forecast": ("day", "made_on"),
    "forecast_scores": (),
    "price_response": (),
    "price_recommendations": ("made_on",),
    "probable_stock_outs": ("first_day",),
    "forecast_accuracy": ("horizon_days",),
}
"""The tables of a store's file, and how a page orders the rows of those that have several for a product."""

FOLDER = "pages"
"""Below the folder of the publications."""

_NAMES = tuple(ORDERS)
_TOGETHER = 20
"""Stores that are read in one statement: 18,000 rows of key figures each, with 200 products."""

_EARLIER_KEPT = 1
"""Files of a store kept beside the newest publication's: whoever reads the one before still has them."""

_log = logging.getLogger(__name__)


def first_day(opened: Opened, store: str, history_days: int | None) -> date | None:
    """The first of so many days up to the store's last; None for all days, and for a store without figures."""
    last_day = opened.last_days.get(store)
    return last_day - timedelta(days=history_days - 1) if last_day and history_days is not None else None


def rows_of(opened: Opened, store: str) -> StoreRows | None:
    """The open file of a store, None where there is none.

    It holds rows of one store that whoever opens a page of it may see: the caller has checked that they may.
    """
    if store not in opened.page_files:
        opened.page_files[store] = _file(opened, store)
    return store_pages.opened(opened.page_files[store], _NAMES)


@cache
def columns(name: str) -> tuple[str, ...] | None:
    """The columns of a table in the file; None for all."""
    return ("product", *HISTORY_COLUMNS) if name == "product_kpis" else None


@cache
def schema(name: str) -> pa.Schema:
    """Their types, as they are read."""
    return select(EVERY_STORE, name, columns=columns(name)).schema


def write_missing(opened: Opened) -> None:
    """Write the files of the stores that have none yet, and remove those that no page is read from any more.

    What cannot be written is told to the log: pages are then read from the lake.
    """
    stores = sorted(opened.stores & opened.files.get("product_kpis", {}).keys())
    files = {store: _file(opened, store) for store in stores}
    folder = opened.publication.file.parent / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        missing = iter([store for store in stores if not files[store].exists()])
        while together := list(islice(missing, _TOGETHER)):
            for store, tables in _read(opened, together):
                store_pages.write(files[store], tables)
        _remove_others(folder, files.values())
    except (OSError, ServingError) as error:
        _log.warning("the rows of some stores are not at hand for their pages: %s", error)


def _file(opened: Opened, store: str) -> Path:
    """Where a store's rows are, by the files in the lake that they come from and by what is read of them."""
    since = first_day(opened, store, HISTORY_DAYS)
    made_from = [str(since), _form()]
    for name in _NAMES:
        made_from += _selection(name, [store], since).pick(opened.files.get(name, {}))
    digest = hashlib.blake2b("\n".join(made_from).encode(), digest_size=16).hexdigest()
    return opened.publication.file.parent / FOLDER / f"{_prefix(store)}-{digest}.arrow"


def _prefix(store: str) -> str:
    """What the files of a store are called by: a name may hold anything."""
    return hashlib.blake2b(store.encode(), digest_size=8).hexdigest()


@cache
def _form() -> str:
    return str([(name, ORDERS[name], schema(name).to_string()) for name in _NAMES])


def _selection(name: str, stores: Sequence[str], since: date | None) -> Selection:
    chosen = columns(name)
    first = since if name == "product_kpis" else None
    return select(EVERY_STORE, name, stores=stores, columns=chosen and ("store", *chosen), first_day=first)


def _read(opened: Opened, stores: Sequence[str]) -> Iterator[tuple[str, dict[str, pa.Table]]]:
    """Of each store, the rows of every table by product and the page's order."""
    since = {store: first_day(opened, store, HISTORY_DAYS) for store in stores}
    earliest = min((day for day in since.values() if day), default=None)
    of_store: defaultdict[str, dict[str, pa.Table]] = defaultdict(dict)
    for name in _NAMES:
        rows = opened.rows(_selection(name, stores, earliest), batch_rows=100_000).read_all()
        rows = rows.sort_by([(column, "ascending") for column in ("store", "product", *ORDERS[name])]).combine_chunks()
        for store in stores:
            of_store[store][name] = schema(name).empty_table()
        for store, found in _by_store(rows):
            first = since[store] if name == "product_kpis" else None
            beyond = first is not None and first != earliest
            kept = found.filter(pc.greater_equal(found["day"], pa.scalar(first, pa.date32()))) if beyond else found
            of_store[store][name] = kept.select(schema(name).names).cast(schema(name))
    yield from of_store.items()


def _by_store(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each store, of rows sorted by it."""
    stores, first, count = runs(rows["store"])
    for store, start, length in zip(stores.to_pylist(), first.tolist(), count.tolist(), strict=True):
        yield store, rows.slice(start, length)


def _remove_others(folder: Path, wanted: Iterable[Path]) -> None:
    """Remove what is no store's newest file or one of the last before it."""
    kept = set(wanted)
    others: defaultdict[str, list[tuple[int, Path]]] = defaultdict(list)
    for file in folder.iterdir():
        if file not in kept:
            others[file.name.partition("-")[0]].append((file.stat().st_mtime_ns, file))
    known = {file.name.partition("-")[0] for file in kept}
    for prefix, found in others.items():
        found.sort(reverse=True)
        for _, file in found[_EARLIER_KEPT if prefix in known else 0 :]:
            file.unlink(missing_ok=True)
