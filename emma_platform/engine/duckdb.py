"""The embedded engine: DuckDB in memory, within the cores, memory and spill directory it is given.

Belongs here: how inputs are shown to DuckDB and results come back as Arrow. Does not belong here: what is computed
(`transforms/*.sql`) and where tables are kept (`store`).
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa

from emma_platform.engine.protocol import Input
from emma_platform.model.schema import Table
from emma_platform.model.tables import TABLES
from emma_platform.store.protocol import Files


class EngineError(Exception):
    """A statement that the engine cannot run; the message says why, in DuckDB's words."""


class DuckDBEngine:
    """Runs SQL in one in-memory DuckDB database; every call works on a cursor of its own, so threads may share it.

    Rows come back in the order of the statement's ORDER BY, or in none. Days and instants are read and written in UTC.
    No extension is ever fetched or loaded: `read_parquet` and ICU are part of the wheel.
    """

    def __init__(self, *, threads: int = 0, memory_limit: str = "1.5GB", spill: Path | None = None) -> None:
        """Open the database.

        Args:
            threads: threads to compute with; 0 takes every core.
            memory_limit: memory before it spills to disk, as DuckDB writes it. The Arrow result lies outside of it.
            spill: where it spills; by default the system's directory for temporary files. Emptied by `close`.
        """
        directory = spill or Path(tempfile.gettempdir()) / f"emma-engine-{os.getpid()}"
        config: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "python_enable_replacements": "false",  # a missing input is an error, not a Python variable of that name
            "preserve_insertion_order": "false",  # no statement relies on it, and keeping it costs memory
            "memory_limit": memory_limit,
            "temp_directory": str(directory),
            **({"threads": str(threads)} if threads else {}),
        }
        self._connection = duckdb.connect(":memory:", config=config)
        self._connection.execute("SET GLOBAL TimeZone = 'UTC'")

    def __enter__(self) -> Self:
        """The engine itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Give back memory and spilled files."""
        self._connection.close()

    def run(self, sql: str, tables: Mapping[str, Input], parameters: Mapping[str, Any] | None = None) -> pa.Table:
        """The result of one SELECT; every column is nullable, as DuckDB says nothing else.

        Args:
            sql: names its inputs by the keys of `tables` and its parameters as `$name`.
            tables: each a set of Parquet files (an empty set is an empty table of that schema), some store-days of one,
                or an Arrow frame.
            parameters: strings, numbers, dates or lists of strings; exactly those that the statement names.

        Raises:
            EngineError: an input is missing or of another shape, or the statement fails.
        """
        with self._connection.cursor() as cursor:
            try:
                for name, rows in tables.items():
                    _show(cursor, name, rows)
                result: pa.Table = cursor.sql(sql, params=dict(parameters or {})).to_arrow_table()
            except duckdb.Error as error:
                raise EngineError(f"DuckDB could not run the statement over {', '.join(tables)}: {error}") from error
            return result

    def digest(self, rows: pa.Table, by: Sequence[str], columns: Sequence[str]) -> pa.Table:
        """A content hash for each group: the columns `by`, `rows` (count) and `content` (text).

        The sum of the rows' 64-bit hashes, so that order is nothing and a repeated row counts twice. Equal content in
        another version of DuckDB may have another hash. No rows give no groups.

        Args:
            rows: the rows, in any order.
            by: the columns that make the groups; none takes all rows as one group.
            columns: the columns that make the content, at least one, in this order.

        Raises:
            EngineError: a column is missing.
        """
        keys = ", ".join(_quoted(name) for name in by)
        # The outer hash matters: DuckDB joins the hashes of columns by XOR, and sums of those agree too often (each bit
        # with a chance of 3/4) when two rows swap a value.
        content = f"hash(hash({', '.join(_quoted(name) for name in columns)}))"
        grouped = f"GROUP BY {keys}" if keys else "HAVING count(*) > 0"
        return self.run(
            f"""
            SELECT {keys + "," if keys else ""}
                count(*) AS "rows",
                CAST(sum(CAST({content} AS hugeint)) AS varchar) AS content
            FROM digested {grouped}
            """,
            {"digested": rows},
        )


def _show(cursor: duckdb.DuckDBPyConnection, name: str, rows: Input) -> None:
    """Make an input known by its name."""
    if isinstance(rows, pa.Table):
        cursor.register(name, rows)
    elif isinstance(rows, Files):
        cursor.execute(f"CREATE TEMP VIEW {_quoted(name)} AS {_reading(rows)}")
    else:
        days = f"{name} days"
        cursor.register(days, rows.days)
        cursor.execute(
            f"CREATE TEMP VIEW {_quoted(name)} AS "
            f"FROM ({_reading(rows.files)}) SEMI JOIN {_quoted(days)} USING (store, day)"
        )


def _reading(files: Files) -> str:
    """The SELECT that reads the columns of a table from its files."""
    table: Table = TABLES[files.table]
    if not files.paths:
        return f"SELECT {', '.join(f'CAST(NULL AS {c.type}) AS {_quoted(c.name)}' for c in table.columns)} WHERE false"
    paths = ", ".join("'" + _literally(path).replace("'", "''") + "'" for path in files.paths)
    columns = ", ".join(_quoted(name) for name in table.names)
    return f"SELECT {columns} FROM read_parquet([{paths}], hive_partitioning = false)"


def _literally(path: str) -> str:
    """A path as a pattern that only the path itself fits."""
    return re.sub(r"[*?\[]", r"[\g<0>]", path)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
