"""A group of files that were read becomes rows in the lake and entries in the ledger.

Belongs here: the one commit a table and the one transaction by which a group comes to count. Does not belong here:
which files are read (`intake`), and merging reference data (`reference`).

A file brings slices: its rows for one store-day. Only slices whose content is new touch their partition; the rows that
other files brought to such a partition are kept from the lake.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from emma_platform.model.tables import SET_ASIDE_ROWS, TABLES
from emma_platform.recompute import propagate, reference
from emma_platform.recompute.arrived import Arrived, Slice, arrived
from emma_platform.recompute.ledger import (
    Key,
    Result,
    chunks,
    files,
    fingerprint,
    mark_files,
    reasons,
    record,
    select_in,
    set_version,
    slices,
    upsert,
    want,
)
from emma_platform.recompute.platform import Platform
from emma_platform.recompute.reading import Reading
from emma_platform.store.protocol import Days

SLICED = {"sales": "raw_sales", "stock": "stock"}
"""The kinds of input that are kept by store and day, and their tables."""

f, s = files.c, slices.c


def write_group(platform: Platform, readings: list[Reading], codes: Mapping[str, str], batch: int) -> None:
    """Make what a group of files says count, whole or not at all."""
    names = {reading.taken.name for reading in readings}
    with platform.ledger.transaction() as connection:
        displaced = _displaced(connection, readings)
        orphaned = _orphaned(connection, readings)
        before = _slices(connection, names | set(displaced))
    versions: dict[str, int] = {}
    new: dict[str, dict[Slice, tuple[str, int]]] = {}
    touched: dict[str, set[Key]] = {}
    for kind, table in SLICED.items():
        brought = arrived(platform.engine, table, (rows for reading in readings for rows in reading.rows(kind)))
        new[kind] = brought.slices
        old = {piece: state for piece, (state_kind, state) in before.items() if state_kind == kind}
        touched[kind] = {
            Key(piece[1], piece[2]) for piece in old.keys() | new[kind].keys() if old.get(piece) != new[kind].get(piece)
        }
        if touched[kind]:
            versions[table] = _replace_days(platform, table, brought, touched[kind], names | set(displaced), batch)
    unplaced = _replace_unplaced(platform, readings, names | set(displaced), batch)
    if unplaced is not None:
        versions["set_aside_rows"] = unplaced
    merged = reference.merge(platform, readings, names | set(displaced), batch)
    platform.observer.step("inputs: committed")
    with platform.ledger.transaction() as connection:
        _record_files(connection, readings, displaced, orphaned, batch)
        _record_reasons(connection, readings, names | set(displaced))
        for kind, table in SLICED.items():
            _record_slices(connection, kind, names | set(displaced), new[kind])
            _record_days(connection, table, kind, touched[kind], batch)
        propagate.from_raw(connection, touched["sales"], codes)
        propagate.from_clean(connection, touched["stock"], codes)
        for table, version in (versions | merged.versions).items():
            set_version(connection, table, version)
        merged.apply(connection, codes, platform.settings.forecast_history_days, batch)
    platform.observer.step("inputs: recorded")


def _displaced(connection: sa.Connection, readings: list[Reading]) -> dict[str, str]:
    """Files outside of the group whose bytes now count under a shorter name: the file, and that name."""
    originals = {(r.taken.sha256, r.description): r.taken.name for r in readings if r.copy_of is None}
    statement = sa.select(f.name, f.sha256, f.description).where(f.copy_of.is_(None))
    found = select_in(connection, statement, f.sha256, {sha for sha, _ in originals})
    group = {reading.taken.name for reading in readings}
    return {
        name: originals[sha, description]
        for name, sha, description in found
        if name not in group and (sha, description) in originals
    }


def _orphaned(connection: sa.Connection, readings: list[Reading]) -> list[str]:
    """Copies outside of the group whose original now says something else: they must be read themselves."""
    group = {reading.taken.name for reading in readings}
    found = select_in(connection, sa.select(f.name, f.copy_of, f.sha256), f.copy_of, group)
    kept = {(r.taken.name, r.taken.sha256) for r in readings if r.copy_of is None}
    return [name for name, original, sha in found if name not in group and (original, sha) not in kept]


def _slices(connection: sa.Connection, names: Collection[str]) -> dict[Slice, tuple[str, tuple[str, int]]]:
    statement = sa.select(s.file, s.store, s.day, s.input, s.content, s.lines)
    return {
        (file, store, day): (kind, (content, lines))
        for file, store, day, kind, content, lines in select_in(connection, statement, s.file, names)
    }


def _concat(table: str, pieces: Iterable[pa.Table]) -> pa.Table:
    empty = TABLES[table].arrow_schema().empty_table()
    return pa.concat_tables([empty, *(piece.select(empty.column_names).cast(empty.schema) for piece in pieces)])


def days_of(keys: Iterable[Key]) -> Days:
    """The store-days of partitions, as the store takes them."""
    days: dict[str | None, set[date]] = defaultdict(set)
    for key in keys:
        days[key.store].add(date.fromisoformat(key.day))
    return Days({store: frozenset(chosen) for store, chosen in days.items()})


def keys_frame(keys: Collection[Key]) -> pa.Table:
    """The store-days of partitions as a frame of store and day, to join with."""
    ordered = sorted(keys)
    return pa.table(
        {
            "store": pa.array([key.store for key in ordered], pa.string()),
            "day": pa.array([date.fromisoformat(key.day) for key in ordered], pa.date32()),
        }
    )


def _replace_days(
    platform: Platform, table: str, brought: Arrived, keys: set[Key], replaced: set[str], batch: int
) -> int:
    """Commit the touched store-days: the group's rows, and from the lake the rows of all other files."""
    names = ", ".join(TABLES[table].names)
    version = 0
    for part, rows in brought.parts(keys):
        kept = platform.store.files(table, stores={key.store for key in part}, months={key.day[:7] for key in part})
        merged = platform.engine.run(
            f"select {names} from arrived semi join wanted using (store, day) union all "
            f"select {names} from kept semi join wanted using (store, day) anti join replaced using (file)",
            {
                "arrived": rows,
                "kept": kept,
                "wanted": keys_frame(part),
                "replaced": pa.table({"file": pa.array(sorted(replaced), pa.string())}),
            },
        )
        version = platform.store.commit(table, merged, days_of(part), {"batch": str(batch)})
    return version


def _replace_unplaced(platform: Platform, readings: list[Reading], replaced: set[str], batch: int) -> int | None:
    """Commit the rows without a partition, when this group brings or takes away any."""
    arrived = _concat("set_aside_rows", [piece for reading in readings for piece in reading.set_aside()])
    before = platform.store.read("set_aside_rows", stores=[None])
    gone = pc.is_in(before["file"], value_set=pa.array(sorted(replaced), pa.string()))
    kept = before.filter(pc.invert(gone))
    if not arrived.num_rows and kept.num_rows == before.num_rows:
        return None
    rows = _without_partition(pa.concat_tables([kept, arrived]))
    return platform.store.commit("set_aside_rows", rows, Days({None: frozenset()}), {"batch": str(batch)})


def _without_partition(rows: pa.Table) -> pa.Table:
    """No day, so that a row dated in the future never lands among those of a day that has come."""
    nulls = pa.nulls(rows.num_rows, pa.date32())
    return rows.set_column(SET_ASIDE_ROWS.names.index("day"), "day", nulls)


def _record_files(
    connection: sa.Connection, readings: list[Reading], displaced: Mapping[str, str], orphaned: list[str], batch: int
) -> None:
    lines = {r.taken.name: (r.lines, r.input) for r in readings}
    missing = {r.copy_of for r in readings if r.copy_of and r.copy_of not in lines}
    for name, count, kind in select_in(connection, sa.select(f.name, f.lines, f.input), f.name, missing):
        lines[name] = (count, kind)
    upsert(
        connection, files, [_file_row(reading, *lines[reading.copy_of or reading.taken.name]) for reading in readings]
    )
    for name, original in displaced.items():
        connection.execute(sa.update(files).where((f.name == name) | (f.copy_of == name)).values(copy_of=original))
    for name in orphaned:
        connection.execute(sa.update(files).where(f.name == name).values(state="due", copy_of=None))
    group = {reading.taken.name for reading in readings}
    copies = {name for (name,) in select_in(connection, sa.select(f.name), f.copy_of, group)}
    mark_files(connection, group | copies | set(displaced) | set(orphaned), batch)


def _file_row(reading: Reading, lines: int, kind: str) -> dict[str, Any]:
    taken = reading.taken
    return {
        "name": taken.name,
        "size": taken.size,
        "mtime_ns": taken.mtime_ns,
        "state": "taken",
        "attempts": 0,
        "error": None,
        "sha256": taken.sha256,
        "taken_on": taken.taken_on.isoformat(),
        "taken_size": taken.size,
        "taken_mtime_ns": taken.mtime_ns,
        "description": reading.description,
        "input": kind,
        "lines": lines,
        "copy_of": reading.copy_of,
    }


def _record_reasons(connection: sa.Connection, readings: list[Reading], replaced: Collection[str]) -> None:
    r = reasons.c
    connection.execute(sa.delete(reasons).where(r.file.in_(sorted(replaced)), r.store == ""))
    rows = []
    for reading in readings:
        for piece in reading.set_aside():
            counted = piece.group_by(["input", "reason"]).aggregate([("file", "count")]).to_pydict()
            for kind, reason, lines in zip(counted["input"], counted["reason"], counted["file_count"], strict=True):
                rows.append((kind, reading.taken.name, reason, lines))
    totals: dict[tuple[str, str, str], int] = defaultdict(int)
    for kind, name, reason, lines in rows:
        totals[kind, name, reason] += lines
    upsert(
        connection,
        reasons,
        [
            {"input": kind, "store": "", "day": "", "file": name, "reason": reason, "lines": lines}
            for (kind, name, reason), lines in totals.items()
        ],
    )


def _record_slices(
    connection: sa.Connection, kind: str, replaced: Collection[str], new: Mapping[Slice, tuple[str, int]]
) -> None:
    for part in chunks(sorted(replaced)):
        connection.execute(sa.delete(slices).where(s.file.in_(part), s.input == kind))
    upsert(
        connection,
        slices,
        [
            {"file": file, "store": store, "day": day, "input": kind, "content": content, "lines": lines}
            for (file, store, day), (content, lines) in new.items()
        ],
    )


def _record_days(connection: sa.Connection, table: str, kind: str, keys: set[Key], batch: int) -> None:
    """A partition's content is that of its slices, so it is known without reading it back."""
    pieces: dict[Key, list[tuple[str, str, int]]] = {key: [] for key in keys}
    days: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        days[key.store].append(key.day)
    for store, chosen in days.items():
        statement = sa.select(s.file, s.store, s.day, s.content, s.lines).where(
            s.input == kind, s.store == store, s.day.between(min(chosen), max(chosen))
        )
        for file, _, day, content, lines in connection.execute(statement):
            if (key := Key(store, day)) in pieces:
                pieces[key].append((file, content, lines))
    results = []
    for key, found in pieces.items():
        content = fingerprint(*(f"{file}={content}" for file, content, _ in sorted(found))) if found else ""
        results.append(Result(key, content, content, sum(lines for _, _, lines in found)))
    record(connection, table, results, batch)
    want(connection, table, {result.key: result.done for result in results})
