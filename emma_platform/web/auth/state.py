"""What the routes of the sign-in share: the database, passwords, counters, ages, the clock.

Belongs here: making it from the settings, and finding it from a request. Does not belong here: any decision.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from fastapi import Request

from emma_platform.model.access import Permission, Role
from emma_platform.settings import Settings
from emma_platform.web.auth import audit, second_factor
from emma_platform.web.auth.attempts import Attempts, clock
from emma_platform.web.auth.breached import Breached
from emma_platform.web.auth.database import UserDatabase
from emma_platform.web.auth.passwords import Passwords
from emma_platform.web.auth.seal import Seal
from emma_platform.web.auth.sessions import Ages, Session
from emma_platform.web.auth.signed import ConfirmNeededError, NotAllowedError, SignInNeededError, permit

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Auth:
    """The parts of the sign-in, made once for a process.

    Attributes:
        settings: the platform's.
        database: the users.
        passwords: hashes and verifies.
        attempts: counts.
        ages: how long sessions last.
        demanded: the roles that must have a second factor.
        seal: closes the secrets of second factors.
        clock: the moment that it is, in UTC.
    """

    settings: Settings
    database: UserDatabase
    passwords: Passwords
    attempts: Attempts
    ages: Ages
    demanded: frozenset[Role]
    seal: Seal
    clock: Callable[[], datetime]

    @classmethod
    def of(cls, settings: Settings, clock: Callable[[], datetime] = clock) -> Auth:
        """The sign-in of a home; its database is made, or brought up to date."""
        seal, breached = Seal.of(settings.secrets_key_file), Breached.of(settings.breached_passwords_file)
        database = UserDatabase(settings.users)
        with database.writing() as connection:
            lost = second_factor.close_all(connection, seal)
        if lost:
            _log.error("no key opens the second factors of %d users: recovery codes alone let them in", lost)
        return cls(
            settings,
            database,
            Passwords(passes=settings.password_passes, kibibytes=settings.password_kibibytes, breached=breached),
            Attempts(database, clock),
            Ages(timedelta(minutes=settings.session_idle_minutes), timedelta(days=settings.session_days)),
            settings.second_factor_roles,
            seal,
            clock,
        )

    def close(self) -> None:
        """Give back connections and threads."""
        self.database.close()
        self.passwords.close()


def auth_of(request: Request) -> Auth:
    """The sign-in of the application that a request came to."""
    found: Auth = request.app.state.auth
    return found


def session_of(request: Request) -> Session | None:
    """The session that a request came with, also one that waits for its second factor."""
    found: Session | None = getattr(request.state, "session", None)
    return found


def person(request: Request) -> Session:
    """The dependency of pages about oneself: a person with their own eyes, no program and no look through others'.

    Raises:
        SignInNeededError: nobody is signed in with a session.
        NotAllowedError: they look with another's eyes.
    """
    session = session_of(request)
    if session is None or session.signed is None:
        raise SignInNeededError
    if session.signed.viewed_by is not None:
        raise NotAllowedError("one's own eyes")
    return session


def confirmed(request: Request) -> Session:
    """The dependency of what changes how one signs in: a person who proved a short while ago who they are.

    Raises:
        ConfirmNeededError: the proof is too old.
    """
    session = person(request)
    if not session.is_confirmed(auth_of(request).clock()):
        raise ConfirmNeededError
    return session


def administrator(request: Request) -> Session:
    """The dependency of what changes other users: may administer them, and proved a short while ago who they are."""
    permit(request, Permission.ADMINISTER)
    return confirmed(request)


def address_of(request: Request) -> str:
    """The address that a request came from. Headers of proxies count only where the server was told to trust them."""
    return request.client.host if request.client else ""


def log(
    request: Request, connection: sa.Connection, event: audit.Event, *, subject: str = "", detail: str = "",
    actor: str | None = None,
) -> None:  # fmt: skip
    """Write a line of the audit log: who is signed in did it, from where the request came."""
    session = session_of(request)
    signed = getattr(request.state, "signed", None)
    who = session.name if session else signed.name if signed else ""
    audit.write(
        connection,
        audit.Entry(
            auth_of(request).clock(), event, who if actor is None else actor, subject, detail, address_of(request)
        ),
    )
