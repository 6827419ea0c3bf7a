"""The state of things: what is there, how fresh it is, what waits, fails or was set aside.

Belongs here: the questions to ledger and landing folder that `emma status` answers. Does not belong here: changing
anything.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from emma_platform.recompute.intake import known
from emma_platform.recompute.ledger import batches, files, partitions, reasons
from emma_platform.recompute.maintenance import due
from emma_platform.recompute.platform import Platform
from emma_platform.serving.publish import current
from emma_platform.sources.protocol import SourceError

f, p, r, b = files.c, partitions.c, reasons.c, batches.c


def status(platform: Platform) -> dict[str, Any]:
    """The platform's state as plain values, in the form of `emma status --json`."""
    publication = current(platform.settings.published)
    with platform.ledger.transaction() as connection:
        return {
            "home": str(platform.settings.home),
            "lines": lines(connection),
            "set_aside_by_reason": _reasons(connection, r.input == "sales"),
            "reference_set_aside_by_reason": _reasons(connection, r.input != "sales"),
            "partitions": _count(connection, p.wanted != "", p.done != ""),
            "stale": _count(connection, p.wanted != p.done),
            "files": _files(connection) | _waiting(connection, platform),
            "failing": _unreadable_sources_file(platform) + _failing(connection),
            "stores": _stores(connection),
            "publication": {"id": publication.id, "at": publication.at.isoformat()} if publication else None,
            "last_batch": _last_batch(connection),
            "maintenance": due(platform),
        }


def _reasons(connection: sa.Connection, which: sa.ColumnElement[bool]) -> dict[str, int]:
    statement = sa.select(r.reason, sa.func.sum(r.lines)).where(which).group_by(r.reason).order_by(r.reason)
    return {reason: int(lines) for reason, lines in connection.execute(statement)}


def lines(connection: sa.Connection) -> dict[str, int]:
    """Data lines of the sales files; in = clean + set_aside + duplicates."""
    set_aside = sum(_reasons(connection, r.input == "sales").values())
    total = sa.select(sa.func.coalesce(sa.func.sum(p.rows), 0), sa.func.coalesce(sa.func.sum(p.duplicates), 0))
    clean, repeated = connection.execute(total.where(p.table_name == "clean_sales")).one()
    copies = sa.select(sa.func.coalesce(sa.func.sum(f.lines), 0)).where(f.input == "sales", f.sha256.is_not(None))
    lines_in = int(connection.scalar(copies) or 0)
    redelivered = int(connection.scalar(copies.where(f.copy_of.is_not(None))) or 0)
    return {
        "in": lines_in,
        "clean": int(clean),
        "set_aside": set_aside,
        "duplicates": int(repeated) + redelivered,
        "redelivered": redelivered,
    }


def _count(connection: sa.Connection, *which: sa.ColumnElement[bool]) -> dict[str, int]:
    statement = sa.select(p.table_name, sa.func.count()).where(*which).group_by(p.table_name).order_by(p.table_name)
    return dict(connection.execute(statement).all())


def _files(connection: sa.Connection) -> dict[str, int]:
    def count(*which: sa.ColumnElement[bool]) -> int:
        return connection.scalar(sa.select(sa.func.count()).select_from(files).where(*which)) or 0

    return {
        "taken": count(f.sha256.is_not(None)),
        "failing": count(f.state == "failing"),
        "withdrawn": count(f.withdrawn, f.sha256.is_not(None)),
        "redelivered": count(f.copy_of.is_not(None)),
    }


def _waiting(connection: sa.Connection, platform: Platform) -> dict[str, Any]:
    """Files seen now and not taken: left alone for a reason, or simply not yet processed."""
    try:
        seen = known(connection, platform.settings.max_attempts, platform.source.description)
        scan = platform.source.scan(seen)
    except SourceError as error:
        return {"waiting": 0, "waiting_for": {}, "landing": str(error)}
    failing = {name for (name,) in connection.execute(sa.select(f.name).where(f.state == "failing"))}
    ready = {s.name: "next update" for s in scan.ready if s.name not in failing}
    return {"waiting": len(ready) + len(scan.waiting), "waiting_for": ready | scan.waiting}


def _failing(connection: sa.Connection) -> list[dict[str, Any]]:
    statement = sa.select(f.name, f.attempts, f.error).where(f.state == "failing").order_by(f.name)
    return [{"file": name, "attempts": tried, "error": error} for name, tried, error in connection.execute(statement)]


def _unreadable_sources_file(platform: Platform) -> list[dict[str, Any]]:
    """`sources.yaml`, when it is not valid: until it is, no file can be read."""
    try:
        platform.source.description("")
    except SourceError as error:
        return [{"file": platform.settings.sources_file.name, "attempts": 0, "error": str(error)}]
    return []


def _stores(connection: sa.Connection) -> list[dict[str, Any]]:
    """For each store: its first and last day with sales, its days and lines."""
    statement = (
        sa.select(p.store, sa.func.min(p.day), sa.func.max(p.day), sa.func.count(), sa.func.sum(p.rows))
        .where(p.table_name == "clean_sales", p.rows > 0)
        .group_by(p.store)
        .order_by(p.store)
    )
    return [
        {"store": store, "first_day": first, "last_day": last, "days": days, "lines": int(lines)}
        for store, first, last, days, lines in connection.execute(statement)
    ]


def _last_batch(connection: sa.Connection) -> dict[str, Any] | None:
    """The newest batch that ended."""
    statement = sa.select(b.id, b.started_at, b.seconds, b.partitions, b.layers).where(b.seconds.is_not(None))
    row = connection.execute(statement.order_by(b.id.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    return {
        "id": row.id,
        "started_at": row.started_at,
        "seconds": round(row.seconds, 3),
        "partitions": row.partitions,
        "layers": {layer: round(seconds, 3) for layer, seconds in row.layers.items()},
    }
