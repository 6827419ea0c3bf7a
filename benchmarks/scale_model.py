"""What a chain of any size costs: the unit costs that the measures gave, multiplied.

Belongs here: the unit costs, each with where it was measured, and the arithmetic. Does not belong here: measuring, and
what to do at which size (`docs/scale.md`, which holds the table that this prints).

    python -m benchmarks.scale_model
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

STORES = (10, 100, 1_000, 10_000)


@dataclass(frozen=True, slots=True)
class Chain:
    """What a chain sends: lines are those of a store-day, products those that a store sells within 28 days."""

    stores: int
    days: int = 1_000
    lines: int = 300
    products: int = 200

    @property
    def store_days(self) -> int:
        """Partitions of each table by store and day."""
        return self.stores * self.days

    @property
    def months(self) -> int:
        """Calendar months of history."""
        return math.ceil(self.days / 30.4)


@dataclass(frozen=True, slots=True)
class UnitCosts:
    """Measured on 200 stores x 1,000 days with 300 lines and 200 products a store-day (P10 of RESULTS.md), two cores.

    Attributes:
        line_us: CPU of one receipt line from its file to clean_sales, in microseconds.
        figure_us: CPU of one row of product_kpis, written, in microseconds.
        forecast_us: CPU of one product of one store in forecasts and prices, in microseconds.
        told_us: CPU of checking one partition of one table and of telling Dagster, in microseconds.
        day_s: CPU of a store's part in a run that takes one new day of every store, in seconds.
        run_s: CPU of a run that has nothing to compute, in seconds.
        line_bytes: of a line in the archive; lake_line_bytes: in raw_sales and clean_sales; figure_bytes: of a row of
            product_kpis, earlier versions included; forecast_bytes: of a product of a store in all tables by store.
        ledger_bytes: of one partition in the ledger, all its tables; event_bytes: of one partition of one table in
            Dagster's history.
        peak_bytes: the largest memory of a process, whatever the history.
        core_hour, gigabyte_month: in dollars, list prices of a large cloud for a spot-free machine and block storage.
    """

    line_us: float = 9.5
    figure_us: float = 9.5
    forecast_us: float = 2_300.0
    told_us: float = 345.0
    day_s: float = 0.75
    run_s: float = 2.5
    line_bytes: float = 48.0
    lake_line_bytes: float = 23.0
    figure_bytes: float = 98.0
    forecast_bytes: float = 1_400.0
    ledger_bytes: float = 1_100.0
    event_bytes: float = 4_450.0
    peak_bytes: float = 1.85e9
    core_hour: float = 0.045
    gigabyte_month: float = 0.09


REPORTED_TABLES = 4
"""Tables by store and day that Dagster is told of: raw_sales, clean_sales, set_aside_rows, product_kpis."""

TABLES_BY_MONTH, TABLES_BY_STORE = 3, 5
"""Tables with a file a store and month, and with a file a store (set_aside_rows has one only where rows were)."""


def rows(costs: UnitCosts | None = None) -> Iterator[tuple[str, list[str]]]:
    """The table: what, and its value for each number of stores."""
    cost = costs or UnitCosts()
    chains = [Chain(stores) for stores in STORES]
    figures = [chain.store_days * chain.products for chain in chains]
    lines = [chain.store_days * chain.lines for chain in chains]
    sold = [chain.stores * chain.products for chain in chains]
    events = [chain.store_days * REPORTED_TABLES for chain in chains]
    rebuild = [
        (n * cost.line_us + f * cost.figure_us + p * cost.forecast_us + e * cost.told_us) / 3.6e9
        for n, f, p, e in zip(lines, figures, sold, events, strict=True)
    ]
    daily = [(cost.run_s + chain.stores * cost.day_s) / 60 for chain in chains]
    lake = [
        (n * cost.lake_line_bytes + f * cost.figure_bytes + p * cost.forecast_bytes) / 1e9
        for n, f, p in zip(lines, figures, sold, strict=True)
    ]
    archive = [n * cost.line_bytes / 1e9 for n in lines]
    ledger = [chain.store_days * cost.ledger_bytes / 1e9 for chain in chains]
    history = [e * cost.event_bytes / 1e9 for e in events]
    kept = [sum(parts) for parts in zip(lake, archive, ledger, history, strict=True)]
    yield "receipt lines, M", [f"{n / 1e6:,.0f}" for n in lines]
    yield "rows of product_kpis, M", [f"{n / 1e6:,.0f}" for n in figures]
    yield "partitions by store and day, of each table", [f"{chain.store_days:,}" for chain in chains]
    yield "files dropped, one a store-day", [f"{chain.store_days:,}" for chain in chains]
    yield (
        "files in the lake",
        [f"{chain.stores * (chain.months * TABLES_BY_MONTH + TABLES_BY_STORE):,}" for chain in chains],
    )
    yield "lake, GB", [f"{n:,.1f}" for n in lake]
    yield "archive, GB", [f"{n:,.1f}" for n in archive]
    yield "ledger, rows", [f"{chain.store_days * (REPORTED_TABLES + 1):,}" for chain in chains]
    yield "ledger, GB", [f"{n:,.2f}" for n in ledger]
    yield "Dagster's history, events kept", [f"{n:,}" for n in events]
    yield "Dagster's history, GB", [f"{n:,.1f}" for n in history]
    yield "memory of the process, GB", [f"{cost.peak_bytes / 1e9:.1f}" for _ in chains]
    yield "rebuild of everything, core hours", [f"{n:,.1f}" for n in rebuild]
    yield "a new day of all stores, core minutes", [f"{n:,.1f}" for n in daily]
    yield "a rebuild, $", [f"{n * cost.core_hour:,.2f}" for n in rebuild]
    yield "30 days' runs, $", [f"{30 * n / 60 * cost.core_hour:,.2f}" for n in daily]
    yield "storage, $ a month", [f"{n * cost.gigabyte_month:,.2f}" for n in kept]


def table() -> str:
    """The table in Markdown."""
    head = ["", *(f"{stores:,} stores" for stores in STORES)]
    texts = [head, ["---"] + ["---:"] * len(STORES), *([what, *values] for what, values in rows())]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in texts)


if __name__ == "__main__":
    print(table())  # noqa: T201 - a command's answer
