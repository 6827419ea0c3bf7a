"""A platform with a history, and what happens to it: the parts that several measures share.

Belongs here: loading a home, and one run of the platform timed from inside. Does not belong here: what is compared.
Everything here is called in a process of its own.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.chain import Shape, write
from benchmarks.measure import Stopwatch

if TYPE_CHECKING:
    from emma_platform.settings import Settings


def settings_of(home: str) -> Settings:
    """The settings of a home in which a file is taken as soon as it is there."""
    from emma_platform.settings import Settings

    return Settings(home=Path(home), quiet_seconds=0)


def import_libraries() -> None:
    """Import what the daemon has imported before it starts a run (`pipeline.warm`)."""
    from emma_platform.pipeline.warm import LIBRARIES

    for library in LIBRARIES:
        importlib.import_module(library)


def load(home: str, shape: dict[str, int], by: str, without: Collection[tuple[int, int]] = ()) -> dict[str, float]:
    """Make a home with all of a chain's history, through every layer; returns the seconds of that run."""
    from emma_platform.pipeline.run import run_update

    import_libraries()
    settings = settings_of(home)
    write(Shape(**shape), settings.landing, by=by, without=[(store, day) for store, day in without])
    with Stopwatch() as watch:
        report = run_update(settings)
    return {"cpu": watch.cpu, "wall": watch.wall, "batch": report.seconds, **report.layers}


def run_and_time(home: str) -> dict[str, float]:
    """One run of the update job: seconds of its body as Dagster recorded them, of the batch within it, and of CPU."""
    from dagster import DagsterEventType

    from emma_platform.pipeline.instance import instance_of
    from emma_platform.pipeline.run import run_update

    import_libraries()
    settings = settings_of(home)
    with Stopwatch() as watch:
        report = run_update(settings)
    with instance_of(settings) as instance:
        (record,) = instance.get_run_records(limit=1)
        # Dagster's statistics of a step read every partition it reported: 2.5 GB for 700,000 of them.
        ends = {DagsterEventType.STEP_START, DagsterEventType.STEP_SUCCESS}
        start, end = (entry.timestamp for entry in instance.all_logs(record.dagster_run.run_id, of_type=ends))
    body = end - start
    counted = sum(report.partitions.values())
    return {"body": body, "cpu": watch.cpu, "batch": report.seconds, "partitions": counted, **report.layers}
