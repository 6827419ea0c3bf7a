"""How the page serves everybody: phone, dark, keyboard, screen readers, no script, little data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from emma_platform_tests.web.browser.conftest import Open

Keep = Callable[[Page, str], None]

AXE = Path(__file__).with_name("axe-4.14.1.min.js").read_text(encoding="utf-8")
MOST_BYTES = 100 * 1024
PRODUCT = "#rows a.open"


def findings(page: Page) -> list[str]:
    """What axe finds: the rule and the first element that breaks it."""
    page.wait_for_load_state("networkidle")
    page.evaluate(AXE)  # evaluated by the debugger, which no content security policy binds
    found = page.evaluate("axe.run().then(({ violations }) => violations.map(v => `${v.id}: ${v.nodes[0].html}`))")
    return list(found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_list_and_detail(open_page: Open, keep: Keep, scheme: str) -> None:
    page = open_page("/products", color_scheme=scheme)
    assert findings(page) == []
    page.locator(PRODUCT).first.click()
    expect(page.locator("#detail canvas")).to_have_count(2)
    expect(page.get_by_role("heading", name="Why revenue moved")).to_be_visible()
    keep(page, f"product_{scheme}")
    assert findings(page) == []


OTHER_PAGES = ("/login", "/glossary", "/data", "/changes", "/account", "/people", "/people/3", "/audit", "/api")


@pytest.mark.parametrize("address", OTHER_PAGES)
def test_axe_finds_nothing_on_other_pages(open_page: Open, address: str) -> None:
    assert findings(open_page(address)) == []


def sideways(page: Page) -> list[str]:
    """The tables that are wider than the window leaves room for."""
    wider = "wraps => wraps.filter(wrap => wrap.scrollWidth > wrap.clientWidth).map(wrap => wrap.ariaLabel)"
    return list(page.locator(".table-wrap").evaluate_all(wider))


def test_other_pages_fit_a_phone_in_the_dark(open_page: Open, keep: Keep) -> None:
    page = open_page("/glossary", width=390, height=844, color_scheme="dark")
    for address in OTHER_PAGES[1:]:
        page.goto(address)
        keep(page, f"phone{address.replace('/', '_')}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address
        assert sideways(page) == [], address
        assert page.locator("nav.places a").last.bounding_box()["x"] < 390  # type: ignore[index]
        assert findings(page) == [], address


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_axe_finds_nothing_on_a_receipt(open_page: Open, keep: Keep, scheme: str, width: int) -> None:
    page = open_page("/products", color_scheme=scheme, width=width)
    page.locator(PRODUCT).first.click()
    page.get_by_role("link", name="Receipt").click()
    expect(page.get_by_role("heading", name="Receipt", exact=True)).to_be_visible()
    keep(page, f"receipt_{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert sideways(page) == []
    assert findings(page) == []


def test_a_phone_shows_the_list_and_then_the_product(open_page: Open, keep: Keep) -> None:
    page = open_page("/products", width=390, height=844, has_touch=True)
    expect(page.locator("#detail")).to_be_hidden()
    keep(page, "phone_list")
    assert findings(page) == []
    page.locator(PRODUCT).nth(2).click()
    expect(page.locator("#list")).to_be_hidden()
    expect(page.locator("#detail h1")).to_be_in_viewport()
    expect(page.locator("#detail canvas")).to_have_count(2)
    keep(page, "phone_product")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert findings(page) == []
    page.get_by_role("link", name="All products").click()
    expect(page.locator("#list")).to_be_visible()


def test_everything_is_reached_by_keyboard(open_page: Open, keep: Keep) -> None:
    page = open_page("/products")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("ArrowDown")
    expect(page.locator(PRODUCT).nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#detail h1")).to_be_focused()
    page.keyboard.press("e")
    expect(page.locator("#open-in")).to_have_attribute("open", "")
    page.keyboard.press("Escape")
    expect(page.locator(PRODUCT).nth(1)).to_be_focused()
    page.keyboard.press("f")
    expect(page.get_by_label("Store")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("dip")
    expect(page.locator("#status")).to_contain_text("2 products")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    keep(page, "help")


def test_the_theme_is_kept_and_charts_follow_it(open_page: Open) -> None:
    page = open_page("/products")
    page.locator(PRODUCT).first.click()
    expect(page.locator("#detail canvas")).to_have_count(2)
    light = page.locator("#detail canvas").first.evaluate("canvas => canvas.toDataURL()")
    page.get_by_role("button", name="Theme").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.wait_for_function("light => document.querySelector('#detail canvas').toDataURL() !== light", arg=light)
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_without_javascript_everything_can_be_read_and_decided(open_page: Open, keep: Keep) -> None:
    page = open_page("/products", java_script_enabled=False)
    page.get_by_label("Search name or code").fill("dip")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(PRODUCT)).to_have_count(2)
    page.goto("/products")
    page.get_by_role("link", name="More").click()
    expect(page.locator(PRODUCT)).to_have_count(8)
    page.goto("/products?attention=price&sort=expected_profit_uplift_p50")
    page.locator("#rows tr:has(.c7.recommend) a.open").nth(4).click()
    expect(page.get_by_text("sold in the last 28 days")).to_be_visible()
    page.get_by_role("link", name="revenue", exact=True).click()
    expect(page.get_by_role("heading", name="Why revenue moved")).to_be_visible()
    page.go_back()
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("Accepted at")).to_be_visible()
    keep(page, "no_script")


def test_the_first_load_is_small(open_page: Open) -> None:
    page = open_page("/glossary")
    address = page.locator("a.brand").evaluate("link => link.href")
    page.goto("about:blank")
    sizes: dict[str, int] = {}
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    session.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    assert len(sizes) >= 5
    assert sum(sizes.values()) <= MOST_BYTES
