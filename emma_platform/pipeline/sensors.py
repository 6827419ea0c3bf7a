"""The files sensor: sees what was dropped and asks for one run that takes it all.

Belongs here: waking the batch (https://docs.dagster.io/guides/automate/sensors). Does not belong here: deciding what is
affected; the batch finds that from the ledger, so a lost or doubled wake-up loses and doubles nothing.
"""

import json
import time
from datetime import UTC, datetime, timedelta

import dagster as dg

from emma_platform.pipeline.alive import is_worked_on
from emma_platform.pipeline.resources import Home
from emma_platform.recompute.intake import look
from emma_platform.recompute.ledger import fingerprint
from emma_platform.recompute.platform import Platform
from emma_platform.recompute.reporting import work_left
from emma_platform.sources.protocol import SourceError

UPDATE_TAG = "emma/update"
INTERVAL_SECONDS = 5
PENDING_SECONDS = 4.0
"""So long the sensor waits for a run to end: what it has published is seen while it still tells Dagster, for a second
or two, and whatever is dropped then would else lie until the next look."""
SLEW_SECONDS = 0.01
"""The clock that files are timed by may be slewed meanwhile, by up to 500 parts in a million (adjtimex(2))."""
GRACE = timedelta(seconds=60)
"""A run whose status changed so lately may not have begun, or not have ended, to say that it is worked on."""
PENDING = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.sensor(
    name="files",
    asset_selection=dg.AssetSelection.all(),
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for one run when files were dropped or a run left work; waits while one is pending.",
)
def files_sensor(context: dg.SensorEvaluationContext, home: dg.ResourceParam[Home]) -> dg.RunRequest | dg.SkipReason:
    """One run for all that is new; the same state is tried `max_attempts` times, a new file starts anew."""
    _end_dead_runs(context.instance, home)
    if pending := _pending(context.instance):
        return dg.SkipReason(f"Run {pending} is still pending.")
    opened = home.open()
    try:
        seen = _seen(opened)
    except SourceError as error:
        return dg.SkipReason(str(error))
    if seen is None:
        return dg.SkipReason("Nothing new.")
    before = json.loads(context.cursor) if context.cursor else {}
    tries = before.get("tries", 0) + 1 if before.get("seen") == seen else 1
    if tries > opened.settings.max_attempts:
        return dg.SkipReason(
            f"ALERT: {opened.settings.max_attempts} runs did not finish this work. Look at the last failed run and at"
            " `emma status`; then run `emma update`, or drop the files again."
        )
    context.update_cursor(json.dumps({"seen": seen, "tries": tries}))
    return dg.RunRequest(run_key=f"{seen}-{tries}", tags={UPDATE_TAG: "true"})


def _pending(instance: dg.DagsterInstance) -> str | None:
    """A run of the sensor's that has not ended within `PENDING_SECONDS`, or None."""
    wanted = dg.RunsFilter(tags={UPDATE_TAG: "true"}, statuses=PENDING)
    until = time.monotonic() + PENDING_SECONDS
    while found := instance.get_run_records(wanted, limit=1):
        if time.monotonic() >= until:
            return found[0].dagster_run.run_id
        time.sleep(0.2)
    return None


def _end_dead_runs(instance: dg.DagsterInstance, home: Home) -> None:
    """Mark started runs as failed whose process is gone: they would hold the queue for ever."""
    for record in instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        silent = datetime.now(UTC) - record.update_timestamp > GRACE
        if silent and not is_worked_on(home.settings, record.dagster_run.run_id):
            instance.report_run_failed(record.dagster_run, "Its process is gone; the next run completes the work.")


def _seen(platform: Platform) -> str | None:
    """A fingerprint of the work that waits, or None when there is none.

    A file that will be ready before the next look is waited for: left to that look, it would lie up to 2 s longer.
    """
    scan = look(platform)
    if not scan.ready and scan.ready_in is not None and scan.ready_in < INTERVAL_SECONDS:
        time.sleep(scan.ready_in + SLEW_SECONDS)
        scan = look(platform)
    left = work_left(platform.ledger)
    if not scan.ready and not left:
        return None
    return fingerprint(str(left), *(f"{s.name}:{s.size}:{s.mtime_ns}" for s in scan.ready))
