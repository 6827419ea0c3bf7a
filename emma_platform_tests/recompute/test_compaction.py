"""SQLite databases give back what they do not need, and are left alone while others write."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from emma_platform.recompute.compaction import FREE_BYTES, compact


def filled(path: Path) -> None:
    """A database of which nearly all was deleted, its log not yet emptied by a connection that is still open."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("create table t (id integer primary key, text)")
        connection.executemany("insert into t (text) values (?)", [("x" * 1_000,)] * (3 * FREE_BYTES // 1_000))
        connection.commit()
        connection.execute("delete from t where id > 100")


def test_a_database_gives_back_what_it_does_not_need(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    filled(path)
    before = path.stat().st_size
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("select count(*) from t").fetchone() == (100,)
        assert compact(path) > 2 * FREE_BYTES
        assert other.execute("select count(*) from t").fetchone() == (100,)
        assert path.stat().st_size < before / 4
        assert path.with_name("some.db-wal").stat().st_size == 0
        assert compact(path) == 0


def test_a_database_that_another_one_writes_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emma_platform.recompute.compaction.PATIENCE_SECONDS", 0.01)
    path = tmp_path / "some.db"
    filled(path)
    before = path.stat().st_size
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("begin immediate")
        writer.execute("insert into t (text) values ('new')")
        assert compact(path) == 0
        writer.execute("commit")
    assert path.stat().st_size == before
    assert compact(path) > 2 * FREE_BYTES
