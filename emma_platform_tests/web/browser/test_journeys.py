"""What people do all day, in a real browser: find, sort, filter, open, decide, look back, take away."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from emma_platform.serving.publication import publications
from emma_platform.web.auth import users
from emma_platform_tests.web.browser.conftest import Open, Site, sign_in
from emma_platform_tests.web.people import PASSWORD

Keep = Callable[[Page, str], None]


def names(page: Page) -> list[str]:
    return page.locator("#rows a.open").all_inner_texts()


def first(page: Page) -> str:
    return page.locator("#rows th small").first.inner_text()


def test_signing_in_leads_to_the_list(site: Site, chromium: object, open_page: Open, keep: Keep) -> None:
    page = open_page("/login", storage_state=None)
    keep(page, "login")
    sign_in(page, "olga")
    expect(page.locator("#status")).to_contain_text("products in 2 stores")
    keep(page, "list")


def test_find_by_part_of_a_name_whatever_its_accents(open_page: Open) -> None:
    page = open_page("/products")
    page.get_by_label("Search name or code").fill("jalapeno")
    expect(page.locator("#status")).to_contain_text("2 products")
    assert set(names(page)) == {"Jalapeño Dip 300 g"}
    assert page.url.endswith("?q=jalapeno")
    page.get_by_label("Search name or code").fill("no such thing")
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()


def test_sort_by_every_column_and_back_in_history(open_page: Open) -> None:
    page = open_page("/products")
    for label in ("Product", "Revenue", "Trend", "Margin", "Forecast", "Stock"):
        header = page.get_by_role("columnheader", name=label, exact=True)
        before = header.get_attribute("aria-sort")
        header.get_by_role("link").click()
        wanted = "ascending" if label == "Product" or before == "descending" else "descending"
        expect(header).to_have_attribute("aria-sort", wanted)
    assert "sort=days_of_cover" in page.url
    page.go_back()
    expect(page.get_by_role("columnheader", name="Forecast")).to_have_attribute("aria-sort", "descending")


def test_filters_stay_in_the_address_and_the_open_product_stays_open(open_page: Open, keep: Keep) -> None:
    page = open_page("/products")
    page.locator("#rows a.open").nth(1).click()
    title = page.locator("#detail h1")
    expect(title).to_be_focused()
    opened = title.inner_text()
    page.get_by_label("price", exact=True).check()
    expect(page.locator("#status")).not_to_contain_text("58 products")
    page.locator("#filters summary").click()
    page.get_by_label("Store").select_option("S002")
    expect(page.locator("#filters summary .tag")).to_have_text("on")
    expect(page).to_have_url(re.compile(r"/products/.*\?(?=.*store=S002)(?=.*attention=price)"))
    assert title.inner_text() == opened
    keep(page, "filtered")
    again = open_page(page.url)
    assert names(again) == names(page)
    assert again.locator("#detail h1").inner_text() == opened


def test_more_rows_come_on_scroll(open_page: Open) -> None:
    page = open_page("/products")
    assert len(names(page)) == 50
    page.get_by_role("link", name="More").scroll_into_view_if_needed()
    expect(page.locator("#rows a.open")).to_have_count(58)
    assert len(set(page.locator("#rows a.open").evaluate_all("links => links.map(link => link.href)"))) == 58
    assert page.url.endswith("/products")


def test_a_product_shows_all_that_is_known_of_it(open_page: Open, keep: Keep) -> None:
    page = open_page("/products")
    page.locator("#rows a.open").first.click()
    detail = page.locator("#detail")
    expect(detail.locator("canvas")).to_have_count(2)
    expect(detail.locator(".kpi")).to_have_count(6)
    expect(detail.get_by_role("heading", name="Why revenue moved")).to_be_visible()
    detail.get_by_role("link", name="why? Units").click()
    expect(detail.get_by_role("heading", name="Why units moved")).to_be_visible()
    for figure in detail.locator("figure").all():
        assert figure.locator("figcaption p").inner_text().endswith(".")
        figure.get_by_text("Show as table").click()
        assert figure.locator("tbody tr").count() > 10
    detail.get_by_label("7 days before").check()
    expect(detail.locator("canvas")).to_have_count(2)
    keep(page, "product")


@pytest.mark.parametrize(("opens", "within"), [("#open-list-in", "#exports"), ("#open-in", "#open-in")])
def test_taking_away_what_is_shown(open_page: Open, opens: str, within: str) -> None:
    page = open_page("/products?q=jalapeno")
    shown = page.locator("#rows tr:has(a.open)").count()
    page.locator("#rows a.open").first.click()
    expect(page.locator("#detail canvas").first).to_be_visible()
    page.locator(f"{opens} summary").click()
    with page.expect_download() as taking:
        page.locator(within).get_by_role("link", name="CSV").click()
    assert taking.value.suggested_filename == "products.csv"
    rows = list(csv.DictReader(taking.value.path().read_text(encoding="utf-8-sig").splitlines()))
    assert len(rows) == (shown if within == "#exports" else 1)
    assert {row["name"] for row in rows} == {"Jalapeño Dip 300 g"}


def advised(page: Page, place: int) -> None:
    """Open the nth product for which a price is advised."""
    page.goto("/products?attention=price&sort=expected_profit_uplift_p50")
    page.locator("#rows tr:has(.c7.recommend) a.open").nth(place).click()
    expect(page.locator("#advice .prices")).to_be_visible()


def test_accepting_an_advice_writes_it_down(site: Site, open_page: Open, keep: Keep) -> None:
    page = open_page("/products")
    advised(page, 0)
    page.get_by_role("button", name="Accept").click()
    expect(page.locator("#advice .decided")).to_contain_text("Accepted at")
    expect(page.locator("#advice .decided")).to_contain_text("by olga")
    keep(page, "accepted")
    files = (site.home / "landing").rglob("*.csv")
    written = [row for path in files for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines())]
    assert ("accept", "olga") in {(row["decision"], row["decided_by"]) for row in written}


def test_another_price_outside_the_guardrails_needs_a_reason(open_page: Open) -> None:
    page = open_page("/products")
    advised(page, 1)
    page.locator("#advice summary", has_text="Another price").click()
    page.get_by_label("Price", exact=True).fill("999")
    page.get_by_role("button", name="Charge this price").click()
    expect(page.get_by_role("alert")).to_contain_text("give a reason")
    assert page.get_by_label("Price", exact=True).input_value() == "999"


def test_declining_asks_for_a_reason_and_keeps_it(open_page: Open) -> None:
    page = open_page("/products")
    advised(page, 2)
    page.locator("#advice summary", has_text="Decline").click()
    page.get_by_role("button", name="Decline").click()
    assert page.locator("#advice .decided").count() == 0
    page.get_by_label("Why what the advice").fill("the shop next door sells it for less")
    page.get_by_role("button", name="Decline").click()
    expect(page.locator("#advice .decided")).to_contain_text("the shop next door")


def test_an_earlier_publication_is_read_whole_and_nothing_is_decided_in_it(open_page: Open, keep: Keep) -> None:
    page = open_page("/products")
    advised(page, 3)
    expect(page.locator(".fresh")).to_contain_text("Sun 22 Nov")
    page.locator("#known-on summary").click()
    page.locator("#known-on a").nth(1).click()
    expect(page.get_by_role("status").filter(has_text="You look at what was known")).to_be_visible()
    expect(page.locator(".fresh")).to_contain_text("Sat 21 Nov")
    assert page.get_by_role("button", name="Accept").count() == 0
    page.locator("#rows a.open").first.click()
    expect(page.locator("#detail h1")).to_be_focused()
    assert "known_on=" in page.url
    keep(page, "known_on")
    page.get_by_role("link", name="Back to now").click()
    expect(page.locator(".fresh")).to_contain_text("Sun 22 Nov")


def test_what_changed_is_told_until_one_has_looked_at_it(site: Site, open_page: Open, keep: Keep) -> None:
    first = publications(site.home / "published")[1]
    with site.company.auth.database.writing() as connection:
        users.see(connection, site.company.numbers["olga"], first.id)
    page = open_page("/products")
    told = page.locator(".bar .news")
    expect(told).to_contain_text("1 file corrected, 1 day changed since you last looked")
    keep(page, "news")
    told.click()
    expect(page.get_by_text("This is what changed since you last looked.")).to_be_visible()
    expect(page.get_by_role("cell", name="S001-2026-11-18.csv was corrected")).to_be_visible()
    keep(page, "changes")
    page.reload()
    expect(page.get_by_role("cell", name="S001-2026-11-18.csv was corrected")).to_be_visible()
    page.get_by_role("link", name="Products").click()
    expect(page.locator("#status")).to_contain_text("products in 2 stores")
    expect(told).to_have_count(0)


def test_the_glossary_explains_the_figure_that_was_asked_about(open_page: Open, keep: Keep) -> None:
    page = open_page("/products")
    page.locator("#rows a.open").first.click()
    page.locator("#detail .kpi dt a", has_text="Gross margin").click()
    page.wait_for_url("**/glossary#gross_margin_28d")
    expect(page.locator("[id='product_kpis.gross_margin_28d']")).to_be_in_viewport()
    keep(page, "glossary")


def test_a_token_is_made_and_revoked_and_told_at_the_next_sign_in(open_page: Open, keep: Keep) -> None:
    page = open_page("/account")
    keep(page, "account")
    page.get_by_label("What it is for").fill("the weekly report")
    page.get_by_label("decide on prices").check()
    page.get_by_role("button", name="Make a token").click()
    expect(page.get_by_text("Copy it now: it is not shown again.")).to_be_visible()
    expect(page.get_by_role("cell", name="decide, export, read", exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="Events").get_by_role("cell", name="token made")).to_be_visible()
    page.get_by_role("button", name="Revoke the weekly report").click()
    expect(page.get_by_role("region", name="Events").get_by_role("cell", name="token revoked")).to_be_visible()
    again = open_page("/login", storage_state=None)
    again.get_by_label("Name").fill("olga")
    again.get_by_label("Password").fill(PASSWORD)
    again.get_by_role("button", name="Sign in", exact=True).click()
    expect(again.get_by_role("heading", name="Since you last signed in")).to_be_visible()
    expect(again.get_by_role("row").filter(has_text="the weekly report")).to_have_count(2)
    keep(again, "account_news")
    again.get_by_role("link", name="It was me, go on").click()
    expect(again.locator("#status")).to_contain_text("products in 2 stores")


def test_an_owner_looks_with_the_eyes_of_a_manager_and_back(open_page: Open, keep: Keep) -> None:
    page = open_page("/login", storage_state=None)  # the look renews a session's cookie, which other windows share
    sign_in(page, "olga")
    page.goto("/people")
    page.get_by_role("link", name="max").click()
    expect(page.get_by_label("Role", exact=True)).to_have_value("manager")
    keep(page, "person")
    page.get_by_role("button", name="See what max sees").click()
    expect(page.locator("#status")).to_contain_text("30 products;")
    page.get_by_role("button", name="Back to your own eyes").click()
    expect(page.get_by_role("heading", name="People")).to_be_visible()


@pytest.mark.parametrize("address", ["/products/S001/nothing", "/nowhere", "/products?known_on=never"])
def test_what_is_not_there_says_so(site: Site, chromium: object, open_page: Open, address: str) -> None:
    page = open_page("/glossary")
    answer = page.request.get(address)
    assert answer.status == 404
    assert "To the products" in answer.text()
