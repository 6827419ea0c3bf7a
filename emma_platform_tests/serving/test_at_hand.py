"""What lies beside a publication says what the publication says; without it everything is answered all the same."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from threading import Barrier

import pyarrow as pa
import pytest

from emma_platform.model.access import EVERY_STORE, StoreScope
from emma_platform.serving import at_hand
from emma_platform.serving import opened as opened_module
from emma_platform.serving.changes import explain_change
from emma_platform.serving.freshness import freshness
from emma_platform.serving.held import Held
from emma_platform.serving.opened import Opened, open_named, open_newest
from emma_platform.serving.periods import last_periods
from emma_platform.serving.product_list import Asked, product_list
from emma_platform.serving.publication import Publication
from emma_platform.serving.publish import publish
from emma_platform.serving.reader import Reader
from emma_platform.store.delta import DeltaStore
from emma_platform.store.protocol import Days
from emma_platform_tests.serving import chain
from emma_platform_tests.serving.conftest import Publish

SCOPES = (EVERY_STORE, StoreScope.of("S002"), StoreScope.of("S001", "S002"), StoreScope.of())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 days of two stores, with promotions of every store."""
    folder = tmp_path_factory.mktemp("at_hand")
    store = DeltaStore(folder / "lake")
    versions = chain.fill(store, days=chain.days_before(60))
    publish(store, versions=versions, published=folder / "p", publication_id="p", at=chain.AT, keep=1)
    return folder / "p"


def without(folder: Path, copy: Path) -> Path:
    """The same publications with nothing beside them."""
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*.arrow"), symlinks=True)
    return copy


@pytest.fixture(scope="module")
def alone(folder: Path) -> Path:
    return without(folder, folder.with_name("alone"))


def test_it_is_what_is_read_from_the_publication(folder: Path, alone: Path) -> None:
    beside, anew = open_newest(folder), open_newest(alone)
    assert (beside.at_hand is None, anew.at_hand is None) == (False, True)
    tables = anew.tables()
    assert list(tables) == list(at_hand.NAMES)
    for name, rows in beside.tables().items():
        assert rows == tables[name], name
        assert rows.num_rows or name in {"received", "file_states", "checks"}, name
    assert {name: dict(beside.files[name]) for name in beside.files} == {n: dict(anew.files[n]) for n in anew.files}
    for what in ("stores", "store_names", "first_days", "last_days"):
        assert getattr(beside, what) == getattr(anew, what), what


@pytest.mark.parametrize("scope", SCOPES)
def test_a_list_of_it_is_that_of_the_publication(folder: Path, alone: Path, scope: StoreScope) -> None:
    beside, anew = (Reader(each).listing(scope) for each in (folder, alone))
    assert beside.rows == anew.rows
    assert beside.rows.num_rows == 3 * len([store for store in ("S001", "S002") if scope.allows(store)])
    assert beside.searched == anew.searched
    for name in ("attention", "amounts"):
        mine, theirs = (getattr(each, name) for each in (beside, anew))
        assert {key: values.tolist() for key, values in mine.items()} == {k: v.tolist() for k, v in theirs.items()}


def test_lists_pages_and_whys_attach_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(folder)
    monkeypatch.delattr(Held, "attach")
    reader.warm()
    assert product_list(reader, EVERY_STORE, Asked(search="p1")).totals.products == 2
    assert reader.product(EVERY_STORE, "S001", "P1").promotions.num_rows
    months = last_periods(chain.LAST_DAY)
    assert explain_change(reader, EVERY_STORE, "revenue", *months, stores=["S001"]).first_day < chain.LAST_DAY
    for scope in SCOPES[:2]:
        assert freshness(reader, scope).last_day == chain.LAST_DAY
        assert reader.store_names(scope)["S002"].startswith("name ")
    with pytest.raises(AttributeError):
        reader.table(EVERY_STORE, "products")


def test_threads_that_ask_at_once_attach_it_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attached: list[Held] = []
    attach = Held.attach

    def counted(held: Held) -> object:
        attached.append(held)
        return attach(held)

    monkeypatch.setattr(Held, "attach", counted)
    reader, together = Reader(folder), Barrier(4)

    def ask(_: int) -> int:
        together.wait()
        return reader.table(EVERY_STORE, "products").num_rows

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [3] * 4
    assert len(attached) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(file.read_bytes()[:2000]),
        lambda file: at_hand.arrow_file.write(file, [pa.table({"form": ["other"]})] * (1 + len(at_hand.NAMES))),
        lambda file: at_hand.arrow_file.write(file, [pa.table({"n": [1]})] * (1 + len(at_hand.NAMES))),
    ],
    ids=["empty", "cut off", "of another version", "something else"],
)
def test_a_file_that_cannot_be_used_costs_only_time(
    folder: Path, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    copy = tmp_path / "p"
    shutil.copytree(folder, copy, symlinks=True)
    (file,) = copy.glob("serving-*.arrow")
    damage(file)
    opened = open_newest(copy)
    assert opened.at_hand is None
    assert opened.tables() == open_newest(folder).tables()


def test_a_reader_asks_its_publication_when_it_is_gone(put: Publish, published: Path) -> None:
    put(0, keep=1)
    reader = Reader(published)
    one = reader.publication
    for state in (1, 2):
        put(state, keep=1)
    assert not one.file.exists()
    assert not at_hand.path_of(one).exists()
    assert reader.table(EVERY_STORE, "products")["name"].to_pylist() == ["name 0", "name 1", "name 2"]
    assert product_list(reader, EVERY_STORE, Asked()).publication == "p0"
    files = {path.name for path in published.glob("serving-*")}
    newest = Reader(published).publication
    assert files == {newest.file.name, at_hand.path_of(newest).name}


def test_a_publication_is_made_when_nothing_can_be_put_beside_it(
    put: Publish, published: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(at_hand.arrow_file, "write", full)
    put(0)
    assert "No space left" in caplog.text
    assert open_newest(published).at_hand is None
    assert Reader(published).listing(EVERY_STORE).rows.num_rows == 6


def test_an_overview_that_is_too_large_is_not_kept(
    put: Publish, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opened_module, "MOST_ROWS", 1)
    put(0)
    opened = open_newest(published)
    assert opened.at_hand is not None
    assert opened.overview is None
    assert Reader(published).listing(EVERY_STORE).rows.num_rows == 6


def test_first_days_are_read_of_the_stores_whose_oldest_files_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, folder = DeltaStore(tmp_path / "lake"), tmp_path / "p"
    versions = chain.fill(store, days=chain.days_before(40), tables=("product_kpis",))
    read: list[list[str]] = []
    first_days = Opened._first_days

    def counted(opened: Opened, oldest: dict[str, list[str]]) -> dict[str, date]:
        read.append(sorted(oldest))
        return first_days(opened, oldest)

    monkeypatch.setattr(Opened, "_first_days", counted)

    def published(name: str) -> Publication:
        return publish(store, versions=versions, published=folder, publication_id=name, at=chain.AT, keep=2)

    def moved(name: str, day: date) -> None:
        rows = chain.rows("product_kpis", stores=[name], days=[day], products=["P1"], mark=1)
        versions["product_kpis"] = store.commit("product_kpis", rows, Days({name: frozenset([day])}), {})

    published("one")
    moved("S002", chain.days_before(50)[0])
    published("two")
    moved("S001", chain.LAST_DAY)
    published("three")
    assert read == [["S001", "S002"], ["S002"], []]
    firsts = {name: [str(day) for day in open_named(folder, name).first_days.values()] for name in ("two", "three")}
    assert set(map(tuple, firsts.values())) == {("2026-10-14", "2026-10-04")}


def test_orders_that_are_the_same_are_taken_over(put: Publish, published: Path) -> None:
    """In the second state the names are others."""
    asked = [("revenue_28d", True), ("product", False), ("name", False)]
    put(0)
    before = Reader(published).listing(EVERY_STORE)
    for column, descending in asked:
        before.order(column, descending=descending)
    for state, taken_over in ((0, asked), (1, asked[:2])):
        put(state, publication_id=f"again{state}")
        listed, cold = (Reader(published).listing(EVERY_STORE) for _ in range(2))
        listed.order_as(before)
        assert [key for key in asked if listed._orders[key] is before._orders[key]] == taken_over
        for column, descending in asked:
            assert listed._orders[column, descending].tolist() == cold.order(column, descending=descending).tolist()
