"""The user database: opened, brought up to date, read and written.

Belongs here: connections and transactions on SQLite or PostgreSQL. Does not belong here: tables (`schema`), their
versions (`migrations`) and statements.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

_UPGRADING = 0x656D6D62
"""PostgreSQL's advisory lock of those who bring the tables up to date."""

PRIVATE = 0o600
"""Nobody else on the machine may read the file; SQLite gives its companions the same mode."""


class UserDatabase:
    """The users on SQLite or PostgreSQL; made, or brought up to date, when it is opened.

    Attributes:
        is_embedded: they are in a file of this machine.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine_of(url)
        self.is_embedded = self._engine.dialect.name == "sqlite"
        self._upgrade()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection that changes nothing; never waits for who writes."""
        with self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A connection whose changes are kept together, or not at all when the block fails.

        On SQLite one writer at a time, from the first statement on: what the block reads stays true until it ends.
        """
        with self._engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("begin immediate")
            yield connection

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _upgrade(self) -> None:
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", "emma_platform:web/auth/migrations")
        with self.writing() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_UPGRADING)))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _engine_of(url: str) -> sa.Engine:
    place = sa.make_url(url)
    if place.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True)
    file = Path(place.database or "")
    file.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(file, os.O_CREAT | os.O_RDWR, PRIVATE))
    engine = sa.create_engine(url, connect_args={"timeout": 60})
    sa.event.listen(engine, "connect", _configure_sqlite)
    return engine


def _configure_sqlite(connection: sa.engine.interfaces.DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in ("journal_mode = wal", "synchronous = full", "foreign_keys = on"):
        cursor.execute(f"pragma {pragma}")
    cursor.close()
