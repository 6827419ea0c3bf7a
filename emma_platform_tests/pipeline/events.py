"""Events of Dagster, made by hand, and a history of them.

Belongs here: events as Dagster's runs would write them. Does not belong here: the storages that keep them.
"""

from __future__ import annotations

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.events import (
    AssetMaterializationPlannedData,
    AssetObservationData,
    EngineEventData,
    StepMaterializationData,
)
from dagster._core.events.log import EventLogEntry
from dagster._core.execution.plan.objects import StepFailureData, StepSuccessData

from emma_platform.pipeline.partitions import STORES

KPIS, SALES = dg.AssetKey("product_kpis"), dg.AssetKey("clean_sales")
Type = dg.DagsterEventType


def entry(kind: Type, data: object, run_id: str, at: float) -> EventLogEntry:
    event = dg.DagsterEvent(event_type_value=kind.value, job_name="job", event_specific_data=data, step_key="batch")
    return EventLogEntry(
        error_info=None,
        level=20,
        user_message="",
        run_id=run_id,
        timestamp=at,
        step_key="batch",
        job_name="job",
        dagster_event=event,
    )


def materialized(
    asset: dg.AssetKey, partition: str | None, run_id: str, at: float, version: str = "v"
) -> EventLogEntry:
    tags = {"dagster/data_version": version, "other": "tag"}
    data = dg.AssetMaterialization(asset, partition=partition, tags=tags, metadata={"rows": 3})
    return entry(Type.ASSET_MATERIALIZATION, StepMaterializationData(data), run_id, at)


def planned(asset: dg.AssetKey, partition: str | None, run_id: str, at: float) -> EventLogEntry:
    data = AssetMaterializationPlannedData(asset, partition=partition)
    return entry(Type.ASSET_MATERIALIZATION_PLANNED, data, run_id, at)


def observed(asset: dg.AssetKey, partition: str | None, run_id: str, at: float) -> EventLogEntry:
    data = dg.AssetObservation(asset, partition=partition, tags={"dagster/data_version": "seen"})
    return entry(Type.ASSET_OBSERVATION, AssetObservationData(data), run_id, at)


def checked(asset: dg.AssetKey, partition: str | None, run_id: str, at: float, passed: bool = True) -> EventLogEntry:
    data = dg.AssetCheckEvaluation(asset_key=asset, check_name="sums", passed=passed, metadata={}, partition=partition)
    return entry(Type.ASSET_CHECK_EVALUATION, data, run_id, at)


def check_planned(asset: dg.AssetKey, partitions: set[str], run_id: str, at: float) -> EventLogEntry:
    subset = STORES.empty_subset().with_partition_keys(partitions) if partitions else None
    data = AssetCheckEvaluationPlanned(asset_key=asset, check_name="sums", partitions_subset=subset)
    return entry(Type.ASSET_CHECK_EVALUATION_PLANNED, data, run_id, at)


def engine_event(run_id: str, at: float) -> EventLogEntry:
    return entry(Type.ENGINE_EVENT, EngineEventData({}), run_id, at)


def run_event(kind: Type, run_id: str, at: float) -> EventLogEntry:
    """A run or its step begins or ends."""
    data = {
        Type.STEP_SUCCESS: StepSuccessData(duration_ms=1.0),
        Type.STEP_FAILURE: StepFailureData(error=None, user_failure_data=None),
    }
    return entry(kind, data.get(kind), run_id, at)


KEYS = ("S001", "S002", "S003")
RUNS = ("9d4b2f0e-0000-4000-8000-000000000001", "9d4b2f0e-0000-4000-8000-000000000002")
HISTORY = (
    [run_event(Type.RUN_START, RUNS[0], 9.0)],
    [planned(KPIS, key, RUNS[0], 10.0) for key in KEYS] + [planned(SALES, None, RUNS[0], 10.0)],
    [check_planned(KPIS, set(KEYS), RUNS[0], 11.0), check_planned(SALES, set(), RUNS[0], 11.5)],
    [run_event(Type.STEP_START, RUNS[0], 11.6)],
    [materialized(a, key, RUNS[0], 12.0 + n, f"{n}") for a in (KPIS, SALES) for n, key in enumerate(KEYS[:2])],
    [checked(KPIS, key, RUNS[0], 20.0, passed=key != "S002") for key in KEYS] + [checked(SALES, None, RUNS[0], 21.0)],
    [run_event(Type.STEP_SUCCESS, RUNS[0], 22.0), run_event(Type.RUN_SUCCESS, RUNS[0], 23.0)],
    [materialized(KPIS, key, "", 30.0, "late") for key in KEYS[1:]] + [observed(SALES, "S001", "", 31.0)],
    [run_event(Type.RUN_START, RUNS[1], 39.0), run_event(Type.STEP_START, RUNS[1], 39.5)],
    [
        materialized(SALES, None, RUNS[1], 40.0),
        materialized(KPIS, "S001", RUNS[1], 41.0),
        planned(KPIS, "S003", RUNS[1], 42.0),
    ],
    [run_event(Type.STEP_FAILURE, RUNS[1], 43.0), run_event(Type.RUN_FAILURE, RUNS[1], 44.0)],
)
"""Two runs, the second of which fails, and a report of no run in between; in the batches in which they are written."""
