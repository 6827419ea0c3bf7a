"""The pages that say where figures come from: a receipt, the data page, what changed.

Belongs here: their routes. Does not belong here: what they show (`page_receipt`, `page_data`, `page_changes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from emma_platform.model.access import Permission
from emma_platform.serving.reader import Reader
from emma_platform.web import page_changes, seen
from emma_platform.web.addresses import name_of
from emma_platform.web.auth.sessions import Session
from emma_platform.web.auth.signed import Signed, require
from emma_platform.web.auth.state import person
from emma_platform.web.current import CurrentReader
from emma_platform.web.page_changes import changes_values, compared, earlier_ones
from emma_platform.web.page_data import DataQuery, data_values
from emma_platform.web.page_receipt import receipt_values
from emma_platform.web.publication_shown import Shown, shown_here
from emma_platform.web.rendering import render

router = APIRouter(include_in_schema=False)

Reads = Annotated[Signed, Depends(require(Permission.READ))]
Seen = Annotated[Shown, Depends(shown_here)]
Query = Annotated[DataQuery, Depends(DataQuery.of)]


@router.get("/products/{store_segment}/{product_segment}/receipt")
def receipt(
    request: Request, store_segment: str, product_segment: str, signed: Reads, shown: Seen, day: date | None = None
) -> Response:
    """Everything behind a product's figures."""
    store, product = name_of(store_segment), name_of(product_segment)
    return _page(request, "receipt.html", shown, receipt_values(shown, signed.scope, store, product, day))


@router.get("/data")
def data(request: Request, signed: Reads, shown: Seen, query: Query) -> Response:
    """How fresh each store is, which files wait or fail, and which rows were set aside."""
    return _page(request, "data.html", shown, data_values(shown, signed.scope, query))


@router.get("/changes")
def changes(request: Request, signed: Reads, shown: Seen, since: str = "") -> Response:
    """What changed since an earlier publication: the one named, else that last seen, else the one before."""
    unseen = seen.last_seen(signed, shown)
    earlier = [unseen, *earlier_ones(shown)] if unseen else earlier_ones(shown)
    since = since or next((one.id for one in earlier), "")
    before = _reader(request, since) if since else None
    told = {
        "unseen": unseen is not None and signed.viewed_by is None,
        "last_seen": unseen is not None and since == unseen.id,
    }
    return _page(request, "changes.html", shown, changes_values(shown, signed.scope, before) | told)


@router.get("/changes/news")
def news(request: Request, signed: Reads, shown: Seen) -> Response:
    """For the head of every page: how many files changed what somebody has seen; nothing when there are none."""
    unseen = seen.last_seen(signed, shown)
    said = page_changes.news(compared(shown, signed.scope, _reader(request, unseen.id))) if unseen else ""
    return render(request, "news.html", {"said": said})


@router.post("/changes/seen")
def all_seen(
    request: Request, session: Annotated[Session, Depends(person)], shown: Seen, publication: Annotated[str, Form()]
) -> Response:
    """Somebody has looked at what a publication changed."""
    if session.signed is not None:
        seen.move_on(request, session.signed, shown, publication)
    return RedirectResponse("/products", status_code=303)


def _reader(request: Request, publication_id: str) -> Reader:
    current: CurrentReader = request.app.state.current
    return current.known_on(publication_id)


def _page(request: Request, template: str, shown: Shown, values: Mapping[str, Any]) -> Response:
    """A page over a publication."""
    around = {"publication": shown.reader.publication, "publications": shown.publications()}
    return render(request, template, {**around, **values})
