"""API tokens: what programs sign in with."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from emma_platform.web.auth import users
from emma_platform.web.auth.schema import api_tokens
from emma_platform_tests.web.auth.test_asvs_access import log_of, with_routes
from emma_platform_tests.web.people import Clock, People

ASKED = {"label": "till export", "days": "30", "permissions": ["read", "export"]}


def made(browser: TestClient, **asked: object) -> str:
    """A token, as the page shows it once."""
    page = browser.post("/account/tokens", data=ASKED | asked)
    assert page.status_code == 200, page.text
    found = re.search(r"emma_[\w-]{43}", page.text)
    assert found
    return found[0]


def program(company: People, token: str) -> TestClient:
    """A program that sends a token, from nowhere near a browser."""
    return TestClient(company.app, "https://emma.test", headers={"authorization": f"Bearer {token}"})


def test_a_token_may_do_and_see_what_it_was_given(company: People) -> None:
    with_routes(company)
    browser = company.signed_in("anna")
    token = made(browser, stores="S2\nS3")
    asking = program(company, token)
    assert asking.get("/api/read").json() == {"name": "anna", "stores": ["S2", "S3"], "whole": False}
    assert [asking.get(f"/api/{name}").status_code for name in ("export", "query", "lineage")] == [200, 403, 403]
    assert token not in browser.get("/account").text
    assert program(company, token[:-1]).get("/api/read").status_code == 401
    assert token not in str(log_of(company))
    with company.auth.database.reading() as connection:
        assert token not in str(connection.execute(sa.select(api_tokens)).all())


def test_a_token_for_some_stores_never_asks_in_sql(company: People) -> None:
    with_routes(company)
    browser = company.signed_in("anna")
    whole, part = (program(company, made(browser, permissions=["query"], stores=stores)) for stores in ("", "S1"))
    assert (whole.get("/api/query").status_code, part.get("/api/query").status_code) == (200, 403)


def test_a_token_never_does_more_than_its_user_now(company: People) -> None:
    with_routes(company)
    asking = program(company, made(company.signed_in("max"), permissions=["read", "decide"], stores="S1\nS2"))
    assert asking.get("/api/decide").status_code == 200
    with company.auth.database.writing() as connection:
        users.change(connection, company.numbers["max"], users.Role.MANAGER, ["S2", "S5"])
    assert asking.get("/api/read").json()["stores"] == ["S2"]
    with company.auth.database.writing() as connection:
        users.change(connection, company.numbers["max"], users.Role.ANALYST, [])
    assert asking.get("/api/decide").status_code == 403
    with company.auth.database.writing() as connection:
        users.set_disabled(connection, company.numbers["max"], True)
    assert asking.get("/api/read").status_code == 401


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"permissions": ["administer"]}, "not administer"),
        ({"permissions": ["query"]}, "not query"),
        ({"permissions": []}, "not none"),
        ({"stores": "S1\nS9"}, "stores that its user sees"),
        ({"label": " "}, "what the token is for"),
    ],
)
def test_a_token_that_would_do_more_is_refused(company: People, asked: dict[str, object], message: str) -> None:
    answer = company.signed_in("max").post("/account/tokens", data=ASKED | asked)
    assert answer.status_code == 400
    assert message in answer.text


def test_a_token_ends_and_can_be_revoked(company: People, clock: Clock) -> None:
    with_routes(company)
    browser = company.signed_in("anna")
    first, second = (program(company, made(browser, label=f"number {number}")) for number in (1, 2))
    with company.auth.database.reading() as connection:
        numbers = connection.execute(sa.select(api_tokens.c.id).order_by(api_tokens.c.id)).scalars().all()
    assert company.signed_in("max").post(f"/account/tokens/{numbers[0]}/revoke").status_code == 303
    assert first.get("/api/read").status_code == 200
    assert browser.post(f"/account/tokens/{numbers[0]}/revoke").status_code == 303
    assert (first.get("/api/read").status_code, second.get("/api/read").status_code) == (401, 200)
    assert [(line.event, line.detail[:8]) for line in log_of(company)] == [
        ("token made", "number 1"), ("token made", "number 2"), ("token revoked", "number 1"),
    ]  # fmt: skip
    clock.move(days=30)
    assert second.get("/api/read").status_code == 401


def test_a_token_opens_no_page_about_its_user(company: People) -> None:
    asking = program(company, made(company.signed_in("olga")))
    for path in ("/account", "/confirm", "/account/second-factor"):
        assert asking.get(path, follow_redirects=False).status_code == 303
    assert asking.get("/people").status_code == 403
    assert asking.post("/people", data={"name": "x", "role": "owner"}).status_code == 403


def test_the_use_of_a_token_is_shown(company: People, clock: Clock) -> None:
    with_routes(company)
    browser = company.signed_in("anna")
    asking = program(company, made(browser))
    assert "never" in browser.get("/account").text
    asking.get("/api/read")
    assert clock.now.strftime("%Y-%m-%d %H:%M") in browser.get("/account").text.split("API tokens")[1]
