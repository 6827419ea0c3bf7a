"""The assets: every table in one step, so that one run computes exactly what is affected.

Belongs here: turning what Dagster asks for into a selection, and what a batch did into Dagster's events
(https://docs.dagster.io/guides/build/assets/defining-assets, `multi_asset`). Does not belong here: what is affected and
how it is computed (`recompute`), and the specifications (`specs`).

A step a table and a run a partition would cost 7 s of CPU a run and 30 ms an event; one step for all costs 0.4 ms an
event.
"""

from collections.abc import Iterator, Mapping
from datetime import date

import dagster as dg

from emma_platform.model.partitions import StoreDay, store_from_key, store_key
from emma_platform.pipeline.checks import check_specs, evaluate
from emma_platform.pipeline.metadata import describe
from emma_platform.pipeline.report import PartitionEvent, add_stores, remove_partitions, report_partitions
from emma_platform.pipeline.resources import Home
from emma_platform.pipeline.specs import asset_specs
from emma_platform.recompute.batch import materialise, update
from emma_platform.recompute.ledger import Key
from emma_platform.recompute.plan import Selection
from emma_platform.recompute.platform import Platform
from emma_platform.recompute.reporting import Computed, mark_reported, unreported

STEP = "tables"


def tables_asset(first_day: date, code_versions: Mapping[str, str]) -> dg.AssetsDefinition:
    """All tables as one step that may compute any part of any of them."""

    @dg.multi_asset(
        name=STEP,
        specs=asset_specs(first_day, code_versions),
        check_specs=check_specs(),
        can_subset=True,
        pool="lake",
        backfill_policy=dg.BackfillPolicy.single_run(),
        retry_policy=dg.RetryPolicy(max_retries=1, delay=5, jitter=dg.Jitter.PLUS_MINUS),
    )
    def tables(
        context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]
    ) -> Iterator[dg.Output[None] | dg.AssetCheckEvaluation]:
        opened = home.open()
        selection = selected(context)
        if selection is None or selection.tables:
            report = update(opened) if selection is None else materialise(opened, selection)
            home.reports.append(report)
            context.log.info("Batch %s: %s in %.1f s", report.id, report.partitions, report.seconds)
        told = tell(context.instance, opened, context.run.run_id)
        wanted = context.op_execution_context.selected_asset_check_keys
        for evaluation in evaluate(opened, wanted, told):
            yield from _yielded(context.assets_def, evaluation)

    return tables


def _yielded(
    assets: dg.AssetsDefinition, evaluation: dg.AssetCheckEvaluation
) -> Iterator[dg.Output[None] | dg.AssetCheckEvaluation]:
    """What a step yields for a check. `AssetCheckResult` would do both, but refuses assets that are cut differently."""
    names = {spec.key: name for name, spec in assets.check_specs_by_output_name.items()}
    yield dg.Output(None, output_name=names[evaluation.asset_check_key])
    yield evaluation


def selected(context: dg.AssetExecutionContext) -> Selection | None:
    """What a person or a backfill asked for; None for the whole batch, which finds its work by itself."""
    tables = frozenset(key.to_user_string() for key in context.op_execution_context.selected_asset_keys)
    if context.has_partition_key or context.has_partition_key_range:
        return Selection(tables, frozenset(_key(key) for key in context.partition_keys))
    if "raw_sales" in tables:
        return None
    return Selection(tables, frozenset())


def _key(partition: str) -> Key:
    """The ledger's key of a Dagster partition: a store-day, or a store."""
    if "|" in partition:
        store_day = StoreDay.from_key(partition)
        return Key(store_day.store, store_day.day.isoformat())
    return Key(store_from_key(partition), "")


def tell(instance: dg.DagsterInstance, platform: Platform, run_id: str) -> list[Computed]:
    """Report every partition computed since the last report, then remember that it was reported."""
    computed = unreported(platform.ledger)
    add_stores(instance, {item.key.store for item in computed if item.key.store})
    gone: dict[str, list[str]] = {}
    events: list[PartitionEvent] = []
    described = describe(platform, computed)
    for item in computed:
        partition = partition_key(item.key)
        if item.gone and partition is not None:
            gone.setdefault(item.table, []).append(partition)
            continue
        events.append(
            PartitionEvent(
                asset=item.table,
                partition=partition,
                rows=item.rows,
                data_version=item.content or "empty",
                run_id=run_id,
                metadata=described.get((item.table, item.key), {}),
            )
        )
    report_partitions(instance, events, step_key=STEP)
    remove_partitions(instance, gone)
    mark_reported(platform.ledger, computed)
    return computed


def partition_key(key: Key) -> str | None:
    """Dagster's spelling of a ledger key."""
    if key.day:
        return StoreDay(key.store, date.fromisoformat(key.day)).key
    return store_key(key.store) if key.store else None
