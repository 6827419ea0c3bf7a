"""OWASP ASVS 5.0, chapter 7: sessions. Each test is named after the item that it proves."""

from __future__ import annotations

import re

import pyotp
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from emma_platform.web.auth import sessions
from emma_platform.web.auth.cookies import SECURE_NAME
from emma_platform.web.auth.schema import sessions as rows
from emma_platform_tests.web.auth.test_asvs_passwords import SECURITY, is_signed_in, tried, with_second_factor
from emma_platform_tests.web.people import PASSWORD, Clock, People


def copy_of(company: People, browser: TestClient) -> TestClient:
    """A browser with the same cookies, as a thief would have it."""
    copy = company.browser()
    copy.cookies.update(browser.cookies)
    return copy


def test_asvs_7_1_1_and_2_ages_and_parallel_sessions_are_documented(company: People) -> None:
    settings = company.auth.settings
    assert f"{settings.session_idle_minutes} minutes" in SECURITY
    assert f"{settings.session_days} days" in SECURITY
    assert "as many places" in SECURITY


def test_asvs_7_2_2_and_3_tokens_are_random_long_and_kept_as_hashes_only(company: People) -> None:
    tokens = {company.signed_in("olga").cookies[SECURE_NAME] for _ in range(3)}
    assert len(tokens) == 3
    assert all(re.fullmatch(r"[\w-]{43}", token) for token in tokens)
    with company.auth.database.reading() as connection:
        kept = str(connection.execute(sa.select(rows)).all())
    assert not any(token in kept for token in tokens)


def test_asvs_7_2_4_signing_in_gives_a_new_token_and_ends_the_former(company: People) -> None:
    browser = company.signed_in("olga")
    former = copy_of(company, browser)
    tried(browser, password=PASSWORD)
    assert (is_signed_in(former), is_signed_in(browser)) == (False, True)


def test_asvs_7_2_4_the_second_step_gives_a_new_token(company: People, clock: Clock) -> None:
    app, _ = with_second_factor(company)
    browser = company.browser()
    tried(browser, password=PASSWORD)
    former = copy_of(company, browser)
    browser.post("/login/second-factor", data={"code": app.at(clock.now)})
    assert (is_signed_in(former), is_signed_in(browser)) == (False, True)


def test_asvs_7_3_1_a_session_that_is_not_used_ends(company: People, clock: Clock) -> None:
    browser = company.signed_in("olga")
    for _ in range(3):
        clock.move(minutes=29)
        assert is_signed_in(browser)
    clock.move(minutes=30)
    assert not is_signed_in(browser)


def test_asvs_7_3_1_an_answer_that_took_long_neither_renews_nor_shortens_a_session(
    company: People, clock: Clock
) -> None:
    browser, asked_at = company.signed_in("olga"), clock()
    clock.move(minutes=29)
    assert is_signed_in(browser)
    with company.auth.database.writing() as connection:
        (session,) = connection.execute(sa.select(rows.c.id)).scalars()
        sessions.note_use(connection, session, asked_at)
    clock.move(minutes=29)
    assert is_signed_in(browser)


def test_asvs_7_3_2_a_session_ends_at_a_fixed_age(company: People, clock: Clock) -> None:
    browser = company.signed_in("olga")
    clock.move(days=7, seconds=-1)
    with company.auth.database.writing() as connection:
        connection.execute(sa.update(rows).values(last_used_at=clock()))
    assert is_signed_in(browser)
    clock.move(seconds=1)
    assert not is_signed_in(browser)


def test_asvs_7_4_1_logout_ends_the_session_at_the_server(company: People) -> None:
    browser = company.signed_in("olga")
    thief = copy_of(company, browser)
    assert is_signed_in(thief)
    answer = browser.post("/logout")
    assert answer.headers["location"] == "/login"
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert not is_signed_in(thief)


def test_asvs_7_4_2_disabling_a_user_ends_their_sessions_and_tokens(company: People) -> None:
    browser, owner = company.signed_in("max"), company.signed_in("olga")
    number = company.numbers["max"]
    assert owner.post(f"/people/{number}/disable").status_code == 303
    assert not is_signed_in(browser)
    assert tried(company.browser(), "max", PASSWORD) == 401
    assert owner.post(f"/people/{number}/enable").status_code == 303
    assert not is_signed_in(browser)
    assert tried(company.browser(), "max", PASSWORD) == 303


@pytest.mark.parametrize("others", ["yes", ""])
def test_asvs_7_4_3_changing_the_password_offers_to_end_the_other_sessions(company: People, others: str) -> None:
    browser, other = company.signed_in("max"), company.signed_in("max")
    assert 'name="others" value="yes" checked' in browser.get("/account").text
    data = {"current": PASSWORD, "password": "seven green lanterns", "others": others}
    browser.post("/account/password", data=data)
    assert (is_signed_in(browser), is_signed_in(other)) == (True, not others)


def test_asvs_7_4_4_every_page_shows_the_way_out(company: People) -> None:
    browser = company.signed_in("olga")
    for path in ("/account", "/people", "/audit"):
        assert 'action="/logout"' in browser.get(path).text


def test_asvs_7_4_5_owners_end_the_sessions_of_anybody(company: People) -> None:
    browser, other = company.signed_in("max"), company.signed_in("max")
    assert company.signed_in("olga").post(f"/people/{company.numbers['max']}/end-sessions").status_code == 303
    assert (is_signed_in(browser), is_signed_in(other)) == (False, False)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/account/password"), ("GET", "/account/second-factor"), ("POST", "/account/second-factor/off"),
        ("POST", "/account/tokens"), ("POST", "/people"), ("POST", "/people/1/disable"), ("POST", "/people/1/link"),
    ],
)  # fmt: skip
def test_asvs_7_5_1_what_matters_asks_once_more_who_it_is(
    company: People, clock: Clock, method: str, path: str
) -> None:
    browser = company.signed_in("olga")
    clock.move(minutes=10)
    data = {"name": "x", "role": "owner", "label": "x", "days": "1"} if method == "POST" else None
    answer = browser.request(method, path, data=data, headers={"referer": "https://emma.test/account?x=1"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/confirm?next=%2Faccount")
    assert "Confirm that it is you" in browser.get("/account").text


def test_asvs_7_5_1_the_proof_is_the_password_and_the_second_factor(company: People, clock: Clock) -> None:
    app, _ = with_second_factor(company)
    browser = company.signed_in("olga")
    clock.move(minutes=10)
    former = copy_of(company, browser)
    for data in ({"password": PASSWORD}, {"password": PASSWORD, "code": "000000"}, {"code": app.at(clock.now)}):
        assert browser.post("/confirm", data=data).status_code == 401
    answer = browser.post("/confirm", data={"password": PASSWORD, "code": app.at(clock.now), "next": "/people"})
    assert answer.headers["location"] == "/people"
    assert browser.post("/account/second-factor/off").headers["location"] == "/account"
    assert not is_signed_in(former)


def test_asvs_7_5_1_a_second_factor_is_turned_on_with_its_first_code(company: People, clock: Clock) -> None:
    browser = company.signed_in("max")
    shown = browser.get("/account/second-factor").text
    assert "data:image/svg+xml" in shown
    secret = re.search(r'name="secret" value="([A-Z2-7]{32})"', shown)
    assert secret
    wrong = browser.post("/account/second-factor", data={"secret": secret[1], "code": "000000"})
    assert wrong.status_code == 400
    assert tried(company.browser(), "max", PASSWORD) == 303
    code = pyotp.TOTP(secret[1]).at(clock.now)
    codes = re.findall(r"\b\w{4}-\w{4}-\w{4}-\w{4}\b", browser.post(
        "/account/second-factor", data={"secret": secret[1], "code": code}).text)  # fmt: skip
    assert len(codes) == 10
    other = company.browser()
    tried(other, "max", PASSWORD)
    assert other.post("/login/second-factor", data={"code": code}).status_code == 401
    assert other.post("/login/second-factor", data={"code": codes[3]}).status_code == 303


def test_asvs_7_5_2_users_see_and_end_their_own_sessions_and_no_others(company: People) -> None:
    browser, other, owner = company.signed_in("max"), company.signed_in("max"), company.signed_in("olga")
    with company.auth.database.reading() as connection:
        numbers = dict(connection.execute(sa.select(rows.c.token_hash, rows.c.id)).all())
    page = browser.get("/account").text
    assert page.count('/end"') == 2
    shown = [numbers[sessions.hash_of(one.cookies[SECURE_NAME])] for one in (browser, other, owner)]
    assert browser.post(f"/account/sessions/{shown[2]}/end").status_code == 303
    assert is_signed_in(owner)
    assert browser.post(f"/account/sessions/{shown[1]}/end").status_code == 303
    assert (is_signed_in(browser), is_signed_in(other)) == (True, False)
    third = company.signed_in("max")
    assert browser.post("/account/sessions/end-others").status_code == 303
    assert (is_signed_in(browser), is_signed_in(third)) == (True, False)
