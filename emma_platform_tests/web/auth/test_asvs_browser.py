"""OWASP ASVS 5.0, chapters 3, 4, 13 and 14: what browsers and proxies are told, and requests of other sites."""

from __future__ import annotations

import pytest
from fastapi import WebSocket
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from emma_platform.web.security import CONTENT_SECURITY_POLICY
from emma_platform_tests.web.auth.test_asvs_passwords import is_signed_in
from emma_platform_tests.web.people import PASSWORD, People

OLGA = {"name": "olga", "password": PASSWORD}


def test_asvs_3_3_1_to_4_the_cookie_is_for_this_host_https_and_no_script(company: People) -> None:
    given = company.browser().post("/login", data=OLGA).headers["set-cookie"]
    name, *flags = given.split("; ")
    assert name.startswith("__Host-emma=")
    assert set(flags) == {"HttpOnly", "Path=/", "SameSite=lax", "Secure"}


@pytest.mark.parametrize("host", ["http://127.0.0.1:8000", "http://localhost:8000"])
def test_asvs_3_3_1_plain_http_signs_in_on_the_machine_itself(company: People, host: str) -> None:
    browser = company.browser(host=host)
    given = browser.post("/login", data=OLGA).headers["set-cookie"]
    assert given.startswith("emma=")
    assert "Secure" not in given
    assert is_signed_in(browser)


def test_asvs_12_2_1_plain_http_from_elsewhere_signs_nobody_in(company: People) -> None:
    browser = company.browser(host="http://emma.test")
    assert "over plain http" in browser.get("/login").text
    answer = browser.post("/login", data=OLGA)
    assert (answer.status_code, "set-cookie" in answer.headers) == (400, False)


def test_asvs_3_4_1_https_is_demanded_with_subdomains(company: People) -> None:
    assert company.browser().get("/login").headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
    assert "strict-transport-security" not in company.browser(host="http://127.0.0.1").get("/login").headers


@pytest.mark.parametrize("path", ["/login", "/account", "/nowhere", "/api/nowhere"])
def test_asvs_3_4_3_to_6_and_14_3_2_every_answer_has_the_headers(company: People, path: str) -> None:
    headers = company.signed_in("olga").get(path).headers
    policy = dict(part.split(" ", 1) for part in CONTENT_SECURITY_POLICY.split("; "))
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert {policy[name] for name in ("default-src", "base-uri", "object-src", "frame-ancestors")} == {"'none'"}
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-site"}, True),
        ({"sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"origin": "https://evil.test"}, True),
        ({"origin": "null"}, True),
        ({"origin": "https://emma.test"}, False),
        ({}, False),
    ],
)
def test_asvs_3_5_1_requests_of_other_sites_are_refused(
    company: People, headers: dict[str, str], refused: bool
) -> None:
    browser = TestClient(company.app, "https://emma.test", follow_redirects=False)
    browser.cookies.update(company.signed_in("olga").cookies)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (browser.request(method, "/logout", headers=headers).status_code == 403) is refused
        browser.cookies.update(company.signed_in("olga").cookies)


def test_asvs_3_5_1_websockets_of_other_sites_are_refused(company: People) -> None:
    @company.app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(socket.state.signed.name)
        await socket.close()

    browser = company.signed_in("olga")
    with browser.websocket_connect("wss://emma.test/live") as socket:
        assert socket.receive_text() == "olga"
    foreign = {"sec-fetch-site": "cross-site"}
    with pytest.raises(WebSocketDisconnect), browser.websocket_connect("wss://emma.test/live", headers=foreign):
        pass


@pytest.mark.parametrize("path", ["/logout", "/account/password", "/people", "/people/1/disable", "/view-as/end"])
def test_asvs_3_5_3_reading_changes_nothing(company: People, path: str) -> None:
    browser = company.signed_in("olga")
    assert browser.get(path).status_code in {200, 404, 405}
    assert is_signed_in(browser)


@pytest.mark.parametrize("onward", ["//evil.test", "https://evil.test", "/\\evil.test", "evil", "/a\nb", ""])
def test_asvs_3_7_2_signing_in_leads_to_no_other_site(company: People, onward: str) -> None:
    answer = company.browser().post("/login", data=OLGA | {"next": onward})
    assert answer.headers["location"] == "/"


def test_asvs_4_1_3_headers_of_proxies_do_not_count(company: People) -> None:
    forged = {"x-forwarded-for": "203.0.113.1", "x-forwarded-proto": "https", "forwarded": "for=203.0.113.1"}
    browser = company.browser(host="http://127.0.0.1")
    wrong = OLGA | {"password": "not this one"}
    statuses = [
        browser.post("/login", data=wrong, headers=forged | {"x-forwarded-for": f"203.0.113.{number}"}).status_code
        for number in range(6)
    ]
    assert statuses == [401] * 5 + [429]
    assert "strict-transport-security" not in browser.get("/login", headers=forged).headers


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
def test_asvs_13_4_5_the_descriptions_of_the_api_are_not_open(company: People, path: str) -> None:
    assert company.browser().get(path).status_code in {303, 401, 404}
