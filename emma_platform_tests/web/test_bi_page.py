"""The examples of docs/bi.md work: each is sent, or run, as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from emma_platform_tests.web import api_home

PAGE = (Path(__file__).parents[2] / "docs" / "bi.md").read_text(encoding="utf-8")


def test_every_example_is_answered(tmp_path: Path) -> None:
    company = api_home.make(tmp_path, publications=1)
    browser = company.signed_in("anna")
    addresses = re.findall(r'"\$EMMA(/[^"]*)"', PAGE)
    assert len(addresses) == PAGE.count("    curl ")
    for address in addresses:
        found = browser.get(address)
        assert (found.status_code, bool(found.content)) == (200, True), (address, found.text)
    statements = re.findall(r"^    (SELECT .*);$", PAGE, re.MULTILINE)
    with duckdb.connect(str(company.auth.settings.published / "serving.duckdb"), read_only=True) as connection:
        assert statements
        assert all(connection.execute(statement).fetchall() for statement in statements)
    company.close()
