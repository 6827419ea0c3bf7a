"""The demo chain's files other than sales: products, stores, promotions, calendar and stock.

Belongs here: their bytes, by path below `landing/`. Does not belong here: sales (`spelling`) and writing (`landing`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import date

import numpy as np

from emma_platform.demo.catalogue import PUBLIC
from emma_platform.demo.chain import Chain
from emma_platform.model.partitions import month_of


def reference_files(chain: Chain) -> dict[str, bytes]:
    """One file of each kind; promotions and holidays of the future are announced in them."""
    products = (
        (p.code, p.name, p.category, _money(p.cost_cents) if p.cost_known else "", _money(p.list_cents))
        for p in chain.products
    )
    stores = (
        (store.code, store.name, store.city, store.time_zone, store.country, store.subdivision or "")
        for store in chain.stores
    )
    promotions = ((p.store or "", p.product, p.first_day, p.last_day, p.kind) for p in chain.promotions)
    calendar = (
        (event.store or "", event.day, event.event, event.kind) for event in chain.calendar if event.kind != PUBLIC
    )
    return {
        "products.csv": _csv(("product", "name", "category", "unit_cost", "list_price"), products),
        "stores.csv": _csv(("store", "name", "city", "time_zone", "country", "subdivision"), stores),
        "promotions.csv": _csv(("store", "product", "first_day", "last_day", "kind"), promotions),
        "calendar.csv": _csv(("store", "day", "event", "kind"), calendar),
    }


def stock_files(chain: Chain, last: date) -> dict[str, bytes]:
    """One file a store and month: every listed product, counted at the close of each day that the store was open."""
    codes = np.array([product.code for product in chain.products], dtype=object)
    days = (last - chain.first_day).days + 1
    files: dict[str, list[str]] = {}
    for index, store in enumerate(chain.stores):
        for day in np.flatnonzero(chain.factor[index, :, :days].max(axis=0) > 0).tolist():
            listed, when = np.flatnonzero(chain.listed[:, day]), chain.day(day)
            counts = zip(codes[listed].tolist(), chain.on_hand[index, listed, day].tolist(), strict=True)
            rows = files.setdefault(f"stock/{store.code}-{month_of(when)}.csv", ["store,day,product,on_hand"])
            rows += [f"{store.code},{when},{code},{count}" for code, count in counts]
    return {name: ("\n".join(lines) + "\n").encode() for name, lines in files.items()}


def _csv(header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
