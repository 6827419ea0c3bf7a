"""The stage that trains the chain's forecast model, where the settings ask for the best engine.

Belongs here: the evidence of every store, one training, the table and the ledger. Does not belong here: the training
itself (`transforms.forecast_model`) and the forecasts that use it (`store_stages`).

What the model should be trained on is worked out in each batch anew from the key figures as they are: they change in
many small transactions, and the days of a whole chain are gone through once.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pyarrow.compute as pc
import sqlalchemy as sa

from emma_platform.recompute import propagate
from emma_platform.recompute.ledger import NO_DAY, Key
from emma_platform.recompute.plan import Stale
from emma_platform.recompute.stages import announce
from emma_platform.recompute.store_stages import (
    REFERENCE,
    Work,
    calendar_of,
    demand_of,
    empty,
    finish_whole,
    stale_stores,
    weighed,
)
from emma_platform.transforms.forecast_model import MOST_ROWS, Evidence, evidence, joined, trained

UNFINISHED_WEEK = 7
"""Days that a store's history is shorter by, so that it is the same on every day of a week."""

ALL_STORES = "all"
"""Stands for a fingerprint: the store is read, whatever it was computed from."""


def train(work: Work) -> None:
    """Train the model when a week is over, or what it was trained on has changed; take it away when it is not used."""
    history = work.platform.settings.forecast_history_days - UNFINISHED_WEEK
    with work.platform.ledger.transaction() as connection:
        until = propagate.for_model(connection, work.codes, history)
        stores = sorted(propagate.stores_sold(connection))
    items = stale_stores(work, "forecast_model")
    if not items:
        return
    announce(work.platform, "forecast_model", 1)
    parts = list(_evidence(work, stores, until, history)) if until else []
    rows = trained(joined(parts), until) if parts and until else empty("forecast_model")

    def after(connection: sa.Connection) -> None:
        propagate.from_kpis(connection, stores, work.codes, work.platform.settings.forecast_history_days)

    finish_whole(work, "forecast_model", items[0], rows, after)


def _evidence(work: Work, stores: list[str], until: date, history_days: int) -> Iterator[Evidence]:
    """What each store says, store by store."""
    reference = {table: work.platform.store.read(table) for table in REFERENCE}
    items = [Stale(Key(store, NO_DAY), ALL_STORES, 0) for store in stores]
    for group in weighed(work, items):
        for store, demand in demand_of(work, group):
            # A store that has closed is forecast from its own last day, and must not be scored on what it trained.
            last = min(until, pc.max(demand["day"]).as_py())
            found = evidence(
                demand,
                reference["promotions"],
                calendar_of(store, last, history_days, reference),
                store=store,
                until=last,
                history_days=history_days,
                most_rows=max(MOST_ROWS // len(stores), 1),
            )
            if found is not None:
                yield found
