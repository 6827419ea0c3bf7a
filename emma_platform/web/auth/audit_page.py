"""The audit log, for owners.

Belongs here: the page. Does not belong here: writing the log (`audit`).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from emma_platform.model.access import Permission
from emma_platform.web.auth import audit
from emma_platform.web.auth.signed import Signed, require
from emma_platform.web.auth.state import auth_of
from emma_platform.web.rendering import render

router = APIRouter(include_in_schema=False)

LINES = 100
"""Lines of a page."""


@router.get("/audit")
def audit_page(
    request: Request,
    _signed: Annotated[Signed, Depends(require(Permission.ADMINISTER))],
    event: str = "",
    before: int | None = None,
) -> Response:
    """The newest lines, of one kind when that is asked for, and the way to older ones."""
    with auth_of(request).database.reading() as connection:
        lines = audit.newest(connection, limit=LINES, before=before, event=event or None)
    older = lines[-1].id if len(lines) == LINES else None
    values = {"lines": lines, "events": list(audit.Event), "event": event, "older": older}
    return render(request, "auth/audit.html", values)
