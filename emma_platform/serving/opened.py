"""An open publication: which files it has, and running statements over them.

Belongs here: finding and attaching it, the list of files, and the translation of DuckDB's errors. Does not belong here:
when another one is opened, and what is asked of it (`reader`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import duckdb
import pyarrow as pa

from emma_platform.model.access import EVERY_STORE, StoreScope
from emma_platform.model.tables import PROMOTIONS
from emma_platform.serving.contents import PRODUCT_OVERVIEW
from emma_platform.serving.listing import Listings
from emma_platform.serving.overview_table import MOST_ROWS, OverviewTable
from emma_platform.serving.publication import NothingPublishedError, Publication, ServingError, current, publications
from emma_platform.serving.selection import SCHEMA, Selection

_Files = Mapping[str | None, list[tuple[str | None, str]]]


@dataclass(frozen=True)
class Opened:
    """An open publication; it lives as long as someone reads it.

    Attributes:
        publication: which it is.
        connection: in memory, with the publication's file attached as `selection.SCHEMA`.
        files: table, then store, then month and path of each Parquet file.
        stores: the stores that have rows or stand in a stores file.
        last_days: each store's last day with key figures.
        listings: the rows of the product list, for the scopes that asked.
        store_files: where what is kept of a store is, by store and kind, of those that were asked for.
    """

    publication: Publication
    connection: duckdb.DuckDBPyConnection
    files: Mapping[str, _Files]
    stores: frozenset[str]
    last_days: Mapping[str, date]
    listings: Listings = field(default_factory=Listings)
    store_files: dict[tuple[str, str], Path] = field(default_factory=dict)

    def check_stores(self, selection: Selection) -> Selection:
        """The selection.

        Raises:
            ServingError: it names a store that the publication does not know, or that may not be seen: the answer does
                not tell which.
        """
        asked = selection.asked or frozenset()
        unknown = sorted(store for store in asked if store not in self.stores or not selection.scope.allows(store))
        if unknown:
            seen = self.seen(selection.scope)
            some = ", ".join(seen[:10]) or "none"
            raise ServingError(f"there is no store {', '.join(map(repr, unknown))}; there are {len(seen)}: {some}")
        return selection

    def seen(self, scope: StoreScope) -> tuple[str, ...]:
        """The stores of the publication within a scope, by name."""
        return tuple(sorted(filter(scope.allows, self.stores)))

    def rows(self, selection: Selection, *, limit: int | None = None, batch_rows: int) -> pa.RecordBatchReader:
        """The selected rows, read as they are taken."""
        asked = self._asked(selection, end="" if limit is None else f" LIMIT {int(limit)}")
        if asked is None:
            return pa.RecordBatchReader.from_batches(selection.schema, [])
        sql, parameters = asked
        with self._files_are_there():
            found: Any = self.connection.cursor().sql(sql, params=parameters).to_arrow_reader(batch_rows)
        return cast("pa.RecordBatchReader", found.cast(selection.schema))

    def few(self, selection: Selection, *, order: str = "") -> pa.Table:
        """A few selected rows, ordered by columns of the table.

        They pass through Python: up to some hundred rows that is faster (1.4 against 2.3 ms for one) than a relation,
        which DuckDB binds twice.
        """
        found = self._fetched(self._asked(selection, end=f" ORDER BY {order}" if order else ""))
        columns = zip(*found, strict=True) if found else ((),) * len(selection.schema)
        arrays = [pa.array(values, field.type) for values, field in zip(columns, selection.schema, strict=True)]
        return pa.Table.from_arrays(arrays, schema=selection.schema)

    @cached_property
    def overview(self) -> OverviewTable | None:
        """`product_overview` whole, read once; None where it is too large to lie in memory."""
        if self.publication.rows.get(PRODUCT_OVERVIEW.name, 0) > MOST_ROWS:
            return None
        whole = Selection(EVERY_STORE, PRODUCT_OVERVIEW, PRODUCT_OVERVIEW.names)
        return OverviewTable.of(self.rows(whole, batch_rows=100_000).read_all())

    @cached_property
    def promotions(self) -> pa.Table:
        """The promotions of every store, read once."""
        whole = Selection(EVERY_STORE, PROMOTIONS, PROMOTIONS.names)
        return self.rows(whole, batch_rows=100_000).read_all().combine_chunks()

    def count(self, selection: Selection) -> int:
        """How many rows are selected."""
        return sum(number for (number,) in self._fetched(self._asked(selection, what="count(*)")))

    def ask(self, selection: Selection, question: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows that answer a question in SQL about the selected rows, which `{rows}` stands for."""
        asked = self._asked(selection)
        if asked is None:
            return []
        sql, own = asked
        with self._files_are_there():
            found = self.connection.cursor().execute(question.replace("{rows}", f"({sql})"), own | dict(parameters))
            names = [column[0] for column in found.description or ()]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    @cached_property
    def first_days(self) -> dict[str, date]:
        """Each store's first day with a sale: from the oldest file of each, about 0.5 ms a store."""
        return self._first_days(self._all_oldest())

    def share(self, before: Opened) -> None:
        """Take over from the publication before what is the same in both; what a first question would wait for."""
        was, now = before._all_oldest(), self._all_oldest()
        same = {store: day for store, day in before.first_days.items() if now.get(store) == was[store]}
        rest = self._first_days({store: paths for store, paths in now.items() if store not in same})
        self.__dict__["first_days"] = dict(sorted((same | rest).items()))
        if self.publication.versions.get(PROMOTIONS.name) == before.publication.versions.get(PROMOTIONS.name):
            self.__dict__["promotions"] = before.promotions

    def oldest(self, store: str | None) -> list[str]:
        """The files of a store's first month with key figures."""
        found = self.files["product_kpis"][store]
        return [path for month, path in found if month == found[0][0]]

    def _all_oldest(self) -> dict[str | None, list[str]]:
        return {store: self.oldest(store) for store in self.files.get("product_kpis", {})}

    def _first_days(self, oldest: Mapping[str | None, list[str]]) -> dict[str, date]:
        if not oldest:
            return {}
        query = "SELECT store, min(day) FROM read_parquet($paths, hive_partitioning = false) WHERE store_receipts > 0"
        paths = [path for found in oldest.values() for path in found]
        return dict(self._fetched((f"{query} GROUP BY store ORDER BY store", {"paths": paths})))

    def _asked(
        self, selection: Selection, *, what: str | None = None, end: str = ""
    ) -> tuple[str, dict[str, Any]] | None:
        """The statement and its parameters; None when no file can hold such rows."""
        parameters = selection.parameters()
        if selection.in_files:
            parameters["paths"] = selection.pick(self.files.get(selection.table.name, {}))
            if not parameters["paths"]:
                return None
        return selection.sql(what) + end, parameters

    def _fetched(self, asked: tuple[str, dict[str, Any]] | None) -> list[tuple[Any, ...]]:
        if asked is None:
            return []
        with self._files_are_there():
            return self.connection.cursor().execute(*asked).fetchall()

    @contextmanager
    def _files_are_there(self) -> Iterator[None]:
        try:
            yield
        except duckdb.IOException as error:
            raise ServingError(
                f"files of publication {self.publication.id} are not where it was made ({error}); run `emma update`"
            ) from error


def open_publication(publication: Publication) -> Opened:
    """Open a publication for reading.

    Raises:
        ServingError: its file is gone or no publication.
    """
    connection = attach(publication)
    # A page is a few small statements: a second thread raises their CPU by half, and pages are asked for side by side.
    connection.execute("SET threads = 1")
    connection.execute("SET parquet_metadata_cache = true")
    stores = {name for (name,) in connection.execute(f"SELECT store FROM {SCHEMA}.stores").fetchall()}
    files: dict[str, defaultdict[str | None, list[tuple[str | None, str]]]] = {}
    listed = connection.execute(
        f'SELECT "table", store, month, path FROM {SCHEMA}.publication_files WHERE rows > 0 ORDER BY ALL'
    )
    for table, store, month, path in listed.fetchall():
        files.setdefault(table, defaultdict(list))[store].append((month, path))
        if store is not None:
            stores.add(store)
    last_days = dict(
        connection.execute(f"SELECT store, max(day) FROM {SCHEMA}.product_overview GROUP BY store").fetchall()
    )
    return Opened(
        publication,
        connection,
        {name: dict(found) for name, found in files.items()},
        frozenset(stores),
        last_days,
    )


def open_newest(published: Path) -> Opened:
    """Open the newest publication.

    Raises:
        ServingError: there is none, or it cannot be opened.
    """
    found = current(published)
    while found is not None:
        try:
            return open_publication(found)
        except ServingError:
            # The pointer may have moved on, and the file gone, since it was read.
            before, found = found, current(published)
            if found == before:
                raise
    raise NothingPublishedError(f"nothing is published in {published} yet; run `emma update`")


def open_named(published: Path, publication_id: str) -> Opened:
    """Open a publication that is still kept.

    Raises:
        ServingError: it is not; the message lists those that are.
    """
    kept = publications(published)
    for publication in kept:
        if publication.id == publication_id:
            return open_publication(publication)
    names = ", ".join(publication.id for publication in kept) or "none"
    raise ServingError(f"there is no publication {publication_id!r} in {published}; kept are: {names}")


def attach(publication: Publication) -> duckdb.DuckDBPyConnection:
    """A database in memory with the publication's file attached as `selection.SCHEMA`, read-only.

    Attached, not opened: the second connect() of a process to a path gets its first, whatever was renamed since.

    Raises:
        ServingError: the file is gone or no publication.
    """
    connection = duckdb.connect(config={"python_enable_replacements": False})
    connection.execute("SET TimeZone = 'UTC'")
    path = str(publication.file).replace("'", "''")
    try:
        connection.execute(f"ATTACH '{path}' AS {SCHEMA} (READ_ONLY)")
    except duckdb.Error as error:
        connection.close()
        raise ServingError(f"{publication.file} cannot be opened ({error}); run `emma update`") from error
    return connection
