"""API tokens: what a program signs in with, in the name of a user.

Belongs here: statements on `api_tokens`. Does not belong here: the pages that make them (`token_pages`).

A token may do what it was given *and* its user may do now; it sees the stores it was given *and* its user may see now.
Nothing that needs a person (administering users, starting runs) can be given to one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from emma_platform.model.access import Permission, StoreScope
from emma_platform.web.auth.random_tokens import hash_of, new_token
from emma_platform.web.auth.schema import api_tokens
from emma_platform.web.auth.signed import Signed
from emma_platform.web.auth.users import User, UserError, get

PREFIX = "emma_"
"""Every token begins with it, so that scanners of source code can find one that leaked."""

LONGEST_DAYS = 366
GIVEABLE = frozenset({Permission.READ, Permission.EXPORT, Permission.DECIDE, Permission.QUERY, Permission.LINEAGE})
WHOLE_ONLY = frozenset({Permission.QUERY, Permission.LINEAGE})
"""What shows rows of every store, whoever asks."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A token that somebody asks for.

    Attributes:
        label: what it is for.
        permissions: what it may do.
        stores: which stores it sees; None for all that its user sees.
        expires_at: when it ends.
    """

    label: str
    permissions: frozenset[Permission]
    stores: frozenset[str] | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """A token that holds.

    Attributes:
        id: its number.
        last_used_at: when its use was last written down.
        signed: who asks, for routes.
    """

    id: int
    last_used_at: datetime | None
    signed: Signed


def bearer_of(header: str | None) -> str | None:
    """The token of an Authorization header; None when the header is of another kind."""
    kind, _, value = (header or "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else None


def make(connection: sa.Connection, user: User, asked: Asked, now: datetime) -> str:
    """Make a token for a user and return it; only its hash is kept.

    Raises:
        UserError: it would do more than its user may, or live too long.
    """
    if not asked.label.strip() or len(asked.label) > 100:  # noqa: PLR2004 - the column's length
        raise UserError("Say in 1 to 100 characters what the token is for.")
    beyond = asked.permissions - (user.role.permissions & GIVEABLE)
    if beyond or not asked.permissions:
        raise UserError(f"A token needs permissions that its user has: not {', '.join(sorted(beyond)) or 'none'}.")
    if asked.stores is not None and (not asked.stores or not all(map(user.scope.allows, asked.stores))):
        raise UserError("A token sees stores that its user sees: at least one.")
    if not now < asked.expires_at or (asked.expires_at - now).days > LONGEST_DAYS:
        raise UserError(f"A token ends at a day to come, at most {LONGEST_DAYS} days ahead.")
    token = new_token(PREFIX)
    connection.execute(
        sa.insert(api_tokens).values(
            user_id=user.id, label=asked.label.strip(), token_hash=hash_of(token), created_at=now,
            permissions=sorted(asked.permissions), stores=None if asked.stores is None else sorted(asked.stores),
            expires_at=asked.expires_at,
        )
    )  # fmt: skip
    return token


def find(connection: sa.Connection, token: str, now: datetime) -> Token | None:
    """The token, when it holds and its user may sign in."""
    row = api_tokens.c
    found = connection.execute(
        sa.select(api_tokens).where(row.token_hash == hash_of(token), row.revoked_at.is_(None), row.expires_at > now)
    ).one_or_none()
    user = get(connection, found.user_id) if found else None
    if found is None or user is None or user.disabled:
        return None
    scope = user.scope if found.stores is None else StoreScope(user.scope.narrow(found.stores))
    permissions = user.role.permissions & GIVEABLE & frozenset(map(Permission, found.permissions))
    if not scope.whole:
        permissions -= WHOLE_ONLY
    return Token(found.id, found.last_used_at, Signed(user.id, user.name, user.role, permissions, scope))


def note_use(connection: sa.Connection, token: int, now: datetime) -> None:
    """Write down that a token was used."""
    connection.execute(sa.update(api_tokens).where(api_tokens.c.id == token).values(last_used_at=now))


def of_user(connection: sa.Connection, user: int) -> Sequence[sa.Row[*tuple[Any, ...]]]:
    """The tokens of a user that were not revoked, the newest first; also those that expired."""
    row = api_tokens.c
    return connection.execute(
        sa.select(row.id, row.label, row.permissions, row.stores, row.created_at, row.expires_at, row.last_used_at)
        .where(row.user_id == user, row.revoked_at.is_(None))
        .order_by(row.id.desc())
    ).all()


def revoke(connection: sa.Connection, token: int, now: datetime, *, user: int | None = None) -> str | None:
    """Revoke a token, when it is the user's if one is given; its label, or None when there is none."""
    row = api_tokens.c
    whose = sa.true() if user is None else row.user_id == user
    label: str | None = connection.execute(
        sa.update(api_tokens)
        .where(row.id == token, row.revoked_at.is_(None), whose)
        .values(revoked_at=now)
        .returning(row.label)
    ).scalar_one_or_none()
    return label
