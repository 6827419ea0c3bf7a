"""From a template and values to a page.

Belongs here: the template engine and what every page knows (who asks, which publication, where one can go). Does not
belong here: the values of a page (`pages`) and how numbers are said (`words`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.routing import Match

from emma_platform.model.access import Permission
from emma_platform.web import columns, words
from emma_platform.web.addresses import written
from emma_platform.web.auth.browsers import browser_words
from emma_platform.web.auth.signed import Signed
from emma_platform.web.static_files import address

TEMPLATES = Path(__file__).parent / "templates"
THEMES = ("light", "dark")
THEME_COOKIE = "emma-theme"
"""Set by the page's own script, so that the first paint is right; nothing else reads it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere to go from every page: shown to those who may go there, once the application has the page."""

    path: str
    label: str
    permission: Permission


PLACES = (
    Place("/products", "Products", Permission.READ),
    Place("/data", "Data", Permission.READ),
    Place("/glossary", "Glossary", Permission.READ),
    Place("/api", "API", Permission.EXPORT),
    Place("/people", "People", Permission.ADMINISTER),
    Place("/audit", "Audit", Permission.ADMINISTER),
)


@cache
def templates() -> Environment:
    """The template engine: everything is escaped, a name that is not given is an error, templates compile once."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    environment.globals["static"] = address
    environment.filters |= {**words.FILTERS, **columns.FILTERS}
    environment.filters |= {"browser_words": browser_words, "with_current": with_current}
    for name in environment.list_templates(extensions=["html"]):
        environment.get_template(name)
    return environment


def render(
    request: Request, template: str, values: Mapping[str, Any] | None = None, *, status: int = 200
) -> HTMLResponse:
    """A page, or a part of one.

    Every template also knows `signed` (None before the sign-in), `path`, `query`, `places`, `theme` (light, dark or
    empty for the system's), `partial`, whether a part replaces a part of a page that is there, `may`, what who asks may
    do, and `lineage`, whether they may look at Dagster and it runs beside.
    """
    signed: Signed | None = getattr(request.state, "signed", None)
    theme = request.cookies.get(THEME_COOKIE, "")
    may = frozenset() if signed is None else signed.permissions
    given = {
        "signed": signed,
        "path": written(request.scope["path"]),
        "query": request.url.query,
        "places": _places(request, signed),
        "theme": theme if theme in THEMES else "",
        "partial": is_partial(request),
        "may": may,
        "lineage": Permission.LINEAGE in may and request.app.state.settings.dagster_port is not None,
        "known_on": request.query_params.get("known_on"),
        **(values or {}),
    }
    text = templates().get_template(template).render(given)
    return HTMLResponse(text, status_code=status, headers={"Vary": "HX-Request, Cookie"})


def fragment(template: str, values: Mapping[str, Any]) -> Markup:
    """A part of a page that is the same whoever asks: its template knows these values and nothing else."""
    return Markup(templates().get_template(template).render(values))  # noqa: S704 - it escapes by itself


def with_current(rows: Markup, address: str) -> Markup:
    """The rows of the list, with the one marked that links to what is shown beside them."""
    link = Markup('\n<th scope="row" class="c1"><a class="open" href="{}"').format(address)
    return rows.replace(Markup("<tr>") + link, Markup('<tr class="current">') + link + Markup(' aria-current="true"'))


def is_partial(request: Request) -> bool:
    """A part is asked for, not a whole page; going back in history asks for a whole one."""
    asked = request.headers
    return asked.get("hx-request-type") == "partial" and "hx-history-restore-request" not in asked


def _places(request: Request, signed: Signed | None) -> list[Place]:
    if signed is None:
        return []
    return [place for place in PLACES if place.permission in signed.permissions and _has(request.app, place.path)]


@cache
def _has(app: FastAPI, path: str) -> bool:
    asked = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}
    return any(route.matches(asked)[0] is Match.FULL for route in app.routes)
