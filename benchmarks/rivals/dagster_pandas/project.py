"""The assets of the project and how a partition is materialised.

Belongs here: Dagster. Does not belong here: pandas (`frames`).

A partition is a day of a store. Materialising in this process spares the project what a daemon adds to every run: a
process of its own and the import of Dagster, some 6 s.

Tables are kept by Dagster's DuckDB I/O manager. Its handler for pandas, `dagster-duckdb-pandas`, refuses pandas 3; the
one here does the same. It cannot store a partition of a dynamic dimension, so the shops are a list. A window of 28
days is asked for through the DuckDB resource: the I/O manager takes one range of partition keys, and of several stores
the days of one are none.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pandas as pd
from dagster._core.storage.db_io_manager import DbTypeHandler, TableSlice
from dagster_duckdb import DuckDBResource, build_duckdb_io_manager
from dagster_duckdb.io_manager import DuckDbClient

from benchmarks.rivals.dagster_pandas.frames import clean, key_figures, read_day

WINDOW_DAYS = 28
STORE_DAYS = dg.MultiPartitionsDefinition(
    {
        "day": dg.DailyPartitionsDefinition(start_date="2024-01-01"),
        "store": dg.StaticPartitionsDefinition([f"S{number:03d}" for number in range(1, 201)]),
    }
)
BY_STORE_AND_DAY = {"partition_expr": {"day": "day", "store": "store"}}


class Frames(DbTypeHandler[pd.DataFrame]):
    """Frames into a table of DuckDB and back."""

    def handle_output(
        self,
        context: dg.OutputContext,  # noqa: ARG002 - the I/O manager's word
        table_slice: TableSlice,
        obj: pd.DataFrame,
        connection: Any,  # noqa: ANN401
    ) -> dict[str, Any]:
        """Add the rows; the I/O manager has deleted those that were there."""
        table = f"{table_slice.schema}.{table_slice.table}"
        connection.register("rows", obj)
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} AS SELECT * FROM rows WHERE false")
        connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM rows")
        return {"row_count": len(obj)}

    def load_input(
        self,
        context: dg.InputContext,  # noqa: ARG002
        table_slice: TableSlice,
        connection: Any,  # noqa: ANN401
    ) -> pd.DataFrame:
        """The rows of the partition."""
        frame: pd.DataFrame = connection.execute(DuckDbClient.get_select_statement(table_slice)).fetchdf()
        return frame

    @property
    def supported_types(self) -> Sequence[type[object]]:
        """Frames alone."""
        return [pd.DataFrame]


class Landing(dg.ConfigurableResource[Any]):
    """Where the files lie."""

    folder: str

    def day(self, store: str, day: str) -> Path:
        """The file of a store's day."""
        return Path(self.folder) / "sales" / store / f"{store}-{day}.csv"


def _keys(context: dg.AssetExecutionContext) -> dict[str, str]:
    return dict(context.partition_key.keys_by_dimension)


@dg.asset(partitions_def=STORE_DAYS, metadata=BY_STORE_AND_DAY)
def raw_sales(context: dg.AssetExecutionContext, landing: Landing) -> pd.DataFrame:
    """The file of the day."""
    keys = _keys(context)
    return read_day(landing.day(**keys)).assign(day=pd.Timestamp(keys["day"]))


@dg.asset(partitions_def=STORE_DAYS, metadata=BY_STORE_AND_DAY)
def clean_sales(raw_sales: pd.DataFrame) -> pd.DataFrame:
    """Its lines, typed."""
    return clean(raw_sales)


@dg.asset(partitions_def=STORE_DAYS, metadata=BY_STORE_AND_DAY, deps=[clean_sales])
def product_kpis(context: dg.AssetExecutionContext, landing: Landing, duckdb: DuckDBResource) -> pd.DataFrame:
    """The key figures of the day, from the lines of 28 days."""
    keys = _keys(context)
    day = pd.Timestamp(keys["day"])
    products = pd.read_csv(Path(landing.folder) / "products.csv", dtype={"product": "string"})
    with duckdb.get_connection() as connection:
        lines = connection.execute(
            "SELECT * FROM public.clean_sales WHERE store = ? AND day > ? AND day <= ?",
            [keys["store"], day - pd.Timedelta(days=WINDOW_DAYS), day],
        ).fetchdf()
    return key_figures(lines, products, day).assign(store=keys["store"])


ASSETS = [raw_sales, clean_sales, product_kpis]
LINES, FIGURES = [raw_sales, clean_sales], [product_kpis]


class Project:
    """The project on a folder of files, with its runs in `home`."""

    def __init__(self, home: Path, landing: Path) -> None:
        self._landing = landing
        self._database = str(home / "project.duckdb")

    def materialise(
        self, instance: dg.DagsterInstance, partitions: Sequence[tuple[str, str]], assets: Sequence[object]
    ) -> None:
        """One run a partition (store, day)."""
        wanted = [asset.key for asset in assets]  # type: ignore[attr-defined]
        tables = build_duckdb_io_manager([Frames()]).configured({"database": self._database})
        for store, day in partitions:
            dg.materialize(
                ASSETS,
                selection=wanted,
                partition_key=dg.MultiPartitionKey({"store": store, "day": day}),
                instance=instance,
                resources={
                    "landing": Landing(folder=str(self._landing)),
                    "duckdb": DuckDBResource(database=self._database),
                    "io_manager": tables,
                },
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )

    def figures(self) -> int:
        """The rows of key figures that are there."""
        with duckdb.connect(self._database) as connection:
            ((rows,),) = connection.execute("SELECT count(*) FROM public.product_kpis").fetchall()
        return int(rows)
