"""One's own account: password, sessions, and proving once more who one is.

Belongs here: these forms. Does not belong here: the second factor (`second_factor_pages`) and tokens (`token_pages`).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from emma_platform.model.access import Permission
from emma_platform.web.auth import cookies, notices, second_factor, sessions, sign_in, tokens, users
from emma_platform.web.auth.audit import Event
from emma_platform.web.auth.sessions import Session
from emma_platform.web.auth.state import auth_of, confirmed, log, person
from emma_platform.web.auth.users import User
from emma_platform.web.rendering import render

router = APIRouter(include_in_schema=False)

PERMISSION_WORDS = {
    Permission.READ: "see figures",
    Permission.EXPORT: "take files, use the API",
    Permission.DECIDE: "decide on prices",
    Permission.QUERY: "ask in SQL",
    Permission.LINEAGE: "look at Dagster",
}
"""What a token may be given, as the form says it."""

Person = Annotated[Session, Depends(person)]
Confirmed = Annotated[Session, Depends(confirmed)]
Text = Annotated[str, Form(max_length=4_000)]


@router.get("/account")
def account_page(request: Request, session: Person) -> Response:
    """All about one's own account."""
    return account(request, session)


@router.get("/confirm")
def confirm_page(request: Request, session: Person, next: str = "/account") -> Response:  # noqa: A002 - the field's name
    """The form that asks once more who one is."""
    return _confirm(request, own(request, session), sign_in.safe_onward(next))


@router.post("/confirm")
async def confirm(
    request: Request, session: Person, password: Text = "", code: Text = "", next: Text = "/account"  # noqa: A002
) -> Response:  # fmt: skip
    """Prove who one is, and go on."""
    onward = sign_in.safe_onward(next)
    user = await run_in_threadpool(own, request, session)
    refused = await sign_in.again(request, session, user, password, code)
    if refused:
        return _confirm(request, user, onward, refused)
    return await run_in_threadpool(_confirmed, request, session, onward)


@router.post("/account/password")
async def change_password(
    request: Request, session: Confirmed, current: Text = "", password: Text = "", others: Text = ""
) -> Response:
    """Set another password, and sign out everywhere else when that is asked for."""
    auth = auth_of(request)
    user = await run_in_threadpool(own, request, session)
    if refused := await sign_in.again(request, session, user, current, None):
        return await run_in_threadpool(account, request, session, refused.message, refused.status)
    if wrong := auth.passwords.what_is_wrong(password, (user.name, auth.settings.company)):
        return await run_in_threadpool(account, request, session, wrong, 400)
    password_hash = await auth.passwords.hash(password)
    return await run_in_threadpool(_set_password, request, session, password_hash, bool(others))


@router.post("/account/sessions/{number}/end")
def end_session(request: Request, session: Person, number: int) -> Response:
    """Sign out somewhere."""
    with auth_of(request).database.writing() as connection:
        if sessions.end(connection, number, user=session.user):
            log(request, connection, Event.SESSION_ENDED, subject=session.name)
    return RedirectResponse("/account", status_code=303)


@router.post("/account/sessions/end-others")
def end_others(request: Request, session: Person) -> Response:
    """Sign out everywhere but here."""
    with auth_of(request).database.writing() as connection:
        ended = sessions.end_all(connection, session.user, but=session.id)
        log(request, connection, Event.SESSION_ENDED, subject=session.name, detail=f"all {ended} others")
    return RedirectResponse("/account", status_code=303)


def account(request: Request, session: Session, message: str = "", status: int = 200, new_token: str = "") -> Response:
    """The page of an account, with a message or a token that is shown once."""
    auth = auth_of(request)
    now = auth.clock()
    user = own(request, session)
    with auth.database.reading() as connection:
        values = {
            "user": user,
            "here": session.id,
            "sessions": sessions.of_user(connection, user.id, now, auth.ages),
            "tokens": tokens.of_user(connection, user.id),
            "events": notices.recent(connection, user.name),
            "codes_left": second_factor.recovery_codes_left(connection, user.id),
        }
    known = {
        "now": now,
        "confirmed": session.is_confirmed(now),
        "giveable": [(one, said) for one, said in PERMISSION_WORDS.items() if one in user.role.permissions],
        "longest_days": tokens.LONGEST_DAYS,
        "demanded": user.role in auth.demanded,
        "message": message,
        "new_token": new_token,
    }
    return render(request, "auth/account.html", values | known, status=status)


def own(request: Request, session: Session) -> User:
    """The user whose session it is."""
    with auth_of(request).database.reading() as connection:
        user = users.get(connection, session.user)
    if user is None:
        raise LookupError(session.user)
    return user


def _confirm(request: Request, user: User, onward: str, refused: sign_in.Refused | None = None) -> Response:
    values = {
        "next": onward,
        "has_password": user.password_hash is not None,
        "has_second_factor": user.totp_secret is not None,
        "message": refused.message if refused else "",
    }
    answer = render(request, "auth/confirm.html", values, status=refused.status if refused else 200)
    answer.headers.update(refused.headers if refused else {})
    return answer


def _confirmed(request: Request, session: Session, onward: str) -> Response:
    auth = auth_of(request)
    with auth.database.writing() as connection:
        token = sessions.confirm(connection, session.id, auth.clock())
        log(request, connection, Event.CONFIRMED)
    answer = RedirectResponse(onward, status_code=303)
    cookies.give(request, answer, token)
    return answer


def _set_password(request: Request, session: Session, password_hash: str, others: bool) -> Response:
    auth = auth_of(request)
    with auth.database.writing() as connection:
        users.set_password_hash(connection, session.user, password_hash)
        ended = sessions.end_all(connection, session.user, but=session.id) if others else 0
        token = sessions.confirm(connection, session.id, auth.clock())
        log(request, connection, Event.PASSWORD_SET, subject=session.name, detail=f"{ended} other sessions ended")
    answer = RedirectResponse("/account", status_code=303)
    cookies.give(request, answer, token)
    return answer
