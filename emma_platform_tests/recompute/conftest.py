"""Databases for the ledger: a file, and a real PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from benchmarks.rivals.on_demand.postgres import data_folder, server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Iterator[str]]:
    """Addresses of new databases on a server of its own."""
    with data_folder() as folder, server(folder) as address:
        yield _databases(address)


def _databases(address: str) -> Iterator[str]:
    engine = sa.create_engine(address, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    for number in count():
        with engine.connect() as connection:
            connection.execute(sa.text(f"create database ledger_{number}"))
        yield address.replace("/postgres?", f"/ledger_{number}?")


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    return next(request.getfixturevalue("postgresql"))
