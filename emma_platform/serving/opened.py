"""An open publication: which files it has, and running statements over them.

Belongs here: finding and attaching it, what is known of it before anything is asked, and the translation of DuckDB's
errors. Does not belong here: when another one is opened, and what is asked of it (`reader`).
"""

from __future__ import annotations

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
from emma_platform.serving import at_hand, received
from emma_platform.serving.contents import PRODUCT_OVERVIEW
from emma_platform.serving.files import FileList
from emma_platform.serving.held import Held
from emma_platform.serving.listing import Listings
from emma_platform.serving.overview_table import MOST_ROWS, OverviewTable
from emma_platform.serving.publication import NothingPublishedError, Publication, ServingError, current, publications
from emma_platform.serving.selection import SCHEMA, Selection

_SMALL = {
    "files": f'SELECT "table", store, month, path FROM {SCHEMA}.publication_files WHERE rows > 0 ORDER BY ALL',
    "stores": f"SELECT store, name FROM {SCHEMA}.stores ORDER BY store",
    "last_days": f"SELECT store, max(day) AS day FROM {SCHEMA}.product_overview GROUP BY store ORDER BY store",
    **received.STATEMENTS,
}
"""Tables of `at_hand` that are read in one statement."""


@dataclass(frozen=True)
class Opened:
    """An open publication; it lives as long as someone reads it.

    Attributes:
        publication: which it is.
        held: its file.
        at_hand: the tables of `at_hand`, where they lie beside it.
        listings: the rows of the product list, for the scopes that asked.
        store_files: where what is kept of a store is, by store and kind, of those that were asked for.
    """

    publication: Publication
    held: Held
    at_hand: Mapping[str, pa.Table] | None
    listings: Listings = field(default_factory=Listings)
    store_files: dict[tuple[str, str], Path] = field(default_factory=dict)

    @cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """In memory, with the publication's file attached as `selection.SCHEMA`: when a statement is first asked.

        To attach it takes 45 ms of CPU, and most pages ask none.
        """
        connection = self.held.attach()
        # A page is a few small statements: a second thread raises their CPU by half, and pages are asked for side by
        # side.
        connection.execute("SET threads = 1")
        connection.execute("SET parquet_metadata_cache = true")
        return connection

    @cached_property
    def files(self) -> FileList:
        """By table and store, month and path of each Parquet file."""
        return FileList(self.table("files"))

    @cached_property
    def store_names(self) -> dict[str, str | None]:
        """The stores that stand in a stores file, and their names."""
        return _by_store(self.table("stores"), "name")

    @cached_property
    def stores(self) -> frozenset[str]:
        """The stores that have rows or stand in a stores file."""
        with_rows: Any = self.table("files")["store"].unique().drop_null().to_pylist()
        return frozenset([*self.store_names, *with_rows])

    @cached_property
    def last_days(self) -> dict[str, date]:
        """Each store's last day with key figures."""
        return _by_store(self.table("last_days"), "day")

    @cached_property
    def first_days(self) -> dict[str, date]:
        """Each store's first day with a sale."""
        if self.at_hand is None:
            return self._first_days(self._all_oldest())
        return _by_store(self.at_hand["first_days"], "day")

    @cached_property
    def promotions(self) -> pa.Table:
        """The promotions of every store."""
        return self.table("promotions")

    @cached_property
    def overview(self) -> OverviewTable | None:
        """`product_overview` whole; None where it is too large to lie in memory."""
        if self.at_hand is not None:
            rows, more = self.at_hand["overview"], self.at_hand["more"]
            return OverviewTable.in_order(rows, more) if rows.num_columns else None
        whole = Selection(EVERY_STORE, PRODUCT_OVERVIEW, PRODUCT_OVERVIEW.names)
        return OverviewTable.of(self._whole(whole)) if self.count(whole) <= MOST_ROWS else None

    def tables(self) -> dict[str, pa.Table]:
        """The tables of `at_hand`."""
        none = pa.table({})
        overview = {"overview": none, "more": none}
        if self.overview is not None:
            overview = {"overview": self.overview.rows, "more": self.overview.more}
        return {name: self.table(name) for name in at_hand.NAMES if name not in overview} | overview

    def table(self, name: str) -> pa.Table:
        """One of the tables of `at_hand` but the last two: from there, or read anew."""
        if self.at_hand is not None:
            return self.at_hand[name]
        if name == "promotions":
            return self._whole(Selection(EVERY_STORE, PROMOTIONS, PROMOTIONS.names))
        if name == "first_days":
            days = self.first_days
            return pa.table({"store": pa.array(days, pa.string()), "day": pa.array(days.values(), pa.date32())})
        found: pa.Table = self.connection.cursor().sql(_SMALL[name]).to_arrow_table()
        return found

    def _whole(self, selection: Selection) -> pa.Table:
        return self.rows(selection, batch_rows=100_000).read_all().combine_chunks()

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

    def share(self, before: Opened) -> None:
        """Take over the first days of the stores whose oldest files are the same: to read one takes 0.5 ms."""
        was, now = before._all_oldest(), self._all_oldest()
        same = {store: day for store, day in before.first_days.items() if now.get(store) == was.get(store)}
        rest = self._first_days({store: paths for store, paths in now.items() if store not in same})
        self.__dict__["first_days"] = dict(sorted((same | rest).items()))

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
    opened = Opened(publication, Held(publication.file), at_hand.read(publication))
    if opened.at_hand is None:
        opened.connection  # noqa: B018 - whatever is asked first needs it; what is wrong with it is said here
    return opened


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


def _by_store(rows: pa.Table, name: str) -> dict[str, Any]:
    found: Any = zip(rows["store"].to_pylist(), rows[name].to_pylist(), strict=True)
    return dict(found)
