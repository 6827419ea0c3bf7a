"""The `product_overview` of a publication: one row per store and product on the store's last day.

Belongs here: the statement that computes it. Does not belong here: what its columns mean (`contents`), and for which
stores it is computed anew (`overview_rows`).

The interval of the 28-day sum is an approximation. The days' spreads are taken from their 95 % intervals, and the sum
as normal. A count's variance is its mean at least: the days of a product that sells once a month have intervals from 0
to 0, and their sum has not. The errors of the days are not independent: they share the error of the level, the more the
faster the forecast follows the demand. How fast, alpha, is read from how the intervals widen from the first week to the
fourth, as variance_h = variance_1 * (1 + (h - 1) alpha^2). The variance of the sum is then that of independent days
times (28 + 756 alpha + 6930 alpha^2) / (28 + 378 alpha^2), from `contents.LEAD_TIME`, but at most that of days that
move as one. An error that all 28 days share from the start (a wrong effect of price, say) is not in it.
"""

from __future__ import annotations

from emma_platform.model.tables import PRODUCT_KPIS
from emma_platform.serving.contents import OVERVIEW_PRICES, OVERVIEW_RESPONSE, OVERVIEW_SCORES

BY_STORE = (
    "product_kpis", "sales_forecast", "forecast_scores", "price_response", "price_recommendations",
    "probable_stock_outs",
)  # fmt: skip
"""The tables by store that a store's rows are computed from."""

SPARKLINE_DAYS = 30
"""The days of `units_by_day_30d`."""


def overview_sql(schema: str, products: str) -> str:
    """The statement whose rows are those of `product_overview`, over a schema that holds `BY_STORE[1:]`.

    Its parameters are lists of Parquet files of `product_kpis`: `files` with the last month of every store, `recent`
    with the last two.
    """
    columns = ", ".join(
        [
            *(f'k."{name}"' for name in PRODUCT_KPIS.names[:3]),
            "r.name",
            *(f'k."{name}"' for name in PRODUCT_KPIS.names[3:]),
            "f.made_on, f.mean, greatest(f.mean - 1.2815515655446004 * f.sd, 0), f.mean + 1.2815515655446004 * f.sd",
            *(f's."{name}"' for name in OVERVIEW_SCORES),
            *(f'e."{name}"' for name in OVERVIEW_RESPONSE),
            "p.made_on",
            *(f'p."{name}"' for name in OVERVIEW_PRICES),
            "p.reason",
            *(f"coalesce(o.{name}, 0)" for name in ("lost", "lost_p10", "lost_p90")),
            "w.first_day, w.probability",
            "d.units_by_day",
        ]
    )
    # 30 sums over one pass: filling the days without rows before a list is made takes four times as long.
    by_day = ", ".join(f"coalesce(sum(units) FILTER (back = {back}), 0)" for back in reversed(range(SPARKLINE_DAYS)))
    return f"""
WITH kpis AS (SELECT * FROM read_parquet($files, hive_partitioning = false)),
last_days AS (SELECT store, max(day) AS day FROM kpis GROUP BY store),
origins AS (SELECT store, max(made_on) AS made_on FROM {schema}.sales_forecast GROUP BY store),
days AS (
    SELECT store, product, made_on, horizon_days, mean,
        greatest(
            ((p975 - p025) / 3.919927969080108) ^ 2,
            CASE WHEN p025 = floor(p025) AND p975 = floor(p975) THEN mean ELSE 0 END
        ) AS variance
    FROM {schema}.sales_forecast JOIN origins USING (store, made_on)
),
sums AS (
    SELECT
        store, product, made_on, sum(mean) AS mean, sum(sqrt(variance)) AS together, sum(variance) AS variance,
        sum(variance) FILTER (WHERE horizon_days <= 7) AS first_week,
        sum(variance) FILTER (WHERE horizon_days >= 22) AS fourth_week
    FROM days
    GROUP BY store, product, made_on
),
widening AS (
    SELECT *, CASE WHEN first_week > 0 THEN fourth_week / first_week ELSE 1 END AS growth FROM sums
),
following AS (
    SELECT *,
        CASE
            WHEN growth IS NULL OR growth <= 1 THEN 0
            WHEN growth >= 6.25 THEN 1
            ELSE sqrt(7 * (growth - 1) / (168 - 21 * growth))
        END AS alpha
    FROM widening
),
forecasts AS (
    SELECT store, product, made_on, mean,
        least(
            sqrt(variance * (28 + 756 * alpha + 6930 * alpha ^ 2) / (28 + 378 * alpha ^ 2)), together
        ) AS sd
    FROM following
),
advice_days AS (SELECT store, max(made_on) AS made_on FROM {schema}.price_recommendations GROUP BY store),
advice AS (SELECT * FROM {schema}.price_recommendations JOIN advice_days USING (store, made_on)),
empty_shelves AS (
    SELECT s.*, l.day, (date_diff('day', greatest(s.first_day, l.day - 27), s.last_day) + 1)
        / (date_diff('day', s.first_day, s.last_day) + 1) AS share
    FROM {schema}.probable_stock_outs AS s JOIN last_days AS l USING (store)
    WHERE s.last_day > l.day - 28
),
lost AS (
    SELECT store, product, sum(lost_units * share) AS lost, sum(lost_units_p10 * share) AS lost_p10,
        sum(lost_units_p90 * share) AS lost_p90
    FROM empty_shelves GROUP BY store, product
),
empty_now AS (
    SELECT store, product, max(first_day) AS first_day, max_by(probability, first_day) AS probability
    FROM empty_shelves WHERE last_day >= day GROUP BY store, product
),
by_day AS (
    SELECT store, product, regexp_replace(concat_ws(' ', {by_day}), '\\.?0+( |$)', '\\1', 'g') AS units_by_day
    FROM (
        SELECT r.store, r.product, r.units, l.day - r.day AS back
        FROM read_parquet($recent, hive_partitioning = false) AS r JOIN last_days AS l USING (store)
    )
    GROUP BY store, product
)
SELECT {columns}
FROM kpis AS k
JOIN last_days USING (store, day)
LEFT JOIN {products} AS r ON r.product = k.product
LEFT JOIN forecasts AS f ON f.store = k.store AND f.product = k.product
LEFT JOIN {schema}.forecast_scores AS s ON s.store = k.store AND s.product = k.product
LEFT JOIN {schema}.price_response AS e ON e.store = k.store AND e.product = k.product
LEFT JOIN advice AS p ON p.store = k.store AND p.product = k.product
LEFT JOIN lost AS o ON o.store = k.store AND o.product = k.product
LEFT JOIN empty_now AS w ON w.store = k.store AND w.product = k.product
LEFT JOIN by_day AS d ON d.store = k.store AND d.product = k.product
"""
