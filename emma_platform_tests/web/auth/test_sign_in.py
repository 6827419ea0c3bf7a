"""Signing in and out in a browser."""

from __future__ import annotations

from fastapi import Request

from emma_platform.web.auth.cookies import SECURE_NAME
from emma_platform_tests.web.people import PASSWORD, People


def test_the_right_password_signs_in_and_leads_on(company: People) -> None:
    browser = company.browser()
    assert "Sign in" in browser.get("/login").text
    answer = browser.post("/login", data={"name": " Olga", "password": PASSWORD, "next": "/people"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/people")
    assert browser.cookies[SECURE_NAME]
    assert browser.get("/login").status_code == 303


def test_a_wrong_password_and_an_unknown_name_look_the_same(company: People) -> None:
    browser = company.browser()
    wrong = browser.post("/login", data={"name": "olga", "password": "not this one"})
    unknown = browser.post("/login", data={"name": "nobody", "password": "not this one"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text.replace("olga", "") == unknown.text.replace("nobody", "")
    assert not browser.cookies


def test_a_session_says_who_asks_and_signing_out_ends_it(company: People) -> None:
    @company.app.get("/who")
    def who(request: Request) -> str:
        return repr(request.state.signed)

    assert company.browser().get("/who").json() == "None"
    browser = company.signed_in("max")
    assert "name='max'" in browser.get("/who").json()
    assert "StoreScope(stores=frozenset({'S" in browser.get("/who").json()
    thief = company.browser()
    thief.cookies.update(browser.cookies)
    browser.post("/logout")
    assert thief.get("/who").json() == "None"
