"""Where the figures of a publication come from: files, batches and checks, as tables beside the figures.

Belongs here: what a publisher is told of them, and writing it. Does not belong here: finding it out (the ledger's
business) and answering from it (`receipts`, `freshness`).

There may be as many files as store-days, so only what changed since the publication before is told; the rows of all
others are taken over from there: 10 times the history costs a copy inside of DuckDB, not a walk through the ledger.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import duckdb
import pyarrow as pa

from emma_platform.model.provenance import BATCHES, CHECK_RESULTS, PARTITION_RECEIPTS, PROVENANCE, SOURCE_FILES
from emma_platform.model.schema import Table
from emma_platform.serving.publication import Publication
from emma_platform.serving.views import create, names_of, quoted

_SAME_FILE = "b.file = r.file"
_SAME_PARTITION = 'b."table" = r."table" AND b.store = r.store AND b.day IS NOT DISTINCT FROM r.day'


def _no_rows(table: Table, *names: str) -> pa.Table:
    return table.arrow_schema().empty_table().select(names)


@dataclass(frozen=True)
class Provenance:
    """What is to be published of where the figures come from.

    Attributes:
        whole: it is all there is; otherwise the rows of the publication before hold, but for those replaced here.
        source_files: rows of the files that changed.
        changed_files: `file` of these, and of files that are no more.
        partition_receipts: rows of the partitions that were computed.
        changed_partitions: `table, store, day` of these, and of partitions that are no more.
        batches: rows of the batches named.
        check_results: all rows.
        codes: for each computed table the digest of its code and settings.
    """

    whole: bool = True
    source_files: pa.Table = field(default_factory=SOURCE_FILES.arrow_schema().empty_table)
    changed_files: pa.Table = field(default_factory=lambda: _no_rows(SOURCE_FILES, "file"))
    partition_receipts: pa.Table = field(default_factory=PARTITION_RECEIPTS.arrow_schema().empty_table)
    changed_partitions: pa.Table = field(default_factory=lambda: _no_rows(PARTITION_RECEIPTS, "table", "store", "day"))
    batches: pa.Table = field(default_factory=BATCHES.arrow_schema().empty_table)
    check_results: pa.Table = field(default_factory=CHECK_RESULTS.arrow_schema().empty_table)
    codes: Mapping[str, str] = field(default_factory=dict)


Told: TypeAlias = Callable[[Publication | None], Provenance]
"""What changed since a publication, or everything: for None, and where it cannot be said what changed since."""


def nothing_told(_before: Publication | None) -> Provenance:
    """For a lake without a ledger: nothing is known of where its rows come from."""
    return Provenance()


def columns_digest() -> str:
    """Changes with the columns: rows of other ones are not taken over."""
    types = [(table.name, column.name, str(column.type)) for table in PROVENANCE for column in table.columns]
    return hashlib.sha256(repr(types).encode()).hexdigest()


def fill(connection: duckdb.DuckDBPyConnection, schema: str, told: Provenance, earlier: str) -> None:
    """Make the tables of `PROVENANCE` in a schema.

    Args:
        connection: where the schema is attached, within its transaction.
        schema: the publication that is written.
        told: what is to be written.
        earlier: the schema of the publication before; not looked at where `told` is whole.
    """
    files, partitions = (f"{earlier}.{quoted(table.name)}" for table in (SOURCE_FILES, PARTITION_RECEIPTS))
    kept = {
        SOURCE_FILES.name: f"{files} AS b ANTI JOIN changed_files AS r ON {_SAME_FILE} WHERE b.state <> 'waiting'",
        PARTITION_RECEIPTS.name: f"{partitions} AS b ANTI JOIN changed_partitions AS r ON {_SAME_PARTITION}",
        BATCHES.name: f"{earlier}.{quoted(BATCHES.name)} AS b ANTI JOIN batches AS r ON b.batch = r.batch "
        f"WHERE b.batch IN (SELECT batch FROM {schema}.{quoted(PARTITION_RECEIPTS.name)})",
    }
    named = ("source_files", "changed_files", "partition_receipts", "changed_partitions", "batches", "check_results")
    for name in named:
        connection.register(name, getattr(told, name))
    for table in PROVENANCE:
        create(connection, schema, table)
        names = names_of(table.names)
        before = "" if told.whole or table.name not in kept else f"SELECT {names} FROM {kept[table.name]} UNION ALL "
        connection.execute(
            f"INSERT INTO {schema}.{quoted(table.name)} {before}SELECT {names} FROM {quoted(table.name)}"
        )
    for name in named:
        connection.unregister(name)
