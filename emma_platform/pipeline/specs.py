"""The assets as Dagster shows them: one specification a table, made from `model.tables`.

Belongs here: names, lineage, owners, groups and column schemas (https://docs.dagster.io/guides/build/assets).
Does not belong here: how an asset is computed (`assets`) and its checks (`checks`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import dagster as dg

from emma_platform.model.schema import Column, Grain, Table
from emma_platform.model.tables import TABLES
from emma_platform.pipeline.partitions import STORES, days_of_store, everything, store_days, trailing_days

KINDS = {
    "ingest": {"deltalake", "file"},
    "reference": {"deltalake", "file"},
    "sales": {"deltalake", "duckdb"},
    "kpis": {"deltalake", "duckdb"},
    "forecast": {"deltalake", "numpy"},
    "prices": {"deltalake", "numpy"},
    "serving": {"duckdb"},
}


def asset_specs(first_day: date, code_versions: Mapping[str, str]) -> list[dg.AssetSpec]:
    """One specification a table, in the order of the data's way; each may be skipped by a run with nothing to do."""
    by_day = store_days(first_day)
    partitions = {Grain.STORE_DAY: by_day, Grain.STORE: STORES, Grain.WHOLE: None}
    return [
        dg.AssetSpec(
            table.name,
            deps=[dg.AssetDep(name, partition_mapping=_mapping(TABLES[name], table)) for name in lineage(table)],
            description=table.meaning,
            group_name=table.group,
            owners=[table.owner],
            kinds=KINDS[table.group],
            partitions_def=partitions[table.grain],
            code_version=code_versions.get(table.name) or None,
            skippable=True,
            metadata={
                "dagster/column_schema": dg.TableSchema(columns=[_column(column) for column in table.columns]),
                "dagster/table_name": table.name,
                "key": ", ".join(table.key),
            },
        )
        for table in TABLES.values()
    ]


def lineage(table: Table) -> tuple[str, ...]:
    """The tables that Dagster draws above it: those it is made from, but one way only from any of them.

    All tables are one step, and a step has one mapping for each asset that it reads. `advice_effects` and
    `forecast_model` read all of `product_kpis`, the tables by store the days of theirs: their own edges are left out,
    and what they are made from stands in `model.tables`.
    """
    of_all_days = table.name in ("advice_effects", "forecast_model")
    return tuple(name for name in table.inputs if not (of_all_days and name == "product_kpis"))


def _mapping(above: Table, below: Table) -> dg.PartitionMapping | None:
    """How a partition below hangs on those above; None where both are cut alike or neither is."""
    if above.grain is Grain.WHOLE or (above.grain is below.grain and below.name != "product_kpis"):
        return None
    if below.grain is Grain.WHOLE:
        return everything()
    if below.grain is Grain.STORE:
        return days_of_store()
    return trailing_days() if above.name == "clean_sales" else None


def _column(column: Column) -> dg.TableColumn:
    unit = f" [{column.unit}]" if column.unit else ""
    formula = f" = {column.formula}" if column.formula else ""
    return dg.TableColumn(
        column.name,
        column.type.value,
        description=f"{column.meaning}{unit}{formula}",
        constraints=dg.TableColumnConstraints(nullable=column.nullable),
    )
