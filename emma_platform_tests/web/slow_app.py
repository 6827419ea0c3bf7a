"""The application with two more routes, for tests of the processes that serve it."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from fastapi import FastAPI, Request

from emma_platform.model.access import EVERY_STORE
from emma_platform.web.serve import application
from emma_platform_tests.web.publications import PRODUCT, STORE

WAITING, GO_ON = "waiting", "go-on"


def make() -> FastAPI:
    app = application()
    app.add_api_route("/slow", slow)
    app.add_api_route("/read", read)
    return app


def slow(request: Request) -> dict[str, bool]:
    """Answers when a file is there, and says by another that it waits."""
    home: Path = request.app.state.settings.home
    (home / WAITING).touch()
    while not (home / GO_ON).exists():
        time.sleep(0.01)
    return {"finished": True}


def read(request: Request) -> dict[str, object]:
    """A list and two details, each a read of its own, of what should be one publication."""
    reader = request.app.state.current.newest()
    pages = [reader.product(EVERY_STORE, STORE, PRODUCT) for _ in range(2)]
    overview = reader.table(EVERY_STORE, "product_overview", stores=[STORE])
    return {
        "ids": sorted({reader.publication.id, *(page.publication for page in pages)}),
        "revenue": [overview["revenue"][0].as_py(), *(page.kpis["revenue"][-1].as_py() for page in pages)],
        "worker": os.getpid(),
        "threads": threading.active_count(),
    }
