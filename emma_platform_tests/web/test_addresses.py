"""Any store and product name makes an address that leads back to it."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from emma_platform.web.addresses import name_of, product_path, segment
from emma_platform_tests.serving.chain import ODD_STORES


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI()

    @app.get("/products/{store}/{product}")
    def names(store: str, product: str) -> list[str]:
        return [name_of(store), name_of(product)]

    return TestClient(app)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_name_comes_back_from_its_segment(name: str) -> None:
    written = segment(name)
    assert name_of(unquote(written)) == name
    assert unquote(written)
    assert "/" not in unquote(written)
    assert urlsplit(f"/products/{written}").path == f"/products/{written}"


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_two_names_have_two_segments(one: str, other: str) -> None:
    assert (segment(one) == segment(other)) == (one == other)


@pytest.mark.parametrize("name", [*ODD_STORES, "..", "a/..", "..%2f"])
def test_a_router_gives_back_the_names_it_was_given(client: TestClient, name: str) -> None:
    assert client.get(product_path(name, "x/y")).json() == [name, "x/y"]


def test_common_names_stay_readable() -> None:
    assert product_path("S001", "001889") == "/products/S001/001889"
