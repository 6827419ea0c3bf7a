"""Users, sessions, links, codes, tokens, the audit log and the counters of attempts.

Belongs here: the tables as they were in the first version. Does not belong here: as they are now (`auth.schema`).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None

_MOMENT = sa.DateTime()


def upgrade() -> None:
    """Make every table."""
    _users()
    _what_proves_a_user()
    _what_is_counted_and_logged()


def _users() -> None:
    op.create_table(
        "users",
        _number(),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("password_hash", sa.String(200)),
        sa.Column("totp_secret", sa.String(64)),
        sa.Column("totp_last_step", sa.BigInteger),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("name", name="uq_users_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "user_stores",
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("store", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "store", name="pk_user_stores"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_user_stores_user_id"),
    )


def _what_proves_a_user() -> None:
    _of_user(
        "sessions",
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("waits_for_second_factor", sa.Boolean, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("last_used_at", _MOMENT, nullable=False),
        sa.Column("confirmed_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("user_agent", sa.String(200), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("viewing_user_id", sa.Integer),
        sa.UniqueConstraint("token_hash", name="uq_sessions_token_hash"),
        sa.ForeignKeyConstraint(["viewing_user_id"], ["users.id"], name="fk_sessions_viewing_user_id"),
    )
    _of_user(
        "one_time_links",
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("used_at", _MOMENT),
        sa.UniqueConstraint("token_hash", name="uq_one_time_links_token_hash"),
    )
    _of_user(
        "recovery_codes",
        sa.Column("code_hash", sa.String(64), nullable=False),
        sa.Column("used_at", _MOMENT),
    )
    _of_user(
        "api_tokens",
        sa.Column("label", sa.String(100), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("permissions", sa.JSON, nullable=False),
        sa.Column("stores", sa.JSON),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("last_used_at", _MOMENT),
        sa.Column("revoked_at", _MOMENT),
        sa.UniqueConstraint("token_hash", name="uq_api_tokens_token_hash"),
    )


def _what_is_counted_and_logged() -> None:
    op.create_table(
        "audit_log",
        _number(),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("event", sa.String(40), nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("subject", sa.String(300), nullable=False),
        sa.Column("detail", sa.String(500), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_log_at", "audit_log", ["at"])
    op.create_table(
        "attempts",
        sa.Column("key", sa.String(300), nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_attempts"),
    )
    op.create_index("ix_attempts_expires_at", "attempts", ["expires_at"])


def _number() -> sa.Column[int]:
    return sa.Column("id", sa.Integer, autoincrement=True, nullable=False)


def _of_user(table: str, *columns: sa.schema.SchemaItem) -> None:
    op.create_table(
        table,
        _number(),
        sa.Column("user_id", sa.Integer, nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("id", name=f"pk_{table}"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=f"fk_{table}_user_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(f"ix_{table}_user_id", table, ["user_id"])
