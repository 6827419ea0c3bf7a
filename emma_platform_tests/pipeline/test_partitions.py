"""Partition keys and mappings as Dagster's own asset graph resolves them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.definitions.partitions.context import partition_loading_context
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emma_platform.model.partitions import StoreDay
from emma_platform.pipeline.partitions import STORES, days_of_store, everything, store_days, trailing_days
from emma_platform.pipeline.report import add_stores

FIRST_DAY = date(2026, 1, 1)
DAYS = store_days(FIRST_DAY)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made, partition_loading_context(NOON, made):
        add_stores(made, ["S001", "S002"])
        yield made


KPIS_DEP = dg.AssetDep("clean_sales", partition_mapping=trailing_days())
FORECAST_DEP = dg.AssetDep("product_kpis", partition_mapping=days_of_store())
PRIORS_DEP = dg.AssetDep("forecast", partition_mapping=everything())


@dg.multi_asset(
    specs=[
        dg.AssetSpec("clean_sales", partitions_def=DAYS),
        dg.AssetSpec("product_kpis", deps=[KPIS_DEP], partitions_def=DAYS),
        dg.AssetSpec("forecast", deps=[FORECAST_DEP], partitions_def=STORES),
        dg.AssetSpec("priors", deps=[PRIORS_DEP]),
    ],
    can_subset=True,
)
def batch(): ...


@pytest.fixture(scope="module")
def asset_graph(instance: dg.DagsterInstance) -> object:
    return dg.Definitions([batch]).resolve_asset_graph()


def parents(asset_graph: object, child: str, key: str | None, parent: str) -> list[str]:
    result = asset_graph.get_parent_partition_keys_for_child(key, dg.AssetKey(parent), dg.AssetKey(child))  # type: ignore[attr-defined]
    assert not result.required_but_nonexistent_partition_keys
    return sorted(result.partitions_subset.get_partition_keys())


def test_a_kpi_day_reads_28_days_of_its_store(asset_graph: object) -> None:
    window = [StoreDay("S002", date(2026, 11, 22) - timedelta(days=back)).key for back in range(28)]
    assert parents(asset_graph, "product_kpis", "2026-11-22|S002", "clean_sales") == sorted(window)


def test_the_first_days_read_what_there_is(asset_graph: object) -> None:
    days = parents(asset_graph, "product_kpis", "2026-01-02|S001", "clean_sales")
    assert days == ["2026-01-01|S001", "2026-01-02|S001"]


def test_a_late_day_touches_28_kpi_days_of_its_store(asset_graph: object) -> None:
    touched = asset_graph.get_child_partition_keys_of_parent(  # type: ignore[attr-defined]
        "2026-05-01|S001", dg.AssetKey("clean_sales"), dg.AssetKey("product_kpis")
    )
    assert set(touched) == {StoreDay("S001", date(2026, 5, 1) + timedelta(days=on)).key for on in range(28)}


def test_a_forecast_reads_all_days_of_its_store_and_the_chain_all_stores(asset_graph: object) -> None:
    days = parents(asset_graph, "forecast", "S002", "product_kpis")
    assert days[0] == "2026-01-01|S002"
    assert {StoreDay.from_key(key).store for key in days} == {"S002"}
    assert parents(asset_graph, "priors", None, "forecast") == ["S001", "S002"]


def test_the_last_day_is_the_one_that_has_begun_in_the_east(instance: dg.DagsterInstance) -> None:
    keys = DAYS.get_partition_keys(current_time=NOON, dynamic_partitions_store=instance)
    assert keys[0] == "2026-01-01|S001"
    assert keys[-1] == "2026-11-23|S002"


@settings(max_examples=60, deadline=None)
@given(store=st.text(st.characters(exclude_categories=["Cs"]), max_size=40), day=st.integers(0, 300))
@example(store="", day=0)
@example(store="...", day=0)
@example(store="a|b, [c]\n\t\0~/..", day=1)
@example(store="店" * 400, day=2)
def test_every_store_name_makes_a_key_that_dagster_takes_apart_again(
    instance: dg.DagsterInstance, store: str, day: int
) -> None:
    store_day = StoreDay(store, FIRST_DAY + timedelta(days=day))
    add_stores(instance, [store])
    assert DAYS.has_partition_key(store_day.key)
    key = DAYS.get_partition_key_from_str(store_day.key)
    assert StoreDay.from_key(key) == store_day
    assert STORES.has_partition_key(key.keys_by_dimension["store"])
    assert key == store_day.key
