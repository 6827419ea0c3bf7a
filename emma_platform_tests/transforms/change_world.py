"""Two periods of a made-up store chain, and how its change is split: for the tests of `kpi_changes`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from emma_platform.engine.duckdb import DuckDBEngine
from emma_platform.model.parts import PART_NAMES
from emma_platform.model.tables import TABLES
from emma_platform.transforms.kpi_changes import split_changes
from emma_platform.transforms.sql import load

MONDAY = date(2026, 3, 2)
ENGINE = DuckDBEngine(threads=1, memory_limit="300MB")


@dataclass(frozen=True)
class Sale:
    """One product in one store on one day; day 0 to 6 is the first period, 7 to 13 the second."""

    day: int
    units: int = 1
    price: Decimal = Decimal(2)
    product: str = "P1"
    store: str = "S1"
    category: str | None = "C1"
    unit_cost: Decimal | None = Decimal(1)
    receipts: int = 5


def on(day: int) -> date:
    return MONDAY + timedelta(day)


def kpis(sales: Iterable[Sale]) -> pa.Table:
    rows = [
        {
            "store": sale.store, "day": on(sale.day), "product": sale.product, "category": sale.category,
            "units": Decimal(sale.units), "sold_units": Decimal(max(sale.units, 0)), "revenue": sale.units * sale.price,
            "cost": None if sale.unit_cost is None else sale.units * sale.unit_cost, "receipts": max(sale.units, 0),
            "store_receipts": sale.receipts,
        }
        for sale in sales
    ]  # fmt: skip
    schema = TABLES["product_kpis"].arrow_schema()
    names = (
        "store",
        "day",
        "product",
        "category",
        "units",
        "sold_units",
        "revenue",
        "cost",
        "receipts",
        "store_receipts",
    )
    return pa.Table.from_pylist(rows, pa.schema([schema.field(name).with_nullable(True) for name in names]))


def split(
    sales: Iterable[Sale],
    kpi: str = "revenue",
    *,
    promotions: Iterable[tuple[str | None, str, int, int]] = (),
    events: Iterable[tuple[str | None, int, str, str]] = (),
    lives: Mapping[str, tuple[int, int]] | None = None,
    lost: Iterable[tuple[str, str, int, float]] = (),
    swapped: bool = False,
) -> pa.Table:
    """The split of the change from days 0..6 to days 7..13, or the other way round."""
    sales = list(sales)
    lives = lives or {sale.store: (0, 13) for sale in sales}
    dated = ("store", "product", "first_day", "last_day")
    tables = {
        "product_kpis": kpis(sales),
        "periods": pa.table(
            {
                "day": [on(day) for day in range(14)],
                "period": pa.array([int((day < 7) == swapped) for day in range(14)], pa.int32()),
                "weekday": [f"2 {on(day):%w}" for day in range(14)],
            }
        ),
        "lives": _frame(("store", "first_day", "last_day"), [(s, on(a), on(b)) for s, (a, b) in lives.items()]),
        "promotions": _frame(dated, [(s, p, on(a), on(b)) for s, p, a, b in promotions]),
        "calendar": _frame(("store", "day", "event", "kind"), [(s, on(d), e, kind) for s, d, e, kind in events]),
        "lost_units": _frame(("store", "product", "day", "lost_units"), [(s, p, on(d), n) for s, p, d, n in lost]),
    }  # fmt: skip
    return split_changes(ENGINE.run(load("kpi_changes").text, tables), kpi, second_is_later=not swapped)


def parts(rows: pa.Table) -> dict[str, Decimal]:
    """The parts of the whole chain that are not nothing."""
    sums = {name: sum(rows[name].to_pylist(), Decimal(0)) for name in PART_NAMES}
    return {name: amount for name, amount in sums.items() if amount}


_TYPES = {"day": pa.date32(), "first_day": pa.date32(), "last_day": pa.date32(), "lost_units": pa.float64()}


def _frame(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return pa.table(
        {name: pa.array(column, _TYPES.get(name, pa.string())) for name, column in zip(names, columns, strict=True)}
    )
