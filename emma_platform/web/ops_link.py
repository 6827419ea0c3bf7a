"""The way from the application to the Dagster UI: `/dagster/…` leads to the same path on its own port.

Belongs here: addresses. Does not belong here: the UI (`ops`) and its gate (`ops_gate`).

A port of its own makes it an origin of its own: what runs in a page of Dagster, whose policy allows inline scripts,
can read no page of the application. Cookies are of a host, not of a port, so one sign-in holds for both. A proxy that
knows only one port may send `/dagster` to the UI itself; then nobody comes by here.
"""

from __future__ import annotations

from html import escape
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse
from starlette.requests import HTTPConnection

from emma_platform.model.access import Permission
from emma_platform.web.auth.signed import Signed, require
from emma_platform.web.ops_gate import PREFIX

SIGN_IN = "/login"

ONWARD = """<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={0}">
<title>Dagster</title><p><a href="{0}">On to Dagster</a>"""
"""A page, not a redirect: after a sign-in the browser follows those only within the application (form-action)."""

router = APIRouter()


@router.get(PREFIX, include_in_schema=False)
@router.get(PREFIX + "/{path:path}", include_in_schema=False)
def to_dagster(request: Request, _: Annotated[Signed, Depends(require(Permission.LINEAGE))]) -> HTMLResponse:
    """On to the same path on the port of the Dagster UI."""
    port = request.app.state.settings.dagster_port
    if port is None:
        raise HTTPException(404, "Dagster does not run here; start it with `emma serve --dagster`.")
    return HTMLResponse(ONWARD.format(escape(str(request.url.replace(port=port)))))


def sign_in_address(asked: HTTPConnection, back: str, *, application_port: int, own_port: int) -> str:
    """Where to sign in: on the application's port, or behind a proxy, where both share one, on the same."""
    path = f"{SIGN_IN}?next={back}"
    if asked.url.port != own_port:
        return path
    scheme = {"ws": "http", "wss": "https"}.get(asked.url.scheme, asked.url.scheme)
    return str(asked.url.replace(scheme=scheme, port=application_port, path=SIGN_IN, query=f"next={back}"))
