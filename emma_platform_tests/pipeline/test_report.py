"""Dagster's own status, record and asset pages read what was reported, on both event logs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from emma_platform.model.partitions import StoreDay
from emma_platform.pipeline.partitions import store_days
from emma_platform.pipeline.report import PartitionEvent, add_stores, remove_partitions, report_partitions
from emma_platform_tests.pipeline.instances import make_instance

FIRST_DAY = date(2026, 1, 1)
KPIS = dg.AssetKey("product_kpis")
DAYS = store_days(FIRST_DAY)


@pytest.fixture(params=["batched", "stock"])
def instance(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    with make_instance(tmp_path / "home", monkeypatch, stock=request.param == "stock") as made:
        yield made


def is_stock(instance: dg.DagsterInstance) -> bool:
    return type(instance.event_log_storage).__name__ == "SqliteEventLogStorage"


def kpis(store: str, day: int, *, rows: int = 7, version: str = "v1", run_id: str = "") -> PartitionEvent:
    key = StoreDay(store, FIRST_DAY + timedelta(days=day)).key
    return PartitionEvent(asset="product_kpis", partition=key, rows=rows, data_version=version, run_id=run_id)


def materialised(instance: dg.DagsterInstance) -> set[str]:
    """The partitions that the asset's page shows as materialised."""
    status = get_and_update_asset_status_cache_value(instance, KPIS, DAYS)
    assert status is not None
    return set(status.deserialize_materialized_partition_subsets(DAYS).get_partition_keys())


def latest(instance: dg.DagsterInstance, asset: str, partition: str | None = None) -> dg.AssetMaterialization:
    keys = [partition] if partition else None
    records = instance.fetch_materializations(dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=keys), limit=1)
    materialization = records.records[0].asset_materialization
    assert materialization is not None
    return materialization


def test_reported_partitions_are_materialised_and_say_what_they_hold(instance: dg.DagsterInstance) -> None:
    add_stores(instance, ["S001", "Köln 1/2"])
    events = [kpis(store, day, rows=day) for store in ("S001", "Köln 1/2") for day in (0, 1, 5)]
    report_partitions(instance, [*events, PartitionEvent("published", None, rows=13, data_version="p")])
    assert materialised(instance) == {event.partition for event in events}
    report_partitions(instance, [kpis("Köln 1/2", 1, rows=41, version="v2"), kpis("Köln 1/2", 6)])
    assert materialised(instance) == {*(event.partition for event in events), "2026-01-07|K%C3%B6ln%201%2F2"}
    corrected = latest(instance, "product_kpis", "2026-01-02|K%C3%B6ln%201%2F2")
    assert corrected.metadata == {"dagster/partition_row_count": dg.MetadataValue.int(41)}
    assert corrected.tags == {"dagster/data_version": "v2"}
    versions = instance.event_log_storage.get_latest_tags_by_partition(
        KPIS, dg.DagsterEventType.ASSET_MATERIALIZATION, ["dagster/data_version"], ["2026-01-02|K%C3%B6ln%201%2F2"]
    )
    assert versions == {"2026-01-02|K%C3%B6ln%201%2F2": {"dagster/data_version": "v2"}}
    assert latest(instance, "published").metadata == {"dagster/row_count": dg.MetadataValue.int(13)}


def test_the_runs_page_lists_its_partitions_and_the_assets_page_leads_to_the_run(instance: dg.DagsterInstance) -> None:
    @dg.multi_asset(specs=[dg.AssetSpec("product_kpis", partitions_def=DAYS, skippable=True)])
    def batch(context):
        events = [kpis("S001", day, run_id=context.run.run_id) for day in range(3)]
        report_partitions(context.instance, events, step_key="batch")

    batch_job = dg.Definitions([batch]).resolve_implicit_global_asset_job_def()
    add_stores(instance, ["S001"])
    result = batch_job.execute_in_process(instance=instance)
    assert instance.event_log_storage.get_records_for_run(
        result.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
    ).records
    [record] = instance.get_asset_records([KPIS])
    assert record.asset_entry.last_run_id == result.run_id
    latest_record = record.asset_entry.last_materialization_record
    assert latest_record is not None
    assert latest_record.event_log_entry.step_key == "batch"
    assert latest_record.event_log_entry.job_name == result.dagster_run.job_name
    assert materialised(instance) == {"2026-01-01|S001", "2026-01-02|S001", "2026-01-03|S001"}


def test_a_run_that_dagster_does_not_know_is_named_and_nothing_reported(instance: dg.DagsterInstance) -> None:
    with pytest.raises(ValueError, match="no run 'nobody'"):
        report_partitions(instance, [kpis("S001", 0), kpis("S001", 1, run_id="nobody")])
    assert not instance.has_asset_key(KPIS)


def test_more_than_one_batch_is_reported_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with make_instance(tmp_path / "home", monkeypatch) as instance:
        add_stores(instance, [f"S{n:03d}" for n in range(80)])
        events = [kpis(f"S{n:03d}", day, version="old") for n in range(80) for day in range(30)]
        report_partitions(instance, [*events, kpis("S000", 0, version="new")])
        assert len(materialised(instance)) == 2_400
        assert latest(instance, "product_kpis", "2026-01-01|S000").tags == {"dagster/data_version": "new"}
        report_partitions(instance, [])


def test_removed_partitions_are_missing_or_at_least_empty(instance: dg.DagsterInstance) -> None:
    add_stores(instance, ["S001"])
    report_partitions(instance, [kpis("S001", day) for day in range(4)])
    assert len(materialised(instance)) == 4
    gone = ["2026-01-02|S001", "2026-01-04|S001"]
    remove_partitions(instance, {"product_kpis": gone, "clean_sales": ["2026-01-02|S001"]})
    if is_stock(instance):
        empty = {"dagster/partition_row_count": dg.MetadataValue.int(0)}
        assert [latest(instance, "product_kpis", key).metadata for key in gone] == [empty, empty]
    else:
        assert materialised(instance) == {"2026-01-01|S001", "2026-01-03|S001"}
        assert latest(instance, "product_kpis").partition == "2026-01-03|S001"
        report_partitions(instance, [kpis("S001", 3)])
        assert materialised(instance) == {"2026-01-01|S001", "2026-01-03|S001", "2026-01-04|S001"}


def test_stores_are_added_once_in_their_safe_spelling(instance: dg.DagsterInstance) -> None:
    assert add_stores(instance, ["S002", "S001", "Köln"]) == ("K%C3%B6ln", "S001", "S002")
    assert add_stores(instance, iter(["S001", "a|b"])) == ("a%7Cb",)
    assert add_stores(instance, ["S001"]) == ()
    assert instance.get_dynamic_partitions("store") == ["K%C3%B6ln", "S001", "S002", "a%7Cb"]


def test_a_status_read_before_partitions_went_never_brings_them_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_instance(tmp_path / "home", monkeypatch) as instance:
        add_stores(instance, ["S001"])
        report_partitions(instance, [kpis("S001", day) for day in range(3)])
        # The UI reads it, the run takes a partition away, and only then the UI writes it back.
        read = get_and_update_asset_status_cache_value(instance, KPIS, DAYS)
        assert read is not None
        remove_partitions(instance, {"product_kpis": ["2026-01-02|S001"]})
        instance.update_asset_cached_status_data(KPIS, read)
        assert materialised(instance) == {"2026-01-01|S001", "2026-01-03|S001"}
        report_partitions(instance, [kpis("S001", 5)])
        instance.update_asset_cached_status_data(KPIS, read)
        assert materialised(instance) == {"2026-01-01|S001", "2026-01-03|S001", "2026-01-06|S001"}
        [record] = instance.get_asset_records([KPIS])
        kept = record.asset_entry.cached_status
        assert kept is not None, "the status is kept again"
        assert len(kept.deserialize_materialized_partition_subsets(DAYS).get_partition_keys()) == 3
