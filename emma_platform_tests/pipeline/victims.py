"""A home on which everything has happened and more waits, and the processes that work on it.

Belongs here: what is done to a home, by processes that may be killed, and what must hold of it afterwards. Does not
belong here: when they are killed, and what runs beside them (`test_crashes`, `test_concurrency`).
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from emma_platform.cli import main
from emma_platform.pipeline.run import run_maintenance, run_rebuild, run_update
from emma_platform.recompute.platform import Observer
from emma_platform.recompute.reporting import work_left
from emma_platform.recompute.status import status
from emma_platform.serving.at_hand import path_of
from emma_platform.serving.publication import LINK, POINTER, publications
from emma_platform.serving.reader import Reader
from emma_platform.serving.store_files import FOLDER
from emma_platform_tests.pipeline.dagster_home import DagsterHome, Held
from emma_platform_tests.recompute import midway
from emma_platform_tests.recompute.home import Home, day, sale, two_products

STORES = ("S1", "Süd/2")
DAYS = 36
BY_HAND = ["raw_sales", "clean_sales", "product_kpis"]
SPAN = ("2026-01-15|S%C3%BCd%2F2", "2026-01-22|S1")
"""The rectangle that is made by hand: eight days of both stores."""


def lived(folder: Path) -> DagsterHome:
    """Two stores, all kinds of input and a bad line, taken and told to Dagster."""
    home = DagsterHome(folder)
    home.drop("products.csv", "product,category,unit_cost\nP1,tea,1.10\nP2,jam,1.20\n")
    home.drop("stock.csv", f"store,day,product,on_hand\nS1,{day(5)},P1,9\nS1,{day(6)},P1,7\n")
    home.drop("promotions.csv", f"store,product,first_day,last_day\nS1,P1,{day(3)},{day(9)}\n")
    for number, store in enumerate(STORES):
        home.sell(f"sales-{number}.csv", *two_products(store, 0, DAYS))
    home.sell("day-20.csv", sale(on=20, quantity=3, receipt="X"), '"S1",X,yesterday,P1,1,1\n')
    home.sell("gone.csv", sale(on=21, receipt="G"))
    home.sell("sent-twice.csv", sale(on=22, receipt="T"))
    home.run()
    return home


def drop_the_rest(home: Home) -> None:
    """A correction, a late day, other costs, stock and promotions, a copy, and a file that is taken away."""
    home.sell("day-20.csv", sale(on=20, quantity=4, receipt="X"), sale(on=20, product="POSTAGE", receipt="X"))
    home.sell("late.csv", sale("Süd/2", 2, receipt="L"), sale("Süd/2", DAYS, receipt="L"), '"S1",L,never,P1,1,1\n')
    home.drop("products.csv", "product,category,unit_cost\nP1,tea,1.30\nP2,jam,1.20\nP3,jam,2\n")
    home.drop("stock.csv", f"store,day,product,on_hand\nS1,{day(5)},P1,8\nS1,{day(8)},P3,7\n")
    home.drop("promotions.csv", f"store,product,first_day,last_day\nSüd/2,P2,{day(30)},{day(32)}\n")
    home.sell("sent-again.csv", sale(on=22, receipt="T"))
    home.withdraw("gone.csv")


def update(folder: Path, observer: Observer | None = None) -> None:
    """What the sensor and `emma update` start."""
    run_update(DagsterHome(folder).settings, observer)


def rebuild(folder: Path, observer: Observer | None = None) -> None:
    """One store again from its files."""
    run_rebuild(DagsterHome(folder).settings, observer, store="S1")


def by_hand(folder: Path, observer: Observer | None = None) -> None:
    """What the UI starts for a rectangle."""
    home = DagsterHome(folder)
    with home.instance() as instance:
        home.by_hand(instance, BY_HAND, span=SPAN, observer=observer)


def maintenance(folder: Path, observer: Observer | None = None) -> None:
    """What the nightly schedule and `emma maintain` do."""
    run_maintenance(DagsterHome(folder).settings, observer)


DEEDS: dict[str, Callable[..., None]] = {
    "update": update, "rebuild": rebuild, "by hand": by_hand, "maintenance": maintenance,
}  # fmt: skip


def do(deed: str, folder: Path, ready: Connection | None = None) -> None:
    """One deed; says when it begins."""
    if ready is not None:
        ready.send(None)
    DEEDS[deed](folder)


def do_until(deed: str, folder: Path, step: str, times: int = 1) -> None:
    """One deed that is killed when it comes to a step for that many times."""
    left = iter(range(times - 1))

    def die() -> None:
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    DEEDS[deed](folder, midway.At(step, die))


def emma(home: Path, *arguments: str) -> None:
    """A command as a user gives it; ends the process with its status."""
    os.environ |= {"EMMA_QUIET_SECONDS": "0", "EMMA_FIRST_DAY": "2020-01-01", "EMMA_HOME": str(home)}
    main([*arguments])


def command(home: Path, *arguments: str) -> None:
    """A command as a user gives it, which must end well; this process goes on."""
    with pytest.raises(SystemExit) as ended:
        emma(home, *arguments)
    assert not ended.value.code, arguments


def logged(log: Path, target: Callable[..., None], *arguments: object) -> None:
    """Run in this process; what it would say to a user goes to a file."""
    with log.open("a", buffering=1) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        sys.stdout = sys.stderr = file
        target(*arguments)


def twin(root: Path) -> Twin:
    """Let a home live undisturbed, and see that it is what its files make at once."""
    before = dict(os.environ)
    home = lived(root / "home")
    seen = midway.content(Reader(home.settings.published))
    drop_the_rest(home)
    shutil.copytree(root / "home", root / "saved", symlinks=True)
    home.run()
    assert_told(home)
    after = midway.state(home)
    home.platform.ledger.close()
    at_once = Home(root / "at-once")
    for file in (root / "home" / "landing").iterdir():
        at_once.drop(file.name, file.read_bytes())
    at_once.sell("gone.csv", sale(on=21, receipt="G"))
    at_once.update()
    assert home.everything() == at_once.everything()
    assert after["published"] != seen
    os.environ.clear()
    os.environ.update(before)
    return Twin(root / "saved", root / "home", seen, after)


@dataclass(frozen=True)
class Twin:
    """A home that nothing disturbed.

    Attributes:
        saved: the home before its last update.
        folder: where the home must lie: a publication names the files of the lake with their whole path.
        before: what readers saw before it.
        after: the state that it left.
    """

    saved: Path
    folder: Path
    before: dict[str, list[str]]
    after: dict[str, object]

    def home(self) -> DagsterHome:
        """The home before its last update, in its place."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.saved, self.folder, symlinks=True)
        return DagsterHome(self.folder)

    def assert_readers_see_a_whole_state(self) -> None:
        seen = midway.content(Reader(self.folder / "published"))
        assert seen in (self.before, self.after["published"])

    def assert_completed(self) -> None:
        """What holds after the next update: nothing lost, nothing different, nothing untold, nothing left over."""
        home = DagsterHome(self.folder)
        found = midway.state(home)
        for name, expected in self.after.items():
            assert found[name] == expected, name
        now = status(home.platform)
        lines = now["lines"]
        assert lines["in"] == lines["clean"] + lines["set_aside"] + lines["duplicates"]
        assert now["failing"] == []
        assert_told(home)
        assert not (left := leftovers(home)), left
        home.platform.ledger.close()


def assert_told(home: DagsterHome) -> None:
    """Dagster shows what the ledger holds, and nothing is left to do or to tell."""
    with home.instance() as instance:
        shown: Held = home.shown(instance)
    assert shown == home.held()
    assert work_left(home.platform.ledger) == 0


def leftovers(home: Home) -> list[str]:
    """Files that are of no further use to anyone, below the home."""
    published, root = home.settings.published, home.settings.home
    files = [file for one in publications(published) for file in (one.file, path_of(one))]
    kept = {LINK, POINTER, FOLDER, *(file.name for file in files)}
    found = [path for path in published.iterdir() if path.name not in kept]
    found += [path for path in (published / FOLDER).iterdir() if path.suffix != ".arrow"]
    found += home.settings.archive.rglob("*.part")
    found += (root / "queue").glob("*.ticket")
    found += (root / "spill").glob("*")
    found += [home.settings.dagster_home / ".fresh"] if (home.settings.dagster_home / ".fresh").exists() else []
    found += (home.settings.dagster_home / "running").glob("*")
    return sorted(str(path.relative_to(root)) for path in found)
