"""The publication that a user last looked at.

Belongs here: that column. Does not belong here: the tables as they are now (`auth.schema`).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"


def upgrade() -> None:
    """Nobody has looked at anything yet."""
    op.add_column("users", sa.Column("seen_publication", sa.String(200)))
