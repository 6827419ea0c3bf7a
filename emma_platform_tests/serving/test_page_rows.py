"""Pages from a store's file are the pages from the lake; a file is written when its store changed, and not before."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emma_platform.model.access import EVERY_STORE, StoreScope
from emma_platform.serving import store_pages
from emma_platform.serving.opened import Opened, open_named, open_newest
from emma_platform.serving.page_rows import HISTORY_COLUMNS, HISTORY_DAYS, PAGES, schema
from emma_platform.serving.product_page import ProductPage, read_page
from emma_platform.serving.publication import ServingError
from emma_platform.serving.publish import publish
from emma_platform.serving.selection import select
from emma_platform.serving.store_files import FOLDER, rows_of, write_missing
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
    return open_newest(published)


@pytest.fixture(scope="module")
def from_lake(published: Path) -> Opened:
    """The same publication, without the stores' files beside it."""
    alone = published.with_name("alone")
    shutil.copytree(published, alone, ignore=shutil.ignore_patterns(FOLDER), symlinks=True)
    opened = open_newest(alone)
    assert rows_of(opened, "S001", PAGES) is None
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
def test_a_page_from_the_file_is_that_from_the_lake(
    from_files: Opened,
    from_lake: Opened,
    store: str,
    product: str,
    days: int | None,
    columns: list[str],
    scope: StoreScope,
) -> None:
    pages = [read_page(opened, scope, store, product, days, columns) for opened in (from_files, from_lake)]
    assert same(*pages)
    assert pages[0].kpis.num_rows == min(120, days or 120)
    assert pages[0].kpis.column_names == columns
    asked = select(EVERY_STORE, "promotions", stores=[store], product=product)
    assert pages[0].promotions == from_lake.few(asked, order="first_day, last_day, store, kind")
    assert pages[0].promotions.num_rows == 1 + len(STORES)


def test_what_is_in_the_file_is_read_from_there(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_newest(published)
    assert opened.overview is not None
    assert opened.promotions.num_rows

    def refused(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(Opened, "_fetched", refused)
    page = read_page(opened, EVERY_STORE, "S001", "P2", HISTORY_DAYS, HISTORY_COLUMNS)
    assert page.kpis["day"].to_pylist() == chain.days_before(HISTORY_DAYS)
    assert page.past_forecasts.num_rows == 28
    with pytest.raises(AssertionError):
        read_page(opened, EVERY_STORE, "S001", "P2", None, HISTORY_COLUMNS)


def test_a_file_tells_nobody_of_a_store_outside_the_scope(from_files: Opened) -> None:
    with pytest.raises(ServingError, match=r"no store 'S001'; there are 1: S002"):
        read_page(from_files, StoreScope.of("S002"), "S001", "P1", HISTORY_DAYS, HISTORY_COLUMNS)
    with pytest.raises(ServingError, match="no product 'P9' in store 'S001'"):
        read_page(from_files, EVERY_STORE, "S001", "P9", HISTORY_DAYS, HISTORY_COLUMNS)


def test_rows_without_a_product_and_tables_without_rows_are_written_too(tmp_path: Path) -> None:
    rows = pa.table({"product": pa.array(["x", "x", "z", None]), "n": pa.array([1, 2, 3, 4], pa.int64())})
    store_pages.write(tmp_path / "s.arrow", {"some": rows, "none": rows.slice(0, 0)})
    opened = store_pages.opened(tmp_path / "s.arrow", ("some", "none"))
    assert opened is not None
    assert opened.products.to_pylist() == ["x", "z"]
    found = {code: opened.of("some", opened.number(code), rows.schema)["n"].to_pylist() for code in ("x", "y", "z")}
    assert found == {"x": [1, 2], "y": [], "z": [3]}
    assert opened.of("none", 0, rows.schema).num_rows == 0


@pytest.mark.parametrize(
    "damage", [Path.unlink, lambda file: file.write_bytes(b""), lambda file: file.write_bytes(b"?")]
)
def test_a_file_that_is_gone_or_damaged_costs_only_time(
    tmp_path: Path, from_lake: Opened, damage: Callable[[Path], object]
) -> None:
    file = from_lake.publication.file
    alone = tmp_path / "alone"
    shutil.copytree(file.parent, alone, symlinks=True)
    opened = open_newest(alone)
    write_missing(opened, (PAGES,))
    for each in (alone / FOLDER).iterdir():
        damage(each)
    asked = (EVERY_STORE, "S001", "P2", HISTORY_DAYS, HISTORY_COLUMNS)
    assert same(read_page(opened, *asked), read_page(from_lake, *asked))


def test_only_the_file_of_a_store_that_changed_is_written_and_the_one_before_stays(tmp_path: Path) -> None:
    store, folder = DeltaStore(tmp_path / "lake"), tmp_path / "p"
    versions = chain.fill(store, days=chain.days_before(40))

    def published(number: int, changed: str) -> set[str]:
        """Publishes other advice for a store; returns the files there are then."""
        advice = chain.rows(
            "price_recommendations", stores=[changed], days=chain.days_before(1), products=["P1"], mark=number
        )
        versions["price_recommendations"] = store.commit("price_recommendations", advice, Stores({changed}), {})
        publish(store, versions=versions, published=folder, publication_id=f"n{number}", at=chain.AT, keep=4)
        return {file.name for file in (folder / FOLDER).glob("*.page-*")}

    one = published(1, "S002")
    assert len(one) == len(STORES)
    two = published(2, "S002")
    assert len(two - one) == 1
    assert one < two
    three = published(3, "S001")
    four = published(4, "S002")
    assert len(four - three) == 1
    assert len(three - four) == 1
    newest, before, oldest = (open_named(folder, name) for name in ("n4", "n3", "n1"))
    assert rows_of(newest, "S001", PAGES) is rows_of(before, "S001", PAGES) is not None
    assert rows_of(newest, "S002", PAGES) is not rows_of(before, "S002", PAGES)
    assert rows_of(oldest, "S002", PAGES) is None
    asked = (EVERY_STORE, "S002", "P1", HISTORY_DAYS, HISTORY_COLUMNS)
    pages = [read_page(one, *asked) for one in (newest, before, oldest)]
    assert len({str(page.overview["recommended_price"]) for page in pages}) == len(pages)


def test_each_store_has_the_days_before_its_own_last_one(tmp_path: Path) -> None:
    store, folder = DeltaStore(tmp_path / "lake"), tmp_path / "p"
    versions = chain.fill(store, days=chain.days_before(100))
    closed = chain.days_before(100)[:-6]
    kpis = chain.rows("product_kpis", stores=["S002"], days=closed, products=PRODUCTS)
    versions["product_kpis"] = store.commit("product_kpis", kpis, Stores({"S002"}), {})
    publish(store, versions=versions, published=folder, publication_id="one", at=chain.AT, keep=1)
    opened = open_newest(folder)
    for name, days in (("S001", chain.days_before(100)), ("S002", closed)):
        kept = rows_of(opened, name, PAGES)
        assert kept is not None
        found = kept.of("product_kpis", kept.number("P2"), schema("product_kpis"))
        assert found["day"].to_pylist() == days[-HISTORY_DAYS:]
