"""What addresses ask of the pages and of the API, each written once: its names, bounds and canonical query string.

Belongs here: reading and writing query strings, and the filters of the product list, one model for page, API and
export. Does not belong here: what a filter means (`serving.product_list`) and what other pages ask (beside each).

The empty name of a store, product or category is written as a tilde, as in paths (`addresses`): a form sends a field
that was left alone as empty.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import quote_plus

from fastapi import HTTPException, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from emma_platform.serving.listing import Attention
from emma_platform.serving.product_list import NAMES, Asked
from emma_platform.web.addresses import EMPTY

SORTS = ("revenue", "growth", *NAMES)
"""What the list can be sorted by; the first two are of the period."""

Name = Annotated[str, StringConstraints(max_length=200)]
Names = Annotated[
    tuple[Annotated[Name, AfterValidator(lambda name: "" if name == EMPTY else name)], ...], Field(max_length=500)
]


class Question(BaseModel):
    """What an address asks; every part has a default, and what equals it is left out of the address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: ClassVar[dict[str, object]] = {}
    """What a link to a changed question starts from."""

    @classmethod
    async def of(cls, request: Request) -> Self:
        """The question in a page's address, as a dependency; what a form sends empty, and what is no part, is left out.

        A coroutine that waits for nothing: FastAPI would send a function through a thread and back.

        Raises:
            HTTPException: a part has a value that it cannot have.
        """
        given: dict[str, Any] = {}
        for name, value in request.query_params.multi_items():
            field = cls.model_fields.get(name)
            if field is not None and value:
                given[name] = [*given.get(name, ()), value] if isinstance(field.default, tuple) else value
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            names = ", ".join(sorted({str(wrong["loc"][0]) for wrong in error.errors()}))
            raise HTTPException(422, f"This cannot be filtered like that: {names}.") from error

    def query(self, **changed: object) -> str:
        """The canonical query string, with some parts changed: names in order, no part that says nothing, each once.

        Equal questions have equal query strings, and parsing one gives the question back.
        """
        asked = self.__dict__ | changed
        said: list[str] = []
        for name, default in _defaults(type(self)):
            value = asked[name]
            if value == default:
                continue
            several = sorted(set(value)) if isinstance(default, tuple) else [value]
            said += [f"{name}={quote_plus(str(each) or EMPTY)}" for each in several]
        return "&".join(said)

    def address(self, **changed: object) -> str:
        """The end of a link to the page with some parts changed, from its beginning unless told otherwise."""
        query = self.query(**(self.first | changed))
        return f"?{query}" if query else ""


@cache
def _defaults(model: type[Question]) -> tuple[tuple[str, Any], ...]:
    return tuple((name, field.default) for name, field in model.model_fields.items())


class Filters(Question):
    """Which products, in which order, from which row on, of which publication."""

    first: ClassVar[dict[str, object]] = {"offset": 0}

    q: Annotated[str, StringConstraints(strip_whitespace=True, max_length=100)] = Field(
        "", description="Words that the product's name or code holds, whatever accents and capital letters."
    )
    store: Names = Field((), description="Only this store; may be repeated.")
    product: Names = Field((), description="Only the product of exactly this code; may be repeated.")
    category: Names = Field(
        (), description="Only this category, ~ (or empty) for products without one; may be repeated."
    )
    days: Literal["7", "28"] = Field("28", description="The days that revenue and growth are of when sorted by.")
    attention: tuple[Attention, ...] = Field(
        (), max_length=20,
        description="Only what needs attention: price (advised, or worth trying), cover (stock for less than 7 days), "
        "shelf (probably empty), forecast (without skill, and no rare seller); may be repeated.",
    )  # fmt: skip
    sort: Literal[SORTS] = Field("revenue", description="The column to sort by; what is not known comes last.")  # type: ignore[valid-type]
    order: Literal["asc", "desc"] = Field("desc", description="Smallest or largest first.")
    offset: int = Field(0, ge=0, le=10_000_000, description="Rows to leave out.")
    known_on: Name = Field("", description="An earlier publication by its id; empty for the newest.")

    def asked(self) -> Asked:
        """The same as a question to the publication."""
        return Asked(
            stores=frozenset(self.store),
            products=frozenset(self.product),
            categories=frozenset(self.category),
            search=self.q,
            attention=frozenset(self.attention),
            period=7 if self.days == "7" else 28,
            sort=self.sort,
            descending=self.order == "desc",
        )
