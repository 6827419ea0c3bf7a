"""What Dagster is told about partitions: which are there and what they hold, and which are gone.

Belongs here: the events, many at once. Does not belong here: how Dagster's storage writes them (`event_log`), and when
a partition counts as reported (`recompute`). Works on every event log; only the batched one is fast.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dagster import AssetKey, AssetMaterialization, DagsterEvent, DagsterEventType, DagsterInstance, MetadataValue
from dagster._core.events import StepMaterializationData
from dagster._core.events.log import EventLogEntry

from emma_platform.model.partitions import store_key
from emma_platform.pipeline.event_log import BATCH_SIZE
from emma_platform.pipeline.partitions import STORES

DATA_VERSION = "dagster/data_version"
PARTITION_ROWS = "dagster/partition_row_count"
TABLE_ROWS = "dagster/row_count"


@dataclass(frozen=True, slots=True)
class PartitionEvent:
    """One partition of one asset was computed: its rows and the hash of its content.

    `partition` is None for an asset in one piece. `run_id` is the run that computed it: its page lists the partition,
    and the asset's page leads to it. An empty `run_id` stands for no run.
    """

    asset: str
    partition: str | None
    rows: int
    data_version: str
    run_id: str = ""
    metadata: Mapping[str, str | int | float | MetadataValue] = field(default_factory=dict)


def report_partitions(
    instance: DagsterInstance, events: Sequence[PartitionEvent], *, step_key: str | None = None
) -> None:
    """Mark partitions as materialised, with their row count and data version, in the order given.

    Each 1,000 events are stored whole or not at all; reporting the same again changes no status. `step_key` names
    the step of the run that computed them.

    Raises:
        ValueError: a run is not known to the instance.
    """
    jobs = _job_names(instance, {event.run_id for event in events})
    # One time for all: Dagster calls a partition stale when what it reads from is of a later time.
    now = time.time()
    for chunk in _chunks(events):
        instance.event_log_storage.store_event_batch(
            [_log_entry(event, jobs[event.run_id], step_key if event.run_id else None, now) for event in chunk]
        )


def remove_partitions(instance: DagsterInstance, removed: Mapping[str, Sequence[str]]) -> None:
    """Mark partitions, by asset, as not materialised.

    Dagster's stock event log cannot forget a partition: there it is reported as one of no rows.
    """
    for asset, partitions in removed.items():
        try:
            instance.wipe_asset_partitions(AssetKey(asset), partitions)
        except NotImplementedError:
            gone = [PartitionEvent(asset=asset, partition=key, rows=0, data_version="") for key in partitions]
            report_partitions(instance, gone)


def add_stores(instance: DagsterInstance, stores: Iterable[str]) -> tuple[str, ...]:
    """Add the stores, by name, whose partition keys Dagster does not know yet; returns the keys added, sorted."""
    known = set(instance.get_dynamic_partitions(str(STORES.name)))
    missing = tuple(sorted({store_key(store) for store in stores} - known))
    if missing:
        instance.add_dynamic_partitions(str(STORES.name), missing)
    return missing


def _chunks(events: Sequence[PartitionEvent]) -> Iterator[Sequence[PartitionEvent]]:
    return (events[start : start + BATCH_SIZE] for start in range(0, len(events), BATCH_SIZE))


def _job_names(instance: DagsterInstance, run_ids: Iterable[str]) -> dict[str, str]:
    jobs = {"": ""}
    for run_id in run_ids:
        if run_id:
            run = instance.get_run_by_id(run_id)
            if run is None:
                raise ValueError(f"Dagster knows no run {run_id!r}; report its partitions with an empty run_id")
            jobs[run_id] = run.job_name
    return jobs


def _log_entry(event: PartitionEvent, job: str, step_key: str | None, now: float) -> EventLogEntry:
    rows = TABLE_ROWS if event.partition is None else PARTITION_ROWS
    materialization = AssetMaterialization(
        asset_key=AssetKey(event.asset),
        partition=event.partition,
        metadata={rows: event.rows, **event.metadata},
        tags={DATA_VERSION: event.data_version},
    )
    return EventLogEntry(  # type: ignore[no-untyped-call]
        user_message="",
        level=logging.INFO,
        job_name=job,
        run_id=event.run_id,
        error_info=None,
        timestamp=now,
        step_key=step_key,
        dagster_event=DagsterEvent(
            event_type_value=DagsterEventType.ASSET_MATERIALIZATION.value,
            job_name=job,
            step_key=step_key,
            event_specific_data=StepMaterializationData(materialization),
        ),
    )
