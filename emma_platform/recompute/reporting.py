"""What has been computed and not yet been told to the orchestrator.

Belongs here: the ledger's side of reporting. Does not belong here: how it is told (`pipeline.report`).
A partition counts as told only after it was, so a crash in between makes the next batch tell it again.
"""

from __future__ import annotations

from collections.abc import Iterable
from sys import intern
from typing import NamedTuple

import sqlalchemy as sa

from emma_platform.recompute.ledger import Key, Ledger, partitions

p = partitions.c


class Computed(NamedTuple):
    """A partition as it now is; one that is gone has no content and no wanted fingerprint."""

    table: str
    key: Key
    content: str
    rows: int
    batch: int
    gone: bool


def unreported(ledger: Ledger) -> list[Computed]:
    """The partitions computed since they were last told, by table, store and day."""
    statement = (
        sa.select(p.table_name, p.store, p.day, p.content, p.rows, p.batch, p.wanted)
        .where(p.reported < p.batch)
        .order_by(p.table_name, p.store, p.day)
    )
    with ledger.transaction() as connection:
        # After a rebuild of 200 stores x 1,000 days these are 800,000: names and days are kept once each.
        return [
            Computed(intern(table), Key(intern(store), intern(day)), content, rows, batch, not wanted)
            for table, store, day, content, rows, batch, wanted in connection.execute(statement)
        ]


def newest_unreported(ledger: Ledger, tables: Iterable[str], limit: int) -> list[Computed]:
    """Of each table the newest partitions with rows that were computed since they were last told, up to a limit."""
    statement = (
        sa.select(p.table_name, p.store, p.day, p.content, p.rows, p.batch, p.wanted)
        .where(p.reported < p.batch, p.rows > 0)
        .order_by(p.day.desc(), p.store)
        .limit(limit)
    )
    with ledger.transaction() as connection:
        return [
            Computed(name, Key(store, day), content, rows, batch, not wanted)
            for table in tables
            for name, store, day, content, rows, batch, wanted in connection.execute(
                statement.where(p.table_name == table)
            )
        ]


def mark_reported(ledger: Ledger, told: list[Computed]) -> None:
    """Remember that these partitions were told as of their batch."""
    if not told:
        return
    newest = max(item.batch for item in told)
    with ledger.transaction() as connection:
        untold = (p.reported < p.batch, p.batch <= newest)
        connection.execute(sa.update(partitions).where(*untold).values(reported=p.batch))


def first_day(ledger: Ledger) -> str | None:
    """The earliest day that has raw sales or stock, as ISO text."""
    statement = sa.select(sa.func.min(p.day)).where(p.table_name.in_(["raw_sales", "stock"]), p.day != "")
    with ledger.transaction() as connection:
        day: str | None = connection.scalar(statement)
        return day


def work_left(ledger: Ledger) -> int:
    """Partitions that are stale or not yet told: what a crash left behind."""
    with ledger.transaction() as connection:
        stale = connection.scalar(sa.select(sa.func.count()).select_from(partitions).where(p.wanted != p.done)) or 0
        told = connection.scalar(sa.select(sa.func.count()).select_from(partitions).where(p.reported < p.batch)) or 0
    return stale + told
