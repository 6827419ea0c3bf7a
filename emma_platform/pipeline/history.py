"""What Dagster remembers of runs that are long over, and what of it may be forgotten.

Belongs here: deleting from Dagster's databases on SQLite. Does not belong here: when that is done (`maintenance`), and
writing events (`event_log`).

Of the newest runs everything is kept. Of older ones the run itself, its log and those of its events go that a later
event of the same kind, asset and partition, or a later result of the same check, stands for. What is left is what
Dagster answers from: which partitions are materialised, when last, from what and with which data version, and how each
check last came out. Dagster's own `delete_run` also deletes the last materialisation of a partition, which then shows
as never computed.

A kill at any instant leaves a run without its log or a log without its run; the next call goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import dagster as dg
import sqlalchemy as sql
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.runs.schema import RunsTable, RunTagsTable

from emma_platform.recompute.compaction import compact
from emma_platform.recompute.platform import Observer

AT_ONCE = 2_000
"""Events deleted in one transaction: .03 s of CPU for which other writers wait."""
ORPHAN_AGE = timedelta(hours=1)
"""A log whose run is not known may be one that is only now being started."""

log, tags, checks = SqlEventLogStorageTable.c, AssetEventTagsTable.c, AssetCheckExecutionsTable.c
ENDED = [AssetCheckExecutionRecordStatus.SUCCEEDED.value, AssetCheckExecutionRecordStatus.FAILED.value]

_T = TypeVar("_T")


@dataclass(frozen=True)
class Forgotten:
    """What Dagster forgot: runs, events and results of checks, and the bytes given back to the disk."""

    runs: int = 0
    events: int = 0
    bytes: int = 0


def forget_old_runs(instance: dg.DagsterInstance, keep: int, observer: Observer) -> Forgotten:
    """Forget all but the newest `keep` runs and what Dagster's pages show of older ones.

    A run that has not ended stays, and so does everything when Dagster keeps its events or runs elsewhere than in
    SQLite: a server has tools of its own.
    """
    events, runs = instance.event_log_storage, instance.run_storage
    if not isinstance(events, SqliteEventLogStorage) or not isinstance(runs, SqliteRunStorage):
        return Forgotten()
    before = _bytes(instance)
    old = _old_runs(instance, keep)
    for run_id in old:
        instance.run_storage.delete_run(run_id)
    with runs.connect() as connection:
        known = sql.select(RunsTable.c.run_id)
        connection.execute(RunTagsTable.delete().where(RunTagsTable.c.run_id.not_in(known)))
    observer.step("maintenance: runs deleted")
    left = instance.get_run_ids()
    deleted = 0
    for ids in _in_pieces(_superseded(events, left)):
        with events.index_connection() as index:
            index.execute(AssetEventTagsTable.delete().where(tags.event_id.in_(ids)))
            index.execute(SqlEventLogStorageTable.delete().where(log.id.in_(ids)))
        deleted += len(ids)
        observer.step("maintenance: events deleted")
    deleted += _delete_results(events, left)
    _delete_logs(events, old, left)
    observer.step("maintenance: logs deleted")
    for database in _databases(instance):
        compact(database)
    observer.step("maintenance: Dagster compacted")
    return Forgotten(len(old), deleted, max(before - _bytes(instance), 0))


def _old_runs(instance: dg.DagsterInstance, keep: int) -> Sequence[str]:
    newest = instance.get_run_ids(limit=keep)
    if len(newest) < keep:
        return []
    return instance.get_run_ids(dg.RunsFilter(statuses=list(FINISHED_STATUSES)), cursor=newest[-1])


def _first_kept(index: sql.Connection, runs: Collection[str]) -> int:
    """The first event of the runs that are left; without any, the newest event: its id must not be given away again."""
    firsts = [
        index.scalar(sql.select(sql.func.min(log.id)).where(log.run_id.in_(some))) for some in _in_pieces(list(runs))
    ]
    found = [first for first in firsts if first is not None]
    newest = index.scalar(sql.select(sql.func.max(log.id))) or 0
    return min(found, default=newest)


def _superseded(events: SqliteEventLogStorage, runs: Collection[str]) -> list[int]:
    """The events from before the runs that are left which later ones stand for; read from indexes alone."""
    same = (log.asset_key, log.dagster_event_type, log.partition)
    newest = sql.func.max(log.id).over(partition_by=same).label("newest")
    ranked = sql.select(log.id, newest).where(log.asset_key.is_not(None)).subquery()
    with events.index_connection() as index:
        first = _first_kept(index, runs)
        later = sql.select(ranked.c.id).where(ranked.c.id < ranked.c.newest, ranked.c.id < first)
        nobodys = sql.select(log.id).where(log.asset_key.is_(None), log.id < first)
        return [*index.scalars(later), *index.scalars(nobodys)]


def _delete_results(events: SqliteEventLogStorage, runs: Collection[str]) -> int:
    """Delete results of checks that a later one stands for; a check that was only planned stands for none."""
    same = (checks.asset_key, checks.check_name, checks.partition)
    newest = sql.select(sql.func.max(checks.id)).group_by(*same)
    with events.index_connection() as index:
        gone = AssetCheckExecutionsTable.delete().where(
            checks.evaluation_event_storage_id < _first_kept(index, runs),
            checks.id.not_in(newest),
            checks.id.not_in(newest.where(checks.execution_status.in_(ENDED))),
        )
        return index.execute(gone).rowcount


def _delete_logs(events: SqliteEventLogStorage, old: Collection[str], left: Collection[str]) -> None:
    """Delete the logs of the runs that went, now or before a crash."""
    kept, gone = {*left, INDEX_SHARD_NAME, ""}, {*old}
    oldest = time.time() - ORPHAN_AGE.total_seconds()
    for path in Path(events.path_for_shard(INDEX_SHARD_NAME)).parent.glob("*.db"):
        run_id = path.name.removesuffix(".db")
        if run_id in kept or (run_id not in gone and path.stat().st_mtime > oldest):
            continue
        for part in ("", "-wal", "-shm"):
            path.with_name(path.name + part).unlink(missing_ok=True)


def _databases(instance: dg.DagsterInstance) -> list[Path]:
    """Dagster's databases but for the logs of single runs, which are not written any more."""
    root = Path(instance.root_directory)
    found = (root / "history" / "runs" / f"{INDEX_SHARD_NAME}.db", *root.glob("history/*.db"), *root.glob("*/*.db"))
    return sorted({path for path in found if path.exists()})


def _bytes(instance: dg.DagsterInstance) -> int:
    return sum(path.stat().st_size for path in Path(instance.root_directory).rglob("*.db*") if path.exists())


def _in_pieces(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE))
