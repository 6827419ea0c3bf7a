"""Between password and page: turning on the second factor that a role demands, and what happened to one's account.

Belongs here: these two steps. Does not belong here: when they come (`sign_in.let_in`), one's own second factor later
(`second_factor_pages`) and which lines are told (`notices`).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from emma_platform.web.auth import cookies, notices, second_factor, sign_in
from emma_platform.web.auth.audit import Event
from emma_platform.web.auth.sessions import Session
from emma_platform.web.auth.signed import SignInNeededError
from emma_platform.web.auth.state import auth_of, log, person, session_of
from emma_platform.web.auth.users import User, named
from emma_platform.web.rendering import render

router = APIRouter(include_in_schema=False)

Secret = Annotated[str, Form(pattern="^[A-Z2-7]{32}$")]
Code = Annotated[str, Form(max_length=40)]


@router.get("/login/second-factor/new")
def enrol_page(request: Request, next: str = "/") -> Response:  # noqa: A002 - the field's name
    """A new secret as a picture, and the form for its first code."""
    return _form(request, _enrolling(request), second_factor.new_secret(), sign_in.safe_onward(next))


@router.post("/login/second-factor/new")
def enrol(request: Request, secret: Secret, code: Code = "", next: str = Form("/")) -> Response:  # noqa: A002
    """Turn it on when the first code is right, and sign in; shows the recovery codes, once."""
    user, auth, onward = _enrolling(request), auth_of(request), sign_in.safe_onward(next)
    step = second_factor.step_of(secret, "".join(code.split()), auth.clock())
    if step is None:
        return _form(request, user, secret, onward, second_factor.WRONG_FIRST_CODE)
    with auth.database.writing() as connection:
        codes = second_factor.turn_on(connection, user.id, secret, step, auth.seal)
        log(request, connection, Event.SECOND_FACTOR_ON, subject=user.name)
    token = sign_in.start(request, user, waits=False, how="password and new second factor")
    answer = render(request, "auth/recovery_codes.html", {"codes": codes, "onward": onward})
    cookies.give(request, answer, token)
    return answer


@router.get("/account/news")
def news(request: Request, session: Annotated[Session, Depends(person)], next: str = "/") -> Response:  # noqa: A002
    """What happened to the account since its user last signed in."""
    with auth_of(request).database.reading() as connection:
        lines = notices.since_last_time(connection, session.name)
    return render(request, "auth/news.html", {"lines": lines, "onward": sign_in.safe_onward(next)})


def _enrolling(request: Request) -> User:
    session = session_of(request)
    if session is None or not session.waits_for_second_factor:
        raise SignInNeededError
    with auth_of(request).database.reading() as connection:
        user = named(connection, session.name)
    if user.totp_secret is not None:
        raise SignInNeededError
    return user


def _form(request: Request, user: User, secret: str, onward: str, message: str = "") -> Response:
    address = second_factor.address_for_apps(user.name, secret, auth_of(request).settings.company)
    values = {"secret": secret, "picture": second_factor.picture(address), "message": message, "onward": onward}
    return render(request, "auth/second_factor_new.html", values | {"demanded": True}, status=400 if message else 200)
