"""Maintenance as a job of Dagster, on a schedule and as a command."""

from __future__ import annotations

import dagster as dg
import pytest
from click.testing import CliRunner

from emma_platform.cli import main
from emma_platform.pipeline.alive import is_worked_on
from emma_platform.pipeline.maintenance import maintenance_schedule
from emma_platform.recompute.batch import WAITING
from emma_platform_tests.pipeline.dagster_home import QUIET, DagsterHome, lines
from emma_platform_tests.recompute.midway import At


def test_the_job_maintains_everything_and_dagster_shows_the_same(home: DagsterHome) -> None:
    home.change(kept_runs=2, kept_publications=1)
    for number in range(2):
        home.sell("late.csv", *lines("S1", [7], quantity=1 + number))
        home.run()
    with home.instance() as instance:
        shown, held = home.shown(instance), home.held()
        assert shown == held
        job = home.definitions().resolve_job_def("maintenance")
        result = job.execute_in_process(instance=instance, run_config=QUIET)
        assert result.success
        (metadata,) = [event.step_output_data.metadata for event in result.all_events if event.is_successful_output]
        assert metadata["deleted runs"].value == 2
        assert metadata["deleted events"].value > 0  # type: ignore[operator]
        assert set(instance.get_run_ids()) == {result.run_id, *instance.get_run_ids(limit=2)}
        assert home.shown(instance) == shown
        home.sell("late.csv", *lines("S1", [7], quantity=9))
    home.run()
    with home.instance() as instance:
        assert home.shown(instance) == home.held() != held


def test_its_run_counts_as_worked_on_and_waits_for_the_pool_of_the_lake(home: DagsterHome) -> None:
    at_work: list[bool] = []
    watcher = At("maintenance: begun", lambda: at_work.append(is_worked_on(home.settings, home_run(home))))
    with home.instance() as instance:
        job = home.definitions(watcher).resolve_job_def("maintenance")
        result = job.execute_in_process(instance=instance, run_config=QUIET)
        assert result.success
    assert at_work == [True]
    assert not is_worked_on(home.settings, result.run_id)
    assert [node.definition.pools for node in job.nodes] == [{"lake"}]
    assert WAITING not in watcher.steps


def home_run(home: DagsterHome) -> str:
    """The newest run."""
    with home.instance() as instance:
        return instance.get_run_ids(limit=1)[0]


def test_a_schedule_that_is_on_by_itself_starts_it_at_the_hour_of_the_settings(home: DagsterHome) -> None:
    home.change(maintenance_cron="15 2 * * 0")
    (schedule,) = home.definitions().schedules or []
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("15 2 * * 0", "UTC")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert schedule.job_name == "maintenance"
    with pytest.raises(dg.DagsterInvalidDefinitionError, match="maintenance"):
        maintenance_schedule("at night")


def test_emma_maintain_does_the_same_and_says_what_it_did(home: DagsterHome) -> None:
    home.sell("late.csv", *lines("S1", [7]))
    home.run()
    home.platform.ledger.close()
    environment = {"EMMA_KEPT_RUNS": "1", "EMMA_FIRST_DAY": "2020-01-01"}
    done = CliRunner().invoke(main, ["maintain", "--home", str(home.settings.home)], env=environment)
    assert done.exit_code == 0, done.output
    assert "1 runs and" in done.output
    assert "rows of the ledger" in done.output
    with home.instance() as instance:
        assert len(instance.get_run_ids()) == 1
        assert home.shown(instance) == home.held()
    said = CliRunner().invoke(main, ["status", "--home", str(home.settings.home)])
    assert "maintenance: last 20" in said.output
