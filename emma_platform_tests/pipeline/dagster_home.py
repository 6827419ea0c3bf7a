"""A small chain in a home of its own, with Dagster on it, and what Dagster shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from emma_platform.pipeline.assets import EMPTY, partition_key
from emma_platform.pipeline.build import build_definitions
from emma_platform.pipeline.instance import instance_of
from emma_platform.pipeline.resources import Home as HomeResource
from emma_platform.pipeline.run import run_update
from emma_platform.recompute.batch import BatchReport
from emma_platform.recompute.ledger import Key, partitions
from emma_platform.recompute.platform import Observer
from emma_platform_tests.recompute.home import Home, sale

DAYS = [day for day in range(34) if day != 7]
"""The days with sales: day 7 is closed."""
STORES = ("S1", "Köln/2")
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

Held = dict[str, dict[str | None, tuple[int, str]]]
"""For each table, its partitions with their rows and data version."""


def lines(store: str, days: Sequence[int], quantity: int = 0) -> list[str]:
    """Two products a day, at prices that move."""
    return [
        sale(store, day, product, quantity or 1 + day % 3, "2.50" if day % 4 else "2.80", f"R{day}{product}")
        for day in days
        for product in ("P1", "P2")
    ]


class DagsterHome(Home):
    """A home whose batches are runs of Dagster."""

    def fill(self) -> None:
        """A products file and a file of sales a store."""
        self.drop("products.csv", "product,category,unit_cost\nP1,tea,1.10\nP2,jam,1.20\n")
        for number, store in enumerate(STORES):
            self.sell(f"sales-{number}.csv", *lines(store, DAYS))

    def run(self) -> BatchReport:
        return run_update(self.settings)

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        with instance_of(self.settings) as instance:
            yield instance

    def definitions(self, observer: Observer | None = None) -> dg.Definitions:
        return build_definitions(HomeResource(self.settings, observer))

    def by_hand(
        self,
        instance: dg.DagsterInstance,
        assets: Sequence[str],
        partition: str | None = None,
        span: tuple[str, str] | None = None,
        observer: Observer | None = None,
    ) -> dg.ExecuteInProcessResult:
        """What the UI starts for one partition, or by the tags of a range for a rectangle of them."""
        ends = dict(
            zip(("dagster/asset_partition_range_start", "dagster/asset_partition_range_end"), span or (), strict=False)
        )
        return self.definitions(observer).resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, asset_selection=[dg.AssetKey(name) for name in assets], partition_key=partition,
            tags=ends, run_config=QUIET,
        )  # fmt: skip

    def shown(self, instance: dg.DagsterInstance) -> Held:
        """What Dagster's pages show as materialised, with row counts and data versions."""
        found: Held = {}
        for spec in self.definitions().resolve_all_asset_specs():
            latest = _latest(instance, spec.key)
            if spec.partitions_def is not None:
                status = get_and_update_asset_status_cache_value(instance, spec.key, spec.partitions_def)
                subset = status and status.deserialize_materialized_partition_subsets(spec.partitions_def)
                shown = set(subset.get_partition_keys()) if subset else set()
                latest = {key: latest[key] for key in shown}
            if latest:
                found[spec.key.to_user_string()] = latest
        return found

    def held(self) -> Held:
        """What the ledger holds."""
        p = partitions.c
        found: Held = {}
        with self.platform.ledger.transaction() as connection:
            statement = sa.select(p.table_name, p.store, p.day, p.rows, p.content).where(p.wanted != "")
            for table, store, day, rows, content in connection.execute(statement):
                found.setdefault(table, {})[partition_key(Key(store, day))] = (rows, content or EMPTY)
        return found


def _latest(instance: dg.DagsterInstance, asset: dg.AssetKey) -> dict[str | None, tuple[int, str]]:
    records = instance.fetch_materializations(asset, limit=10_000, ascending=True).records
    found: dict[str | None, tuple[int, str]] = {}
    for record in records:
        event = record.asset_materialization
        assert event is not None
        rows = event.metadata.get("dagster/partition_row_count") or event.metadata["dagster/row_count"]
        assert event.tags is not None
        found[event.partition] = (rows.value, event.tags["dagster/data_version"])  # type: ignore[assignment]
    return found


def materialised_in(instance: dg.DagsterInstance, run_id: str) -> dict[str, set[str | None]]:
    """The partitions that a run's page lists."""
    found: dict[str, set[str | None]] = {}
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    for record in records:
        materialization = record.asset_materialization
        assert materialization is not None
        found.setdefault(materialization.asset_key.to_user_string(), set()).add(materialization.partition)
    return found


def checks_of(instance: dg.DagsterInstance, run_id: str) -> Mapping[tuple[str, str], dg.AssetCheckEvaluation]:
    """How the checks of a run came out."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    events = [record.event_log_entry.get_dagster_event().asset_check_evaluation_data for record in records]
    return {(event.asset_key.to_user_string(), event.check_name): event for event in events}
