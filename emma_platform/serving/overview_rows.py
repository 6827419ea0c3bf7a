"""Fills `product_overview`: computes the rows of stores whose files changed, and takes over those of the others.

Belongs here: which stores those are. Does not belong here: the statement (`overview`) and the rest of a publication
(`publish`). Computed for 100 stores of 200 products it took four times the CPU of all other parts of a publication.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from emma_platform.model.tables import PRODUCTS, TABLES
from emma_platform.serving.contents import PRODUCT_OVERVIEW
from emma_platform.serving.files import LakeFile, newest
from emma_platform.serving.overview import BY_STORE, overview_sql
from emma_platform.serving.views import names_of, quoted, show

_CHANGED = "changed"
_MONTHS = 2
"""Months with rows that hold the last `overview.SPARKLINE_DAYS` days."""


@dataclass(frozen=True)
class Earlier:
    """An overview of an earlier publication whose rows hold for stores with the same files.

    Attributes:
        schema: where it is attached.
        files: for each store, the files that its rows were computed from.
    """

    schema: str
    files: Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Work:
    """What the rows come from.

    Attributes:
        last_month: the files of key figures of the stores to compute; of their other tables `prepare` made views.
        recent: those of the month before as well.
        same: the stores whose rows are taken over.
        earlier: the schema that those are in.
    """

    last_month: list[str]
    recent: list[str]
    same: list[str]
    earlier: str


def statement_digest() -> str:
    """Changes with the statement and the columns: rows made by another one are not taken over."""
    types = [(column.name, str(column.type)) for column in PRODUCT_OVERVIEW.columns]
    return hashlib.sha256(f"{overview_sql('', '')}{types}".encode()).hexdigest()


def files_by_store(files: Iterable[LakeFile]) -> dict[str, frozenset[str]]:
    """The files that each store's rows of the overview are computed from."""
    read = [file for file in files if file.table in BY_STORE and file.rows and file.store is not None]
    last = set(newest((file for file in read if file.table == "product_kpis"), _MONTHS))
    found: defaultdict[str, set[str]] = defaultdict(set)
    for file in read:
        if file.store is not None and (file.table != "product_kpis" or file.path in last):
            found[file.store].add(file.path)
    return {store: frozenset(paths) for store, paths in found.items()}


def prepare(connection: duckdb.DuckDBPyConnection, files: Sequence[LakeFile], earlier: Earlier | None) -> Work:
    """Find out what to compute, and show the statement those files only.

    Args:
        connection: opened on a database in memory, outside of a transaction: one transaction writes to one database.
        files: those of all tables of the publication.
        earlier: None computes all rows.
    """
    now = files_by_store(files)
    same = {store for store, paths in now.items() if earlier and earlier.files.get(store) == paths}
    changed = now.keys() - same
    anew = [file for file in files if file.store in changed]
    figures = [file for file in anew if file.table == "product_kpis"]
    last_month = newest(figures)
    if last_month:
        connection.execute(f"CREATE SCHEMA {_CHANGED}")
        for table in BY_STORE[1:]:
            show(connection, _CHANGED, TABLES[table], [file for file in anew if file.table == table])
    return Work(last_month, newest(figures, _MONTHS), sorted(same), earlier.schema if earlier else "")


def fill(connection: duckdb.DuckDBPyConnection, schema: str, work: Work) -> None:
    """Insert the rows into the empty `product_overview` of a schema that holds `products`."""
    names, parts = names_of(PRODUCT_OVERVIEW.names), []
    parameters: dict[str, list[str]] = {}
    if work.last_month:
        parts.append(f"({overview_sql(_CHANGED, f'{schema}.{quoted(PRODUCTS.name)}')})")
        parameters |= {"files": work.last_month, "recent": work.recent}
    if work.same:
        taken = f"SELECT {names} FROM {work.earlier}.{quoted(PRODUCT_OVERVIEW.name)}"
        parts.append(f"({taken} WHERE store IN (SELECT unnest($same)))")
        parameters["same"] = work.same
    if parts:
        connection.execute(
            f"INSERT INTO {schema}.{quoted(PRODUCT_OVERVIEW.name)} "
            f"FROM ({' UNION ALL '.join(parts)}) ORDER BY {names_of(PRODUCT_OVERVIEW.key)}",
            parameters,
        )
