"""Writes a publication: one DuckDB file that shows all tables in one state, and the pointer to it.

Belongs here: what is written, in which order, and what is removed. Does not belong here: what the tables are
(`contents`, `model.tables`) and reading them (`reader`).

What is rewritten: the large tables are views over the Parquet files of their version, so publishing copies none of
their rows, whatever has changed; rows are counted only in files that the publication before did not have. The overview
of stores whose files are the same is copied from there. The small tables and the list of files are written anew, which
costs less than finding out what of them changed. A reader of an earlier publication keeps a file that no one writes to
any more.

Paths in the views are absolute: after moving a home, run `emma update`, which publishes again under a new id.
The file is written with the storage version of DuckDB 1.5, and its views use functions that 1.5 has.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import chain
from pathlib import Path

import duckdb
import pyarrow as pa

from emma_platform.model.schema import Grain, Table
from emma_platform.model.tables import KEPT, PRODUCTS, TABLES
from emma_platform.serving import at_hand, provenance
from emma_platform.serving.contents import COLUMNS, PRODUCT_OVERVIEW, PUBLICATION, PUBLICATION_FILES, SERVED
from emma_platform.serving.files import LakeFile, count_rows, placed
from emma_platform.serving.kept_changes import CHANGES
from emma_platform.serving.opened import open_publication
from emma_platform.serving.overview_rows import Earlier, files_by_store, fill, prepare, statement_digest
from emma_platform.serving.page_rows import PAGES
from emma_platform.serving.publication import (
    LINK,
    POINTER,
    Publication,
    Retired,
    ServingError,
    current,
    file_name,
    lead_link_to,
    point_to,
    publications,
    retired,
    sync_folder,
)
from emma_platform.serving.store_files import write_missing
from emma_platform.serving.views import create, names_of, quoted, show, text
from emma_platform.store.protocol import TableStore

_SCHEMA = "serving"
_BEFORE = "before"
_PARTIAL = ".partial"

_log = logging.getLogger(__name__)


def publish(
    store: TableStore,
    *,
    versions: Mapping[str, int],
    published: Path,
    publication_id: str,
    at: datetime,
    keep: int,
    told: provenance.Told = provenance.nothing_told,
) -> Publication:
    """Publish a state of the lake: readers see all of it or, until the last step, all of the one before.

    A crash at any instant leaves the publication before readable; the next call removes what it left behind.
    Publishing the current publication again, same id, versions and files, changes nothing.

    Args:
        store: keeps its tables as Parquet files under `store_key=…` as `files` describes.
        versions: the version to show of each table; a table that is missing shows no rows.
        published: the folder of the publications; made when missing. One process publishes at a time.
        publication_id: a new name of letters, digits, `.`, `_` and `-`.
        at: the time of publication, with its zone.
        keep: how many publications stay readable, this one included; at least 1.
        told: says where the figures come from.

    Raises:
        ServingError: the id is of no such form or taken by another state, or a file of the lake cannot be read.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", publication_id) or keep < 1 or at.tzinfo is None:
        raise ServingError(
            f"cannot publish {publication_id!r} at {at} keeping {keep}: an id is letters, digits, '.', '_' and '-', "
            "the time has a zone, and at least one publication is kept"
        )
    published.mkdir(parents=True, exist_ok=True)
    before = publications(published)
    if before:
        lead_link_to(published, before[0])
    _remove_leftovers(published, before)
    paths = {name: store.files(name, version=versions[name]).paths for name in KEPT if name in versions}
    with duckdb.connect() as connection:
        listed = _files_listed(connection, before[0]) if before else []
        known = {one.path: one.rows for one in listed}
        if taken := next((p for p in before if p.id == publication_id), None):
            if taken is before[0] and dict(taken.versions) == dict(versions) and _same_files(paths, known):
                return taken
            raise ServingError(f"the publication {publication_id} exists already; publish under a new id")
        try:
            counts = count_rows(connection, (path for found in paths.values() for path in found), known)
            rows = {name: sum(counts[path] for path in paths.get(name, ())) for name in KEPT}
            file = published / file_name(publication_id)
            digest = f"{statement_digest()} {provenance.columns_digest()}"
            publication = Publication(publication_id, at, file, {n: versions[n] for n in paths}, rows, digest)
            partial = published / f".{file.name}{_PARTIAL}"
            earlier = _earlier(publication, before, listed)
            since = before[0] if listed and before[0].overview == digest else None
            try:
                _write(connection, partial, publication, paths, counts, earlier, told(since))
            except duckdb.Error:
                if since is None:
                    raise
                # The publication before may be damaged.
                connection.close()
                _remove_leftovers(published, before)
                with duckdb.connect() as alone:
                    _write(alone, partial, publication, paths, counts, None, told(None))
        except duckdb.Error as error:
            raise ServingError(
                f"cannot publish {publication_id}: {error}; free space if the disk is full, then run `emma update`; "
                "run `emma rebuild` if it stays so"
            ) from error
    partial.replace(file)
    sync_folder(published)
    _write_for_pages(publication, before[:1])
    gone = [Retired(one.versions, at) for one in before[keep - 1 :]]
    point_to(published, publication, before[: keep - 1], [*gone, *(r for r in retired(published) if r.is_read(at))])
    _remove_leftovers(published, [publication, *before[: keep - 1]])
    return publication


def _write(
    connection: duckdb.DuckDBPyConnection,
    file: Path,
    publication: Publication,
    paths: Mapping[str, tuple[str, ...]],
    counts: Mapping[str, int],
    earlier: Earlier | None,
    told: provenance.Provenance,
) -> None:
    files = {
        name: placed(connection, TABLES[name], paths.get(name, ()), counts)
        for name in KEPT
        if TABLES[name].grain is not Grain.WHOLE
    }
    all_files = [file for found in files.values() for file in found]
    overview = prepare(connection, all_files, earlier)
    connection.execute(f"ATTACH {text(str(file))} AS {_SCHEMA} (STORAGE_VERSION 'v1.5.0')")
    connection.execute("BEGIN")
    for name in KEPT:
        _add_table(connection, TABLES[name], list(paths.get(name, ())), files.get(name, []))
    for table in (PRODUCT_OVERVIEW, PUBLICATION, PUBLICATION_FILES, COLUMNS):
        create(connection, _SCHEMA, table)
    fill(connection, _SCHEMA, overview)
    provenance.fill(connection, _SCHEMA, told, _BEFORE)
    _insert(connection, PUBLICATION, _publication_rows(publication, told.codes))
    _insert(connection, PUBLICATION_FILES, _file_rows(all_files))
    _insert(connection, COLUMNS, _column_rows())
    connection.execute("COMMIT")
    connection.execute(f"CHECKPOINT {_SCHEMA}")
    connection.execute(f"DETACH {_SCHEMA}")
    with file.open("rb") as handle:
        os.fsync(handle.fileno())


def _add_table(connection: duckdb.DuckDBPyConnection, table: Table, paths: list[str], files: list[LakeFile]) -> None:
    if table.grain is not Grain.WHOLE:
        show(connection, _SCHEMA, table, files)
        return
    create(connection, _SCHEMA, table)
    if paths:
        connection.execute(
            f"INSERT INTO {_SCHEMA}.{quoted(table.name)} SELECT {names_of(table.names)} "
            f"FROM read_parquet(?, hive_partitioning = false) ORDER BY {names_of(table.key)}",
            [paths],
        )


def _insert(connection: duckdb.DuckDBPyConnection, table: Table, rows: pa.Table) -> None:
    connection.register("incoming", rows)
    connection.execute(f"INSERT INTO {_SCHEMA}.{quoted(table.name)} SELECT * FROM incoming")
    connection.unregister("incoming")


def _publication_rows(publication: Publication, codes: Mapping[str, str]) -> pa.Table:
    rows = [
        {
            "id": publication.id,
            "at": publication.at,
            "table": name,
            "version": publication.versions.get(name),
            "rows": publication.rows[name],
            "code": codes.get(name),
        }
        for name in KEPT
    ]
    return pa.Table.from_pylist(rows, PUBLICATION.arrow_schema())


def _file_rows(files: list[LakeFile]) -> pa.Table:
    return pa.Table.from_pylist(
        [{name: getattr(file, name) for name in PUBLICATION_FILES.names} for file in files],
        PUBLICATION_FILES.arrow_schema(),
    ).sort_by([("store", "ascending"), ("table", "ascending"), ("month", "ascending"), ("path", "ascending")])


def _column_rows() -> pa.Table:
    rows = [
        (table.name, column.name, str(column.type), column.unit, column.meaning, column.formula, column.source)
        for table in SERVED.values()
        for column in table.columns
    ]
    return pa.Table.from_pylist([dict(zip(COLUMNS.names, row, strict=True)) for row in rows], COLUMNS.arrow_schema())


def _files_listed(connection: duckdb.DuckDBPyConnection, publication: Publication) -> list[LakeFile]:
    """The files of an earlier publication, which stays attached; none when it cannot be read, which costs only time."""
    try:
        connection.execute(f"ATTACH {text(str(publication.file))} AS {_BEFORE} (READ_ONLY)")
        found = connection.execute(
            f"SELECT {names_of(PUBLICATION_FILES.names)} FROM {_BEFORE}.{quoted(PUBLICATION_FILES.name)}"
        ).fetchall()
    except duckdb.Error:
        return []
    return [LakeFile(**dict(zip(PUBLICATION_FILES.names, row, strict=True)), by_folder=False) for row in found]


def _earlier(publication: Publication, before: list[Publication], listed: list[LakeFile]) -> Earlier | None:
    """The overview of the publication before, where it was made in the same way with the same products."""
    made = [(one.overview, one.versions.get(PRODUCTS.name)) for one in (publication, *before[:1])]
    return Earlier(_BEFORE, files_by_store(listed)) if listed and len(set(made)) == 1 else None


def _same_files(paths: Mapping[str, Iterable[str]], known: Mapping[str, int]) -> bool:
    partitioned = [path for name, found in paths.items() if TABLES[name].grain is not Grain.WHOLE for path in found]
    return set(partitioned) == set(known)


def _write_for_pages(publication: Publication, before: Iterable[Publication]) -> None:
    """What pages read beside the publication: before anybody is led to it, so that its first are as fast as all others.

    What cannot be written is told to the log: pages then take longer.
    """
    opened = open_publication(publication)
    try:
        with suppress(ServingError):
            for last in before:
                opened.share(open_publication(last))
        at_hand.write(publication, opened.tables())
        write_missing(opened, (PAGES, CHANGES))
    except (OSError, ServingError, duckdb.Error) as error:
        _log.warning("what pages need of the publication %s is not at hand: %s", publication.id, error)
    finally:
        opened.connection.close()


def _remove_leftovers(published: Path, kept: Iterable[Publication]) -> None:
    files = [file for publication in kept for file in (publication.file, at_hand.path_of(publication))]
    names = {file.name for file in files} | {LINK, POINTER}
    found = (published.glob(pattern) for pattern in ("serving-*.duckdb*", "serving-*.arrow", f".*{_PARTIAL}*"))
    for file in chain.from_iterable(found):
        if file.name not in names:
            file.unlink(missing_ok=True)


__all__ = ["Publication", "ServingError", "current", "publications", "publish"]
