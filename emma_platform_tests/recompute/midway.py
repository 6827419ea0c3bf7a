"""A home in the middle of its life: two stores, sixty days, and corrections, a late day and a decision not yet taken.

Belongs here: its files, what of a home must be equal for two homes to be in one state, and the processes that end badly
on it. Does not belong here: what must hold afterwards (`test_crashes`).
"""

from __future__ import annotations

import io
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import sqlalchemy as sa

from emma_platform.console import remedied
from emma_platform.model.access import EVERY_STORE
from emma_platform.recompute.ledger import partitions
from emma_platform.recompute.status import status
from emma_platform.serving.contents import SERVED
from emma_platform.serving.reader import Reader
from emma_platform_tests.recompute.home import DECISIONS, Home, day, sale, two_products

STORES = ("S1", "Süd/2")
DAYS = 60
NAMING_THEMSELVES = {"publication", "publication_files", "partition_receipts", "batches", "check_results"}
"""Published tables that name the publication, its files, or the batches and times in which they were made."""


def prepare(folder: Path) -> None:
    """Take most of the history, and drop the rest."""
    home = Home(folder)
    home.drop("products-1.csv", "product,category,unit_cost\nP1,tea,1.10\nP2,jam,1.20\n")
    for number, store in enumerate(STORES):
        home.sell(f"sales-{number}.csv", *two_products(store, 0, DAYS))
    home.sell("day-20.csv", sale(on=20, quantity=3, receipt="X"))
    home.update()
    home.sell("day-20.csv", sale(on=20, quantity=4, receipt="X"), sale(on=20, product="POSTAGE", receipt="X"))
    home.sell("late.csv", sale("Süd/2", 40, receipt="L"), '"S1",L,yesterday,P1,1,1\n')
    home.drop("products-2.csv", "product,category,unit_cost\nP1,tea,1.30\n")
    home.drop("advice_decisions.csv", f"{DECISIONS}{day(21)}T09:00:00Z,S1,P1,{day(20)},accept,2.20,2.50,1.10\n")
    home.platform.ledger.close()


def copy(saved: Path, folder: Path) -> Home:
    """Put a prepared home in its place; a publication names the files of the lake with their whole path."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(saved, folder, symlinks=True)
    return Home(folder)


def content(reader: Reader) -> dict[str, list[str]]:
    """Every row of every published table."""
    names = [name for name in SERVED if name not in NAMING_THEMSELVES]
    return {name: sorted(map(repr, reader.table(EVERY_STORE, name).to_pylist())) for name in names}


def state(home: Home) -> dict[str, object]:
    """What must be equal for two homes to be in one state: tables, ledger, counts and publication."""
    p = partitions.c
    columns = (p.table_name, p.store, p.day, p.wanted, p.done, p.content, p.facet, p.rows, p.duplicates)
    with home.platform.ledger.transaction() as connection:
        ledger = {tuple(row) for row in connection.execute(sa.select(*columns).where(p.table_name != "published"))}
    now = status(home.platform)
    counts = {name: now[name] for name in ("lines", "set_aside_by_reason", "partitions", "stale", "files", "failing")}
    published = content(Reader(home.settings.published))
    return {**home.everything(), "ledger": ledger, "counts": counts, "published": published}


class At:
    """An observer that does something at a step, and notes the steps before."""

    def __init__(self, step: str | None = None, do: Callable[[], None] = lambda: None) -> None:
        self.steps: list[str] = []
        self._step, self._do = step, do

    def progress(self, layer: str, done: int, total: int) -> None:
        pass

    def step(self, name: str) -> None:
        self.steps.append(name)
        if name == self._step:
            self._do()


def run(folder: Path, ready: Connection) -> None:
    """One update; says when it begins."""
    home = Home(folder)
    ready.send(None)
    home.update()


def run_until(folder: Path, step: str) -> None:
    """One update that is killed at a step."""
    Home(folder).update(At(step, lambda: os.kill(os.getpid(), signal.SIGKILL)))


def run_on_a_full_disk(folder: Path, largest: int, said: Connection, times: int = 1) -> None:
    """Updates of which no file may grow beyond a size, in bytes; hands over what the user would read."""
    home = Home(folder)
    sys.stderr = io.StringIO()
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
    try:
        with remedied():
            for _ in range(times):
                home.update()
    finally:
        said.send(sys.stderr.getvalue())
