"""The tables of the user database.

Belongs here: tables and columns. Does not belong here: how a database comes to have them (`migrations`) and every
statement on them (the module that each table belongs to).

Of passwords, tokens, links and codes only hashes are kept: who reads the database can sign in as nobody. A second
factor's secret has to be kept itself, because codes are computed from it: closed where there is a key (`seal`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Moment(sa.types.TypeDecorator[datetime]):
    """A moment in UTC, kept without its zone: SQLite has no type for one."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ANN401, ARG002
        """To the database: UTC, without the zone."""
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ANN401, ARG002
        """From the database: with its zone."""
        return value.replace(tzinfo=UTC) if value else None


def _number() -> sa.Column[int]:
    return sa.Column("id", sa.Integer, primary_key=True, autoincrement=True)


def _user(*, unique: bool = False) -> sa.Column[int]:
    return sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), nullable=False, index=not unique, unique=unique)


_AGAIN_NEVER: dict[str, Any] = {"sqlite_autoincrement": True}
"""A number of a row that is gone is never given again."""

users = sa.Table(
    "users",
    metadata,
    _number(),
    sa.Column("name", sa.String(100), nullable=False, unique=True),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("password_hash", sa.String(200)),  # null until a one-time link was used
    sa.Column("totp_secret", sa.String(64)),  # null without a second factor
    sa.Column("totp_last_step", sa.BigInteger),  # the newest code that was used: none counts twice
    sa.Column("disabled", sa.Boolean, nullable=False, default=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("seen_publication", sa.String(200)),  # null until they looked at one
    **_AGAIN_NEVER,
)

user_stores = sa.Table(
    "user_stores",
    metadata,
    sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("store", sa.String(200), primary_key=True),
)

sessions = sa.Table(
    "sessions",
    metadata,
    _number(),
    _user(),
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("waits_for_second_factor", sa.Boolean, nullable=False, default=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("last_used_at", Moment, nullable=False),
    sa.Column("confirmed_at", Moment, nullable=False),  # when it was last proved who sits there
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("user_agent", sa.String(200), nullable=False, default=""),
    sa.Column("address", sa.String(64), nullable=False, default=""),
    sa.Column("viewing_user_id", sa.Integer, sa.ForeignKey("users.id")),  # whose eyes the owner looks with
    **_AGAIN_NEVER,
)

one_time_links = sa.Table(
    "one_time_links",
    metadata,
    _number(),
    _user(),
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("used_at", Moment),
    **_AGAIN_NEVER,
)

recovery_codes = sa.Table(
    "recovery_codes",
    metadata,
    _number(),
    _user(),
    sa.Column("code_hash", sa.String(64), nullable=False),
    sa.Column("used_at", Moment),
    **_AGAIN_NEVER,
)

api_tokens = sa.Table(
    "api_tokens",
    metadata,
    _number(),
    _user(),
    sa.Column("label", sa.String(100), nullable=False),
    sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
    sa.Column("permissions", sa.JSON, nullable=False),
    sa.Column("stores", sa.JSON),  # null: all that its user may see
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("last_used_at", Moment),
    sa.Column("revoked_at", Moment),
    **_AGAIN_NEVER,
)

audit_log = sa.Table(
    "audit_log",
    metadata,
    _number(),
    sa.Column("at", Moment, nullable=False, index=True),
    sa.Column("event", sa.String(40), nullable=False),
    sa.Column("actor", sa.String(100), nullable=False, default=""),
    sa.Column("subject", sa.String(300), nullable=False, default=""),
    sa.Column("detail", sa.String(500), nullable=False, default=""),
    sa.Column("address", sa.String(64), nullable=False, default=""),
    **_AGAIN_NEVER,
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("key", sa.String(300), primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("expires_at", Moment, nullable=False, index=True),
)
