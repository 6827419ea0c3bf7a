"""Runs of the rival project, timed: one after the other, each one partition.

Belongs here: what P3 and P8 ask of the project. Does not belong here: the project (`rivals.dagster_pandas`).
Everything here is called in a process of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.chain import Shape, day_at, store_name, write, write_days, write_products
from benchmarks.measure import Stopwatch

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from benchmarks.rivals.dagster_pandas.project import Project

WINDOW = 28


def history(home: str, shape: dict[str, int]) -> dict[str, float]:
    """Every store's days, from files to key figures, in order; returns seconds and runs."""
    from benchmarks.rivals.dagster_pandas.project import ASSETS

    size, folder = Shape(**shape), Path(home)
    keys = [(store, day) for day in range(size.days) for store in range(size.stores)]
    write(size, folder / "landing", by="day")
    with _opened(folder) as (project, instance), Stopwatch() as watch:
        project.materialise(instance, [_partition(*key) for key in keys], ASSETS)
    return {"wall": watch.wall, "cpu": watch.cpu, "runs": len(keys)}


def correction(home: str, shape: dict[str, int], before: int, runs: int, revision: int) -> dict[str, float]:
    """One corrected store-day: its lines and figures again, then the figures of the days after it, up to `runs` runs.

    The lines of the days around it are made first, untimed; `before` is the days before it, 27 of a whole window.
    """
    from benchmarks.rivals.dagster_pandas.project import ASSETS, FIGURES, LINES

    size, folder = Shape(**shape), Path(home)
    days = range(before + runs)
    made = (folder / "landing").exists()
    with _opened(folder) as (project, instance):
        if not made:
            write_products(size, folder / "landing")
            write_days(size, folder / "landing", [(0, day) for day in days], revision=0)
            project.materialise(instance, [_partition(0, day) for day in days], LINES)
        write_days(size, folder / "landing", [(0, before)], revision=revision)
        with Stopwatch() as watch:
            project.materialise(instance, [_partition(0, before)], ASSETS)
            project.materialise(instance, [_partition(0, before + after) for after in range(1, runs)], FIGURES)
    return {"wall": watch.wall, "cpu": watch.cpu, "runs": runs}


@contextmanager
def _opened(folder: Path) -> Iterator[tuple[Project, DagsterInstance]]:
    """The project, and an instance with Dagster's defaults but for its telemetry."""
    from dagster import DagsterInstance

    from benchmarks.rivals.dagster_pandas.project import Project

    home = folder / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    with DagsterInstance.from_config(str(home)) as instance:
        yield Project(folder, folder / "landing"), instance


def _partition(store: int, day: int) -> tuple[str, str]:
    return store_name(store), day_at(day).isoformat()
