"""The reference of the API: its OpenAPI schema, and the same as a page.

Belongs here: describing the routes and what they answer, from their own parameters and the meaning of every column.
Does not belong here: the routes (`api`, `api_advice`). Both are behind the sign-in.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import Response

from emma_platform.model.access import Permission
from emma_platform.model.parts import PARTS as CHANGE_PARTS
from emma_platform.model.schema import Column, Type
from emma_platform.serving.contents import SERVED
from emma_platform.serving.listing import COLUMNS, Attention
from emma_platform.web import api, api_advice
from emma_platform.web.api_request import PROBLEM
from emma_platform.web.auth.signed import Signed, require
from emma_platform.web.downloads import MEDIA, to_json
from emma_platform.web.rendering import render

router = APIRouter(include_in_schema=False)
Reader = Annotated[Signed, Depends(require(Permission.READ))]
Schema = dict[str, Any]

_ABOUT = (
    "The figures of the pages for programs, from the same publication and within the same stores. Send a token: "
    "“Authorization: Bearer emma_…”. Decimals are texts with all of their digits, measured numbers are numbers, what "
    "is not known is null. Errors are problem details (RFC 9457). An answer's ETag stays the same until another "
    "publication comes: send it as If-None-Match to be told that nothing is new."
)
_TEXT: Schema = {"type": "string"}
_TYPES: dict[Type, Schema] = {
    Type.TEXT: _TEXT,
    Type.DAY: {"type": "string", "format": "date"},
    Type.INSTANT: {"type": "string", "format": "date-time"},
    Type.COUNT: {"type": "integer"},
    Type.FLAG: {"type": "boolean"},
    Type.NUMBER: {"type": "number"},
}
_DECIMAL: Schema = {"type": "string", "pattern": r"^-?\d+(\.\d+)?$"}
_PLACES = {"store": "The store.", "product": "The product's code.", "name": "The table."}
_ERRORS = {
    "400": "It cannot be asked so.",
    "401": "Nobody is signed in.",
    "403": "Who is signed in may not do this.",
    "404": "There is no such thing, or it may not be seen.",
    "409": "The advice has changed, or the decision is not complete.",
    "422": "A parameter is not what it must be.",
}


@router.get("/api/openapi.json")
def openapi(_signed: Reader) -> Response:
    """The schema, for programs."""
    return Response(to_json(schema()), media_type="application/json")


@router.get("/api")
def reference(request: Request, _signed: Reader) -> Response:
    """The schema, for people."""
    return render(request, "api.html", {"api": schema(), "about": _ABOUT, "tables": SERVED.values()})


@cache
def schema() -> Schema:
    """The OpenAPI schema."""
    routes = [*api.router.routes, *api_advice.router.routes]
    found = get_openapi(title="Emma Platform", version="1", description=_ABOUT, routes=routes)
    parts = found.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        parts.pop(unused, None)
    parts["Problem"] = _object(type=_TEXT, title=_TEXT, status={"type": "integer"}, detail=_TEXT)
    parts |= {f"row_{name}": rows_of(table.columns) for name, table in SERVED.items()}
    parts["product"] = _listed()
    found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    found["security"] = [{"token": []}]
    answers = _answers()
    for path, operations in found["paths"].items():
        for operation in operations.values():
            _describe(operation, answers[path.removeprefix(api.PREFIX)], path)
    return found


def rows_of(columns: Iterable[Column]) -> Schema:
    """The schema of a row with these columns, each with its meaning."""
    return _object(**{column.name: _value(column) for column in columns})


def _value(column: Column) -> Schema:
    found = dict(_TYPES.get(column.type, _DECIMAL))
    if column.nullable or column.type is Type.NUMBER:
        found["type"] = [found["type"], "null"]
    formula, unit = f"Formula: {column.formula}.", f"In {column.unit}."
    notes = [column.meaning, formula if column.formula else "", unit if column.unit else ""]
    return found | {"description": " ".join(filter(None, notes))}


def _listed() -> Schema:
    row = rows_of(COLUMNS)
    row["properties"]["units_by_day_30d"] = {
        "type": "array", "items": {"type": "number"}, "description": "Units of each of the last 30 days, oldest first.",
    }  # fmt: skip
    row["properties"]["attention"] = {
        "type": "array", "items": {"enum": list(Attention)}, "description": "Why the product needs attention.",
    }  # fmt: skip
    return row


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _many(of: str) -> Schema:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{of}"}}


def _answers() -> dict[str, Schema]:
    anything: Schema = {"type": "object"}
    several: Schema = {"type": "array", "items": anything}
    number: Schema = {"type": ["number", "null"]}
    counts: Schema = {"type": "object", "additionalProperties": {"type": "integer"}}
    ahead: Schema = {
        "type": ["object", "null"],
        "description": "Of the days to come: their sum, and daily, with intervals.",
    }
    totals = _object(
        products={"type": "integer"}, units_7d=_DECIMAL, units_28d=_DECIMAL, revenue_7d=_DECIMAL, revenue_28d=_DECIMAL,
        growth_wow_pct=number, growth_28d_pct=number, gross_margin_28d=_DECIMAL | {"type": ["string", "null"]},
        gross_margin_28d_pct=number, counted={"type": "integer"}, forecast_units_28d=number,
        forecast_units_28d_p10=number, forecast_units_28d_p90=number, attention=counts,
    )  # fmt: skip
    of_page = {
        "overview": "product_overview", "kpis": "", "forecast": "sales_forecast", "past_forecasts": "sales_forecast",
        "scores": "forecast_scores", "response": "price_response", "recommendation": "price_recommendations",
        "promotions": "promotions",
    }  # fmt: skip
    page = {name: _many(f"row_{table}") if table else several for name, table in of_page.items()}
    parts = ", ".join(part.name for part in CHANGE_PARTS)
    return {
        "/products": _object(publication=_TEXT, totals=totals, stores=counts, categories=counts, rows=_many("product"),
                             next={"type": ["string", "null"], "description": "The next page's address."}),
        "/products/{store}/{product}": _object(publication=_TEXT, store=_TEXT, product=_TEXT, **page),
        "/tables": _object(publication=_TEXT, tables=several),
        "/tables/{name}": _object(publication=_TEXT, table=_TEXT, rows=several),
        "/why": _object(publication=_TEXT, kpi=_TEXT,
                        total=anything | {"description": f"before, after, change, and its parts: {parts}"}),
        "/report": _object(publication=_TEXT, title=_TEXT, whole=several, by=_TEXT, rows=several, ahead=ahead),
        "/publications": _object(publications=several),
        "/advice": {"type": "object"},
    }  # fmt: skip


def _describe(operation: Schema, answer: Schema, path: str) -> None:
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            parameter["description"] = _PLACES[parameter["name"]]
    takes = {parameter["name"] for parameter in operation.get("parameters", [])}
    content = {"application/json": {"schema": answer}}
    if "format" in takes:
        content |= {media: {"schema": {"type": "string"}} for kind, media in MEDIA.items() if kind != "json"}
    errors: dict[str, Schema] = {}
    if not path.endswith("/advice"):
        errors["304"] = {"description": "The answer that is held still holds."}
    error: Schema = {"content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    errors |= {status: {"description": text, **error} for status, text in _ERRORS.items()}
    operation["responses"] = {"200": {"description": operation["summary"], "content": content}, **errors}
