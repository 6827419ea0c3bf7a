"""The asset checks: one made from each table's columns, and the few that need business sense.

Belongs here: check specifications and their results (https://docs.dagster.io/guides/test/asset-checks). Does not belong
here: the rules (`transforms.rules`). Rows that break a cleaning rule never get this far; they are in `set_aside_rows`.

The checks of a run look at the partitions it computed; checks executed alone look at what the ledger holds. Of each
table that is at most `CHECKED` partitions, the newest. Where nothing was computed, the last result stays. The checks of
a run come before its publication, which says how they came out; but for whether the publication itself can be read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
import duckdb
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster_duckdb import DuckDBResource

from emma_platform.engine.protocol import Input
from emma_platform.model.schema import Grain, Table
from emma_platform.model.tables import KEPT, PUBLISHED, TABLES
from emma_platform.recompute.ledger import Key, upsert
from emma_platform.recompute.platform import Platform
from emma_platform.recompute.provenance import checks
from emma_platform.recompute.reporting import Computed
from emma_platform.recompute.stages import part_of
from emma_platform.recompute.status import lines
from emma_platform.serving.publication import current
from emma_platform.transforms.rules import BUSINESS_RULES, count_broken, schema_rules

CHECKED = 5_000
SCHEMA, BUSINESS, BALANCE, READABLE = "columns_and_key", "business_rules", "nothing_lost", "readable"


def check_specs() -> list[dg.AssetCheckSpec]:
    """A check of columns and key for every table, business rules where there are any, and two over the whole."""
    specs = [
        dg.AssetCheckSpec(
            SCHEMA, asset=table, description="Key unique, no nulls, values in range, as model.tables says."
        )
        for table in KEPT
    ]
    for table, rules in BUSINESS_RULES.items():
        specs.append(dg.AssetCheckSpec(BUSINESS, asset=table, description="; ".join(rules).capitalize() + "."))
    specs.append(
        dg.AssetCheckSpec(BALANCE, asset="clean_sales", description="Lines in = clean + set aside + duplicates.")
    )
    specs.append(
        dg.AssetCheckSpec(READABLE, asset="published", description="Every published table opens and has its rows.")
    )
    return specs


def evaluate(
    platform: Platform,
    wanted: Collection[dg.AssetCheckKey],
    computed: Sequence[Computed],
    last: Callable[[dg.AssetCheckKey], dg.AssetCheckEvaluation | None],
) -> Iterator[dg.AssetCheckEvaluation]:
    """The results of the wanted checks on what was computed, or their last result where nothing was."""
    keys: dict[str, list[Key]] = defaultdict(list)
    for item in sorted(computed, key=lambda item: item.key.day, reverse=True):
        if item.rows and len(keys[item.table]) < CHECKED:
            keys[item.table].append(item.key)
    counted: dict[str, Counted] = {}
    for check in sorted(wanted, key=str):
        table = check.asset_key.to_user_string()
        if check.name == BALANCE:
            yield _balance(platform, check)
        elif check.name == READABLE:
            yield _readable(platform, check)
        elif table not in keys and (before := last(check)) is not None:
            yield before
        else:
            if table not in counted:
                counted[table] = _count_broken(platform, TABLES[table], keys.get(table, []))
            yield _ruled(check, TABLES[table], counted[table])


def before_publication(wanted: Collection[dg.AssetCheckKey]) -> list[dg.AssetCheckKey]:
    """The checks that need no publication."""
    return [check for check in wanted if check.name != READABLE]


def of_publication(wanted: Collection[dg.AssetCheckKey]) -> list[dg.AssetCheckKey]:
    """The checks that look at the publication."""
    return [check for check in wanted if check.name == READABLE]


def note(platform: Platform, checked: Sequence[dg.AssetCheckEvaluation], looked_at: Sequence[Computed]) -> None:
    """Write how checks came out, so that it can be published, of those that looked at something."""
    tables = {item.table for item in looked_at if item.rows}
    at = platform.now().isoformat(timespec="seconds")
    with platform.ledger.transaction() as connection:
        upsert(
            connection,
            checks,
            [
                {
                    "table_name": check.asset_key.to_user_string(),
                    "name": check.check_name,
                    "passed": check.passed,
                    "at": at,
                    "rows": check.metadata["in" if check.check_name == BALANCE else "rows"].value,
                    "broken": check.metadata["broken"].value if "broken" in check.metadata else {},
                }
                for check in checked
                if check.check_name == BALANCE or check.asset_key.to_user_string() in tables
            ],
        )


def last_result(instance: dg.DagsterInstance, check: dg.AssetCheckKey) -> dg.AssetCheckEvaluation | None:
    """How a check came out when it was last evaluated."""
    ended = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}
    history = instance.event_log_storage.get_asset_check_execution_history(check, limit=1, status=ended)
    entry = history[0].event if history else None
    event = entry.dagster_event if entry else None
    return event.asset_check_evaluation_data if event else None


@dataclass(frozen=True)
class Counted:
    """The rows of some partitions of a table, the keys that more than one has, and those that break each rule."""

    partitions: int
    rows: int
    repeated: int
    broken: Mapping[str, int]


def _count_broken(platform: Platform, table: Table, keys: Sequence[Key]) -> Counted:
    """Both checks of a table, from one reading of its rows."""
    rules = schema_rules(table) | dict(BUSINESS_RULES.get(table.name, {}))
    counts = platform.engine.run(count_broken(table, rules), {"rows": _rows(platform, table.name, keys)})
    rows, repeated, *broken = (column[0].as_py() for column in counts.columns)
    return Counted(len(keys), rows, repeated, dict(zip(rules, broken, strict=True)))


def _ruled(check: dg.AssetCheckKey, table: Table, counted: Counted) -> dg.AssetCheckEvaluation:
    rules = BUSINESS_RULES[table.name] if check.name == BUSINESS else schema_rules(table)
    found = {rule: counted.broken[rule] for rule in rules if counted.broken[rule]}
    if counted.repeated and check.name == SCHEMA:
        found[f"one row per {', '.join(table.key)}"] = counted.repeated
    return dg.AssetCheckEvaluation(
        passed=not found,
        asset_key=check.asset_key,
        check_name=check.name,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"rows": counted.rows, "partitions": counted.partitions, "broken": dg.MetadataValue.json(found)},
    )


def _rows(platform: Platform, table: str, keys: Sequence[Key]) -> Input:
    """The rows of these partitions."""
    grain = TABLES[table].grain
    if grain is Grain.WHOLE:
        return platform.store.files(table)
    stores = {key.store for key in keys}
    if grain is Grain.STORE or not keys:
        return platform.store.files(table, stores=stores)
    return part_of(platform, table, keys)


def _balance(platform: Platform, check: dg.AssetCheckKey) -> dg.AssetCheckEvaluation:
    with platform.ledger.transaction() as connection:
        counted = lines(connection)
    return dg.AssetCheckEvaluation(
        passed=counted["in"] == counted["clean"] + counted["set_aside"] + counted["duplicates"],
        asset_key=check.asset_key,
        check_name=check.name,
        metadata=dict(counted),
    )


def _readable(platform: Platform, check: dg.AssetCheckKey) -> dg.AssetCheckEvaluation:
    """Open the published file as a BI tool would, read-only: every table opens and has the rows that the pointer says.

    The rows of a table in files are those that the publication lists: a file's content never changes under its name,
    and counting again would open every file of the lake after each batch (3 s of CPU for 20,000).
    """
    publication = current(platform.settings.published)
    differing: dict[str, int | str] = {}
    if publication is not None:
        resource = DuckDBResource(database=str(publication.file), connection_config={"access_mode": "READ_ONLY"})
        with resource.get_connection() as connection:
            for table in set(publication.versions) & set(TABLES) - {PUBLISHED.name}:
                rows = _count(connection, table)
                if rows != publication.rows[table]:
                    differing[table] = rows
    return dg.AssetCheckEvaluation(
        passed=publication is not None and not differing,
        asset_key=check.asset_key,
        check_name=check.name,
        metadata={
            "publication": publication.id if publication else "none",
            "differing": dg.MetadataValue.json(differing),
        },
    )


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int | str:
    """The rows of a published table, or why it cannot be read: one row is, for which DuckDB looks for all files."""
    listed = 'select count(*), sum("rows") from publication_files where "table" = ?'
    try:
        connection.execute(f'select * from "{table}" limit 1').fetchall()
        files, rows = connection.execute(listed, [table]).fetchone() or (0, 0)
        if not files:
            (rows,) = connection.execute(f'select count(*) from "{table}"').fetchone() or (0,)
    except duckdb.Error as error:
        return str(error)
    return int(rows)
