"""One's own second factor: turned on with a picture and a first code, and off.

Belongs here: these forms. Does not belong here: codes (`second_factor`).

The secret that an app is shown travels back in the form and is kept only once a first code of it was right.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from emma_platform.web.auth import account_pages, second_factor
from emma_platform.web.auth.audit import Event
from emma_platform.web.auth.sessions import Session
from emma_platform.web.auth.signed import NotAllowedError
from emma_platform.web.auth.state import auth_of, confirmed, log
from emma_platform.web.rendering import render

router = APIRouter(include_in_schema=False, prefix="/account/second-factor")

Confirmed = Annotated[Session, Depends(confirmed)]
Secret = Annotated[str, Form(pattern="^[A-Z2-7]{32}$")]
Code = Annotated[str, Form(max_length=40)]


@router.get("")
def second_factor_page(request: Request, session: Confirmed) -> Response:
    """A new secret as a picture, and the form for its first code."""
    return _form(request, session, second_factor.new_secret())


@router.post("")
def turn_on(request: Request, session: Confirmed, secret: Secret, code: Code = "") -> Response:
    """Turn it on when the first code is right; shows the recovery codes, once."""
    auth = auth_of(request)
    step = second_factor.step_of(secret, "".join(code.split()), auth.clock())
    if step is None:
        return _form(request, session, secret, second_factor.WRONG_FIRST_CODE)
    with auth.database.writing() as connection:
        codes = second_factor.turn_on(connection, session.user, secret, step, auth.seal)
        log(request, connection, Event.SECOND_FACTOR_ON, subject=session.name)
    return render(request, "auth/recovery_codes.html", {"codes": codes, "onward": "/account"})


@router.post("/off")
def turn_off(request: Request, session: Confirmed) -> Response:
    """Turn it off, where one's role does not demand it."""
    if account_pages.own(request, session).role in auth_of(request).demanded:
        raise NotAllowedError("a role that signs in without a second factor")
    with auth_of(request).database.writing() as connection:
        second_factor.turn_off(connection, session.user)
        log(request, connection, Event.SECOND_FACTOR_OFF, subject=session.name)
    return RedirectResponse("/account", status_code=303)


def _form(request: Request, session: Session, secret: str, message: str = "") -> Response:
    address = second_factor.address_for_apps(session.name, secret, auth_of(request).settings.company)
    values = {"secret": secret, "picture": second_factor.picture(address), "message": message, "demanded": False}
    return render(request, "auth/second_factor_new.html", values, status=400 if message else 200)
