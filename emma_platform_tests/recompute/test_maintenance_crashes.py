"""Maintenance killed at each of its steps and at any instant, and after an update that was killed."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from emma_platform.recompute.maintenance import maintain
from emma_platform_tests.forked import processes
from emma_platform_tests.recompute import midway
from emma_platform_tests.recompute.home import sale
from emma_platform_tests.recompute.lived import Lived

KILLED_AFTER = "clean_sales"
"""The table after which the sweep is killed; the other tables are swept in the same way."""


def maintain_until(folder: Path, step: str | None, after: float | None = None) -> None:
    """Maintenance that is killed at a step, or so many seconds after it began."""

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    home = Lived(folder)
    home.later(timedelta(days=1))
    if after is not None:
        threading.Timer(after, die).start()
    maintain(home.watched(midway.At(step, die)))


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Where a home must lie, and a copy of it: it has more publications behind it than are kept, and work before it."""
    root = tmp_path_factory.mktemp("maintenance")
    folder = root / "home"
    midway.prepare(folder)
    home = Lived(folder, kept_publications=2)
    for number in range(3):
        home.sell("day-20.csv", sale(on=20, quantity=number + 5, receipt="X"))
        home.update()
    home.sell("day-20.csv", sale(on=20, quantity=99, receipt="X"))
    home.platform.ledger.close()
    shutil.copytree(folder, root / "saved", symlinks=True)
    return folder, root / "saved"


def test_maintenance_killed_at_each_step_or_at_any_instant_harms_nothing(grown: tuple[Path, Path]) -> None:
    folder, saved = grown
    midway.copy(saved, folder)
    home = Lived(folder)
    home.later(timedelta(days=1))
    shown = home.published()
    watcher = midway.At()
    maintain(home.watched(watcher))
    clean = home.data_files()
    home.update()
    after = midway.state(home)
    midway.copy(saved, folder)
    steps = [step for step in dict.fromkeys(watcher.steps) if "swept" not in step or KILLED_AFTER in step]
    assert len(steps) == 6
    kills = [*((step, None) for step in steps), (None, 0.01), (None, 0.05)]
    for step, seconds in kills:
        if step in (None, "maintenance: begun"):
            midway.copy(saved, folder)
        process = processes.Process(target=maintain_until, args=(folder, step, seconds))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL or step is None, step
        assert Lived(folder).published() == shown
    home = Lived(folder)
    home.later(timedelta(days=1))
    home.maintain()
    assert home.data_files() == clean
    home.update()
    assert midway.state(home) == after


def test_maintenance_after_an_update_that_was_killed_keeps_what_the_next_one_needs(grown: tuple[Path, Path]) -> None:
    folder, saved = grown
    home = midway.copy(saved, folder)
    watcher = midway.At()
    home.update(watcher)
    after = midway.state(home)
    steps = list(dict.fromkeys(watcher.steps))
    for step in (steps[len(steps) // 2], steps[-1]):
        midway.copy(saved, folder)
        process = processes.Process(target=midway.run_until, args=(folder, step))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        home = Lived(folder)
        home.later(timedelta(days=1))
        shown = home.published()
        home.maintain()
        assert home.published() == shown
        home.update()
        assert midway.state(home) == after, step
