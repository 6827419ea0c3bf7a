"""The Delta log of one table: which files a version consists of, and the one commit that makes the next.

Belongs here: everything that speaks to `deltalake`. Does not belong here: rows and Parquet files (`delta`).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from emma_platform.model.schema import Table
from emma_platform.store import delta_entries
from emma_platform.store.layout import PARTITION_COLUMNS, Place
from emma_platform.store.protocol import NoVersionError, Size, StoreError

CHECKPOINT_EVERY = 20
"""Commits between checkpoints. One costs .07 s at 5,500 files and .2 s at 55,000; 20 commits open in .03 s."""

CHECKPOINT_BYTES = 1_000_000
"""Log entries that are read at each opening for want of a checkpoint; the commit of a rebuild has 320 bytes a file."""

OLD_VERSIONS = 8
"""File lists of older versions kept in memory; one of 55,000 files takes about 7 MB."""

_CONFIGURATION: dict[str, str | None] = {"delta.enableExpiredLogCleanup": "false"}
_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


class ConflictError(StoreError):
    """Another process committed first; what was to be committed must be made anew from the version it left."""

    def __init__(self, table: str) -> None:
        super().__init__(f"{table}: another process committed first; one process writes at a time, run again")


@dataclass(frozen=True, slots=True)
class Entry:
    """One data file: its path below the table's folder, its bytes and rows, and where they belong."""

    path: str
    size: int
    rows: int
    place: Place


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files of one version, as a frame of path, size, rows, store_key and month, sorted by place."""

    version: int
    entries: pa.Table

    def select(self, store_keys: Collection[str] | None = None, months: Collection[str] | None = None) -> list[Entry]:
        """The files that may hold rows of these partition values, None meaning all."""
        entries = self.entries
        for column, wanted in (("store_key", store_keys), ("month", months)):
            if wanted is not None:
                values = pa.array([*sorted(wanted), ""], pa.string())
                entries = entries.filter(pc.is_in(entries[column], value_set=values))
        columns = (entries[name].to_pylist() for name in ("path", "size", "rows", "store_key", "month"))
        return [Entry(path, size, rows, Place(*place)) for path, size, rows, *place in zip(*columns, strict=True)]


@contextmanager
def explained(table: str, path: Path) -> Iterator[None]:
    """Turn what the disk and the Delta library raise into a StoreError with table, path and remedy."""
    try:
        yield
    except (OSError, DeltaError, pa.ArrowException) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise StoreError(
            f"{table}: {path} cannot be read or written: {reason}. What was committed before is whole. Check that "
            "the disk has room and the folder is writable; if it is damaged, move it away and run `emma rebuild`"
        ) from error


class DeltaLog:
    """The log of the table in one folder, for threads to share; its handle is opened once and then moved on."""

    def __init__(self, table: Table, path: Path) -> None:
        self._table = table
        self._path = path
        self._columns = PARTITION_COLUMNS[table.grain]
        cut = [pa.field(column, pa.string(), nullable=False) for column in self._columns]
        self._schema = Schema.from_arrow(pa.schema([*table.arrow_schema(), *cut]))
        self._lock = threading.RLock()
        self._handle: DeltaTable | None = None
        self._identity: tuple[int, int] | None = None
        self._newest: Snapshot | None = None
        self._old: OrderedDict[int, Snapshot] = OrderedDict()

    def newest(self) -> Snapshot | None:
        """The newest version, or None when there is none yet.

        Raises:
            StoreError: the folder holds something else, or a table this platform cannot read.
        """
        with self._lock, explained(self._table.name, self._path):
            self._follow()
            if self._handle is None:
                return None
            if self._newest is None or self._newest.version != self._handle.version():
                self._newest = self._snapshot(self._handle)
            return self._newest

    def at(self, version: int) -> Snapshot:
        """An older version.

        Raises:
            NoVersionError: it was never made, or its files were deleted by maintenance.
        """
        with self._lock:
            newest = self.newest()
            if newest is not None and newest.version == version:
                return newest
            if version not in self._old:
                self._old[version] = self._older(version, newest)
                while len(self._old) > OLD_VERSIONS:
                    self._old.popitem(last=False)
            self._old.move_to_end(version)
            return self._old[version]

    def paths(self, version: int) -> frozenset[str]:
        """The data files of a version, below the table's folder."""
        return frozenset(entry.path for entry in self.at(version).select())

    def claim(self) -> None:
        """Make the folder this platform's own before the first data file is written."""
        with explained(self._table.name, self._path):
            self._refuse_foreign()
            (self._path / "_delta_log").mkdir(parents=True, exist_ok=True)

    def commit(
        self,
        base: Snapshot | None,
        add: Sequence[Entry],
        remove: Sequence[Entry],
        metadata: Mapping[str, str],
        at: int,
    ) -> int:
        """Make the version after `base`, whole or not at all.

        Args:
            base: the version that `remove` was taken from; None makes the table.
            add: files that lie ready.
            remove: files of `base` that are no longer part of the table.
            metadata: kept with the commit.
            at: milliseconds since 1970.

        Raises:
            ConflictError: `base` is no longer the newest version; nothing was changed.
            StoreError: the log cannot be written.
        """
        properties = CommitProperties(custom_metadata=dict(metadata), max_commit_retries=0)
        actions = [
            AddAction(file.path, file.size, self._values(file), at, True, f'{{"numRecords":{file.rows}}}')
            for file in add
        ]
        with self._lock, explained(self._table.name, self._path):
            self._follow()
            if self._version() != (base.version if base else None):
                raise ConflictError(self._table.name)
            version = base.version + 1 if base else 0
            try:
                if self._handle is None:
                    create_table_with_add_actions(
                        str(self._path), self._schema, actions, "error", list(self._columns), name=self._table.name,
                        description=self._table.meaning, configuration=_CONFIGURATION,
                        commit_properties=properties, post_commithook_properties=_NO_HOOKS,
                    )  # fmt: skip
                else:
                    if self._handle.version() % CHECKPOINT_EVERY == CHECKPOINT_EVERY - 1:
                        self._handle.create_checkpoint()
                    gone = [RemoveAction(file.path, True, at, file.size, self._values(file)) for file in remove]
                    self._handle.create_write_transaction(
                        [*actions, *gone], "append", self._schema, list(self._columns),
                        commit_properties=properties, post_commithook_properties=_NO_HOOKS,
                    )  # fmt: skip
            except DeltaError as error:
                if (base is None or isinstance(error, CommitFailedError)) and self._entry(version).exists():
                    raise ConflictError(self._table.name) from error
                raise
            return version

    def replaced(self, since: int) -> Size:
        """The files that the commits after a version took out, as far as the log still holds them."""
        with explained(self._table.name, self._path):
            return delta_entries.replaced(self._path / "_delta_log", since)

    def tidy(self, oldest: int, leftovers_before: float) -> None:
        """Checkpoint the newest version when that pays, and shorten the log as `delta_entries.drop` says."""
        with self._lock, explained(self._table.name, self._path):
            self._follow()
            log = self._path / "_delta_log"
            if self._handle is not None and delta_entries.bytes_to_open(log) > CHECKPOINT_BYTES:
                self._handle.create_checkpoint()
            delta_entries.drop(log, oldest, leftovers_before)

    def _entry(self, version: int) -> Path:
        return self._path / "_delta_log" / f"{version:020d}.json"

    def _version(self) -> int | None:
        return None if self._handle is None else int(self._handle.version())

    def _values(self, entry: Entry) -> dict[str, str | None]:
        return entry.place.values(self._table.grain)

    def _follow(self) -> None:
        """Bring the handle to the newest version; two or three file stats when nothing was committed.

        Log entries are numbered without gaps and dropped oldest first, so a handle whose own entry is there and whose
        next is not is the newest.
        """
        if self._handle is not None:
            version = self._handle.version()
            if self._identity != _identity(self._entry(version)):
                self._handle, self._newest = None, None
                self._old.clear()
            elif self._entry(version + 1).exists():
                try:
                    self._handle.update_incremental()
                except DeltaError:
                    self._handle = None
                else:
                    self._refuse_unreadable(self._handle)
        if self._handle is None:
            self._handle = self._open()
        self._identity = _identity(self._entry(self._handle.version())) if self._handle is not None else None

    def _open(self) -> DeltaTable | None:
        self._refuse_foreign()
        log = self._path / "_delta_log"
        if not log.is_dir() or not any(log.glob("*.json")):
            return None
        handle = DeltaTable(str(self._path))
        self._refuse_unreadable(handle)
        return handle

    def _refuse_foreign(self) -> None:
        if not self._path.exists() or (self._path / "_delta_log").is_dir():
            return
        if not self._path.is_dir() or any(self._path.iterdir()):
            raise StoreError(
                f"{self._table.name}: {self._path} is there but is no table of this platform; "
                "move it away, then run again"
            )

    def _refuse_unreadable(self, handle: DeltaTable) -> None:
        protocol = handle.protocol()
        if protocol.min_reader_version > 1:
            raise StoreError(
                f"{self._table.name}: {self._path} was changed by another program that needs newer readers "
                f"({', '.join(protocol.reader_features or ['column mapping'])}), so its files alone are not its rows; "
                "move it away and run `emma rebuild`"
            )
        if handle.schema() != self._schema or handle.metadata().partition_columns != list(self._columns):
            raise StoreError(
                f"{self._table.name}: {self._path} has other columns than this version of the platform writes; "
                "move it away and run `emma rebuild`"
            )

    def _older(self, version: int, newest: Snapshot | None) -> Snapshot:
        gone = (
            f"{self._table.name} has no version {version} in {self._path}; it was never made, or maintenance removed it"
        )
        if newest is None or not 0 <= version < newest.version:
            raise NoVersionError(gone)
        try:
            handle = DeltaTable(str(self._path), version=version)
            self._refuse_unreadable(handle)
            snapshot = self._snapshot(handle)
        except DeltaError as error:
            raise NoVersionError(gone) from error
        if not all((self._path / entry.path).exists() for entry in snapshot.select()):
            raise NoVersionError(gone)
        return snapshot

    def _snapshot(self, handle: DeltaTable) -> Snapshot:
        actions: Any = pa.RecordBatchReader.from_stream(handle.get_add_actions(flatten=True)).read_all()
        blank = pa.array([""] * actions.num_rows, pa.string())
        columns = {
            name: actions[f"partition.{name}"].cast(pa.string()) if name in self._columns else blank
            for name in ("store_key", "month")
        }
        entries = pa.table(
            {
                "path": actions["path"].cast(pa.string()),
                "size": actions["size_bytes"],
                "rows": actions["num_records"],
                **columns,
            }
        )
        return Snapshot(
            handle.version(),
            entries.sort_by([("store_key", "ascending"), ("month", "ascending"), ("path", "ascending")]),
        )


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a log entry from another one of the same number, after a table was deleted and made again."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns
