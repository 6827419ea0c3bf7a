"""Before a process says that it is ready, it has done what its first visitor would wait for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from emma_platform.web.app import create_app
from emma_platform_tests.web.chain_home import own_home
from emma_platform_tests.web.people import HOST, cheap

FIRST_REQUESTS = """
import json, sys
from pathlib import Path
from jinja2 import Environment
from starlette.testclient import TestClient
from emma_platform.serving.reader import Reader
from emma_platform_tests.web.people import cheap, people

company = people(cheap(Path(sys.argv[1])))
with TestClient(company.app):  # the lifespan
    assert company.browser().get("/readyz").status_code == 200
    before, done = set(sys.modules), []

    def not_now(self, *_, **__):
        done.append(type(self).__name__)
        raise AssertionError("opened or compiled by a request")

    Reader.__init__ = Environment.compile = not_now
    browser = company.signed_in("olga")
    found = {path: browser.get(path).status_code for path in sys.argv[2:]}
    print(json.dumps({"found": found, "done": done, "imported": sorted(set(sys.modules) - before)}))
"""


def test_the_first_request_opens_imports_and_compiles_nothing(shared_home: Path, tmp_path: Path) -> None:
    home = own_home(shared_home, tmp_path / "home")
    paths = ["/products", "/products/S001/001001", "/products/S002/001001/why/revenue", "/data"]
    command = [sys.executable, "-c", FIRST_REQUESTS, str(home), *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said == {"found": dict.fromkeys(paths, 200), "done": [], "imported": []}


def test_it_starts_also_before_anything_is_published(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with TestClient(create_app(cheap(tmp_path)), HOST) as browser:
        assert browser.get("/healthz").status_code == 200
        assert browser.get("/readyz").json()["publication"] == "unreadable"
    assert not [record for record in caplog.records if record.exc_info]
