"""All that is known of one product in one store, read from an open publication.

Belongs here: what a product's page holds, and reading it. Does not belong here: what it looks like, and the list of
products (`product_list`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.model.access import StoreScope
from emma_platform.model.estimates import PRICE_RECOMMENDATIONS
from emma_platform.serving.contents import PRODUCT_OVERVIEW
from emma_platform.serving.opened import Opened
from emma_platform.serving.page_rows import HISTORY_COLUMNS, HISTORY_DAYS, ORDERS, PAGES, first_day, schema
from emma_platform.serving.publication import ServingError
from emma_platform.serving.selection import select
from emma_platform.serving.store_files import rows_of


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
        stock_outs: `probable_stock_outs`, by first day.
        accuracy: its rows of `forecast_accuracy`, by days ahead.
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
    stock_outs: pa.Table
    accuracy: pa.Table


def read_page(
    opened: Opened,
    scope: StoreScope,
    store: str,
    product: str,
    history_days: int | None,
    kpi_columns: Sequence[str],
) -> ProductPage:
    """The page; arguments and errors are those of `Reader.product`."""
    since = first_day(opened, store, history_days)
    kpis = select(scope, "product_kpis", stores=[store], product=product, first_day=since, columns=kpi_columns)
    opened.check_stores(kpis)
    kept = rows_of(opened, store, PAGES)
    number = kept.number(product) if kept is not None else -1

    def of_product(name: str) -> pa.Table:
        if kept is not None:
            return kept.of(name, number, schema(name))
        return opened.few(select(scope, name, stores=[store], product=product), order=", ".join(ORDERS[name]))

    newest, earlier = _by_origin(of_product("sales_forecast"))
    overview = read_overview(opened, scope, store, product)
    in_file = history_days is not None and history_days <= HISTORY_DAYS and set(kpi_columns) <= set(HISTORY_COLUMNS)
    page = ProductPage(
        publication=opened.publication.id,
        store=store,
        product=product,
        overview=overview,
        kpis=_since(since, of_product("product_kpis")).select(kpis.columns)
        if kept is not None and in_file
        else opened.few(kpis, order="day"),
        forecast=newest,
        past_forecasts=earlier,
        scores=of_product("forecast_scores"),
        response=of_product("price_response"),
        recommendation=_advice(overview)
        if overview["recommendation_made_on"].null_count < overview.num_rows
        else _by_origin(of_product("price_recommendations"))[0],
        promotions=_promotions(opened, store, product),
        stock_outs=of_product("probable_stock_outs"),
        accuracy=of_product("forecast_accuracy"),
    )
    said = (page.overview, page.kpis, newest, page.scores, page.response, page.recommendation, page.promotions)
    if not any(rows.num_rows for rows in said) and not opened.count(select(scope, "products", product=product)):
        raise ServingError(
            f"there is no product {product!r} in store {store!r}; `emma export product_overview` lists them"
        )
    return page


def read_overview(opened: Opened, scope: StoreScope, store: str, product: str) -> pa.Table:
    """The row of `product_overview`, or none; that the store may be seen was checked."""
    if opened.overview is not None:
        return opened.overview.row(store, product)
    return opened.few(select(scope, PRODUCT_OVERVIEW.name, stores=[store], product=product))


def _promotions(opened: Opened, store: str, product: str) -> pa.Table:
    """Those of the store and of all stores, by first day."""
    rows = opened.promotions
    if not rows.num_rows:
        return rows
    here = pc.or_kleene(pc.equal(rows["store"], pa.scalar(store)), pc.is_null(rows["store"]))
    found = rows.filter(pc.and_(pc.equal(rows["product"], pa.scalar(product)), here))
    return found.sort_by([(column, "ascending") for column in ("first_day", "last_day", "store", "kind")])


def _since(day: date | None, rows: pa.Table) -> pa.Table:
    if day is None or not rows.num_rows or rows["day"][0].as_py() >= day:
        return rows
    return rows.filter(pc.greater_equal(rows["day"], pa.scalar(day)))


def _advice(overview: pa.Table) -> pa.Table:
    """The newest row of `price_recommendations`, which the overview holds whole."""
    schema = _advice_schema()
    names = {"made_on": "recommendation_made_on", "reason": "recommendation_reason"}
    return pa.Table.from_arrays([overview[names.get(name, name)] for name in schema.names], schema=schema)


@cache
def _advice_schema() -> pa.Schema:
    return PRICE_RECOMMENDATIONS.arrow_schema()


def _by_origin(rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The rows of the newest `made_on`, and the others, each in the order that they came in."""
    newest = pc.equal(rows["made_on"], pc.max(rows["made_on"]))
    if pc.all(newest).as_py():  # mostly; to filter 13 columns twice takes longer than all else of it
        return rows, rows.slice(0, 0)
    return rows.filter(newest), rows.filter(pc.invert(newest))
