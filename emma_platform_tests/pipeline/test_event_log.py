"""The batched event log stores what Dagster's stock event log stores event by event, whole or not at all."""

from __future__ import annotations

import multiprocessing
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sql
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.events import (
    AssetMaterializationPlannedData,
    AssetObservationData,
    EngineEventData,
    StepMaterializationData,
)
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from hypothesis import given, settings
from hypothesis import strategies as st

from emma_platform.pipeline.event_log import BatchedSqliteEventLogStorage
from emma_platform.pipeline.partitions import STORES, store_days
from emma_platform_tests.pipeline.instances import make_instance

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


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    with make_instance(tmp_path / "home", monkeypatch) as made:
        yield made


@pytest.fixture
def storage(instance: dg.DagsterInstance) -> BatchedSqliteEventLogStorage:
    assert isinstance(instance.event_log_storage, BatchedSqliteEventLogStorage)
    return instance.event_log_storage


ASSETS = st.sampled_from([KPIS, SALES, dg.AssetKey(["by", "folder"])])
PARTITIONS = st.sampled_from([None, "2026-11-22|S001", "2026-11-22|S002", "Köln|, [x]", "'; --"])
RUNS = st.sampled_from(["", "run-1"])


@st.composite
def histories(draw: st.DrawFn) -> list[list[EventLogEntry]]:
    """Events in batches: of one kind or mixed, of one run or several, with others that go one by one in between."""
    makers = [materialized, materialized, planned, observed, checked, check_planned, engine_event]
    batches: list[list[EventLogEntry]] = []
    seen: set[object] = set()
    for at in range(draw(st.integers(1, 12))):
        make, asset, partition, run_id = draw(st.tuples(st.sampled_from(makers), ASSETS, PARTITIONS, RUNS))
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


def answers(instance: dg.DagsterInstance, asset: dg.AssetKey, keys: Sequence[str], runs: Sequence[str]) -> Any:
    """What Dagster's own interface says about an asset."""
    log, check = instance.event_log_storage, dg.AssetCheckKey(asset, "sums")
    record = instance.get_asset_records([asset])[0]
    status = get_and_update_asset_status_cache_value(instance, asset, STORES)
    return {
        "record": (record.storage_id, record.asset_entry.last_materialization_record, record.asset_entry.last_run_id),
        "status": status,
        "keys": (set(instance.get_asset_keys()), instance.has_asset_key(asset)),
        "partitions": instance.get_materialized_partitions(asset),
        "since": instance.get_materialized_partitions(asset, after_cursor=5, before_cursor=9),
        "latest": log.get_latest_storage_id_by_partition(asset, Type.ASSET_MATERIALIZATION),
        "latest of some": log.get_latest_storage_id_by_partition(asset, Type.ASSET_MATERIALIZATION, set(keys[:1])),
        "tags": log.get_latest_tags_by_partition(asset, Type.ASSET_MATERIALIZATION, ["dagster/data_version"]),
        "event tags": instance.get_event_tags_for_asset(asset),
        "events": [
            log.get_event_records(dg.EventRecordsFilter(kind, asset_key=asset))
            for kind in (Type.ASSET_MATERIALIZATION, Type.ASSET_OBSERVATION, Type.ASSET_MATERIALIZATION_PLANNED)
        ],
        "one partition": instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=asset, asset_partitions=[keys[0]]), limit=10
        ),
        "updated": log.get_updated_data_version_partitions(asset, keys, since_storage_id=6),
        "unfinished": log.get_latest_asset_partition_materialization_attempts_without_materializations(asset),
        "planned": instance.get_latest_planned_materialization_info(asset),
        "data version": instance.get_latest_data_version_record(asset, partition_key=keys[0]),
        "check": log.get_latest_asset_check_execution_by_key([check])[check].event,
        "check history": [c.status for c in log.get_asset_check_execution_history(check, limit=10)],
        "check by partition": log.get_asset_check_partition_info([check]),
        "runs": [log.get_records_for_run(run) for run in runs],
        "run partitions": [log.get_asset_partitions_for_run(run) if run else None for run in runs],
    }


def test_dagster_answers_as_on_the_stock_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, runs = ["S001", "S002", "S003"], ["run-1", "run-2", ""]
    history = [
        [planned(KPIS, key, "run-1", 10.0) for key in keys] + [planned(SALES, None, "run-1", 10.0)],
        [check_planned(KPIS, set(keys), "run-1", 11.0), check_planned(SALES, set(), "run-1", 11.5)],
        [materialized(a, key, "run-1", 12.0 + n, f"{n}") for a in (KPIS, SALES) for n, key in enumerate(keys[:2])],
        [checked(KPIS, key, "run-1", 20.0, passed=key != "S002") for key in keys]
        + [checked(SALES, None, "run-1", 21.0)],
        [materialized(KPIS, key, "", 30.0, "late") for key in keys[1:]] + [observed(SALES, "S001", "", 31.0)],
        [
            materialized(SALES, None, "run-2", 40.0),
            materialized(KPIS, "S001", "run-2", 41.0),
            planned(KPIS, "S003", "", 42.0),
        ],
    ]
    given_answers = []
    for stock in (True, False):
        with make_instance(tmp_path / f"stock-{stock}", monkeypatch, stock=stock) as instance:
            instance.add_dynamic_partitions("store", keys)
            for batch in history:
                instance.event_log_storage.store_event_batch(batch)
            given_answers.append({asset: answers(instance, asset, keys, runs) for asset in (KPIS, SALES)})
    assert given_answers[0] == given_answers[1]


def test_of_a_batch_that_fails_half_way_nothing_stays(storage: BatchedSqliteEventLogStorage) -> None:
    good = [materialized(KPIS, "S001", "", 1.0), checked(KPIS, "S001", "run-1", 1.0)]
    storage.store_event_batch(good)
    folder = Path(storage.path_for_shard("index")).parent
    shards = ("index", "", "run-1")
    before = {shard: rows(folder, shard) for shard in shards}
    # Dagster's tables allow one plan of a check per run and partition: the last event of the batch breaks them.
    twice = [check_planned(KPIS, {"S002"}, "run-1", 3.0), check_planned(KPIS, {"S002"}, "run-1", 4.0)]
    many = [materialized(KPIS, f"S{n}", "run-1", 2.0) for n in range(500)]
    with pytest.raises(sql.exc.IntegrityError):
        storage.store_event_batch([materialized(SALES, "S009", "", 2.0), *many, *twice])
    assert {shard: rows(folder, shard) for shard in shards} == before
    storage.store_event_batch([materialized(KPIS, "S002", "run-1", 5.0)])
    assert storage.get_materialized_partitions(KPIS) == {"S001", "S002"}


def write_concurrently(folder: Path, writer: int) -> None:
    """One process's part: batches of runless events and of its own run, and single events in between."""
    storage = BatchedSqliteEventLogStorage(str(folder))
    for batch in range(6):
        keys = [f"{writer}-{batch}-{n}" for n in range(150)]
        storage.store_event_batch([materialized(KPIS, key, "", 1.0, version=f"version of {key}") for key in keys])
        own = [materialized(SALES, key, f"run-{writer}", 1.0, version=f"version of {key}") for key in keys]
        storage.store_event_batch(own)
        storage.store_event(
            materialized(KPIS, f"{writer}-{batch}-x", "", 1.0, version=f"version of {writer}-{batch}-x")
        )


def test_four_processes_writing_at_once_lose_and_mix_up_nothing(storage: BatchedSqliteEventLogStorage) -> None:
    folder = Path(storage.path_for_shard("index")).parent
    fork = multiprocessing.get_context("fork")  # a fresh process would spend 3 s of CPU on importing Dagster
    writers = [fork.Process(target=write_concurrently, args=(folder, writer)) for writer in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0, 0]
    for asset, expected in ((KPIS, 4 * 6 * 151), (SALES, 4 * 6 * 150)):
        assert len(storage.get_materialized_partitions(asset)) == expected
        tags = storage.get_latest_tags_by_partition(asset, Type.ASSET_MATERIALIZATION, ["dagster/data_version"])
        assert tags == {key: {"dagster/data_version": f"version of {key}"} for key in tags}
        assert len(tags) == expected
    assert len(storage.get_records_for_run("").records) == 4 * 6 * 151


def test_wiped_partitions_are_as_if_never_made(storage: BatchedSqliteEventLogStorage) -> None:
    keys = [f"S{n:04d}" for n in range(1_200)]
    storage.store_event_batch([materialized(SALES, "S0000", "", 1.0), materialized(KPIS, "kept", "", 1.0)])
    storage.store_event_batch([planned(KPIS, key, "run-1", 2.0) for key in keys])
    storage.store_event_batch([materialized(KPIS, key, "run-1", 3.0) for key in keys])
    storage.store_event_batch([checked(KPIS, key, "run-1", 4.0) for key in keys[:20]])
    storage.wipe_asset_partitions(KPIS, [*keys, "never there"])
    assert storage.get_materialized_partitions(KPIS) == {"kept"}
    assert storage.get_materialized_partitions(SALES) == {"S0000"}
    [record] = storage.get_asset_records([KPIS])
    assert record.asset_entry.last_materialization_record.event_log_entry.get_dagster_event().partition == "kept"
    assert not storage.get_latest_asset_partition_materialization_attempts_without_materializations(KPIS)
    assert not storage.get_asset_check_partition_info([dg.AssetCheckKey(KPIS, "sums")])
    assert len(storage.get_event_tags_for_asset(KPIS)) == 1


def test_an_event_after_a_wipe_lies_behind_every_cursor(storage: BatchedSqliteEventLogStorage) -> None:
    storage.store_event_batch([materialized(KPIS, key, "", 1.0) for key in ("S001", "S002")])
    cursor = max(storage.get_latest_storage_id_by_partition(KPIS, Type.ASSET_MATERIALIZATION).values())
    storage.wipe_asset_partitions(KPIS, ["S001", "S002"])
    storage.store_event_batch([materialized(KPIS, "S002", "", 2.0)])
    assert storage.get_materialized_partitions(KPIS, after_cursor=cursor) == {"S002"}


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


def test_the_stock_log_reads_our_files_and_we_read_its(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    for stock, key in ((True, "S001"), (False, "S002"), (True, "S003")):
        with make_instance(home, monkeypatch, stock=stock) as instance:
            instance.event_log_storage.store_event_batch(
                [materialized(KPIS, key, "", 1.0), observed(KPIS, key, "", 2.0)]
            )
            last = instance.get_materialized_partitions(KPIS)
    assert last == {"S001", "S002", "S003"}


def test_dagster_yaml_is_the_instance_we_mean(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    assert Path(instance.event_log_storage._base_dir) == tmp_path / "home" / "history" / "runs"  # type: ignore[attr-defined]
    assert not instance.telemetry_enabled
    assert not instance.nux_enabled
    assert not instance.run_retries_enabled
    assert instance.run_monitoring_enabled
    assert instance.python_log_level == "WARNING"
    assert instance.wait_for_local_code_server_processes_on_shutdown
    config = instance.get_concurrency_config()
    assert config.run_queue_config is not None
    assert config.run_queue_config.max_concurrent_runs == 2
    assert instance.run_coordinator.dequeue_interval_seconds == 1  # type: ignore[attr-defined]
    assert config.pool_config.pool_granularity is not None
    assert config.pool_config.pool_granularity.value == "run"
    assert config.pool_config.default_pool_limit == 1


def test_an_instance_survives_the_way_to_another_process(instance: dg.DagsterInstance) -> None:
    from dagster._core.instance import InstanceRef
    from dagster._serdes import deserialize_value, serialize_value

    reference = deserialize_value(serialize_value(instance.get_ref()), InstanceRef)
    with dg.DagsterInstance.from_ref(reference) as again:
        assert isinstance(again.event_log_storage, BatchedSqliteEventLogStorage)
    shutil.rmtree(instance.root_directory)
