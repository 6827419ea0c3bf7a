"""The pages that people live in: the list on the left, a product on the right, the glossary.

Belongs here: their routes. Does not belong here: what they show (`page_list`, `page_product`, `page_glossary`), sign-in
(`auth`), receipts and data, the API.

One address answers three ways: whole to a browser, the detail or the list alone to htmx, by what it replaces.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import wraps
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from emma_platform.model.access import Permission
from emma_platform.serving.advice import AdviceError
from emma_platform.web import seen
from emma_platform.web.addresses import name_of, product_path
from emma_platform.web.auth.signed import Signed, require
from emma_platform.web.deciding import decide_as
from emma_platform.web.filters import Filters
from emma_platform.web.page_glossary import glossary_values
from emma_platform.web.page_list import list_values
from emma_platform.web.page_product import WHY, advice_values, product_values, title_values, why_values
from emma_platform.web.publication_shown import Shown, shown, shown_here
from emma_platform.web.rendering import is_partial, render

router = APIRouter(include_in_schema=False)

Reads = Annotated[Signed, Depends(require(Permission.READ))]
Decides = Annotated[Signed, Depends(require(Permission.DECIDE))]
ShownHere = Annotated[Shown, Depends(shown_here)]
Query = Annotated[Filters, Depends(Filters.of)]
Page = Callable[..., Response]


def page_at(*paths: str) -> Callable[[Page], Page]:
    """Serve a page at some addresses: on a thread where it reads files or writes, so that others are answered.

    From memory it takes some 4 ms, and is made where its request is: it would take 2 more on a thread, which wakes on
    another core, and more yet where several compute side by side.
    """

    def served(page: Page) -> Page:
        @wraps(page)
        async def made(request: Request, signed: Signed, shown: Shown, **asked: object) -> Response:
            if shown.reader.in_memory and not seen.is_new(signed, shown):
                return page(request, signed=signed, shown=shown, **asked)
            return await run_in_threadpool(page, request, signed=signed, shown=shown, **asked)

        for path in paths:
            router.get(path)(made)
        return page

    return served


@page_at("/", "/products")
def products(request: Request, signed: Reads, shown: ShownHere, query: Query) -> Response:
    """The list; the detail says what to do next."""
    seen.begin(request, signed, shown)
    values = list_values(shown, signed.scope, query)
    return render(request, _list_template(request, query) or "products.html", _frame(shown) | values)


@page_at("/products/{store_segment}/{product_segment}")
def product(
    request: Request, store_segment: str, product_segment: str, signed: Reads, shown: ShownHere, query: Query
) -> Response:
    """The list and a product's detail; alone the detail, or the list beside it."""
    store, product = name_of(store_segment), name_of(product_segment)
    part = _list_template(request, query)
    if part:
        return render(request, part, _frame(shown) | list_values(shown, signed.scope, query))
    values = _frame(shown) | product_values(shown, signed.scope, store, product)
    if is_partial(request):
        return render(request, "product.html", values | {"list_query": query.address()})
    return render(request, "products.html", list_values(shown, signed.scope, query) | values)


@page_at("/products/{store_segment}/{product_segment}/why/{kpi}")
def why(
    request: Request, store_segment: str, product_segment: str, kpi: str, signed: Reads, shown: ShownHere
) -> Response:
    """Why a key figure moved: the parts of the change."""
    store, product = name_of(store_segment), name_of(product_segment)
    kpi = kpi if kpi in WHY else "revenue"
    values = why_values(shown, signed.scope, store, product, kpi)
    values |= {"here": product_path(store, product)}
    if is_partial(request):
        return render(request, "why.html", _frame(shown) | values)
    values |= title_values(shown, signed.scope, store, product)
    return render(request, "why_page.html", _frame(shown) | values)


@router.post("/products/{store_segment}/{product_segment}/decision")
def decision(
    request: Request,
    store_segment: str,
    product_segment: str,
    signed: Decides,
    decision: Annotated[str, Form(pattern="^(accept|change|decline)$")],
    publication: Annotated[str, Form()],
    price: Annotated[str, Form()] = "",
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Decide on the advice, as somebody read it in a publication; what cannot be decided says why."""
    store, product = name_of(store_segment), name_of(product_segment)
    now, error = shown(request), None
    try:
        decide_as(
            request, signed, now.reader, store, product, decision,
            price=_amount(price) if decision == "change" else None, reason=reason.strip() or None,
            publication=publication,
        )  # fmt: skip
    except AdviceError as refused:
        error = str(refused)
    if error is None and not is_partial(request):
        return RedirectResponse(f"{product_path(store, product)}?{request.url.query}#advice", status_code=303)
    part = is_partial(request)
    values = (advice_values if part else product_values)(now, signed.scope, store, product)
    given = {"decision": decision if error else None, "price": price, "reason": reason}
    values |= _frame(now) | {"error": error, "given": given, "store": store, "product": product}
    if not part:
        values |= list_values(now, signed.scope, Filters())
    return render(request, "advice.html" if part else "products.html", values, status=422 if error else 200)


@router.get("/glossary")
def glossary(request: Request, signed: Reads) -> Response:  # noqa: ARG001 - who is signed in may read it
    """Every column of every table: what it means, how it is computed, in which unit."""
    return render(request, "glossary.html", glossary_values())


def _frame(shown: Shown) -> dict[str, object]:
    """What every page over a publication shows around itself."""
    return {"publication": shown.reader.publication, "publications": shown.publications(), "known_on": shown.known_on}


def _list_template(request: Request, query: Filters) -> str | None:
    """The part of the list that is replaced, if it is one."""
    if not is_partial(request):
        return None
    if query.offset:
        return "rows.html"
    return "results.html" if request.headers.get("hx-target", "").endswith("#results") else None


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text.strip().replace(",", "."))
    except InvalidOperation:
        raise AdviceError(f"{text!r} is no price; write it like 2.49") from None
    if not amount.is_finite():
        raise AdviceError(f"{text!r} is no price; write it like 2.49")
    return amount
