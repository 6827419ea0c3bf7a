"""The assets: every table in one step, so that one run computes exactly what is affected.

Belongs here: turning what Dagster asks for into a selection, and what a batch did into Dagster's events
(https://docs.dagster.io/guides/build/assets/defining-assets, `multi_asset`). Does not belong here: what is affected and
how it is computed (`recompute`), and the specifications (`specs`).

A step a table and a run a partition would cost 7 s of CPU a run and 30 ms an event; one step for all costs 0.4 ms an
event.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import overload

import dagster as dg
import sqlalchemy as sa

from emma_platform.model.partitions import StoreDay, store_from_key, store_key
from emma_platform.model.tables import KEPT, TABLES
from emma_platform.pipeline.alive import working_on
from emma_platform.pipeline.checks import (
    CHECKED,
    before_publication,
    check_specs,
    evaluate,
    last_result,
    note,
    of_publication,
)
from emma_platform.pipeline.metadata import Described, describe
from emma_platform.pipeline.report import (
    NEVER_COMPUTED,
    Origin,
    PartitionEvent,
    add_stores,
    remove_partitions,
    report_checks,
    report_partitions,
)
from emma_platform.pipeline.resources import Home
from emma_platform.pipeline.specs import asset_specs, lineage
from emma_platform.recompute import code
from emma_platform.recompute.batch import materialise, one_at_a_time, update
from emma_platform.recompute.ledger import NO_DAY, NO_STORE, Key, partitions
from emma_platform.recompute.plan import EVERYTHING, Selection
from emma_platform.recompute.platform import Platform
from emma_platform.recompute.reporting import Computed, mark_reported, newest_unreported, unreported

STEP = "tables"
BATCH_TAG = "emma/batch"
"""On a run: the number of its batch, as in `emma status`."""
EMPTY = "empty"
"""The data version of a partition without rows."""


def tables_asset(first_day: date, code_versions: Mapping[str, str]) -> dg.AssetsDefinition:
    """All tables as one step that may compute any part of any of them."""

    @dg.multi_asset(
        name=STEP,
        specs=asset_specs(first_day, code_versions),
        check_specs=check_specs(),
        can_subset=True,
        pool="lake",
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def tables(context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]) -> Iterator[dg.Output[None]]:
        opened = replace(home.open(), run=context.run.run_id)
        # Telling belongs to the turn: told late, what a later batch has changed since would be what Dagster shows.
        with working_on(home.settings, context.run.run_id), one_at_a_time(opened):
            _run(context, home, opened)
        # Everything was reported in batches; a step that returns None instead would be asked for its outputs.
        yield from ()

    return tables


def _run(context: dg.AssetExecutionContext, home: Home, opened: Platform) -> None:
    """Compute what was asked for, check it, and tell Dagster."""
    selection = selected(context)
    wanted = context.op_execution_context.selected_asset_check_keys
    checks_alone = selection is not None and not selection.tables
    checked: list[dg.AssetCheckEvaluation] = []

    def check() -> None:
        looked_at = _held(opened, EVERYTHING) if checks_alone else newest_unreported(opened.ledger, KEPT, CHECKED)
        if selection is not None and not checks_alone:
            looked_at = sorted({*looked_at, *_held(opened, selection)})
        found = evaluate(opened, before_publication(wanted), looked_at, partial(last_result, context.instance))
        checked.extend(found)
        note(opened, checked, looked_at)

    if checks_alone:
        check()
    else:
        report = materialise(opened, selection, check) if selection else update(opened, check)
        home.reports.append(report)
        context.instance.add_run_tags(context.run.run_id, {BATCH_TAG: str(report.id)})
        opened.observer.step("dagster: batch named")
    tell(context.instance, opened, context.run.run_id, selection)
    checked += evaluate(opened, of_publication(wanted), (), partial(last_result, context.instance))
    report_checks(context.instance, checked, run_id=context.run.run_id, step_key=STEP)
    opened.observer.step("dagster: checks reported")


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


def tell(
    instance: dg.DagsterInstance, platform: Platform, run_id: str, selection: Selection | None = None
) -> list[Computed]:
    """Report every partition computed since the last report, then remember that it was reported.

    Of a selection, the partitions that are there are reported also when they were found to be as they should.
    """
    computed = unreported(platform.ledger)
    if selection is not None:
        computed += sorted(set(_held(platform, selection)) - set(computed))
    add_stores(instance, {item.key.store for item in computed if item.key.store})
    platform.observer.step("dagster: stores added")
    gone: dict[str, list[str]] = {}
    there: list[Computed] = []
    for item in computed:
        if item.gone and (partition := partition_key(item.key)) is not None:
            gone.setdefault(item.table, []).append(partition)
        else:
            there.append(item)
    # First those that are gone: only what comes after them makes a status that Dagster keeps.
    remove_partitions(instance, gone)
    platform.observer.step("dagster: partitions removed")
    report_partitions(
        instance, _Events(there, run_id, describe(platform, computed)), step_key=STEP, origins=_origins(platform),
        stored=lambda: platform.observer.step("dagster: partitions reported"),
    )  # fmt: skip
    mark_reported(platform.ledger, computed)
    platform.observer.step("dagster: told")
    return computed


class _Events(Sequence[PartitionEvent]):
    """What is told of computed partitions, each made when it is asked for: 800,000 of them take 200 MB."""

    def __init__(self, computed: Sequence[Computed], run_id: str, described: Described) -> None:
        self._computed, self._run_id, self._described = computed, run_id, described

    def __len__(self) -> int:
        return len(self._computed)

    @overload
    def __getitem__(self, at: int) -> PartitionEvent: ...
    @overload
    def __getitem__(self, at: slice) -> list[PartitionEvent]: ...
    def __getitem__(self, at: int | slice) -> PartitionEvent | list[PartitionEvent]:
        if isinstance(at, slice):
            return [self._event(item) for item in self._computed[at]]
        return self._event(self._computed[at])

    def _event(self, item: Computed) -> PartitionEvent:
        return PartitionEvent(
            asset=item.table,
            partition=partition_key(item.key),
            rows=item.rows,
            data_version=item.content or EMPTY,
            run_id=self._run_id,
            metadata=self._described.get((item.table, item.key), {}),
        )


def _held(platform: Platform, selection: Selection) -> list[Computed]:
    """The selected partitions that are there and not stale."""
    p = partitions.c
    columns = (p.table_name, p.store, p.day, p.content, p.rows, p.batch)
    with platform.ledger.transaction() as connection:
        found = connection.execute(sa.select(*columns).where(p.wanted != "", p.wanted == p.done)).all()
    items = (Computed(row[0], Key(row[1], row[2]), row[3], row[4], row[5], gone=False) for row in found)
    return [item for item in items if selection.has(item.table) and selection.picks(item.key)]


def _origins(platform: Platform) -> dict[str, Origin]:
    """What each table is made from: its code, and the content of the tables in one piece that it reads."""
    codes = code.current(platform.settings)
    p = partitions.c
    with platform.ledger.transaction() as connection:
        statement = sa.select(p.table_name, p.content).where(p.store == NO_STORE, p.day == NO_DAY, p.wanted != "")
        whole = {table: content or EMPTY for table, content in connection.execute(statement)}
    return {
        table.name: Origin(
            codes.get(table.name, ""), {name: whole.get(name, NEVER_COMPUTED) for name in lineage(table)}
        )
        for table in TABLES.values()
        if table.inputs
    }


def partition_key(key: Key) -> str | None:
    """Dagster's spelling of a ledger key."""
    if key.day:
        return StoreDay(key.store, date.fromisoformat(key.day)).key
    return store_key(key.store) if key.store else None
