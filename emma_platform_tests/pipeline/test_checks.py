"""The asset checks pass on a healthy home, find what was spoiled behind the ledger, and say what and how much."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from emma_platform.model.schema import Grain
from emma_platform.model.tables import KEPT, TABLES
from emma_platform.pipeline.checks import check_specs
from emma_platform.pipeline.report import report_checks
from emma_platform.store.protocol import Stores, Whole
from emma_platform_tests.pipeline.dagster_home import QUIET, DagsterHome, checks_of, lines, materialised_in


def execute_checks(
    home: DagsterHome, instance: dg.DagsterInstance, table: str
) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    """What the button *Execute checks* on a table's page starts."""
    keys = {spec.key for spec in check_specs() if spec.key.asset_key == dg.AssetKey(table)}
    job = home.definitions().resolve_implicit_global_asset_job_def()
    chosen = job.get_subset(asset_selection=set(), asset_check_selection=keys)
    result = chosen.execute_in_process(instance=instance, run_config=QUIET)
    assert materialised_in(instance, result.run_id) == {}
    return dict(checks_of(instance, result.run_id))


def spoil(home: DagsterHome, table: str, column: str, value: object) -> None:
    """Commit one value over a column of a table, as no batch would."""
    rows = home.platform.store.read(table)
    index = rows.schema.get_field_index(column)
    filled = pa.array([value] * rows.num_rows, rows.schema.field(index).type)
    replace = Whole() if TABLES[table].grain is Grain.WHOLE else Stores(frozenset(pc.unique(rows["store"]).to_pylist()))
    home.platform.store.commit(table, rows.set_column(index, rows.schema.field(index), filled), replace, {})


def test_a_batch_passes_every_check_and_says_what_it_looked_at(home: DagsterHome) -> None:
    home.sell("late.csv", *lines("S1", [7]))
    home.run()
    with home.instance() as instance:
        checks = checks_of(instance, instance.get_runs(limit=1)[0].run_id)
        shown = instance.event_log_storage.get_latest_asset_check_execution_by_key([spec.key for spec in check_specs()])
    assert set(checks) == {(spec.asset_key.to_user_string(), spec.name) for spec in check_specs()}
    assert {table for table, name in checks if name == "columns_and_key"} == set(KEPT)
    assert all(check.passed for check in checks.values())
    assert {record.status.value for record in shown.values()} == {"SUCCEEDED"}
    kpis = checks["product_kpis", "columns_and_key"].metadata
    assert (kpis["partitions"].value, kpis["rows"].value) == (27, 54)
    assert checks["clean_sales", "nothing_lost"].metadata["in"].value == 134


@pytest.mark.parametrize(
    ("table", "column", "value", "check", "rule"),
    [
        ("clean_sales", "revenue", Decimal(7), "business_rules", "revenue is quantity times price"),
        ("product_kpis", "abc_class", "D", "columns_and_key", "abc_class is one of the known values"),
        ("product_kpis", "product", "P1", "columns_and_key", "one row per store, day, product"),
        ("sales_forecast", "p10", 1e9, "business_rules", "quantiles are in order"),
        ("price_response", "elasticity", 0.5, "business_rules", "demand falls when the price rises"),
        ("products", "unit_cost", Decimal(-1), "columns_and_key", "unit_cost is at least 0"),
    ],
)
def test_a_spoiled_table_fails_its_check(
    home: DagsterHome, table: str, column: str, value: object, check: str, rule: str
) -> None:
    rows = home.platform.store.read(table).num_rows
    with home.instance() as instance:
        assert all(found.passed for found in execute_checks(home, instance, table).values())
        spoil(home, table, column, value)
        found = execute_checks(home, instance, table)[table, check]
    assert not found.passed
    assert found.metadata["rows"].value == rows
    assert 0 < found.metadata["broken"].value[rule] <= rows  # type: ignore[index, operator]


def test_a_result_stays_until_its_table_is_computed_again(home: DagsterHome) -> None:
    with home.instance() as instance:
        spoil(home, "sales_forecast", "p10", 1e9)
        assert not execute_checks(home, instance, "sales_forecast")["sales_forecast", "business_rules"].passed
        home.drop("stock.csv", "store,day,product,on_hand\n")
        home.run()  # the lake is put back, and nothing computed
        run = instance.get_runs(limit=1)[0].run_id
        assert not checks_of(instance, run)["sales_forecast", "business_rules"].passed
        assert checks_of(instance, run)["product_kpis", "columns_and_key"].metadata["rows"].value == 136
        home.by_hand(instance, ["sales_forecast"], "S1")
        run = instance.get_runs(limit=1)[0].run_id
        assert checks_of(instance, run)["sales_forecast", "business_rules"].passed


def test_a_publication_that_cannot_be_read_fails_its_check(home: DagsterHome) -> None:
    home.run()  # a home that was moved is published again, once
    max((home.settings.lake / "product_kpis").rglob("*.parquet")).unlink()
    with home.instance() as instance:
        found = execute_checks(home, instance, "published")["published", "readable"]
    assert not found.passed
    assert set(found.metadata["differing"].value) == {"product_kpis"}  # type: ignore[call-overload]


def test_checks_of_an_unknown_run_are_refused(tmp_path: Path, kept_environment: None) -> None:
    with DagsterHome(tmp_path / "home").instance() as instance, pytest.raises(ValueError, match="no run 'nobody'"):
        report_checks(instance, [], run_id="nobody", step_key="tables")
