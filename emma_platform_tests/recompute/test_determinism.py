"""Same inputs and code, same content: on one core or many, in one batch or in batches of a few rows."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from emma_platform.demo.chain import make_chain
from emma_platform.demo.landing import write_landing, write_sources_yaml
from emma_platform.recompute import stages, store_stages
from emma_platform.recompute.ledger import partitions
from emma_platform_tests.recompute.home import NOW, Home


def _contents(folder: Path, **settings: object) -> dict[tuple[str, str, str], str]:
    """The content hash of every partition of a demo chain, computed in a home of its own."""
    home = Home(folder, **settings)
    chain = make_chain(stores=3, products=12, days=90, last_day=NOW.date() - timedelta(1), seed=3)
    write_sources_yaml(folder)
    write_landing(chain, home.settings.landing)
    home.update()
    p = partitions.c
    with home.platform.ledger.transaction() as connection:
        columns = sa.select(p.table_name, p.store, p.day, p.content)
        found = connection.execute(columns.where(p.table_name != "published"))
        return {(table, store, on): content for table, store, on, content in found}


def test_threads_and_batches_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = _contents(tmp_path / "many", threads=4)
    monkeypatch.setattr(stages, "CLEAN_LINES", 200)
    monkeypatch.setattr(stages, "KPI_ROWS", 500)
    monkeypatch.setattr(store_stages, "DEMAND_ROWS", 1)
    one = _contents(tmp_path / "one", threads=1, batch_megabytes=1)
    assert len(many) > 1000
    assert one == many
