"""All that is known of one product in one store, read from an open publication.

Belongs here: what a product's page holds, and reading it. Does not belong here: what it looks like, and the list of
products (`product_list`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, partial

import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.model.access import EVERY_STORE, StoreScope
from emma_platform.model.estimates import PRICE_RECOMMENDATIONS
from emma_platform.model.tables import KEPT
from emma_platform.serving.opened import Opened
from emma_platform.serving.publication import ServingError
from emma_platform.serving.selection import Selection, select

HISTORY_DAYS = 91
"""Days of key figures on a product page: 13 weeks; what a store keeps in memory reaches no further."""

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


_ORDERS = {
    "product_kpis": ("day",),
    "sales_forecast": ("day", "made_on"),
    "price_recommendations": ("made_on",),
    "promotions": ("first_day", "last_day", "store", "kind"),
    "probable_stock_outs": ("first_day",),
    "forecast_accuracy": ("horizon_days",),
}
"""How a page orders the rows of the tables that have several for a product."""

_OF_ONE_ROW = ("product_overview", "forecast_scores", "price_response")


def read_page(
    opened: Opened,
    scope: StoreScope,
    store: str,
    product: str,
    history_days: int | None,
    kpi_columns: Sequence[str],
) -> ProductPage:
    """The page; arguments and errors are those of `Reader.product`."""
    first_day = _first_day(opened, store, history_days)
    kpis = select(scope, "product_kpis", stores=[store], product=product, first_day=first_day, columns=kpi_columns)
    opened.check_stores(kpis)
    kept = opened.store_pages.of(store, partial(store_rows, opened, store))

    def of_product(name: str) -> Selection:
        return select(scope, name, stores=[store], product=product)

    def several(name: str) -> pa.Table:
        if kept is not None:
            return kept[name].of(product)
        return opened.few(of_product(name), order=", ".join(_ORDERS[name]))

    newest, earlier = _by_origin(several("sales_forecast"))
    overview = opened.one(of_product("product_overview"))
    in_memory = history_days is not None and history_days <= HISTORY_DAYS and set(kpi_columns) <= set(HISTORY_COLUMNS)
    page = ProductPage(
        publication=opened.publication.id,
        store=store,
        product=product,
        overview=overview,
        kpis=_since(first_day, several("product_kpis")).select(kpis.columns)
        if kept is not None and in_memory
        else opened.few(kpis, order="day"),
        forecast=newest,
        past_forecasts=earlier,
        scores=opened.one(of_product("forecast_scores")),
        response=opened.one(of_product("price_response")),
        recommendation=_advice(overview)
        if overview["recommendation_made_on"].null_count < overview.num_rows
        else _by_origin(several("price_recommendations"))[0],
        promotions=several("promotions"),
        stock_outs=several("probable_stock_outs"),
        accuracy=several("forecast_accuracy"),
    )
    said = (page.overview, page.kpis, newest, page.scores, page.response, page.recommendation, page.promotions)
    if not any(rows.num_rows for rows in said) and not opened.count(select(scope, "products", product=product)):
        raise ServingError(
            f"there is no product {product!r} in store {store!r}; `emma export product_overview` lists them"
        )
    return page


def store_rows(opened: Opened, store: str) -> Mapping[str, pa.Table]:
    """The rows of a store that its pages show, by table, product and the page's order.

    They are of one store that whoever opens a page of it may see, and the same for all of them.
    """
    first_day = _first_day(opened, store, HISTORY_DAYS)
    history = select(
        EVERY_STORE, "product_kpis", stores=[store], first_day=first_day, columns=("product", *HISTORY_COLUMNS)
    )
    others = {name: select(EVERY_STORE, name, stores=[store]) for name in _ORDERS if name != "product_kpis"}
    return {
        name: opened.rows(selection, batch_rows=100_000)
        .read_all()
        .sort_by([(column, "ascending") for column in ("product", *_ORDERS[name])])
        for name, selection in {"product_kpis": history, **others}.items()
    }


def warm(opened: Opened, before: Opened | None = None) -> None:
    """Read the tables of one row per product, which the first page would wait for, and the rows of stores asked for.

    Args:
        opened: the publication.
        before: the one that was read until now: the stores asked of it are those that will be asked for. What is the
            same in both is taken over.
    """
    for name in _OF_ONE_ROW:
        if before is not None and _is_same(name, opened, before):
            opened.by_product.share(name, before.by_product)
        # Whatever is asked of it, the table is read whole; no product is called so.
        opened.one(select(EVERY_STORE, name, stores=[""], product=""))
    if before is None:
        return
    for store in before.store_pages.asked:
        if all(_is_same(name, opened, before, store) for name in _ORDERS):
            opened.store_pages.share(store, before.store_pages)
        else:
            opened.store_pages.fill(store, partial(store_rows, opened, store))


def _is_same(name: str, opened: Opened, before: Opened, store: str | None = None) -> bool:
    """A table has the same rows in both, of a store if one is given: they are in the same files, which never change."""
    files, others = opened.files.get(name, {}), before.files.get(name, {})
    if store is not None and select(EVERY_STORE, name).in_files:
        return all(files.get(each) == others.get(each) for each in (store, None))
    versions = (one.publication.versions.get(name) for one in (opened, before))
    return name in KEPT and len(set(versions)) == 1


def _first_day(opened: Opened, store: str, history_days: int | None) -> date | None:
    last_day = opened.last_days.get(store)
    return last_day - timedelta(days=history_days - 1) if last_day and history_days is not None else None


def _since(first_day: date | None, rows: pa.Table) -> pa.Table:
    if first_day is None or not rows.num_rows or rows["day"][0].as_py() >= first_day:
        return rows
    return rows.filter(pc.greater_equal(rows["day"], pa.scalar(first_day)))


def _advice(overview: pa.Table) -> pa.Table:
    """The newest row of `price_recommendations`, which the overview holds whole."""
    schema = _advice_schema()
    names = {"made_on": "recommendation_made_on", "reason": "recommendation_reason"}
    return overview.select([names.get(name, name) for name in schema.names]).rename_columns(schema.names).cast(schema)


@cache
def _advice_schema() -> pa.Schema:
    return PRICE_RECOMMENDATIONS.arrow_schema()


def _by_origin(rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The rows of the newest `made_on`, and the others, each in the order that they came in."""
    newest = pc.equal(rows["made_on"], pc.max(rows["made_on"]))
    return rows.filter(newest), rows.filter(pc.invert(newest))
