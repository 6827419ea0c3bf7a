"""One's own API tokens: made, shown once, revoked.

Belongs here: these forms. Does not belong here: what a token may do (`tokens`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from emma_platform.model.access import Permission
from emma_platform.web.auth.account_pages import account, own
from emma_platform.web.auth.administration import Administration
from emma_platform.web.auth.sessions import Session
from emma_platform.web.auth.state import address_of, auth_of, confirmed, person
from emma_platform.web.auth.tokens import LONGEST_DAYS, Asked

router = APIRouter(include_in_schema=False, prefix="/account/tokens")

Lines = Annotated[str, Form(max_length=100_000)]


@router.post("")
def make_token(
    request: Request,
    session: Annotated[Session, Depends(confirmed)],
    label: Annotated[str, Form(max_length=100)],
    days: Annotated[int, Form(ge=1, le=LONGEST_DAYS)],
    permissions: Annotated[list[Permission] | None, Form()] = None,
    stores: Lines = "",
) -> Response:
    """Make a token, and show it once; `stores` has one store a line, none for all of one's own."""
    auth = auth_of(request)
    now = auth.clock()
    named = frozenset(stores_in(stores))
    asked = Asked(label, frozenset(permissions or ()), named or None, now + timedelta(days=days))
    user = own(request, session)
    with auth.database.writing() as connection:
        token = Administration(connection, now, session.name, address_of(request)).make_token(user, asked)
    return account(request, session, new_token=token)


@router.post("/{number}/revoke")
def revoke_token(request: Request, session: Annotated[Session, Depends(person)], number: int) -> Response:
    """Revoke a token."""
    auth = auth_of(request)
    user = own(request, session)
    with auth.database.writing() as connection:
        Administration(connection, auth.clock(), session.name, address_of(request)).revoke_token(user, number)
    return RedirectResponse("/account", status_code=303)


def stores_in(text: str) -> list[str]:
    """The stores that a form's text names, one a line."""
    return [line.strip() for line in text.splitlines() if line.strip()]
