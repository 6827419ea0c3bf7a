"""Updates that are killed, fail or run out of disk: readers keep a whole state, and the next update completes the work.

EMMA_TEST_KILLS sets how many updates are killed at a random instant.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from emma_platform.model.tables import TABLES
from emma_platform.recompute.batch import materialise
from emma_platform.recompute.intake import known
from emma_platform.recompute.plan import Selection
from emma_platform.recompute.status import status
from emma_platform.serving.reader import Reader
from emma_platform.sources.protocol import SourceError
from emma_platform_tests.forked import processes
from emma_platform_tests.recompute import midway
from emma_platform_tests.recompute.home import Home, sale

KILLS = int(os.environ.get("EMMA_TEST_KILLS", "5"))


@dataclass(frozen=True)
class Twin:
    """An update that nothing disturbed.

    Attributes:
        saved: the home before it.
        folder: where the home must lie.
        before: what readers saw before it.
        after: the state that it left.
        steps: the steps that it took.
    """

    saved: Path
    folder: Path
    before: dict[str, list[str]]
    after: dict[str, object]
    steps: list[str]

    def home(self) -> Home:
        return midway.copy(self.saved, self.folder)


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Twin:
    root = tmp_path_factory.mktemp("crashes")
    folder, saved = root / "home", root / "saved"
    midway.prepare(folder)
    shutil.copytree(folder, saved, symlinks=True)
    home = Home(folder)
    before = midway.content(Reader(home.settings.published))
    watcher = midway.At()
    home.update(watcher)
    after = midway.state(home)
    assert after["published"] != before
    return Twin(saved, folder, before, after, list(dict.fromkeys(watcher.steps)))


def started(target: Callable[..., None], *arguments: object) -> BaseProcess:
    process = processes.Process(target=target, args=arguments)
    process.start()
    return process


def begun(folder: Path) -> BaseProcess:
    """A process that is about to update."""
    here, there = processes.Pipe(duplex=False)
    process = started(midway.run, folder, there)
    there.close()
    here.recv()
    here.close()
    return process


def assert_readers_keep_a_whole_state(twin: Twin) -> None:
    seen = midway.content(Reader(twin.folder / "published"))
    assert seen in (twin.before, twin.after["published"])


def assert_the_next_update_completes(twin: Twin) -> None:
    home = Home(twin.folder)
    home.update()
    for name, found in midway.state(home).items():
        assert found == twin.after[name], name


def test_an_update_killed_at_any_instant_is_completed_by_the_next(twin: Twin) -> None:
    twin.home()
    begun(twin.folder).join()  # the first process of all pays for the imports
    twin.home()
    process = begun(twin.folder)
    start = time.perf_counter()
    process.join()
    lasts = time.perf_counter() - start
    chance = random.Random(11)  # noqa: S311
    killed = 0
    for _ in range(KILLS):
        twin.home()
        process = begun(twin.folder)
        process.join(chance.uniform(0, lasts))
        process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        assert_readers_keep_a_whole_state(twin)
        assert_the_next_update_completes(twin)
    assert killed >= KILLS // 2


def test_updates_killed_one_after_another_each_at_the_next_step(twin: Twin) -> None:
    twin.home()
    for step in twin.steps:
        process = started(midway.run_until, twin.folder, step)
        process.join()
        assert process.exitcode == -signal.SIGKILL, step
        assert_readers_keep_a_whole_state(twin)
    assert_the_next_update_completes(twin)


def test_a_kill_at_any_step_is_completed_by_the_next_update(twin: Twin) -> None:
    for step in random.Random(5).sample(twin.steps, 4):  # noqa: S311 - all of them: the test before
        twin.home()
        started(midway.run_until, twin.folder, step).join()
        assert_the_next_update_completes(twin)


def test_an_error_at_any_step_is_completed_by_the_next_update(twin: Twin) -> None:
    home = twin.home()

    def fail() -> None:
        raise RuntimeError("injected")

    for step in twin.steps:
        with pytest.raises(RuntimeError, match="injected"):
            home.update(midway.At(step, fail))
        assert_readers_keep_a_whole_state(twin)
    assert_the_next_update_completes(twin)


def test_tables_of_two_states_are_not_published_by_hand(twin: Twin) -> None:
    home = twin.home()

    def fail() -> None:
        raise RuntimeError("injected")

    with pytest.raises(RuntimeError, match="injected"):
        home.update(midway.At("clean_sales: recorded", fail))
    materialise(home.platform, Selection(frozenset({"published"}), frozenset()))
    assert midway.content(Reader(home.settings.published)) == twin.before
    assert_the_next_update_completes(twin)


def test_every_table_has_its_steps(twin: Twin) -> None:
    found = {step.partition(":")[0] for step in twin.steps}
    inputs = {"raw_sales", "stock", "products", "stores", "promotions", "price_plan", "calendar", "advice_decisions"}
    together = {
        "set_aside_rows",
        "sales_forecast_totals",
        "forecast_scores",
        "forecast_accuracy",
        "probable_stock_outs",
    }
    of_the_best_engine = {"forecast_model"}  # written as price_priors is
    assert found == set(TABLES) - inputs - together - of_the_best_engine | {"inputs"}


@pytest.mark.parametrize("largest", [0, 40_000, 150_000, 400_000])
def test_a_full_disk_is_said_and_the_next_update_completes(twin: Twin, largest: int) -> None:
    """Stands for a full disk: no file may grow beyond a size, from the first page of the ledger to the publication."""
    twin.home()
    here, there = processes.Pipe(duplex=False)
    process = started(midway.run_on_a_full_disk, twin.folder, largest, there)
    there.close()
    said = here.recv()
    here.close()
    process.join()
    assert process.exitcode == 1
    assert said.startswith("Error:")
    assert "ree space" in said or "`emma rebuild`" in said
    assert "Traceback" not in said
    assert_readers_keep_a_whole_state(twin)
    assert_the_next_update_completes(twin)


def test_a_file_that_the_disk_had_no_room_for_is_taken_once_it_has(tmp_path: Path) -> None:
    """Nothing is wrong with the file, so it is tried more often than one that cannot be read."""
    home = Home(tmp_path)
    home.sell("good.csv", sale())
    home.sell("large.csv", sale(receipt="R" * 3_000_000))
    times = home.settings.max_attempts + 1
    here, there = processes.Pipe(duplex=False)
    started(midway.run_on_a_full_disk, tmp_path, 2_900_000, there, times).join()
    assert here.recv() == ""
    (failing,) = status(home.platform)["failing"]
    assert (failing["file"], failing["attempts"]) == ("large.csv", times)
    assert failing["error"].startswith("large.csv cannot be copied (File too large")
    assert len(home.rows("clean_sales")) == 1
    with home.platform.ledger.transaction() as connection:
        assert set(known(connection, home.settings.max_attempts)) == {"good.csv"}
    home.update()
    assert status(home.platform)["failing"] == []
    assert len(home.rows("clean_sales")) == 2


def test_a_file_that_may_not_be_read_is_taken_once_it_may(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.sell("good.csv", sale(receipt="G"))
    home.sell("secret.csv", sale())
    secret = home.settings.landing / "secret.csv"
    secret.chmod(0o000)
    if os.access(secret, os.R_OK):
        pytest.skip("this user reads everything")
    for _ in range(home.settings.max_attempts + 1):
        home.update()
    (failing,) = status(home.platform)["failing"]
    assert failing["file"] == "secret.csv"
    assert "Make it readable" in failing["error"]
    assert len(home.rows("clean_sales")) == 1
    secret.chmod(0o600)
    home.update()
    assert status(home.platform)["failing"] == []
    assert len(home.rows("clean_sales")) == 2


def test_a_missing_landing_folder_stops_the_update_and_withdraws_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.sell("a.csv", sale())
    home.update()
    before = home.everything()
    home.settings.landing.rename(tmp_path / "unmounted")
    with pytest.raises(SourceError, match=r"landing folder .* cannot be read .* mount it"):
        home.update()
    now = status(home.platform)
    assert "cannot be read" in now["files"]["landing"]
    assert now["files"]["withdrawn"] == 0
    (tmp_path / "unmounted").rename(home.settings.landing)
    assert home.update().partitions == {}
    assert home.everything() == before


def test_readers_never_meet_an_error_or_a_mixed_state_while_updates_run(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.drop("products.csv", "product,category,unit_cost\nP1,tea,1.10\n")
    home.sell("a.csv", *(sale(on=on, receipt=f"R{on}") for on in range(40)))
    home.update()
    published = home.settings.published
    whole = {Reader(published).publication.id: midway.content(Reader(published))}
    seen: list[tuple[str, dict[str, list[str]]]] = []
    troubles: list[Exception] = []
    stop = threading.Event()

    def poll() -> None:
        reader = Reader(published)
        while not stop.wait(0.02):  # leaves the processor to the updates
            try:
                reader.refresh()
                seen.append((reader.publication.id, midway.content(reader)))
                fresh = Reader(published)
                seen.append((fresh.publication.id, midway.content(fresh)))
            except Exception as error:  # noqa: BLE001
                troubles.append(error)
                return

    poller = threading.Thread(target=poll)
    poller.start()
    try:
        for number in range(1, 4):
            home.drop("products.csv", f"product,category,unit_cost\nP1,tea,1.{number}0\n")
            home.sell("a.csv", *(sale(on=on, quantity=1 + number, receipt=f"R{on}") for on in range(number, 40)))
            home.update()
            whole[Reader(published).publication.id] = midway.content(Reader(published))
    finally:
        stop.set()
        poller.join()
    assert troubles == []
    assert len(whole) == 4
    assert len({name for name, _ in seen}) >= 2
    for name, found in seen:
        assert found == whole[name], name
