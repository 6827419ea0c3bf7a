"""Watches every request: what was asked, how it ended and how long it took, for the metrics and the log.

Belongs here: taking the time and the facts of a request. Does not belong here: counting them (`metrics`) and writing
them down (`logs`).

A route is named by its template, `/products/{store}/{product}`: paths may hold secrets of one use, query strings what
people search for, and either makes a metric without end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

GONE = 499
"""The status written down when whoever asked left before the answer."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One request and its answer.

    Attributes:
        method: GET, POST, …
        route: the route's template; `(none)` when no route was found.
        status: as sent; 500 when it failed, 499 when whoever asked was gone.
        seconds: from the request's arrival in the application to the last byte handed over.
        user: the number of who was signed in; None otherwise.
        publication: the publication it was answered from, where it shows one (`request.state.publication`).
    """

    method: str
    route: str
    status: int
    seconds: float
    user: int | None
    publication: str | None


class Watch:
    """The outermost middleware: tells each listener of every answer."""

    def __init__(self, app: ASGIApp, *, tell: Sequence[Callable[[Answered], None]]) -> None:
        self._app = app
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and tell how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status, ended = GONE, None

        async def sent(message: Message) -> None:
            nonlocal status, ended
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                ended = time.perf_counter()

        try:
            await self._app(scope, receive, sent)
        except Exception:
            status = 500
            raise
        finally:
            answered = _answered(scope, status, (ended or time.perf_counter()) - started)
            for tell in self._tell:
                tell(answered)


def _answered(scope: Scope, status: int, seconds: float) -> Answered:
    state = scope.get("state", {})
    signed = state.get("signed")
    return Answered(
        method=scope["method"],
        route=_route(scope),
        status=status,
        seconds=seconds,
        user=None if signed is None else signed.user,
        publication=state.get("publication"),
    )


def _route(scope: Scope) -> str:
    """The template of the route that answered: of a mounted application, where it is mounted."""
    template = getattr(scope.get("route"), "path", None)
    if template is not None:
        return str(template)
    return f"{scope['root_path']}/*" if scope.get("root_path") else "(none)"
