"""What was lost is made again: the ledger, the lake, a publication, parts of them; a home that moved; a rebuild."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from emma_platform.engine.duckdb import EngineError
from emma_platform.model.access import EVERY_STORE
from emma_platform.recompute.batch import rebuild
from emma_platform.recompute.ledger import Key, partitions
from emma_platform.recompute.recovery import UnknownStoreError
from emma_platform.recompute.status import status
from emma_platform.serving.publication import current
from emma_platform.serving.reader import Reader
from emma_platform_tests.recompute.home import NOW, Home, day, sale

HOURS = count()


def opened(folder: Path) -> Home:
    """A platform whose clock goes on by an hour at each look; ids of publications bear the time."""
    home = Home(folder)
    home.platform = replace(home.platform, now=lambda: NOW + timedelta(hours=next(HOURS)))
    return home


@pytest.fixture
def home(saved: Path) -> Home:
    return in_its_place(saved)


def in_its_place(saved: Path) -> Home:
    """The saved home where it was made: a publication names the files of the lake with their whole path."""
    folder = saved.with_name("home")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(saved, folder, symlinks=True)
    return opened(folder)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stores, a correction, a file that fails over a good one, one that is gone, a copy, costs and stock."""
    root = tmp_path_factory.mktemp("recovery")
    home = opened(root / "home")
    home.drop("products.csv", "product,category,unit_cost\nP1,tea,1.10\n")
    home.drop("stock.csv", f"store,day,product,on_hand\nS1,{day(1)},P1,5\n")
    home.sell("a.csv", *(sale(on=on) for on in range(35)), '"S1",R9,yesterday,P1,1,1\n')
    home.sell("gone.csv", sale("Süd/2", on=3), sale("Süd/2", on=4, product="POSTAGE"))
    home.sell("kept.csv", sale("S1", on=36))
    home.sell("kept-copy.csv", sale("S1", on=36))
    home.update()
    home.sell("a.csv", *(sale(on=on, quantity=2) for on in range(34)), '"S1",R9,yesterday,P1,1,1\n')
    home.drop("kept.csv", b"\x00")
    home.withdraw("gone.csv")
    home.update()
    home.platform.ledger.close()
    return shutil.copytree(root / "home", root / "saved", symlinks=True)


def counts(home: Home) -> dict[str, object]:
    now = status(home.platform)
    return {name: now[name] for name in ("lines", "set_aside_by_reason", "partitions", "stale", "files", "stores")}


def reopened(home: Home) -> Home:
    """As a process that starts now finds it."""
    home.platform.ledger.close()
    return opened(home.settings.home)


def lose_ledger(home: Home) -> None:
    home.platform.ledger.close()
    for file in home.settings.home.glob("ledger.db*"):
        file.unlink()


def seen(home: Home) -> list[str]:
    return sorted(map(repr, Reader(home.settings.published).table(EVERY_STORE, "product_kpis").to_pylist()))


def test_a_lost_ledger_is_made_again_from_the_archive(home: Home) -> None:
    before, numbers, read = home.everything(), counts(home), seen(home)
    lose_ledger(home)
    later = reopened(home)
    assert seen(later) == read
    later.update()
    assert later.everything() == before
    assert counts(later) | {"files": 0} == numbers | {"files": 0}
    assert counts(later)["files"] == numbers["files"] | {"withdrawn": 1}
    assert later.update().partitions == {}
    assert seen(later) == read


def test_a_lost_ledger_and_an_empty_landing_folder_lose_nothing(home: Home) -> None:
    before = home.everything()
    lose_ledger(home)
    for file in home.settings.landing.iterdir():
        file.unlink()
    later = reopened(home)
    later.update()
    assert later.everything() == before


def test_a_list_of_names_that_a_crash_cut_off_costs_the_cut_line_only(home: Home) -> None:
    with (home.settings.archive / "names.jsonl").open("a") as names:
        names.write('\n{"name": "cut.csv", "siz')
    home.sell("after.csv", sale(on=36, receipt="after"))
    home.update()
    home.withdraw("after.csv")
    before = home.everything()
    lose_ledger(home)
    later = reopened(home)
    later.update()
    assert later.everything() == before


def test_a_list_of_names_as_large_as_its_files_not_as_their_rebuilds(home: Home) -> None:
    names = home.settings.archive / "names.jsonl"
    before = names.read_bytes()
    rebuild(home.platform)
    assert names.read_bytes() == before


@pytest.fixture(scope="module")
def one_more(saved: Path) -> tuple[dict[str, list[tuple[object, ...]]], dict[str, object]]:
    """What the home holds and counts, nothing lost, once it has one more file."""
    home = in_its_place(saved)
    home.sell("b.csv", sale(on=36, receipt="new"))
    home.update()
    found = home.everything(), counts(home)
    assert found[1]["stale"] == {}
    home.platform.ledger.close()
    return found


@pytest.mark.parametrize("table", ["", "raw_sales", "set_aside_rows", "product_kpis", "products", "price_priors"])
def test_a_lost_lake_or_table_is_made_again_by_the_next_update(
    one_more: tuple[dict[str, list[tuple[object, ...]]], dict[str, object]], home: Home, table: str
) -> None:
    shutil.rmtree(home.settings.lake / table)
    later = reopened(home)
    later.sell("b.csv", sale(on=36, receipt="new"))
    later.update()
    assert (later.everything(), counts(later)) == one_more


def test_an_older_copy_of_the_lake_is_noticed(home: Home, tmp_path: Path) -> None:
    home.platform.ledger.close()
    shutil.copytree(home.settings.lake, tmp_path / "backup")
    home.sell("b.csv", sale(on=36, receipt="new"))
    home.update()
    before = home.everything()
    shutil.rmtree(home.settings.lake)
    shutil.move(tmp_path / "backup", home.settings.lake)
    later = reopened(home)
    later.update()
    assert later.everything() == before


def test_a_damaged_file_of_the_lake_is_said_and_mended_by_a_rebuild(home: Home) -> None:
    before = home.everything()
    for file in [
        *home.settings.lake.glob("raw_sales/*/*.parquet"),
        *home.settings.lake.glob("product_kpis/*/*.parquet"),
    ]:
        file.write_bytes(b"PAR1")
    later = reopened(home)
    later.sell("b.csv", sale(on=36, receipt="new"))
    with pytest.raises(EngineError, match="raw_sales"):
        later.update()
    rebuild(later.platform)
    later.drop("b.csv", "store,receipt,sold_at,product,quantity,unit_price\n")
    later.update()
    assert later.everything() == before


@pytest.mark.parametrize("what", ["folder", "file", "pointer"])
def test_a_lost_publication_is_made_again(home: Home, what: str) -> None:
    read = seen(home)
    published = home.settings.published
    now = current(published)
    assert now is not None
    if what == "folder":
        shutil.rmtree(published)
    else:
        (now.file if what == "file" else published / "current.json").unlink()
    later = reopened(home)
    later.update()
    assert seen(later) == read
    assert later.update().partitions == {}


def test_a_moved_home_is_published_again_from_its_new_place(home: Home, tmp_path: Path) -> None:
    before, read = home.everything(), seen(home)
    home.platform.ledger.close()
    moved = tmp_path / "moved"
    home.settings.home.rename(moved)
    later = opened(moved)
    report = later.update()
    assert report.partitions == {"published": 1}
    assert (later.everything(), seen(later)) == (before, read)


def test_a_publication_that_a_crash_kept_from_the_ledger_is_recorded(home: Home) -> None:
    p = partitions.c
    with home.platform.ledger.transaction() as connection:
        connection.execute(sa.update(partitions).where(p.table_name == "published").values(content="before"))
    report = home.update()
    assert report.partitions == {"published": 1}
    assert report.publication == current(home.settings.published)
    assert home.update().partitions == {}


def test_a_rebuild_gives_the_same_and_computes_everything(home: Home) -> None:
    before, numbers = home.everything(), counts(home)
    report = rebuild(home.platform)
    assert home.everything() == before
    assert counts(home)["lines"] == numbers["lines"]
    computed = {table: number for table, number in numbers["partitions"].items() if table in report.partitions}  # type: ignore[attr-defined]
    assert {table: report.partitions[table] for table in computed} == computed
    assert {"raw_sales", "clean_sales", "product_kpis", "sales_forecast", "price_priors"} <= set(computed)


def test_a_rebuild_of_a_span_reads_its_files_and_computes_its_days(home: Home) -> None:
    before = home.everything()
    first, last = NOW.date().replace(month=1, day=5), NOW.date().replace(month=1, day=6)
    report = rebuild(home.platform, store="S1", first=first, last=last)
    assert home.everything() == before
    expected = {Key("S1", "2026-01-05"), Key("S1", "2026-01-06")}
    assert home.computed(report, "raw_sales") == home.computed(report, "clean_sales") == expected
    assert home.computed(report, "product_kpis") >= expected
    assert home.computed(report, "sales_forecast") == {Key("S1", "")}


def test_a_rebuild_of_a_store_leaves_the_others(home: Home) -> None:
    before = home.everything()
    report = rebuild(home.platform, store="Süd/2")
    assert home.everything() == before
    for table in ("raw_sales", "clean_sales", "product_kpis", "sales_forecast"):
        assert {key.store for key in home.computed(report, table)} == {"Süd/2"}
    with pytest.raises(UnknownStoreError, match="no store 'S3'; there are 2: S1, Süd/2"):
        rebuild(home.platform, store="S3")


def test_a_rebuild_without_an_archived_file_keeps_what_it_brought(home: Home) -> None:
    before = home.everything()
    for file in home.settings.archive.glob("*/*"):
        if b"POSTAGE" in file.read_bytes():
            file.unlink()
    rebuild(home.platform)
    assert home.everything() == before
    failing = status(home.platform)["failing"]
    assert "gone.csv" in [file["file"] for file in failing]
    assert "Drop it again" in next(file["error"] for file in failing if file["file"] == "gone.csv")
    home.sell("gone.csv", sale("Süd/2", on=4))
    home.update()
    assert {str(on) for store, on in home.rows("raw_sales", ["store", "day"]) if store == "Süd/2"} == {day(4)}
    assert status(home.platform)["stale"] == {}
