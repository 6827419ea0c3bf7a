"""Intake: files become raw sales, stock and reference data, group by group.

Belongs here: which deliveries are looked at, in what order, and what becomes of one that fails. Does not belong here:
how a file is read (`sources`) and how its rows are written (`inputs`, `reference`).

Files are taken in groups of bounded size, each group in one commit a table and one transaction of the ledger. Until
that transaction nothing of the group counts, so a crash only makes the next run take the same files again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from emma_platform.recompute.arrived import Overflow
from emma_platform.recompute.inputs import write_group
from emma_platform.recompute.ledger import chunks, files, mark_files, select_in, upsert
from emma_platform.recompute.platform import Platform
from emma_platform.recompute.reading import Reading
from emma_platform.sources.protocol import Scan, Sighting, SourceError, Taken

GROUP_FILES = 5_000

TEXT_TO_ROWS = 4
"""Bytes that a byte of CSV takes as columns of text in memory, about."""

f = files.c


def look(platform: Platform) -> Scan:
    """What lies at the source, besides the deliveries that need no look."""
    with platform.ledger.transaction() as connection:
        return platform.source.scan(known(connection, platform.settings.max_attempts, platform.source.description))


def take_new(platform: Platform, codes: dict[str, str], batch: int) -> dict[str, str]:
    """Take every delivery that is new or changed; those left alone for now are returned with the reason."""
    scan = look(platform)
    if scan.closed:
        raise SourceError(scan.closed)
    _note_withdrawn(platform, scan.present, batch)
    sightings = sorted(scan.ready, key=_stores_first)
    read = _Counter(platform, len(sightings))
    for group in _groups(sightings, platform.settings.batch_megabytes * 1_000_000):
        taken = _take(platform, group, batch)
        _write(platform, taken, codes, batch, read)
        read.add(len(group) - len(taken))
    return scan.waiting


def take_due(platform: Platform, codes: dict[str, str], batch: int) -> None:
    """Read again every archived file that is due; reading some may make others due, until none is."""
    while due := _due(platform):
        read = _Counter(platform, len(due))
        for group in _groups(due, platform.settings.batch_megabytes * 1_000_000):
            _write(platform, group, codes, batch, read)


class _Counter:
    """Shows how many files are read."""

    def __init__(self, platform: Platform, total: int) -> None:
        self._observer, self._total, self._done = platform.observer, total, 0
        if total:
            self._observer.progress("files", 0, total)

    def add(self, files: int) -> None:
        self._done += files
        self._observer.progress("files", self._done, self._total)


def known(
    connection: sa.Connection, max_attempts: int, description: Callable[[str], str] | None = None
) -> dict[str, Sighting]:
    """Deliveries that need no further look as they are: taken, or failed as often as is tried.

    One that could not be copied is never among them, since what kept it from being copied leaves no mark on it (a full
    disk, a missing right); nor is one that would now be read in another way than the one that failed.

    Args:
        connection: to the ledger.
        max_attempts: how often reading a file is tried.
        description: how a file of that name is read now; None takes it to be the same.

    Raises:
        SourceError: that cannot be said.
    """
    spent = f.failed_as.is_not(None) & (f.attempts >= max_attempts)
    statement = sa.select(f.name, f.size, f.mtime_ns, f.state, f.failed_as).where((f.state != "failing") | spent)
    return {
        name: Sighting(name, size, mtime_ns)
        for name, size, mtime_ns, state, failed_as in connection.execute(statement)
        if state != "failing" or description is None or description(name) == failed_as
    }


def _stores_first(file: Any) -> tuple[bool, str]:  # noqa: ANN401 - a sighting or a row of the ledger
    """Time zones come before the sales whose days they decide, which otherwise are read twice.

    They make a group of their own: a group's files are read by the time zones that were known before it.
    """
    return "stores" not in file.name.lower(), file.name


def _note_withdrawn(platform: Platform, present: set[str], batch: int) -> None:
    with platform.ledger.transaction() as connection:
        gone = set(connection.scalars(sa.select(f.name).where(~f.withdrawn))) - present
        back = set(connection.scalars(sa.select(f.name).where(f.withdrawn))) & present
        for names, withdrawn in ((gone, True), (back, False)):
            for part in chunks(sorted(names)):
                connection.execute(sa.update(files).where(f.name.in_(part)).values(withdrawn=withdrawn))
        mark_files(connection, gone | back, batch)


def _groups(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    group: list[Any] = []
    weight = 0
    for item in items:
        turn = group and _stores_first(item)[0] != _stores_first(group[0])[0]
        if group and (turn or weight + item.size > size or len(group) >= GROUP_FILES):
            yield group
            group, weight = [], 0
        group.append(item)
        weight += item.size
    if group:
        yield group


def _take(platform: Platform, sightings: list[Sighting], batch: int) -> list[Taken]:
    """Copy a group of files into the archive; those that cannot be copied are noted and left."""
    before = _rows(platform, [sighting.name for sighting in sightings])
    taken: list[Taken] = []
    failed: list[dict[str, Any]] = []
    for sighting in sightings:
        try:
            taken.append(platform.source.take(sighting, platform.today()))
        except SourceError as error:
            failed.append(_failure(sighting, error, before.get(sighting.name), failed_as=None))
    with platform.ledger.transaction() as connection:
        upsert(connection, files, failed)
        mark_files(connection, [values["name"] for values in failed], batch)
    return taken


def _rows(platform: Platform, names: Iterable[str]) -> dict[str, sa.Row[Any]]:
    with platform.ledger.transaction() as connection:
        return {row.name: row for row in select_in(connection, sa.select(files), f.name, names)}


def _failure(
    sighting: Sighting | Taken, error: SourceError, before: sa.Row[Any] | None, *, failed_as: str | None
) -> dict[str, Any]:
    """A file that fails; its attempts are counted as long as it and the way of reading it stay the same.

    Where what it said before is due to be read again, that comes first; it fails again at the next look.
    """
    now = (sighting.size, sighting.mtime_ns, failed_as)
    due = before is not None and before.state == "due" and getattr(sighting, "sha256", None) != before.sha256
    again = before is not None and before.state == "failing" and (before.size, before.mtime_ns, before.failed_as) == now
    return {
        "name": sighting.name,
        "size": sighting.size,
        "mtime_ns": sighting.mtime_ns,
        "state": "due" if due else "failing",
        "attempts": before.attempts + 1 if before is not None and again else 1,
        "error": str(error),
        "failed_as": failed_as,
    }


def _due(platform: Platform) -> list[Taken]:
    """Archived files to be read again: a rebuild was asked for, or what decides their reading changed."""
    statement = sa.select(f.name, f.taken_size, f.taken_mtime_ns, f.sha256, f.taken_on).where(f.state == "due")
    with platform.ledger.transaction() as connection:
        return [
            Taken(name, size, mtime, sha, date.fromisoformat(taken_on))
            for name, size, mtime, sha, taken_on in sorted(connection.execute(statement), key=_stores_first)
        ]


def _write(platform: Platform, taken: list[Taken], codes: dict[str, str], batch: int, read: _Counter) -> None:
    """Read the files of a group and write what they say; files that cannot be read are noted and left."""
    before = _rows(platform, [item.name for item in taken])
    settings = platform.settings
    with Overflow(settings.spill, settings.batch_megabytes * 1_000_000 * TEXT_TO_ROWS) as overflow:
        readings, noted = _read(platform, taken, before, read, overflow)
        with platform.ledger.transaction() as connection:
            for values in noted:
                upsert(connection, files, [values])
            mark_files(connection, [values["name"] for values in noted if "error" in values], batch)
        if readings:
            platform.source.secure(_not_yet_listed(readings, before))
            write_group(platform, readings, codes, batch)


def _read(
    platform: Platform, taken: list[Taken], before: Mapping[str, sa.Row[Any]], read: _Counter, overflow: Overflow
) -> tuple[list[Reading], list[dict[str, Any]]]:
    """What the files say, and what the ledger is to note of those that say nothing new or cannot be read."""
    readings: list[Reading] = []
    noted: list[dict[str, Any]] = []
    failed: set[str] = set()
    zones = _zones(platform)
    originals = _originals(platform, taken)
    described = [(item, platform.source.description(item.name)) for item in taken]
    # Originals come first: where one cannot be read, its copies are not copies of anything and fail by themselves.
    for item, description in sorted(described, key=lambda pair: originals[pair[0].sha256, pair[1]] != pair[0].name):
        read.add(1)
        row = before.get(item.name)
        same = row is not None and row.sha256 == item.sha256 and row.description == description
        if same and row is not None and row.state == "taken":
            noted.append(_seen_again(item))
            continue
        original = originals[item.sha256, description]
        if original != item.name and original not in failed:
            readings.append(Reading(item, description, copy_of=original))
            continue
        try:
            deliveries = [overflow.hold(delivery) for delivery in platform.source.read(item, zones)]
        except SourceError as error:
            noted.append(_failure(item, error, row, failed_as=description))
            failed.add(item.name)
        else:
            readings.append(Reading(item, description, deliveries))
    if any(before[name].sha256 for name in failed & before.keys()):
        readings = _copies_of_what_stays(platform, readings)
    return readings, noted


def _not_yet_listed(readings: list[Reading], before: Mapping[str, sa.Row[Any]]) -> list[Taken]:
    """What of a group is to be listed in the archive: all but what is only read again."""
    due = {name for name, row in before.items() if row.state == "due"}
    return [reading.taken for reading in readings if reading.taken.name not in due]


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


def _copies_of_what_stays(platform: Platform, readings: list[Reading]) -> list[Reading]:
    """Files that could not be read keep what they said before, so others with those bytes may be copies of them."""
    originals = _originals(platform, [reading.taken for reading in readings])
    found = []
    for reading in readings:
        original = originals[reading.taken.sha256, reading.description]
        own = original in (reading.taken.name, reading.copy_of)
        found.append(reading if own else Reading(reading.taken, reading.description, copy_of=original))
    return found


def _zones(platform: Platform) -> dict[str, str]:
    stores: pa.Table = platform.store.read("stores", columns=["store", "time_zone"])
    rows = zip(stores["store"].to_pylist(), stores["time_zone"].to_pylist(), strict=True)
    return {store: zone for store, zone in rows if store and zone}
