"""What every answer says to the browser, and which requests are refused for where they come from.

Belongs here: response headers and the rule against requests forged by other sites. Does not belong here: who is signed
in (`auth`) and how refusals look (`errors`).

Against forged requests: browsers say with every request where it comes from (`Sec-Fetch-Site`, and `Origin`), which no
page can change. Whatever changes something is refused unless it comes from our own pages, or from no browser at all.
That needs no token in forms. Websockets are refused the same way.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
"""Set where an answer does not set its own."""

STRICT_TRANSPORT = "max-age=31536000; includeSubDomains"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

_KEPT = "/static/"
"""The only answers that browsers may keep."""


class Security:
    """ASGI middleware: refuses forged requests, and sets the headers of every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or one websocket."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        changing = scope["type"] == "websocket" or scope["method"] not in SAFE
        if changing and is_forged(Headers(scope=scope)):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            refusal = PlainTextResponse("Refused: this request was sent by the page of another site.", status_code=403)
            await refusal(scope, receive, _with_headers(scope, send))
            return
        await self._app(scope, receive, _with_headers(scope, send))


def is_forged(headers: Headers) -> bool:
    """Another site's page sends it with our visitor's cookies."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")


def _with_headers(scope: Scope, send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if not scope["path"].startswith(_KEPT):
                headers.setdefault("cache-control", "no-store")
            if scope["scheme"] == "https":
                headers.setdefault("strict-transport-security", STRICT_TRANSPORT)
        await send(message)

    return sending
