"""Static files are what was vendored, named by their content, and the frame of a page renders."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from emma_platform.settings import Settings
from emma_platform.web.app import create_app
from emma_platform.web.rendering import templates
from emma_platform.web.static_files import FOLDER, FOREVER, address, static_files

VENDOR = FOLDER / "vendor"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    return TestClient(create_app(Settings(home=tmp_path_factory.mktemp("home"))))


def test_vendored_files_are_those_whose_checksums_are_kept() -> None:
    kept = dict(reversed(line.split()) for line in (VENDOR / "CHECKSUMS").read_text().splitlines())
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir()}
    assert there.pop("CHECKSUMS")
    assert there == kept


@pytest.mark.parametrize("name", static_files())
def test_a_file_comes_compressed_and_may_be_kept_for_ever_under_its_name(client: TestClient, name: str) -> None:
    answer = client.get(address(name), headers={"Accept-Encoding": "gzip"})
    assert answer.content == (FOLDER / name).read_bytes()
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["cache-control"] == FOREVER
    assert gzip.decompress(static_files()[name].compressed) == answer.content


def test_a_file_under_another_name_is_asked_for_again_and_not_sent_twice(client: TestClient) -> None:
    first = client.get("/static/app.css", headers={"Accept-Encoding": "identity"})
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/static/app.css", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["nothing.css", "../pages.py", "%2e%2e/app.py", "vendor"])
def test_nothing_else_is_served(client: TestClient, name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


def test_templates_hold_no_inline_script_style_or_foreign_address() -> None:
    for path in Path(templates().loader.searchpath[0]).rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for forbidden in ("<style", " style=", "onclick=", "hx-on", "javascript:", "http://", "https://", "|safe"):
            assert forbidden not in text, (path, forbidden)
