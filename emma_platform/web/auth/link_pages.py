"""The page behind a one-time link: choose a password and be signed in.

Belongs here: the form. Does not belong here: links (`links`) and the rules for passwords (`passwords`).

Opening the link does not use it up (programs that preview links do that); choosing the password does. A second factor
is still asked for: a link replaces the password and nothing else.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response
from starlette.concurrency import run_in_threadpool

from emma_platform.web.auth import cookies, links, sessions, sign_in, users
from emma_platform.web.auth.audit import Event
from emma_platform.web.auth.state import auth_of, log
from emma_platform.web.auth.users import User
from emma_platform.web.rendering import render

router = APIRouter(include_in_schema=False)

GONE = "This link was used already, or is older than 24 hours. Whoever runs Emma Platform here can give you a new one."


@router.get("/welcome/{token}")
def welcome_page(request: Request, token: str) -> Response:
    """The form for a new password."""
    return _form(request, _user(request, token))


@router.post("/welcome/{token}")
async def welcome(request: Request, token: str, password: Annotated[str, Form(max_length=4_000)] = "") -> Response:
    """Set the password, and sign in."""
    user = await run_in_threadpool(_user, request, token)
    if not cookies.can_sign_in(request):
        return _form(request, user, cookies.READ_ALONG)
    auth = auth_of(request)
    if wrong := auth.passwords.what_is_wrong(password, (user.name, auth.settings.company)):
        return _form(request, user, wrong)
    password_hash = await auth.passwords.hash(password)
    return await run_in_threadpool(_set, request, user, token, password_hash)


def _user(request: Request, token: str) -> User:
    auth = auth_of(request)
    with auth.database.reading() as connection:
        user = links.user_of(connection, token, auth.clock())
    if user is None:
        raise HTTPException(404, GONE)
    return user


def _set(request: Request, user: User, token: str, password_hash: str) -> Response:
    auth = auth_of(request)
    with auth.database.writing() as connection:
        if not links.use(connection, token, auth.clock()):
            raise HTTPException(404, GONE)
        users.set_password_hash(connection, user.id, password_hash)
        sessions.end_all(connection, user.id)
        log(request, connection, Event.PASSWORD_SET, actor=user.name, detail="by one-time link")
    return sign_in.let_in(request, user, "/", how="one-time link")


def _form(request: Request, user: User, message: str = "") -> Response:
    return render(request, "auth/welcome.html", {"name": user.name, "message": message}, status=400 if message else 200)
