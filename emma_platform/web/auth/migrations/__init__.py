"""The versions of the user database, as Alembic applies them."""
