"""Runs of the update job in this process: what `emma update` and `emma rebuild` do.

Belongs here: starting the job that the sensor starts, so that every batch is a run in Dagster. Does not belong here:
the batch itself (`recompute.batch`).
"""

from __future__ import annotations

from datetime import date

from dagster import AssetKey

from emma_platform.model.tables import TABLES
from emma_platform.pipeline.build import build_definitions
from emma_platform.pipeline.instance import instance_of
from emma_platform.pipeline.maintenance import Upkeep, maintain_all
from emma_platform.pipeline.resources import Home
from emma_platform.pipeline.sensors import UPDATE_TAG
from emma_platform.recompute.batch import BatchReport, forget, one_at_a_time
from emma_platform.recompute.platform import Observer, open_platform
from emma_platform.settings import Settings


def run_update(settings: Settings, observer: Observer | None = None) -> BatchReport:
    """Take what arrived and compute what it affects, as one run of the update job.

    Raises:
        Exception: whatever the batch raised; Dagster's run is marked failed.
    """
    return update_home(Home(settings, observer))


def update_home(home: Home) -> BatchReport:
    """As `run_update`, on a platform that the caller has put together."""
    with instance_of(home.settings) as instance:
        build_definitions(home).resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            asset_selection=[AssetKey(table) for table in TABLES],
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={UPDATE_TAG: "true"},
        )
        return home.reports[-1]


def run_rebuild(
    settings: Settings,
    observer: Observer | None = None,
    *,
    store: str | None = None,
    first: date | None = None,
    last: date | None = None,
) -> BatchReport:
    """Compute everything, or a store and days of it, again from the archived files."""
    opened = open_platform(settings, observer)
    with one_at_a_time(opened):
        forget(opened, store=store, first=first, last=last)
        return run_update(settings, observer)


def run_maintenance(settings: Settings, observer: Observer | None = None) -> Upkeep:
    """Maintain everything, now: what the job of the schedule does, without a run of its own."""
    with instance_of(settings) as instance:
        return maintain_all(open_platform(settings, observer), instance)
