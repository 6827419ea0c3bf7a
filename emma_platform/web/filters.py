"""The filters of the product list as they stand in an address: one model for page, API and export.

Belongs here: names, bounds and the canonical query string. Does not belong here: what a filter means
(`serving.product_list`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from emma_platform.serving.listing import Attention
from emma_platform.serving.product_list import NAMES, Asked

SORTS = ("revenue", "growth", *NAMES)
"""What the list can be sorted by; the first two are of the period."""

SEVERAL = frozenset({"store", "category", "attention"})
"""Which filters may be repeated."""

Name = Annotated[str, StringConstraints(max_length=200)]


class Filters(BaseModel):
    """Which products, in which order, from which row on, of which publication."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    q: Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)] = Field(
        "", description="Words that the product's name or code holds, whatever accents and capital letters."
    )
    store: tuple[Name, ...] = Field((), max_length=500, description="Only this store; may be repeated.")
    category: tuple[Name, ...] = Field(
        (), max_length=500, description="Only this category, empty for products without one; may be repeated."
    )
    days: Literal["7", "28"] = Field("28", description="The days that revenue and growth are of when sorted by.")
    attention: tuple[Attention, ...] = Field(
        (), max_length=20,
        description="Only what needs attention: price (advised, or worth trying), cover (stock for less than 7 days), "
        "shelf (probably empty), forecast (without skill); may be repeated.",
    )  # fmt: skip
    sort: Literal[SORTS] = Field("revenue", description="The column to sort by; what is not known comes last.")  # type: ignore[valid-type]
    order: Literal["asc", "desc"] = Field("desc", description="Smallest or largest first.")
    offset: int = Field(0, ge=0, le=10_000_000, description="Rows to leave out.")
    known_on: Name = Field("", description="An earlier publication by its id; empty for the newest.")

    def query(self, **changed: object) -> str:
        """The canonical query string, with some parts changed: names in order, no part that says nothing, each once.

        Equal filters have equal query strings, and parsing one gives the filters back.
        """
        one = type(self).model_validate(self.model_dump() | changed)
        pairs: list[tuple[str, Any]] = []
        for name, field in type(self).model_fields.items():
            value = getattr(one, name)
            if value != field.default:
                pairs += [(name, each) for each in sorted(set(value))] if isinstance(value, tuple) else [(name, value)]
        return urlencode(pairs)

    def address(self, **changed: object) -> str:
        """The end of a link to the list with some parts changed, from its first row unless an offset is given."""
        query = self.query(**({"offset": 0} | changed))
        return f"?{query}" if query else ""

    def asked(self) -> Asked:
        """The same as a question to the publication."""
        return Asked(
            stores=frozenset(self.store),
            categories=frozenset(self.category),
            search=self.q,
            attention=frozenset(self.attention),
            period=7 if self.days == "7" else 28,
            sort=self.sort,
            descending=self.order == "desc",
        )
