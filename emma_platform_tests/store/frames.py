"""Small frames of the platform's tables, and writers that run in processes of their own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pyarrow as pa

from emma_platform.model.tables import TABLES
from emma_platform.store.delta import DeltaStore
from emma_platform.store.protocol import Days

ODD_NAMES = ("a/b", "..", ".", "Zürich", "x y", "~", "%", "a=b", "", "a%2Fb", "'; --", "S1", "s1", "店舗" * 60)
DAYS = (date(2025, 12, 30), date(2025, 12, 31), date(2026, 1, 1), date(2026, 1, 2))


def frame(table: str, rows: Iterable[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=TABLES[table].arrow_schema())


def stock(*rows: tuple[str, date, str, int]) -> pa.Table:
    """Rows of store, day, product, on_hand."""
    return frame(
        "stock",
        (
            {"store": store, "day": day, "file": "f.csv", "line": 2, "product": product, "on_hand": Decimal(on_hand)}
            for store, day, product, on_hand in rows
        ),
    )


def set_aside(*rows: tuple[str | None, date | None, int]) -> pa.Table:
    """Rows of store, day, line."""
    return frame(
        "set_aside_rows",
        (
            {"store": store, "day": day, "file": "f.csv", "line": line, "reason": "r", "row": "{}", "input": "sales"}
            for store, day, line in rows
        ),
    )


def priors(*rows: tuple[str, float]) -> pa.Table:
    """Rows of name, elasticity, of a table in one piece."""
    return frame(
        "price_priors",
        (
            {"level": "product", "name": n, "elasticity": e, "spread": 1.0, "inflation": 1.0, "members": 1}
            for n, e in rows
        ),
    )


def evidence(*rows: tuple[str, str]) -> pa.Table:
    """Rows of store, product, of a table cut by stores."""
    return frame("price_evidence", ({"store": s, "product": p, "observations": 3, "price_points": 2} for s, p in rows))


def sales(store: str, day: date, receipts: int) -> pa.Table:
    """Sales lines, which have a column of every type."""
    return frame(
        "clean_sales",
        (
            {
                "store": store, "day": day, "receipt": f"R{receipts - n:06d}", "line": 1,
                "sold_at": datetime(day.year, day.month, day.day, 12, 0, n % 60, 123456, UTC), "product": "P",
                "quantity": Decimal("1.125"), "unit_price": Decimal("2.500001"), "discount": Decimal(0),
                "revenue": Decimal("2.8125"), "currency": None, "is_return": False, "return_of": None,
                "is_known_product": True, "is_known_store": False,
            }
            for n in range(receipts)
        ),
    )  # fmt: skip


def tuples(rows: pa.Table) -> list[tuple[Any, ...]]:
    """The rows as a sorted list, whatever their order was."""
    return sorted((tuple(row.values()) for row in rows.to_pylist()), key=repr)


def generation(number: int) -> tuple[pa.Table, Days]:
    """The same store-days over and over, every row marked with a number; half of its days come and go."""
    days = DAYS[: 2 + 2 * (number % 2)]
    rows = stock(*((store, day, f"P{p}", number) for store in ("a", "b/c", "d") for day in days for p in range(5)))
    return rows, Days({store: frozenset(DAYS) for store in ("a", "b/c", "d")})


def write_generations(root: Path, first: int, count: int, done: Connection) -> None:
    """Commit generation after generation and tell each one's number when its commit has returned."""
    store = DeltaStore(root)
    for number in range(first, first + count):
        rows, replace = generation(number)
        store.commit("stock", rows, replace, {"generation": str(number)})
        done.send(number)


def write_months(root: Path, writer: int, start: Barrier, done: Connection) -> None:
    """Commit, month after month at the same moment, a day that only this writer has and one that both have."""
    store = DeltaStore(root, attempts=100)
    for month in range(1, 13):
        own, same = date(2025, month, writer), date(2025, month, 3)
        rows = stock(("a", own, "own", writer), ("a", same, "same", writer))
        start.wait(60)
        store.commit("stock", rows, Days({"a": frozenset([own, same])}), {})
        done.send(month)


def on_disk(folder: Path) -> set[str]:
    """The data files below a folder."""
    return {str(path) for path in folder.rglob("*.parquet") if "_delta_log" not in path.parts}
