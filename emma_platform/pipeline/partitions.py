"""The partitions as Dagster knows them, and how those of one asset hang on those of another.

Belongs here: partition definitions and mappings. Does not belong here: what a key means (`model.partitions`) and what
is affected by a change (`recompute`): the mappings draw the lineage, they do not decide what is computed.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from dagster import (
    AllPartitionMapping,
    BetaWarning,
    DailyPartitionsDefinition,
    DimensionPartitionMapping,
    DynamicPartitionsDefinition,
    IdentityPartitionMapping,
    MultiPartitionMapping,
    MultiPartitionsDefinition,
    MultiToSingleDimensionPartitionMapping,
    TimeWindowPartitionMapping,
)

from emma_platform.model.partitions import WINDOW_DAYS

STORES = DynamicPartitionsDefinition(name="store")
"""A partition per store, spelled by `store_key`; a store is added when its first row comes in (`report.add_stores`)."""

DAYS_AHEAD = 2
"""A day becomes a partition when it is over in UTC. Two more: the day that is going on, and the one that has already
begun in the east (up to UTC+14)."""


def store_days(first_day: date) -> MultiPartitionsDefinition:
    """A partition per store and day from the first day on; its keys read `2026-11-22|S001`."""
    days = DailyPartitionsDefinition(start_date=first_day.isoformat(), end_offset=DAYS_AHEAD)
    return MultiPartitionsDefinition({"store": STORES, "day": days})


def trailing_days(days: int = WINDOW_DAYS) -> MultiPartitionMapping:
    """A store-day reads this many days of its store, itself included, as far back as there are any."""
    with _beta_accepted():
        window = TimeWindowPartitionMapping(start_offset=1 - days, allow_nonexistent_upstream_partitions=True)
        return MultiPartitionMapping(
            {
                "store": DimensionPartitionMapping("store", IdentityPartitionMapping()),
                "day": DimensionPartitionMapping("day", window),
            }
        )


def days_of_store() -> MultiToSingleDimensionPartitionMapping:
    """A table by store reads all days of its store."""
    with _beta_accepted():
        return MultiToSingleDimensionPartitionMapping(partition_dimension_name="store")


def everything() -> AllPartitionMapping:
    """A table in one piece reads every partition."""
    return AllPartitionMapping()


@contextmanager
def _beta_accepted() -> Iterator[None]:
    """The mappings between dimensions are marked beta in all of Dagster 1.13; the minor version is pinned."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BetaWarning)
        yield
