"""A company's people in a browser, on a user database of each kind; publications for them to look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from benchmarks.rivals.on_demand.postgres import data_folder, server
from emma_platform_tests.web.chain_home import chain_home
from emma_platform_tests.web.people import Clock, People, cheap, people


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a database on a PostgreSQL server of its own, which writes nothing through to the disk."""
    with data_folder() as folder, server(folder) as address:
        _run(address, "alter system set fsync = off", "select pg_reload_conf()")
        yield address


def _run(address: str, *statements: str) -> None:
    engine = sa.create_engine(address, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


@pytest.fixture
def clock() -> Clock:
    """The clock of the company."""
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def users_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty user database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'users.db'}"
    address: str = request.getfixturevalue("postgresql")
    _run(address, "drop schema public cascade", "create schema public")
    return address


@pytest.fixture
def company(users_url: str, tmp_path: Path, clock: Clock) -> Iterator[People]:
    """Everybody, on a database of each kind in turn."""
    found = people(cheap(tmp_path, users_url=users_url, company="Kramer & Sons"), clock=clock)
    yield found
    found.close()


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two publications of a small chain."""
    return chain_home(tmp_path_factory)
