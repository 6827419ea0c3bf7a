"""Same inputs and code, same content: on one core or many, in any order, in one batch or in batches of a few rows."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from emma_platform.demo.chain import make_chain
from emma_platform.demo.landing import write_landing, write_sources_yaml
from emma_platform.recompute import stages, store_stages
from emma_platform.recompute.ledger import partitions
from emma_platform_tests.recompute.home import NOW, Home


def _contents(folder: Path, deliveries: int = 1, **settings: object) -> dict[tuple[str, str, str], str]:
    """The content hash of every partition of a demo chain, computed in a home of its own.

    Its files arrive at once, or in so many deliveries in an order of chance, each computed before the next.
    """
    home = Home(folder, **settings)
    chain = make_chain(stores=2, products=8, days=75, last_day=NOW.date() - timedelta(1), seed=3)
    write_sources_yaml(folder)
    sent = folder / "sent"
    write_landing(chain, sent)
    files = sorted(path for path in sent.rglob("*") if path.is_file())
    random.Random(deliveries).shuffle(files)  # noqa: S311
    for nth in range(deliveries):
        for path in files[nth::deliveries]:
            arrived = home.settings.landing / path.relative_to(sent)
            arrived.parent.mkdir(parents=True, exist_ok=True)
            path.rename(arrived)
        home.update()
    p = partitions.c
    with home.platform.ledger.transaction() as connection:
        columns = sa.select(p.table_name, p.store, p.day, p.content)
        found = connection.execute(columns.where(p.table_name != "published", p.wanted != ""))
        return {(table, store, on): content for table, store, on, content in found}


def test_threads_batches_and_the_order_of_arrival_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = _contents(tmp_path / "many", threads=4)
    late = _contents(tmp_path / "late", deliveries=3, threads=2, batch_megabytes=1)
    monkeypatch.setattr(stages, "CLEAN_LINES", 200)
    monkeypatch.setattr(stages, "KPI_ROWS", 300)
    monkeypatch.setattr(store_stages, "DEMAND_ROWS", 1)
    one = _contents(tmp_path / "one", threads=1, batch_megabytes=1)
    assert len(many) > 500
    assert one == many
    assert late == many
