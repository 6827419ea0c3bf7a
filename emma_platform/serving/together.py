"""What several stores sell together: their totals added up, with intervals that know how much stores move together.

Belongs here: days that are over and days to come. Does not belong here: the sum of the latter (`sums_ahead`), the
totals of one store (`transforms.forecast_totals`), and who asks for them (`report_card`).

The variance of a sum takes all pairs of stores to be equally correlated, r, measured as the mean product of two stores'
errors in units of their standard deviations over the same days, 1, 7 and 28 days ahead: Var = (1 - r) sum(s^2) +
r (sum s)^2. Its interval is normal. Between the distances r is interpolated; the sum over 28 days takes that of one.
The days of one store add up alike, with `sums_ahead.DAYS_ALIKE` for r.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from emma_platform.serving.sums_ahead import OWN, Z_80, added, owns

_Z_95 = 1.9600
_LAGGING_DAYS = 28
"""A store whose forecast was made so long before the newest one has closed, or sends nothing more."""


def _added(r: str | float) -> str:
    """In SQL: the standard deviation of the sum of what is equally correlated."""
    return f"sqrt((1 - {r}) * sum(deviation ^ 2) + {r} * sum(deviation) ^ 2)"


_COMMON = f"""
own AS (
    SELECT *, (p90 - p10) / {2 * Z_80} AS deviation, actual_units - mean AS error FROM totals
),
moved AS (
    SELECT category, horizon_days, sum(error / deviation) AS z, sum((error / deviation) ^ 2) AS square, count(*) AS n
    FROM own WHERE actual_units IS NOT NULL AND deviation > 0 GROUP BY category, horizon_days, day
),
common AS (
    SELECT category, horizon_days,
        greatest(0, least(1, coalesce(sum(z * z - square) / nullif(sum(n * (n - 1)), 0), 0))) AS r
    FROM moved GROUP BY ALL
)"""
_INTERVALS = f"""
    CASE WHEN stores = 1 THEN p10 ELSE greatest(0, mean - {Z_80} * deviation) END AS p10,
    CASE WHEN stores = 1 THEN p90 ELSE mean + {Z_80} * deviation END AS p90,
    CASE WHEN stores = 1 THEN p025 ELSE greatest(0, mean - {_Z_95} * deviation) END AS p025,
    CASE WHEN stores = 1 THEN p975 ELSE mean + {_Z_95} * deviation END AS p975"""
_PAST = f"""
WITH {_COMMON},
summed AS (
    SELECT o.category, o.horizon_days, o.day, count(*) AS stores, sum(mean) AS mean, sum(actual_units) AS actual,
        sum(naive) AS naive, max(p10) AS p10, max(p90) AS p90, max(p025) AS p025, max(p975) AS p975,
        {_added("coalesce(max(r), 0)")} AS deviation
    FROM own AS o LEFT JOIN common AS c
        ON c.category IS NOT DISTINCT FROM o.category AND c.horizon_days = o.horizon_days
    WHERE actual_units IS NOT NULL
    GROUP BY o.category, o.horizon_days, o.day
)
SELECT category, horizon_days, day, mean, actual, naive, {_INTERVALS}
FROM summed ORDER BY category, horizon_days, day
"""
_AHEAD = f"""
WITH {_COMMON},
measured AS (
    SELECT coalesce(max(r) FILTER (horizon_days = 1), 0) AS near, coalesce(max(r) FILTER (horizon_days = 7), 0) AS week,
        coalesce(max(r) FILTER (horizon_days = 28), 0) AS far
    FROM common
),
made AS (SELECT store, max(made_on) AS made_on FROM totals WHERE actual_units IS NULL GROUP BY store),
future AS (
    SELECT own.*,
        CASE WHEN horizon_days <= 7 THEN near + (week - near) * (horizon_days - 1) / 6
            ELSE week + (far - week) * (horizon_days - 7) / 21 END AS r
    FROM own JOIN made USING (store, made_on), measured
    WHERE actual_units IS NULL
)"""
_DAYS = f"""{_AHEAD},
span AS (
    SELECT max(made_on) AS after, min(made_on) FILTER (made_on > newest - {_LAGGING_DAYS}) + 28 AS until
    FROM made, (SELECT max(made_on) AS newest FROM made)
),
summed AS (
    SELECT day, count(*) AS stores, sum(mean) AS mean, max(p10) AS p10, max(p90) AS p90, max(p025) AS p025,
        max(p975) AS p975, {_added("avg(r)")} AS deviation
    FROM future, span WHERE day > after AND day <= until GROUP BY day
)
SELECT day, mean, {_INTERVALS} FROM summed ORDER BY day
"""


@dataclass(frozen=True)
class Ahead:
    """What is forecast of some stores together.

    Attributes:
        first_day, last_day: of the days that are summed: each store's own next 28 days.
        mean, p10, p90: their units.
        daily: `day, mean, p10, p90, p025, p975` for the days ahead of every store that still sends sales.
    """

    first_day: date
    last_day: date
    mean: float
    p10: float
    p90: float
    daily: list[dict[str, Any]]


def past(totals: pa.Table) -> pa.Table:
    """The days that are over, by category: `category, horizon_days, day, mean, actual, naive, p10, p90, p025, p975`.

    Args:
        totals: rows of `sales_forecast_totals`, of one level.
    """
    return answer(_PAST, totals=totals)


def ahead(totals: pa.Table) -> Ahead | None:
    """The days to come, or none where no store has a forecast.

    Args:
        totals: rows of `sales_forecast_totals`, of one level and, where that is the category, of one category.
    """
    stores = [
        own for each in owns(answer(OWN.format(rows="totals"), totals=totals).to_pylist()).values() for own in each
    ]
    whole = added(stores)
    if whole is None:
        return None
    daily = answer(_DAYS, totals=totals).to_pylist()
    return Ahead(whole.first_day, whole.last_day, whole.mean, whole.p10, whole.p90, daily)


def answer(statement: str, **frames: pa.Table) -> pa.Table:
    """The result of one SELECT over frames, which it calls by their names here."""
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        for name, rows in frames.items():
            connection.register(name, rows)
        found: pa.Table = connection.sql(statement).to_arrow_table()
    return found
