"""What Dagster is told: which partitions are there and what they hold, which are gone, and how checks came out.

Belongs here: the events, many at once. Does not belong here: how Dagster's storage writes them (`event_log`), and when
a partition counts as reported (`recompute`). Works on every event log; only the batched one is fast.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dagster import (
    AssetCheckEvaluation,
    AssetKey,
    AssetMaterialization,
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    MetadataValue,
)
from dagster._core.events import StepMaterializationData
from dagster._core.events.log import EventLogEntry

from emma_platform.model.partitions import store_key
from emma_platform.pipeline.event_log import BATCH_SIZE
from emma_platform.pipeline.partitions import STORES

DATA_VERSION = "dagster/data_version"
CODE_VERSION = "dagster/code_version"
INPUT_VERSION = "dagster/input_data_version/"
INPUT_POINTER = "dagster/input_event_pointer/"
NEVER_COMPUTED = "NULL"
"""Dagster's data version of an asset that was never materialised."""
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


@dataclass(frozen=True, slots=True)
class Origin:
    """What the partitions of an asset were computed from.

    Attributes:
        code_version: of the asset, as its specification says it.
        inputs: the assets it reads from, each with its data version; of those in partitions the version is not read.
    """

    code_version: str
    inputs: Mapping[str, str]


def report_partitions(
    instance: DagsterInstance,
    events: Sequence[PartitionEvent],
    *,
    step_key: str | None = None,
    origins: Mapping[str, Origin] | None = None,
    stored: Callable[[], None] = lambda: None,
) -> None:
    """Mark partitions as materialised, with their row count and data version, in the order given.

    Each 1,000 events are stored whole or not at all, and `stored` is called after them; reporting the same again
    changes no status. `step_key` names the step of the run that computed them. With the origin of its asset, a
    partition counts as synced until an input's data version changes; without, until any input is materialised again,
    and never where an input has no partition.

    Raises:
        ValueError: a run is not known to the instance.
    """
    jobs = _job_names(instance, {event.run_id for event in events})
    # One time for all: Dagster calls a partition stale when what it reads from is of a later time.
    now = time.time()
    # Inputs reported in the same batch are what was read: the pointer lies behind the last event of this call.
    last = (instance.event_log_storage.get_maximum_record_id() or 0) + len(events)
    tags = {asset: _origin_tags(origin, last) for asset, origin in (origins or {}).items()}
    for chunk in _chunks(events):
        instance.event_log_storage.store_event_batch(
            [
                _materialised(
                    event, tags.get(event.asset, {}), jobs[event.run_id], step_key if event.run_id else None, now
                )
                for event in chunk
            ]
        )
        stored()


def report_checks(
    instance: DagsterInstance, evaluations: Sequence[AssetCheckEvaluation], *, run_id: str, step_key: str
) -> None:
    """Store how the checks of a run came out, all at once; yielded one by one they take 0.1 s of CPU each.

    Raises:
        ValueError: the run is not known to the instance.
    """
    job = _job_names(instance, {run_id})[run_id]
    now = time.time()
    instance.event_log_storage.store_event_batch(
        [
            _log_entry(DagsterEventType.ASSET_CHECK_EVALUATION, evaluation, run_id, job, step_key, now)
            for evaluation in evaluations
        ]
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


def _origin_tags(origin: Origin, last: int) -> dict[str, str]:
    tags = {CODE_VERSION: origin.code_version}
    for asset, version in origin.inputs.items():
        tags[INPUT_VERSION + asset] = version
        tags[INPUT_POINTER + asset] = str(last)
    return tags


def _materialised(
    event: PartitionEvent, tags: Mapping[str, str], job: str, step_key: str | None, now: float
) -> EventLogEntry:
    rows = TABLE_ROWS if event.partition is None else PARTITION_ROWS
    materialization = AssetMaterialization(
        asset_key=AssetKey(event.asset),
        partition=event.partition,
        metadata={rows: event.rows, **event.metadata},
        tags={DATA_VERSION: event.data_version, **tags},
    )
    data = StepMaterializationData(materialization)
    return _log_entry(DagsterEventType.ASSET_MATERIALIZATION, data, event.run_id, job, step_key, now)


def _log_entry(
    kind: DagsterEventType,
    data: StepMaterializationData | AssetCheckEvaluation,
    run_id: str,
    job: str,
    step_key: str | None,
    now: float,
) -> EventLogEntry:
    return EventLogEntry(  # type: ignore[no-untyped-call]
        user_message="",
        level=logging.INFO,
        job_name=job,
        run_id=run_id,
        error_info=None,
        timestamp=now,
        step_key=step_key,
        dagster_event=DagsterEvent(
            event_type_value=kind.value, job_name=job, step_key=step_key, event_specific_data=data
        ),
    )
