"""What the first request of a process would wait for, done before: a second of opening, imports and templates.

Belongs here: making each kind of page once when the application starts. Does not belong here: what is shown (`pages`)
and whether the application can answer (`health`).
"""

from __future__ import annotations

import gc
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import unquote

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool

from emma_platform.model.access import EVERY_STORE, Role
from emma_platform.serving.product_list import Asked, product_list
from emma_platform.serving.publication import NothingPublishedError
from emma_platform.web import pages, provenance_pages
from emma_platform.web.addresses import segment
from emma_platform.web.auth.signed import Signed
from emma_platform.web.filters import Filters
from emma_platform.web.page_data import DataQuery
from emma_platform.web.publication_shown import shown
from emma_platform.web.rendering import templates

_NOBODY = Signed(user=0, name="", role=Role.OWNER, permissions=Role.OWNER.permissions, scope=EVERY_STORE)

_YOUNG = 10_000
"""New objects after which the collector looks at them."""

_log = logging.getLogger(__name__)


@asynccontextmanager
async def prepared(app: FastAPI) -> AsyncIterator[None]:
    """The lifespan of the application: it takes no request before it is prepared."""
    await run_in_threadpool(_prepare, app)
    with _lasting_left_alone():
        yield


@contextmanager
def _lasting_left_alone() -> Iterator[None]:
    """What is here by now lasts: Python's collector need not look at it again, which keeps every request waiting.

    It looked through 190,000 objects, 100 ms at a time; and every 700 new ones, a twelfth of a page, at the youngest.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_YOUNG, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _prepare(app: FastAPI) -> None:
    templates()
    try:
        app.state.current.newest().warm()
        _make_pages(_request(app))
    except NothingPublishedError:
        _log.info("nothing is published yet: the first page will take a second longer")
    except Exception:  # noqa: BLE001 - as the next line says
        # Whatever is wrong, a process that answers says so on its pages and to /readyz; one that ended says nothing.
        _log.exception("the first pages could not be made in advance")


def _request(app: FastAPI) -> Request:
    state = {"signed": _NOBODY, "session": None}
    asked = {"method": "GET", "path": "/", "query_string": b"", "headers": []}
    return Request({"type": "http", "app": app, "state": state, **asked})


def _make_pages(request: Request) -> None:
    seen, query = shown(request), Filters()
    pages.products(request, _NOBODY, seen, query)
    provenance_pages.data(request, _NOBODY, seen, DataQuery())
    for row in product_list(seen.reader, EVERY_STORE, Asked(), limit=1).rows:
        store, product = (unquote(segment(row[name])) for name in ("store", "product"))
        pages.product(request, store, product, _NOBODY, seen, query)
        pages.why(request, store, product, "gross_margin", _NOBODY, seen)
        provenance_pages.receipt(request, store, product, _NOBODY, seen)
