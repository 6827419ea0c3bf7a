"""Signing in, step by step: password, second factor, session.

Belongs here: what is asked in which order, what is counted and logged. Does not belong here: pages and forms
(`sign_in_pages`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from emma_platform.web.auth import audit, cookies, notices, second_factor, sessions, users
from emma_platform.web.auth.attempts import Kind, place_of
from emma_platform.web.auth.audit import Event
from emma_platform.web.auth.sessions import Session
from emma_platform.web.auth.state import Auth, address_of, auth_of, log, session_of
from emma_platform.web.auth.users import User


@dataclass(frozen=True, slots=True)
class Refused:
    """Somebody was not let in.

    Attributes:
        message: why, in words for them: the same whether the name or the password was wrong.
        status: of the answer.
        wait: how long to wait before the next try, when there were too many.
    """

    message: str
    status: int = 401
    wait: timedelta | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What programs read of it."""
        return {} if self.wait is None else {"retry-after": str(int(self.wait.total_seconds()))}


WRONG_PASSWORD = Refused("Name or password is wrong.")
WRONG_CODE = Refused("This code is wrong, too old, or was used already.")


async def by_password(request: Request, name: str, password: str) -> User | Refused:
    """The user of a name and password; a failed attempt is counted and logged."""
    auth = auth_of(request)
    place = place_of(address_of(request))
    tried = (Kind.NAME_FROM_ADDRESS, (users.normal(name), place)), (Kind.ADDRESS, (place,))
    if refused := await run_in_threadpool(_too_many, request, name, tried):
        return refused
    user = await run_in_threadpool(_find, auth, name)
    usable = user is not None and not user.disabled
    right = await auth.passwords.matches(password, user.password_hash if user and usable else None)
    if not user or not right:
        await run_in_threadpool(_log, request, Event.SIGN_IN_FAILED, user, "wrong name or password")
        return WRONG_PASSWORD
    await run_in_threadpool(auth.attempts.forget, *tried[0][:1], *tried[0][1])
    if auth.passwords.is_outdated(user.password_hash or ""):
        renewed = await auth.passwords.hash(password)
        await run_in_threadpool(_keep_hash, auth, user.id, renewed)
    return user


def by_second_factor(request: Request, session: Session, code: str) -> User | Refused:
    """The user of a session that waits, when the code is right; a failed attempt is counted and logged."""
    auth = auth_of(request)
    tried = (Kind.SECOND_FACTOR, (str(session.user),))
    if refused := _too_many(request, session.name, (tried,)):
        return refused
    user = _find(auth, session.name)
    if user is None or not _accept(request, user, code):
        return WRONG_CODE
    auth.attempts.forget(*tried[:1], *tried[1])
    return user


async def again(request: Request, session: Session, user: User, password: str, code: str | None) -> Refused | None:
    """Why who is signed in could not prove it once more: the password, and with a second factor its code.

    Args:
        request: what they sent.
        session: where they are signed in: attempts elsewhere do not count against it.
        user: who they say they are.
        password: theirs.
        code: of the second factor; None when it is not asked for.
    """
    auth = auth_of(request)
    tried = (Kind.AGAIN, (str(session.id),))
    if refused := await run_in_threadpool(_too_many, request, user.name, (tried,)):
        return refused
    if not await auth.passwords.matches(password, user.password_hash):
        await run_in_threadpool(_log, request, Event.SIGN_IN_FAILED, user, "wrong password while signed in")
        return Refused("The password is wrong.")
    if code is not None and user.totp_secret is not None:
        accepted = await run_in_threadpool(_accept, request, user, code)
        if not accepted:
            return WRONG_CODE
    await run_in_threadpool(auth.attempts.forget, *tried[:1], *tried[1])
    return None


def let_in(request: Request, user: User, onward: str, *, proved: bool = False, how: str = "password") -> Response:
    """Start a session in place of the one that the browser had, and go on to a page.

    Args:
        request: what the user sent.
        user: who proved to be one.
        onward: the page to go to.
        proved: the second factor was asked for, or another sign-in answers for it.
        how: what they proved it with, for the log.
    """
    enrols = user.totp_secret is None and user.role in auth_of(request).demanded
    waits = enrols or (user.totp_secret is not None and not proved)
    token = start(request, user, waits=waits, how=how)
    target = onward
    if waits:
        target = f"/login/second-factor{'/new' if enrols else ''}?{onward_query(onward)}"
    elif _has_news(request, user):
        target = f"/account/news?{onward_query(onward)}"
    answer = RedirectResponse(target, status_code=303)
    cookies.give(request, answer, token)
    return answer


def start(request: Request, user: User, *, waits: bool, how: str) -> str:
    """Start a session in place of the one that the browser had, and return its token.

    Args:
        request: what the user sent.
        user: who proved to be one.
        waits: the second factor is still to come; until then nobody is signed in.
        how: what they proved it with, for the log.
    """
    auth = auth_of(request)
    now = auth.clock()
    with auth.database.writing() as connection:
        _end_former(request, connection)
        sessions.forget_ended(connection, now, auth.ages)
        audit.forget(connection, now - timedelta(days=auth.settings.audit_days))
        token = sessions.start(
            connection, user.id, now, auth.ages, waits_for_second_factor=waits,
            user_agent=request.headers.get("user-agent", ""), address=address_of(request),
        )  # fmt: skip
        if not waits:
            log(request, connection, Event.SIGNED_IN, actor=user.name, detail=how)
    return token


def onward_query(onward: str) -> str:
    """The page to go on to, as part of an address."""
    from urllib.parse import urlencode

    return urlencode({"next": onward})


def safe_onward(asked: str | None) -> str:
    """A page of ours to go on to; anything that could lead to another site leads to the overview."""
    if not asked or not asked.startswith("/") or asked.startswith(("//", "/\\")) or not asked.isprintable():
        return "/"
    return asked


def _has_news(request: Request, user: User) -> bool:
    with auth_of(request).database.reading() as connection:
        return bool(notices.since_last_time(connection, user.name))


def _end_former(request: Request, connection: sa.Connection) -> None:
    former = session_of(request)
    if former:
        sessions.end(connection, former.id)


def _accept(request: Request, user: User, code: str) -> bool:
    """Whether a code of the second factor is right; used up and logged either way."""
    auth = auth_of(request)
    with auth.database.writing() as connection:
        found = second_factor.accept(connection, user, code, auth.clock(), auth.seal)
        if found is None:
            log(request, connection, Event.SIGN_IN_FAILED, actor=user.name, detail="wrong second factor")
        elif found == "recovery code":
            log(request, connection, Event.RECOVERY_CODE_USED, actor=user.name)
    return found is not None


def _too_many(request: Request, name: str, tried: tuple[tuple[Kind, tuple[str, ...]], ...]) -> Refused | None:
    auth = auth_of(request)
    wait = auth.attempts.wait(*tried)
    if wait is None:
        return None
    _log(request, Event.TOO_MANY_ATTEMPTS, _find(auth, name), "")
    minutes = -(-int(wait.total_seconds()) // 60)
    return Refused(f"Too many attempts. Try again in {minutes} minute{'s' if minutes > 1 else ''}.", 429, wait)


def _find(auth: Auth, name: str) -> User | None:
    with auth.database.reading() as connection:
        return users.find(connection, name)


def _keep_hash(auth: Auth, user: int, password_hash: str) -> None:
    with auth.database.writing() as connection:
        users.set_password_hash(connection, user, password_hash)


def _log(request: Request, event: Event, user: User | None, detail: str) -> None:
    with auth_of(request).database.writing() as connection:
        log(request, connection, event, actor=user.name if user else "", detail=detail)
