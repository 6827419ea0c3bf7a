"""The gate before the Dagster UI: who may look, who may start runs, and nothing that another web site sends.

Belongs here: what is refused before it reaches Dagster. Does not belong here: Dagster itself (`ops`) and finding out
who is signed in (`auth`).

Stock Dagster runs what a GraphQL mutation says for anybody, also when it comes by GET or as text/plain, which any web
page may send to any address from the browser of who visits it; a websocket likewise. A cookie does not help: the
browser sends it along when both sites are of one host.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emma_platform.model.access import Permission
from emma_platform.web.auth.signed import Signed
from emma_platform.web.security import SAFE, is_forged

PREFIX = "/dagster"
GRAPHQL = f"{PREFIX}/graphql"

HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
"""Added to Dagster's own, whose policy forbids neither frames nor reading from elsewhere."""

STARTING = """<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="2">
<title>Dagster is starting</title><p>Dagster is starting. This page loads again by itself."""


class Gate:
    """Lets a request through to the application behind it, with who asks in `request.state.signed`.

    Args:
        find: who is behind a request, or None; it may read a database.
        sign_in: where a person who is not signed in is sent, given the request and the path to come back to.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        find: Callable[[HTTPConnection], Signed | None],
        sign_in: Callable[[HTTPConnection, str], str],
    ) -> None:
        self._app = app
        self._find = find
        self._sign_in = sign_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse it, or pass it on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        asked = HTTPConnection(scope)
        refused = refusal(asked)
        if refused is None:
            signed = await run_in_threadpool(self._find, asked)
            if signed is None:
                refused = self._anonymous(asked)
            elif Permission.LINEAGE not in signed.permissions:
                refused = PlainTextResponse("Your role does not include looking at Dagster.", 403)
            else:
                scope.setdefault("state", {})["signed"] = signed
        if refused is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "http":
            await refused(scope, receive, _with_headers(send))
        else:
            # Closed before it was accepted, which the server says with status 403.
            await send({"type": "websocket.close", "code": 1008})

    def _anonymous(self, asked: HTTPConnection) -> Response:
        if asked.scope["type"] == "http" and asked.scope["method"] in SAFE and _is_for_a_person(asked):
            back = asked.url.path + (f"?{asked.url.query}" if asked.url.query else "")
            return RedirectResponse(self._sign_in(asked, quote(back, safe="/")), 303)
        return PlainTextResponse("Sign in first.", 401)


class Behind:
    """The application behind the gate, which is there only after a while."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or say that it is starting."""
        if self.app is not None:
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await HTMLResponse(STARTING, 503, {"Retry-After": "2", "Cache-Control": "no-store"})(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1013})


def refusal(asked: HTTPConnection) -> Response | None:
    """The answer to what must not reach Dagster, whoever sends it; None when it may."""
    is_graphql = asked.url.path.rstrip("/") == GRAPHQL
    is_socket = asked.scope["type"] == "websocket"
    method = asked.scope.get("method", "GET")
    if (is_graphql or is_socket or method not in SAFE) and is_forged(asked.headers):
        return PlainTextResponse("This request comes from another site.", 403)
    if is_graphql and not is_socket:
        if method != "POST":
            return PlainTextResponse("GraphQL is asked by POST.", 405, {"Allow": "POST"})
        if asked.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return PlainTextResponse("GraphQL is asked with JSON.", 415)
    return None


def _is_for_a_person(asked: HTTPConnection) -> bool:
    return "text/html" in asked.headers.get("accept", "")


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.append(name, value)
        await send(message)

    return sent
