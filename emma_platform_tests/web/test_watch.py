"""What is said of requests: to supervisors, in metrics and in the log, and what is never said."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from emma_platform.model.access import EVERY_STORE, Role
from emma_platform.settings import Settings
from emma_platform.web import logs
from emma_platform.web.app import create_app
from emma_platform.web.auth.signed import Signed
from emma_platform.web.publication_shown import shown
from emma_platform_tests.web.publications import PublishedHome

HERE = ("127.0.0.1", 50_000)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> PublishedHome:
    home = PublishedHome(tmp_path_factory.mktemp("watched") / "home", states=1)
    home.publish()
    return home


@pytest.fixture
def app(home: PublishedHome) -> FastAPI:
    app = create_app(home.settings)

    @app.get("/told/{what}")
    def told(request: Request, what: str) -> int:
        request.state.signed = Signed(7, "ada", Role.OWNER, Role.OWNER.permissions, EVERY_STORE)
        shown(request)
        if what == "wrong":
            raise ValueError(what)
        return len(what)

    return app


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Path]:
    """The log, written into a file."""
    file = tmp_path / "logs" / "requests.log"
    logs.configure(file)
    yield file
    for name in ("emma_platform.web", "uvicorn"):
        logger = logging.getLogger(name)
        for handler in logger.handlers[:]:
            logger.removeHandler(handler)
            handler.close()
        logger.propagate = True


def test_a_live_application_without_publication_is_healthy_but_not_ready(tmp_path: Path) -> None:
    client = TestClient(create_app(Settings(home=tmp_path / "home")))
    assert client.get("/healthz").json() == {"status": "ok"}
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["publication"] == "unreadable"
    assert str(tmp_path) not in answer.text


def test_an_application_that_can_answer_is_ready(app: FastAPI) -> None:
    answer = TestClient(app).get("/readyz")
    assert answer.status_code == 200
    assert set(answer.json().values()) == {"ready", "ok"}


def test_a_log_line_says_who_got_what_but_no_secret(app: FastAPI, lines: Path) -> None:
    client = TestClient(app, raise_server_exceptions=False)
    client.get("/told/invitation-4711?token=geheim", headers={"cookie": "session=geheim"})
    client.get("/told/wrong")
    client.get("/healthz")
    client.get("/nowhere/geheim")
    text = lines.read_text()
    first, second, third = map(json.loads, text.splitlines())
    shared = {"message": "request", "level": "info", "method": "GET"}
    told = {"route": "/told/{what}", "user": 7, "publication": "p0-1"}
    assert (shared | told | {"status": 200}).items() <= first.items()
    assert (shared | told | {"status": 500}).items() <= second.items()
    assert (shared | {"route": "(none)", "status": 404, "user": None}).items() <= third.items()
    assert first["ms"] >= 0
    assert first["time"].endswith("+00:00")
    assert "geheim" not in text
    assert "4711" not in text
    assert lines.stat().st_mode & 0o077 == 0


def test_metrics_count_by_template_and_describe_the_publication(app: FastAPI) -> None:
    client = TestClient(app, client=HERE, raise_server_exceptions=False)
    before = client.get("/metrics").text
    client.get("/told/a")
    client.get("/told/b")
    client.get("/told/wrong")
    after = client.get("/metrics").text

    def counted(text: str, status: int) -> float:
        start = f'emma_http_requests_total{{method="GET",route="/told/{{what}}",status="{status}"}} '
        return sum(float(line.removeprefix(start)) for line in text.splitlines() if line.startswith(start))

    assert counted(after, 200) - counted(before, 200) == 2
    assert counted(after, 500) - counted(before, 500) == 1
    assert 'emma_http_request_seconds_bucket{le="0.02",method="GET",route="/told/{what}"}' in after
    assert 'emma_publication_info{at="2026-11-23T05:30:00+00:00",id="p0-1"} 1.0' in after
    assert "emma_publication_age_seconds " in after
    assert 'emma_published_rows{table="product_kpis"} 60.0' in after
    assert "/told/a" not in after


@pytest.mark.parametrize(
    ("client", "headers", "status"),
    [
        (HERE, {}, 200),
        (("::1", 1), {}, 200),
        (("192.0.2.7", 1), {}, 403),
        (HERE, {"x-forwarded-for": "192.0.2.7"}, 403),
        (HERE, {"forwarded": "for=192.0.2.7"}, 403),
    ],
)
def test_metrics_are_for_this_machine(
    app: FastAPI, client: tuple[str, int], headers: dict[str, str], status: int
) -> None:
    assert TestClient(app, client=client).get("/metrics", headers=headers).status_code == status


@pytest.mark.parametrize(("header", "status"), [("Bearer s3cret", 200), ("Bearer other", 403), ("", 403)])
def test_metrics_are_for_who_has_the_token_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: str, status: int
) -> None:
    monkeypatch.setenv("EMMA_METRICS_TOKEN", "s3cret")
    app = create_app(Settings(home=tmp_path))
    assert TestClient(app, client=HERE).get("/metrics", headers={"authorization": header}).status_code == status
    assert "s3cret" not in repr(app.state.settings)
