"""People of a made-up company, and browsers that they are signed in with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fastapi import FastAPI
from starlette.testclient import TestClient

from emma_platform.model.access import Role
from emma_platform.settings import Settings
from emma_platform.web.app import create_app
from emma_platform.web.auth import attempts, sessions, users
from emma_platform.web.auth.cookies import SECURE_NAME
from emma_platform.web.auth.state import Auth

HOST = "https://emma.test"
ROLES = {"olga": Role.OWNER, "anna": Role.ANALYST, "max": Role.MANAGER, "emil": Role.ENGINEER}
"""Who there is: everybody's name and role."""

PASSWORD = "nine purple walruses dance"  # noqa: S105 - nobody's
"""Everybody's."""


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        """Let time pass."""
        self.now += timedelta(**by)


@dataclass(frozen=True)
class People:
    """The application over a home with everybody of `ROLES`; Max sees the stores that it was made with."""

    app: FastAPI
    numbers: Mapping[str, int]

    @property
    def auth(self) -> Auth:
        """The sign-in of the application."""
        found: Auth = self.app.state.auth
        return found

    def browser(self, *, host: str = HOST, address: str = "198.51.100.7") -> TestClient:
        """A browser where nobody is signed in."""
        headers = {"origin": host, "sec-fetch-site": "same-origin"}
        return TestClient(self.app, host, headers=headers, follow_redirects=False, client=(address, 50_000))

    def signed_in(self, name: str) -> TestClient:
        """A browser where somebody is signed in, over https."""
        auth = self.auth
        with auth.database.writing() as connection:
            token = sessions.start(connection, self.numbers[name], auth.clock(), auth.ages)
        browser = self.browser()
        browser.cookies.set(SECURE_NAME, token, domain="emma.test")
        return browser

    def close(self) -> None:
        """Give back what the application holds."""
        self.auth.close()


def cheap(home: Path, **more: object) -> Settings:
    """Settings whose passwords cost next to nothing."""
    return Settings(home=home, password_passes=1, password_kibibytes=8, **more)  # type: ignore[arg-type]


def people(
    settings: Settings, *, stores: tuple[str, ...] = ("S1", "S2"), clock: Callable[[], datetime] = attempts.clock
) -> People:
    """Everybody, in a new user database of a home; passwords are `PASSWORD`."""
    app = create_app(settings, clock=clock)
    auth: Auth = app.state.auth
    password_hash = auth.passwords.hash_now(PASSWORD)
    numbers = {}
    with auth.database.writing() as connection:
        for name, role in ROLES.items():
            own = stores if role is Role.MANAGER else ()
            numbers[name] = users.add(connection, name, role, own, clock())
            users.set_password_hash(connection, numbers[name], password_hash)
    return People(app, numbers)
