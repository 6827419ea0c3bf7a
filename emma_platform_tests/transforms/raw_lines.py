"""Raw sales lines written as text, and what cleaning makes of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pyarrow as pa

from emma_platform.engine.duckdb import DuckDBEngine
from emma_platform.model.reasons import NON_PRODUCT_CODES
from emma_platform.model.tables import CLEAN_SALES, PRODUCTS, RAW_SALES, STORES
from emma_platform.transforms.clean_sales import Cleaned, split
from emma_platform.transforms.sql import load

ENGINE = DuckDBEngine(threads=2)
DAY = date(2026, 3, 2)


def line(**values):
    """One raw line: P1 sold once at 2.50, but for what is said."""
    clock = values.pop("at", "10:00")
    day = values.get("day", DAY)
    row = dict.fromkeys(RAW_SALES.names) | {
        "store": "S1",
        "day": day,
        "file": "a.csv",
        "receipt": "R1",
        "sold_at": f"{day} {clock}",
        "sold_at_utc": datetime.combine(day, time.fromisoformat(clock), UTC),
        "product": "P1",
        "quantity": "1",
        "unit_price": "2.50",
        "decimal_mark": ".",
    }
    return row | values


def numbered(lines):
    """The lines with the place that they have in the list as their line of the file, where they do not say it."""
    return [row | {"line": row["line"] or place} for place, row in enumerate(lines, start=2)]


def clean(lines, *, products=("P1", "P2"), limits=None, stores=("S1",), engine=ENGINE) -> Cleaned:
    limits = limits or {}
    known = [
        dict.fromkeys(PRODUCTS.names) | {"product": p, "max_quantity": limits.get(p)} for p in {*products, *limits}
    ]
    tables = {
        "raw_sales": pa.Table.from_pylist(numbered(lines), schema=RAW_SALES.arrow_schema()),
        "products": pa.Table.from_pylist(known, schema=PRODUCTS.arrow_schema()),
        "stores": pa.Table.from_pylist(
            [dict.fromkeys(STORES.names) | {"store": s} for s in stores], schema=STORES.arrow_schema()
        ),
    }
    return split(engine.run(load("clean_sales").text, tables, {"non_product_codes": list(NON_PRODUCT_CODES)}))


def kept(cleaned):
    return sorted(cleaned.clean_sales.to_pylist(), key=lambda row: [str(row[k]) for k in CLEAN_SALES.key])


def reasons(cleaned):
    rows = cleaned.set_aside_rows.to_pylist()
    return [row["reason"] for row in sorted(rows, key=lambda row: (row["file"], row["line"]))]


def only(cleaned):
    (row,) = cleaned.clean_sales.to_pylist()
    return row


def returns(cleaned):
    return {row["receipt"]: row["return_of"] for row in kept(cleaned) if row["is_return"]}
