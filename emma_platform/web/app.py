"""The application: routes, middleware and what they share, put together.

Belongs here: `create_app` and nothing else. Does not belong here: any route (`pages`, `api`, `auth.routes`).
"""

from __future__ import annotations

from fastapi import FastAPI

from emma_platform.settings import Settings
from emma_platform.web.current import CurrentReader


def create_app(settings: Settings) -> FastAPI:
    """The application over one home; `app.state` holds `settings` and `current`, the reader of publications."""
    app = FastAPI(title="Emma Platform", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.settings = settings
    app.state.current = CurrentReader(settings.published)
    return app
