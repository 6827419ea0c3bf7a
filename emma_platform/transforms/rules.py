"""What must hold of a table's rows, as SQL that counts the rows that break each rule.

Belongs here: the rules that follow from `model.tables` (key, nulls, ranges, allowed values) and the few that need
business sense. Does not belong here: when they are run and who is told (`pipeline.checks`).
"""

from __future__ import annotations

from collections.abc import Mapping

from emma_platform.model.schema import Column, Table, Type

BUSINESS_RULES: Mapping[str, Mapping[str, str]] = {
    "clean_sales": {
        "revenue is quantity times price": "abs(revenue - quantity * unit_price) > 0.0001",
        "a return has a quantity below zero": "is_return <> (quantity < 0)",
    },
    "product_kpis": {
        "units are sold less returned": "units <> sold_units - returned_units",
        "margin is revenue less cost": "cost is not null and gross_margin is distinct from revenue - cost",
        "the week is within the 28 days": "sold_units_28d < sold_units",
        "a product has at most all receipts": "receipts > store_receipts",
    },
    "sales_forecast": {
        "quantiles are in order": "not (p025 <= p10 and p10 <= p50 and p50 <= p90 and p90 <= p975)",
        "the day is the horizon after made_on": "day <> made_on + cast(horizon_days as integer)",
    },
    "sales_forecast_totals": {
        "quantiles are in order": "not (p025 <= p10 and p10 <= p50 and p50 <= p90 and p90 <= p975)",
        "the day is the horizon after made_on": "day <> made_on + cast(horizon_days as integer)",
        "only a category has a name": "level = 'store' and category is not null",
    },
    "forecast_accuracy": {
        "the wider interval holds no fewer days": "inside_80 > inside_95 or inside_95 > days",
        "only a product has a code": "(level = 'product') <> (product is not null)",
    },
    "probable_stock_outs": {
        "the days are in order": "last_day < first_day or days > date_diff('day', first_day, last_day) + 1",
        "the interval is in order": "lost_units_p90 < lost_units_p10",
    },
    "price_response": {"demand falls when the price rises": "elasticity >= 0"},
    "price_recommendations": {
        "a recommendation is worth it": "status = 'recommend' and coalesce(expected_profit_uplift_p10, 0) <= 0",
        "a blocked product has no price": "status = 'blocked' and recommended_price is not null",
        "a price is above zero": "recommended_price <= 0",
    },
}
"""For each table, what must hold and the condition on a row that breaks it."""


def schema_rules(table: Table) -> dict[str, str]:
    """What must hold of each row by the table's columns, and the condition on a row that breaks it."""
    rules: dict[str, str] = {}
    for column in table.columns:
        rules |= _column_rules(column)
    return rules


def _column_rules(column: Column) -> dict[str, str]:
    rules: dict[str, str] = {}
    if not column.nullable:
        rules[f"{column.name} is there"] = f'"{column.name}" is null'
    if column.type is Type.NUMBER:
        rules[f"{column.name} is finite"] = f'not isfinite("{column.name}")'
    if column.lowest is not None:
        rules[f"{column.name} is at least {column.lowest:g}"] = f'"{column.name}" < {column.lowest}'
    if column.highest is not None:
        rules[f"{column.name} is at most {column.highest:g}"] = f'"{column.name}" > {column.highest}'
    if column.allowed:
        values = ", ".join(f"'{value}'" for value in column.allowed)
        rules[f"{column.name} is one of the known values"] = f'"{column.name}" not in ({values})'
    return rules


def count_broken(table: Table, rules: Mapping[str, str]) -> str:
    """SQL over `rows` that counts the rows breaking each rule, in the order of the rules, after the rows in all."""
    counts = "".join(f", count(*) filter (where {condition})" for condition in rules.values())
    keys = ", ".join(f'"{name}"' for name in table.key)
    repeated = f"(select count(*) from (select {keys} from rows group by {keys} having count(*) > 1))"
    return f"select count(*), {repeated}{counts} from rows"
