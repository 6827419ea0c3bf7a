"""What becomes of requests that cannot be answered: a page for people, problem details (RFC 9457) for programs.

Belongs here: the handlers of exceptions that any route may raise. Does not belong here: raising them.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from emma_platform.serving.publication import NothingPublishedError, ServingError
from emma_platform.web.addresses import written
from emma_platform.web.auth.audit import Event
from emma_platform.web.auth.signed import ConfirmNeededError, NotAllowedError, SignInNeededError
from emma_platform.web.auth.state import auth_of, log
from emma_platform.web.auth.users import UserError
from emma_platform.web.rendering import is_partial, render


def install(app: FastAPI) -> None:
    """Have an application answer the errors of its routes."""
    app.add_exception_handler(SignInNeededError, _sign_in_needed)
    app.add_exception_handler(ConfirmNeededError, _confirm_needed)
    app.add_exception_handler(NotAllowedError, _not_allowed)
    app.add_exception_handler(UserError, _refused)
    app.add_exception_handler(HTTPException, _failed)
    app.add_exception_handler(NothingPublishedError, _nothing_published)
    app.add_exception_handler(ServingError, _not_served)


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Problem details for programs."""
    told = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(told, status_code=status, headers=headers, media_type="application/problem+json")


def is_program(request: Request) -> bool:
    """It asks the API: it wants JSON, and no page to sign in at."""
    return request.url.path.startswith("/api")


def _sign_in_needed(request: Request, _error: Exception) -> Response:
    if is_program(request):
        return problem(401, "Sign in, or send a token: Authorization: Bearer emma_...", {"www-authenticate": "Bearer"})
    return _to(request, "/login")


def _confirm_needed(request: Request, _error: Exception) -> Response:
    return _to(request, "/confirm")


async def _not_allowed(request: Request, error: Exception) -> Response:
    detail = f"{request.method} {request.url.path}: needs {error}"
    await run_in_threadpool(_log_refusal, request, detail)
    return _answer(request, 403, "You may not do this. Whoever runs Emma Platform here can give you the right to.")


def _log_refusal(request: Request, detail: str) -> None:
    with auth_of(request).database.writing() as connection:
        log(request, connection, Event.REFUSED, detail=detail)


def _refused(request: Request, error: Exception) -> Response:
    return _answer(request, 400, str(error))


def _failed(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return _answer(request, error.status_code, error.detail, dict(error.headers or {}))


def _nothing_published(request: Request, _error: Exception) -> Response:
    text = "Drop sales files into the landing folder. As soon as they are taken, their figures are here."
    return _answer(request, 503, text, {"retry-after": "15"}, title="Nothing is published yet")


def _not_served(request: Request, error: Exception) -> Response:
    return _answer(request, 404, f"{str(error)[:1].upper()}{str(error)[1:]}.")


def _answer(
    request: Request, status: int, detail: str, headers: dict[str, str] | None = None, *, title: str | None = None
) -> Response:
    if is_program(request):
        return problem(status, detail, headers)
    said = {"title": title or HTTPStatus(status).phrase, "text": detail}
    answer = render(request, "message.html", said, status=status)
    answer.headers.update(headers or {})
    return answer


def _to(request: Request, path: str) -> Response:
    """To another page, and back when it is done; the whole page, also when a part of one was asked for."""
    if is_partial(request):
        asked_on = urlsplit(request.headers.get("hx-current-url", "/"))
        address = f"{path}?next={quote(_address(asked_on.path, asked_on.query), safe='')}"
        return Response(status_code=200, headers={"hx-redirect": address})
    return RedirectResponse(f"{path}?next={quote(_back(request), safe='')}", status_code=303)


def _back(request: Request) -> str:
    """Where to go on: here; what changes something is not sent again, its page is shown instead."""
    if request.method in {"GET", "HEAD"}:
        return _address(written(request.scope["path"]), request.url.query)
    sent_from = urlsplit(request.headers.get("referer", "/"))
    return _address(sent_from.path or "/", sent_from.query)


def _address(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path
