"""Which Parquet files hold a version of a table, for which store and month, and how many rows.

Belongs here: reading store and month out of a file's path, and counting. Does not belong here: how tables are kept
(`store`).

The layout is that of `store.layout.Place.path`: `…/store_key=<key>/<version>-<YYYY-MM>-<token>.parquet`. The key is
`model.partitions.store_key` with `.` for `%`, cut when it is long; the month is empty in a table that is not cut by
days. A file's content never changes under its name, so its rows are counted once and taken over from publication to
publication.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import duckdb
import pyarrow as pa

from emma_platform.model.partitions import UNPLACED, store_from_key
from emma_platform.model.schema import Table
from emma_platform.serving.publication import ServingError
from emma_platform.serving.runs import places
from emma_platform.store.layout import EMPTY_NAME, LONGEST_FOLDER

_PATH = re.compile(r"(?P<root>.*?)/store_key=(?P<key>[^/]+)/(?:\d+-(?P<month>\d{4}-\d{2})-)?[^/]+")


@dataclass(frozen=True, slots=True)
class LakeFile:
    """One Parquet file: store and month of its rows (None: without), rows, whether its folder tells the store."""

    table: str
    store: str | None
    month: str | None
    path: str
    rows: int
    by_folder: bool


STORE_OF_FOLDER = "CASE store_key WHEN '.' THEN '' ELSE url_decode(replace(store_key, '.', '%')) END"
"""The store that a folder tells, in SQL, where `LakeFile.by_folder` holds."""


def placed(
    connection: duckdb.DuckDBPyConnection, table: Table, paths: Iterable[str], rows: Mapping[str, int]
) -> list[LakeFile]:
    """The files of a partitioned table, by store, month and path.

    Raises:
        ServingError: a file does not lie in a folder of its store.
    """
    found = [_placed(table, path, rows[path]) for path in paths]
    cut = [file.path for file in found if not file.by_folder and file.rows and file.store is not None]
    stores = _stores_inside(connection, cut)
    found = [replace(file, store=stores[file.path]) if file.path in stores else file for file in found]
    return sorted(found, key=lambda file: (file.store is None, file.store or "", file.month or "", file.path))


def count_rows(connection: duckdb.DuckDBPyConnection, paths: Iterable[str], known: Mapping[str, int]) -> dict[str, int]:
    """The rows of each file: those known, and the others from their footers (about 60 µs a file)."""
    wanted = list(paths)
    fresh = [path for path in wanted if path not in known]
    counts = {path: known[path] for path in wanted if path in known}
    if fresh:
        query = "SELECT file_name, num_rows FROM parquet_file_metadata(?)"
        counts |= dict(connection.execute(query, [fresh]).fetchall())
    return counts


def newest(files: Iterable[LakeFile], months: int = 1) -> list[str]:
    """The paths that hold the last months with rows of every store."""
    with_rows = [file for file in files if file.rows and file.store is not None]
    found: defaultdict[str | None, set[str]] = defaultdict(set)
    for file in with_rows:
        found[file.store].add(file.month or "")
    last = {store: set(sorted(names)[-months:]) for store, names in found.items()}
    return [file.path for file in with_rows if (file.month or "") in last[file.store]]


def _placed(table: Table, path: str, rows: int) -> LakeFile:
    match = _PATH.fullmatch(path)
    if match is None:
        raise ServingError(f"{table.name}: {path} does not lie in a folder store_key=…; run `emma rebuild`")
    folders = (folder.partition("=") for folder in match["root"].split("/"))
    if clash := next((name for name, equals, _ in folders if equals and name in table.names), None):
        raise ServingError(
            f"{match['root']}: the folder {clash}=… reads as the column {clash} of {table.name}; "
            "move the home to a folder whose name holds no '='"
        )
    key = match["key"]
    return LakeFile(
        table=table.name,
        store=None if key == UNPLACED else _store_of(key.replace(".", "%")),
        month=match["month"],
        path=path,
        rows=rows,
        # DuckDB 1.5 reads a folder's value NULL, in any case of letters, as no value.
        by_folder=key != UNPLACED and key.upper() != "NULL" and len(key) < LONGEST_FOLDER,
    )


def _store_of(key: str) -> str:
    return "" if key == EMPTY_NAME else store_from_key(key)


def _stores_inside(connection: duckdb.DuckDBPyConnection, paths: list[str]) -> dict[str, str]:
    """The store of each file, read from its first row."""
    if not paths:
        return {}
    query = "SELECT filename, any_value(store) FROM read_parquet(?, filename = true, hive_partitioning = false)"
    return dict(connection.execute(f"{query} GROUP BY filename", [paths]).fetchall())


StoreFiles = Mapping[str | None, list[tuple[str | None, str]]]
"""Month and path of each file, by store."""


class FileList(Mapping[str, StoreFiles]):
    """The files of a publication by table; those of a table are laid out when they are first asked for."""

    def __init__(self, rows: pa.Table) -> None:
        """Over `table, store, month, path`, in this order."""
        self._rows = rows
        self._places = places(rows["table"])
        self._known: dict[str, StoreFiles] = {}

    def __getitem__(self, table: str) -> StoreFiles:
        """The files of a table, by store, month and path."""
        if table not in self._known:
            rows = self._rows.slice(*self._places[table])
            months, paths = cast("Any", rows["month"].to_pylist()), cast("Any", rows["path"].to_pylist())
            files: list[tuple[str | None, str]] = list(zip(months, paths, strict=True))
            stores = places(rows["store"])
            found: dict[str | None, list[tuple[str | None, str]]] = {
                store: files[first : first + count] for store, (first, count) in stores.items()
            }
            if unplaced := files[sum(count for _, count in stores.values()) :]:  # no store comes last
                found[None] = unplaced
            self._known[table] = found
        return self._known[table]

    def __iter__(self) -> Iterator[str]:
        """The tables."""
        return iter(self._places)

    def __len__(self) -> int:
        """How many tables."""
        return len(self._places)
