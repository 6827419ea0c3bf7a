"""The pages as the server gives them: whole or in parts, within somebody's stores, and to those who may decide."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from pathlib import Path
from threading import current_thread
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import escape

from emma_platform.model.access import EVERY_STORE
from emma_platform.model.estimates import PRICE_GUARDRAILS
from emma_platform.serving.listing import Attention
from emma_platform.serving.product_list import Asked, product_list
from emma_platform.serving.publication import publications
from emma_platform.serving.reader import Reader
from emma_platform.settings import Settings
from emma_platform.web import pages, words
from emma_platform.web.addresses import product_path
from emma_platform.web.filters import Filters
from emma_platform.web.page_list import REASON_WORDS, row_words, store_options
from emma_platform.web.page_product import GUARDRAIL_WORDS
from emma_platform.web.rendering import fragment, render
from emma_platform_tests.web.chain_home import own_home
from emma_platform_tests.web.people import People, cheap, people

PART = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture(scope="module")
def company(shared_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    """Olga sees every store, Max only S002."""
    found = people(cheap(own_home(shared_home, tmp_path_factory.mktemp("pages"))), stores=("S002",))
    yield found
    found.close()


def addresses(text: str) -> list[str]:
    """The products that a list leads to."""
    return re.findall(r'class="open" href="(/products/[^"?]+)', text)


def test_the_list_comes_whole_as_results_or_as_more_rows(company: People) -> None:
    olga = company.signed_in("olga")
    whole = olga.get("/products").text
    assert whole.startswith("<!doctype html>")
    assert len(addresses(whole)) == 50
    results = olga.get("/products", headers=PART | {"HX-Target": "section#results"}).text
    assert addresses(results) == addresses(whole)
    assert "<html" not in results
    rows = olga.get("/products?offset=50", headers=PART).text
    assert "<thead" not in rows
    assert len(addresses(rows)) == 8
    assert not set(addresses(rows)) & set(addresses(whole))


@pytest.mark.parametrize("beside", [True, False], ids=["in memory", "in files"])
def test_a_page_from_memory_is_made_where_its_request_is_and_one_from_files_on_a_thread(
    shared_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, beside: bool
) -> None:
    settings = cheap(tmp_path / "home")
    shutil.copytree(shared_home / "published", settings.published)
    for file in [] if beside else settings.published.glob("serving-*.arrow"):
        file.unlink()
    aside: list[bool] = []

    def noted(*arguments: Any, **more: Any) -> Any:
        aside.append(current_thread().name.startswith("AnyIO"))
        return render(*arguments, **more)

    monkeypatch.setattr(pages, "render", noted)
    with closing(people(settings)) as found:
        olga = found.signed_in("olga")
        path = unescape(addresses(olga.get("/products").text)[0])
        aside.clear()
        for asked in ("/products", path, f"{path}/why/units"):
            assert olga.get(asked).status_code == 200
    assert aside == [not beside] * 3


@pytest.mark.parametrize(
    "query",
    [
        "store=S001&store=S002&sort=name&order=asc",
        "&".join(f"attention={why}" for why in Attention),
        "attention=forecast&days=7&sort=growth",
    ],
)
def test_page_and_api_filter_alike(company: People, query: str) -> None:
    olga = company.signed_in("olga")
    found = olga.get(f"/api/v1/products?{query}").json()["rows"]
    shown = addresses(olga.get(f"/products?{query}").text)
    assert 0 < len(found) == len(shown)
    assert shown == [product_path(row["store"], row["product"]) for row in found]


def test_page_and_api_have_the_same_interval_of_a_whole_store_and_none_of_a_search(company: People) -> None:
    olga = company.signed_in("olga")

    def shown_and_told(query: str) -> tuple[str, dict[str, Any]]:
        foot = re.search(r"<tfoot>.*</tfoot>", olga.get(f"/products?{query}").text, re.DOTALL)
        assert foot
        return foot[0], olga.get(f"/api/v1/products?{query}").json()["totals"]

    for query in ("", "store=S001", "category=Dairy", "store=S002&category=Dairy"):
        foot, totals = shown_and_told(query)
        low, high = totals["forecast_units_28d_p10"], totals["forecast_units_28d_p90"]
        assert 0 < low < totals["forecast_units_28d"] < high
        assert f"<small>{words.rough(low)} to {words.rough(high)}</small>" in foot
    foot, totals = shown_and_told("q=a")
    assert totals["forecast_units_28d"] > 0
    assert totals["forecast_units_28d_p10"] is totals["forecast_units_28d_p90"] is None
    assert "<small>" not in foot


@pytest.fixture(scope="module")
def listed_row(shared_home: Path) -> pa.Table:
    """The first row of the list."""
    return product_list(Reader(Settings(home=shared_home).published), EVERY_STORE, Asked(), limit=1).columns


def shown_as(row: pa.Table, **changed: object) -> str:
    """The row with these values, as the list shows it."""
    for name, value in changed.items():
        place = row.column_names.index(name)
        row = row.set_column(place, name, pa.array([value], row.schema.field(name).type))
    return str(fragment("found.html", {"said": row_words(row, {}, Filters()), "several": False}))


def test_a_change_of_too_few_sales_is_not_told(listed_row: pa.Table) -> None:
    told = {"growth_28d_pct": -100.0, "growth_wow_pct": -100.0}
    assert "▼ 100 %" in shown_as(listed_row, **told, trend_28d_pct=-100.0)
    assert "few sales" in shown_as(listed_row, **told, trend_28d_pct=None)
    assert "100 %" not in shown_as(listed_row, **told, trend_28d_pct=None)
    assert "few sales" not in shown_as(listed_row, growth_28d_pct=None, trend_28d_pct=None)


@given(name=st.text(min_size=1), code=st.text(min_size=1))
@example(name="<b>{code}</b> %s & \"Co'\0", code="</td>")
def test_whatever_a_product_is_called_the_list_shows_it_and_nothing_else_changes(
    listed_row: pa.Table, name: str, code: str
) -> None:
    plain = shown_as(listed_row, name="NAME", product="CODE")
    path = product_path(listed_row["store"][0].as_py(), code)
    plain = plain.replace(">NAME<", f">{escape(name)}<").replace("/CODE", f"/{path.split('/')[-1]}")
    assert shown_as(listed_row, name=name, product=code) == plain.replace(">CODE<", f">{escape(code)}<")


def test_what_a_form_leaves_empty_filters_nothing_and_several_stores_stay_chosen(company: People) -> None:
    olga = company.signed_in("olga")
    everything = addresses(olga.get("/products").text)
    assert addresses(olga.get("/products?q=&store=&category=&days=28&campaign=spring").text) == everything
    text = olga.get("/products?store=S002&store=S001").text
    assert text.count('type="hidden" name="store"') == 2
    refused = olga.get("/products?days=5")
    assert refused.status_code == 422
    assert "cannot be filtered like that: days" in refused.text


def test_exactly_one_product_and_those_without_a_category_can_be_asked_for(company: People) -> None:
    olga = company.signed_in("olga")
    address = addresses(olga.get("/products").text)[0]
    _, _, store, product = address.split("/")
    found = re.search(r'href="(/api/v1/products[^"]*product=[^"]*format=csv)"', olga.get(address).text)
    assert found is not None
    assert len(olga.get(unescape(found[1])).text.splitlines()) == 2
    assert addresses(olga.get(f"/products?product={product[:-1]}").text) == []
    only = olga.get(f"/products?product={product}&store={store}").text
    assert addresses(only) == [address]
    assert f'name="product" value="{product}"' in only
    without = [row for row in olga.get("/api/v1/products?category=").json()["rows"] if row["category"] is None]
    shown = olga.get("/products?category=~").text
    assert addresses(shown) == [product_path(row["store"], row["product"]) for row in without] != []
    assert re.search(r'<option value="~" selected>Without a category', shown)
    assert "category=~" in unescape(unquote(re.findall(r'href="([^"]*sort=name[^"]*)"', shown)[0]))


def test_whose_stores_have_sent_nothing_is_told_so(shared_home: Path, tmp_path: Path) -> None:
    company = people(cheap(own_home(shared_home, tmp_path)), stores=("S9",))
    text = company.signed_in("max").get("/products").text
    assert "Nothing of your stores is here yet" in text
    assert "You may see S9." in text
    assert "S001" not in text
    company.close()


def test_every_reason_for_attention_has_its_words() -> None:
    assert set(REASON_WORDS) == set(Attention)


def test_a_product_comes_whole_or_alone_from_the_same_address(company: People) -> None:
    olga = company.signed_in("olga")
    address = addresses(olga.get("/products").text)[0]
    whole, alone = olga.get(address), olga.get(address, headers=PART)
    assert alone.text.lstrip().startswith("<article")
    assert alone.text.strip() in whole.text
    marked = re.findall(
        r'<tr class="current">\s*<th[^>]*><a class="open" href="([^"]+)" aria-current="true">', whole.text
    )
    assert marked == [address], "the list marks what is shown beside it"
    assert "&lt;" not in whole.text
    assert "HX-Request" in whole.headers["vary"]
    assert whole.headers["cache-control"] == "no-store"


def test_a_manager_sees_only_the_own_store(company: People) -> None:
    browser = company.signed_in("max")
    text = browser.get("/products").text
    assert {address.split("/")[2] for address in addresses(text)} == {"S002"}
    other = addresses(company.signed_in("olga").get("/products?store=S001").text)[0]
    for path in (other, f"{other}/why/revenue", "/products?store=S001"):
        assert browser.get(path).status_code == 404
    form = {"decision": "accept", "publication": "any"}
    assert browser.post(f"{other}/decision", data=form).status_code == 404


def test_only_who_may_decide_is_offered_it_and_can(company: People) -> None:
    query = "/products?attention=price&sort=expected_profit_uplift_p50"
    anna, olga = company.signed_in("anna"), company.signed_in("olga")
    address = addresses(olga.get(query).text)[-1]
    assert "/decision" not in anna.get(address).text
    form = {"decision": "decline", "reason": "no", "publication": _newest(company)}
    assert anna.post(f"{address}/decision", data=form).status_code == 403
    assert olga.post(f"{address}/decision", data=form | {"reason": ""}).status_code == 422
    assert olga.post(f"{address}/decision", data=form).headers["location"].startswith(address)
    assert "“no”" in olga.get(address).text
    audit = olga.get("/audit").text
    assert "decided on a price" in audit
    assert "decline" in audit


def test_every_guardrail_has_its_words() -> None:
    assert set(GUARDRAIL_WORDS) == set(PRICE_GUARDRAILS)


def test_the_parts_of_a_change_sum_to_it(company: People) -> None:
    olga = company.signed_in("olga")
    address = addresses(olga.get("/products").text)[0]
    page = unescape(olga.get(f"{address}/why/units").text)
    assert re.search(r"<h1>(.+)</h1>", page)[1] in unescape(olga.get(address).text)  # type: ignore[index]
    assert address.split("/")[3] not in re.search(r"<h1>(.+)</h1>", page)[1], "a name, not the code"  # type: ignore[index]
    text = page.replace("−", "-").replace(",", "")
    amounts = [float(amount) for amount in re.findall(r'<dd class="number [a-z]+">([-+0-9.]+)', text)]
    total = re.search(r"<strong>([-+0-9.]+)</strong>", text)
    assert total is not None
    assert sum(amounts) == pytest.approx(float(total[1]), abs=1.0)


def test_an_earlier_publication_says_less(company: People) -> None:
    olga = company.signed_in("olga")
    earlier = publications(company.auth.settings.published)[-1].id
    now, then = olga.get("/products").text, olga.get(f"/products?known_on={earlier}").text
    assert "You look at what was known on" in then
    assert "You look at what was known on" not in now
    address = addresses(now)[0]
    assert "Sun 22 Nov" in olga.get(address).text
    assert "Sat 21 Nov" in olga.get(f"{address}?known_on={earlier}").text


def test_before_the_first_publication_the_page_says_what_to_do(tmp_path: Path) -> None:
    alone = people(cheap(tmp_path))
    answer = alone.signed_in("olga").get("/products")
    assert answer.status_code == 503
    assert "Nothing is published yet" in answer.text
    alone.close()


def test_every_kpi_of_a_page_leads_to_its_entry_in_the_glossary(company: People) -> None:
    olga = company.signed_in("olga")
    entries = set(re.findall(r'id="([^"]+)"', olga.get("/glossary").text))
    asked = set(re.findall(r'href="/glossary#([^"]+)"', olga.get(addresses(olga.get("/products").text)[0]).text))
    assert len(asked) >= 6
    assert asked <= entries


def _newest(company: People) -> str:
    return publications(company.auth.settings.published)[0].id


def test_the_store_that_is_asked_for_is_chosen_whatever_its_name() -> None:
    names = {"": "None", '<S"&1>': "A & B", "S2": "S2"}
    for chosen in (*names, "no such store"):
        shown = str(store_options(names, Filters(store=(chosen,))))
        options = re.findall(r'<option value="([^"]*)"( selected)?>([^<]*)</option>', shown)
        assert [(unescape(code), unescape(label)) for code, _, label in options] == [
            (code or "~", label) for code, label in names.items()
        ]
        assert [unescape(code) for code, selected, _ in options if selected] == [chosen or "~"] * (chosen in names)
