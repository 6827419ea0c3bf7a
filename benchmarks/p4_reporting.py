"""P4: telling Dagster of many partitions, against Dagster's own event log.

Belongs here: both sides. Does not belong here: what the events say (`emma_platform.pipeline.report`).
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from benchmarks.chain import FIRST_DAY, store_name
from benchmarks.home import settings_of
from benchmarks.measure import Bench, Side, Stopwatch, in_turns, middle
from benchmarks.report import Row

PARTITIONS = {"tiny": 60, "small": 5_000, "full": 30_000}
RIVAL_PARTITIONS = {"tiny": 5, "small": 300, "full": 1_000}
STORES = 10
MOST_MS = 0.3
NOTE = (
    "Ours: what the assets' step does after a batch (read the ledger, report, mark as reported). Stock: "
    "`report_runless_asset_event` for each partition, the shortest way that Dagster offers; a stock range run "
    "also writes a planned event for each."
)


def run(bench: Bench) -> list[Row]:
    """One row: CPU a partition."""
    count, fewer = PARTITIONS[bench.size], RIVAL_PARTITIONS[bench.size]

    def ours(turn: int) -> Side:
        return bench.call("p4_reporting:batched", home=str(bench.work / f"ours-{turn}"), count=count)

    def stock(turn: int) -> Side:
        return bench.call("p4_reporting:stock", home=str(bench.work / f"stock-{turn}"), count=fewer)

    found = in_turns(ours, stock, repeat=bench.repeat)
    each, rival = (middle(sides, lambda side: 1000 * side.result["cpu"] / side.result["count"]) for sides in found)
    return [
        Row(
            f"P4 CPU a reported partition, {count:,} of them",
            f"{each:.2f} ms",
            f"{rival:.1f} ms (stock, {fewer:,} of them)",
            f"{rival / each:.0f}x",
            f"<= {MOST_MS} ms",
            each <= MOST_MS,
            *found,
        )
    ]


def batched(home: str, count: int) -> dict[str, float]:
    """Ours: a ledger in which so many partitions are not yet told, and the telling."""
    from dagster import AssetKey

    from emma_platform.pipeline.assets import tell
    from emma_platform.pipeline.instance import instance_of
    from emma_platform.recompute.ledger import Key, Result, record, want
    from emma_platform.recompute.platform import open_platform

    settings = settings_of(home)
    platform = open_platform(settings)
    results = [Result(Key(store, day), "done", "content", 100) for store, day in _keys(count)]
    with platform.ledger.transaction() as connection:
        record(connection, "raw_sales", results, batch=1)
        want(connection, "raw_sales", {result.key: "done" for result in results})
    with instance_of(settings) as instance:
        instance.get_dynamic_partitions("store")
        with Stopwatch() as watch:
            told = tell(instance, platform, "")
        reported = len(instance.get_materialized_partitions(AssetKey("raw_sales")))
    if not len(told) == reported == count:
        raise AssertionError(f"{count} partitions were to be reported; Dagster has {reported}")
    return {"cpu": watch.cpu, "count": count}


def stock(home: str, count: int) -> dict[str, float]:
    """Dagster's own event log on SQLite, event by event."""
    from dagster import AssetKey, AssetMaterialization, DagsterInstance

    folder = Path(home)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    with DagsterInstance.from_config(str(folder)) as instance:
        instance.get_dynamic_partitions("store")
        with Stopwatch() as watch:
            for store, day in _keys(count):
                event = AssetMaterialization(
                    "raw_sales",
                    partition=f"{day}|{store}",
                    metadata={"dagster/partition_row_count": 100},
                    tags={"dagster/data_version": "content"},
                )
                instance.report_runless_asset_event(event)
        reported = len(instance.get_materialized_partitions(AssetKey("raw_sales")))
    if reported != count:
        raise AssertionError(f"{count} partitions were to be reported; Dagster has {reported}")
    return {"cpu": watch.cpu, "count": count}


def _keys(count: int) -> list[tuple[str, str]]:
    return [(store_name(n % STORES), (FIRST_DAY + timedelta(n // STORES)).isoformat()) for n in range(count)]
