"""Intake: files become raw sales, stock and reference data, group by group.

Belongs here: which deliveries are looked at, in what order, and what becomes of one that fails. Does not belong here:
how a file is read (`sources`) and how its rows are written (`inputs`, `reference`).

Files are taken in groups of bounded size, each group in one commit a table and one transaction of the ledger. Until
that transaction nothing of the group counts, so a crash only makes the next run take the same files again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from emma_platform.recompute.inputs import write_group
from emma_platform.recompute.ledger import files, select_in, upsert
from emma_platform.recompute.platform import Platform
from emma_platform.recompute.reading import Reading
from emma_platform.sources.protocol import Sighting, SourceError, Taken

GROUP_FILES = 5_000
f = files.c

Attempts = dict[str, tuple[Sighting, int]]
"""For each failing file, what it looked like and how often it was tried so."""


def take_new(platform: Platform, codes: dict[str, str], batch: int) -> None:
    """Take every delivery that is new or changed."""
    with platform.ledger.transaction() as connection:
        scan = platform.source.scan(known(connection, platform.settings.max_attempts))
        attempts = _attempts(connection)
    _note_withdrawn(platform, platform.source.present())
    sightings = sorted(scan.ready, key=lambda s: ("stores" not in s.name.lower(), s.name))
    total, done = len(sightings), 0
    for group in _groups(sightings, platform.settings.batch_megabytes * 1_000_000):
        taken = list(_take(platform, group, attempts))
        _write(platform, taken, codes, batch)
        done += len(group)
        platform.observer.progress("files", done, total)


def take_due(platform: Platform, codes: dict[str, str], batch: int) -> None:
    """Read again every archived file that is due; reading some may make others due, until none is."""
    while due := _due(platform):
        for group in _groups(due, platform.settings.batch_megabytes * 1_000_000):
            _write(platform, group, codes, batch)


def known(connection: sa.Connection, max_attempts: int) -> dict[str, Sighting]:
    """Deliveries that need no further look as they are: taken, or failed as often as is tried."""
    statement = sa.select(f.name, f.size, f.mtime_ns).where(sa.or_(f.state != "failing", f.attempts >= max_attempts))
    return {name: Sighting(name, size, mtime_ns) for name, size, mtime_ns in connection.execute(statement)}


def _attempts(connection: sa.Connection) -> Attempts:
    statement = sa.select(f.name, f.size, f.mtime_ns, f.attempts).where(f.state == "failing")
    return {name: (Sighting(name, size, mtime), tried) for name, size, mtime, tried in connection.execute(statement)}


def _note_withdrawn(platform: Platform, present: set[str]) -> None:
    with platform.ledger.transaction() as connection:
        for name, withdrawn in connection.execute(sa.select(f.name, f.withdrawn)).all():
            if withdrawn != (name not in present):
                connection.execute(sa.update(files).where(f.name == name).values(withdrawn=not withdrawn))


def _groups(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    group: list[Any] = []
    weight = 0
    for item in items:
        if group and (weight + item.size > size or len(group) >= GROUP_FILES):
            yield group
            group, weight = [], 0
        group.append(item)
        weight += item.size
    if group:
        yield group


def _take(platform: Platform, sightings: list[Sighting], attempts: dict[str, tuple[Sighting, int]]) -> Iterator[Taken]:
    failed: list[dict[str, Any]] = []
    for sighting in sightings:
        try:
            yield platform.source.take(sighting, platform.today())
        except SourceError as error:
            failed.append(_failure(sighting, error, attempts.get(sighting.name)))
    with platform.ledger.transaction() as connection:
        upsert(connection, files, failed)


def _failure(sighting: Sighting, error: SourceError, before: tuple[Sighting, int] | None) -> dict[str, Any]:
    tried = before[1] if before and before[0] == sighting else 0
    return {
        "name": sighting.name,
        "size": sighting.size,
        "mtime_ns": sighting.mtime_ns,
        "state": "failing",
        "attempts": tried + 1,
        "error": str(error),
    }


def _due(platform: Platform) -> list[Taken]:
    """Archived files to be read again: a rebuild was asked for, or what decides their reading changed."""
    statement = sa.select(f.name, f.taken_size, f.taken_mtime_ns, f.sha256, f.taken_on).where(f.state == "due")
    with platform.ledger.transaction() as connection:
        return [
            Taken(name, size, mtime, sha, date.fromisoformat(taken_on))
            for name, size, mtime, sha, taken_on in connection.execute(statement.order_by(f.name))
        ]


def _write(platform: Platform, taken: list[Taken], codes: dict[str, str], batch: int) -> None:
    """Read the files of a group and write what they say; files that cannot be read are noted and left."""
    with platform.ledger.transaction() as connection:
        before = {row.name: row for row in select_in(connection, sa.select(files), f.name, [t.name for t in taken])}
    readings: list[Reading] = []
    failed: list[dict[str, Any]] = []
    zones = _zones(platform)
    originals = _originals(platform, taken)
    for item in taken:
        description = platform.source.description(item.name)
        row = before.get(item.name)
        same = row is not None and row.sha256 == item.sha256 and row.description == description
        if same and row is not None and row.state == "taken":
            failed.append(_seen_again(item))
            continue
        original = originals[item.sha256, description]
        if original != item.name:
            readings.append(Reading(item, description, copy_of=original))
            continue
        try:
            readings.append(Reading(item, description, list(platform.source.read(item, zones))))
        except SourceError as error:
            tried = (
                (Sighting(row.name, row.size, row.mtime_ns), row.attempts) if row and row.state == "failing" else None
            )
            failed.append(_failure(Sighting(item.name, item.size, item.mtime_ns), error, tried))
    with platform.ledger.transaction() as connection:
        for values in failed:
            upsert(connection, files, [values])
    if readings:
        platform.source.secure()
        write_group(platform, readings, codes, batch)


def _seen_again(taken: Taken) -> dict[str, Any]:
    """The same bytes under the same name with a new time stamp: nothing but the sighting changes."""
    return {"name": taken.name, "size": taken.size, "mtime_ns": taken.mtime_ns, "state": "taken"}


def _originals(platform: Platform, taken: list[Taken]) -> dict[tuple[str, str], str]:
    """For each content and way of reading, the file that counts: of all that hold it, the shortest name."""
    holders: dict[tuple[str, str], set[str]] = {}
    replaced = {item.name for item in taken}
    statement = sa.select(f.name, f.sha256, f.description)
    with platform.ledger.transaction() as connection:
        for name, sha, description in select_in(connection, statement, f.sha256, {t.sha256 for t in taken}):
            if name not in replaced:
                holders.setdefault((sha, description), set()).add(name)
    for item in taken:
        holders.setdefault((item.sha256, platform.source.description(item.name)), set()).add(item.name)
    return {content: min(names, key=lambda name: (len(name), name)) for content, names in holders.items()}


def _zones(platform: Platform) -> dict[str, str]:
    stores: pa.Table = platform.store.read("stores", columns=["store", "time_zone"])
    rows = zip(stores["store"].to_pylist(), stores["time_zone"].to_pylist(), strict=True)
    return {store: zone for store, zone in rows if store and zone}
