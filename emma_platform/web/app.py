"""The application: routes, middleware and what they share, put together.

Belongs here: `create_app` and nothing else. Does not belong here: any route (`pages`, `api`, `auth.routes`).
"""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware

from emma_platform.settings import Settings
from emma_platform.web import static_files
from emma_platform.web.current import CurrentReader


def create_app(settings: Settings) -> FastAPI:
    """The application over one home; `app.state` holds `settings` and `current`, the reader of publications."""
    app = FastAPI(title="Emma Platform", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.settings = settings
    app.state.current = CurrentReader(settings.published)
    app.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=5)
    app.include_router(static_files.router)
    return app
