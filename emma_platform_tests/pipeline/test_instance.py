"""The instance that dagster.yaml describes, and the parts of Dagster that it stands on."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.instance import InstanceRef
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._serdes import deserialize_value, serialize_value

from emma_platform.pipeline.event_log import BatchedSqliteEventLogStorage

TESTED = "1.13."
"""The minor version of Dagster whose private methods the batched event log was written against."""
OVERRIDDEN = {
    "_connect": ["self", "shard"],
    "config_type": [],
    "from_config_value": ["inst_data", "config_value"],
    "has_table": ["self", "table_name"],
    "store_event_batch": ["self", "events"],
    "update_asset_cached_status_data": ["self", "asset_key", "cache_values"],
    "wipe_asset_partitions": ["self", "asset_key", "partition_keys"],
}
CALLED = {
    "_event_to_row": ["self", "event"],
    "_store_asset_event": ["self", "conn", "event", "event_id"],
    "_store_asset_event_tags": ["self", "conn", "events", "event_ids"],
    "index_connection": ["self"],
    "store_asset_check_event": ["self", "event", "event_id"],
}


@pytest.mark.parametrize("name", [*OVERRIDDEN, *CALLED])
def test_dagster_has_what_the_batched_event_log_overrides_and_calls(name: str) -> None:
    way_out = (
        f"Dagster {dg.__version__}: SqliteEventLogStorage.{name} is not what it was in {TESTED}x. Fit "
        "pipeline/event_log.py to it, or take the block event_log_storage out of dagster.yaml."
    )
    method = getattr(SqliteEventLogStorage, name, None)
    assert method is not None, way_out
    assert list(inspect.signature(method).parameters) == (OVERRIDDEN | CALLED)[name], way_out
    assert (name in vars(BatchedSqliteEventLogStorage)) == (name in OVERRIDDEN)


def test_dagster_is_of_the_minor_version_that_the_batched_event_log_was_written_against() -> None:
    assert dg.__version__.startswith(TESTED), (
        f"Dagster is {dg.__version__}, the batched event log was tested on {TESTED}x. Read what changed in "
        "dagster/_core/storage/event_log, run these tests, then raise TESTED and the pin in pyproject.toml."
    )


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
    reference = deserialize_value(serialize_value(instance.get_ref()), InstanceRef)
    with dg.DagsterInstance.from_ref(reference) as again:
        assert isinstance(again.event_log_storage, BatchedSqliteEventLogStorage)
    shutil.rmtree(instance.root_directory)
