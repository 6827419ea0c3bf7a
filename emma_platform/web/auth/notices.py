"""What users are told of their own account: changes of how they sign in, and attempts that may not have been theirs.

Belongs here: which lines of the audit log concern whom, and which ask for attention at the next sign-in. Does not
belong here: writing the log (`audit`) and its page for owners (`audit_page`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from emma_platform.web.auth.audit import Event
from emma_platform.web.auth.schema import audit_log

CHANGES = (
    Event.PASSWORD_SET, Event.SECOND_FACTOR_ON, Event.SECOND_FACTOR_OFF, Event.RECOVERY_CODE_USED, Event.LINK_MADE,
    Event.TOKEN_MADE, Event.TOKEN_REVOKED, Event.USER_CHANGED, Event.USER_DISABLED, Event.USER_ENABLED,
)  # fmt: skip
"""What is told of in any case."""

FAILURES = (Event.SIGN_IN_FAILED, Event.TOO_MANY_ATTEMPTS)
MANY_FAILURES = 3
"""Fewer from one's own address are one's own slips."""

_MOST = 50

Line = sa.Row[*tuple[Any, ...]]


def recent(connection: sa.Connection, name: str, *, most: int = 10) -> Sequence[Line]:
    """The last lines that concern a user, the newest first."""
    return _lines(connection, name, (*CHANGES, *FAILURES, Event.SIGNED_IN), after=0, most=most)


def since_last_time(connection: sa.Connection, name: str) -> Sequence[Line]:
    """What happened between a user's last sign-in and the one before, where it asks for attention; newest first."""
    row = audit_log.c
    signed_in = sa.select(row.id, row.address).where(row.actor == name, row.event == Event.SIGNED_IN)
    last = connection.execute(signed_in.order_by(row.id.desc()).limit(2)).all()
    if len(last) < 2:  # noqa: PLR2004 - this one, and the one before
        return []
    found = _lines(connection, name, (*CHANGES, *FAILURES), after=last[1].id, most=_MOST)
    failures = [line for line in found if line.event in FAILURES]
    if len(failures) < MANY_FAILURES and all(line.address == last[0].address for line in failures):
        return [line for line in found if line.event not in FAILURES]
    return found


def _lines(connection: sa.Connection, name: str, events: Sequence[Event], *, after: int, most: int) -> Sequence[Line]:
    row = audit_log.c
    theirs = sa.or_(row.subject == name, sa.and_(row.actor == name, row.subject == ""))
    asked = sa.select(audit_log).where(theirs, row.event.in_(events), row.id > after)
    return connection.execute(asked.order_by(row.id.desc()).limit(most)).all()
