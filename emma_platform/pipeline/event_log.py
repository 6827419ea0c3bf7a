"""The event log of Dagster on SQLite, written in batches.

Belongs here: how many events reach the run's shard, the index shard and the asset tables in a few statements and one
transaction, and how the events of single partitions leave it. What is stored equals what the stock storage stores
event by event. Does not belong here: which events are reported, and when (`report`).

Stock: 15 ms of CPU an event, because each opens its own connections, looks the tables up again and commits twice.
The stock storage reads and writes the same files: taking `event_log_storage` out of `dagster.yaml` goes back to it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from dagster import AssetKey, DagsterEventType, StringSource
from dagster._config.config_schema import UserConfigSchema
from dagster._core.events.log import EventLogEntry
from dagster._core.execution.stats import RunStepKeyStatsSnapshot
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    AssetKeyTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.partition_status_cache import AssetStatusCacheValue
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData, serialize_value

ASSET_TYPES = frozenset(
    {
        DagsterEventType.ASSET_MATERIALIZATION,
        DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
        DagsterEventType.ASSET_OBSERVATION,
    }
)
CHECK_TYPES = frozenset({DagsterEventType.ASSET_CHECK_EVALUATION, DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED})
BATCHED_TYPES = ASSET_TYPES | CHECK_TYPES
"""The events written in batches: the index shard holds each of them, too. Others go one by one."""

BATCH_SIZE = 1_000
"""Events that Dagster gathers before it writes: it gathers them only when DAGSTER_EVENT_BATCH_SIZE says so."""

WIPES = sql.Table(
    "emma_wipes",
    sql.MetaData(),
    sql.Column("asset_key", sql.Text, primary_key=True),
    sql.Column("event_id", sql.BigInteger, nullable=False),
)
"""For each asset that lost partitions, the newest event when it last did. Stock Dagster does not know this table."""

KEPT_ENGINES = 4
"""Shards whose compiled statements are kept: the index, and the runs that are at work."""

KEYS_PER_STATEMENT = 1_000
"""Partition keys in one SQL statement; SQLite takes 32,766 parameters at most."""


class BatchedSqliteEventLogStorage(SqliteEventLogStorage):
    """The stock SQLite event log, with `store_event_batch` in one transaction and `wipe_asset_partitions`.

    Configured in `dagster.yaml` by `dagster_home`: the files lie where the stock storage keeps them,
    `history/runs` below it.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._held = threading.local()
        self._known_tables: set[str] = set()
        self._engine_of = lru_cache(KEPT_ENGINES)(_make_engine)
        super().__init__(base_dir, inst_data)
        # A batch keeps the index shard open while it opens the shards of its runs, in the same thread.
        self._db_lock = threading.RLock()  # type: ignore[assignment]
        # Dagster reads this at each event. Without it a rectangle run writes its planned events one by one.
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", str(BATCH_SIZE))

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """The configuration in `dagster.yaml`: `dagster_home`, usually `{env: DAGSTER_HOME}`."""
        return {"dagster_home": StringSource}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, object]
    ) -> BatchedSqliteEventLogStorage:
        """The storage that `dagster.yaml` describes."""
        return cls(str(Path(str(config_value["dagster_home"])) / "history" / "runs"), inst_data)

    def has_table(self, table_name: str) -> bool:
        """Whether the index shard has a table. A table that was seen once stays."""
        if table_name not in self._known_tables and super().has_table(table_name):
            self._known_tables.add(table_name)
        return table_name in self._known_tables

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sql.Connection]:
        """The connection of the batch that this thread is writing, so that stock code joins its transaction."""
        held: sql.Connection | None = getattr(self._held, "index", None)
        if held is not None and shard == INDEX_SHARD_NAME:
            yield held
        else:
            with self._db_lock, self._opened(shard).begin() as connection:
                yield connection

    def _opened(self, shard: str) -> sql.Engine:
        """The engine of a shard that is there. A new one for each connection, as in stock, compiles all SQL anew."""
        engine = self._engine_of(self.conn_string_for_shard(shard))
        # Maintenance deletes the log of an old run; who still asks for it finds an empty one, not an error.
        if shard not in self._initialized_dbs or not Path(self.path_for_shard(shard)).exists():
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        return engine

    @contextmanager
    def _index_transaction(self) -> Iterator[sql.Connection]:
        with self._connect(INDEX_SHARD_NAME) as connection:
            self._held.index = connection
            try:
                yield connection
            finally:
                self._held.index = None

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events as `store_event` would one by one, all or none of them.

        A batch that holds an event of another type than `BATCHED_TYPES` is stored event by event.
        """
        if not all(event.is_dagster_event and event.dagster_event_type in BATCHED_TYPES for event in events):
            super().store_event_batch(events)
        elif events:
            self._store_batch(events)

    def _store_batch(self, events: Sequence[EventLogEntry]) -> None:
        rows = [self._event_to_row(event) for event in events]
        # The shards of the runs are committed before the index, as the stock storage does: should the power go in
        # between, the assets do not claim what no run's log holds.
        with ExitStack() as stack:
            index = stack.enter_context(self._index_transaction())
            for run_id, run_rows in groupby(sorted(rows, key=_run_id), key=_run_id):
                shard = stack.enter_context(self._connect(run_id))
                shard.execute(SqlEventLogStorageTable.insert(), list(run_rows))
            index.execute(SqlEventLogStorageTable.insert(), rows)
            # The insert took SQLite's write lock, and a new row's id is the highest plus one: the ids are ours.
            last: int = index.execute(sql.select(sql.func.max(SqlEventLogStorageTable.c.id))).scalar_one()
            ids = range(last - len(rows) + 1, last + 1)
            self._store_assets(index, events, ids)
            for event, event_id in zip(events, ids, strict=True):
                if event.dagster_event_type in CHECK_TYPES:
                    self.store_asset_check_event(event, event_id)

    def _store_assets(self, index: sql.Connection, events: Sequence[EventLogEntry], ids: Sequence[int]) -> None:
        """Write the tags of every event, and per asset only the events whose traces the later ones leave standing."""
        pairs = [(e, i) for e, i in zip(events, ids, strict=True) if e.dagster_event_type in ASSET_TYPES]
        if not pairs:
            return
        self._store_asset_event_tags(index, [event for event, _ in pairs], [event_id for _, event_id in pairs])
        order: dict[AssetKey | None, int] = {}
        latest: dict[tuple[int, DagsterEventType], tuple[int, EventLogEntry]] = {}
        for event, event_id in pairs:
            dagster_event = event.get_dagster_event()
            asset = order.setdefault(dagster_event.asset_key, len(order))
            latest[asset, dagster_event.event_type] = (event_id, event)
        for _, (event_id, event) in sorted(latest.items(), key=lambda item: (item[0][0], item[1][0])):
            self._store_asset_event(index, event, event_id)

    def get_step_stats_for_run(
        self, run_id: str, step_keys: Sequence[str] | None = None
    ) -> Sequence[RunStepKeyStatsSnapshot]:
        """As the stock storage; of a run without a log the steps asked for, without times.

        The page of a partition takes the first of the list, and is an error where there is none.
        """
        found = super().get_step_stats_for_run(run_id, step_keys)
        return found or [RunStepKeyStatsSnapshot(run_id=run_id, step_key=key) for key in step_keys or ()]

    def wipe_asset_partitions(self, asset_key: AssetKey, partition_keys: Sequence[str]) -> None:
        """Take the events of single partitions out of the index, as if they had never been.

        The stock storage cannot. The logs of the runs keep them. Unknown partitions are passed over.
        """
        with self._index_transaction() as index:
            for start in range(0, len(partition_keys), KEYS_PER_STATEMENT):
                _wipe_partitions(index, asset_key.to_string(), partition_keys[start : start + KEYS_PER_STATEMENT])
            index.execute(sql.schema.CreateTable(WIPES, if_not_exists=True))
            index.execute(WIPES.delete().where(WIPES.c.asset_key == asset_key.to_string()))
            newest = sql.select(
                sql.literal(asset_key.to_string()), sql.func.coalesce(sql.func.max(SqlEventLogStorageTable.c.id), 0)
            )
            index.execute(WIPES.insert().from_select(["asset_key", "event_id"], newest))
            # Without the two, Dagster reads the latest materialisation and the partitions' status from the events.
            index.execute(
                AssetKeyTable.update()
                .values(last_materialization=None, cached_status_data=None)
                .where(AssetKeyTable.c.asset_key == asset_key.to_string())
            )

    def update_asset_cached_status_data(self, asset_key: AssetKey, cache_values: AssetStatusCacheValue) -> None:
        """Keep the status of an asset's partitions, unless it was read before the asset last lost partitions.

        The UI reads the status, brings it up to date and writes it back; were partitions wiped meanwhile, they would be
        shown until the next wipe. A status is that old when it ends before the wipe; one that was read afterwards and
        ends there, too, is not kept either, and read again from the events.
        """
        own = WIPES.c.asset_key == asset_key.to_string()
        with self.index_connection() as index:
            index.execute(sql.schema.CreateTable(WIPES, if_not_exists=True))
            # One statement, so that no wipe comes between the question and the answer.
            index.execute(
                AssetKeyTable.update()
                .where(
                    AssetKeyTable.c.asset_key == asset_key.to_string(),
                    ~sql.exists().where(own, WIPES.c.event_id >= cache_values.latest_storage_id),
                )
                .values(cached_status_data=serialize_value(cache_values))
            )


def _make_engine(url: str) -> sql.Engine:
    return sql.create_engine(url, poolclass=sql.NullPool, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})


def _run_id(row: dict[str, Any]) -> str:
    return str(row["run_id"])


def _wipe_partitions(index: sql.Connection, asset_key: str, partition_keys: Sequence[str]) -> None:
    log, tags, checks = SqlEventLogStorageTable, AssetEventTagsTable, AssetCheckExecutionsTable
    wiped = sql.and_(log.c.asset_key == asset_key, log.c.partition.in_(partition_keys))
    index.execute(tags.delete().where(tags.c.event_id.in_(sql.select(log.c.id).where(wiped))))
    index.execute(checks.delete().where(checks.c.asset_key == asset_key, checks.c.partition.in_(partition_keys)))
    # SQLite gives the highest id away again once its row is gone, and a sensor's cursor would pass over the new event:
    # that row stays, as nobody's.
    highest = sql.select(sql.func.max(log.c.id)).scalar_subquery()
    index.execute(log.update().values(asset_key=None, partition=None).where(wiped, log.c.id == highest))
    index.execute(log.delete().where(wiped))
