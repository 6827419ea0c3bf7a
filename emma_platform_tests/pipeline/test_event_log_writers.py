"""The batched event log under many writers, kills, failing batches and failing runs, and the way back to the stock one.

Belongs here: what must hold when something goes wrong. Does not belong here: what it answers when nothing does
(`test_event_log`, `test_event_log_answers`).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sql
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from emma_platform.pipeline.event_log import BatchedSqliteEventLogStorage
from emma_platform.pipeline.partitions import STORES
from emma_platform_tests.pipeline.dagster_home import QUIET
from emma_platform_tests.pipeline.events import (
    HISTORY,
    KEYS,
    KPIS,
    RUNS,
    SALES,
    Type,
    check_planned,
    checked,
    materialized,
    observed,
)
from emma_platform_tests.pipeline.instances import make_instance
from emma_platform_tests.pipeline.test_event_log import rows
from emma_platform_tests.pipeline.test_event_log_answers import answers

fork = multiprocessing.get_context("fork")
"""A fresh process would spend 3 s of CPU on importing Dagster."""
WRITERS, BATCHES, SIZE = 4, 4, 150


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
    for batch in range(BATCHES):
        keys = [f"{writer}-{batch}-{n:03d}" for n in range(SIZE)]
        storage.store_event_batch([materialized(KPIS, key, "", 1.0, version=f"version of {key}") for key in keys])
        own = [materialized(SALES, key, f"run-{writer}", 1.0, version=f"version of {key}") for key in keys]
        storage.store_event_batch(own)
        storage.store_event(
            materialized(KPIS, f"{writer}-{batch}-x", "", 1.0, version=f"version of {writer}-{batch}-x")
        )


def test_four_processes_writing_at_once_lose_and_mix_up_nothing(storage: BatchedSqliteEventLogStorage) -> None:
    """A reader that follows by cursor, as sensors do, meets every event once, each writer's in the order written."""
    folder = Path(storage.path_for_shard("index")).parent
    writers = [fork.Process(target=write_concurrently, args=(folder, writer)) for writer in range(WRITERS)]
    for writer in writers:
        writer.start()
    met: list[tuple[int, str]] = []
    writing = True
    while writing:
        writing = any(writer.is_alive() for writer in writers)
        met += follow(storage, met[-1][0] if met else 0)
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    for asset, each in ((KPIS, BATCHES * (SIZE + 1)), (SALES, BATCHES * SIZE)):
        assert len(storage.get_materialized_partitions(asset)) == WRITERS * each
        tags = storage.get_latest_tags_by_partition(asset, Type.ASSET_MATERIALIZATION, ["dagster/data_version"])
        assert tags == {key: {"dagster/data_version": f"version of {key}"} for key in tags}
        assert len(tags) == WRITERS * each
    assert len(storage.get_records_for_run("").records) == WRITERS * BATCHES * (SIZE + 1)
    for number in range(WRITERS):
        told = [record.partition_key for record in storage.get_records_for_run(f"run-{number}").records]
        assert told == [f"{number}-{batch}-{n:03d}" for batch in range(BATCHES) for n in range(SIZE)]
        own = [key for _, key in met if key.startswith(f"{number}-")]
        assert own == sorted(own)
    assert Counter(key for _, key in met) == Counter(storage.get_materialized_partitions(KPIS))
    ids = [number for number, _ in met]
    assert ids == sorted(set(ids))


def follow(storage: BatchedSqliteEventLogStorage, cursor: int) -> list[tuple[int, str]]:
    """The events of key figures after a cursor: storage id and partition."""
    wanted = dg.EventRecordsFilter(Type.ASSET_MATERIALIZATION, KPIS, after_cursor=cursor)
    return [(r.storage_id, str(r.partition_key)) for r in storage.get_event_records(wanted, ascending=True)]


BATCH = [*(f"S{n:03d}" for n in range(300))]


def write_and_die(folder: Path, commit: int) -> None:
    """A batch of a run whose process is killed when it is about to commit for the n-th time."""
    storage = BatchedSqliteEventLogStorage(str(folder))
    storage.get_records_for_run("run-1")
    storage.get_materialized_partitions(KPIS)
    left = iter(range(commit - 1, -1, -1))

    def die(_connection: sql.Connection) -> None:
        if next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sql.event.listen(sql.Engine, "commit", die)
    storage.store_event_batch([materialized(KPIS, key, "run-1", 1.0) for key in BATCH])


@pytest.mark.parametrize(("commit", "in_the_log_of_the_run"), [(1, 0), (2, 300)])
def test_of_a_batch_whose_process_is_killed_the_assets_show_nothing(
    storage: BatchedSqliteEventLogStorage, commit: int, in_the_log_of_the_run: int
) -> None:
    """The shard of the run is committed first, the index that assets are read from last: each whole or not at all."""
    folder = Path(storage.path_for_shard("index")).parent
    storage.store_event_batch([materialized(KPIS, "before", "run-1", 0.5)])
    writer = fork.Process(target=write_and_die, args=(folder, commit))
    writer.start()
    writer.join()
    assert writer.exitcode == -signal.SIGKILL
    for log in (storage, SqliteEventLogStorage(str(folder))):
        assert log.get_materialized_partitions(KPIS) == {"before"}
        assert len(log.get_records_for_run("run-1").records) == 1 + in_the_log_of_the_run
    storage.store_event_batch([materialized(KPIS, key, "run-2", 2.0) for key in BATCH])
    for log in (storage, SqliteEventLogStorage(str(folder))):
        assert log.get_materialized_partitions(KPIS) == {"before", *BATCH}


@dg.multi_asset(
    specs=[dg.AssetSpec(name, partitions_def=STORES, skippable=True) for name in ("product_kpis", "clean_sales")],
    check_specs=[dg.AssetCheckSpec("sums", asset="clean_sales")],
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def half_way() -> Iterator[Any]:
    context = dg.AssetExecutionContext.get()
    yield dg.MaterializeResult("clean_sales", check_results=[dg.AssetCheckResult(passed=True)])
    context.log_event(dg.AssetMaterialization("product_kpis", partition="S002", metadata={"rows": 3}))
    context.log_event(dg.AssetObservation("product_kpis", partition="S003"))
    raise dg.Failure("half way")


@pytest.mark.filterwarnings("ignore:.*log_event:DeprecationWarning")
def test_a_run_that_fails_half_way_keeps_what_it_had_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    for stock in (True, False):
        with make_instance(tmp_path / f"stock-{stock}", monkeypatch, stock=stock) as instance:
            instance.add_dynamic_partitions("store", KEYS)
            tags = dict(zip(("dagster/asset_partition_range_start", "dagster/asset_partition_range_end"),
                            (KEYS[0], KEYS[-1]), strict=True))  # fmt: skip
            run = (
                dg.Definitions([half_way])
                .resolve_implicit_global_asset_job_def()
                .execute_in_process(instance=instance, tags=tags, raise_on_error=False, run_config=QUIET)
            )
            entries = [record.event_log_entry for record in instance.get_records_for_run(run.run_id).records]
            status = get_and_update_asset_status_cache_value(instance, KPIS, STORES)
            assert status is not None
            told.append(
                {
                    "log": [(e.dagster_event_type, e.step_key, asset_of(e)) for e in entries],
                    "run": run.dagster_run.status,
                    "now": instance.get_run_by_id(run.run_id).status,
                    "there": {asset: instance.get_materialized_partitions(asset) for asset in (KPIS, SALES)},
                    "failed": sorted(status.deserialize_failed_partition_subsets(STORES).get_partition_keys()),
                    "stats": instance.get_run_stats(run.run_id).materializations,
                }
            )
    assert told[1] == told[0]
    assert told[1]["now"] is dg.DagsterRunStatus.FAILURE
    assert told[1]["there"] == {KPIS: {"S002"}, SALES: set(KEYS)}
    assert told[1]["failed"] == ["S001", "S003"]


def asset_of(entry: Any) -> object:
    """The asset and partition that an event speaks of."""
    event = entry.dagster_event
    return event and (event.asset_key, event.partition if event.asset_key else None)


def test_the_stock_log_reads_our_files_and_we_read_its(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Falling back is a block less in dagster.yaml: everything answers as before, and so it does on the way back."""
    home = tmp_path / "home"
    told = []
    with make_instance(home, monkeypatch) as instance:
        instance.add_dynamic_partitions("store", KEYS)
        for batch in HISTORY:
            instance.event_log_storage.store_event_batch(batch)
        instance.wipe_asset_partitions(SALES, ["S002"])
        instance.event_log_storage.store_event_batch([materialized(SALES, "S003", "", 50.0)])
        told.append(all_answers(instance))
    for stock in (True, False):
        with make_instance(home, monkeypatch, stock=stock) as instance:
            assert isinstance(instance.event_log_storage, BatchedSqliteEventLogStorage) is not stock
            told.append(all_answers(instance))
    assert told[0] == told[1] == told[2]
    for stock, key in ((True, "S004"), (False, "S005"), (True, "S006")):
        with make_instance(home, monkeypatch, stock=stock) as instance:
            instance.event_log_storage.store_event_batch(
                [materialized(KPIS, key, "", 60.0), observed(KPIS, key, "", 61.0)]
            )
            last = instance.get_materialized_partitions(KPIS)
    assert last == {*KEYS, "S004", "S005", "S006"}


def all_answers(instance: dg.DagsterInstance) -> dict[dg.AssetKey, Any]:
    return {asset: answers(instance, asset, KEYS, [*RUNS, ""]) for asset in (KPIS, SALES)}
