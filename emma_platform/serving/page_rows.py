"""Which rows the product pages of a store show: read with a publication, for stores that changed, and kept in a file.

Belongs here: the tables, their columns and their order. Does not belong here: when a file is written (`store_files`),
its form (`store_pages`) and the page (`product_page`). Without a file a page is read from the lake's files: 10 to 30
ms, where this takes 1 ms.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.model.access import EVERY_STORE
from emma_platform.serving.opened import Opened
from emma_platform.serving.selection import Selection, select
from emma_platform.serving.store_files import Kind, by_store

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

_NAMES = tuple(ORDERS)


def first_day(opened: Opened, store: str, history_days: int | None) -> date | None:
    """The first of so many days up to the store's last; None for all days, and for a store without figures."""
    last_day = opened.last_days.get(store)
    return last_day - timedelta(days=history_days - 1) if last_day and history_days is not None else None


@cache
def columns(name: str) -> tuple[str, ...] | None:
    """The columns of a table in the file; None for all."""
    return ("product", *HISTORY_COLUMNS) if name == "product_kpis" else None


@cache
def schema(name: str) -> pa.Schema:
    """Their types, as they are read."""
    return select(EVERY_STORE, name, columns=columns(name)).schema


def _made_from(opened: Opened, store: str) -> list[str]:
    """The files in the lake that a store's rows come from, and what is read of them."""
    since = first_day(opened, store, HISTORY_DAYS)
    made_from = [str(since), _form()]
    for name in _NAMES:
        made_from += _selection(name, [store], since).pick(opened.files.get(name, {}))
    return made_from


@cache
def _form() -> str:
    return str([(name, ORDERS[name], schema(name).to_string()) for name in _NAMES])


def _selection(name: str, stores: Sequence[str], since: date | None) -> Selection:
    chosen = columns(name)
    first = since if name == "product_kpis" else None
    return select(EVERY_STORE, name, stores=stores, columns=chosen and ("store", *chosen), first_day=first)


def _read(opened: Opened, stores: Sequence[str]) -> Iterator[tuple[str, Mapping[str, pa.Table]]]:
    """Of each store, the rows of every table by product and the page's order."""
    since = {store: first_day(opened, store, HISTORY_DAYS) for store in stores}
    earliest = min((day for day in since.values() if day), default=None)
    of_store: defaultdict[str, dict[str, pa.Table]] = defaultdict(dict)
    for name in _NAMES:
        rows = opened.rows(_selection(name, stores, earliest), batch_rows=100_000).read_all()
        rows = rows.sort_by([(column, "ascending") for column in ("store", "product", *ORDERS[name])]).combine_chunks()
        for store in stores:
            of_store[store][name] = schema(name).empty_table()
        for store, found in by_store(rows):
            first = since[store] if name == "product_kpis" else None
            beyond = first is not None and first != earliest
            kept = found.filter(pc.greater_equal(found["day"], pa.scalar(first, pa.date32()))) if beyond else found
            of_store[store][name] = kept.select(schema(name).names).cast(schema(name))
    yield from of_store.items()


PAGES = Kind("page", _NAMES, _made_from, _read)
"""The rows behind the product pages of a store."""
