"""Reads publications: the only queries that the web and the exports see.

Belongs here: opening a publication, following the pointer, and the questions asked of it. Does not belong here: writing
files for people (`export`) and publishing (`publish`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.model.access import StoreScope
from emma_platform.serving.contents import PRODUCT_OVERVIEW, SERVED
from emma_platform.serving.opened import attach, open_named, open_newest
from emma_platform.serving.publication import Publication, ServingError, current
from emma_platform.serving.selection import SCHEMA, select

HISTORY_DAYS = 91
"""Days of key figures on a product page: 13 weeks; every further month opens one more file, about 0.5 ms."""

HISTORY_COLUMNS = (
    "day", "units", "sold_units", "returned_units", "revenue", "sold_revenue", "discount", "average_price",
    "gross_margin", "gross_margin_pct", "units_28d", "revenue_28d", "on_hand", "days_of_cover",
)  # fmt: skip
"""Key figures of each day on a product page."""


@dataclass(frozen=True, slots=True)
class ProductPage:
    """All that is known of one product in one store, from one publication; a table without rows says nothing is.

    Attributes:
        publication: where it was read.
        store, product: whose page it is.
        overview: its row of `product_overview`, if it was sold or in stock in the store's last 28 days.
        kpis: figures of `product_kpis`, by day.
        forecast: `sales_forecast` of the newest origin, by day.
        past_forecasts: `sales_forecast` of earlier origins, by day and origin.
        scores: its row of `forecast_scores`.
        response: its row of `price_response`.
        recommendation: its newest row of `price_recommendations`.
        promotions: `promotions` of the store and of all stores, by first day.
    """

    publication: str
    store: str
    product: str
    overview: pa.Table
    kpis: pa.Table
    forecast: pa.Table
    past_forecasts: pa.Table
    scores: pa.Table
    response: pa.Table
    recommendation: pa.Table
    promotions: pa.Table


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

    @property
    def publication(self) -> Publication:
        """The publication that is read; its `rows` count every store's."""
        return self._opened.publication

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

    def tables(self) -> tuple[str, ...]:
        """The names of the published tables."""
        return tuple(SERVED)

    def stores(self, scope: StoreScope) -> tuple[str, ...]:
        """The stores that have rows, or stand in a stores file."""
        return self._opened.seen(scope)

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
        files = opened.files.get(name, {})
        return tuple(chosen.pick({store: files[store] for store in files if scope.whole or store is not None}))

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

    def store_days(self, scope: StoreScope, stores: Collection[str] | None = None) -> dict[str, tuple[date, date]]:
        """Each store's first day with a sale and last day with key figures; a store without figures is left out.

        Raises:
            ServingError: there is no such store.
        """
        opened = self._opened
        asked = opened.check_stores(select(scope, "product_kpis", stores=stores)).stores
        return {
            store: (first, opened.last_days[store])
            for store, first in opened.first_days.items()
            if asked is None or store in asked
        }

    def last_days(self, scope: StoreScope) -> dict[str, date]:
        """Each store's last day with key figures."""
        return {store: day for store, day in self._opened.last_days.items() if scope.allows(store)}

    def overview(self, scope: StoreScope, store: str | None = None) -> pa.Table:
        """`product_overview` of one store or of all, by store and product.

        Raises:
            ServingError: there is no such store.
        """
        return self.table(scope, PRODUCT_OVERVIEW.name, stores=None if store is None else [store])

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
        opened = self._opened
        last_day = opened.last_days.get(store)
        first_day = last_day - timedelta(days=history_days - 1) if last_day and history_days is not None else None
        opened.check_stores(select(scope, "product_kpis", stores=[store]))

        def read(name: str, order: str = "") -> pa.Table:
            return opened.few(select(scope, name, stores=[store], product=product), order=order)

        kpis = select(scope, "product_kpis", stores=[store], product=product, first_day=first_day, columns=kpi_columns)
        newest, earlier = _by_origin(read("sales_forecast", "day, made_on"))
        page = ProductPage(
            publication=opened.publication.id,
            store=store,
            product=product,
            overview=read("product_overview"),
            kpis=opened.few(kpis, order="day"),
            forecast=newest,
            past_forecasts=earlier,
            scores=read("forecast_scores"),
            response=read("price_response"),
            recommendation=_by_origin(read("price_recommendations"))[0],
            promotions=read("promotions", "first_day, last_day, store, kind"),
        )
        said = (page.overview, page.kpis, newest, page.scores, page.response, page.recommendation, page.promotions)
        if not any(rows.num_rows for rows in said) and not opened.count(select(scope, "products", product=product)):
            raise ServingError(
                f"there is no product {product!r} in store {store!r}; `emma export product_overview` lists them"
            )
        return page

    def sql(self, scope: StoreScope, query: str) -> pa.Table:
        """The result of one SELECT over the published tables; it can write nothing and read no other file.

        Raises:
            ServingError: the scope is not every store, it is no single SELECT, or DuckDB refuses it.
        """
        if not scope.whole:
            raise ServingError("SQL reads every store: only who may see all of them may ask in it")
        opened = self._opened
        with attach(opened.publication) as connection:
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


def _by_origin(rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The rows of the newest `made_on`, and the others, each by day where it has one."""
    newest = pc.equal(rows["made_on"], pc.max(rows["made_on"]))
    by = "day" if "day" in rows.column_names else "made_on"
    return rows.filter(newest).sort_by(by), rows.filter(pc.invert(newest)).sort_by(by)
