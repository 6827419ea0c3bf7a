"""A home of a small demo chain with two publications, made once for all tests that look at pages.

The second publication knows one day more, and the whole of a file that was half there, of four days before. What tests
change (users, decisions) they change in a home of their own, which shares the publications: `own_home`.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from emma_platform.demo.chain import make_chain
from emma_platform.demo.landing import write_landing, write_sources_yaml
from emma_platform.recompute.batch import update
from emma_platform.recompute.platform import open_platform
from emma_platform.settings import Settings

LAST_DAY = date(2026, 11, 22)
STORES = ("S001", "S002")
PRODUCTS = 28
"""Enough that the list has a second page, and some prices are advised."""


def chain_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home; the processes of one test run share it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    home = shared / "chain-home"
    with FileLock(shared / "chain-home.lock"):
        if not (home / "published").exists():
            _fill(home)
    return home


def own_home(shared: Path, home: Path) -> Path:
    """A home that shows the publications of another."""
    (home / "landing").mkdir(parents=True)
    (home / "published").symlink_to(shared / "published")
    return home


def _fill(home: Path) -> None:
    home.mkdir()
    settings = Settings(home=home, quiet_seconds=0)
    write_sources_yaml(home)
    chain = make_chain(stores=len(STORES), products=PRODUCTS, days=140, last_day=LAST_DAY, seed=7)
    for until in (LAST_DAY - timedelta(days=1), LAST_DAY):
        write_landing(chain, settings.landing, until=until)
        if until < LAST_DAY:
            _cut(settings.landing / "sales" / "S001" / f"S001-{until - timedelta(days=3)}.csv")
        update(open_platform(settings))


def _cut(file: Path) -> None:
    """Leave half of a file's lines, as if it had been copied while it was written."""
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(lines[: len(lines) // 2]), encoding="utf-8")
