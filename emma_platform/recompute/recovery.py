"""Recovery: after a crash, a lost ledger or on request, what must be computed again.

Belongs here: bringing lake and ledger to one state before a batch starts. Does not belong here: the batch (`batch`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date

import sqlalchemy as sa

from emma_platform.engine.duckdb import EngineError
from emma_platform.model.tables import KEPT
from emma_platform.recompute.inputs import SLICED
from emma_platform.recompute.ledger import files, partitions, slices, upsert, versions
from emma_platform.recompute.plan import Selection
from emma_platform.recompute.platform import Platform

f, p, s = files.c, partitions.c, slices.c
ALL_DAYS = ("0000-00-00", "9999-99-99")
COMPUTED = (
    "raw_sales", "stock", "clean_sales", "product_kpis", "forecast_model", "sales_forecast",
    "price_evidence", "price_priors", "price_response", "price_recommendations",
    "advice_effects",
)  # fmt: skip
UNKNOWN = "-"
"""Stands for a fingerprint or content that nothing has, so that whatever is found is a change."""
TOGETHER = {
    "set_aside_rows": "clean_sales", "sales_forecast_totals": "sales_forecast", "forecast_scores": "sales_forecast",
    "forecast_accuracy": "sales_forecast", "probable_stock_outs": "price_evidence",
}  # fmt: skip
"""Tables that are computed in one go with another, whose staleness stands for both."""


class UnknownStoreError(LookupError):
    """There is no such store; the message lists some that there are."""


def check_store(platform: Platform, store: str) -> None:
    """See that there is something to compute for a store.

    Raises:
        UnknownStoreError: there is not.
    """
    with platform.ledger.transaction() as connection:
        known = sorted(connection.scalars(sa.select(p.store).where(p.store != "", p.wanted != "").distinct()))
    if store not in known:
        raise UnknownStoreError(
            f"there is no store {store!r}; there are {len(known)}: {', '.join(known[:10]) or 'none'}"
        )


def recover(platform: Platform) -> None:
    """Take back commits that a crash kept from the ledger; make again what was lost of ledger or lake."""
    with platform.ledger.transaction() as connection:
        known = dict(connection.execute(sa.select(versions.c.table_name, versions.c.version)).all())
        empty = connection.scalar(sa.select(sa.func.count()).select_from(files)) == 0
    lost = [table for table, version in known.items() if _is_behind(platform.store.version(table), version)]
    if lost:
        forget(platform, lost=lost)
    for table in KEPT:
        platform.store.restore(table, None if table in lost else known.get(table))
    if empty:
        _find_again(platform)


def _is_behind(newest: int | None, known: int) -> bool:
    """The lake does not reach the version that the ledger speaks of: it was lost, or an older copy of it put back."""
    return newest is None or newest < known


def _find_again(platform: Platform) -> None:
    """Every archived file is due to be read."""
    archived = platform.source.archived()
    with platform.ledger.transaction() as connection:
        upsert(
            connection,
            files,
            [
                {
                    "name": taken.name,
                    "size": taken.size,
                    "mtime_ns": taken.mtime_ns,
                    "state": "due",
                    "sha256": taken.sha256,
                    "taken_on": taken.taken_on.isoformat(),
                    "taken_size": taken.size,
                    "taken_mtime_ns": taken.mtime_ns,
                    "description": platform.source.description(taken.name),
                }
                for taken in archived
            ],
        )


def damaged(platform: Platform) -> list[str]:
    """The tables of which a file cannot be opened; only the files' footers are read."""
    found = []
    for table in KEPT:
        try:
            platform.engine.run("select count(*) from kept", {"kept": platform.store.files(table)})
        except EngineError:
            found.append(table)
    return found


def forget(
    platform: Platform,
    *,
    store: str | None = None,
    first: date | None = None,
    last: date | None = None,
    lost: Collection[str] = (),
) -> None:
    """Make the partitions of a store and a span of days stale in every table, their files to be read again.

    What the tables of `lost` hold counts no more; the next `recover` empties them.
    """
    low = first.isoformat() if first else ALL_DAYS[0]
    high = last.isoformat() if last else ALL_DAYS[1]
    whole = store is None and first is None and last is None
    with platform.ledger.transaction() as connection:
        chosen: list[sa.ColumnElement[bool]] = [s.day.between(low, high)]
        touched: list[sa.ColumnElement[bool]] = [
            p.table_name.in_(COMPUTED),
            p.wanted != "",
            sa.or_(p.day.between(low, high), p.day == ""),
        ]
        connection.execute(sa.delete(versions).where(versions.c.table_name.in_(lost)))
        if store is not None:
            chosen.append(s.store == store)
            touched.append(p.store.in_([store, ""]))
        names = sa.select(s.file).where(*chosen).distinct()
        due = f.sha256.is_not(None) & f.copy_of.is_(None)
        connection.execute(sa.update(files).where(due if whole else due & f.name.in_(names)).values(state="due"))
        connection.execute(sa.update(slices).where(*chosen).values(content=UNKNOWN))
        connection.execute(sa.update(partitions).where(*touched).values(done=UNKNOWN, content=UNKNOWN))


def forget_partitions(platform: Platform, selection: Selection) -> None:
    """Make the selected partitions of the selected tables stale; for raw tables, their files are read again."""
    tables = {TOGETHER.get(table, table) for table in selection.tables or COMPUTED} & set(COMPUTED)
    keys = sorted(selection.keys or ())
    with platform.ledger.transaction() as connection:
        for table in tables:
            for store, day in keys:
                connection.execute(
                    sa.update(partitions)
                    .where(p.table_name == table, p.store == store, p.day == day, p.wanted != "")
                    .values(done=UNKNOWN)
                )
        for kind in _kinds(tables):
            for store, day in keys:
                own = (s.input == kind, s.store == store, s.day == day)
                names = sa.select(s.file).where(*own)
                connection.execute(sa.update(files).where(f.name.in_(names), f.sha256.is_not(None)).values(state="due"))
                connection.execute(sa.update(slices).where(*own).values(content=UNKNOWN))


def _kinds(tables: Iterable[str]) -> list[str]:
    return [kind for kind, table in SLICED.items() if table in tables]
