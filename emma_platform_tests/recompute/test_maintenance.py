"""Maintenance: what is needed stays readable, and what is not goes.

EMMA_TEST_HISTORIES sets how many random histories are lived: a quarter as many.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emma_platform.console import Console, show_status
from emma_platform.recompute.batch import WAITING, one_at_a_time, rebuild
from emma_platform.recompute.ledger import batches, files
from emma_platform.recompute.maintenance import DUE_AFTER, due, maintain
from emma_platform.recompute.status import status
from emma_platform.serving.publication import GRACE, ServingError
from emma_platform.serving.reader import Reader
from emma_platform_tests.recompute import midway
from emma_platform_tests.recompute.home import NOW, Home, sale
from emma_platform_tests.recompute.lived import Lived


def everything_below(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_kept_publications_show_stays_and_all_else_goes(tmp_path: Path) -> None:
    home = Lived(tmp_path, kept_publications=2)
    for number in range(1, 5):
        home.a_day(number)
    before, lake = home.published(), home.everything()
    archive, landing = everything_below(home.settings.archive), everything_below(home.settings.landing)
    assert len(before) == 2
    assert home.data_files() > home.needed_files()
    dead = {path: Path(path).stat().st_size for path in home.data_files() - home.needed_files()}
    done = home.maintain()
    assert (done.deleted.files, done.deleted.bytes) == (len(dead), sum(dead.values()))
    assert done.left_alone == ()
    assert home.data_files() == home.needed_files()
    assert home.published() == before
    assert home.everything() == lake
    assert everything_below(home.settings.archive) == archive
    assert everything_below(home.settings.landing) == landing
    assert home.maintain().deleted.files == 0


def test_a_reader_of_a_publication_that_was_current_a_moment_ago_reads_on(tmp_path: Path) -> None:
    home = Lived(tmp_path, kept_publications=1)
    home.a_day(1)
    reader = Reader(home.settings.published)
    before = midway.content(reader)
    home.a_day(2)
    home.platform = replace(home.platform, now=lambda: NOW + timedelta(days=1) + GRACE - timedelta(seconds=1))
    home.maintain()
    assert midway.content(reader) == before
    home.later(timedelta(seconds=1))
    assert home.maintain().deleted.files
    with pytest.raises(ServingError, match="run `emma update`"):
        midway.content(reader)
    assert reader.refresh()
    assert midway.content(reader) != before


def test_publications_retired_one_after_another_are_all_read_on(tmp_path: Path) -> None:
    home = Lived(tmp_path, kept_publications=1)
    readers = []
    for number in range(1, 4):
        home.sell("a.csv", sale(quantity=number))
        home.update()
        home.later(timedelta(minutes=1))
        reader = Reader(home.settings.published)
        readers.append((reader, midway.content(reader)))
    home.maintain()
    for reader, before in readers:
        assert midway.content(reader) == before


_lines = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 5)), max_size=3)
_step = st.one_of(
    st.tuples(st.sampled_from(["a.csv", "b.csv"]), _lines),
    st.sampled_from(["update", "maintain", "rebuild", "next day"]),
    st.sampled_from(["update", "maintain"]),
)  # fmt: skip


@settings(
    max_examples=int(os.environ.get("EMMA_TEST_HISTORIES", "12")) // 4,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(steps=st.lists(_step, max_size=8), kept=st.integers(1, 3))
def test_maintenance_at_any_time_changes_nothing_that_is_kept(steps: list[object], kept: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Lived(Path(folder) / "lived", kept_publications=kept)
        dropped: dict[str, list[str]] = {}
        for step in [*steps, "update", "maintain"]:
            if isinstance(step, tuple):
                dropped[step[0]] = [sale(on=on, quantity=quantity) for on, quantity in step[1]]
                home.sell(step[0], *dropped[step[0]])
            elif step == "update":
                home.update()
            elif step == "rebuild":
                rebuild(home.platform)
            elif step == "next day":
                home.later(timedelta(days=1))
            else:
                shown, lake = home.published(), home.everything()
                home.maintain()
                assert home.published() == shown
                assert home.everything() == lake
        at_once = Home(Path(folder) / "at-once")
        for name, lines in dropped.items():
            at_once.sell(name, *lines)
        at_once.update()
        assert home.everything() == at_once.everything()


def test_the_state_that_the_ledger_speaks_of_is_kept_though_it_was_never_published(tmp_path: Path) -> None:
    home = Lived(tmp_path)
    home.a_day(1)

    def fail() -> None:
        raise RuntimeError("injected")

    for number, step in ((2, "clean_sales: recorded"), (3, "clean_sales: committed")):
        home.sell("a.csv", sale(quantity=number))
        with pytest.raises(RuntimeError, match="injected"):
            home.update(midway.At(step, fail))
    home.later(timedelta(days=1))
    home.maintain()
    home.update()
    assert home.rows("clean_sales", ["quantity"]) == [(3,)]
    lived = home.everything()
    rebuild(home.platform)
    assert home.everything() == lived


def test_it_waits_until_the_batch_that_is_at_work_has_ended(tmp_path: Path) -> None:
    home = Lived(tmp_path)
    home.a_day(1)
    holds, may_end = threading.Event(), threading.Event()

    def work() -> None:
        with one_at_a_time(home.platform):
            holds.set()
            may_end.wait()

    worker = threading.Thread(target=work)
    worker.start()
    holds.wait()
    watcher = midway.At(WAITING, may_end.set)
    maintain(home.watched(watcher))
    may_end.set()
    worker.join()
    assert watcher.steps[:2] == [WAITING, "maintenance: begun"]


def test_a_table_that_was_lost_is_left_alone_while_a_publication_shows_it(tmp_path: Path) -> None:
    home = Lived(tmp_path, kept_publications=2)
    for number in (1, 2):
        home.a_day(number)
    shutil.rmtree(home.settings.lake / "clean_sales")
    home.a_day(5)
    before = {path for path in home.data_files() if "/clean_sales/" in path}
    done = home.maintain()
    assert done.left_alone == ("clean_sales",)
    assert done.deleted.files
    assert {path for path in home.data_files() if "/clean_sales/" in path} == before
    home.a_day(6)
    assert home.maintain().left_alone == ()
    assert home.data_files() == home.needed_files()


def test_what_dead_processes_spilled_goes_and_what_the_living_spill_stays(tmp_path: Path) -> None:
    home = Lived(tmp_path)
    home.a_day(1)
    home.settings.spill.mkdir(exist_ok=True)
    old, young = (home.settings.spill / f"duckdb_temp_storage-{name}.tmp" for name in ("old", "young"))
    for path, age in ((old, timedelta(days=2)), (young, timedelta(hours=2))):
        path.write_bytes(b"rows")
        at = (home.platform.now() - age).timestamp()
        os.utime(path, (at, at))
    assert home.maintain().leftovers == 1
    assert (old.exists(), young.exists()) == (False, True)


def test_the_ledger_forgets_old_batches_and_files_that_went_untaken(tmp_path: Path) -> None:
    home = Lived(tmp_path)
    home.drop("bad.csv", b"\x00")
    home.drop("worse.csv", b"\x00")
    home.a_day(1)
    home.withdraw("bad.csv")
    home.withdraw("a.csv")
    home.update()
    with home.platform.ledger.transaction() as connection:
        newest = connection.scalar(sa.select(sa.func.max(batches.c.id)))
        assert newest is not None
        connection.execute(
            sa.insert(batches),
            [{"id": newest + n, "started_at": "2026-01-01T00:00:00+00:00"} for n in range(1, home.settings.kept_runs)],
        )
    assert due(home.platform)["ledger_rows"] == newest
    assert home.maintain().ledger_rows == newest
    with home.platform.ledger.transaction() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(batches)) == home.settings.kept_runs
        assert set(connection.scalars(sa.select(files.c.name))) == {"a.csv", "worse.csv"}
    assert [entry["file"] for entry in status(home.platform)["failing"]] == ["worse.csv"]


def test_status_says_when_it_was_done_what_has_gathered_and_when_it_is_due(tmp_path: Path) -> None:
    home = Lived(tmp_path)
    nothing = {"due": False, "replaced_files": 0, "replaced_bytes": 0, "ledger_rows": 0}
    assert status(home.platform)["maintenance"] == {"last": None, "seconds": None, **nothing}
    home.sell("a.csv", sale())
    home.update()
    home.later(DUE_AFTER)
    assert not due(home.platform)["due"], "nothing was replaced"
    replaced = set(home.platform.store.files("clean_sales").paths)
    home.sell("a.csv", sale(quantity=2))
    home.update()
    said = due(home.platform)
    assert said["due"]
    assert said["replaced_files"] > len(replaced)
    assert said["replaced_bytes"] > sum(Path(path).stat().st_size for path in replaced)
    assert "never yet" in shown(home)
    assert "due: emma maintain" in shown(home)
    home.maintain()
    said = due(home.platform)
    assert said.pop("seconds") > 0
    assert said == {"last": "2026-04-02T00:00:00+00:00", **nothing}
    assert "maintenance: last 2026-04-02T00:00:00+00:00, 0 files (0.0 MB) replaced since\n" in shown(home)
    home.sell("a.csv", sale(quantity=3))
    home.update()
    assert not due(home.platform)["due"], "it was done a moment ago"
    home.later(DUE_AFTER)
    assert due(home.platform)["due"]


def shown(home: Home) -> str:
    console = Console(width=200, record=True, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    with console.file:
        show_status(console, status(home.platform))
        return console.export_text()


def test_a_ledger_elsewhere_is_left_to_its_server(tmp_path: Path) -> None:
    home = Lived(tmp_path)
    home.a_day(1)
    elsewhere = home.settings.model_copy(update={"ledger_url": "postgresql://somewhere/emma"})
    assert maintain(replace(home.platform, settings=elsewhere)).left_alone == ()
