"""The application: routes, middleware and what they share, put together.

Belongs here: `create_app` and nothing else. Does not belong here: any route (`pages`, `api`, `auth`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES

from emma_platform.settings import Settings
from emma_platform.web import (
    api,
    api_advice,
    api_reference,
    errors,
    health,
    logs,
    metrics,
    ops_link,
    pages,
    provenance_pages,
    static_files,
)
from emma_platform.web.auth import pages as auth_pages
from emma_platform.web.auth.attempts import clock
from emma_platform.web.auth.identify import Identify
from emma_platform.web.auth.state import Auth
from emma_platform.web.current import CurrentReader
from emma_platform.web.downloads import MEDIA
from emma_platform.web.readiness import prepared
from emma_platform.web.security import Security
from emma_platform.web.watch import Watch

COMPRESSED = (*DEFAULT_EXCLUDED_CONTENT_TYPES, MEDIA["parquet"], MEDIA["xlsx"])
"""Answers that would not become smaller."""


def create_app(settings: Settings, *, clock: Callable[[], datetime] = clock) -> FastAPI:
    """The application over one home.

    `app.state` holds `settings`, `current`, the reader of publications, and `auth`, the users; each request's state
    `signed`, who asks (None for nobody), before any route runs.
    """
    app = FastAPI(title="Emma Platform", docs_url=None, redoc_url=None, openapi_url=None, lifespan=prepared)
    app.state.settings = settings
    app.state.current = CurrentReader(settings.published)
    app.state.auth = Auth.of(settings, clock)
    shown = (pages, provenance_pages, auth_pages, ops_link)
    for part in (static_files, health, metrics, *shown, api, api_advice, api_reference):
        app.include_router(part.router)
    errors.install(app)
    app.add_middleware(Identify)
    app.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=2, exclude_content_types=COMPRESSED)
    app.add_middleware(Security)
    app.add_middleware(Watch, tell=(metrics.count, logs.write))  # the last added is the first asked
    return app
