"""The entry point loads, as Dagster's own command loads it, and starts on an empty and on a filled home."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest

from emma_platform.model.tables import TABLES
from emma_platform.pipeline.build import build_definitions, partitions_start
from emma_platform.pipeline.resources import Home
from emma_platform.recompute.ledger import Ledger, upsert
from emma_platform.recompute.ledger import partitions as partitions_table
from emma_platform.settings import Settings

PROJECT = Path(__file__).parents[1]


def test_dagster_validates_the_workspace(tmp_path: Path) -> None:
    command = [Path(sys.executable).with_name("dagster"), "definitions", "validate", "-w", PROJECT / "workspace.yaml"]
    environment = os.environ | {"EMMA_HOME": str(tmp_path / "home"), "DAGSTER_HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Validation successful for code location emma_platform" in done.stdout + done.stderr
    assert not (tmp_path / "home").exists(), "to look at the definitions makes nothing"


def test_the_definitions_hold_one_step_one_sensor_and_run_in_one_process(tmp_path: Path) -> None:
    definitions = build_definitions(Home(Settings(home=tmp_path / "home")))
    dg.Definitions.validate_loadable(definitions)
    assert {spec.key.to_user_string() for spec in definitions.resolve_all_asset_specs()} == set(TABLES)
    job = definitions.resolve_implicit_global_asset_job_def()
    assert [node.name for node in job.nodes] == ["tables"]
    assert job.executor_def is dg.in_process_executor
    [sensor] = definitions.sensors or []
    assert isinstance(sensor, dg.SensorDefinition)
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds == 5


@pytest.mark.parametrize("data", [None, "2011-05-17"])
def test_the_first_day_shown_is_the_start_of_the_first_year_with_data(tmp_path: Path, data: str | None) -> None:
    settings = Settings(home=tmp_path)
    expected = date(datetime.now(UTC).year - 1, 1, 1)
    if data:
        expected = date(2011, 1, 1)
        ledger = Ledger(settings.ledger)
        with ledger.transaction() as connection:
            row = {"table_name": "raw_sales", "store": "S1", "day": data, "wanted": "x", "done": "x"}
            upsert(connection, partitions_table, [row])
        ledger.close()
    assert partitions_start(settings) == expected
    assert partitions_start(Settings(home=tmp_path, first_day=date(2020, 2, 3))) == date(2020, 2, 3)
