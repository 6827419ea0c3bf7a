"""The lake: tables with versions on disk, as Delta Lake tables of Parquet files.

Belongs here: rows into Parquet files and back, and what may be deleted. Does not belong here: the log (`delta_log`) and
the cut of tables (`layout`).

Data files are written with pyarrow and committed as Delta actions, not with `write_deltalake`: for 5,484 store-months
in one commit that takes 6 s of CPU and .1 GB beyond the rows instead of 11 to 19 s and 3.4 to 4.3 GB, because there
each partition's writer stays open. A commit rewrites whole store-months: one file a place, and nothing to compact.
"""

from __future__ import annotations

import os
import random
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from emma_platform.model.partitions import UNPLACED, month_of
from emma_platform.model.schema import Table
from emma_platform.store import layout
from emma_platform.store.delta_log import ConflictError, DeltaLog, Entry, Snapshot, explained
from emma_platform.store.layout import Place
from emma_platform.store.protocol import Days, Files, Replace, Size, StoreError, Stores

ROW_GROUP = 122_880
"""Rows of a row group, as DuckDB writes them; its statistics let a reader skip the other days and products."""

_RANDOM = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class _Change:
    """What a commit does at one place: the files that go, and the file that comes."""

    remove: list[Entry]
    add: Entry | None


class DeltaStore:
    """Tables as Delta Lake tables in `root/<table>`.

    Args:
        root: the lake's folder; made when the first table is.
        orphan_age: files that no version knows are left alone for this long, for they may be a writer's at work.
        attempts: how often a commit is tried when other processes keep committing first.
        threads: files read and written at once; all cores by default.
        sleep: waits between attempts, in seconds.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        root: Path,
        *,
        orphan_age: timedelta = timedelta(days=1),
        attempts: int = 5,
        threads: int | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._root = root.absolute()
        self._orphan_age = orphan_age
        self._attempts = attempts
        self._threads = threads or os.cpu_count() or 1
        self._sleep = sleep
        self._clock = clock
        self._logs: dict[str, DeltaLog] = {}

    def commit(self, table: str, rows: pa.Table, replace: Replace, metadata: Mapping[str, str]) -> int:
        """See `TableStore.commit`; the metadata is kept in the commit (`DeltaTable.history`)."""
        described = layout.table_of(table)
        new = layout.pieces(described, layout.conform(described, rows))
        layout.check_inside(described, new, replace)
        log = self._log(table)
        for attempt in range(self._attempts):
            base = log.newest()
            if base is None:
                log.claim()
            changes = self._changes(described, base, new, replace)
            add = [change.add for change in changes if change.add is not None]
            remove = [entry for change in changes for entry in change.remove]
            try:
                return log.commit(base, add, remove, metadata, int(self._clock() * 1000))
            except ConflictError:
                if attempt + 1 < self._attempts:
                    self._sleep(_RANDOM.uniform(0.5, 1.5) * 0.05 * 2**attempt)
        raise StoreError(
            f"{table}: other processes committed first {self._attempts} times in {self._root / table}; "
            "one process writes at a time, so stop the other one or run again"
        )

    def version(self, table: str) -> int | None:
        """See `TableStore.version`."""
        newest = self._log(table).newest()
        return None if newest is None else newest.version

    def restore(self, table: str, version: int | None) -> None:
        """See `TableStore.restore`; the earlier version's files become those of one new version."""
        log = self._log(table)
        newest = log.newest()
        if newest is None:
            return
        wanted = log.at(version).select() if version is not None else []
        there = newest.select()
        add, remove = _without(wanted, there), _without(there, wanted)
        if add or remove:
            log.commit(newest, add, remove, {"restored": str(version)}, int(self._clock() * 1000))

    def files(
        self,
        table: str,
        *,
        version: int | None = None,
        stores: Collection[str | None] | None = None,
        months: Collection[str] | None = None,
    ) -> Files:
        """See `TableStore.files`; absolute paths, sorted by store and month."""
        log = self._log(table)
        snapshot = log.newest() if version is None else log.at(version)
        if snapshot is None:
            return Files(table, ())
        entries = snapshot.select(layout.spelled_stores(stores), layout.spelled_months(months))
        folder = str(self._root / table)
        return Files(table, tuple(f"{folder}/{entry.path}" for entry in entries))

    def read(
        self,
        table: str,
        *,
        version: int | None = None,
        stores: Collection[str | None] | None = None,
        months: Collection[str] | None = None,
        columns: Collection[str] | None = None,
    ) -> pa.Table:
        """See `TableStore.read`; sorted by store, month and the table's natural order."""
        described = layout.table_of(table)
        layout.check_cut(described, stores, months)
        schema = layout.schema_of(described, columns)
        paths = self.files(table, version=version, stores=stores, months=months).paths
        with explained(table, self._root / table), ThreadPoolExecutor(self._threads) as pool:
            found = list(pool.map(lambda path: _read(path, schema), paths))
        return pa.concat_tables([schema.empty_table(), *found])

    def maintain(self, table: str, keep: Collection[int]) -> Size:
        """See `TableStore.maintain`.

        A data file's name says the version it was made for, and no commit of that number can follow another one: what
        no kept version names and the newest version has reached or passed is dead. Files made for a later version may
        be a writer's at work and go when they are older than `orphan_age`.
        """
        log = self._log(table)
        newest = log.newest()
        if newest is None:
            return Size()
        kept = {newest.version, *keep}
        needed = frozenset[str]().union(*map(log.paths, kept))
        oldest = self._clock() - self._orphan_age.total_seconds()
        with explained(table, self._root / table):
            deleted = _sweep(self._root / table, needed, newest.version, oldest)
        log.tidy(min(kept), oldest)
        return deleted

    def replaced(self, table: str, since: int | None) -> Size:
        """See `TableStore.replaced`; reads the commits after the version, as far as maintenance has left them."""
        return self._log(table).replaced(-1 if since is None else since)

    def _log(self, table: str) -> DeltaLog:
        if table not in self._logs:
            self._logs.setdefault(table, DeltaLog(layout.table_of(table), self._root / table))
        return self._logs[table]

    def _changes(
        self, table: Table, base: Snapshot | None, new: Mapping[Place, pa.Table], replace: Replace
    ) -> list[_Change]:
        """Write the files of the version after `base`; when that fails, what was written is deleted again."""
        held: defaultdict[Place, list[Entry]] = defaultdict(list)
        for entry in base.select(*_scope(replace)) if base else []:
            held[entry.place].append(entry)
        replaced = layout.replaced(replace, held)
        version, token = base.version + 1 if base else 0, uuid.uuid4().hex
        paths = {place: place.path(f"{version}-{place.month}-{token}.parquet") for place in {*replaced, *new}}

        def change(place: Place) -> _Change:
            gone = held.get(place, [])
            rows = self._rows(table, gone, replaced.get(place), new.get(place))
            if rows is None or not rows.num_rows:
                return _Change([] if rows is None else gone, None)
            return _Change(gone, self._written(table, rows, paths[place], place))

        pool = ThreadPoolExecutor(self._threads)
        try:
            with explained(table.name, self._root / table.name):
                return list(pool.map(change, sorted(paths)))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            self._delete(table, paths.values())
            raise
        finally:
            pool.shutdown()

    def _rows(
        self, table: Table, held: list[Entry], days: frozenset[date] | None, piece: pa.Table | None
    ) -> pa.Table | None:
        """All rows that a place has after a commit, in order; None when it stays as it is."""
        new = table.arrow_schema().empty_table() if piece is None else piece
        if not held or days is None:
            return new
        schema = table.arrow_schema()
        old = pa.concat_tables([_read(f"{self._root / table.name}/{entry.path}", schema) for entry in held])
        stay = layout.without_days(old, days)
        if not new.num_rows and stay.num_rows == old.num_rows:
            return None
        return layout.in_order(table, pa.concat_tables([stay, new])) if stay.num_rows else new

    def _written(self, table: Table, rows: pa.Table, path: str, place: Place) -> Entry:
        """Write one file. Snappy: a quarter more bytes than zstd, a third less CPU to write and to read.

        Decimals as whole numbers, as DuckDB and Spark write them too, are read in 40 % of the time of byte strings.
        """
        target = self._root / table.name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        keyed = [name for name in table.names if name in {"store", "day", *table.key}]
        pq.write_table(
            rows,
            target,
            compression="snappy",
            row_group_size=ROW_GROUP,
            store_schema=False,
            store_decimal_as_integer=True,
            write_statistics=keyed,
        )
        return Entry(path, target.stat().st_size, rows.num_rows, place)

    def _delete(self, table: Table, paths: Collection[str]) -> None:
        """Free the disk of files that were never committed; what resists is left to `maintain`."""
        for path in paths:
            with suppress(OSError):
                (self._root / table.name / path).unlink(missing_ok=True)


def _sweep(folder: Path, needed: Collection[str], newest: int, oldest: float) -> Size:
    """Delete the data files that are not needed and were made for a version up to `newest`, or before `oldest`."""
    deleted = Size()
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "_delta_log"]
        below = "" if Path(parent) == folder else Path(parent).relative_to(folder).as_posix() + "/"
        for name in names:
            if not name.endswith(".parquet") or below + name in needed:
                continue
            path = Path(parent, name)
            made_for = name.partition("-")[0]
            there = path.stat()
            if (made_for.isdigit() and int(made_for) <= newest) or there.st_mtime < oldest:
                path.unlink()
                deleted += Size(1, there.st_size)
    return deleted


def _without(entries: Collection[Entry], others: Collection[Entry]) -> list[Entry]:
    """The entries whose file is not among the others: Delta allows no commit that adds and removes the same one."""
    known = {entry.path for entry in others}
    return [entry for entry in entries if entry.path not in known]


def _scope(replace: Replace) -> tuple[frozenset[str] | None, frozenset[str] | None]:
    """The partition values that a change can touch: a superset of its places."""
    if isinstance(replace, Days):
        days = (day for of_store in replace.days.values() for day in of_store)
        months = {month_of(day) for day in days}
        return layout.spelled_stores(replace.days.keys()), frozenset({*months, UNPLACED})
    if isinstance(replace, Stores):
        return layout.spelled_stores(replace.stores), None
    return None, None


def _read(path: str, schema: pa.Schema) -> pa.Table:
    with pq.ParquetFile(path) as file:
        rows = file.read(columns=schema.names, use_threads=False)
    return rows if rows.schema.equals(schema) else rows.select(schema.names).cast(schema)
