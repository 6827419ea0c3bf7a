"""Sessions: who is signed in where, as rows that can be ended.

Belongs here: statements on `sessions`, their ages. Does not belong here: how somebody proves who they are (`sign_in`)
and the cookie (`cookies`).

A session ends when it was not used for a while (idle), at a fixed age (absolute), when its user signs out or is
disabled, and when the user or an owner ends it. An ended session's row is gone: no copy of its cookie works any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from emma_platform.model.access import Permission, Role
from emma_platform.web.auth import users as of_users
from emma_platform.web.auth.random_tokens import hash_of, new_token
from emma_platform.web.auth.schema import sessions, user_stores, users
from emma_platform.web.auth.signed import Signed

NOTED_EVERY = timedelta(minutes=1)
"""How often the use of a session is written down: not with every request."""

SECOND_FACTOR_WITHIN = timedelta(minutes=5)
"""How long after the password the second factor may come."""

CONFIRMED_FOR = timedelta(minutes=10)
"""How long after a proof of who sits there passwords, second factors, tokens and users may be changed."""

CHANGING = frozenset({Permission.DECIDE, Permission.OPERATE, Permission.ADMINISTER})
"""What who looks with another's eyes may not do."""


@dataclass(frozen=True, slots=True)
class Ages:
    """How long sessions last: unused (`idle`), and in all (`absolute`)."""

    idle: timedelta
    absolute: timedelta


@dataclass(frozen=True, slots=True)
class Session:
    """A session that holds.

    Attributes:
        id: its number.
        user: the number of whose it is, also while they look with another's eyes.
        name: their name.
        waits_for_second_factor: the password was right, the second factor is still to come; nobody is signed in.
        last_used_at: when its use was last written down.
        confirmed_at: when it was last proved who sits there.
        signed: who asks, for routes; None while the second factor is to come.
    """

    id: int
    user: int
    name: str
    waits_for_second_factor: bool
    last_used_at: datetime
    confirmed_at: datetime
    signed: Signed | None

    def is_confirmed(self, now: datetime) -> bool:
        """It was proved a short while ago who sits there."""
        return now - self.confirmed_at < CONFIRMED_FOR


def start(
    connection: sa.Connection,
    user: int,
    now: datetime,
    ages: Ages,
    *,
    waits_for_second_factor: bool = False,
    user_agent: str = "",
    address: str = "",
) -> str:
    """Start a session and return its token, which is kept nowhere."""
    token = new_token()
    connection.execute(
        sa.insert(sessions).values(
            user_id=user, token_hash=hash_of(token), waits_for_second_factor=waits_for_second_factor, created_at=now,
            last_used_at=now, confirmed_at=now, user_agent=user_agent[:200], address=address[:64],
            expires_at=now + (SECOND_FACTOR_WITHIN if waits_for_second_factor else ages.absolute),
        )
    )  # fmt: skip
    return token


_viewed = users.alias("viewed")
_FIND = (
    sa.select(
        sessions.c.id,
        sessions.c.user_id,
        sessions.c.waits_for_second_factor,
        sessions.c.last_used_at,
        sessions.c.confirmed_at,
        sessions.c.viewing_user_id,
        users.c.name,
        sa.func.coalesce(_viewed.c.name, users.c.name).label("seen_as"),
        sa.func.coalesce(_viewed.c.role, users.c.role).label("role"),
        sa.case((_viewed.c.id.is_(None), users.c.seen_publication), else_=_viewed.c.seen_publication).label("seen"),
        user_stores.c.store,
    )
    .join(users, users.c.id == sessions.c.user_id)
    .join(_viewed, _viewed.c.id == sessions.c.viewing_user_id, isouter=True)
    .join(
        user_stores,
        user_stores.c.user_id == sa.func.coalesce(sessions.c.viewing_user_id, sessions.c.user_id),
        isouter=True,
    )
    .where(
        sessions.c.token_hash == sa.bindparam("token_hash"),
        sessions.c.expires_at > sa.bindparam("now"),
        sessions.c.last_used_at > sa.bindparam("used_after"),
        ~users.c.disabled,
    )
)
"""One row a store of a manager, one in all for everybody else; by the index of token hashes."""


def find(connection: sa.Connection, token: str, now: datetime, ages: Ages) -> Session | None:
    """The session of a token; None when there is none or it has ended."""
    asked = {"token_hash": hash_of(token), "now": now, "used_after": now - ages.idle}
    rows = connection.execute(_FIND, asked).all()
    if not rows:
        return None
    row = rows[0]
    signed = None if row.waits_for_second_factor else _signed(row, [one.store for one in rows if one.store is not None])
    return Session(
        row.id, row.user_id, row.name, row.waits_for_second_factor, row.last_used_at, row.confirmed_at, signed
    )


def _signed(row: sa.Row[*tuple[Any, ...]], stores: list[str]) -> Signed:
    role = Role(row.role)
    viewing: int | None = row.viewing_user_id
    return Signed(
        user=row.user_id if viewing is None else viewing,
        name=row.seen_as,
        role=role,
        permissions=role.permissions if viewing is None else role.permissions - CHANGING,
        scope=of_users.scope_of(role, stores),
        session=row.id,
        viewed_by=None if viewing is None else row.name,
        seen=row.seen,
    )


def note_use(connection: sa.Connection, session: int, now: datetime) -> None:
    """Write down that a session was used; a later use that is written down already stays."""
    row = sessions.c
    connection.execute(sa.update(sessions).where(row.id == session, row.last_used_at < now).values(last_used_at=now))


def confirm(connection: sa.Connection, session: int, now: datetime) -> str:
    """Write down a proof of who sits there; returns the session's new token, the old one is worth nothing any more."""
    return _renew(connection, session, {"confirmed_at": now})


def view_as(connection: sa.Connection, session: int, user: int | None) -> str:
    """Look with another's eyes, or (None) with one's own again; returns the session's new token."""
    return _renew(connection, session, {"viewing_user_id": user})


def _renew(connection: sa.Connection, session: int, values: dict[str, Any]) -> str:
    token = new_token()
    changed = sa.update(sessions).where(sessions.c.id == session)
    connection.execute(changed.values(token_hash=hash_of(token), **values))
    return token


def of_user(connection: sa.Connection, user: int, now: datetime, ages: Ages) -> Sequence[sa.Row[*tuple[Any, ...]]]:
    """The sessions of a user that hold, the last used first."""
    row = sessions.c
    return connection.execute(
        sa.select(row.id, row.created_at, row.last_used_at, row.expires_at, row.user_agent, row.address)
        .where(row.user_id == user, row.expires_at > now, row.last_used_at > now - ages.idle)
        .where(~row.waits_for_second_factor)
        .order_by(row.last_used_at.desc())
    ).all()


def end(connection: sa.Connection, session: int, *, user: int | None = None) -> bool:
    """End a session, when it is the user's if one is given; whether there was one."""
    row = sessions.c
    whose = sa.true() if user is None else row.user_id == user
    return connection.execute(sa.delete(sessions).where(row.id == session, whose)).rowcount > 0


def end_all(connection: sa.Connection, user: int, *, but: int | None = None) -> int:
    """End every session of a user, and every look with their eyes; returns how many ended."""
    row = sessions.c
    kept = sa.true() if but is None else row.id != but
    connection.execute(sa.update(sessions).where(row.viewing_user_id == user).values(viewing_user_id=None))
    return connection.execute(sa.delete(sessions).where(row.user_id == user, kept)).rowcount


def forget_ended(connection: sa.Connection, now: datetime, ages: Ages) -> None:
    """Delete the rows of sessions that ended by age."""
    row = sessions.c
    connection.execute(sa.delete(sessions).where((row.expires_at <= now) | (row.last_used_at <= now - ages.idle)))
