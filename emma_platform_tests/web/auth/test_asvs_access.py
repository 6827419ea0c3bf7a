"""OWASP ASVS 5.0, chapters 8 and 16: who may do and see what, and what is logged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from fastapi import Depends, Request
from starlette.testclient import TestClient

from emma_platform.model.access import Permission, Role
from emma_platform.web.auth import audit, users
from emma_platform.web.auth.signed import Signed, require
from emma_platform_tests.web.auth.test_asvs_passwords import SECURITY, is_signed_in, tried, with_second_factor
from emma_platform_tests.web.people import PASSWORD, ROLES, Clock, People


def log_of(company: People) -> Sequence[Any]:
    """The audit log, the oldest line first."""
    with company.auth.database.reading() as connection:
        return audit.newest(connection, limit=1_000)[::-1]


def with_routes(company: People) -> People:
    """A route for every permission, for pages and the API."""

    def who(request: Request) -> dict[str, Any]:
        signed: Signed = request.state.signed
        return {"name": signed.name, "stores": sorted(signed.scope.stores or ()), "whole": signed.scope.whole}

    for permission in Permission:
        for path in (f"/{permission}", f"/api/{permission}"):
            company.app.add_api_route(path, who, dependencies=[Depends(require(permission))])
    return company


def test_asvs_8_1_1_the_documented_rules_are_those_that_hold() -> None:
    lines = SECURITY.split("## Roles\n")[1].split("\n\n")[0].strip().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    roles = [Role(name) for name in cells[0][1:]]
    documented = {
        role: {Permission(row[0].split(":")[0]) for row in cells[2:-1] if row[1 + roles.index(role)] == "yes"}
        for role in roles
    }
    assert documented == {role: set(role.permissions) for role in Role}
    scopes = {role: users.scope_of(role, ["S1"]).whole for role in Role}
    assert scopes == {role: cells[-1][1 + roles.index(role)] == "all" for role in roles}


def test_asvs_8_2_1_every_permission_is_asked_of_every_role(company: People) -> None:
    with_routes(company)
    for name, role in ROLES.items():
        browser = company.signed_in(name)
        allowed = {permission for permission in Permission if browser.get(f"/{permission}").status_code == 200}
        assert allowed == set(role.permissions), name
        refused = {permission for permission in Permission if browser.get(f"/api/{permission}").status_code == 403}
        assert refused == set(Permission) - allowed, name


def test_asvs_8_2_2_a_manager_sees_their_stores(company: People) -> None:
    with_routes(company)
    assert company.signed_in("max").get("/read").json() == {"name": "max", "stores": ["S1", "S2"], "whole": False}
    assert company.signed_in("anna").get("/read").json()["whole"] is True


def test_asvs_8_2_3_no_page_shows_hashes_or_secrets(company: People) -> None:
    with_second_factor(company)
    owner = company.signed_in("olga")
    with company.auth.database.reading() as connection:
        olga = users.named(connection, "olga")
    for path in ("/account", "/people", f"/people/{olga.id}", "/audit"):
        page = owner.get(path).text
        assert "argon2" not in page
        assert str(olga.totp_secret) not in page


def test_asvs_8_3_1_pages_lead_to_the_sign_in_and_the_api_says_401(company: People) -> None:
    with_routes(company)
    browser = company.browser()
    assert browser.get("/read?x=1").headers["location"] == "/login?next=%2Fread%3Fx%3D1"
    answer = browser.get("/api/read")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 401
    part = browser.get("/read", headers={"hx-request-type": "partial", "hx-current-url": "https://emma.test/a?b=1"})
    assert part.headers["hx-redirect"] == "/login?next=%2Fa%3Fb%3D1"


@pytest.mark.parametrize("name", ["anna", "max", "emil"])
def test_asvs_8_3_1_only_owners_reach_the_users(company: People, name: str) -> None:
    browser = company.signed_in(name)
    for path in ("/people", f"/people/{company.numbers['olga']}", "/audit"):
        assert browser.get(path).status_code == 403
    changes = ("rights", "link", "disable", "enable", "end-sessions", "reset-second-factor", "view-as")
    for change in changes:
        answer = browser.post(f"/people/{company.numbers['olga']}/{change}", data={"role": "analyst"})
        assert answer.status_code == 403, change


def test_asvs_8_3_2_changed_rights_hold_at_once(company: People) -> None:
    browser, owner = company.signed_in("max"), company.signed_in("olga")
    number = company.numbers["max"]
    changed = owner.post(f"/people/{number}/rights", data={"role": "manager", "stores": "S9\r\n S7 \n"})
    assert changed.status_code == 303
    assert not is_signed_in(browser)
    with_routes(company)
    assert company.signed_in("max").get("/read").json()["stores"] == ["S7", "S9"]


def test_the_last_owner_stays_one(company: People) -> None:
    owner = company.signed_in("olga")
    number = company.numbers["olga"]
    for change, data in (("disable", {}), ("rights", {"role": "analyst"})):
        answer = owner.post(f"/people/{number}/{change}", data=data)
        assert answer.status_code == 400
        assert "last owner" in answer.text
    assert is_signed_in(owner)


def test_an_owner_looks_with_anothers_eyes_and_changes_nothing(company: People) -> None:
    with_routes(company)
    owner = company.signed_in("olga")
    former = company.browser()
    former.cookies.update(owner.cookies)
    assert owner.post(f"/people/{company.numbers['max']}/view-as").headers["location"] == "/"
    assert not is_signed_in(former)
    assert owner.get("/read").json()["stores"] == ["S1", "S2"]
    assert "You see what <strong>max</strong> sees" in owner.get("/nowhere").text
    for path in ("/decide", "/administer", "/people", "/account"):
        assert owner.get(path).status_code == 403
    assert owner.post("/account/password", data={"current": PASSWORD, "password": "x"}).status_code == 403
    assert owner.post("/view-as/end").headers["location"] == "/people"
    assert owner.get("/read").json()["whole"] is True
    seen = [(line.event, line.actor, line.subject) for line in log_of(company) if line.event.startswith("view as")]
    assert seen == [("view as began", "olga", "max"), ("view as ended", "olga", "max")]


def test_who_is_disabled_is_looked_through_no_more(company: People) -> None:
    with_routes(company)
    looking, owner = company.signed_in("olga"), company.signed_in("olga")
    looking.post(f"/people/{company.numbers['max']}/view-as")
    owner.post(f"/people/{company.numbers['max']}/disable")
    assert looking.get("/read").json()["name"] == "olga"
    answer = owner.post(f"/people/{company.numbers['max']}/view-as")
    assert (answer.status_code, "who may sign in" in answer.text) == (400, True)


def test_asvs_16_3_1_every_sign_in_and_failure_is_logged_without_secrets(company: People, clock: Clock) -> None:
    app, codes = with_second_factor(company)
    browser = company.browser(address="203.0.113.5")
    tried(browser, "hunter2 typed as a name", "secret of nobody")
    tried(browser, "olga", "wrong one")
    tried(browser, "olga", PASSWORD)
    browser.post("/login/second-factor", data={"code": "000000"})
    browser.post("/login/second-factor", data={"code": codes[0]})
    browser.post("/logout")
    lines = log_of(company)
    assert [(line.event, line.actor) for line in lines] == [
        ("sign-in failed", ""),
        ("sign-in failed", "olga"),
        ("sign-in failed", "olga"),
        ("recovery code used", "olga"),
        ("signed in", "olga"),
        ("signed out", "olga"),
    ]
    assert {line.address for line in lines} == {"203.0.113.5"}
    assert {line.at for line in lines} == {clock.now}
    for secret in ("hunter2", "secret of nobody", "wrong one", PASSWORD, "000000", codes[0], str(app.secret)):
        assert secret not in str(lines)


def test_the_log_ends_after_so_many_days(company: People, clock: Clock) -> None:
    tried(company.browser(), "olga", PASSWORD)
    clock.move(days=company.auth.settings.audit_days - 1)
    tried(company.browser(), "anna", PASSWORD)
    assert [line.actor for line in log_of(company)] == ["olga", "anna"]
    clock.move(days=2)
    tried(company.browser(), "max", PASSWORD)
    assert [line.actor for line in log_of(company)] == ["anna", "max"]


def test_asvs_16_3_2_refusals_are_logged(company: People) -> None:
    company.signed_in("anna").get("/people")
    [line] = log_of(company)
    assert (line.event, line.actor, line.detail) == ("refused", "anna", "GET /people: needs administer")


def test_asvs_16_3_3_every_change_of_a_user_is_logged(company: People) -> None:
    owner = company.signed_in("olga")
    assert "/welcome/" in owner.post("/people", data={"name": " Nina ", "role": "manager", "stores": "S1"}).text
    with company.auth.database.reading() as connection:
        nina = users.named(connection, "nina").id
    for change in ("link", "end-sessions", "reset-second-factor", "disable", "enable"):
        assert owner.post(f"/people/{nina}/{change}").status_code in {200, 303}
    assert owner.post(f"/people/{nina}/rights", data={"role": "analyst"}).status_code == 303
    assert [(line.event, line.actor, line.subject) for line in log_of(company)] == [
        (event, "olga", "nina")
        for event in ("user added", "one-time link made", "one-time link made", "session ended",
                      "second factor off", "user disabled", "user enabled", "user changed")
    ]  # fmt: skip
    page = owner.get("/audit", params={"event": "user added"}).text
    assert "manager: S1" in page
    assert "analyst" not in page


def test_the_audit_page_leads_to_older_lines(company: People, clock: Clock) -> None:
    with company.auth.database.writing() as connection:
        for number in range(205):
            audit.write(connection, audit.Entry(clock(), audit.Event.DECIDED, "max", f"line {number}"))
    owner = company.signed_in("olga")
    first = owner.get("/audit").text
    assert "line 204<" in first
    assert "line 104<" not in first
    older = first.split('<a href="/audit?')[1].split('"')[0].replace("&amp;", "&")
    assert "line 104<" in owner.get(f"/audit?{older}").text


def test_somebody_new_comes_in_by_the_link_that_the_owner_hands_over(company: People) -> None:
    owner = company.signed_in("olga")
    page = owner.post("/people", data={"name": "nina", "role": "analyst"}).text
    link = page.split("<code>")[1].split("</code>")[0]
    assert link.startswith("https://emma.test/welcome/")
    browser: TestClient = company.browser()
    assert "Welcome, nina" in browser.get(link).text
    browser.post(link, data={"password": "seven green lanterns"})
    assert is_signed_in(browser)
