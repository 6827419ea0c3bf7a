"""The files sensor: one run for all that is new, none while one is pending, and an alert when runs keep failing."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing

import dagster as dg
import pytest
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from emma_platform.pipeline import sensors
from emma_platform.pipeline.alive import is_worked_on, working_on
from emma_platform.pipeline.resources import Home as HomeResource
from emma_platform.pipeline.sensors import PENDING, UPDATE_TAG, files_sensor
from emma_platform_tests.pipeline.dagster_home import DagsterHome, lines
from emma_platform_tests.recompute.home import HEADER


class Sensor:
    """The sensor with the cursor that its daemon would keep."""

    def __init__(self, home: DagsterHome, instance: dg.DagsterInstance) -> None:
        self.home = home
        self.instance = instance
        self.cursor: str | None = None

    def tick(self) -> dg.RunRequest | dg.SkipReason:
        resources = {"home": HomeResource(self.home.settings)}
        with dg.build_sensor_context(instance=self.instance, cursor=self.cursor, resources=resources) as context:
            answer = files_sensor(context)
            self.cursor = context.cursor
        assert isinstance(answer, dg.RunRequest | dg.SkipReason)
        return answer

    def asked(self) -> str:
        """The key of the run that it asks for."""
        answer = self.tick()
        assert isinstance(answer, dg.RunRequest), answer
        assert answer.tags == {UPDATE_TAG: "true"}
        assert answer.run_key
        return answer.run_key

    def skipped(self) -> str:
        """Why it asks for none."""
        answer = self.tick()
        assert isinstance(answer, dg.SkipReason), answer
        assert answer.skip_message
        return answer.skip_message


@pytest.fixture
def sensor(home: DagsterHome) -> Iterator[Sensor]:
    with home.instance() as instance:
        yield Sensor(home, instance)


def test_it_asks_for_one_run_for_many_files_and_rests_when_they_were_taken(sensor: Sensor) -> None:
    assert sensor.skipped() == "Nothing new."
    for day in range(20):
        sensor.home.sell(f"late/{day}.csv", *lines("S1", [40 + day]))
    asked = sensor.asked()
    sensor.home.run()
    assert sensor.skipped() == "Nothing new."
    sensor.home.sell("late/3.csv", *lines("S1", [43], quantity=9))
    assert sensor.asked() != asked


@pytest.mark.parametrize(("quiet", "taken"), [(1.0, True), (3_600.0, False)])
def test_a_file_that_is_ready_before_the_next_look_is_waited_for(sensor: Sensor, quiet: float, taken: bool) -> None:
    sensor.home.settings = sensor.home.settings.model_copy(update={"quiet_seconds": quiet})
    (sensor.home.settings.landing / "late.csv").write_text(HEADER + "".join(lines("S1", [40])))
    assert isinstance(sensor.tick(), dg.RunRequest) is taken


def test_every_run_that_has_not_ended_is_pending() -> None:
    assert {*PENDING, dg.DagsterRunStatus.SUSPENDED} == {*NOT_FINISHED_STATUSES, dg.DagsterRunStatus.SUSPENDED}


# A queued run needs a code server; the test of `emma dev` has one.
@pytest.mark.parametrize("status", [status for status in PENDING if status is not dg.DagsterRunStatus.QUEUED])
def test_it_waits_while_a_run_of_its_own_is_pending(
    sensor: Sensor, status: dg.DagsterRunStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "PENDING_SECONDS", 0.0)
    sensor.home.sell("late.csv", *lines("S1", [40]))
    job = sensor.home.definitions().resolve_implicit_global_asset_job_def()
    run = sensor.instance.create_run_for_job(job, tags={UPDATE_TAG: "true"}, status=status)
    sensor.instance.create_run_for_job(job, status=status)  # by hand: it waits for no such run
    assert sensor.skipped() == f"Run {run.run_id} is still pending."
    sensor.instance.report_run_canceled(run)
    sensor.asked()


def test_a_run_that_is_about_to_end_is_waited_for(sensor: Sensor) -> None:
    sensor.home.sell("late.csv", *lines("S1", [40]))
    job = sensor.home.definitions().resolve_implicit_global_asset_job_def()
    run = sensor.instance.create_run_for_job(job, tags={UPDATE_TAG: "true"}, status=dg.DagsterRunStatus.STARTED)
    ending = threading.Timer(0.5, sensor.instance.report_run_canceled, [run])
    ending.start()
    sensor.asked()
    ending.join()


@pytest.mark.parametrize("tags", [{UPDATE_TAG: "true"}, {}], ids=["its own", "by hand"])
def test_a_run_whose_process_died_holds_nobody_up(
    sensor: Sensor, tags: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "PENDING_SECONDS", 0.0)
    sensor.home.sell("late.csv", *lines("S1", [40]))
    job = sensor.home.definitions().resolve_implicit_global_asset_job_def()
    run = sensor.instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    _age(sensor.home)
    with working_on(sensor.home.settings, run.run_id):
        sensor.tick()
        assert _status(sensor, run) is dg.DagsterRunStatus.STARTED
    sensor.cursor = None
    sensor.asked()
    assert _status(sensor, run) is dg.DagsterRunStatus.FAILURE


def test_a_lock_whose_holder_was_killed_is_free(home: DagsterHome) -> None:
    hold = (
        "import os, sys; from pathlib import Path; from filelock import FileLock\n"
        "lock = FileLock(sys.argv[1]); lock.acquire(); print('held', flush=True); os.read(0, 1)"
    )
    lock = home.settings.dagster_home / "running" / "a-run.lock"
    lock.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-c", hold, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert is_worked_on(home.settings, "a-run")
        holder.kill()
    assert not is_worked_on(home.settings, "a-run")


def _status(sensor: Sensor, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    found = sensor.instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status


def _age(home: DagsterHome) -> None:
    """Let the last change of every run be two minutes ago."""
    with closing(sqlite3.connect(home.settings.dagster_home / "history" / "runs.db")) as connection, connection:
        connection.execute("update runs set update_timestamp = datetime('now', '-2 minutes')")


def test_failed_work_is_asked_for_again_up_to_a_limit_and_then_it_alerts(sensor: Sensor) -> None:
    sensor.home.sell("late.csv", *lines("S1", [40]))
    keys = [sensor.asked() for _ in range(sensor.home.settings.max_attempts)]
    assert len(set(keys)) == 3
    for _ in range(2):
        assert sensor.skipped().startswith("ALERT: 3 runs did not finish this work.")
    sensor.home.sell("another.csv", *lines("S1", [41]))
    assert sensor.asked() not in keys


def test_work_that_a_crash_left_is_asked_for_without_any_new_file(
    sensor: Sensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor.home.sell("late.csv", *lines("S1", [40]))
    with monkeypatch.context() as broken:
        broken.setattr("emma_platform.pipeline.assets.report_partitions", _fail)
        with pytest.raises(RuntimeError):
            sensor.home.run()
    sensor.asked()
    sensor.home.run()
    assert sensor.skipped() == "Nothing new."


def _fail(*_arguments: object, **_options: object) -> None:
    raise RuntimeError("the report fails")


def test_a_file_that_cannot_be_read_is_asked_for_until_it_counts_as_failing(sensor: Sensor) -> None:
    sensor.home.drop("broken.csv", "no,such,columns\n1,2,3\n")
    for _ in range(sensor.home.settings.max_attempts):
        sensor.asked()
        sensor.home.run()
    assert sensor.skipped() == "Nothing new."


def test_without_a_landing_folder_it_says_what_to_do(sensor: Sensor) -> None:
    shutil.rmtree(sensor.home.settings.landing)
    reason = sensor.skipped()
    assert str(sensor.home.settings.landing) in reason
    assert "mount" in reason or "make" in reason


def test_it_forgets_nothing_when_its_cursor_is_lost(sensor: Sensor) -> None:
    sensor.home.sell("late.csv", *lines("S1", [40]))
    asked = sensor.asked()
    assert json.loads(sensor.cursor or "")["tries"] == 1
    sensor.cursor = None
    assert sensor.asked() == asked  # the daemon starts no second run for the same key
