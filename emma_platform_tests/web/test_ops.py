"""The real Dagster behind the sign-in, as `emma serve --dagster` runs it: roles, deep links, other sites, its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from emma_platform.web.auth import sessions
from emma_platform_tests.web.people import People, cheap, people
from emma_platform_tests.web.test_serve import PATIENCE_SECONDS, free_port, until

START = """mutation {
  startSchedule(scheduleSelector: {
    repositoryLocationName: "emma_platform.definitions", repositoryName: "__repository__", scheduleName: "%s"
  }) { __typename }
}"""
LOADED = """{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError {
  ... on RepositoryLocation { repositories { schedules { name } } } ... on PythonError { message } } } } } }"""


class Ops:
    """`emma serve --dagster` on a home with everybody in it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.port, self.dagster_port = free_port(), free_port()
        self.cookies = self._cookies(people(cheap(self.home)))
        command = [str(Path(sys.executable).with_name("emma")), "serve", "--home", str(self.home), "--workers", "1"]
        command += ["--port", str(self.port), "--dagster", "--dagster-port", str(self.dagster_port)]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("EMMA_", "DAGSTER_"))}
        self.output = folder / "output.txt"
        self.at_first = 0
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env=kept, start_new_session=True
            )

    @staticmethod
    def _cookies(company: People) -> dict[str, str]:
        """A session of everybody, as the browser sends it over plain http on this machine."""
        auth = company.auth
        with auth.database.writing() as connection:
            tokens = {
                name: sessions.start(connection, number, auth.clock(), auth.ages)
                for name, number in company.numbers.items()
            }
        company.close()
        return {name: f"emma={token}" for name, token in tokens.items()}

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.dagster_port}"

    def get(self, path: str, name: str | None = None, **headers: str) -> tuple[int, str, str]:
        """Status, text, and where the answer came from in the end."""
        return self._ask(path, name, headers)

    def ask(self, name: str, query: str, **headers: str) -> tuple[int, dict[str, Any]]:
        """The answer to a query, sent as the UI sends it unless headers say otherwise."""
        body = json.dumps({"query": query}).encode()
        own = {"content-type": "application/json", "sec-fetch-site": "same-origin", "origin": self.origin}
        status, text, _ = self._ask("/dagster/graphql", name, own | headers, body)
        return status, json.loads(text) if text.startswith("{") else {}

    def _ask(
        self, path: str, name: str | None, headers: Mapping[str, str], body: bytes | None = None
    ) -> tuple[int, str, str]:
        cookie = {"cookie": self.cookies[name]} if name else {}
        request = urllib.request.Request(f"{self.origin}{path}", body, {**headers, **cookie})  # noqa: S310 - its own
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:  # noqa: S310 - its own server
                return response.status, response.read().decode("utf-8", "replace"), response.url
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode("utf-8", "replace"), error.url
        except urllib.error.URLError:
            return 0, "", ""

    def socket(self, name: str, origin: str) -> str:
        """What Dagster answers to the opening of a websocket by a page of `origin`."""
        with connect(
            f"ws://127.0.0.1:{self.dagster_port}/dagster/graphql",
            origin=origin,  # type: ignore[arg-type]
            subprotocols=["graphql-ws"],  # type: ignore[list-item]
            additional_headers={"cookie": self.cookies[name]},
        ) as socket:
            socket.send(json.dumps({"type": "connection_init", "payload": {}}))
            return str(json.loads(socket.recv())["type"])

    def descendants(self) -> list[str]:
        """What still runs of what it started, Dagster's session included."""
        listed = subprocess.run(["ps", "-eww", "-o", "args="], capture_output=True, text=True, check=True)
        marks = (str(self.home), f"127.0.0.1:{self.port}")
        return [line for line in listed.stdout.splitlines() if any(mark in line for mark in marks)]


@pytest.fixture(scope="module")
def ops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ops]:
    running = Ops(tmp_path_factory.mktemp("ops"))
    until("listening", lambda: running.process.poll() is not None or "Starting on" in running.output.read_text())
    running.at_first = running.get("/dagster/server_info", "anna")[0]
    until("there", lambda: running.process.poll() is not None or running.get("/dagster/server_info", "anna")[0] == 200)
    yield running
    if running.process.poll() is None:
        os.killpg(running.process.pid, signal.SIGTERM)
        running.process.wait(PATIENCE_SECONDS)


def schedule(ops: Ops) -> str:
    _, answer = ops.ask("anna", LOADED)
    entry = answer["data"]["workspaceOrError"]["locationEntries"][0]["locationOrLoadError"]
    name: str = entry["repositories"][0]["schedules"][0]["name"]
    return name


def test_who_comes_before_dagster_is_there_waits_for_an_answer(ops: Ops) -> None:
    assert ops.at_first in (503, 200), "0 is a refused connection"


def test_nobody_gets_to_the_sign_in_and_whoever_may_look_to_the_page(ops: Ops) -> None:
    status, text, url = ops.get("/dagster/assets/product_kpis", accept="text/html")
    assert status == 200
    assert url == f"http://127.0.0.1:{ops.port}/login?next=/dagster/assets/product_kpis"
    assert "password" in text
    status, text, url = ops.get("/dagster/assets/product_kpis", "anna", accept="text/html")
    assert (status, url) == (200, f"{ops.origin}/dagster/assets/product_kpis")
    assert 'src="/dagster/' in text
    assert ops.get("/dagster/assets/product_kpis", "max")[0] == 403


def test_who_may_only_look_starts_nothing_and_an_engineer_does(ops: Ops) -> None:
    start = START % schedule(ops)
    for name in ("anna", "olga"):
        status, answer = ops.ask(name, start)
        assert (status, answer["data"]["startSchedule"]) == (200, {"__typename": "UnauthorizedError"})
    status, answer = ops.ask("emil", start)
    assert (status, answer["data"]["startSchedule"]) == (200, {"__typename": "ScheduleStateResult"})


def test_another_site_starts_nothing_with_an_engineers_cookie(ops: Ops) -> None:
    start = START % schedule(ops)
    for headers in ({"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site", "content-type": "text/plain"}):
        assert ops.ask("emil", start, **headers)[0] == 403
    with pytest.raises(InvalidStatus, match="403"):
        ops.socket("emil", "https://evil.test")
    assert ops.socket("emil", ops.origin) == "connection_ack"


def test_it_ends_with_every_process_that_it_started(ops: Ops) -> None:
    assert ops.descendants()
    ops.process.send_signal(signal.SIGTERM)
    assert ops.process.wait(PATIENCE_SECONDS) == 0
    said = ops.output.read_text()
    assert f"Dagster, some seconds later: http://127.0.0.1:{ops.port}/dagster" in said
    assert said.splitlines()[-1] == "Stopped."
    until("gone", lambda: not ops.descendants())
