"""OWASP ASVS 5.0, chapter 6: passwords, attempts, second factors. Each test is named after the item that it proves."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from emma_platform.web.app import create_app
from emma_platform.web.auth import links, passwords, second_factor, users
from emma_platform.web.auth.breached import Breached, HashFileError
from emma_platform.web.auth.state import Auth
from emma_platform_tests.web.people import PASSWORD, Clock, People, cheap, people

SECURITY = (Path(__file__).parents[3] / "docs" / "security.md").read_text(encoding="utf-8")
WRONG = "not this one at all"


def tried(browser: TestClient, name: str = "olga", password: str = WRONG) -> int:
    """The status of one attempt to sign in."""
    return browser.post("/login", data={"name": name, "password": password}).status_code


def with_second_factor(company: People, name: str = "olga") -> tuple[pyotp.TOTP, list[str]]:
    """Somebody's app, and their recovery codes."""
    secret = second_factor.new_secret()
    with company.auth.database.writing() as connection:
        codes = second_factor.turn_on(connection, company.numbers[name], secret, 0)
    return pyotp.TOTP(secret), codes


def is_signed_in(browser: TestClient) -> bool:
    return browser.get("/account").status_code == 200


def test_asvs_6_1_1_attempts_are_limited_and_strangers_lock_nobody_out(company: People, clock: Clock) -> None:
    signed_in, stranger = company.signed_in("olga"), company.browser(address="203.0.113.9")
    assert [tried(stranger) for _ in range(6)] == [401] * 5 + [429]
    assert tried(stranger, password=PASSWORD) == 429
    assert is_signed_in(signed_in)
    assert tried(company.browser(address="198.51.100.8"), password=PASSWORD) == 303
    clock.move(seconds=61)
    assert [tried(stranger) for _ in range(6)] == [401] * 5 + [429]
    clock.move(seconds=61)
    answer = stranger.post("/login", data={"name": "olga", "password": WRONG})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 60
    for limit in ("5 a minute", "10 a quarter of an hour", "30 a day"):
        assert limit in SECURITY


def test_asvs_6_1_1_an_address_has_a_limit_over_all_names(company: People) -> None:
    stranger = company.browser(address="2001:db8::1")
    neighbour = company.browser(address="2001:db8::2")
    tries = [tried(stranger if number % 2 else neighbour, f"user{number}") for number in range(31)]
    assert tries == [401] * 30 + [429]
    assert tried(company.browser(address="2001:db8:0:1::1"), password=PASSWORD) == 303


@pytest.mark.parametrize("password", ["short", "", "x" * 7])
def test_asvs_6_2_1_a_password_has_at_least_8_characters(password: str) -> None:
    assert "at least 8" in (passwords.what_is_wrong(password, ()) or "")


def test_asvs_6_2_2_and_3_users_change_their_password_with_the_present_one(company: People) -> None:
    browser = company.signed_in("max")
    new = "seven green lanterns hum"
    wrong = browser.post("/account/password", data={"current": WRONG, "password": new})
    assert wrong.status_code == 401
    assert tried(company.browser(), "max", PASSWORD) == 303
    assert browser.post("/account/password", data={"current": PASSWORD, "password": new}).status_code == 303
    assert is_signed_in(browser)
    assert (tried(company.browser(), "max", PASSWORD), tried(company.browser(), "max", new)) == (401, 303)


@pytest.mark.parametrize("password", ["password", "12345678", "iloveyou", "qwertyuiop", "letmein123"])
def test_asvs_6_2_4_common_passwords_are_refused(password: str) -> None:
    assert "easily guessed" in (passwords.what_is_wrong(password, ()) or "")


@pytest.mark.parametrize(
    "password", ["gravel otter mandolin", "9384759283475923", "Жѵ§ü漢字ß∑π9 ", "a" + " " * 3 + "zq7vkp0mx"]
)
def test_asvs_6_2_5_any_characters_make_a_password(password: str) -> None:
    assert passwords.what_is_wrong(password, ()) is None


def test_asvs_6_2_6_and_7_fields_are_masked_and_open_to_password_managers(company: People) -> None:
    field = re.search(r"<input id=\"password\"[^>]*>", company.browser().get("/login").text)
    assert field
    assert 'type="password"' in field[0]
    assert 'autocomplete="current-password"' in field[0]
    assert "onpaste" not in field[0]


def test_asvs_6_2_8_a_password_counts_exactly_as_typed(company: People) -> None:
    browser = company.browser()
    for almost in (PASSWORD.upper(), PASSWORD + " ", " " + PASSWORD, PASSWORD[:-1]):
        assert tried(browser, password=almost) == 401
    assert tried(browser, password=PASSWORD) == 303


def test_asvs_6_2_9_passwords_of_128_characters_are_taken(company: People) -> None:
    long = "quiet harbour " * 8 + "0123456789abcdef"
    assert len(long) == 128
    browser = company.signed_in("max")
    assert browser.post("/account/password", data={"current": PASSWORD, "password": long}).status_code == 303
    assert (tried(company.browser(), "max", long), tried(company.browser(), "max", long[:-1])) == (303, 401)
    assert "Too long" in (passwords.what_is_wrong(long + "x", ()) or "")


def test_asvs_6_2_10_a_password_never_expires(company: People, clock: Clock) -> None:
    clock.move(days=3_650)
    assert tried(company.browser(), password=PASSWORD) == 303


@pytest.mark.parametrize("password", ["olga.smirnova1", "Emma-Platform-1", "KramerSons2026"])
def test_asvs_6_2_11_words_that_everybody_would_try_are_refused(password: str) -> None:
    assert passwords.what_is_wrong(password, ("olga.smirnova", "Kramer Sons"))


KNOWN = ("gravel otter mandolin", "Жѵ§ü漢字ß∑π9 ", "seven green lanterns hum")


def hash_file(folder: Path, known: Iterable[str], end: str = "\r\n") -> Path:
    """A file of breached passwords, as the Pwned Passwords downloader writes it."""
    hashes = sorted(hashlib.sha1(one.encode(), usedforsecurity=False).hexdigest().upper() for one in known)
    file = folder / "pwned.txt"
    file.write_bytes("".join(f"{one}:{number}{end}" for number, one in enumerate(hashes, 1)).encode())
    return file


@given(st.sets(st.text(max_size=5), min_size=1, max_size=40), st.text(max_size=5), st.sampled_from(["\n", "\r\n"]))
def test_asvs_6_2_12_what_is_in_the_file_is_known_and_nothing_else(known: set[str], other: str, end: str) -> None:
    with TemporaryDirectory() as folder:
        breached = Breached.of(hash_file(Path(folder), known, end))
        assert all(map(breached.holds, known))
        assert breached.holds(other) == (other in known)


def test_asvs_6_2_12_passwords_of_breaches_are_refused(tmp_path: Path) -> None:
    file = hash_file(tmp_path, KNOWN)
    with closing(people(cheap(tmp_path / "home", breached_passwords_file=file))) as company:
        browser = company.signed_in("max")
        for new, status in ((KNOWN[0], 400), ("eight green lanterns hum", 303)):
            answer = browser.post("/account/password", data={"current": PASSWORD, "password": new})
            assert answer.status_code == status
            assert ("became known" in answer.text) == (status == 400)


@pytest.mark.parametrize("content", ["", "hunter2\n", "da39a3ee5e6b4b0d3255bfef95601890afd80709:1\n"])
def test_asvs_6_2_12_another_file_is_refused_with_what_it_must_hold(tmp_path: Path, content: str) -> None:
    file = tmp_path / "pwned.txt"
    with pytest.raises(HashFileError, match="cannot be read"):
        Breached.of(file)
    file.write_text(content)
    with pytest.raises(HashFileError, match="Pwned Passwords downloader"):
        Breached.of(file)


def test_asvs_6_3_2_there_is_no_account_until_one_is_made(users_url: str, tmp_path: Path) -> None:
    app = create_app(cheap(tmp_path, users_url=users_url))
    auth: Auth = app.state.auth
    with auth.database.reading() as connection:
        assert users.everyone(connection) == []
    auth.close()


def test_asvs_6_3_3_the_second_factor_is_asked_for_before_anything_is_shown(company: People, clock: Clock) -> None:
    app, _ = with_second_factor(company)
    browser = company.browser()
    answer = browser.post("/login", data={"name": "olga", "password": PASSWORD, "next": "/people"})
    assert answer.headers["location"] == "/login/second-factor?next=%2Fpeople"
    assert browser.get("/people").status_code == 303
    assert browser.post("/login/second-factor", data={"code": "000000"}).status_code == 401
    answer = browser.post("/login/second-factor", data={"code": app.at(clock.now), "next": "/people"})
    assert answer.headers["location"] == "/people"
    assert browser.get("/people").status_code == 200


def test_asvs_6_3_3_the_second_step_must_follow_within_five_minutes(company: People, clock: Clock) -> None:
    app, _ = with_second_factor(company)
    browser = company.browser()
    assert tried(browser, password=PASSWORD) == 303
    clock.move(minutes=5)
    answer = browser.post("/login/second-factor", data={"code": app.at(clock.now)})
    assert answer.headers["location"].startswith("/login?")


def test_asvs_6_4_1_a_one_time_link_is_random_works_once_and_ends(company: People, clock: Clock) -> None:
    with company.auth.database.writing() as connection:
        first, token = (links.make(connection, company.numbers["max"], clock()) for _ in range(2))
    assert len(token) == 43
    browser = company.browser()
    assert browser.get(f"/welcome/{first}").status_code == 404
    assert browser.get(f"/welcome/{token}").status_code == browser.get(f"/welcome/{token}").status_code == 200
    assert browser.post(f"/welcome/{token}", data={"password": "password1"}).status_code == 400
    assert browser.post(f"/welcome/{token}", data={"password": "seven green lanterns"}).headers["location"] == "/"
    assert is_signed_in(browser)
    assert company.browser().post(f"/welcome/{token}", data={"password": PASSWORD}).status_code == 404
    with company.auth.database.writing() as connection:
        late = links.make(connection, company.numbers["max"], clock())
    clock.move(hours=24)
    assert browser.get(f"/welcome/{late}").status_code == 404


def test_asvs_6_4_3_a_new_password_by_link_does_not_replace_the_second_factor(company: People, clock: Clock) -> None:
    with_second_factor(company, "max")
    with company.auth.database.writing() as connection:
        token = links.make(connection, company.numbers["max"], clock())
    browser = company.browser()
    answer = browser.post(f"/welcome/{token}", data={"password": "seven green lanterns"})
    assert answer.headers["location"].startswith("/login/second-factor")
    assert not is_signed_in(browser)


def test_asvs_6_5_1_codes_and_recovery_codes_count_once(company: People, clock: Clock) -> None:
    app, codes = with_second_factor(company)
    assert len(set(codes)) == second_factor.RECOVERY_CODES

    def second(code: str) -> int:
        browser = company.browser()
        assert tried(browser, password=PASSWORD) == 303
        return browser.post("/login/second-factor", data={"code": code}).status_code

    code = app.at(clock.now)
    assert [second(code), second(code)] == [303, 401]
    assert [second(codes[0].upper()), second(codes[0]), second(codes[1].replace("-", " "))] == [303, 401, 303]


def test_asvs_6_5_5_a_code_counts_for_its_step_and_one_beside_it(company: People, clock: Clock) -> None:
    secret = second_factor.new_secret()
    app = pyotp.TOTP(secret)
    step = int(clock.now.timestamp()) // 30
    found = {
        offset: second_factor.step_of(secret, app.at(clock.now + timedelta(seconds=30 * offset)), clock.now)
        for offset in range(-2, 3)
    }
    assert found == {-2: None, -1: step - 1, 0: step, 1: step + 1, 2: None}


def test_asvs_6_6_3_codes_cannot_be_guessed_from_many_addresses(company: People) -> None:
    with_second_factor(company)
    statuses = []
    for number in range(6):
        browser = company.browser(address=f"198.51.100.{number}")
        tried(browser, password=PASSWORD)
        statuses.append(browser.post("/login/second-factor", data={"code": "000000"}).status_code)
    assert statuses == [401] * 5 + [429]


def test_asvs_11_4_2_passwords_are_kept_by_argon2_and_renewed_with_its_parameters(company: People) -> None:
    assert tried(company.browser(), password=PASSWORD) == 303
    with company.auth.database.writing() as connection:
        weak = passwords.Passwords(passes=1, kibibytes=16).hash_now(PASSWORD)
        users.set_password_hash(connection, company.numbers["olga"], weak)
    assert tried(company.browser(), password=PASSWORD) == 303
    with company.auth.database.reading() as connection:
        kept = users.named(connection, "olga").password_hash
    assert kept
    assert kept.startswith("$argon2id$v=19$m=8,t=1,p=1$")
