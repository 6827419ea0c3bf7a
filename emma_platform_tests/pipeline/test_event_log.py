"""The batched event log holds and answers what Dagster's stock event log does for the same events."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sql
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from hypothesis import given, settings
from hypothesis import strategies as st

from emma_platform.pipeline.event_log import BatchedSqliteEventLogStorage
from emma_platform.pipeline.partitions import store_days
from emma_platform_tests.pipeline.events import (
    KPIS,
    SALES,
    Type,
    check_planned,
    checked,
    engine_event,
    materialized,
    observed,
    planned,
)


def rows(folder: Path, shard: str) -> dict[str, list[tuple[Any, ...]]]:
    """All that a shard holds, but for the time at which a row was made."""
    columns = {
        "event_logs": "*",
        "asset_event_tags": "*",
        "asset_keys": "id, asset_key, last_materialization, last_run_id, asset_details, last_materialization_timestamp",
        "asset_check_executions": "id, asset_key, check_name, partition, run_id, execution_status, evaluation_event, "
        "evaluation_event_timestamp, evaluation_event_storage_id, materialization_event_storage_id",
    }
    connection = sqlite3.connect(folder / f"{shard}.db")
    try:
        return {t: connection.execute(f"select {c} from {t} order by id").fetchall() for t, c in columns.items()}
    finally:
        connection.close()


ASSETS = st.sampled_from([KPIS, SALES, dg.AssetKey(["by", "folder"])])
PARTITIONS = st.sampled_from([None, "2026-11-22|S001", "2026-11-22|S002", "Köln|, [x]", "'; --"])
SOME_RUNS = st.sampled_from(["", "run-1"])


@st.composite
def histories(draw: st.DrawFn) -> list[list[EventLogEntry]]:
    """Events in batches: of one kind or mixed, of one run or several, with others that go one by one in between."""
    makers = [materialized, materialized, planned, observed, checked, check_planned, engine_event]
    batches: list[list[EventLogEntry]] = []
    seen: set[object] = set()
    for at in range(draw(st.integers(1, 12))):
        make, asset, partition, run_id = draw(st.tuples(st.sampled_from(makers), ASSETS, PARTITIONS, SOME_RUNS))
        if make in (checked, check_planned):
            # A run plans and evaluates the check of a partition once: Dagster's tables hold it to that.
            if (make, asset, partition, run_id) in seen or (make is check_planned and not run_id):
                continue
            seen |= {(make, asset, partition, run_id), (check_planned, asset, partition, run_id)}
        if make is check_planned:
            event = check_planned(asset, {partition} if partition else set(), run_id, 1.5 + at)
        elif make is engine_event:
            event = engine_event(run_id, 1.5 + at)
        else:
            event = make(asset, partition, run_id, 1.5 + at)  # type: ignore[operator]
        if not batches or draw(st.integers(0, 4)) == 0:
            batches.append([])
        batches[-1].append(event)
    return batches


@pytest.fixture(scope="module")
def empty_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log whose shards are made: making one takes 0.1 s."""
    folder = tmp_path_factory.mktemp("empty")
    storage = SqliteEventLogStorage(str(folder))
    for run_id in ("", "run-1"):
        storage.get_records_for_run(run_id)
    return folder


@settings(max_examples=6, deadline=None)
@given(batches=histories())
def test_any_batching_of_any_events_leaves_the_rows_of_the_stock_storage(
    empty_log: Path, batches: list[list[EventLogEntry]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one_by_one, batched = (shutil.copytree(empty_log, Path(folder, name)) for name in ("stock", "batched"))
        stock = SqliteEventLogStorage(str(one_by_one))
        for event in (event for batch in batches for event in batch):
            stock.store_event(event)
        storage = BatchedSqliteEventLogStorage(str(batched))
        for batch in batches:
            storage.store_event_batch(batch)
        for shard in ("index", "", "run-1"):
            assert rows(batched, shard) == rows(one_by_one, shard)


@dg.multi_asset(
    specs=[dg.AssetSpec("clean_sales", partitions_def=store_days(date(2026, 1, 1)), skippable=True)],
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def rectangle() -> Iterator[dg.MaterializeResult[Any]]:
    yield dg.MaterializeResult("clean_sales")


def test_a_rectangle_run_commits_a_few_times_and_marks_its_partitions(
    instance: dg.DagsterInstance, storage: BatchedSqliteEventLogStorage
) -> None:
    instance.add_dynamic_partitions("store", ["S001", "S002", "S003"])
    commits: list[sql.Connection] = []

    def count(connection: sql.Connection) -> None:
        commits.append(connection)

    sql.event.listen(sql.Engine, "commit", count)
    try:
        job = dg.Definitions([rectangle]).resolve_implicit_global_asset_job_def()
        tags = {
            "dagster/asset_partition_range_start": "2026-01-01|S001",
            "dagster/asset_partition_range_end": "2026-02-28|S003",
        }
        assert job.execute_in_process(instance=instance, tags=tags, asset_selection=[SALES]).success
    finally:
        sql.event.remove(sql.Engine, "commit", count)
    assert len(instance.get_materialized_partitions(SALES)) == 59 * 3
    planned_events = storage.get_event_records(dg.EventRecordsFilter(Type.ASSET_MATERIALIZATION_PLANNED, SALES))
    assert len(planned_events) == 59 * 3
    # 177 planned and 177 materialised partitions: one by one that is more than 700 commits.
    assert len(commits) < 100
