"""The assets of the project and how a partition is materialised.

Belongs here: Dagster. Does not belong here: pandas (`frames`).

A partition is a day of a store. Materialising in this process spares the project what a daemon adds to every run: a
process of its own and the import of Dagster, some 6 s.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from benchmarks.rivals.dagster_pandas.frames import clean, key_figures, read_day

STORE_DAYS = dg.MultiPartitionsDefinition(
    {
        "day": dg.DailyPartitionsDefinition(start_date="2024-01-01"),
        "store": dg.DynamicPartitionsDefinition(name="shops"),
    }
)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", dg.BetaWarning)
    _TRAILING = dg.TimeWindowPartitionMapping(start_offset=-27, allow_nonexistent_upstream_partitions=True)
    LAST_28_DAYS = dg.MultiPartitionMapping(
        {
            "store": dg.DimensionPartitionMapping("store", dg.IdentityPartitionMapping()),
            "day": dg.DimensionPartitionMapping("day", _TRAILING),
        }
    )


class Landing(dg.ConfigurableResource[Any]):
    """Where the files lie."""

    folder: str

    def day(self, store: str, day: str) -> Path:
        """The file of a store's day."""
        return Path(self.folder) / "sales" / store / f"{store}-{day}.csv"


def _keys(context: dg.AssetExecutionContext) -> dict[str, str]:
    return dict(context.partition_key.keys_by_dimension)


@dg.asset(partitions_def=STORE_DAYS)
def raw_sales(context: dg.AssetExecutionContext, landing: Landing) -> pd.DataFrame:
    """The file of the day."""
    return read_day(landing.day(**_keys(context)))


@dg.asset(partitions_def=STORE_DAYS)
def clean_sales(raw_sales: pd.DataFrame) -> pd.DataFrame:
    """Its lines, typed."""
    return clean(raw_sales)


@dg.asset(
    partitions_def=STORE_DAYS,
    ins={"clean_sales": dg.AssetIn(partition_mapping=LAST_28_DAYS, metadata={"allow_missing_partitions": True})},
)
def product_kpis(
    context: dg.AssetExecutionContext,
    clean_sales: Any,  # noqa: ANN401 - frames by partition, but a bare frame where there is only one
    landing: Landing,
) -> pd.DataFrame:
    """The key figures of the day, from the lines of 28 days."""
    products = pd.read_csv(Path(landing.folder) / "products.csv", dtype={"product": "string"})
    days = clean_sales.values() if isinstance(clean_sales, dict) else [clean_sales]
    return key_figures(pd.concat(days), products, pd.Timestamp(_keys(context)["day"]))


ASSETS = [raw_sales, clean_sales, product_kpis]
LINES, FIGURES = [raw_sales, clean_sales], [product_kpis]


class Project:
    """The project on a folder of files, with its runs in `home`."""

    def __init__(self, home: Path, landing: Path) -> None:
        self.home, self._landing = home, landing

    def materialise(
        self, instance: dg.DagsterInstance, partitions: Sequence[tuple[str, str]], assets: Sequence[object]
    ) -> None:
        """One run a partition (store, day)."""
        wanted = [asset.key for asset in assets]  # type: ignore[attr-defined]
        for store, day in partitions:
            dg.materialize(
                ASSETS,
                selection=wanted,
                partition_key=dg.MultiPartitionKey({"store": store, "day": day}),
                instance=instance,
                resources={
                    "landing": Landing(folder=str(self._landing)),
                    "io_manager": dg.FilesystemIOManager(base_dir=str(self.home / "storage")),
                },
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
