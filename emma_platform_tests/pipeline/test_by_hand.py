"""What a person starts in the UI: partitions, rectangles, whole tables, backfills; exactly what was selected."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
import pytest
import yaml
from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import InProcessTestWorkspaceLoadTarget
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._daemon.backfill import execute_backfill_iteration

from emma_platform.recompute.ledger import partitions
from emma_platform.recompute.reporting import work_left
from emma_platform_tests.pipeline.dagster_home import DagsterHome, checks_of, materialised_in

KOELN = "K%C3%B6ln%2F2"
FORECASTS = ("sales_forecast", "sales_forecast_totals", "forecast_scores", "forecast_accuracy")


@pytest.fixture
def opened(home: DagsterHome) -> Iterator[tuple[DagsterHome, dg.DagsterInstance]]:
    with home.instance() as instance:
        yield home, instance


@pytest.mark.parametrize(
    ("tables", "partition", "expected"),
    [
        (["product_kpis"], "2026-01-10|S1", {"product_kpis": {"2026-01-10|S1"}}),
        (["raw_sales"], f"2026-01-11|{KOELN}", {"raw_sales": {f"2026-01-11|{KOELN}"}}),
        (
            ["clean_sales"],
            "2026-01-10|S1",
            {"clean_sales": {"2026-01-10|S1"}, "set_aside_rows": {"2026-01-10|S1"}},
        ),
        (
            ["sales_forecast"],
            KOELN,
            {table: {KOELN} for table in FORECASTS},
        ),
        (["price_recommendations"], "S1", {"price_recommendations": {"S1"}}),
        (["products"], None, {"products": {None}}),
        (["price_priors"], None, {"price_priors": {None}}),
        (["published"], None, {"published": {None}}),
        (["products", "published"], None, {"products": {None}, "published": {None}}),
        (["product_kpis"], "2026-03-10|S1", {}),
        (["raw_sales"], "2026-01-08|S1", {}),
        (["promotions"], None, {}),
    ],
)
def test_exactly_the_selected_partitions_are_computed_and_shown(
    opened: tuple[DagsterHome, dg.DagsterInstance],
    tables: list[str],
    partition: str | None,
    expected: dict[str, set[str | None]],
) -> None:
    home, instance = opened
    before = home.held()
    result = home.by_hand(instance, tables, partition)
    assert materialised_in(instance, result.run_id) == expected
    assert {table for table, _ in checks_of(instance, result.run_id)} == set(tables)
    assert all(check.passed for check in checks_of(instance, result.run_id).values())
    if tables != ["published"] and "published" not in tables:
        assert home.held() == before
    assert home.shown(instance) == home.held()


def test_a_rectangle_of_two_tables_is_one_run(opened: tuple[DagsterHome, dg.DagsterInstance]) -> None:
    home, instance = opened
    span = (f"2026-01-07|{KOELN}", "2026-01-09|S1")
    result = home.by_hand(instance, ["clean_sales", "product_kpis"], span=span)
    days = {f"2026-01-{day:02d}|{store}" for day in (7, 8, 9) for store in ("S1", KOELN)}
    sold = {key for key in days if "01-08" not in key}
    assert materialised_in(instance, result.run_id) == {
        "clean_sales": sold, "set_aside_rows": sold, "product_kpis": days,
    }  # fmt: skip
    assert home.shown(instance) == home.held()


def test_what_became_stale_is_computed_by_the_next_update(
    opened: tuple[DagsterHome, dg.DagsterInstance],
) -> None:
    home, instance = opened
    p = partitions.c
    with home.platform.ledger.transaction() as connection:
        # As if the lake's content had come from other sales, and the forecast had been made from it.
        of_store = partitions.update().where(p.store == "S1")
        day = of_store.where(p.table_name == "product_kpis", p.day == "2026-01-20")
        connection.execute(day.values(content="other", facet="other"))
        connection.execute(of_store.where(p.table_name == "sales_forecast").values(wanted="other", done="other"))
    result = home.by_hand(instance, ["product_kpis"], "2026-01-20|S1")
    assert materialised_in(instance, result.run_id) == {"product_kpis": {"2026-01-20|S1"}}
    assert work_left(home.platform.ledger)
    report = home.run()
    assert report.partitions["sales_forecast"] == 1
    assert "product_kpis" not in report.partitions
    assert not work_left(home.platform.ledger)
    assert home.shown(instance) == home.held()


@pytest.fixture
def daemon(
    home: DagsterHome, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[dg.DagsterInstance, WorkspaceProcessContext]]:
    """What the backfill daemon works with; runs are executed in this process when they are launched."""
    file = home.settings.dagster_home / "dagster.yaml"
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    config["run_launcher"] = {
        "module": "dagster._core.launcher.sync_in_memory_run_launcher", "class": "SyncInMemoryRunLauncher",
    }  # fmt: skip
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    monkeypatch.setenv("EMMA_FIRST_DAY", home.settings.first_day.isoformat())
    monkeypatch.setenv("EMMA_HOME", str(home.settings.home))
    monkeypatch.delitem(sys.modules, "emma_platform.definitions", raising=False)
    target = LoadableTargetOrigin(executable_path=sys.executable, module_name="emma_platform.definitions")
    origin = InProcessCodeLocationOrigin(target, location_name="emma_platform")
    with (
        home.instance() as instance,
        WorkspaceProcessContext(instance, InProcessTestWorkspaceLoadTarget(origin)) as context,
    ):
        yield instance, context
    monkeypatch.delitem(sys.modules, "emma_platform.definitions", raising=False)


def backfill(
    instance: dg.DagsterInstance, context: WorkspaceProcessContext, selected: Mapping[str, Sequence[str | None]]
) -> tuple[BulkActionStatus, dict[str, set[str | None]]]:
    """Ask for a backfill as the UI does and let the daemon's code work; how it ended, and what its runs told."""
    keys = {AssetKeyPartitionKey(dg.AssetKey(table), key) for table, keys in selected.items() for key in keys}
    with partition_loading_context(dynamic_partitions_store=instance):
        wanted = PartitionBackfill.from_asset_graph_subset(
            backfill_id=f"b{time.time_ns()}",
            asset_graph_subset=AssetGraphSubset.from_asset_partition_set(
                keys, context.create_request_context().asset_graph
            ),
            backfill_timestamp=time.time(),
            tags={}, dynamic_partitions_store=instance, title=None, description=None, run_config=None,
        )  # fmt: skip
    instance.add_backfill(wanted)
    for _ in range(10):
        assert not [error for error in execute_backfill_iteration(context, logging.getLogger("backfill")) if error]
        for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])):
            instance.launch_run(run.run_id, context.create_request_context())
        found = instance.get_backfill(wanted.backfill_id)
        assert found is not None
        if found.status is not BulkActionStatus.REQUESTED:
            return found.status, _told(instance, wanted.backfill_id)
    raise AssertionError("the backfill does not end")


def _told(instance: dg.DagsterInstance, backfill_id: str) -> dict[str, set[str | None]]:
    told: dict[str, set[str | None]] = {}
    for run in instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": backfill_id})):
        assert run.status is dg.DagsterRunStatus.SUCCESS
        for table, keys in materialised_in(instance, run.run_id).items():
            assert not told.get(table, set()) & keys, "computed twice"
            told.setdefault(table, set()).update(keys)
    return told


def test_a_backfill_over_three_kinds_of_partitions(
    home: DagsterHome, daemon: tuple[dg.DagsterInstance, WorkspaceProcessContext]
) -> None:
    instance, context = daemon
    before = home.held()
    days = ["2026-01-07|S1", "2026-01-09|S1", f"2026-01-20|{KOELN}"]
    wanted = {"clean_sales": days, "product_kpis": days, "sales_forecast": ["S1"], "published": [None]}
    status, told = backfill(instance, context, wanted)
    assert status is BulkActionStatus.COMPLETED_SUCCESS
    assert told == {table: set(keys) for table, keys in wanted.items()} | {
        "set_aside_rows": set(days),
        **{table: {"S1"} for table in FORECASTS},
    }
    after = home.held()
    assert {**after, "published": None} == {**before, "published": None}
    assert home.shown(instance) == after


def test_a_backfill_over_a_closed_day_computes_the_others_and_names_it(
    home: DagsterHome, daemon: tuple[dg.DagsterInstance, WorkspaceProcessContext], caplog: pytest.LogCaptureFixture
) -> None:
    instance, context = daemon
    status, told = backfill(instance, context, {"raw_sales": [f"2026-01-{day:02d}|S1" for day in (7, 8, 9)]})
    assert told == {"raw_sales": {"2026-01-07|S1", "2026-01-09|S1"}}
    # Dagster has no word for a partition that is empty: a backfill calls it failed.
    assert status is BulkActionStatus.COMPLETED_FAILED
    assert "- raw_sales: {2026-01-08|S1}" in caplog.text
    assert home.shown(instance) == home.held()
