"""A full disk and a read-only one: the user reads what to do, readers go on, and what was begun is completed later.

EMMA_TEST_KILLS, at 20 or more, sets how many fill levels are tried.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from emma_platform.pipeline.run import run_update
from emma_platform_tests import disks
from emma_platform_tests.forked import processes
from emma_platform_tests.pipeline import victims
from emma_platform_tests.pipeline.dagster_home import DagsterHome
from emma_platform_tests.pipeline.victims import Twin
from emma_platform_tests.recompute.home import Home, sale

LEVELS = max(2, int(os.environ.get("EMMA_TEST_KILLS", "0")) // 5)
NEEDED = 2_800_000
"""Bytes that the update adds to the home."""
pytestmark = pytest.mark.usefixtures("kept_environment")


@pytest.fixture
def home(twin: Twin) -> Iterator[Path]:
    """The home before its last update, on a disk of its own."""
    shutil.rmtree(twin.folder, ignore_errors=True)
    with disks.disk(twin.folder, 64):
        shutil.copytree(twin.saved, twin.folder, symlinks=True, dirs_exist_ok=True)
        yield twin.folder


def emma(home: Path, *arguments: str) -> tuple[int | None, str]:
    """A command in a process of its own: its exit status, and all that it says."""
    log = home.with_name("said")
    log.unlink(missing_ok=True)
    process = processes.Process(target=victims.logged, args=(log, victims.emma, home, *arguments))
    process.start()
    process.join()
    return process.exitcode, log.read_text(encoding="utf-8")


def assert_readable(home: Path, twin: Twin) -> None:
    twin.assert_readers_see_a_whole_state()
    assert emma(home, "status")[0] == 0
    assert emma(home, "export", "product_kpis")[0] == 0


def test_an_update_on_a_full_disk_is_completed_once_there_is_room(home: Path, twin: Twin) -> None:
    failed = 0
    for level in range(LEVELS):
        for path in home.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(twin.saved, home, symlinks=True, dirs_exist_ok=True)
        filler = disks.fill(home, NEEDED * level // LEVELS)
        status, said = emma(home, "update")
        failed += status == 1
        assert (status == 0) or "ree space" in said, said
        assert "Traceback" not in said
        assert_readable(home, twin)
        filler.unlink()
        run_update(DagsterHome(home).settings)
        twin.assert_completed()
    assert failed > LEVELS // 2


@pytest.mark.parametrize("clean", [True, False])
def test_a_read_only_home_can_be_read(home: Path, twin: Twin, clean: bool) -> None:
    if clean:
        with sqlite3.connect(home / "ledger.db") as ledger:
            ledger.execute("pragma wal_checkpoint(truncate)")
        ledger.close()
    assert (home / "ledger.db-wal").exists() != clean
    disks.turn_read_only(home)
    for verb in ("update", "rebuild", "maintain"):
        status, said = emma(home, verb)
        assert status == 1, said
        assert "Read-only file system" in said
        assert str(home) in said.replace("\n", "")
        assert "Traceback" not in said
    assert_readable(home, twin)


def test_a_read_only_landing_folder_is_as_good_as_any(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with disks.disk(home.settings.landing, 1):
        home.sell("a.csv", sale(), sale(on=1))
        disks.turn_read_only(home.settings.landing)
        home.update()
        assert len(home.rows("clean_sales")) == 2
        assert home.update().partitions == {}
