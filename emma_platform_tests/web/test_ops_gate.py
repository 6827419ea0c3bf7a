"""The gate before Dagster: who gets through with which requests, whatever stands behind it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from emma_platform.web.auth.schema import sessions
from emma_platform.web.ops import create_ops_app, finder
from emma_platform.web.ops_gate import Behind
from emma_platform_tests.web.people import People, cheap, people

HOST = "https://emma.test:8001"
SOCKET = "wss://emma.test:8001/dagster/graphql"
QUERY = {"query": "{ version }"}


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """What stands for Dagster: says who it thinks asks."""
    if scope["type"] == "websocket":
        socket = WebSocket(scope, receive, send)
        await socket.accept()
        await socket.send_text(socket.state.signed.name)
        await socket.close()
    else:
        await JSONResponse({"name": Request(scope).state.signed.name})(scope, receive, send)


@pytest.fixture(scope="module")
def everybody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    found = people(cheap(tmp_path_factory.mktemp("gate")))
    yield found
    found.close()


@pytest.fixture(scope="module")
def behind() -> Behind:
    return Behind()


@pytest.fixture(scope="module")
def gate(everybody: People, behind: Behind) -> TestClient:
    app = create_ops_app(behind, finder(everybody.auth.settings), application_port=8000, own_port=8001)
    return TestClient(app, HOST, follow_redirects=False)


@pytest.fixture
def by(everybody: People, gate: TestClient, behind: Behind) -> Iterator[TestClient]:
    """The gate, whose cookies each test sets."""
    behind.app = echo
    yield gate
    gate.cookies.clear()


def signed_in(everybody: People, by: TestClient, name: str) -> TestClient:
    by.cookies = everybody.signed_in(name).cookies
    return by


def test_nobody_is_sent_to_the_sign_in_and_back(by: TestClient) -> None:
    page = by.get("/dagster/assets/product_kpis?view=lineage", headers={"accept": "text/html"})
    assert page.status_code == 303
    back = "/dagster/assets/product_kpis%3Fview%3Dlineage"
    assert page.headers["location"] == f"https://emma.test:8000/login?next={back}"
    assert by.get("/dagster/app.js").status_code == 401
    assert by.post("/dagster/graphql", json=QUERY).status_code == 401
    with pytest.raises(WebSocketDisconnect), by.websocket_connect(SOCKET):
        pass


def test_behind_a_proxy_the_sign_in_is_on_the_same_address(everybody: People, behind: Behind) -> None:
    app = create_ops_app(behind, finder(everybody.auth.settings), application_port=8000, own_port=8001)
    page = TestClient(app, "https://emma.test", follow_redirects=False).get("/dagster", headers={"accept": "text/html"})
    assert page.headers["location"] == "/login?next=/dagster"


@pytest.mark.parametrize(("name", "status"), [("olga", 200), ("anna", 200), ("emil", 200), ("max", 403)])
def test_who_has_the_permission_gets_through(everybody: People, by: TestClient, name: str, status: int) -> None:
    answer = signed_in(everybody, by, name).get("/dagster/assets")
    assert answer.status_code == status
    assert answer.headers["content-security-policy"] == "frame-ancestors 'none'"
    if status == 200:
        assert answer.json() == {"name": name}


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("POST", "/dagster/graphql", "application/json"),
        ("POST", "/dagster/graphql", "text/plain"),
        ("GET", "/dagster/graphql?query=mutation%20%7B%20a%20%7D", ""),
        ("POST", "/dagster/report_asset_materialization/product_kpis", ""),
        ("DELETE", "/dagster/anything", ""),
    ],
)
def test_what_another_site_sends_is_refused(
    everybody: People, by: TestClient, site: str, method: str, path: str, kind: str
) -> None:
    engineer = signed_in(everybody, by, "emil")
    for headers in ({"sec-fetch-site": site}, {"origin": "https://emma.test:8000"}, {"origin": "null"}):
        answer = engineer.request(method, path, headers=headers | {"content-type": kind}, content=b"{}")
        assert answer.status_code == 403, headers
        assert "another site" in answer.text


@pytest.mark.parametrize("headers", [{"origin": "https://evil.test"}, {"sec-fetch-site": "cross-site"}])
def test_a_websocket_of_another_site_is_refused(everybody: People, by: TestClient, headers: dict[str, str]) -> None:
    engineer = signed_in(everybody, by, "emil")
    with pytest.raises(WebSocketDisconnect), engineer.websocket_connect(SOCKET, headers=headers):
        pass
    with engineer.websocket_connect(SOCKET, headers={"origin": HOST}) as socket:
        assert socket.receive_text() == "emil"


def test_graphql_is_json_by_post_only(everybody: People, by: TestClient) -> None:
    engineer = signed_in(everybody, by, "emil")
    own = {"sec-fetch-site": "same-origin"}
    assert engineer.post("/dagster/graphql", json=QUERY, headers=own).status_code == 200
    assert engineer.get("/dagster/graphql", params=QUERY, headers=own).status_code == 405
    plain = {"content-type": "text/plain"}
    assert engineer.post("/dagster/graphql", content="{}", headers=own | plain).status_code == 415


def test_polling_does_not_keep_a_session_but_a_visit_does(everybody: People, by: TestClient) -> None:
    engineer = signed_in(everybody, by, "emil")
    old = datetime.now(UTC) - timedelta(minutes=20)

    def last_used() -> datetime:
        with everybody.auth.database.reading() as connection:
            return connection.execute(sa.select(sa.func.max(sessions.c.last_used_at))).scalar_one()

    with everybody.auth.database.writing() as connection:
        connection.execute(sa.update(sessions).values(last_used_at=old))
    engineer.post("/dagster/graphql", json=QUERY)
    assert last_used() == old
    engineer.get("/dagster/runs", headers={"sec-fetch-mode": "navigate"})
    assert last_used() > old


def test_it_says_that_dagster_is_starting(everybody: People, by: TestClient, behind: Behind) -> None:
    behind.app = None
    answer = signed_in(everybody, by, "anna").get("/dagster")
    assert answer.status_code == 503
    assert "Dagster is starting" in answer.text


def test_the_application_leads_to_its_port(everybody: People) -> None:
    settings = everybody.app.state.settings
    anna = everybody.signed_in("anna")
    assert anna.get("/dagster").status_code == 404
    everybody.app.state.settings = settings.model_copy(update={"dagster_port": 8001})
    try:
        answer = anna.get("/dagster/runs?a=1&b=2")
        assert answer.status_code == 200
        assert '0;url=https://emma.test:8001/dagster/runs?a=1&amp;b=2"' in answer.text
        assert everybody.signed_in("max").get("/dagster").status_code == 403
        assert everybody.browser().get("/dagster").headers["location"] == "/login?next=%2Fdagster"
    finally:
        everybody.app.state.settings = settings
