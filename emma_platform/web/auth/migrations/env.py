"""How Alembic reaches the user database: on the connection, and in the transaction, of who upgrades.

Belongs here: what Alembic asks for. Does not belong here: when an upgrade happens (`auth.database`).
"""

from __future__ import annotations

from alembic import context

from emma_platform.web.auth.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
