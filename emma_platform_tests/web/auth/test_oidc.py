"""Signing in with the company's own accounts, at a provider that really runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc.jwk import ECKey
from pydantic import SecretStr
from starlette.testclient import TestClient

from emma_platform.web.auth import second_factor
from emma_platform_tests.web.auth.provider import CLIENT, SECRET, Provider
from emma_platform_tests.web.auth.test_asvs_access import log_of
from emma_platform_tests.web.auth.test_asvs_passwords import is_signed_in
from emma_platform_tests.web.people import People, cheap, people


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as found:
        yield found
        found.shutdown()


@pytest.fixture
def company(tmp_path: Path, provider: Provider) -> Iterator[People]:
    secret = SecretStr(SECRET)
    found = people(cheap(tmp_path, oidc_issuer=provider.issuer, oidc_client_id=CLIENT, oidc_client_secret=secret))
    yield found
    found.close()


def way_back(browser: TestClient) -> str:
    """The address that the provider sends a browser back to."""
    there = browser.get("/login/company?next=/account").headers["location"]
    asked = parse_qs(urlsplit(there).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == ["https://emma.test/login/company/back"]
    assert len(asked["nonce"][0]) >= 20
    with httpx2.Client() as client:
        return client.get(there).headers["location"]


def test_a_user_comes_in_with_the_companys_account(company: People) -> None:
    browser = company.browser()
    assert 'href="/login/company?next=/"' in browser.get("/login").text
    answer = browser.get(way_back(browser))
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert is_signed_in(browser)
    [line] = log_of(company)
    assert (line.event, line.actor, line.detail) == ("signed in", "anna", "company account")


def test_an_answer_counts_once_and_in_the_browser_that_asked(company: People) -> None:
    browser, other = company.browser(), company.browser()
    address = way_back(browser)
    assert other.get(address).status_code == 401
    assert not is_signed_in(other)
    assert browser.get(address).status_code == 303
    assert browser.get(address).status_code == 401


@pytest.mark.parametrize("claims", [{"nonce": "another"}, {"aud": "another"}, {"iss": "https://evil.test"}, {"exp": 1}])
def test_what_the_provider_did_not_say_to_us_counts_for_nothing(
    company: People, provider: Provider, claims: dict[str, object]
) -> None:
    provider.claims |= claims
    browser = company.browser()
    assert browser.get(way_back(browser)).status_code == 401
    assert not is_signed_in(browser)
    assert log_of(company)[-1].event == "sign-in failed"


def test_what_somebody_else_signed_counts_for_nothing(company: People, provider: Provider) -> None:
    provider.published = ECKey.generate_key("P-256", {"kid": "1", "use": "sig", "alg": "ES256"})
    browser = company.browser()
    assert browser.get(way_back(browser)).status_code == 401


@pytest.mark.parametrize("claims", [{"preferred_username": "stranger"}, {"preferred_username": None}])
def test_who_is_no_user_stays_out(company: People, provider: Provider, claims: dict[str, object]) -> None:
    provider.claims = claims
    browser = company.browser()
    assert browser.get(way_back(browser)).status_code == 403
    assert not is_signed_in(browser)


def test_a_second_factor_is_asked_for_all_the_same(company: People) -> None:
    with company.auth.database.writing() as connection:
        second_factor.turn_on(connection, company.numbers["anna"], second_factor.new_secret(), 0)
    browser = company.browser()
    assert browser.get(way_back(browser)).headers["location"].startswith("/login/second-factor")
    assert not is_signed_in(browser)


@pytest.mark.parametrize("begun", [True, False])
def test_a_provider_that_is_away_is_said_to_be(company: People, provider: Provider, begun: bool) -> None:
    browser = company.browser()
    address = way_back(browser) if begun else "/login/company"
    provider.shutdown()
    provider.server_close()
    answer = browser.get(address)
    assert (answer.status_code, "cannot be reached" in answer.text) == (502, True)


def test_without_a_provider_there_is_no_such_way(tmp_path: Path) -> None:
    alone = people(cheap(tmp_path / "alone"))
    browser = alone.browser()
    assert "company" not in browser.get("/login").text
    assert browser.get("/login/company").status_code == 404
    alone.close()
