"""What owners and the command line do to users: each change together with its line in the audit log.

Belongs here: the changes. Does not belong here: pages (`people_pages`), verbs (`cli_user`), and who may change
(`state.administrator`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from emma_platform.model.access import Role
from emma_platform.web.auth import audit, links, second_factor, sessions, tokens, users
from emma_platform.web.auth.audit import Event
from emma_platform.web.auth.users import User


@dataclass(frozen=True, slots=True)
class Administration:
    """Changes of users, by somebody, in one transaction.

    Attributes:
        connection: the transaction.
        now: the moment of the changes, in UTC.
        actor: the name of who changes.
        address: where from.
    """

    connection: sa.Connection
    now: datetime
    actor: str = audit.COMMAND_LINE
    address: str = ""

    def add(self, name: str, role: Role, stores: Collection[str]) -> tuple[int, str]:
        """Add a user; returns their number, and the token of the one-time link with which they choose a password."""
        number = users.add(self.connection, name, role, stores, self.now)
        self._log(Event.USER_ADDED, name, _rights(role, stores))
        return number, self._link(number, name)

    def link(self, user: User) -> str:
        """A new one-time link for a user; returns its token."""
        return self._link(user.id, user.name)

    def change(self, user: User, role: Role, stores: Collection[str]) -> None:
        """Give a user another role and stores; they have to sign in anew."""
        users.change(self.connection, user.id, role, stores)
        sessions.end_all(self.connection, user.id)
        self._log(Event.USER_CHANGED, user.name, _rights(role, stores))

    def disable(self, user: User) -> None:
        """Bar a user, and end all that they are signed in with."""
        users.set_disabled(self.connection, user.id, True)
        ended = sessions.end_all(self.connection, user.id)
        self._log(Event.USER_DISABLED, user.name, f"{ended} sessions ended")

    def enable(self, user: User) -> None:
        """Let a user sign in again."""
        users.set_disabled(self.connection, user.id, False)
        self._log(Event.USER_ENABLED, user.name)

    def end_sessions(self, user: User) -> int:
        """Sign a user out everywhere; returns how many sessions ended."""
        ended = sessions.end_all(self.connection, user.id)
        self._log(Event.SESSION_ENDED, user.name, f"all {ended}")
        return ended

    def reset_second_factor(self, user: User) -> None:
        """Take away a second factor that is lost, and sign the user out everywhere."""
        second_factor.turn_off(self.connection, user.id)
        sessions.end_all(self.connection, user.id)
        self._log(Event.SECOND_FACTOR_OFF, user.name, "reset")

    def make_token(self, user: User, asked: tokens.Asked) -> str:
        """Make an API token for a user, and return it."""
        token = tokens.make(self.connection, user, asked, self.now)
        rights = ", ".join(sorted(asked.permissions))
        where = "" if asked.stores is None else f"; stores {', '.join(sorted(asked.stores))}"
        self._log(Event.TOKEN_MADE, user.name, f"{asked.label}: {rights}{where}; until {asked.expires_at:%Y-%m-%d}")
        return token

    def revoke_token(self, user: User, token: int) -> None:
        """Revoke a token of a user."""
        label = tokens.revoke(self.connection, token, self.now, user=user.id)
        if label is not None:
            self._log(Event.TOKEN_REVOKED, user.name, label)

    def _link(self, user: int, name: str) -> str:
        self._log(Event.LINK_MADE, name)
        return links.make(self.connection, user, self.now)

    def _log(self, event: Event, subject: str, detail: str = "") -> None:
        audit.write(self.connection, audit.Entry(self.now, event, self.actor, subject, detail, self.address))


def _rights(role: Role, stores: Collection[str]) -> str:
    return role.value + (f": {', '.join(sorted(stores))}" if stores else "")
