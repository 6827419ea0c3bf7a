"""Who is behind a request: the session of its cookie, or the token of its header, before any route runs.

Belongs here: the middleware that sets `request.state.signed` and `request.state.session`. Does not belong here: what
somebody may do (`signed.require`) and what happens to those who may not (`web.errors`).
"""

from __future__ import annotations

from datetime import datetime

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from emma_platform.web.auth import sessions, tokens
from emma_platform.web.auth.cookies import token_in
from emma_platform.web.auth.signed import Signed
from emma_platform.web.auth.state import Auth, auth_of

_OPEN = ("/static/", "/healthz", "/readyz", "/metrics")
"""Addresses that are the same for everybody: nobody is looked up."""


class Identify:
    """ASGI middleware: finds out who asks, for pages, the API and websockets."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or one websocket."""
        if scope["type"] not in {"http", "websocket"} or scope["path"].startswith(_OPEN):
            await self._app(scope, receive, send)
            return
        request = Request(scope) if scope["type"] == "http" else _like_http(scope)
        auth = auth_of(request)
        now = auth.clock()
        await _identify(request, now)
        session: sessions.Session | None = request.state.session
        await self._app(scope, receive, send)
        # After the answer, which need not wait until the disk has it.
        if session is not None and now - session.last_used_at >= sessions.NOTED_EVERY:
            await run_in_threadpool(_note_use, auth, session.id, now)


def _like_http(scope: Scope) -> Request:
    """A websocket's opening request, whose cookies and headers are those of any other."""
    scheme = {"ws": "http", "wss": "https"}[scope["scheme"]]
    return Request({**scope, "type": "http", "scheme": scheme, "method": "GET"})


async def _identify(request: Request, now: datetime) -> None:
    request.state.session = request.state.signed = None
    bearer = tokens.bearer_of(request.headers.get("authorization"))
    if bearer is not None:
        request.state.signed = await run_in_threadpool(_by_token, auth_of(request), bearer, now)
        return
    token = token_in(request)
    if token is not None:
        session = await _by_session(auth_of(request), token, now)
        request.state.session = session
        request.state.signed = session.signed if session else None


async def _by_session(auth: Auth, token: str, now: datetime) -> sessions.Session | None:
    if auth.database.is_embedded:
        # One row of a local file, which waits for nobody, takes 0.1 ms; to a thread and back takes longer.
        return _find_session(auth, token, now)
    return await run_in_threadpool(_find_session, auth, token, now)


def _find_session(auth: Auth, token: str, now: datetime) -> sessions.Session | None:
    with auth.database.reading() as connection:
        return sessions.find(connection, token, now, auth.ages)


def _note_use(auth: Auth, session: int, now: datetime) -> None:
    with auth.database.writing() as connection:
        sessions.note_use(connection, session, now)


def _by_token(auth: Auth, bearer: str, now: datetime) -> Signed | None:
    with auth.database.reading() as connection:
        found = tokens.find(connection, bearer, now)
    if found is None:
        return None
    if found.last_used_at is None or now - found.last_used_at >= sessions.NOTED_EVERY:
        with auth.database.writing() as connection:
            tokens.note_use(connection, found.id, now)
    return found.signed
