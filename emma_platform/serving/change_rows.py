"""The parts of a key figure's change for every product of some stores: once worked out, asked for product by product.

Belongs here: where they come from, a store's file or the sums, and keeping both in memory. Does not belong here: which
products are asked for (`changes`), the sums (`change_sums`), what lies in files (`kept_changes`) and how a change is
split (`transforms.kpi_changes`).

How a product's change splits depends on its whole store: its days, and the products of its category. So the store's
are split, and kept: the sums of a store of 200 products take 0.5 MB, its parts 0.1 MB a key figure.
"""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from emma_platform.model.access import StoreScope
from emma_platform.serving.change_sums import Lives, Periods, content, sums
from emma_platform.serving.kept_changes import kept_change
from emma_platform.serving.reader import Reader
from emma_platform.serving.remembered import Remembered
from emma_platform.transforms.kpi_changes import split_changes

MOST_BYTES = 32_000_000
"""Bytes of sums and parts that are kept: some 50 stores of 200 products."""


def _bytes(rows: pa.Table) -> int:
    return rows.nbytes


_kept = Remembered[pa.Table](MOST_BYTES, _bytes)


def change_rows(reader: Reader, scope: StoreScope, kpi: str, periods: Periods, lives: Lives) -> pa.Table:
    """The change of a key figure and its parts, per store and product, as `kpi_changes.split_changes` returns them.

    Args:
        reader: the publication.
        scope: the stores that may be seen.
        kpi: one of `kpi_changes.KPIS`.
        periods: the one before and the one after.
        lives: of the stores whose products are wanted.

    Raises:
        ServingError: there is no such store, or the files of the publication cannot be read.
    """
    # What is kept is the same for all who may see these stores: see first that who asks is one of them.
    stores = [store for store, _, _ in lives]
    reader.check_stores(scope, stores)
    # Whether a store closed after the periods is nothing to them.
    end = max(period.last for period in periods)
    lives = tuple((store, first, last if last < end else date.max) for store, first, last in lives)
    at_hand = kept_change(reader, scope, kpi, periods, lives)
    if at_hand is not None:
        return at_hand
    holds = reader.stays()
    asked = (content(reader, scope, periods, stores), periods, lives)

    def split() -> pa.Table:
        found = _kept.of(asked, lambda: sums(reader, scope, periods, lives), holds=holds)
        return split_changes(found, kpi, second_is_later=periods[1].first >= periods[0].first)

    return _kept.of((*asked, kpi), split, holds=holds)
