"""One-time links: how a new user, or one who forgot it, comes to a password.

Belongs here: statements on `one_time_links`. Does not belong here: the page behind the link (`link_pages`).
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from emma_platform.settings import Settings
from emma_platform.web.auth.random_tokens import hash_of, new_token
from emma_platform.web.auth.schema import one_time_links
from emma_platform.web.auth.users import User, get

VALID_FOR = timedelta(hours=24)
HERE = "http://127.0.0.1:8000"
"""Where the page is reached on the machine itself."""


def make(connection: sa.Connection, user: int, now: datetime) -> str:
    """Make a link's token; links made for the user before are worth nothing from now on."""
    row = one_time_links.c
    connection.execute(sa.delete(one_time_links).where(row.user_id == user, row.used_at.is_(None)))
    token = new_token()
    connection.execute(
        sa.insert(one_time_links).values(user_id=user, token_hash=hash_of(token), expires_at=now + VALID_FOR)
    )
    return token


def address(settings: Settings, token: str, here: str = HERE) -> str:
    """The link, as it is handed to the user; `here` is where the page is reached when no setting says it."""
    return f"{(settings.public_url or here).rstrip('/')}/welcome/{token}"


def user_of(connection: sa.Connection, token: str, now: datetime) -> User | None:
    """Whose link it is; None when it was used, is too old or never was."""
    row = one_time_links.c
    found: int | None = connection.execute(
        sa.select(row.user_id).where(row.token_hash == hash_of(token), row.used_at.is_(None), row.expires_at > now)
    ).scalar_one_or_none()
    user = get(connection, found) if found is not None else None
    return None if user is None or user.disabled else user


def use(connection: sa.Connection, token: str, now: datetime) -> bool:
    """Use a link up; False when another request was quicker."""
    row = one_time_links.c
    unused = (row.token_hash == hash_of(token), row.used_at.is_(None), row.expires_at > now)
    return connection.execute(sa.update(one_time_links).where(*unused).values(used_at=now)).rowcount == 1
