"""OWASP ASVS 5.0: second factors that are demanded and kept closed, and what users are told of their own account."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
import sqlalchemy as sa
from pydantic import ValidationError
from starlette.testclient import TestClient
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from emma_platform.web.app import create_app
from emma_platform.web.auth import links, passwords, second_factor, users
from emma_platform.web.auth.schema import users as rows
from emma_platform.web.auth.seal import KeyFileError, Seal
from emma_platform.web.auth.state import Auth
from emma_platform_tests.web.auth.test_asvs_passwords import (
    PASSWORD,
    SECURITY,
    WRONG,
    is_signed_in,
    tried,
    with_second_factor,
)
from emma_platform_tests.web.people import Clock, People, cheap, people

ELSEWHERE = "203.0.113.9"


@pytest.fixture
def strict(tmp_path: Path, clock: Clock) -> Iterator[People]:
    """A company whose owners and engineers must have a second factor."""
    company = people(cheap(tmp_path, second_factor_for="owner, engineer"), clock=clock)
    yield company
    company.close()


def sign_in(company: People, name: str = "olga", *, address: str = "198.51.100.7") -> tuple[TestClient, str]:
    """A browser after the password, and where it was sent."""
    browser = company.browser(address=address)
    answer = browser.post("/login", data={"name": name, "password": PASSWORD, "next": "/data"})
    return browser, answer.headers["location"]


def test_asvs_6_2_4_the_3000_most_common_passwords_are_refused() -> None:
    common = [password for password in FREQUENCY_LISTS["passwords"][:3_000] if len(password) >= passwords.SHORTEST]
    assert len(common) > 300
    assert [password for password in common[::5] if passwords.what_is_wrong(password, ()) is None] == []


def test_asvs_6_3_3_a_role_that_must_have_a_second_factor_sees_nothing_before(strict: People, clock: Clock) -> None:
    browser, sent = sign_in(strict)
    assert sent == "/login/second-factor/new?next=%2Fdata"
    for path in ("/account", "/people", "/api/openapi.json"):
        assert browser.get(path).status_code in {303, 401}
    page = browser.get(sent)
    secret = re.search(r'name="secret" value="([A-Z2-7]{32})"', page.text)
    assert secret
    given = {"secret": secret[1], "next": "/data"}
    assert browser.post("/login/second-factor/new", data=given | {"code": "000000"}).status_code == 400
    assert browser.post("/login/second-factor", data={"code": "000000"}).status_code == 401
    assert not is_signed_in(browser)
    codes = browser.post("/login/second-factor/new", data=given | {"code": pyotp.TOTP(secret[1]).at(clock.now)})
    assert "Keep these recovery codes" in codes.text
    assert 'href="/data"' in codes.text
    assert is_signed_in(browser)
    assert sign_in(strict)[1] == "/login/second-factor?next=%2Fdata"


def test_asvs_6_3_3_who_waits_for_a_code_cannot_choose_another_app(strict: People) -> None:
    with_second_factor(strict)
    browser, _ = sign_in(strict)
    for answer in (
        browser.get("/login/second-factor/new"),
        browser.post("/login/second-factor/new", data={"secret": second_factor.new_secret(), "code": "000000"}),
    ):
        assert answer.headers["location"].startswith("/login?")


def test_asvs_6_3_3_who_must_have_a_second_factor_cannot_turn_it_off(strict: People) -> None:
    with_second_factor(strict)
    browser = strict.signed_in("olga")
    assert "Turn it off" not in browser.get("/account").text
    assert browser.post("/account/second-factor/off").status_code == 403
    with strict.auth.database.reading() as connection:
        assert users.named(connection, "olga").totp_secret


def test_asvs_6_3_3_other_roles_are_offered_it(strict: People) -> None:
    assert sign_in(strict, "max")[1] == "/data"
    with pytest.raises(ValidationError, match="there is no role boss; there are owner"):
        cheap(Path(), second_factor_for="owner,boss")
    assert len(cheap(Path(), second_factor_for="everybody").second_factor_roles) == 4
    assert "EMMA_SECOND_FACTOR_FOR" in SECURITY


@pytest.mark.parametrize(
    ("failures", "address", "told"), [(2, "198.51.100.7", False), (3, "198.51.100.7", True), (1, ELSEWHERE, True)]
)
def test_asvs_6_3_5_suspicious_attempts_are_told_at_the_next_sign_in(
    company: People, failures: int, address: str, told: bool
) -> None:
    sign_in(company)
    stranger = company.browser(address=address)
    assert [tried(stranger, password=WRONG) for _ in range(failures)] == [401] * failures
    browser, sent = sign_in(company)
    assert sent == ("/account/news?next=%2Fdata" if told else "/data")
    if told:
        page = browser.get(sent).text
        assert page.count("sign-in failed") == failures
        assert address in page
        assert 'href="/data"' in page
    assert browser.get("/account").text.count("sign-in failed") == failures
    assert sign_in(company)[1] == "/data"


def test_asvs_6_3_5_a_right_password_without_its_code_is_told(company: People, clock: Clock) -> None:
    app, _ = with_second_factor(company)

    def signed_in() -> str:
        browser, _ = sign_in(company)
        clock.move(seconds=90)
        data = {"code": app.at(clock.now), "next": "/data"}
        return str(browser.post("/login/second-factor", data=data).headers["location"])

    assert signed_in() == "/data"
    thief, _ = sign_in(company, address=ELSEWHERE)
    assert thief.post("/login/second-factor", data={"code": "000000"}).status_code == 401
    assert signed_in() == "/account/news?next=%2Fdata"


def test_asvs_6_3_7_changes_of_how_one_signs_in_are_told_to_the_user_alone(company: People, clock: Clock) -> None:
    sign_in(company, "max")
    sign_in(company)
    owner = company.signed_in("olga")
    assert owner.post(f"/people/{company.numbers['max']}/link").status_code == 200
    with company.auth.database.writing() as connection:
        token = links.make(connection, company.numbers["max"], clock())
    answer = company.browser().post(f"/welcome/{token}", data={"password": PASSWORD})
    assert answer.headers["location"] == "/account/news?next=%2F"
    browser, sent = sign_in(company, "max")
    assert sent == "/data"
    page = browser.get("/account").text
    assert "one-time link made" in page
    assert "password set" in page
    assert sign_in(company)[1] == "/data"
    assert "password set" not in owner.get("/account").text


def key_file(folder: Path, *keys: bytes) -> Path:
    file = folder / "key"
    file.write_text("\n".join(base64.b64encode(key).decode() for key in keys))
    return file


def kept_secrets(auth: Auth) -> dict[int, str]:
    with auth.database.reading() as connection:
        return {row.id: row.totp_secret for row in connection.execute(sa.select(rows)) if row.totp_secret}


def test_asvs_13_3_1_secrets_of_second_factors_are_closed_with_a_key_that_can_change(
    tmp_path: Path, clock: Clock
) -> None:
    before = people(cheap(tmp_path), clock=clock)
    app, _ = with_second_factor(before)
    number = before.numbers["olga"]
    assert kept_secrets(before.auth) == {number: app.secret}
    before.close()

    def signs_in(*keys: bytes) -> int:
        settings = cheap(tmp_path, secrets_key_file=key_file(tmp_path, *keys)) if keys else cheap(tmp_path)
        company = People(create_app(settings, clock=clock), before.numbers)
        kept = kept_secrets(company.auth)[number]
        assert app.secret not in kept
        assert len(kept) == 64
        browser, _ = sign_in(company)
        clock.move(seconds=90)
        status = browser.post("/login/second-factor", data={"code": app.at(clock.now)}).status_code
        company.close()
        return int(status)

    old, new, other = (bytes([number]) * 32 for number in (1, 2, 3))
    assert [signs_in(old), signs_in(new, old), signs_in(new), signs_in(old), signs_in(other), signs_in()] == [
        303, 303, 303, 401, 401, 401,
    ]  # fmt: skip


def test_asvs_13_3_1_a_secret_opens_in_its_own_row_alone() -> None:
    seal, secret = Seal((b"k" * 32,)), second_factor.new_secret()
    kept = seal.close(secret, 1)
    assert seal.open(kept, 1) == secret
    assert seal.open(kept, 2) is None
    assert seal.close(secret, 1) != kept


@pytest.mark.parametrize("written", ["", "short", base64.b64encode(b"x" * 31).decode()])
def test_asvs_13_3_1_a_key_that_is_none_is_refused(tmp_path: Path, written: str) -> None:
    (tmp_path / "key").write_text(written)
    with pytest.raises(KeyFileError, match="must hold a key of 32 bytes: openssl rand -base64 32"):
        Seal.of(tmp_path / "key")
    with pytest.raises(KeyFileError, match="nothing cannot be read: No such file"):
        Seal.of(tmp_path / "nothing")
