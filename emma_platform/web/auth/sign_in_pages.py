"""The pages of signing in and out.

Belongs here: forms and where they lead. Does not belong here: the decisions (`sign_in`).
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from emma_platform.web.auth import cookies, oidc, sessions, sign_in
from emma_platform.web.auth.audit import Event
from emma_platform.web.auth.signed import SignInNeededError
from emma_platform.web.auth.state import auth_of, log, session_of
from emma_platform.web.rendering import render

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Form(max_length=4_000)]
"""A field of a form; longer than any password, so that one too long is told so."""


@router.get("/login")
def login_page(request: Request, next: str = "/") -> Response:  # noqa: A002 - the field's name
    """The form for name and password."""
    onward = sign_in.safe_onward(next)
    if getattr(request.state, "signed", None):
        return RedirectResponse(onward, status_code=303)
    return _login(request, onward)


@router.post("/login")
async def login(request: Request, name: Text = "", password: Text = "", next: Text = "/") -> Response:  # noqa: A002
    """Sign in, or the form again with the reason why not."""
    onward = sign_in.safe_onward(next)
    if not cookies.can_sign_in(request):
        return _login(request, onward, refused=sign_in.Refused(cookies.READ_ALONG, 400))
    found = await sign_in.by_password(request, name, password)
    if isinstance(found, sign_in.Refused):
        return _login(request, onward, name=name, refused=found)
    return await run_in_threadpool(sign_in.let_in, request, found, onward)


@router.get("/login/second-factor")
def second_factor_page(request: Request, next: str = "/") -> Response:  # noqa: A002
    """The form for the code."""
    _waiting(request)
    return _second_factor(request, sign_in.safe_onward(next))


@router.post("/login/second-factor")
def second_factor(request: Request, code: Text = "", next: Text = "/") -> Response:  # noqa: A002
    """Sign in, or the form again with the reason why not."""
    onward = sign_in.safe_onward(next)
    found = sign_in.by_second_factor(request, _waiting(request), code)
    if isinstance(found, sign_in.Refused):
        return _second_factor(request, onward, found)
    return sign_in.let_in(request, found, onward, proved=True, how="password and second factor")


@router.post("/logout")
def logout(request: Request) -> Response:
    """End the session here; its cookie is worth nothing from now on, wherever it was copied to."""
    session = session_of(request)
    if session:
        with auth_of(request).database.writing() as connection:
            sessions.end(connection, session.id)
            log(request, connection, Event.SIGNED_OUT)
    answer = RedirectResponse("/login", status_code=303)
    answer.headers["clear-site-data"] = '"cache", "storage"'
    cookies.take_back(request, answer)
    return answer


def _waiting(request: Request) -> sessions.Session:
    session = session_of(request)
    if session is None or not session.waits_for_second_factor:
        raise SignInNeededError
    return session


def _login(request: Request, onward: str, *, name: str = "", refused: sign_in.Refused | None = None) -> Response:
    possible = cookies.can_sign_in(request)
    if not possible:
        refused = sign_in.Refused(cookies.READ_ALONG, refused.status if refused else 200)
    company = oidc.is_offered(auth_of(request).settings)
    values = {"next": onward, "name": name, "possible": possible, "company": company}
    return _form(request, "auth/login.html", values, refused)


def _second_factor(request: Request, onward: str, refused: sign_in.Refused | None = None) -> Response:
    return _form(request, "auth/second_factor.html", {"next": onward}, refused)


def _form(request: Request, template: str, values: dict[str, Any], refused: sign_in.Refused | None) -> Response:
    """A form, with the reason why it was refused."""
    known = values | {"message": refused.message if refused else ""}
    answer = render(request, template, known, status=refused.status if refused else 200)
    answer.headers.update(refused.headers if refused else {})
    return answer
