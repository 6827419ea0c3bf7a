"""Every rule is broken by a row made to break it, and by no good row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from emma_platform.engine.duckdb import DuckDBEngine
from emma_platform.model.schema import Column, Table, Type
from emma_platform.model.tables import KEPT, TABLES
from emma_platform.transforms.rules import BUSINESS_RULES, count_broken, schema_rules

Row = dict[str, object]

PLAIN: dict[Type, object] = {
    Type.TEXT: "x",
    Type.DAY: date(2026, 1, 8),
    Type.INSTANT: datetime(2026, 1, 8, 10, tzinfo=UTC),
    Type.COUNT: 1,
    Type.FLAG: False,
    Type.QUANTITY: Decimal(1),
    Type.PRICE: Decimal(1),
    Type.MONEY: Decimal(1),
    Type.NUMBER: 1.0,
}
FITTING: dict[str, Row] = {
    "product_kpis": {"returned_units": Decimal(0), "gross_margin": Decimal(0)},
    "sales_forecast": {"made_on": date(2026, 1, 7)},
    "sales_forecast_totals": {"made_on": date(2026, 1, 7)},
    "price_response": {"elasticity": -1.5},
    "price_recommendations": {"test_days": 7},
}
"""Where a plain value would break a business rule."""

BROKEN: dict[str, dict[str, Row]] = {
    "clean_sales": {
        "revenue is quantity times price": {"revenue": Decimal("1.0002")},
        "a return has a quantity below zero": {"is_return": True},
    },
    "product_kpis": {
        "units are sold less returned": {"returned_units": Decimal(1)},
        "margin is revenue less cost": {"gross_margin": None},
        "the week is within the 28 days": {"sold_units_28d": Decimal("0.5")},
        "a product has at most all receipts": {"receipts": 2},
    },
    "sales_forecast": {
        "quantiles are in order": {"p10": 1.1},
        "the day is the horizon after made_on": {"horizon_days": 2},
    },
    "sales_forecast_totals": {
        "quantiles are in order": {"p10": 1.1},
        "the day is the horizon after made_on": {"horizon_days": 2},
        "only a category has a name": {"level": "store"},
    },
    "forecast_accuracy": {
        "the wider interval holds no fewer days": {"inside_95": 0},
        "only a product has a code": {"level": "store"},
    },
    "probable_stock_outs": {
        "the days are in order": {"days": 2},
        "the interval is in order": {"lost_units_p10": 2.0},
    },
    "price_response": {"demand falls when the price rises": {"elasticity": 0.0}},
    "price_recommendations": {
        "a recommendation is worth it": {"expected_profit_uplift_p10": None},
        "a blocked product has no price": {"status": "blocked"},
        "a price is above zero": {"recommended_price": 0.0},
    },
}


def good(table: Table) -> Row:
    row = {column.name: column.allowed[0] if column.allowed else PLAIN[column.type] for column in table.columns}
    return row | FITTING.get(table.name, {})


def breaking(column: Column) -> Iterator[tuple[str, Row]]:
    """For each rule of a column, by its name, the value that breaks it."""
    if not column.nullable:
        yield f"{column.name} is there", {column.name: None}
    if column.type is Type.NUMBER:
        yield f"{column.name} is finite", {column.name: float("inf")}
        yield f"{column.name} is finite", {column.name: float("nan")}
    if column.lowest is not None:
        yield f"{column.name} is at least {column.lowest:g}", {column.name: type(PLAIN[column.type])(column.lowest - 1)}  # type: ignore[call-arg]
    if column.highest is not None:
        yield (
            f"{column.name} is at most {column.highest:g}",
            {column.name: type(PLAIN[column.type])(column.highest + 1)},
        )  # type: ignore[call-arg]
    if column.allowed:
        yield f"{column.name} is one of the known values", {column.name: "?"}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> DuckDBEngine:
    spill: Path = tmp_path_factory.mktemp("spill")
    return DuckDBEngine(threads=1, memory_limit="500MB", spill=spill)


def broken_by(engine: DuckDBEngine, table: Table, rows: list[Row]) -> tuple[int, int, dict[str, int]]:
    """The rows, the repeated keys and the rules that are broken."""
    nullable = pa.schema([field.with_nullable(True) for field in table.arrow_schema()])
    rules = schema_rules(table) | dict(BUSINESS_RULES.get(table.name, {}))
    counted = engine.run(count_broken(table, rules), {"rows": pa.Table.from_pylist(rows, schema=nullable)})
    total, repeated, *broken = (column[0].as_py() for column in counted.columns)
    return total, repeated, {rule: number for rule, number in zip(rules, broken, strict=True) if number}


@pytest.mark.parametrize("name", KEPT)
def test_good_rows_break_nothing_and_every_column_rule_is_broken(engine: DuckDBEngine, name: str) -> None:
    table = TABLES[name]
    assert broken_by(engine, table, []) == (0, 0, {})
    assert broken_by(engine, table, [good(table)]) == (1, 0, {})
    nulls = {column.name: None for column in table.columns if column.nullable}
    found = broken_by(engine, table, [good(table) | nulls])[2]
    assert set(found) <= set(BROKEN.get(name, {}))
    met = set()
    for column in table.columns:
        for rule, values in breaking(column):
            total, _, broken = broken_by(engine, table, [good(table), good(table) | values])
            assert total == 2
            assert broken.get(rule) == 1, f"{rule}: {values}"
            met.add(rule)
    assert met == set(schema_rules(table))


@pytest.mark.parametrize(("name", "rule"), [(name, rule) for name, rules in BUSINESS_RULES.items() for rule in rules])
def test_every_business_rule_is_broken(engine: DuckDBEngine, name: str, rule: str) -> None:
    table = TABLES[name]
    bad = good(table) | BROKEN[name][rule]
    assert broken_by(engine, table, [bad, good(table)])[2].get(rule) == 1


@pytest.mark.parametrize("name", KEPT)
def test_a_repeated_key_is_counted_also_where_a_part_of_it_is_null(engine: DuckDBEngine, name: str) -> None:
    table = TABLES[name]
    assert broken_by(engine, table, [good(table)] * 3)[1] == 1
    keyless = good(table) | {column.name: None for column in table.columns if column.nullable}
    assert broken_by(engine, table, [keyless, keyless])[1] == 1
