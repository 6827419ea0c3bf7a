"""`emma user`: what owners do on the machine itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from emma_platform.cli import main
from emma_platform_tests.web.people import People, cheap, people


@pytest.fixture
def company(tmp_path: Path) -> Iterator[People]:
    """Everybody, in a home."""
    found = people(cheap(tmp_path))
    yield found
    found.close()


def user(company: People, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["user", *arguments, "--home", str(company.auth.settings.home)])


def test_a_user_comes_in_by_the_link_that_is_printed(company: People) -> None:
    result = user(company, "add", "Nina", "--role", "manager", "--store", "S1", "--store", "Süd")
    assert result.exit_code == 0
    link = result.stdout.split()[-1]
    assert link.startswith("http://127.0.0.1:8000/welcome/")
    browser = company.browser(host="http://127.0.0.1:8000")
    assert browser.post(link, data={"password": "seven green lanterns"}).status_code == 303
    assert "manager, sees S1, Süd." in browser.get("/account").text
    listed = user(company, "list").stdout
    assert [word for word in ("nina", "S1, Süd", "olga", "every") if word not in listed] == ["every"]


def test_disabling_enabling_and_signing_out_hold_at_once(company: People) -> None:
    for verb, back in (("end-sessions", "enable"), ("disable", "enable"), ("reset-second-factor", "enable")):
        browser = company.signed_in("max")
        assert browser.get("/account").status_code == 200
        assert user(company, verb, "max").exit_code == 0
        assert browser.get("/account").status_code == 303
        assert user(company, back, "max").exit_code == 0


def test_a_changed_role_holds(company: People) -> None:
    assert user(company, "change", "max", "--role", "analyst").exit_code == 0
    assert "analyst, sees every store." in company.signed_in("max").get("/account").text


def test_a_token_is_printed_alone(company: People) -> None:
    result = user(company, "token", "max", "--store", "S1", "--days", "3")
    assert result.exit_code == 0
    [token] = result.stdout.split()
    program = company.browser()
    program.headers["authorization"] = f"Bearer {token}"
    assert program.get("/people").status_code == 403


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("link", "nobody"), "There is no user 'nobody'; there are: anna, emil, max, olga."),
        (("disable", "olga"), "the last owner"),
        (("add", "nina", "--role", "manager"), "at least one store"),
        (("token", "max", "--permission", "administer"), "not administer"),
    ],
)
def test_what_cannot_be_done_exits_with_1_and_says_why(
    company: People, arguments: tuple[str, ...], message: str
) -> None:
    result = user(company, *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in " ".join(result.stderr.split())


def test_a_database_that_cannot_be_opened_is_named(company: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMMA_USERS_URL", "sqlite:////proc/nowhere.db")
    assert user(company, "list").exit_code == 1
    monkeypatch.setenv("EMMA_USERS_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    result = user(company, "list")
    assert result.exit_code == 1
    assert "EMMA_USERS_URL" in result.stderr
