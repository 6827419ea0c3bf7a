"""The batched event log answers what the stock one does, to Dagster's own interface and to the queries of the UI."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.event_log import EventLogStorage
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from dagster._core.test_utils import create_run_for_test, in_process_test_workspace
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster_graphql.schema import create_schema

from emma_platform.pipeline.partitions import STORES
from emma_platform_tests.pipeline import shown_assets
from emma_platform_tests.pipeline.events import (
    HISTORY,
    KEYS,
    KPIS,
    RUNS,
    SALES,
    Type,
    materialized,
)
from emma_platform_tests.pipeline.instances import make_instance

LATER = 4e9
"""After any wipe of today: what was before it does not count."""


def answers(instance: dg.DagsterInstance, asset: dg.AssetKey, keys: Sequence[str], runs: Sequence[str]) -> Any:
    """What Dagster's own interface says about an asset."""
    log, check = instance.event_log_storage, dg.AssetCheckKey(asset, "sums")
    record = instance.get_asset_records([asset])
    return {
        "record": [
            (r.storage_id, r.asset_entry.last_materialization_record, r.asset_entry.last_run_id) for r in record
        ],
        "status": get_and_update_asset_status_cache_value(instance, asset, STORES),
        "kept status": [r.asset_entry.cached_status for r in instance.get_asset_records([asset])],
        "keys": (set(instance.get_asset_keys()), instance.has_asset_key(asset)),
        "partitions": instance.get_materialized_partitions(asset),
        "since": instance.get_materialized_partitions(asset, after_cursor=5, before_cursor=9),
        "latest": log.get_latest_storage_id_by_partition(asset, Type.ASSET_MATERIALIZATION),
        "latest of some": log.get_latest_storage_id_by_partition(asset, Type.ASSET_MATERIALIZATION, set(keys[:1])),
        "latest of all": log.get_latest_materialization_events([asset]),
        "tags": log.get_latest_tags_by_partition(asset, Type.ASSET_MATERIALIZATION, ["dagster/data_version"]),
        "event tags": instance.get_event_tags_for_asset(asset),
        "events": [
            log.get_event_records(
                dg.EventRecordsFilter(kind, asset_key=asset, **some), ascending=ascending, limit=limit
            )
            for kind in (Type.ASSET_MATERIALIZATION, Type.ASSET_OBSERVATION, Type.ASSET_MATERIALIZATION_PLANNED)
            for some in (
                {},
                {"asset_partitions": list(keys[:2])},
                {"after_timestamp": 12.5, "before_timestamp": 40.5},
                {"after_cursor": 8, "before_cursor": 16},
            )
            for ascending, limit in ((True, 100), (False, 1))
        ],
        "by tag": instance.get_event_tags_for_asset(asset, filter_tags={"dagster/data_version": "late"}),
        "pages": [
            list(pages(fetch, asset)) for fetch in (instance.fetch_materializations, instance.fetch_observations)
        ],
        "one partition": instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=asset, asset_partitions=[keys[0]]), limit=10
        ),
        "updated": log.get_updated_data_version_partitions(asset, keys, since_storage_id=6),
        "unfinished": log.get_latest_asset_partition_materialization_attempts_without_materializations(asset),
        "planned": instance.get_latest_planned_materialization_info(asset),
        "data version": instance.get_latest_data_version_record(asset, partition_key=keys[0]),
        "check": [found.event for found in log.get_latest_asset_check_execution_by_key([check]).values()],
        "check summary": [
            (found.last_run_id, found.last_check_execution_record and found.last_check_execution_record.event)
            for found in log.get_asset_check_summary_records([check]).values()
        ],
        "check history": [c.status for c in log.get_asset_check_execution_history(check, limit=10)],
        "check by partition": log.get_asset_check_partition_info([check]),
        "runs": [log.get_records_for_run(run) for run in runs],
        "pages of a run": [log.get_records_for_run(run, limit=2, cursor=cursor_after(log, run)) for run in runs],
        "run partitions": [log.get_asset_partitions_for_run(run) if run else None for run in runs],
        "run stats": [log.get_stats_for_run(run) for run in runs if run],
        "step stats": [log.get_step_stats_for_run(run) for run in runs if run],
        "highest id": log.get_maximum_record_id(),
    }


def pages(fetch: Callable[..., dg.EventRecordsResult], asset: dg.AssetKey) -> Iterator[dg.EventRecordsResult]:
    """The pages of an asset's events, two on each."""
    cursor = None
    while True:
        page = fetch(asset, limit=2, cursor=cursor, ascending=True)
        yield page
        cursor = page.cursor
        if not page.has_more:
            return


def cursor_after(log: EventLogStorage, run: str) -> str:
    """Where the second page of a run's events begins."""
    return log.get_records_for_run(run, limit=2).cursor


def everything_asked(instance: dg.DagsterInstance) -> Any:
    runs = [*RUNS, ""]
    return {asset: answers(instance, asset, KEYS, runs) for asset in (KPIS, SALES)} | {"UI": asked_by_the_ui(instance)}


QUERY = """
{
  assetNodes {
    assetKey { path }
    partitionStats { numMaterialized numPartitions numFailed numMaterializing }
    assetPartitionStatuses {
      __typename
      ... on DefaultPartitionStatuses {
        materializedPartitions unmaterializedPartitions materializingPartitions failedPartitions
      }
    }
    latestMaterializationByPartition(partitions: ["S001", "S002", "S003"]) { partition runId timestamp }
    latestRunForPartition(partition: "S003") { runId status }
    assetMaterializations { partition runId timestamp stepKey metadataEntries { label } tags { key value } }
    assetObservations { partition runId timestamp }
    assetChecksOrError {
      ... on AssetChecks { checks { name executionForLatestMaterialization { runId status } } }
    }
  }
  assetsOrError { ... on AssetConnection { nodes { key { path } assetMaterializations { partition timestamp } } } }
  runsOrError { ... on Runs { results {
    runId status stats { ... on RunStatsSnapshot { stepsFailed materializations startTime endTime } }
    assetMaterializations { partition }
    stepStats { stepKey status materializations { partition } }
    eventConnection { cursor hasMore events {
      __typename ... on MessageEvent { runId message timestamp stepKey eventType }
    } }
  } } }
}
"""


def asked_by_the_ui(instance: dg.DagsterInstance) -> Any:
    """What the UI's server answers to the queries behind its pages of assets and runs."""
    origin = LoadableTargetOrigin(module_name=shown_assets.__name__, attribute="definitions")
    with in_process_test_workspace(instance, origin) as context:
        answer = asyncio.run(create_schema().execute_async(QUERY, context_value=context))
    assert not answer.errors
    assets = sorted(answer.data.pop("assetNodes"), key=lambda node: str(node["assetKey"]))
    return {**answer.data, "assets": assets}


def test_dagster_answers_as_on_the_stock_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its own interface and to its UI; also after an asset was wiped and a run was deleted, and more came."""
    given_answers = []
    for stock in (True, False):
        with make_instance(tmp_path / f"stock-{stock}", monkeypatch, stock=stock) as instance:
            instance.add_dynamic_partitions("store", KEYS)
            for run in RUNS:
                create_run_for_test(instance, job_name="__ASSET_JOB", run_id=run)
            told = []
            for batch in HISTORY:
                instance.event_log_storage.store_event_batch(batch)
            told.append(everything_asked(instance))
            instance.event_log_storage.wipe_asset(SALES)  # instance.wipe_assets adds an event of now
            told.append(everything_asked(instance))
            instance.event_log_storage.store_event_batch([materialized(SALES, key, "", LATER) for key in KEYS])
            instance.delete_run(RUNS[0])
            told.append(everything_asked(instance))
            given_answers.append(told)
    for on_stock, on_ours in zip(*given_answers, strict=True):
        for asset, expected in on_stock.items():
            for question in expected:
                assert on_ours[asset][question] == expected[question], (asset, question)
    nodes = on_stock["UI"]["assets"]
    assert [len(node["assetPartitionStatuses"]["materializedPartitions"]) for node in nodes] == [3, 2]
