"""Pages from memory are the pages from the files, and what lies in memory stays within its bound."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emma_platform.model.access import EVERY_STORE, StoreScope
from emma_platform.serving import store_pages
from emma_platform.serving.opened import Opened, open_newest
from emma_platform.serving.product_page import HISTORY_COLUMNS, HISTORY_DAYS, ProductPage, read_page, store_rows, warm
from emma_platform.serving.publication import ServingError
from emma_platform.serving.publish import publish
from emma_platform.serving.store_pages import REST_SECONDS, StorePages
from emma_platform.store.delta import DeltaStore
from emma_platform.store.protocol import Stores, Whole
from emma_platform_tests.serving import chain

STORES, PRODUCTS = ("S001", "S002"), ("P1", "P2", "P3")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 days, forecasts and advice of two origins, and promotions of every store."""
    folder = tmp_path_factory.mktemp("pages")
    store = DeltaStore(folder / "lake")
    versions = chain.fill(store, days=chain.days_before(120))
    for name in ("sales_forecast", "price_recommendations"):
        newest = chain.rows(name, stores=STORES, days=chain.days_before(120), products=PRODUCTS)
        earlier = chain.rows(name, stores=["S001"], days=chain.days_before(1, chain.days_before(2)[0]), products=["P2"])
        versions[name] = store.commit(name, pa.concat_tables([earlier, newest]), Whole(), {})
    promotions = chain.rows("promotions", stores=STORES, days=chain.days_before(1), products=PRODUCTS)
    nowhere = pa.nulls(promotions.num_rows, pa.string())
    everywhere = promotions.set_column(0, promotions.schema.field("store"), nowhere)
    versions["promotions"] = store.commit("promotions", pa.concat_tables([promotions, everywhere]), Whole(), {})
    publish(store, versions=versions, published=folder / "p", publication_id="p", at=chain.AT, keep=1)
    return folder / "p"


@pytest.fixture(scope="module")
def from_files(published: Path) -> Opened:
    """Keeps nothing in memory."""
    opened = open_newest(published)
    object.__setattr__(opened, "store_pages", StorePages(0))
    return opened


@pytest.fixture(scope="module")
def from_memory(published: Path) -> Opened:
    opened = open_newest(published)
    for store in STORES:
        opened.store_pages.fill(store, partial(store_rows, opened, store))
    warm(opened)
    return opened


def same(one: ProductPage, other: ProductPage) -> bool:
    return all(getattr(one, each.name) == getattr(other, each.name) for each in fields(ProductPage))


@given(
    store=st.sampled_from(STORES),
    product=st.sampled_from(PRODUCTS),
    days=st.none() | st.integers(1, HISTORY_DAYS + 40),
    columns=st.lists(st.sampled_from([*HISTORY_COLUMNS, "revenue_7d"]), min_size=1, unique=True),
    scope=st.sampled_from([EVERY_STORE, StoreScope.of(*STORES)]),
)
def test_a_page_from_memory_is_that_from_the_files(
    from_files: Opened,
    from_memory: Opened,
    store: str,
    product: str,
    days: int | None,
    columns: list[str],
    scope: StoreScope,
) -> None:
    pages = [read_page(opened, scope, store, product, days, columns) for opened in (from_files, from_memory)]
    assert same(*pages)
    assert pages[1].kpis.num_rows == min(120, days or 120)
    assert pages[1].kpis.column_names == columns


def test_what_is_in_memory_is_read_from_there(from_memory: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Opened, "_fetched", refused)
    page = read_page(from_memory, EVERY_STORE, "S001", "P2", HISTORY_DAYS, HISTORY_COLUMNS)
    assert page.kpis["day"].to_pylist() == chain.days_before(HISTORY_DAYS)
    assert page.past_forecasts.num_rows == 28
    with pytest.raises(AssertionError):
        read_page(from_memory, EVERY_STORE, "S001", "P2", None, HISTORY_COLUMNS)


def test_memory_tells_nobody_of_a_store_outside_the_scope(from_memory: Opened) -> None:
    with pytest.raises(ServingError, match=r"no store 'S001'; there are 1: S002"):
        read_page(from_memory, StoreScope.of("S002"), "S001", "P1", HISTORY_DAYS, HISTORY_COLUMNS)
    with pytest.raises(ServingError, match="no product 'P9' in store 'S001'"):
        read_page(from_memory, EVERY_STORE, "S001", "P9", HISTORY_DAYS, HISTORY_COLUMNS)


def test_the_first_page_of_a_store_brings_the_others_into_memory(published: Path, from_files: Opened) -> None:
    opened = open_newest(published)

    def page() -> ProductPage:
        return read_page(opened, EVERY_STORE, "S002", "P1", HISTORY_DAYS, HISTORY_COLUMNS)

    expected = read_page(from_files, EVERY_STORE, "S002", "P1", HISTORY_DAYS, HISTORY_COLUMNS)
    assert same(page(), expected)
    wait_for(opened.store_pages)
    assert opened.store_pages.asked == ("S002",)
    assert same(page(), expected)


# -- the bound, over stores of 100 rows of 8 + 4 + 1 bytes ------------------------------------------------------------


def rows_of(count: int = 100) -> Mapping[str, pa.Table]:
    return {"t": pa.table({"product": pa.array(["x"] * count, pa.string()), "n": pa.array(range(count), pa.int64())})}


SIZE = rows_of()["t"].nbytes


def wait_for(pages: StorePages) -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("pages of "):
            thread.join()


def ask(pages: StorePages, store: str, count: int = 100) -> bool:
    """Whether the store is in memory; if it is not, the thread that reads it has ended."""
    found = pages.of(store, partial(rows_of, count))
    wait_for(pages)
    return found is not None


def test_a_store_gives_way_when_nobody_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(store_pages.time, "monotonic", lambda: now)
    pages = StorePages(2 * SIZE)
    assert not ask(pages, "a")
    assert not ask(pages, "b")
    assert ask(pages, "a")
    assert not ask(pages, "c")
    assert pages.kept == ("b", "a")
    now += REST_SECONDS + 1
    assert ask(pages, "a")
    assert not ask(pages, "c")
    assert pages.kept == ("a", "c")


def test_a_store_beyond_the_bound_is_read_whole_once() -> None:
    pages = StorePages(SIZE)
    read = []
    for _ in range(3):
        assert pages.of("large", lambda: read.append(1) or rows_of(1000)) is None
        wait_for(pages)
    assert read == [1]
    assert pages.kept == ()


def test_nothing_is_kept_within_no_bytes() -> None:
    assert not ask(StorePages(0), "a")
    assert not ask(StorePages(0), "a")


def test_who_asks_while_a_store_is_read_does_not_wait_and_reads_nothing_twice() -> None:
    pages, go_on, reads = StorePages(), threading.Event(), []

    def slowly() -> Mapping[str, pa.Table]:
        reads.append(1)
        go_on.wait()
        return rows_of()

    assert pages.of("a", slowly) is None
    assert pages.of("a", slowly) is None
    assert pages.of("b", slowly) is None
    go_on.set()
    wait_for(pages)
    assert reads == [1]
    assert pages.kept == ("a",)


def test_files_that_are_gone_are_looked_for_again() -> None:
    pages = StorePages()

    def gone() -> Mapping[str, pa.Table]:
        raise ServingError("gone")

    assert pages.of("a", gone) is None
    wait_for(pages)
    assert not ask(pages, "a")
    assert ask(pages, "a")


def test_a_store_that_was_only_warmed_is_not_asked_for() -> None:
    pages = StorePages()
    pages.fill("a", rows_of)
    pages.fill("b", rows_of)
    assert pages.kept == ("a", "b")
    assert ask(pages, "a")
    assert pages.asked == ("a",)


def test_a_newer_publication_takes_over_what_is_the_same_and_reads_the_rest(tmp_path: Path) -> None:
    store, folder = DeltaStore(tmp_path / "lake"), tmp_path / "p"
    versions = chain.fill(store, days=chain.days_before(40))
    publish(store, versions=versions, published=folder, publication_id="one", at=chain.AT, keep=2)
    before = open_newest(folder)
    warm(before)
    for name in STORES:
        before.store_pages.fill(name, partial(store_rows, before, name), asked=0.0)
    advice = chain.rows("price_recommendations", stores=["S002"], days=chain.days_before(1), products=["P1"], mark=5)
    versions["price_recommendations"] = store.commit("price_recommendations", advice, Stores({"S002"}), {})
    publish(store, versions=versions, published=folder, publication_id="two", at=chain.AT, keep=2)
    newest = open_newest(folder)
    warm(newest, before)

    def kept(opened: Opened, store: str) -> object:
        return opened.store_pages.of(store, dict)

    def overview(opened: Opened, name: str) -> object:
        return opened.by_product._kept[name]

    assert kept(newest, "S001") is kept(before, "S001")
    assert kept(newest, "S002") is not kept(before, "S002")
    assert overview(newest, "price_response") is overview(before, "price_response")
    assert overview(newest, "product_overview") is not overview(before, "product_overview")
    cold = open_newest(folder)
    for name in STORES:
        asked = (EVERY_STORE, name, "P1", HISTORY_DAYS, HISTORY_COLUMNS)
        assert same(read_page(newest, *asked), read_page(cold, *asked))
