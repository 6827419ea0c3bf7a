"""Dagster tells the truth: what it shows as materialised is what the ledger holds, after every kind of run."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from emma_platform.pipeline import assets
from emma_platform.recompute.reporting import work_left
from emma_platform_tests.pipeline.dagster_home import DAYS, DagsterHome, lines, materialised_in


def last_run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    return instance.get_runs(limit=1)[0]


def test_an_update_reports_exactly_what_the_ledger_holds(home: DagsterHome) -> None:
    with home.instance() as instance:
        shown = home.shown(instance)
    assert shown == home.held()
    assert set(shown["raw_sales"]) == {
        f"2026-{1 + day // 31:02d}-{1 + day % 31:02d}|{store}" for day in DAYS for store in ("S1", "K%C3%B6ln%2F2")
    }
    assert shown["raw_sales"]["2026-01-01|S1"][0] == 2


def test_a_corrected_file_that_takes_a_day_away_is_shown(home: DagsterHome) -> None:
    home.sell("sales-0.csv", *lines("S1", DAYS[:-1], quantity=5))
    report = home.run()
    with home.instance() as instance:
        shown = home.shown(instance)
        told = materialised_in(instance, last_run(instance).run_id)
    assert shown == home.held()
    assert "2026-02-03|S1" not in shown["raw_sales"]
    assert "2026-02-03|S1" not in shown["product_kpis"]
    assert "2026-02-03|K%C3%B6ln%2F2" in shown["product_kpis"]
    assert told["sales_forecast"] == {"S1"}
    assert report.partitions["raw_sales"] == len(DAYS)


def test_nothing_new_materialises_nothing(home: DagsterHome) -> None:
    home.run()  # a home that was moved is published again, once
    with home.instance() as instance:
        before = home.shown(instance)
    report = home.run()
    assert report.partitions == {}
    with home.instance() as instance:
        assert materialised_in(instance, last_run(instance).run_id) == {}
        assert home.shown(instance) == before == home.held()


def test_a_crash_between_ledger_and_report_is_repaired_by_the_next_run(
    home: DagsterHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.sell("late.csv", *lines("S1", [7]))
    with monkeypatch.context() as broken:
        broken.setattr(assets, "report_partitions", _power_cut)
        with pytest.raises(PowerCut):
            home.run()
    with home.instance() as instance:
        assert last_run(instance).status is dg.DagsterRunStatus.FAILURE
        assert home.shown(instance) != home.held()
    assert work_left(home.platform.ledger)
    report = home.run()
    assert report.partitions == {}
    with home.instance() as instance:
        assert home.shown(instance) == home.held()
    assert not work_left(home.platform.ledger)


class PowerCut(BaseException):
    """Not an error that a step would try again."""


def _power_cut(*_arguments: object, **_options: object) -> None:
    raise PowerCut


def test_a_partition_is_unsynced_only_while_its_input_differs(home: DagsterHome) -> None:
    kpis, early, other = dg.AssetKey("product_kpis"), "2026-01-20|S1", "2026-01-20|K%C3%B6ln%2F2"

    def status(instance: dg.DagsterInstance, asset: dg.AssetKey, partition: str | None) -> str:
        graph = home.definitions().resolve_asset_graph()
        resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
        return resolver.get_status(asset, partition).value

    with home.instance() as instance:
        # Its window holds a day that was closed, and there are neither stock nor stores.
        assert status(instance, kpis, early) == "FRESH"
        assert status(instance, dg.AssetKey("sales_forecast"), "S1") == "FRESH"
        home.by_hand(instance, ["clean_sales"], "2026-01-20|S1")
        assert status(instance, kpis, early) == "FRESH"
    home.sell("late.csv", *lines("S1", [7]))
    home.run()
    with home.instance() as instance:
        for partition in (early, other):
            assert status(instance, kpis, partition) == "FRESH"
        assert status(instance, dg.AssetKey("price_priors"), None) == "FRESH"
        assert status(instance, dg.AssetKey("published"), None) == "FRESH"


def test_a_failed_batch_is_a_failed_run_that_names_the_error(home: DagsterHome) -> None:
    lake = home.settings.lake / "clean_sales" / "_delta_log"
    for entry in lake.iterdir():
        entry.write_text("{not json", encoding="utf-8")
    home.sell("late.csv", *lines("S1", [7]))
    with pytest.raises(Exception, match="clean_sales"):
        home.run()
    with home.instance() as instance:
        assert last_run(instance).status is dg.DagsterRunStatus.FAILURE


def test_the_settings_choose_the_first_day(tmp_path: Path) -> None:
    spec = {s.key.to_user_string(): s for s in DagsterHome(tmp_path / "home").definitions().resolve_all_asset_specs()}
    assert "2020-01-01" in str(spec["raw_sales"].partitions_def)
