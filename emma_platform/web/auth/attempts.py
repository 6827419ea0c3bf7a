"""How often somebody may try: counters of attempts that every worker shares, in the user database.

Belongs here: the limits and counting. Does not belong here: what is tried.

Attempts are counted for a name *from an address*, so that strangers elsewhere can never lock a user out; and for an
address, over all names. Who goes on waits longer and longer: a minute, a quarter of an hour, a day. A session that is
signed in is never asked. Counting a name over all addresses would hand everybody the means to lock its user out; what
stands against guessing from many addresses is the rule for passwords and the second factor.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from limits import RateLimitItem, parse_many
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy.dialects import postgresql, sqlite

from emma_platform.web.auth.database import UserDatabase
from emma_platform.web.auth.random_tokens import hash_of
from emma_platform.web.auth.schema import attempts


class Kind(StrEnum):
    """What is tried."""

    NAME_FROM_ADDRESS = "name from address"
    """A password for a name, from one address."""
    ADDRESS = "address"
    """Anything, from one address."""
    SECOND_FACTOR = "second factor"
    """A code for a user, from anywhere: who tries it knows the password already."""
    AGAIN = "again"
    """A password of who is signed in, in one session: nobody else can use this up."""


LIMITS = {
    Kind.NAME_FROM_ADDRESS: "5 per 1 minute; 10 per 15 minutes; 30 per 1 day",
    Kind.ADDRESS: "30 per 1 minute; 200 per 1 hour",
    Kind.SECOND_FACTOR: "5 per 1 minute; 10 per 15 minutes; 30 per 1 day",
    Kind.AGAIN: "5 per 1 minute; 10 per 15 minutes; 30 per 1 day",
}
"""How many attempts; the second and third of each are what makes the wait grow."""

_IPV6_HOME = 64
"""Bits of an IPv6 address that a household has; the rest is its own to choose."""


def place_of(address: str) -> str:
    """What counts as one address: an IPv4 address, the network of an IPv6 one."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:  # noqa: PLR2004 - IPv4
        return str(found)
    return str(ipaddress.ip_network((int(found), _IPV6_HOME), strict=False).network_address)


class Attempts:
    """Counts attempts; may be shared by every request of a process."""

    def __init__(self, database: UserDatabase, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._limiter = FixedWindowRateLimiter(_Counters(database, clock))
        self._limits = {kind: parse_many(text) for kind, text in LIMITS.items()}

    def wait(self, *tried: tuple[Kind, tuple[str, ...]]) -> timedelta | None:
        """Count one attempt of each kind; how long to wait when that is too many, else None."""
        windows = [
            (limit, (kind.value, hash_of("\0".join(who)))) for kind, who in tried for limit in self._limits[kind]
        ]
        full = [window for window in windows if not self._limiter.test(window[0], *window[1])]
        if not full:
            full = [window for window in windows if not self._limiter.hit(window[0], *window[1])]
        return max((self._left(*window) for window in full), default=None)

    def forget(self, kind: Kind, *who: str) -> None:
        """Begin to count anew: the attempt was right."""
        for limit in self._limits[kind]:
            self._limiter.clear(limit, kind.value, hash_of("\0".join(who)))

    def _left(self, limit: RateLimitItem, who: tuple[str, str]) -> timedelta:
        ends = self._limiter.get_window_stats(limit, *who).reset_time
        return max(timedelta(seconds=ends - self._clock().timestamp()), timedelta(seconds=1))


class _Counters(Storage):
    """The counters of `limits`, as rows."""

    STORAGE_SCHEME = None

    def __init__(self, database: UserDatabase, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self._database = database
        self._clock = clock

    @property
    def base_exceptions(self) -> type[Exception]:
        return sa.exc.SQLAlchemyError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        now = self._clock()
        row = attempts.c
        with self._database.writing() as connection:
            connection.execute(sa.delete(attempts).where(row.expires_at <= now))
            dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
            added = dialect.insert(attempts).values(key=key, count=amount, expires_at=now + timedelta(seconds=expiry))
            counted = added.on_conflict_do_update(index_elements=["key"], set_={"count": row.count + amount})
            return int(connection.execute(counted.returning(row.count)).scalar_one())

    def get(self, key: str) -> int:
        found = self._find(key)
        return found.count if found else 0

    def get_expiry(self, key: str) -> float:
        found = self._find(key)
        return found.expires_at.timestamp() if found else self._clock().timestamp()

    def check(self) -> bool:
        self._find("")
        return True

    def reset(self) -> int:
        with self._database.writing() as connection:
            return int(connection.execute(sa.delete(attempts)).rowcount)

    def clear(self, key: str) -> None:
        with self._database.writing() as connection:
            connection.execute(sa.delete(attempts).where(attempts.c.key == key))

    def _find(self, key: str) -> Any:  # noqa: ANN401 - a row, whose columns are not typed
        row = attempts.c
        with self._database.reading() as connection:
            found = sa.select(row["count"], row.expires_at).where(row.key == key, row.expires_at > self._clock())
            return connection.execute(found).one_or_none()


def clock() -> datetime:
    """The moment that it is."""
    return datetime.now(UTC)
