"""Runs of Dagster that are killed or fail anywhere: the next update completes the work, and Dagster tells the truth.

EMMA_TEST_KILLS sets how many runs are killed at a random instant.
"""

from __future__ import annotations

import os
import random
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from emma_platform.pipeline.event_log import BATCH_SIZE
from emma_platform.pipeline.run import run_update
from emma_platform_tests.forked import processes
from emma_platform_tests.pipeline import victims
from emma_platform_tests.pipeline.dagster_home import DagsterHome, lines
from emma_platform_tests.pipeline.victims import Twin
from emma_platform_tests.recompute import midway

KILLS = int(os.environ.get("EMMA_TEST_KILLS", "2"))
TELLING = [
    "dagster: batch named", "dagster: stores added", "dagster: partitions removed", "dagster: partitions reported",
    "dagster: told", "dagster: checks reported",
]  # fmt: skip
"""The steps of telling Dagster, in order."""
pytestmark = pytest.mark.usefixtures("kept_environment")


def started(target: object, *arguments: object) -> BaseProcess:
    process = processes.Process(target=target, args=arguments)  # type: ignore[arg-type]
    process.start()
    return process


def begun(deed: str, folder: Path) -> BaseProcess:
    """A process that is about to do something."""
    here, there = processes.Pipe(duplex=False)
    process = started(victims.do, deed, folder, there)
    there.close()
    here.recv()
    here.close()
    return process


def complete(twin: Twin) -> None:
    run_update(DagsterHome(twin.folder).settings)
    twin.assert_completed()


def lasting(twin: Twin) -> float:
    """How long an update takes, in seconds; the other deeds take about as long or less."""
    twin.home()
    process = begun("update", twin.folder)
    start = time.perf_counter()
    process.join()
    assert process.exitcode == 0
    return time.perf_counter() - start


def test_a_run_killed_at_any_instant_is_completed_by_the_next(twin: Twin) -> None:
    lasts = lasting(twin)
    chance = random.Random(13)  # noqa: S311
    deeds = list(victims.DEEDS)
    killed = 0
    for number in range(KILLS):
        twin.home()
        process = begun(deeds[number % len(deeds)], twin.folder)
        until = time.perf_counter() + chance.uniform(0, lasts)
        while (left := until - time.perf_counter()) > 0:
            process.join(min(left, 0.05))
            twin.assert_readers_see_a_whole_state()
        process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        twin.assert_readers_see_a_whole_state()
        complete(twin)
    assert killed >= KILLS // 3  # those that were done already were not killed


def test_runs_that_end_badly_one_after_another_each_later_in_telling_dagster(twin: Twin) -> None:
    """By turns one is killed and one fails."""
    home = twin.home()

    def fail() -> None:
        raise OSError("injected")

    for killed, failed in zip(TELLING[::2], TELLING[1::2], strict=True):
        process = started(victims.do_until, "update", twin.folder, killed)
        process.join()
        assert process.exitcode == -signal.SIGKILL, killed
        twin.assert_readers_see_a_whole_state()
        with pytest.raises(OSError, match="injected"):
            run_update(home.settings, midway.At(failed, fail))
    complete(twin)


def test_a_home_whose_first_run_was_killed_is_as_good_as_any(tmp_path: Path) -> None:
    """More than one batch of events is told; killed while Dagster's databases are made, and between two batches."""
    home = DagsterHome(tmp_path / "home")
    for number, store in enumerate(victims.STORES):
        home.sell(f"sales-{number}.csv", *lines(store, range(130)))
    home.platform.ledger.close()
    chance = random.Random(3)  # noqa: S311
    for _ in range(max(1, KILLS // 10)):
        process = begun("update", tmp_path / "home")
        process.join(chance.uniform(0, 1))
        process.kill()
        process.join()
    process = started(victims.do_until, "update", tmp_path / "home", "dagster: partitions reported")
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with home.instance() as instance:
        shown = home.shown(instance)
    assert sum(map(len, shown.values())) == BATCH_SIZE
    run_update(home.settings)
    victims.assert_told(home)
    assert sum(map(len, home.held().values())) > BATCH_SIZE
    assert not (left := victims.leftovers(home)), left
