"""Maintenance as Dagster runs it: a job, and the schedule that starts it every night.

Belongs here: when and in which order lake, ledger and Dagster's history are maintained
(https://docs.dagster.io/guides/automate/schedules). Does not belong here: what may go (`recompute.maintenance`,
`history`).

Updates and maintenance never meet: as runs they wait for the pool `lake`, and everywhere for one another's turn.
"""

from dataclasses import dataclass

import dagster as dg

from emma_platform.pipeline.alive import working_on
from emma_platform.pipeline.history import Forgotten, forget_old_runs
from emma_platform.pipeline.resources import Home
from emma_platform.recompute.maintenance import Maintained, maintain
from emma_platform.recompute.platform import Platform


@dataclass(frozen=True)
class Upkeep:
    """What was done to lake and ledger, and to Dagster's history."""

    home: Maintained
    dagster: Forgotten


def maintain_all(platform: Platform, instance: dg.DagsterInstance) -> Upkeep:
    """Maintain lake and ledger, then Dagster's history."""
    home = maintain(platform)
    return Upkeep(home, forget_old_runs(instance, platform.settings.kept_runs, platform.observer))


@dg.op(
    name="maintain",
    pool="lake",
    description="Deletes files of the lake that no kept publication needs, old rows of the ledger, and old runs.",
)
def maintain_op(context: dg.OpExecutionContext, home: dg.ResourceParam[Home]) -> None:
    """Maintain the home, and write what was done on the run's page."""
    with working_on(home.settings, context.run_id):
        done = maintain_all(home.open(), context.instance)
    context.add_output_metadata(
        {
            "deleted data files": done.home.deleted.files,
            "deleted ledger rows": done.home.ledger_rows,
            "deleted runs": done.dagster.runs,
            "deleted events": done.dagster.events,
            "freed bytes": done.home.freed_bytes + done.dagster.bytes,
            "tables left alone": ", ".join(done.home.left_alone) or "none",
        }
    )


@dg.job(name="maintenance", executor_def=dg.in_process_executor, description="Keeps the home from growing with time.")
def maintenance_job() -> None:
    """Maintain the home."""
    maintain_op()


def maintenance_schedule(cron: str) -> dg.ScheduleDefinition:
    """Maintenance at the times of a cron expression in UTC."""
    return dg.ScheduleDefinition(
        name="maintenance",
        job=maintenance_job,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Keeps the home from growing with time (EMMA_MAINTENANCE_CRON).",
    )
