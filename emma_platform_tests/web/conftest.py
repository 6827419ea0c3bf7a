"""A company's people in a browser, on a user database of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from benchmarks.rivals.on_demand.postgres import data_folder, server
from emma_platform_tests.web.people import People, cheap, people


@pytest.fixture(scope="session")
def user_databases() -> Iterator[Iterator[str]]:
    """Addresses of new databases on a PostgreSQL server of its own."""
    with data_folder() as folder, server(folder) as address:
        yield _databases(address)


def _databases(address: str) -> Iterator[str]:
    engine = sa.create_engine(address, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    for number in count():
        with engine.connect() as connection:
            connection.execute(sa.text(f"create database users_{number}"))
        yield address.replace("/postgres?", f"/users_{number}?")


@pytest.fixture(params=["sqlite", "postgresql"])
def company(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[People]:
    """Everybody, on a database of each kind in turn."""
    url = None if request.param == "sqlite" else next(request.getfixturevalue("user_databases"))
    found = people(cheap(tmp_path, users_url=url))
    yield found
    found.close()
