"""The ledger: what arrived, what everything was computed from, and what came out.

Belongs here: the ledger's tables and the statements on them. Does not belong here: which input ties to which output
(`propagate`), what is affected (`plan`), and the data itself (`store`).

A partition is stale when the fingerprint it should have been computed from (`wanted`) differs from the one it was
computed from (`done`); an empty fingerprint stands for "no such partition". Whoever records a new content writes the
new `wanted` of everything that depends on it in the same transaction, so a crash can delay work but never forget it.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from emma_platform.recompute.provenance import file_changes, schema

NO_DAY = ""
NO_STORE = ""
CHUNK = 500
"""Keys in one IN list; SQLite allows 32,766 parameters in a statement, PostgreSQL 65,535."""

_MAKING = 0x656D6D61
"""PostgreSQL's advisory lock of those who make the tables."""

files = sa.Table(
    "files",
    schema,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String, nullable=False),  # taken, failing, due (to be read again)
    sa.Column("withdrawn", sa.Boolean, nullable=False, default=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("error", sa.String),
    sa.Column("failed_as", sa.String),  # the way of reading that failed; null when it could not even be copied
    sa.Column("sha256", sa.String),
    sa.Column("taken_on", sa.String),
    sa.Column("taken_size", sa.BigInteger),
    sa.Column("taken_mtime_ns", sa.BigInteger),
    sa.Column("description", sa.String),
    sa.Column("input", sa.String),
    sa.Column("lines", sa.BigInteger, nullable=False, default=0),
    sa.Column("copy_of", sa.String),  # the file of the same bytes that counts; this one's lines are re-deliveries
    sa.Index("files_by_hash", "sha256"),
)

slices = sa.Table(
    "slices",
    schema,
    sa.Column("file", sa.String, primary_key=True),
    sa.Column("store", sa.String, primary_key=True),
    sa.Column("day", sa.String, primary_key=True),
    sa.Column("input", sa.String, nullable=False),
    sa.Column("content", sa.String, nullable=False),
    sa.Column("lines", sa.BigInteger, nullable=False),
    sa.Index("slices_by_day", "input", "store", "day"),
)

partitions = sa.Table(
    "partitions",
    schema,
    sa.Column("table_name", sa.String, primary_key=True),
    sa.Column("store", sa.String, primary_key=True),
    sa.Column("day", sa.String, primary_key=True),
    sa.Column("wanted", sa.String, nullable=False, default=""),
    sa.Column("done", sa.String, nullable=False, default=""),
    sa.Column("content", sa.String, nullable=False, default=""),
    sa.Column("facet", sa.String, nullable=False, default=""),  # content of the columns a forecast reads
    sa.Column("token", sa.String, nullable=False, default=""),  # the reference data that last touched it
    sa.Column("rows", sa.BigInteger, nullable=False, default=0),
    sa.Column("duplicates", sa.BigInteger, nullable=False, default=0),
    sa.Column("batch", sa.BigInteger, nullable=False, default=0),
    sa.Column("reported", sa.BigInteger, nullable=False, default=0),  # the batch that Dagster was last told of
)
sa.Index(
    "partitions_stale",
    partitions.c.table_name,
    sqlite_where=partitions.c.wanted != partitions.c.done,
    postgresql_where=partitions.c.wanted != partitions.c.done,
)
sa.Index("partitions_by_batch", partitions.c.batch)
sa.Index(
    "partitions_unreported",
    partitions.c.table_name,
    sqlite_where=partitions.c.reported < partitions.c.batch,
    postgresql_where=partitions.c.reported < partitions.c.batch,
)

reasons = sa.Table(
    "reasons",
    schema,
    sa.Column("input", sa.String, primary_key=True),
    sa.Column("store", sa.String, primary_key=True),
    sa.Column("day", sa.String, primary_key=True),
    sa.Column("file", sa.String, primary_key=True),
    sa.Column("reason", sa.String, primary_key=True),
    sa.Column("lines", sa.BigInteger, nullable=False),
)

versions = sa.Table(
    "versions",
    schema,
    sa.Column("table_name", sa.String, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
)

codes = sa.Table(
    "codes",
    schema,
    sa.Column("table_name", sa.String, primary_key=True),
    sa.Column("digest", sa.String, nullable=False),
)

batches = sa.Table(
    "batches",
    schema,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("started_at", sa.String, nullable=False),
    sa.Column("seconds", sa.Float),
    sa.Column("partitions", sa.JSON),
    sa.Column("layers", sa.JSON),
    sa.Column("publication", sa.String),
)

upkeep = sa.Table(
    "upkeep",
    schema,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("at", sa.String, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("versions", sa.JSON, nullable=False),  # of each table when it was last swept
)


class Key(NamedTuple):
    """A partition of a table: store and ISO day, either of them empty where the table has no such dimension."""

    store: str
    day: str


class Result(NamedTuple):
    """What came out for one partition."""

    key: Key
    done: str
    content: str
    rows: int
    facet: str = ""
    duplicates: int = 0


def fingerprint(*parts: str) -> str:
    """One hash of many texts; 128 bits, so that two different inputs never meet."""
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()


def chunks(items: Sequence[Any], size: int = CHUNK) -> Iterator[Sequence[Any]]:
    """The items in pieces that fit one statement."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


class Ledger:
    """The ledger on SQLite or PostgreSQL; made when it is not there, only read where it may not be written."""

    def __init__(self, url: str) -> None:
        self._engine = _engine_of(url)
        _make_tables(self._engine)

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """A connection whose changes are kept together, or not at all when the block fails."""
        with self._engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()


def _engine_of(url: str) -> sa.Engine:
    place = sa.make_url(url)
    if place.get_backend_name() != "sqlite":
        return sa.create_engine(url)
    file = Path(place.database or "")
    if file.exists() and not os.access(file.parent, os.W_OK):
        return sa.create_engine("sqlite://", creator=lambda: _read_only(file), poolclass=sa.NullPool)
    engine = sa.create_engine(url, connect_args={"timeout": 60})
    sa.event.listen(engine, "connect", _configure_sqlite)
    return engine


def _read_only(file: Path) -> sqlite3.Connection:
    """A database in WAL mode in a folder where SQLite cannot make the files it needs to share it with a writer."""
    shared = file.with_name(f"{file.name}-wal").exists()
    return sqlite3.connect(f"file:{quote(str(file))}?mode=ro{'' if shared else '&immutable=1'}", uri=True)


def _make_tables(engine: sa.Engine) -> None:
    """Make the tables that are not there: all or none, by one process when several begin at once."""
    if set(schema.tables) <= set(sa.inspect(engine).get_table_names()):
        return
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("begin immediate")  # by itself Python begins no transaction before DDL
        else:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MAKING)))
        schema.create_all(connection)


def _configure_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # WAL lets readers go on while a batch writes; FULL keeps the last transaction through a power cut.
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")


def upsert(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows; where the key is there already, set the given columns and leave the others."""
    if not rows:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), list(rows))


def select_in(
    connection: sa.Connection, statement: sa.Select[Any], column: sa.ColumnElement[Any], values: Iterable[str]
) -> list[Any]:
    """The rows whose column is one of many values, asked for in pieces."""
    return [row for part in chunks(sorted(values)) for row in connection.execute(statement.where(column.in_(part)))]


def record(connection: sa.Connection, table: str, results: Sequence[Result], batch: int) -> list[Key]:
    """Write what came out, and return the partitions whose content changed."""
    before = contents(connection, table, [result.key for result in results])
    upsert(
        connection,
        partitions,
        [
            {
                "table_name": table,
                "store": result.key.store,
                "day": result.key.day,
                "done": result.done,
                "content": result.content,
                "facet": result.facet,
                "rows": result.rows,
                "duplicates": result.duplicates,
                "batch": batch,
            }
            for result in results
        ],
    )
    return [result.key for result in results if before.get(result.key, "") != result.content]


def contents(connection: sa.Connection, table: str, keys: Sequence[Key]) -> dict[Key, str]:
    """The recorded content of the given partitions; those never computed are left out."""
    p = partitions.c
    statement = sa.select(p.store, p.day, p.content).where(p.table_name == table)
    found: dict[Key, str] = {}
    by_store: dict[str, list[str]] = {}
    for key in keys:
        by_store.setdefault(key.store, []).append(key.day)
    if all(days == [NO_DAY] for days in by_store.values()):
        return {Key(store, day): content for store, day, content in select_in(connection, statement, p.store, by_store)}
    for store, days in by_store.items():
        wanted = set(days)
        within = statement.where(p.store == store, p.day.between(min(days), max(days)))
        for _, day, content in connection.execute(within):
            if day in wanted:
                found[Key(store, day)] = content
    return found


def want(connection: sa.Connection, table: str, wanted: dict[Key, str]) -> None:
    """Write the fingerprints that partitions should be computed from."""
    upsert(
        connection,
        partitions,
        [{"table_name": table, "store": k.store, "day": k.day, "wanted": value} for k, value in wanted.items()],
    )


def set_version(connection: sa.Connection, table: str, version: int) -> None:
    """Write which version of a table this ledger speaks of."""
    upsert(connection, versions, [{"table_name": table, "version": version}])


def mark_files(connection: sa.Connection, names: Iterable[str], batch: int) -> None:
    """Write that what is said of these files changed in this batch."""
    upsert(connection, file_changes, [{"file": name, "batch": batch} for name in sorted(set(names))])
