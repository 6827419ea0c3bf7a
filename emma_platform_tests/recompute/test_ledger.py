"""The ledger on SQLite and on PostgreSQL: what is kept together, what counts as a change, and many keys at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from emma_platform.recompute import reporting
from emma_platform.recompute.ledger import (
    Key,
    Ledger,
    Result,
    chunks,
    contents,
    files,
    fingerprint,
    partitions,
    record,
    select_in,
    set_version,
    upsert,
    versions,
    want,
)
from emma_platform.recompute.status import status
from emma_platform.settings import Settings
from emma_platform_tests.recompute.home import Home, sale

p = partitions.c
A, B = Key("S1", "2026-01-01"), Key("S1", "2026-01-02")


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    ledger = Ledger(ledger_url)
    yield ledger
    ledger.close()


def row(ledger: Ledger, key: Key, *columns: sa.Column[object]) -> tuple[object, ...]:
    with ledger.transaction() as connection:
        return tuple(connection.execute(sa.select(*columns).where(p.store == key.store, p.day == key.day)).one())


def test_a_transaction_is_kept_together_or_not_at_all(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        set_version(connection, "raw_sales", 1)

    def fail() -> None:
        with ledger.transaction() as connection:
            set_version(connection, "raw_sales", 2)
            record(connection, "raw_sales", [Result(A, "done", "content", 1)], 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with ledger.transaction() as connection:
        assert connection.execute(sa.select(versions)).all() == [("raw_sales", 1)]
        assert connection.scalar(sa.select(sa.func.count()).select_from(partitions)) == 0


def test_what_one_process_wrote_another_finds(ledger: Ledger, ledger_url: str) -> None:
    with ledger.transaction() as connection:
        set_version(connection, "raw_sales", 7)
    other = Ledger(ledger_url)
    with other.transaction() as connection:
        assert connection.execute(sa.select(versions)).all() == [("raw_sales", 7)]
    other.close()


def test_in_a_file_readers_go_on_and_nothing_is_lost_without_power(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    with ledger.transaction() as connection:
        assert connection.scalar(sa.text("pragma journal_mode")) == "wal"
        assert connection.scalar(sa.text("pragma synchronous")) == 2
    ledger.close()


def test_readers_go_on_while_a_batch_writes(ledger: Ledger, ledger_url: str) -> None:
    other = Ledger(ledger_url)
    with ledger.transaction() as writing:
        set_version(writing, "raw_sales", 1)
        with other.transaction() as reading:
            assert reading.execute(sa.select(versions)).all() == []
    with other.transaction() as reading:
        assert reading.execute(sa.select(versions)).all() == [("raw_sales", 1)]
    other.close()


def test_only_changed_contents_are_returned(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        first = record(connection, "clean_sales", [Result(A, "d1", "c1", 1), Result(B, "d1", "", 0)], 1)
        again = record(connection, "clean_sales", [Result(A, "d2", "c1", 1), Result(B, "d2", "c2", 1)], 2)
        other_table = record(connection, "product_kpis", [Result(A, "d1", "c1", 1)], 2)
    assert (first, again, other_table) == ([A], [B], [A])


def test_recording_leaves_what_is_wanted_and_wanting_leaves_what_is_recorded(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        want(connection, "clean_sales", {A: "w1"})
        record(connection, "clean_sales", [Result(A, "d1", "c1", 3, facet="f", duplicates=2)], 4)
        want(connection, "clean_sales", {A: "w2"})
        upsert(connection, partitions, [{"table_name": "clean_sales", "store": A.store, "day": A.day, "token": "t"}])
    assert row(ledger, A, p.wanted, p.done, p.content, p.facet, p.rows, p.duplicates, p.batch, p.token, p.reported) == (
        "w2", "d1", "c1", "f", 3, 2, 4, "t", 0,
    )  # fmt: skip


def test_contents_of_many_stores_and_days(ledger: Ledger) -> None:
    by_day = [Key(f"S{store}", f"2026-01-{on:02d}") for store in range(40) for on in range(1, 29)]
    by_store = [Key(f"S{store}", "") for store in range(1_200)]
    with ledger.transaction() as connection:
        for table, keys in (("clean_sales", by_day), ("sales_forecast", by_store)):
            record(connection, table, [Result(key, "d", repr(key), 1) for key in keys], 1)
            assert contents(connection, table, keys[::3]) == {key: repr(key) for key in keys[::3]}
        assert contents(connection, "clean_sales", [Key("S1", "2026-02-01"), Key("S9999", "2026-01-01")]) == {}
        assert contents(connection, "clean_sales", []) == {}


def test_select_in_takes_any_number_of_values(ledger: Ledger) -> None:
    names = [f"{number}.csv" for number in range(1_234)]
    with ledger.transaction() as connection:
        upsert(connection, files, [{"name": name, "size": 1, "mtime_ns": 1, "state": "taken"} for name in names])
        found = select_in(connection, sa.select(files.c.name), files.c.name, [*names, "other.csv"])
        assert {name for (name,) in found} == set(names)
        assert select_in(connection, sa.select(files.c.name), files.c.name, []) == []


@given(st.lists(st.integers()), st.integers(1, 7))
def test_chunks_are_everything_in_order(items: list[int], size: int) -> None:
    parts = list(chunks(items, size))
    assert [item for part in parts for item in part] == items
    assert all(0 < len(part) <= size for part in parts)


texts = st.lists(st.text(st.characters(exclude_characters="\x1f", exclude_categories=["Cs"])), min_size=1)


@given(texts, texts)
def test_fingerprints_tell_lists_of_texts_apart(one: list[str], other: list[str]) -> None:
    assert (fingerprint(*one) == fingerprint(*other)) == (one == other)


def test_an_empty_fingerprint_is_never_made() -> None:
    assert fingerprint()
    assert fingerprint("")


def test_partitions_are_reported_once_and_again_when_computed_meanwhile(ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        want(connection, "clean_sales", {A: "w", B: ""})
        record(connection, "clean_sales", [Result(A, "w", "c", 1), Result(B, "", "", 0)], 1)
    told = reporting.unreported(ledger)
    assert [(item.key, item.batch, item.gone) for item in told] == [(A, 1, False), (B, 1, True)]
    with ledger.transaction() as connection:
        record(connection, "clean_sales", [Result(A, "w", "c2", 1)], 2)
    reporting.mark_reported(ledger, told)
    assert [(item.key, item.batch) for item in reporting.unreported(ledger)] == [(A, 2)]
    reporting.mark_reported(ledger, reporting.unreported(ledger))
    assert reporting.unreported(ledger) == []
    assert reporting.work_left(ledger) == 0


def test_work_is_left_while_something_is_stale_or_untold(ledger: Ledger) -> None:
    assert reporting.work_left(ledger) == 0
    with ledger.transaction() as connection:
        want(connection, "clean_sales", {A: "w"})
    assert reporting.work_left(ledger) == 1
    with ledger.transaction() as connection:
        record(connection, "clean_sales", [Result(A, "w", "c", 1)], 1)
    assert reporting.work_left(ledger) == 1
    reporting.mark_reported(ledger, reporting.unreported(ledger))
    assert reporting.work_left(ledger) == 0


def test_the_ledger_lies_in_the_home_unless_a_url_is_given(tmp_path: Path) -> None:
    assert Settings(home=tmp_path).ledger == f"sqlite:///{tmp_path / 'ledger.db'}"
    assert Settings(home=tmp_path, ledger_url="postgresql://db/emma").ledger == "postgresql://db/emma"


def test_a_platform_on_postgresql_is_what_it_is_on_sqlite(tmp_path: Path, postgresql: Iterator[str]) -> None:
    home = Home(tmp_path / "home", ledger_url=next(postgresql))
    plain = Home(tmp_path / "plain")
    for one in (home, plain):
        one.drop("products.csv", "product,category,unit_cost\nP1,drinks,1\n")
        one.sell("a.csv", *(sale(on=on, receipt=f"R{on}") for on in range(40)))
        one.sell("b.csv", sale(store="S2", on=3), sale(store="S2", on=3, product="P2", quantity="many"))
        one.update()
        one.sell("a.csv", *(sale(on=on, receipt=f"R{on}", quantity=2) for on in range(39)))
        one.withdraw("b.csv")
        report = one.update()
        assert report.partitions["clean_sales"] == 40
        assert report.partitions["product_kpis"] == 40
    assert home.everything() == plain.everything()
    for told in ("lines", "set_aside_by_reason", "partitions", "files", "stores"):
        assert status(home.platform)[told] == status(plain.platform)[told]
    home.platform.ledger.close()
