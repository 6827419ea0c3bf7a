"""What a publication is told of where its figures come from, out of the ledger.

Belongs here: reading that of the files, partitions, batches and checks which changed since the publication before.
Does not belong here: how it is published (`serving.provenance`) and which publication is made when (`batch`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from json import dumps
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from emma_platform.model.provenance import BATCHES, CHECK_RESULTS, PARTITION_RECEIPTS, SOURCE_FILES
from emma_platform.model.schema import Table
from emma_platform.model.tables import PUBLISHED
from emma_platform.recompute.ledger import batches, codes, files, partitions, reasons, select_in, slices
from emma_platform.recompute.platform import Platform
from emma_platform.recompute.provenance import checks, file_changes, left_out, runs
from emma_platform.serving.provenance import Provenance, Told
from emma_platform.serving.publication import Publication

WITH_RECEIPT = ("product_kpis", "sales_forecast", "price_response", "price_recommendations")
"""Tables whose partitions are published with their batch: those that a product's page shows."""

NO_FAILURES = "[]"
"""What `failures` says when no file fails."""

f, p, s = files.c, partitions.c, slices.c
Rows = list[dict[str, Any]]
_Counts = Mapping[str, Mapping[str, tuple[Any, ...]]]


def told(platform: Platform, batch: int, waiting: Mapping[str, str]) -> Told:
    """What to publish, for `serving.publish`.

    Args:
        platform: whose ledger is read.
        batch: the batch that publishes.
        waiting: files left alone for now, with the reason.
    """

    def tell(before: Publication | None) -> Provenance:
        with platform.ledger.transaction() as connection:
            since = _batch_of(connection, before)
            names = None if since is None else _changed_files(connection, since)
            computed = _partitions(connection, since)
            there = [row for row in computed if row["wanted"]]
            found = _files(connection, names)
            return Provenance(
                whole=since is None,
                source_files=_frame(SOURCE_FILES, [*found, *_waiting(connection, waiting)]),
                changed_files=pa.table({"file": pa.array(names or [], pa.string())}),
                partition_receipts=_frame(PARTITION_RECEIPTS, there),
                changed_partitions=_frame(PARTITION_RECEIPTS, computed).select(["table", "store", "day"]),
                batches=_frame(BATCHES, _batches(connection, {batch} | {row["batch"] for row in there})),
                check_results=_frame(CHECK_RESULTS, _checks(connection)),
                codes=dict(connection.execute(sa.select(codes)).all()),
            )

    return tell


def failures(connection: sa.Connection) -> str:
    """The files that fail and why, as one text: a publication that says so is made although no table changed."""
    failing = sa.select(f.name, f.error).where(f.state == "failing").order_by(f.name)
    return dumps([list(row) for row in connection.execute(failing)])


def _batch_of(connection: sa.Connection, before: Publication | None) -> int | None:
    """The batch that made a publication, where this ledger has recorded it; otherwise the ledger may be another one."""
    row = connection.execute(sa.select(p.content, p.batch).where(p.table_name == PUBLISHED.name)).one_or_none()
    if before is None or row is None or row.content != before.id or not before.id.endswith(f"-{row.batch}"):
        return None
    return int(row.batch)


def _changed_files(connection: sa.Connection, since: int) -> list[str]:
    return sorted(connection.scalars(sa.select(file_changes.c.file).where(file_changes.c.batch > since)))


def _partitions(connection: sa.Connection, since: int | None) -> Rows:
    statement = sa.select(p.table_name, p.store, p.day, p.rows, p.content, p.batch, p.wanted).where(
        p.table_name.in_(WITH_RECEIPT)
    )
    if since is not None:
        statement = statement.where(p.batch > since)
    return [
        {
            "table": row.table_name,
            "store": row.store,
            "day": date.fromisoformat(row.day) if row.day else None,
            "rows": row.rows,
            "content": row.content,
            "batch": row.batch,
            "wanted": row.wanted,
        }
        for row in connection.execute(statement.order_by(p.table_name, p.store, p.day))
    ]


def _files(connection: sa.Connection, names: Collection[str] | None) -> Rows:
    """The rows of these files, or of all; a copy has the stores and days of the file that counts in its place."""
    columns = (
        f.name, f.state, f.error, f.withdrawn, f.sha256, f.taken_size, f.taken_on, f.input, f.lines, f.copy_of,
    )  # fmt: skip
    found = _picked(connection, sa.select(*columns), f.name, names)
    sources = None if names is None else {row.copy_of or row.name for row in found}
    o, r = left_out.c, reasons.c
    by_store = sa.select(
        s.file, s.store, sa.func.min(s.day), sa.func.max(s.day), sa.func.count(), sa.func.sum(s.lines)
    ).group_by(s.file, s.store)
    held = _by_file(_picked(connection, by_store, s.file, sources))
    aside = sa.select(o.file, o.store, sa.func.sum(o.set_aside), sa.func.sum(o.duplicates)).group_by(o.file, o.store)
    missing = _by_file(_picked(connection, aside, o.file, sources))
    unplaced = sa.select(r.file, r.store, sa.func.sum(r.lines)).where(r.store == "").group_by(r.file, r.store)
    nowhere = _by_file(_picked(connection, unplaced, r.file, sources))
    return [row for file in found for row in _file_rows(file, held, missing, nowhere)]


def _picked(
    connection: sa.Connection, statement: sa.Select[Any], column: sa.ColumnElement[str], names: Iterable[str] | None
) -> list[Any]:
    if names is None:
        return list(connection.execute(statement))
    return select_in(connection, statement, column, names)


def _by_file(rows: Iterable[Any]) -> dict[str, dict[str, tuple[Any, ...]]]:
    found: dict[str, dict[str, tuple[Any, ...]]] = {}
    for file, store, *values in rows:
        found.setdefault(file, {})[store] = tuple(values)
    return found


def _file_rows(file: Any, held: _Counts, missing: _Counts, nowhere: _Counts) -> Rows:  # noqa: ANN401 - a ledger's row
    """A row for each store of a file, and one for its lines that belong to no store-day or when there is no other."""
    source = file.copy_of or file.name
    fails = file.state == "failing" or (file.state == "due" and file.error is not None)
    whole = {
        "file": file.name,
        "input": file.input,
        "state": "failing" if fails else "taken",
        "message": file.error if fails else None,
        "copy_of": file.copy_of,
        "withdrawn": file.withdrawn,
        "sha256": file.sha256,
        "bytes": file.taken_size,
        "taken_on": date.fromisoformat(file.taken_on) if file.taken_on else None,
    }
    rows: Rows = []
    for store, (first, last, days, lines) in sorted(held.get(source, {}).items()):
        span = {"store": store, "first_day": date.fromisoformat(first), "last_day": date.fromisoformat(last)}
        aside, repeated = missing.get(source, {}).get(store, (0, 0))
        rows.append(whole | span | {"days": days} | _outcome(int(lines), int(aside), int(repeated), file.copy_of))
    rest = file.lines - sum(row["lines"] for row in rows)
    if rest or not rows:
        (aside,) = nowhere.get(source, {}).get("", (0,))
        rows.append(whole | {"store": None, "days": 0} | _outcome(rest, int(aside), 0, file.copy_of))
    return rows


def _outcome(lines: int, set_aside: int, duplicates: int, copy_of: str | None) -> dict[str, int]:
    """What became of lines; those of a file that was delivered again are duplicates, all of them."""
    if copy_of is not None:
        return {"lines": lines, "clean": 0, "set_aside": 0, "duplicates": lines}
    clean = lines - set_aside - duplicates
    return {"lines": lines, "clean": clean, "set_aside": set_aside, "duplicates": duplicates}


def _waiting(connection: sa.Connection, waiting: Mapping[str, str]) -> Rows:
    """Files that wait for the first time; one that was taken before is shown as what it said."""
    known = {name for (name,) in select_in(connection, sa.select(f.name), f.name, waiting)}
    nothing = {"lines": 0, "clean": 0, "set_aside": 0, "duplicates": 0, "days": 0, "withdrawn": False}
    return [
        nothing | {"file": name, "state": "waiting", "message": reason}
        for name, reason in sorted(waiting.items())
        if name not in known
    ]


def _batches(connection: sa.Connection, numbers: set[int]) -> Rows:
    b = batches.c
    statement = sa.select(b.id, b.started_at, runs.c.run).select_from(
        batches.outerjoin(runs, runs.c.batch == b.id)
    )  # fmt: skip
    return [
        {"batch": number, "started_at": datetime.fromisoformat(started), "run": run}
        for number, started, run in connection.execute(statement.where(b.id >= min(numbers)).order_by(b.id))
        if number in numbers
    ]


def _checks(connection: sa.Connection) -> Rows:
    c = checks.c
    return [
        {
            "table": row.table_name,
            "check": row.name,
            "passed": row.passed,
            "at": datetime.fromisoformat(row.at),
            "rows": row.rows,
            "broken": dumps(row.broken, ensure_ascii=False, sort_keys=True),
        }
        for row in connection.execute(sa.select(checks).order_by(c.table_name, c.name))
    ]


def _frame(table: Table, rows: Rows) -> pa.Table:
    return pa.Table.from_pylist(rows, table.arrow_schema())
