"""Maintenance of lake and ledger: what nobody needs any more is deleted, so that only data makes a home grow.

Belongs here: what may go, in which order, and what is due. Does not belong here: how a table's files are found and
deleted (`store`), and Dagster's history (`pipeline.maintenance`).

Kept are the files of the newest version of each table, of the version that the ledger speaks of, of every publication
that is kept, and of those retired so lately that a reader may still have one open. A commit rewrites whole
store-months, so there are no small files to put together. The archive is never touched. A kill at any instant leaves
files that the next maintenance deletes.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from emma_platform.model.tables import KEPT
from emma_platform.recompute.batch import one_at_a_time
from emma_platform.recompute.compaction import compact
from emma_platform.recompute.ledger import batches, files, mark_files, upkeep, upsert, versions
from emma_platform.recompute.platform import Platform
from emma_platform.recompute.provenance import runs
from emma_platform.serving.publication import shown_versions
from emma_platform.store.protocol import NoVersionError, Size

LEFTOVER_AGE = timedelta(days=1)
"""Spilled files are a dead process's when they are this old; a living one may still write younger ones."""
DUE_AFTER = timedelta(hours=36)
"""A day, and half of one for a machine that was off at the hour."""

LAST = "last"


@dataclass(frozen=True)
class Maintained:
    """What maintenance did.

    Attributes:
        seconds: how long it took, waiting for a batch left out.
        deleted: data files that were deleted.
        ledger_rows: rows that left the ledger.
        leftovers: spilled files of dead processes.
        freed_bytes: given back to the disk, in all.
        left_alone: tables of which a kept publication names a version that is not there, as after a damaged lake: their
            files stay until that publication is kept no more.
    """

    seconds: float
    deleted: Size
    ledger_rows: int
    leftovers: int
    freed_bytes: int
    left_alone: tuple[str, ...]


def maintain(platform: Platform) -> Maintained:
    """Delete what nobody needs any more; waits until no batch is at work.

    Raises:
        StoreError: a table cannot be read or its files cannot be deleted.
        ServingError: the publications that are kept cannot be read; nothing was deleted.
    """
    step = platform.observer.step
    with one_at_a_time(platform):
        started = time.perf_counter()
        step("maintenance: begun")
        needed = _needed(platform)
        deleted, left_alone = Size(), []
        for table in KEPT:
            try:
                deleted += platform.store.maintain(table, needed.get(table, set()))
            except NoVersionError:
                left_alone.append(table)
            step(f"maintenance: {table} swept")
        with platform.ledger.transaction() as connection:
            _mark_forgotten(connection)
            rows = sum(
                connection.execute(sa.delete(table).where(which)).rowcount
                for table, which in _needless(connection, platform.settings.kept_runs)
            )
        step("maintenance: ledger pruned")
        leftovers = _remove_leftovers(platform)
        step("maintenance: leftovers removed")
        ledger = _ledger_file(platform)
        freed = deleted.bytes + leftovers.bytes + (compact(ledger) if ledger else 0)
        step("maintenance: ledger compacted")
        seconds = time.perf_counter() - started
        _record(platform, seconds)
        step("maintenance: recorded")
    return Maintained(seconds, deleted, rows, leftovers.files, freed, tuple(left_alone))


def due(platform: Platform) -> dict[str, Any]:
    """When maintenance was last done, whether it is due, and what has gathered since, as plain values.

    Costs no walk over the lake: the commits since then say what they replaced.
    """
    with platform.ledger.transaction() as connection:
        last = connection.execute(sa.select(upkeep)).one_or_none()
        rows = sum(
            connection.scalar(sa.select(sa.func.count()).select_from(table).where(which)) or 0
            for table, which in _needless(connection, platform.settings.kept_runs)
        )
        begun = connection.scalar(sa.select(sa.func.min(batches.c.started_at)))
    swept: dict[str, int] = last.versions if last else {}
    replaced = sum((platform.store.replaced(table, swept.get(table)) for table in KEPT), Size())
    since = last.at if last else begun
    waited = platform.now() - _instant(since) if since else timedelta()
    return {
        "last": last.at if last else None,
        "seconds": round(last.seconds, 3) if last else None,
        "due": waited >= DUE_AFTER and bool(replaced.files or rows),
        "replaced_files": replaced.files,
        "replaced_bytes": replaced.bytes,
        "ledger_rows": rows,
    }


def _needed(platform: Platform) -> dict[str, set[int]]:
    """For each table the versions that must stay whole."""
    needed = shown_versions(platform.settings.published, platform.now())
    with platform.ledger.transaction() as connection:
        for table, version in connection.execute(sa.select(versions.c.table_name, versions.c.version)):
            needed.setdefault(table, set()).add(version)
    return needed


_WENT_UNTAKEN = files.c.sha256.is_(None) & files.c.withdrawn


def _needless(connection: sa.Connection, kept_batches: int) -> list[tuple[sa.Table, sa.ColumnElement[bool]]]:
    """The rows of the ledger that grow with time and tell nothing: old batches, and files that went untaken."""
    newest = connection.scalar(sa.select(sa.func.max(batches.c.id))) or 0
    return [
        (batches, batches.c.id <= newest - kept_batches),
        (runs, runs.c.batch <= newest - kept_batches),
        (files, _WENT_UNTAKEN),
    ]


def _mark_forgotten(connection: sa.Connection) -> None:
    """Let the next publication leave out the files that are forgotten now."""
    newest = connection.scalar(sa.select(sa.func.max(batches.c.id))) or 0
    mark_files(connection, connection.scalars(sa.select(files.c.name).where(_WENT_UNTAKEN)), newest + 1)


def _remove_leftovers(platform: Platform) -> Size:
    """What dead processes spilled to disk."""
    removed = Size()
    oldest = (platform.now() - LEFTOVER_AGE).timestamp()
    for path in platform.settings.spill.rglob("*"):
        with suppress(FileNotFoundError):  # a living process takes its own away
            there = path.stat()
            if path.is_file() and there.st_mtime < oldest:
                path.unlink()
                removed += Size(1, there.st_size)
    return removed


def _ledger_file(platform: Platform) -> Path | None:
    """The ledger's file; None for a server, which looks after its databases by itself."""
    url = sa.make_url(platform.settings.ledger)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _record(platform: Platform, seconds: float) -> None:
    newest = {table: platform.store.version(table) for table in KEPT}
    row = {
        "id": LAST,
        "at": platform.now().isoformat(timespec="seconds"),
        "seconds": seconds,
        "versions": {table: version for table, version in newest.items() if version is not None},
    }
    with platform.ledger.transaction() as connection:
        upsert(connection, upkeep, [row])


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
