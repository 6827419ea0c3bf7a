"""Puts the Dagster definitions together.

Belongs here: `build_definitions`, with which tests make definitions of their own on a home of their own. Does not
belong here: any definition.
"""

from __future__ import annotations

from datetime import date

import dagster as dg

from emma_platform.pipeline.assets import tables_asset
from emma_platform.pipeline.maintenance import maintenance_job, maintenance_schedule
from emma_platform.pipeline.resources import Home
from emma_platform.pipeline.sensors import files_sensor
from emma_platform.recompute import code
from emma_platform.recompute.ledger import Ledger
from emma_platform.recompute.reporting import first_day
from emma_platform.settings import Settings


def build_definitions(home: Home | None = None) -> dg.Definitions:
    """The definitions on a home, by default the one that the environment names."""
    resource = home or Home(Settings())
    settings = resource.settings
    tables = tables_asset(partitions_start(settings), code.current(settings))
    return dg.Definitions(
        assets=[tables],
        sensors=[files_sensor],
        jobs=[maintenance_job],
        schedules=[maintenance_schedule(settings.maintenance_cron)],
        resources={"home": resource},
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
