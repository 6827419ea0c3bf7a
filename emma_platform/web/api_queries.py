"""The parameters of the API's routes, each with its meaning.

Belongs here: names, bounds and descriptions; the reference is made from them. Does not belong here: the routes (`api`).
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from emma_platform.web.downloads import Kind
from emma_platform.web.filters import Filters, Name

_STORES = "Only this store; may be repeated."
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    known_on: Name = Field("", description="An earlier publication by its id; empty for the newest.")


class Known(_Asked):
    """A question that only says of which publication."""


class Products(Filters):
    """The product list."""

    limit: int = Field(50, ge=1, le=1_000, description="Rows of a page, in JSON; other formats hold all rows.")
    format: Kind | None = Field(None, description="json, csv, parquet or xlsx; else the Accept header decides.")


class Rows(_Asked):
    """Rows of a table."""

    store: tuple[Name, ...] = Field((), max_length=500, description=_STORES)
    first: date | None = Field(None, alias="from", description="First day, by day or made_on.")
    last: date | None = Field(None, alias="to", description="Last day, by day or made_on.")
    column: tuple[Name, ...] = Field((), max_length=200, description="Only this column; may be repeated.")
    limit: int | None = Field(None, ge=1, le=100_000_000, description="At most so many rows; without it, all.")
    format: Kind | None = Field(None, description="json, csv, parquet or xlsx; else the Accept header decides.")


class Why(_Asked):
    """Why a key figure moved."""

    kpi: Literal["revenue", "gross_margin", "units", "receipts"] = Field("revenue", description="The key figure.")
    first: date | None = Field(None, alias="from", description="First day; by default of the last four weeks.")
    last: date | None = Field(None, alias="to", description="Last day; by default the last known.")
    against: Annotated[str, StringConstraints(max_length=30)] = Field(
        "previous", description="previous: as many days right before; year: 52 weeks before; or DATE..DATE."
    )
    store: tuple[Name, ...] = Field((), max_length=500, description=_STORES)
    category: tuple[Name, ...] = Field((), max_length=500, description="Only this category; may be repeated.")
    product: Name | None = Field(None, description="Only this product.")
    by: Literal["store", "category", "product"] | None = Field(None, description="List the change by this as well.")


class Report(_Asked):
    """How good the forecasts were."""

    store: tuple[Name, ...] = Field((), max_length=500, description=_STORES)
    category: Name | None = Field(None, description="Only this category.")
    product: Name | None = Field(None, description="Only this product.")
    by: Literal["store", "category", "product"] | None = Field(None, description="What to list.")


class Listed(_Asked):
    """Price advice."""

    store: Name | None = Field(None, description="Only this store.")
    waiting: bool = Field(True, description="Only what waits for a decision; else everything.")


class Decision(BaseModel):
    """A decision on price advice."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    store: Text = Field(description="The store.")
    product: Text = Field(description="The product's code.")
    decision: Literal["accept", "change", "decline"] = Field(description="Accept, change to another price, or decline.")
    price: Decimal | None = Field(None, gt=0, lt=1_000_000, description="The price to charge, with change.")
    reason: Text | None = Field(None, description="Why; needed to decline, and for a price outside the guardrails.")
    publication: Name | None = Field(
        None, description="The publication that was looked at: refused if the advice has changed since."
    )
