"""The API for programs, `/api/v1/`: the same figures as the pages, within the same scope.

Belongs here: its reads. Does not belong here: what is found (`serving`), decisions (`api_advice`), formats
(`downloads`) and the reference (`api_reference`).

Decimals are texts with all of their digits, so that money is exact in every language; measured numbers (ratios,
forecasts) are numbers. What is not known is null. Every read answers from one publication and says which.
"""

from __future__ import annotations

from typing import Annotated, Any

import pyarrow as pa
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from emma_platform.model.access import Permission
from emma_platform.serving.changes import explain_change
from emma_platform.serving.contents import SERVED
from emma_platform.serving.periods import period
from emma_platform.serving.product_list import Page, all_products, product_list
from emma_platform.serving.publication import ServingError, publications
from emma_platform.serving.report_card import report_card
from emma_platform.web import api_queries as queries
from emma_platform.web.api_request import ApiRoute, read
from emma_platform.web.auth.signed import Signed, require
from emma_platform.web.downloads import answer, check_sheet, kind_asked

PREFIX = "/api/v1"
PARTS = ("overview", "kpis", "forecast", "past_forecasts", "scores", "response", "recommendation", "promotions")
"""The tables of a product's page."""

router = APIRouter(prefix=PREFIX, route_class=ApiRoute, tags=["read"])
Exporter = Annotated[Signed, Depends(require(Permission.EXPORT))]


@router.get("/products", summary="The product list, filtered, sorted and paged, with totals of all that is filtered")
def products(request: Request, signed: Exporter, asked: Annotated[queries.Products, Query()]) -> Response:
    """A page in JSON, whose `next` leads to the next one of the same publication; in other formats all rows."""
    source = read(request, signed, asked.known_on)
    if source.known:
        return source.not_modified()
    kind = kind_asked(request, asked.format)
    if kind == "json":
        page = product_list(source.reader, signed.scope, asked.asked(), offset=asked.offset, limit=asked.limit)
        return source.json(_page(page, asked))
    rows = all_products(source.reader, signed.scope, asked.asked())
    check_sheet(kind, rows.num_rows)
    return _with_etag(answer(rows.to_reader(20_000), kind, "products", {}), source.etag)


@router.get("/products/{store}/{product}", summary="Everything about one product in one store")
def product(
    request: Request, signed: Exporter, store: str, product: str, asked: Annotated[queries.Known, Query()]
) -> Response:
    """Key figures of the last 91 days, forecast, scores, price response, recommendation and promotions."""
    source = read(request, signed, asked.known_on)
    if source.known:
        return source.not_modified()
    page = source.reader.product(signed.scope, store, product)
    parts = {name: getattr(page, name).to_pylist() for name in PARTS}
    return source.json({"publication": page.publication, "store": store, "product": product, **parts})


@router.get("/tables", summary="The published tables, with the meaning of every column")
def tables(request: Request, signed: Exporter, asked: Annotated[queries.Known, Query()]) -> Response:
    """Names, meanings, columns and how many rows may be seen."""
    source = read(request, signed, asked.known_on)
    if source.known:
        return source.not_modified()
    found = [
        {
            "name": name,
            "meaning": table.meaning,
            "key": table.key,
            "rows": source.reader.rows(signed.scope, name),
            "columns": [
                {"name": c.name, "type": str(c.type), "unit": c.unit, "meaning": c.meaning, "formula": c.formula}
                for c in table.columns
            ],
        }
        for name, table in SERVED.items()
    ]
    return source.json({"publication": source.reader.publication.id, "tables": found})


@router.get("/tables/{name}", summary="Rows of a published table")
def rows(request: Request, signed: Exporter, name: str, asked: Annotated[queries.Rows, Query()]) -> Response:
    """In CSV and Excel, texts that a spreadsheet would run as a formula get an apostrophe before them."""
    source = read(request, signed, asked.known_on)
    if source.known:
        return source.not_modified()
    kind = kind_asked(request, asked.format)
    chosen: dict[str, Any] = {"stores": asked.store or None, "first_day": asked.first, "last_day": asked.last}
    count = source.reader.count(signed.scope, name, **chosen) if kind == "xlsx" else 0
    check_sheet(kind, min(count, asked.limit or count))
    batches = source.reader.batches(signed.scope, name, columns=asked.column or None, **chosen)
    if asked.limit is not None:
        batches = _first(batches, asked.limit)
    told = {"publication": source.reader.publication.id, "table": name}
    return _with_etag(answer(batches, kind, name, told), source.etag)


@router.get("/why", summary="Why a key figure moved between two periods: parts that sum to its change")
def why(request: Request, signed: Exporter, asked: Annotated[queries.Why, Query()]) -> Response:
    """The change of the stores that may be seen, or of those asked for."""
    source = read(request, signed, asked.known_on)
    if source.known:
        return source.not_modified()
    second = period(source.reader, signed.scope, asked.first, asked.last)
    try:
        before = second.other(asked.against)
    except (ValueError, OverflowError) as error:
        raise ServingError(f"against is previous, year or DATE..DATE, not {asked.against!r}") from error
    change = explain_change(
        source.reader, signed.scope, asked.kpi, before, second, stores=asked.store or None,
        categories=asked.category or None, product=asked.product, by=asked.by,
    )  # fmt: skip
    return source.json(change.to_json())


@router.get("/report", summary="How good the forecasts of the last four weeks were")
def report(request: Request, signed: Exporter, asked: Annotated[queries.Report, Query()]) -> Response:
    """Forecasts made 1, 7 and 28 days before, against what was sold."""
    source = read(request, signed, asked.known_on)
    if source.known:
        return source.not_modified()
    found = report_card(
        source.reader, signed.scope, stores=asked.store or None, category=asked.category, product=asked.product,
        by=asked.by,
    )  # fmt: skip
    return source.json(found.to_json())


@router.get("/publications", summary="The publications that can be read with known_on, newest first")
def kept(request: Request, signed: Exporter) -> Response:
    """Their ids and times."""
    source = read(request, signed, "")
    found = [{"id": one.id, "at": one.at} for one in publications(request.app.state.settings.published)]
    return source.json({"publications": found})


def _page(page: Page, asked: queries.Products) -> dict[str, Any]:
    following = None
    if page.next_offset is not None:
        following = f"{PREFIX}/products?{asked.query(offset=page.next_offset, known_on=page.publication)}"
    totals = {name: getattr(page.totals, name) for name in type(page.totals).__slots__}
    return {
        "publication": page.publication,
        "totals": totals,
        "next": following,
        "stores": page.stores,
        "categories": {category or "": number for category, number in page.categories.items()},
        "rows": page.rows,
    }


def _first(batches: pa.RecordBatchReader, limit: int) -> pa.RecordBatchReader:
    """The first rows of a reader."""

    def taken() -> Any:  # noqa: ANN401 - a generator of batches
        left = limit
        for batch in batches:
            yield batch.slice(0, left)
            left -= batch.num_rows
            if left <= 0:
                return

    return pa.RecordBatchReader.from_batches(batches.schema, taken())


def _with_etag(found: Response, etag: str) -> Response:
    found.headers["etag"] = etag
    return found
