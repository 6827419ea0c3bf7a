"""Reads publications: the only queries that the web and the exports see.

Belongs here: opening a publication, following the pointer, and the questions asked of it. Does not belong here: writing
files for people (`export`) and publishing (`publish`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.model.access import EVERY_STORE, StoreScope
from emma_platform.serving.contents import PRODUCT_OVERVIEW, SERVED
from emma_platform.serving.listing import ADDENDS, LISTED, Listing, derived, listing
from emma_platform.serving.opened import Opened, open_named, open_newest
from emma_platform.serving.page_rows import HISTORY_COLUMNS, HISTORY_DAYS
from emma_platform.serving.product_page import ProductPage, read_overview, read_page
from emma_platform.serving.publication import Publication, ServingError, current
from emma_platform.serving.selection import SCHEMA, select
from emma_platform.serving.store_files import Kind, rows_of
from emma_platform.serving.store_pages import StoreRows


class Reader:
    """Reads the newest publication, or an older one; any number of threads may share a reader.

    A reader stays with the publication it opened until `refresh`. Each call answers from one publication, and only of
    the stores in the scope of who asks, counts and messages included; `selection` says what else that means. A store
    outside is answered as one that does not exist.
    """

    def __init__(self, published: Path, *, publication_id: str | None = None) -> None:
        """Open the newest publication, or the one named.

        Raises:
            ServingError: there is none, or it cannot be opened.
        """
        self._published = published
        self._pinned = publication_id is not None
        self._opened = open_newest(published) if publication_id is None else open_named(published, publication_id)

    @classmethod
    def over(cls, opened: Opened) -> Reader:
        """A reader of an open publication; it does not follow the pointer."""
        reader = cls.__new__(cls)
        reader._published, reader._pinned, reader._opened = opened.publication.file.parent, True, opened
        return reader

    @property
    def publication(self) -> Publication:
        """The publication that is read; its `rows` count every store's."""
        return self._opened.publication

    def stays(self) -> Callable[[], bool]:
        """A question for later: does it still read this publication, and was what it read meanwhile of this one?"""
        opened = self._opened
        return lambda: self._opened is opened

    @property
    def in_memory(self) -> bool:
        """Lists, and the pages of products, wait for no file and no statement."""
        return self._opened.at_hand is not None and self._opened.overview is not None

    def refresh(self) -> bool:
        """Follow the pointer; True when it had moved. Calls that run meanwhile finish on the publication before."""
        if self._pinned:
            return False
        newest = current(self._published)
        if newest is None or newest == self._opened.publication:
            return False
        self._opened = open_newest(self._published)
        return True

    def open(self, publication_id: str) -> Reader:
        """A reader of another publication that is still kept; it does not follow the pointer.

        Raises:
            ServingError: it is not kept; the message lists those that are.
        """
        return Reader(self._published, publication_id=publication_id)

    def warm(self, before: Reader | None = None) -> None:
        """Read what the first list and the first pages would wait for: afterwards they are as fast as all others.

        Args:
            before: the reader that this one takes the place of; what is the same in both is taken over.
        """
        listed = self.listing(EVERY_STORE)
        if before is not None:
            listed.order_as(before.listing(EVERY_STORE))
        self.store_days(EVERY_STORE)
        dict(self._opened.files)  # lays the files of every table out

    def tables(self) -> tuple[str, ...]:
        """The names of the published tables."""
        return tuple(SERVED)

    def stores(self, scope: StoreScope) -> tuple[str, ...]:
        """The stores that have rows, or stand in a stores file."""
        return self._opened.seen(scope)

    def at_hand(self, scope: StoreScope, name: str) -> pa.Table:
        """One of the tables of `at_hand`; who does not see every store gets the rows of those that may be seen."""
        rows = self._opened.table(name)
        return rows if scope.stores is None else rows.filter(pc.is_in(rows["store"], pa.array(sorted(scope.stores))))

    def store_names(self, scope: StoreScope) -> dict[str, str]:
        """The stores that a stores file gives a name, and that."""
        return {store: name for store, name in self._opened.store_names.items() if name and scope.allows(store)}

    def rows(self, scope: StoreScope, name: str) -> int:
        """The rows of a table.

        Raises:
            ServingError: there is no such table.
        """
        opened = self._opened
        selection = select(scope, name)
        known = opened.publication.rows.get(name) if scope.whole else None
        return opened.count(selection) if known is None else known

    def count(
        self,
        scope: StoreScope,
        name: str,
        *,
        stores: Collection[str] | None = None,
        first_day: date | None = None,
        last_day: date | None = None,
    ) -> int:
        """How many rows `table` would return; filters and errors as there."""
        opened = self._opened
        chosen = select(scope, name, stores=stores, first_day=first_day, last_day=last_day)
        return opened.count(opened.check_stores(chosen))

    def table(
        self,
        scope: StoreScope,
        name: str,
        *,
        stores: Collection[str] | None = None,
        first_day: date | None = None,
        last_day: date | None = None,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
    ) -> pa.Table:
        """Rows of a table with the schema of `model.tables`; filters are as `Selection` says, limit is in rows.

        Raises:
            ServingError: no such table, column or store; a filter that the table has no column for.
        """
        opened = self._opened
        chosen = select(scope, name, stores=stores, first_day=first_day, last_day=last_day, columns=columns)
        return opened.rows(opened.check_stores(chosen), limit=limit, batch_rows=100_000).read_all()

    def batches(
        self,
        scope: StoreScope,
        name: str,
        *,
        stores: Collection[str] | None = None,
        first_day: date | None = None,
        last_day: date | None = None,
        columns: Sequence[str] | None = None,
        batch_rows: int = 20_000,
    ) -> pa.RecordBatchReader:
        """The rows of `table`, read as they are taken, in bounded memory; filters and errors as there."""
        opened = self._opened
        chosen = select(scope, name, stores=stores, first_day=first_day, last_day=last_day, columns=columns)
        return opened.rows(opened.check_stores(chosen), batch_rows=batch_rows)

    def paths(
        self,
        scope: StoreScope,
        name: str,
        *,
        stores: Collection[str] | None = None,
        first_day: date | None = None,
        last_day: date | None = None,
    ) -> tuple[str, ...]:
        """The Parquet files that hold the rows of `table`, and perhaps others; filters and errors as there.

        A file of rows without a store-day may hold any store's: it is among them only where every store may be seen.
        """
        opened = self._opened
        chosen = opened.check_stores(select(scope, name, stores=stores, first_day=first_day, last_day=last_day))
        return tuple(chosen.pick(opened.files.get(name, {}), unplaced=scope.whole))

    def ask(
        self,
        scope: StoreScope,
        name: str,
        question: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        stores: Collection[str] | None = None,
        first_day: date | None = None,
        last_day: date | None = None,
    ) -> list[dict[str, Any]]:
        """The answer to this package's own question in SQL, `{rows}` standing for the rows of a table as in `table`."""
        opened = self._opened
        chosen = select(scope, name, stores=stores, first_day=first_day, last_day=last_day)
        return opened.ask(opened.check_stores(chosen), question, parameters or {})

    def check_stores(self, scope: StoreScope, stores: Collection[str]) -> None:
        """See that there are such stores.

        Raises:
            ServingError: there is no such store.
        """
        self._opened.check_stores(select(scope, "product_kpis", stores=stores))

    def store_days(self, scope: StoreScope, stores: Collection[str] | None = None) -> dict[str, tuple[date, date]]:
        """Each store's first day with a sale and last day with key figures; a store without figures is left out.

        Raises:
            ServingError: there is no such store.
        """
        opened = self._opened
        asked = opened.check_stores(select(scope, "product_kpis", stores=stores)).stores
        known = opened.first_days
        names = known if asked is None else sorted(asked & known.keys())
        return {store: (known[store], opened.last_days[store]) for store in names}

    def last_days(self, scope: StoreScope) -> dict[str, date]:
        """Each store's last day with key figures."""
        return {store: day for store, day in self._opened.last_days.items() if scope.allows(store)}

    def overview_row(self, scope: StoreScope, store: str, product: str) -> pa.Table:
        """The row of `product_overview` of one product in one store, or none.

        Raises:
            ServingError: there is no such store.
        """
        self.check_stores(scope, [store])
        return read_overview(self._opened, scope, store, product)

    def store_rows(self, scope: StoreScope, store: str, kind: Kind) -> StoreRows | None:
        """What is kept of a store in a file of this kind; None where nothing is.

        Raises:
            ServingError: there is no such store.
        """
        self.check_stores(scope, [store])
        return rows_of(self._opened, store, kind)

    def listing(self, scope: StoreScope) -> Listing:
        """The rows of the product list; made for the first who asks with this scope, kept for the others."""
        opened = self._opened

        def made() -> Listing:
            if opened.overview is not None:
                return opened.overview.listing(scope)
            rows = opened.rows(select(scope, PRODUCT_OVERVIEW.name, columns=[*LISTED, *ADDENDS]), batch_rows=100_000)
            ordered = rows.read_all().sort_by([("store", "ascending"), ("product", "ascending")])
            return listing(ordered, derived(ordered))

        return opened.listings.of(scope, made)

    def product(
        self,
        scope: StoreScope,
        store: str,
        product: str,
        *,
        history_days: int | None = HISTORY_DAYS,
        kpi_columns: Sequence[str] = HISTORY_COLUMNS,
    ) -> ProductPage:
        """The page of one product in one store.

        Args:
            scope: the stores that may be seen.
            store: the store.
            product: the product's code.
            history_days: days of key figures up to the store's last day; None for all.
            kpi_columns: the key figures of `product_kpis` to read for these days; those of the last day, all of them,
                are in the overview.

        Raises:
            ServingError: there is no such store or product.
        """
        return read_page(self._opened, scope, store, product, history_days, kpi_columns)

    def sql(self, scope: StoreScope, query: str) -> pa.Table:
        """The result of one SELECT over the published tables; it can write nothing and read no other file.

        Raises:
            ServingError: the scope is not every store, it is no single SELECT, or DuckDB refuses it.
        """
        if not scope.whole:
            raise ServingError("SQL reads every store: only who may see all of them may ask in it")
        opened = self._opened
        with opened.held.attach() as connection:
            roots = connection.execute(
                f"SELECT DISTINCT regexp_extract(path, '^(.*?/)store_key=', 1) FROM {SCHEMA}.publication_files"
            ).fetchall()
            connection.execute(f"USE {SCHEMA}")
            connection.execute("SET allowed_directories = $roots", {"roots": [root for (root,) in roots]})
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            try:
                statements = connection.extract_statements(query)
                if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
                    raise ServingError("give one SELECT; a publication can only be read")
                rows: pa.Table = connection.sql(query).to_arrow_table()
            except duckdb.Error as error:
                raise ServingError(f"the query failed: {error}") from error
        return rows
