"""Room that SQLite databases hold and do not need: the write-ahead log, and pages of rows that were deleted.

Belongs here: giving it back to the disk. Does not belong here: which rows are deleted (`maintenance`).
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

FREE_SHARE = 0.25
"""A database is written anew when this share of its pages is free; fewer are soon filled again."""
FREE_BYTES = 1_000_000
LARGEST_BYTES = 500_000_000
"""Rows beyond this are not written anew, for writers wait: .6 s of CPU for 100 MB. Their free pages fill again."""
PATIENCE_SECONDS = 5.0


def compact(database: Path) -> int:
    """Empty the write-ahead log, and write the database anew when that pays; returns the bytes given back.

    While others are using it, or without room for a second copy, the database stays as it is until the next time.
    """
    before = _bytes(database)
    with closing(sqlite3.connect(database, timeout=PATIENCE_SECONDS, isolation_level=None)) as connection:
        with suppress(sqlite3.OperationalError):
            if _pays(connection):
                connection.execute("vacuum")
        with suppress(sqlite3.OperationalError):
            connection.execute("pragma wal_checkpoint(truncate)")
    return max(before - _bytes(database), 0)


def _pays(connection: sqlite3.Connection) -> bool:
    size, pages, free = (
        connection.execute(f"pragma {name}").fetchone()[0] for name in ("page_size", "page_count", "freelist_count")
    )
    return bool(free * size >= FREE_BYTES and free >= pages * FREE_SHARE and (pages - free) * size <= LARGEST_BYTES)


def _bytes(database: Path) -> int:
    parts = (database, database.with_name(f"{database.name}-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())
