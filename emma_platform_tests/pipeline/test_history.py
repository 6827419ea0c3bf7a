"""Old runs are forgotten, and what Dagster says of the present stays, on both event logs and in the UI."""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sql
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import AssetKeyTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.runs.schema import RunTagsTable
from dagster._core.test_utils import create_run_for_test, in_process_test_workspace
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster_graphql.schema import create_schema

from emma_platform.pipeline.history import ORPHAN_AGE, Forgotten, forget_old_runs
from emma_platform.pipeline.partitions import STORES
from emma_platform.recompute.platform import Silent
from emma_platform_tests.pipeline import shown_assets
from emma_platform_tests.pipeline.events import (
    KEYS,
    KPIS,
    SALES,
    Type,
    check_planned,
    checked,
    materialized,
    observed,
    planned,
    run_event,
)
from emma_platform_tests.pipeline.instances import make_instance
from emma_platform_tests.recompute.midway import At

ENDED = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}
RUNS = [f"9d4b2f0e-0000-4000-8000-00000000000{number}" for number in range(7)]
STUCK, FAILED = RUNS[1], RUNS[-1]


@pytest.fixture(params=["batched", "stock"])
def lived(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """Seven runs, of which the second never ends and the last fails, and reports of no run; on both event logs."""
    shutil.copytree(_lived_home(), tmp_path / "home")
    with make_instance(tmp_path / "home", monkeypatch, stock=request.param == "stock") as instance:
        yield instance


@cache
def _lived_home() -> Path:
    home = Path(tempfile.mkdtemp()) / "home"
    atexit.register(shutil.rmtree, home.parent)
    with pytest.MonkeyPatch.context() as patch, make_instance(home, patch) as instance:
        live(instance)
    return home


def live(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("store", KEYS)
    store = instance.event_log_storage.store_event_batch
    for number, run in enumerate(RUNS):
        status = {STUCK: dg.DagsterRunStatus.STARTED, FAILED: dg.DagsterRunStatus.FAILURE}
        create_run_for_test(
            instance, job_name="__ASSET_JOB", run_id=run, status=status.get(run, dg.DagsterRunStatus.SUCCESS),
            tags={"number": str(number)},
        )  # fmt: skip
        at, keys = 100.0 * number, KEYS[number % 3 :]
        store([run_event(Type.RUN_START, run, at)])
        store([*(planned(KPIS, key, run, at + 1) for key in keys), planned(SALES, None, run, at + 1)])
        store([check_planned(KPIS, set(), run, at + 2)])
        if run not in status:
            store([materialized(KPIS, key, run, at + 3, version=f"{number}") for key in keys])
            store([checked(KPIS, None, run, at + 4, passed=number % 2 == 0)])
            store([run_event(Type.RUN_SUCCESS, run, at + 5)])
        store([materialized(SALES, KEYS[number % 3], "", at + 6, version=f"{number}")])
        store([observed(SALES, KEYS[0], "", at + 7)])


def said_of_the_present(instance: dg.DagsterInstance) -> dict[dg.AssetKey, dict[str, Any]]:
    """What Dagster's own interface says of how things stand now, the status of partitions from the events alone."""
    with _index(instance) as index:
        index.execute(AssetKeyTable.update().values(cached_status_data=None))
    return {asset: _said(instance, asset) for asset in (KPIS, SALES)}


def _said(instance: dg.DagsterInstance, asset: dg.AssetKey) -> dict[str, Any]:
    events, check = instance.event_log_storage, dg.AssetCheckKey(asset, "sums")
    (record,) = instance.get_asset_records([asset])
    kinds = (Type.ASSET_MATERIALIZATION, Type.ASSET_OBSERVATION, Type.ASSET_MATERIALIZATION_PLANNED)
    return {
        "record": (record.storage_id, record.asset_entry.last_materialization_record, record.asset_entry.last_run_id),
        "status": get_and_update_asset_status_cache_value(instance, asset, STORES),
        "partitions": instance.get_materialized_partitions(asset),
        "latest": [events.get_latest_storage_id_by_partition(asset, kind) for kind in kinds],
        "latest events": events.get_latest_materialization_events([asset]),
        "one partition": [
            instance.fetch_materializations(dg.AssetRecordsFilter(asset, asset_partitions=[key]), limit=1).records
            for key in KEYS
        ],
        "tags": events.get_latest_tags_by_partition(asset, kinds[0], ["dagster/data_version"]),
        "data version": [instance.get_latest_data_version_record(asset, partition_key=key) for key in KEYS],
        "unfinished": events.get_latest_asset_partition_materialization_attempts_without_materializations(asset),
        "planned": instance.get_latest_planned_materialization_info(asset),
        "check": [found.event for found in events.get_latest_asset_check_execution_by_key([check]).values()],
        "check summary": [
            (found.last_run_id, found.last_check_execution_record and found.last_check_execution_record.event)
            for found in events.get_asset_check_summary_records([check]).values()
        ],
        "last result": [
            found.event
            for found in events.get_asset_check_execution_history(check, limit=1, status=set(ENDED))
        ],
        "check by partition": events.get_asset_check_partition_info([check]),
        "highest id": events.get_maximum_record_id(),
    }  # fmt: skip


def _index(instance: dg.DagsterInstance) -> AbstractContextManager[sql.Connection]:
    storage = instance.event_log_storage
    assert isinstance(storage, SqliteEventLogStorage)
    return storage.index_connection()


def logs(instance: dg.DagsterInstance) -> set[str]:
    """The runs that have a log of their own."""
    storage = instance.event_log_storage
    assert isinstance(storage, SqliteEventLogStorage)
    folder = Path(storage.path_for_shard("index")).parent
    return {path.stem for path in folder.glob("*-*.db")}


def event_ids(instance: dg.DagsterInstance) -> Sequence[int]:
    with _index(instance) as index:
        return index.scalars(sql.select(SqlEventLogStorageTable.c.id)).all()


@pytest.mark.parametrize("keep", [1, 4])
def test_old_runs_go_and_dagster_says_the_same_of_the_present(lived: dg.DagsterInstance, keep: int) -> None:
    before, count = said_of_the_present(lived), len(event_ids(lived))
    of_kept = [lived.all_logs(run) for run in RUNS[-keep:]]
    done = forget_old_runs(lived, keep, Silent())
    assert done.runs == len(RUNS) - len({*RUNS[-keep:], STUCK})
    left = {*RUNS[-keep:], STUCK}
    assert set(lived.get_run_ids()) == left
    assert logs(lived) == left
    assert [lived.all_logs(run) for run in RUNS[-keep:]] == of_kept
    after = said_of_the_present(lived)
    for asset, answers in before.items():
        for question, answer in answers.items():
            assert after[asset][question] == answer, (asset, question)
    assert len(event_ids(lived)) < count
    assert forget_old_runs(lived, keep, Silent()) == Forgotten()


def test_without_a_run_that_never_ends_only_the_present_is_left(lived: dg.DagsterInstance) -> None:
    (stuck,) = lived.get_runs(dg.RunsFilter(run_ids=[STUCK]))
    lived.report_run_failed(stuck)
    before = said_of_the_present(lived)
    forget_old_runs(lived, 1, Silent())
    assert said_of_the_present(lived) == before
    # Each asset and partition: its newest materialisation, plan and observation, whatever run they are of.
    kept = lived.event_log_storage.get_maximum_record_id()
    assert kept == max(event_ids(lived))
    older = len(event_ids(lived)) - len(list(_of_run(lived, RUNS[-1])))
    assert older <= 3 * len(KEYS) + 3
    with _runs(lived) as connection:
        assert set(connection.scalars(sql.select(RunTagsTable.c.run_id))) == {RUNS[-1]}


def _of_run(instance: dg.DagsterInstance, run: str) -> Sequence[int]:
    with _index(instance) as index:
        log = SqlEventLogStorageTable.c
        return index.scalars(sql.select(log.id).where(log.run_id == run)).all()


def _runs(instance: dg.DagsterInstance) -> Any:
    storage = instance.run_storage
    assert isinstance(storage, SqliteRunStorage)
    return storage.connect()


def test_what_comes_afterwards_lies_behind_every_cursor(lived: dg.DagsterInstance) -> None:
    cursor = lived.event_log_storage.get_maximum_record_id()
    forget_old_runs(lived, 1, Silent())
    lived.event_log_storage.store_event_batch([materialized(KPIS, "S002", "", 900.0)])
    assert lived.get_materialized_partitions(KPIS, after_cursor=cursor) == {"S002"}


def test_fewer_runs_than_are_kept_stay_with_all_their_events(lived: dg.DagsterInstance) -> None:
    before = event_ids(lived)
    done = forget_old_runs(lived, len(RUNS), Silent())
    assert (done.runs, set(lived.get_run_ids())) == (0, set(RUNS))
    # The reports of no run from before the first run would go; there are none.
    assert event_ids(lived) == before


class Killed(BaseException):
    """Nothing after it is done."""


def _kill() -> None:
    raise Killed


def test_a_kill_at_any_step_is_completed_by_the_next_maintenance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher, left = At(), []
    shutil.copytree(_lived_home(), tmp_path / "whole")
    with make_instance(tmp_path / "whole", monkeypatch) as instance:
        expected = said_of_the_present(instance)
        forget_old_runs(instance, 2, watcher)
        left.append((event_ids(instance), logs(instance), set(instance.get_run_ids())))
    for number, step in enumerate(dict.fromkeys(watcher.steps)):
        shutil.copytree(_lived_home(), tmp_path / str(number))
        with make_instance(tmp_path / str(number), monkeypatch) as instance:
            with pytest.raises(Killed):
                forget_old_runs(instance, 2, At(step, _kill))
            assert said_of_the_present(instance) == expected
            _age_logs(instance)
            forget_old_runs(instance, 2, Silent())
            assert said_of_the_present(instance) == expected
            left.append((event_ids(instance), logs(instance), set(instance.get_run_ids())))
    assert len(left) == len(set(watcher.steps)) + 1 > 4
    assert all(one == left[0] for one in left)


def _age_logs(instance: dg.DagsterInstance) -> None:
    """Let the logs of runs be old enough for it to be sure that nobody begins to write them."""
    storage = instance.event_log_storage
    assert isinstance(storage, SqliteEventLogStorage)
    at = time.time() - ORPHAN_AGE.total_seconds() - 1
    for path in Path(storage.path_for_shard("index")).parent.glob("*-*.db"):
        os.utime(path, (at, at))


def test_a_log_that_was_open_and_went_is_an_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(_lived_home(), tmp_path / "home")
    with make_instance(tmp_path / "home", monkeypatch) as ui:
        assert ui.all_logs(RUNS[0])
        with make_instance(tmp_path / "home", monkeypatch) as instance:
            forget_old_runs(instance, 1, Silent())
        assert list(ui.all_logs(RUNS[0])) == []
        assert ui.get_run_by_id(RUNS[0]) is None


QUERY = """
{
  assetNodes {
    assetKey { path }
    partitionStats { numMaterialized numFailed }
    latestMaterializationByPartition(partitions: ["S001", "S002", "S003"]) {
      partition runId timestamp runOrError { __typename } stepStats { stepKey } metadataEntries { label }
    }
    latestRunForPartition(partition: "S001") { runId }
    assetMaterializations(limit: 1) { partition runId runOrError { __typename } tags { key value } }
    assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization { runId status } } } }
  }
  runsOrError { ... on Runs { results { runId status } } }
}
"""


def _results(asset: dict[str, Any]) -> set[tuple[str, str]]:
    checks = asset["assetChecksOrError"].get("checks", [])
    shown = [(check["name"], check["executionForLatestMaterialization"]) for check in checks]
    return {(name, result["status"]) for name, result in shown if result}


def test_the_pages_of_the_ui_show_partitions_whose_run_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = LoadableTargetOrigin(module_name=shown_assets.__name__, attribute="definitions")
    schema = create_schema()
    shutil.copytree(_lived_home(), tmp_path / "home")
    with make_instance(tmp_path / "home", monkeypatch) as instance:

        def asked() -> list[dict[str, Any]]:
            with in_process_test_workspace(instance, origin) as context:
                answer = asyncio.run(schema.execute_async(QUERY, context_value=context))
            assert not answer.errors
            assert answer.data
            return sorted(answer.data["assetNodes"], key=str)

        before = asked()
        forget_old_runs(instance, 1, Silent())
        after = asked()
    for old, new in zip(before, after, strict=True):
        assert new["partitionStats"] == old["partitionStats"]
        # A check that a failed run planned and never evaluated counts against the run that materialised; without that
        # run's record Dagster shows no result instead of a failed one.
        assert _results(new) == _results(old) - {("sums", "EXECUTION_FAILED")}
        for was, now in zip(
            old["latestMaterializationByPartition"], new["latestMaterializationByPartition"], strict=True
        ):
            assert {**now, "runOrError": None, "stepStats": None} == {**was, "runOrError": None, "stepStats": None}
