"""How a publication shows a table: as a view over the Parquet files of its version, or as a table of its own.

Belongs here: the SQL of one table. Does not belong here: which tables there are and when they are written (`publish`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import duckdb

from emma_platform.model.schema import Table
from emma_platform.serving.files import STORE_OF_FOLDER, LakeFile


def create(connection: duckdb.DuckDBPyConnection, schema: str, table: Table) -> None:
    """An empty table, with its meaning as comment."""
    columns = ", ".join(f"{quoted(column.name)} {column.type}" for column in table.columns)
    connection.execute(f"CREATE TABLE {schema}.{quoted(table.name)} ({columns})")
    connection.execute(f"COMMENT ON TABLE {schema}.{quoted(table.name)} IS {text(table.meaning)}")


def show(connection: duckdb.DuckDBPyConnection, schema: str, table: Table, files: Sequence[LakeFile]) -> None:
    """A view over files of stores, with its meaning as comment; an empty table when there are none."""
    if not files:
        create(connection, schema, table)
        return
    connection.execute(f"CREATE VIEW {schema}.{quoted(table.name)} AS {_view(table, files)}")
    connection.execute(f"COMMENT ON VIEW {schema}.{quoted(table.name)} IS {text(table.meaning)}")


def _view(table: Table, files: Sequence[LakeFile]) -> str:
    """A view whose `store` comes from the folder, so that a filter on it opens only that store's files.

    Where the folder does not tell the store (rows without a store-day, very long names), it comes from the file's rows.
    """
    rest = names_of(name for name in table.names if name != "store")
    of_stores = ", ".join(text(file.path) for file in files if file.by_folder)
    of_others = ", ".join(text(file.path) for file in files if not file.by_folder)
    parts = []
    if of_stores:
        parts.append(
            f"SELECT {STORE_OF_FOLDER} AS store, {rest} FROM read_parquet([{of_stores}], "
            "hive_partitioning = true, hive_types_autocast = false)"
        )
    if of_others:
        parts.append(f"SELECT store, {rest} FROM read_parquet([{of_others}], hive_partitioning = false)")
    return f"SELECT {names_of(table.names)} FROM ({' UNION ALL BY NAME '.join(parts)})"


def quoted(name: str) -> str:
    """A name as SQL spells it."""
    return f'"{name}"'


def names_of(names: Iterable[str]) -> str:
    """Names as a list in SQL."""
    return ", ".join(quoted(name) for name in names)


def text(value: str) -> str:
    """A text as SQL spells it."""
    return "'" + value.replace("'", "''") + "'"
