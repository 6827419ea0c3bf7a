"""The user database: made once, private, and the same on SQLite and PostgreSQL."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from emma_platform.model.access import Role
from emma_platform.web.auth import users
from emma_platform.web.auth.database import UserDatabase
from emma_platform.web.auth.demo_user import ensure_demo_user
from emma_platform.web.auth.links import make, use
from emma_platform.web.auth.schema import metadata
from emma_platform_tests.web.people import Clock, People, cheap, people

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_the_versions_lead_to_the_tables_that_are_used(users_url: str) -> None:
    with closing(UserDatabase(users_url)) as database, database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_many_that_open_a_new_database_at_once_make_it_once(users_url: str) -> None:
    with ThreadPoolExecutor(6) as threads:
        opened = list(threads.map(UserDatabase, [users_url] * 6))
    with opened[0].writing() as connection:
        users.add(connection, "olga", Role.OWNER, (), NOW)
    for database in opened:
        with closing(database), database.reading() as connection:
            assert users.named(connection, "olga").role is Role.OWNER


def test_nobody_else_on_the_machine_reads_the_file(tmp_path: Path) -> None:
    company = people(cheap(tmp_path / "home"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "home").glob("users.db*")}
    assert set(modes) == {"users.db", "users.db-wal", "users.db-shm"}
    assert set(modes.values()) == {0o600}
    company.close()


def test_a_moment_comes_back_as_it_was(users_url: str) -> None:
    with closing(UserDatabase(users_url)) as database:
        with database.writing() as connection:
            users.add(connection, "olga", Role.OWNER, (), NOW)
        with database.reading() as connection:
            assert connection.execute(sa.select(metadata.tables["users"].c.created_at)).scalar_one() == NOW


def test_of_many_that_use_a_link_at_once_one_does(company: People, clock: Clock) -> None:
    database = company.auth.database
    with database.writing() as connection:
        token = make(connection, company.numbers["max"], clock())

    def using(_number: int) -> bool:
        with database.writing() as connection:
            return use(connection, token, clock())

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(using, range(8))) == 1


@pytest.mark.parametrize("name", ["", "two words", "a/b", "x" * 101, "<b>"])
def test_names_that_nobody_could_type_are_refused(company: People, name: str) -> None:
    with pytest.raises(users.UserError, match="is no name"), company.auth.database.writing() as connection:
        users.add(connection, name, Role.OWNER, (), NOW)


@pytest.mark.parametrize(
    ("role", "stores", "message"),
    [
        (Role.MANAGER, (), "at least one store"),
        (Role.ANALYST, ("S1",), "Stores are for managers"),
        (Role.MANAGER, ("",), "1 to 200 characters"),
    ],
)
def test_role_and_stores_go_together(company: People, role: Role, stores: tuple[str, ...], message: str) -> None:
    with pytest.raises(users.UserError, match=message), company.auth.database.writing() as connection:
        users.add(connection, "nina", role, stores, NOW)
    with pytest.raises(users.UserError, match="already"), company.auth.database.writing() as connection:
        users.add(connection, " MAX", Role.ANALYST, (), NOW)


def test_the_demo_has_an_owner_whose_password_is_new_each_time(tmp_path: Path) -> None:
    settings = cheap(tmp_path)
    first, second = ensure_demo_user(settings), ensure_demo_user(settings)
    assert first[0] == second[0] == "demo"
    assert first[1] != second[1]
    company = people(settings)
    browser = company.browser()
    statuses = [
        browser.post("/login", data={"name": name, "password": password}).status_code
        for name, password in (first, second)
    ]
    assert statuses == [401, 303]
    assert browser.get("/people").status_code == 200
    company.close()
