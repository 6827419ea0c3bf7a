"""The cookie that carries a session's token.

Belongs here: its name and flags. Does not belong here: what the token is worth (`sessions`).

Over https it is `__Host-emma`: only this host may set it, and only over https. Over plain http it is given on this
machine alone (`127.0.0.1`, `localhost`), under the name `emma` and without Secure, because not every browser takes
Secure cookies from there; anywhere else plain http gets none, and nobody can sign in.
"""

from __future__ import annotations

from fastapi import Request, Response
from starlette.requests import HTTPConnection

SECURE_NAME = "__Host-emma"
LOOPBACK_NAME = "emma"
READ_ALONG = (
    "This page came over plain http, where others can read passwords along. Reach it over https, or on the machine "
    "itself at http://127.0.0.1."
)
"""Why nobody can sign in over plain http, in words for who tries."""

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def is_secure(request: HTTPConnection) -> bool:
    """It came over https; a websocket over the same is called wss."""
    return request.url.scheme in {"https", "wss"}


def can_sign_in(request: Request) -> bool:
    """Nobody on the way can read along."""
    return is_secure(request) or (request.url.hostname or "") in _LOOPBACK


def token_in(request: HTTPConnection) -> str | None:
    """The token that a request came with."""
    return request.cookies.get(SECURE_NAME if is_secure(request) else LOOPBACK_NAME)


def give(request: Request, response: Response, token: str) -> None:
    """Hand a token to the browser, until it is closed or the session ends."""
    secure = is_secure(request)
    response.set_cookie(
        SECURE_NAME if secure else LOOPBACK_NAME, token, secure=secure, httponly=True, samesite="lax", path="/"
    )


def take_back(request: Request, response: Response) -> None:
    """Have the browser forget its token."""
    secure = is_secure(request)
    response.delete_cookie(
        SECURE_NAME if secure else LOOPBACK_NAME, secure=secure, httponly=True, samesite="lax", path="/"
    )
