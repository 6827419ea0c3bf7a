"""The receipt, the data page and what changed, as people of different rights see them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast
from urllib.parse import quote

import pytest
import sqlalchemy as sa

from emma_platform.web.addresses import product_path
from emma_platform.web.auth import schema, sessions, users
from emma_platform.web.auth.cookies import SECURE_NAME
from emma_platform_tests.recompute.home import NOW, Home, sale
from emma_platform_tests.web.people import People, cheap, people


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[People, list[str]]]:
    """Two stores, a late file of one, a failing file; and the ids of the two publications, oldest first."""
    home = Home(tmp_path_factory.mktemp("home"))
    home.sell("first.csv", *(sale(store, on) for store in ("S1", "A/B? <&>") for on in range(30)), sale(quantity="x"))
    ids = [home.update().publication]
    home.platform = replace(home.platform, now=lambda: NOW + timedelta(days=1), run="a-run")
    home.sell("late.csv", sale(on=20, receipt="L", quantity=4))
    home.drop("broken.csv", "this,is\nno,sale\n")
    ids.append(home.update().publication)
    found = people(cheap(home.settings.home, dagster_port=3000), stores=("A/B? <&>",))
    yield found, [one.id for one in ids if one is not None]
    found.close()


RECEIPT = "/products/S1/P1/receipt"


def test_nobody_sees_anything_before_signing_in(shop: tuple[People, list[str]]) -> None:
    browser = shop[0].browser()
    for path in ("/data", "/changes", RECEIPT):
        assert browser.get(path).status_code == 303, path


def test_a_receipt_names_files_runs_and_partitions(shop: tuple[People, list[str]]) -> None:
    page = shop[0].signed_in("anna").get(RECEIPT).text
    assert "late.csv" in page
    assert "/dagster/assets/product_kpis?partition=2026-01-30%7CS1" in page
    assert "/dagster/runs/a-run" in page
    then = shop[0].signed_in("anna").get(RECEIPT, params={"known_on": shop[1][0]}).text
    assert "late.csv" not in then
    assert "known on" in then


def test_where_dagster_does_not_run_no_page_leads_to_it(shop: tuple[People, list[str]], tmp_path: Path) -> None:
    company = people(cheap(shop[0].auth.settings.home, users_url=f"sqlite:///{tmp_path / 'users.db'}"))
    for path in (RECEIPT, RECEIPT.removesuffix("/receipt")):
        page = company.signed_in("anna").get(path)
        assert page.status_code == 200
        assert "/dagster" not in page.text, path
    company.close()


def test_who_may_not_look_at_dagster_gets_no_link_to_it(shop: tuple[People, list[str]]) -> None:
    page = shop[0].signed_in("max").get(f"{product_path('A/B? <&>', 'P1')}/receipt")
    assert page.status_code == 200
    assert "/dagster" not in page.text
    assert "A/B? &lt;&amp;&gt;" in page.text


def test_a_product_of_an_odd_name_and_its_receipt_lead_to_each_other(shop: tuple[People, list[str]]) -> None:
    browser, here = shop[0].signed_in("max"), product_path("A/B? <&>", "P1")
    earlier = f"?known_on={shop[1][0]}"
    assert f'href="{here}/receipt{earlier}"' in browser.get(f"{here}{earlier}").text
    receipt = browser.get(f"{here}/receipt{earlier}").text
    assert f'href="{here}{earlier}"' in receipt, "back to the product"
    assert f'href="{here}/receipt?"' in receipt, "the newest publication of the same receipt"
    assert browser.get(f"{here}{earlier}").status_code == 200
    signed_out = shop[0].browser().get(f"{here}/receipt")
    assert signed_out.headers["location"] == f"/login?next={quote(f'{here}/receipt', safe='')}"


def test_another_store_than_ones_own_is_not_found(shop: tuple[People, list[str]]) -> None:
    browser = shop[0].signed_in("max")
    assert browser.get(RECEIPT).status_code == 404
    assert browser.get("/data", params={"store": "S1"}).status_code == 404
    for path in ("/data", "/data?reason=bad_quantity", "/changes"):
        page = browser.get(path).text
        assert "S1" not in page, path
        assert "broken.csv" not in page, path


def test_the_data_page_names_failing_files_and_shows_rows_set_aside(shop: tuple[People, list[str]]) -> None:
    browser = shop[0].signed_in("olga")
    page = browser.get("/data").text
    assert "broken.csv" in page
    assert "lacks the sales columns" in page
    assert "2 of 3 files" in page
    rows = browser.get("/data?reason=bad_quantity").text
    assert "first.csv:62" in rows
    assert browser.get("/data?reason=bad_quantity&days=28&page=2").status_code == 200


def test_what_changed_names_the_late_file(shop: tuple[People, list[str]]) -> None:
    browser = shop[0].signed_in("olga")
    page = browser.get("/changes").text
    assert "came late with 1 line" in page
    assert "+10" in page
    assert page == browser.get("/changes", params={"since": shop[1][0]}).text
    assert "nothing before it" in browser.get("/changes", params={"known_on": shop[1][0]}).text
    assert browser.get("/changes", params={"since": "nonsense"}).status_code == 404


def test_the_data_of_a_home_where_nothing_is_published(tmp_path_factory: pytest.TempPathFactory) -> None:
    found = people(cheap(tmp_path_factory.mktemp("new")))
    assert found.signed_in("olga").get("/data").status_code == 503
    found.close()


# -- what changed since somebody last looked ---------------------------------------------------------------------------


def seen_by(company: People, name: str) -> str | None:
    """The publication kept with a user."""
    with company.auth.database.reading() as connection:
        found = connection.execute(sa.select(schema.users.c.seen_publication).where(schema.users.c.name == name))
        return cast("str | None", found.scalar_one())


def has_seen(company: People, name: str, publication: str) -> None:
    with company.auth.database.writing() as connection:
        users.see(connection, company.numbers[name], publication)


def test_who_comes_for_the_first_time_has_seen_what_is_there(shop: tuple[People, list[str]]) -> None:
    company, ids = shop
    assert seen_by(company, "emil") is None
    browser = company.signed_in("emil")
    browser.get("/products", params={"known_on": ids[0]})
    assert seen_by(company, "emil") is None
    browser.get("/products")
    assert seen_by(company, "emil") == ids[1]
    assert "/changes/news" not in browser.get("/products").text
    assert not browser.get("/changes/news").text.strip()


def test_what_changed_is_told_since_one_last_looked_until_one_says_so(shop: tuple[People, list[str]]) -> None:
    company, ids = shop
    has_seen(company, "anna", ids[0])
    browser = company.signed_in("anna")
    for path in ("/products", RECEIPT, "/data"):
        assert 'hx-get="/changes/news"' in browser.get(path).text, path
        assert "/changes/news" not in browser.get(path, params={"known_on": ids[0]}).text, path
    assert "1 file late, 1 day changed" in browser.get("/changes/news").text
    changes = browser.get("/changes").text
    assert "since you last looked" in changes
    assert f'data-seen="{ids[0]}"' in changes
    assert seen_by(company, "anna") == ids[0], "reading is not leaving"
    assert browser.post("/changes/seen", data={"publication": ids[1]}).status_code == 303
    assert seen_by(company, "anna") == ids[1]
    assert "/changes/news" not in browser.get("/products").text
    assert "data-seen" not in browser.get("/changes").text
    browser.post("/changes/seen", data={"publication": ids[0]})
    assert seen_by(company, "anna") == ids[1], "never backwards"
    assert browser.post("/changes/seen", data={"publication": "nonsense"}).status_code == 404


def test_what_one_has_seen_and_is_no_longer_kept_is_compared_with_the_oldest(shop: tuple[People, list[str]]) -> None:
    company, ids = shop
    has_seen(company, "anna", "long ago")
    assert f'data-seen="{ids[0]}"' in company.signed_in("anna").get("/changes").text


def test_nobody_hears_of_changes_in_a_store_that_is_not_theirs(shop: tuple[People, list[str]]) -> None:
    company, ids = shop
    has_seen(company, "max", ids[0])
    answer = company.signed_in("max").get("/changes/news")
    assert answer.status_code == 200
    assert not answer.text.strip()


def test_who_looks_with_anothers_eyes_has_seen_nothing_for_them(shop: tuple[People, list[str]]) -> None:
    company, ids = shop
    has_seen(company, "max", ids[0])
    has_seen(company, "olga", ids[1])
    auth = company.auth
    with auth.database.writing() as connection:
        token = sessions.start(connection, company.numbers["olga"], auth.clock(), auth.ages)
        found = sessions.find(connection, token, auth.clock(), auth.ages)
        assert found is not None
        token = sessions.view_as(connection, found.id, company.numbers["max"])
    browser = company.browser()
    browser.cookies.set(SECURE_NAME, token, domain="emma.test")
    assert "/changes/news" in browser.get("/products").text
    assert "I have seen it" not in browser.get("/changes").text
    assert browser.post("/changes/seen", data={"publication": ids[1]}).status_code == 403
    assert (seen_by(company, "max"), seen_by(company, "olga")) == (ids[0], ids[1])
