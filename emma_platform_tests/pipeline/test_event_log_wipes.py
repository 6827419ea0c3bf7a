"""Partitions leave the batched event log as if they had never been made; the stock one cannot forget a partition."""

from __future__ import annotations

import dagster as dg

from emma_platform.pipeline.event_log import BatchedSqliteEventLogStorage
from emma_platform_tests.pipeline.events import KPIS, SALES, Type, checked, materialized, planned


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
