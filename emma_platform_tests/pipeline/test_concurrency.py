"""Several processes on one home: no error reaches a user, nothing is lost, and readers see whole publications.

EMMA_TEST_MINUTES lets four writers and four readers work for as long.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path

import duckdb
import pytest

from emma_platform.model.access import EVERY_STORE
from emma_platform.pipeline.run import run_update
from emma_platform.recompute.batch import WAITING, rebuild
from emma_platform.serving.reader import Reader
from emma_platform_tests.forked import processes
from emma_platform_tests.pipeline import victims
from emma_platform_tests.pipeline.dagster_home import DAYS, DagsterHome, lines
from emma_platform_tests.recompute.home import Home, day, sale
from emma_platform_tests.recompute.midway import At

MINUTES = float(os.environ.get("EMMA_TEST_MINUTES", "0"))
ROUNDS = 1
"""Of each writer, when there is no time to work for."""
pytestmark = pytest.mark.usefixtures("kept_environment")


def at_once(folder: Path, *targets: tuple[Callable[..., None], tuple[object, ...]]) -> None:
    """Run functions of (home, …, barrier) in processes of their own, all of which begin together and must end well."""
    together = processes.Barrier(len(targets))
    log = folder.with_name("said")
    running: list[BaseProcess] = [
        processes.Process(target=victims.logged, args=(log, target, folder, *arguments, together))
        for target, arguments in targets
    ]
    for process in running:
        process.start()
    for process in running:
        process.join()
    said = log.read_text(encoding="utf-8")
    assert [process.exitcode for process in running] == [0] * len(running), said
    assert "locked" not in said
    assert "Error" not in said


def send_and_update(folder: Path, number: int, together: Barrier) -> None:
    """Sales of one's own arrive, and are taken."""
    home = Home(folder)
    together.wait()
    home.sell(f"of-{number}.csv", *lines(f"S{number}", range(number, 20)))
    victims.update(folder)


def test_first_updates_at_once_take_every_file_that_arrives(tmp_path: Path) -> None:
    at_once(tmp_path / "home", *[(send_and_update, (number,)) for number in range(4)])
    home = DagsterHome(tmp_path / "home")
    victims.assert_told(home)
    assert len(home.rows("clean_sales")) == 2 * (20 + 19 + 18 + 17)
    assert not (left := victims.leftovers(home)), left


def update_aloud(folder: Path, said: Connection) -> None:
    """Say when one waits for one's turn, and when the update is done."""
    victims.update(folder, At(WAITING, lambda: said.send("waits")))
    said.send("done")


def test_what_a_run_tells_dagster_is_told_before_the_next_batch_begins(home: DagsterHome) -> None:
    """Told later, what the next batch has changed would be what Dagster goes on to show."""
    here, there = processes.Pipe(duplex=False)
    other = processes.Process(target=update_aloud, args=(home.settings.home, there))
    said = []

    def meanwhile() -> None:
        home.sell("sales-0.csv", *lines("S1", DAYS, quantity=7))
        other.start()
        said.append(here.recv())

    home.sell("sales-0.csv", *lines("S1", DAYS, quantity=5))
    run_update(home.settings, At("dagster: stores added", meanwhile))
    other.join()
    assert other.exitcode == 0
    assert said == ["waits"]
    victims.assert_told(home)


def write_for_a_while(folder: Path, deed: str, until: float, together: Barrier) -> None:
    """Drop something that changes what others compute, then do one's deed; again and again.

    Each begins with its deed at the same instant: an update meets work by hand on the same partitions.
    """
    home = Home(folder)
    together.wait()
    for turn in itertools.count():
        if turn >= ROUNDS and time.time() >= until:
            break
        if deed == "update":
            home.drop("products.csv", f"product,category,unit_cost\nP1,tea,1.{10 + turn % 80}\nP2,jam,1.20\n")
        elif deed == "rebuild":
            home.sell("day-20.csv", sale(on=20, quantity=3 + turn, receipt="X"))
        elif deed == "by hand":
            home.sell("late.csv", *(sale("Süd/2", on, receipt=f"L{turn}") for on in range(turn % 5, 6)))
        else:
            home.drop("stock.csv", f"store,day,product,on_hand\nS1,{day(5)},P1,{turn}\n")
        victims.DEEDS[deed](folder)
    (folder / f"{deed}.done").touch()
    print(f"{deed}: {turn} rounds")  # noqa: T201 - read by whoever runs it for minutes


def look_for_a_while(folder: Path, look: str, together: Barrier) -> None:
    """Look again and again until the writers are done."""
    together.wait()
    seen = 0
    while not all((folder / f"{deed}.done").exists() for deed in victims.DEEDS):
        LOOKS[look](folder)
        seen += 1
        time.sleep(0.2)  # leaves the processor to the others
    print(f"{look}: {seen} times")  # noqa: T201


def read(folder: Path) -> None:
    reader = Reader(folder / "published")
    rows = {name: reader.table(EVERY_STORE, name).num_rows for name in reader.publication.versions}
    assert rows == {name: reader.publication.rows[name] for name in rows}
    sold = reader.table(EVERY_STORE, "clean_sales", columns=["store", "day", "revenue"])
    told = reader.table(EVERY_STORE, "product_kpis", columns=["store", "day", "revenue"])
    assert sum(sold["revenue"].to_pylist()) == pytest.approx(sum(told["revenue"].to_pylist()))


def query(folder: Path) -> None:
    """As a BI tool does."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{folder}/published/serving.duckdb' as serving (read_only)")
        sold, told, expected, found = connection.execute(
            "select (select sum(revenue) from serving.clean_sales), (select sum(revenue) from serving.product_kpis),"
            " (select rows from serving.publication where \"table\" = 'raw_sales'),"
            " (select count(*) from serving.raw_sales)"
        ).fetchone() or (0, 1, 0, 1)
    assert sold == pytest.approx(told)
    assert expected == found


def export(folder: Path) -> None:
    """As `emma export` does."""
    out = folder.with_name("exported.csv")
    victims.command(folder, "export", "product_kpis", "-o", str(out))
    with duckdb.connect() as connection:
        assert connection.execute(f"select count(*) > 100 from '{out}'").fetchone() == (True,)


def ask(folder: Path) -> None:
    """As `emma status --json` does."""
    with redirect_stdout(io.StringIO()) as said:
        victims.command(folder, "status", "--json")
    state = json.loads(said.getvalue())
    assert state["publication"]["id"]
    assert state["failing"] == []


LOOKS = {"read": read, "query": query, "export": export, "ask": ask}


def test_writers_and_readers_together(twin: victims.Twin) -> None:
    folder = twin.home().settings.home
    until = time.time() + MINUTES * 60
    writers = [(write_for_a_while, (deed, until)) for deed in victims.DEEDS]
    at_once(folder, *writers, *((look_for_a_while, (look,)) for look in LOOKS))
    again = DagsterHome(folder)
    again.run()
    victims.assert_told(again)
    assert not (left := victims.leftovers(again)), left
    found = again.everything()
    rebuild(again.platform)
    assert again.everything() == found
