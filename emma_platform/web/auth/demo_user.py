"""The demo's user.

Belongs here: an owner with a password that is new with every demo and shown on its console. Does not belong here: any
other account; a real home has none until `emma user add` makes one.
"""

from __future__ import annotations

import secrets

from emma_platform.model.access import Role
from emma_platform.settings import Settings
from emma_platform.web.auth import users
from emma_platform.web.auth.administration import Administration
from emma_platform.web.auth.state import Auth

NAME = "demo"
_BYTES = 12
"""96 bits, 16 characters."""


def ensure_demo_user(settings: Settings) -> tuple[str, str]:
    """Make the demo's user, or give them another password; returns name and password, which is kept nowhere."""
    auth = Auth.of(settings)
    password = secrets.token_urlsafe(_BYTES)
    try:
        password_hash = auth.passwords.hash_now(password)
        with auth.database.writing() as connection:
            user = users.find(connection, NAME)
            number = user.id if user else Administration(connection, auth.clock()).add(NAME, Role.OWNER, ())[0]
            users.set_password_hash(connection, number, password_hash)
    finally:
        auth.close()
    return NAME, password
