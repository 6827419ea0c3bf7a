"""The users, for owners: roles, stores, links, sessions, and looking with their eyes.

Belongs here: these forms. Does not belong here: what they do (`administration`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from emma_platform.model.access import Permission, Role
from emma_platform.web.auth import cookies, links, sessions, tokens, users
from emma_platform.web.auth.administration import Administration
from emma_platform.web.auth.audit import Event
from emma_platform.web.auth.sessions import Session
from emma_platform.web.auth.signed import Signed, SignInNeededError, require
from emma_platform.web.auth.state import address_of, administrator, auth_of, log, session_of
from emma_platform.web.auth.token_pages import Lines, stores_in
from emma_platform.web.auth.users import User, UserError
from emma_platform.web.rendering import render

router = APIRouter(include_in_schema=False)

ROLE_WORDS = {
    Role.OWNER: "owner: everything, every store, these pages",
    Role.ANALYST: "analyst: reads every store, also in SQL; decides nothing",
    Role.MANAGER: "manager: reads and decides on prices in their stores",
    Role.ENGINEER: "engineer: reads every store, runs Dagster",
}
"""What a role is, for who gives it."""

Administrator = Annotated[Session, Depends(administrator)]
MayLook = Annotated[Signed, Depends(require(Permission.ADMINISTER))]
ChosenRole = Annotated[Role, Form()]


@router.get("/people")
def people_page(request: Request, _signed: MayLook) -> Response:
    """All users, and the form for a new one."""
    with auth_of(request).database.reading() as connection:
        everyone = users.everyone(connection)
    return render(request, "auth/people.html", {"everyone": everyone, "roles": ROLE_WORDS, **_confirmed(request)})


@router.post("/people")
def add_person(
    request: Request, session: Administrator, name: Annotated[str, Form()], role: ChosenRole, stores: Lines = ""
) -> Response:
    """Add a user; shows the one-time link to hand over."""
    with _administering(request, session) as change:
        number, token = change.add(users.normal(name), role, stores_in(stores))
    return _person(request, number, token)


@router.get("/people/{number}")
def person_page(request: Request, _signed: MayLook, number: int) -> Response:
    """All about a user."""
    return _person(request, number)


@router.post("/people/{number}/rights")
def change_rights(
    request: Request, session: Administrator, number: int, role: ChosenRole, stores: Lines = ""
) -> Response:
    """Give a user another role and stores."""
    with _administering(request, session) as change:
        change.change(_user(change, number), role, stores_in(stores))
    return _back(number)


@router.post("/people/{number}/link")
def new_link(request: Request, session: Administrator, number: int) -> Response:
    """A new one-time link, shown once."""
    with _administering(request, session) as change:
        token = change.link(_user(change, number))
    return _person(request, number, token)


@router.post("/people/{number}/disable")
def disable(request: Request, session: Administrator, number: int) -> Response:
    """Bar a user, and sign them out everywhere."""
    with _administering(request, session) as change:
        change.disable(_user(change, number))
    return _back(number)


@router.post("/people/{number}/enable")
def enable(request: Request, session: Administrator, number: int) -> Response:
    """Let a user sign in again."""
    with _administering(request, session) as change:
        change.enable(_user(change, number))
    return _back(number)


@router.post("/people/{number}/end-sessions")
def end_sessions(request: Request, session: Administrator, number: int) -> Response:
    """Sign a user out everywhere."""
    with _administering(request, session) as change:
        change.end_sessions(_user(change, number))
    return _back(number)


@router.post("/people/{number}/reset-second-factor")
def reset_second_factor(request: Request, session: Administrator, number: int) -> Response:
    """Take away a second factor that is lost."""
    with _administering(request, session) as change:
        change.reset_second_factor(_user(change, number))
    return _back(number)


@router.post("/people/{number}/tokens/{token}/revoke")
def revoke_token(request: Request, session: Administrator, number: int, token: int) -> Response:
    """Revoke a token of a user."""
    with _administering(request, session) as change:
        change.revoke_token(_user(change, number), token)
    return _back(number)


@router.post("/people/{number}/view-as")
def view_as(request: Request, session: Administrator, number: int) -> Response:
    """Look with a user's eyes: their stores, nothing that changes anything."""
    with _administering(request, session) as change:
        user = _user(change, number)
        if user.disabled or user.id == session.user:
            raise UserError("Choose another user, who may sign in.")
        token = sessions.view_as(change.connection, session.id, user.id)
        log(request, change.connection, Event.VIEW_AS_BEGAN, subject=user.name)
    return _with_token(request, token, "/")


@router.post("/view-as/end")
def end_view_as(request: Request) -> Response:
    """Look with one's own eyes again."""
    session = session_of(request)
    if session is None or session.signed is None:
        raise SignInNeededError
    with auth_of(request).database.writing() as connection:
        token = sessions.view_as(connection, session.id, None)
        log(request, connection, Event.VIEW_AS_ENDED, subject=session.signed.name)
    return _with_token(request, token, "/people")


@contextmanager
def _administering(request: Request, session: Session) -> Iterator[Administration]:
    auth = auth_of(request)
    with auth.database.writing() as connection:
        yield Administration(connection, auth.clock(), session.name, address_of(request))


def _user(change: Administration, number: int) -> User:
    user = users.get(change.connection, number)
    if user is None:
        raise HTTPException(404, "There is no such user.")
    return user


def _person(request: Request, number: int, link_token: str | None = None) -> Response:
    auth = auth_of(request)
    now = auth.clock()
    with auth.database.reading() as connection:
        user = users.get(connection, number)
        if user is None:
            raise HTTPException(404, "There is no such user.")
        values = {
            "user": user,
            "sessions": sessions.of_user(connection, number, now, auth.ages),
            "tokens": tokens.of_user(connection, number),
        }
    link = None if link_token is None else links.address(auth.settings, link_token, str(request.base_url))
    return render(
        request, "auth/person.html", values | {"roles": ROLE_WORDS, "link": link, "now": now, **_confirmed(request)}
    )


def _confirmed(request: Request) -> dict[str, bool]:
    session = session_of(request)
    return {"confirmed": session is not None and session.is_confirmed(auth_of(request).clock())}


def _back(number: int) -> Response:
    return RedirectResponse(f"/people/{number}", status_code=303)


def _with_token(request: Request, token: str, onward: str) -> Response:
    answer = RedirectResponse(onward, status_code=303)
    cookies.give(request, answer, token)
    return answer
