"""The audit log: who did what, when, from where.

Belongs here: the events and writing and reading them. Does not belong here: secrets of any kind; a name that is no
user's is not kept either, because people type their password there by mistake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from emma_platform.web.auth.schema import audit_log


class Event(StrEnum):
    """What is logged, in the words that the page shows."""

    SIGNED_IN = "signed in"
    SIGN_IN_FAILED = "sign-in failed"
    TOO_MANY_ATTEMPTS = "too many attempts"
    SIGNED_OUT = "signed out"
    CONFIRMED = "confirmed who they are"
    REFUSED = "refused"
    PASSWORD_SET = "password set"  # noqa: S105 - no password
    SECOND_FACTOR_ON = "second factor on"
    SECOND_FACTOR_OFF = "second factor off"
    RECOVERY_CODE_USED = "recovery code used"
    SESSION_ENDED = "session ended"
    LINK_MADE = "one-time link made"
    USER_ADDED = "user added"
    USER_CHANGED = "user changed"
    USER_DISABLED = "user disabled"
    USER_ENABLED = "user enabled"
    TOKEN_MADE = "token made"  # noqa: S105 - no token
    TOKEN_REVOKED = "token revoked"  # noqa: S105 - no token
    VIEW_AS_BEGAN = "view as began"
    VIEW_AS_ENDED = "view as ended"
    DECIDED = "decided on a price"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log.

    Attributes:
        at: when, in UTC.
        event: what happened.
        actor: the name of who did it; empty when nobody is known, "command line" from a console.
        subject: whom or what it was done to.
        detail: more words.
        address: the address that the request came from.
    """

    at: datetime
    event: str
    actor: str = ""
    subject: str = ""
    detail: str = ""
    address: str = ""


COMMAND_LINE = "command line"
"""The actor of what is done on the machine itself."""


def write(connection: sa.Connection, entry: Entry) -> None:
    """Add a line; texts that are too long are cut."""
    connection.execute(
        sa.insert(audit_log).values(
            at=entry.at, event=str(entry.event)[:40], actor=entry.actor[:100], subject=entry.subject[:300],
            detail=entry.detail[:500], address=entry.address[:64],
        )
    )  # fmt: skip


def forget(connection: sa.Connection, before: datetime) -> None:
    """Delete the lines from before a moment."""
    connection.execute(sa.delete(audit_log).where(audit_log.c.at < before))


def newest(
    connection: sa.Connection, *, limit: int, before: int | None = None, event: str | None = None
) -> Sequence[sa.Row[*tuple[Any, ...]]]:
    """The newest lines, the newest first, with their numbers; `before` goes on where a page ended."""
    found = sa.select(audit_log).order_by(audit_log.c.id.desc()).limit(limit)
    if before is not None:
        found = found.where(audit_log.c.id < before)
    if event:
        found = found.where(audit_log.c.event == event)
    return connection.execute(found).all()
