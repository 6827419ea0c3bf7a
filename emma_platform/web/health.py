"""Whether the application lives and whether it can answer: for load balancers and supervisors, without sign-in.

Belongs here: `/healthz` and `/readyz`. Does not belong here: how fresh the data is (`metrics`, the data page).

Neither says more than yes or no and which part: anybody may ask.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from emma_platform.model.access import EVERY_STORE
from emma_platform.web.auth import users
from emma_platform.web.auth.database import UserDatabase

router = APIRouter()
_log = logging.getLogger(__name__)


@router.get("/healthz", include_in_schema=False)
def healthy() -> dict[str, str]:
    """The process answers; a supervisor that gets no answer starts it anew."""
    return {"status": "ok"}


@router.get("/readyz", include_in_schema=False)
def ready(request: Request) -> JSONResponse:
    """Publication and users can be read; a load balancer sends requests elsewhere until then."""
    state = request.app.state
    found = {
        "publication": _works("publication", lambda: state.current.newest().count(EVERY_STORE, "product_overview")),
        "users": _works("users", lambda: _nobody(state.auth.database)),
    }
    fine = all(found.values())
    parts = {name: "ok" if works else "unreadable" for name, works in found.items()}
    return JSONResponse({"status": "ready" if fine else "not ready", **parts}, 200 if fine else 503)


def _nobody(database: UserDatabase) -> None:
    with database.reading() as connection:
        users.get(connection, 0)


def _works(name: str, read: Callable[[], Any]) -> bool:
    try:
        read()
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer is "not ready"; the log says what
        _log.warning("%s cannot be read: %s", name, error)
        return False
    return True
