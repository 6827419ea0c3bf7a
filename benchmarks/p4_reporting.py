"""P4: telling Dagster of many partitions, against Dagster's own event log.

Belongs here: both sides. Does not belong here: what the events say (`emma_platform.pipeline.report`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.chain import FIRST_DAY, store_name
from benchmarks.home import settings_of
from benchmarks.measure import Bench, Side, Stopwatch, in_turns, middle
from benchmarks.report import Row

if TYPE_CHECKING:
    from dagster import DagsterInstance

PARTITIONS = {"tiny": 60, "small": 5_000, "full": 30_000}
RIVAL_PARTITIONS = {"tiny": 5, "small": 300, "full": 1_000}
STORES = 10
MOST_MS = 0.3
NOTE = (
    "Ours: what the assets' step does after a batch (read the ledger, report, mark as reported). Stock, without a run: "
    "`report_runless_asset_event` for each partition, the shortest way that Dagster offers. Stock, in a run: one run "
    "over a range of partitions, as a backfill makes it, of an asset that does nothing; it also writes a planned event "
    "for each."
)


def run(bench: Bench) -> list[Row]:
    """Two rows: CPU a partition, against both ways of stock Dagster."""
    count, fewer = PARTITIONS[bench.size], RIVAL_PARTITIONS[bench.size]

    def side(way: str, partitions: int, turn: int) -> Side:
        return bench.call(f"p4_reporting:{way}", home=str(bench.work / f"{way}-{turn}"), count=partitions)

    ways = {"batched": count, "stock": fewer, "stock_run": fewer}
    ours, *rivals = in_turns(*(partial(side, way, partitions) for way, partitions in ways.items()), repeat=bench.repeat)
    each = _milliseconds(ours)
    rows = []
    for how, sides in zip(("without a run", "in a run"), rivals, strict=True):
        rival = _milliseconds(sides)
        rows.append(
            Row(
                f"P4 CPU a reported partition, {count:,} of them",
                f"{each:.2f} ms",
                f"{rival:.1f} ms (stock {how}, {fewer:,} of them)",
                f"{rival / each:.0f}x",
                f"<= {MOST_MS} ms",
                each <= MOST_MS,
                ours,
                sides,
            )
        )
    return rows


def _milliseconds(sides: Sequence[Side]) -> float:
    return middle(sides, lambda side: 1000 * side.result["cpu"] / side.result["count"])


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
    from dagster import AssetKey, AssetMaterialization

    with _stock_instance(home) as instance:
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


def stock_run(home: str, count: int) -> dict[str, float]:
    """One run over a range of partitions, in a process that has made a run before."""
    import dagster as dg

    days = [(FIRST_DAY + timedelta(number)).isoformat() for number in range(count + 1)]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)

        @dg.asset(
            partitions_def=dg.DailyPartitionsDefinition(start_date=days[0], end_date=days[-1]),
            backfill_policy=dg.BackfillPolicy.single_run(),
        )
        def raw_sales():  # type: ignore[no-untyped-def] # noqa: ANN202 - Dagster resolves annotations outside of here
            return dg.MaterializeResult(metadata={"dagster/partition_row_count": 100})

    def ran(last: str) -> float:
        tags = {"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": last}
        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        with Stopwatch() as watch:
            dg.materialize([raw_sales], instance=instance, tags=tags, run_config=quiet)
        return watch.cpu

    with _stock_instance(home) as instance:
        ran(days[0])
        used = ran(days[-2])
        reported = len(instance.get_materialized_partitions(dg.AssetKey("raw_sales")))
    if reported != count:
        raise AssertionError(f"{count} partitions were to be reported; Dagster has {reported}")
    return {"cpu": used, "count": count}


@contextmanager
def _stock_instance(home: str) -> Iterator[DagsterInstance]:
    from dagster import DagsterInstance

    folder = Path(home)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    with DagsterInstance.from_config(str(folder)) as instance:
        yield instance


def _keys(count: int) -> list[tuple[str, str]]:
    return [(store_name(n % STORES), (FIRST_DAY + timedelta(n // STORES)).isoformat()) for n in range(count)]
