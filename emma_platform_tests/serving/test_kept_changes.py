"""What is kept of a store's changes is what is worked out live, and is kept anew where what it follows from moved."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from emma_platform.model.access import EVERY_STORE, StoreScope
from emma_platform.serving import change_rows as module
from emma_platform.serving.change_sums import Lives, sums
from emma_platform.serving.changes import explain_change
from emma_platform.serving.kept_changes import CHANGES, kept_change
from emma_platform.serving.opened import open_newest
from emma_platform.serving.periods import last_periods
from emma_platform.serving.publish import publish
from emma_platform.serving.reader import Reader
from emma_platform.serving.store_files import FOLDER, _file
from emma_platform.store.delta import DeltaStore
from emma_platform.store.protocol import Days, Stores, Whole
from emma_platform.transforms.kpi_changes import KPIS, split_changes
from emma_platform_tests.recompute.home import Home, day, sale
from emma_platform_tests.serving import chain

DAYS = 84
OPENED, CLOSED = 40, 70
STORES = {"S1": (0, DAYS), "opened": (OPENED, DAYS), "closed": (0, CLOSED)}
"""First day with sales of each store, and the day after its last."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A store that goes on, one that opens and one that closes; holidays, an event, promotions, goods not there."""
    home = Home(tmp_path_factory.mktemp("kept") / "home")
    home.drop("products.csv", "product,category,unit_cost\nP1,fruit,1\nP2,fruit,2\nP3,tea,\n")
    home.drop("stores.csv", "store,time_zone,country\n" + "".join(f"{store},UTC,GB\n" for store in STORES))
    home.drop("calendar.csv", f"store,day,event,kind\n,{day(60)},Fair,event\nclosed,{day(50)},Works,event\n")
    home.drop(
        "promotions.csv",
        f"store,product,first_day,last_day\nS1,P1,{day(30)},{day(36)}\nclosed,P2,{day(64)},{day(66)}\n"
        f",P3,{day(58)},{day(61)}\n",
    )
    home.sell(
        "sales.csv",
        *(
            sale(store, on, product, 6 + (on * 5 + number) % 4, f"{2 + on // 50 + number}.00", receipt=f"R{number}")
            for store, (first, end) in STORES.items()
            for on in range(first, end)
            for number, product in enumerate(("P1", "P2", "P3"))
            if product != "P2" or store != "S1" or not 67 <= on < 76
        ),
    )
    home.update()
    home.platform.ledger.close()
    return home


@pytest.fixture(scope="module")
def reader(home: Home) -> Reader:
    return Reader(home.settings.published)


def life(store: str) -> Lives:
    return ((store, date.fromisoformat(day(STORES[store][0])), date.max),)


def months(store: str) -> module.Periods:
    return last_periods(date.fromisoformat(day(STORES[store][1] - 1)))


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("kpi", KPIS)
def test_what_is_kept_is_what_is_worked_out(reader: Reader, store: str, kpi: str) -> None:
    kept = kept_change(reader, EVERY_STORE, kpi, months(store), life(store))
    assert kept is not None
    assert kept == split_changes(sums(reader, EVERY_STORE, months(store), life(store)), kpi)


def test_the_stores_have_what_a_change_follows_from(reader: Reader) -> None:
    """Without these the test above would prove less."""
    found = pa.concat_tables(
        [kept_change(reader, EVERY_STORE, "revenue", months(store), life(store)) for store in STORES]
    )
    moved = {name for name in found.column_names[6:] if pc.any(pc.not_equal(found[name], 0)).as_py()}
    assert moved >= {"stores_opened", "calendar", "promotion", "price", "stock_outs", "volume"}
    margins = kept_change(reader, EVERY_STORE, "gross_margin", months("S1"), life("S1"))
    assert margins is not None
    assert margins["product"].to_pylist() == ["P1", "P2"]


@pytest.mark.parametrize("scope", [EVERY_STORE, StoreScope.of("closed"), StoreScope.of("S1", "closed")])
@pytest.mark.parametrize("store", ["S1", "closed"])
def test_a_page_asks_for_what_is_kept_whoever_reads_it(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, scope: StoreScope, store: str
) -> None:
    """To who sees it alone, a closed store has not closed: its figures end with the newest."""
    if not scope.allows(store):
        return
    monkeypatch.delattr(module, "sums")
    change = explain_change(reader, scope, "gross_margin", *months(store), stores=[store])
    assert change.left_out > 0
    with pytest.raises(NameError):
        explain_change(reader, scope, "gross_margin", *last_periods(date.fromisoformat(day(60))), stores=[store])


def test_without_the_file_the_change_is_worked_out(home: Home, reader: Reader, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(home.settings.published, alone, ignore=shutil.ignore_patterns(FOLDER), symlinks=True)
    asked = (EVERY_STORE, "revenue", *months("closed"))
    live = explain_change(Reader(alone), *asked, stores=["closed"], by="product")
    assert kept_change(Reader(alone), EVERY_STORE, "revenue", months("closed"), life("closed")) is None
    assert live.to_json() == explain_change(reader, *asked, stores=["closed"], by="product").to_json()


def test_it_is_kept_anew_where_anything_moved_that_it_follows_from(tmp_path: Path) -> None:
    store, folder = DeltaStore(tmp_path / "lake"), tmp_path / "p"
    names = ("S001", "S002")
    tables = ("product_kpis", "price_recommendations", "stores")
    versions = chain.fill(store, stores=names, days=chain.days_before(90), tables=tables)

    def rewritten(table: str, mark: int, stores: Sequence[str] = names, days: Sequence[date] = ()) -> set[str]:
        """Publishes other rows of a table; returns the stores whose changes were worked out anew."""
        rows = chain.rows(table, stores=stores, days=days or chain.days_before(1), products=["P1", "P2"], mark=mark)
        of_stores = Days({name: frozenset(days) for name in stores}) if days else Stores(frozenset(stores))
        whole = table in {"promotions", "calendar", "stores"}
        versions[table] = store.commit(table, rows, Whole() if whole else of_stores, {})
        publish(store, versions=versions, published=folder, publication_id=f"n{mark}", at=chain.AT, keep=1)
        opened = open_newest(folder)
        found = {name: _file(opened, name, CHANGES) for name in names}
        assert all(file.exists() for file in found.values())
        changed = {name for name in names if found[name] != known.get(name)}
        known.update(found)
        return changed

    known: dict[str, Path] = {}
    assert rewritten("price_recommendations", 1) == set(names)
    assert rewritten("price_recommendations", 2) == set()
    assert rewritten("product_kpis", 3, ["S002"], chain.days_before(1)) == {"S002"}
    assert rewritten("product_kpis", 4, ["S001"], chain.days_before(91)[:1]) == {"S001"}, "its first day"
    assert rewritten("probable_stock_outs", 5, ["S001"]) == {"S001"}
    for mark, table in enumerate(("promotions", "calendar", "stores"), start=6):
        assert rewritten(table, mark) == set(names)
