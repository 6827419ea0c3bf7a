"""Puts the Dagster definitions together.

Belongs here: `build_definitions`, with which tests make definitions of their own on a home of their own. Does not
belong here: any definition.
"""

from __future__ import annotations

from datetime import date

import dagster as dg

from emma_platform.pipeline.assets import tables_asset
from emma_platform.pipeline.resources import PlatformResource
from emma_platform.pipeline.sensors import UPDATE_JOB, files_sensor
from emma_platform.recompute import code
from emma_platform.recompute.ledger import Ledger
from emma_platform.recompute.reporting import first_day
from emma_platform.settings import Settings


def build_definitions(settings: Settings | None = None, platform: PlatformResource | None = None) -> dg.Definitions:
    """The definitions on a home; by default the one that the environment names."""
    chosen = settings or Settings()
    resource = platform or PlatformResource(home=str(chosen.home.absolute()))
    tables = tables_asset(partitions_start(chosen), code.current(chosen))
    return dg.Definitions(
        assets=[tables],
        jobs=[
            dg.define_asset_job(
                UPDATE_JOB,
                selection=dg.AssetSelection.assets(tables),
                description="Takes what was dropped and computes exactly what it affects, in one run.",
            )
        ],
        sensors=[files_sensor],
        resources={"platform": resource},
        executor=dg.in_process_executor,
    )


def partitions_start(settings: Settings) -> date:
    """The first day that Dagster shows: EMMA_FIRST_DAY where given, else the start of the first year with data.

    Dagster's pages slow down with the number of possible days, so decades without data are left out.
    """
    if "first_day" in settings.model_fields_set:
        return settings.first_day
    known = None
    if settings.ledger_url or (settings.home / "ledger.db").exists():
        ledger = Ledger(settings.ledger)
        known = first_day(ledger)
        ledger.close()
    return date(int(known[:4]) if known else date.today().year - 1, 1, 1)  # noqa: DTZ011 - a default to look at only
