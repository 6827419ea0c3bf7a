-- The key figures of products: one row per wanted store-day and product with a line on it or on the 27 days before, or
-- counted in stock on it. model/kpis.py has the formula of every column.
--
-- Inputs:     clean_sales (of each store, the days from 27 before its first wanted day to its last), stock, products,
--             wanted (store, day). Rows of other days are ignored.
-- Parameters: none.
-- Out:        the columns of product_kpis, in no order.
-- Method:     sums per product and day; a row for every day on which a product may have a figure; sums over the rows
--             before. Products and store-days are numbered, because a window over whole numbers costs a fraction of one
--             over texts, and rows without a gap let the frames count rows. Days on which a product can have no figure
--             are left out stretch by stretch: where thousands of products sell a few times a year, rows from the first
--             sale to the last cost half as much again. Joining each sale to the 28 days that see it costs more than the
--             whole of it (60 s of CPU against 52 on 2 million lines, 6 million rows). Ranks are made of three columns
--             and joined again: sorting the whole rows took a third of the time. Sums are decimals and exact; ratios are
--             worked out from them at the end, as doubles.
WITH
-- The days that any figure looks at, and whether figures are wanted for them.
needed AS (
    SELECT store, day, is_wanted, row_number() OVER (ORDER BY store, day) AS store_day
    FROM (
        SELECT store, day, max(is_wanted) AS is_wanted
        FROM (
            SELECT
                w.store,
                CAST(w.day - CAST(b.days AS integer) AS date) AS day,
                CASE WHEN b.days = 0 THEN 1 ELSE 0 END AS is_wanted
            FROM wanted AS w
            CROSS JOIN (
                VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12), (13), (14), (15), (16), (17),
                    (18), (19), (20), (21), (22), (23), (24), (25), (26), (27)
            ) AS b (days)
        ) AS looked_at
        GROUP BY store, day
    ) AS days
),

sold AS (
    SELECT
        store, day, product,
        CAST(sum(quantity) AS decimal(18, 3)) AS units,
        CAST(sum(CASE WHEN quantity > 0 THEN quantity ELSE 0 END) AS decimal(18, 3)) AS sold_units,
        CAST(sum(revenue) AS decimal(18, 4)) AS revenue,
        CAST(sum(CASE WHEN quantity > 0 THEN revenue ELSE 0 END) AS decimal(18, 4)) AS sold_revenue,
        CAST(sum(CASE WHEN quantity > 0 THEN discount ELSE 0 END) AS decimal(18, 4)) AS discount,
        count(DISTINCT CASE WHEN quantity > 0 THEN receipt END) AS receipts
    FROM clean_sales
    GROUP BY store, day, product
),

visited AS (
    SELECT n.store_day, r.store_receipts
    FROM (
        SELECT store, day, count(DISTINCT receipt) AS store_receipts
        FROM clean_sales
        WHERE quantity > 0
        GROUP BY store, day
    ) AS r
    JOIN needed AS n ON n.store = r.store AND n.day = r.day
),

counted AS (
    SELECT n.store_day, n.day, s.store, s.product, s.on_hand
    FROM (
        SELECT
            store, day, product, on_hand,
            row_number() OVER (PARTITION BY store, day, product ORDER BY file DESC, line DESC) AS age
        FROM stock
    ) AS s
    JOIN needed AS n ON n.store = s.store AND n.day = s.day
    WHERE s.age = 1 AND n.is_wanted = 1
),

daily AS (
    SELECT n.store_day, s.*
    FROM sold AS s
    JOIN needed AS n ON n.store = s.store AND n.day = s.day
),

series AS (
    SELECT
        l.store, l.product, p.category, p.unit_cost,
        row_number() OVER (ORDER BY l.store, l.product) AS series
    FROM (
        SELECT store, product FROM daily
        UNION
        SELECT store, product FROM counted
    ) AS l
    LEFT JOIN products AS p ON p.product = l.product
),

sparse AS (
    SELECT s.series, d.store_day, d.day, d.units, d.sold_units, d.revenue, d.sold_revenue, d.discount, d.receipts
    FROM daily AS d
    JOIN series AS s ON s.store = d.store AND s.product = d.product
),

stocked AS (
    SELECT s.series, c.store_day, c.day, c.on_hand
    FROM counted AS c
    JOIN series AS s ON s.store = c.store AND s.product = c.product
),

-- A stretch of a series goes from a line or count to the last day that sees it, and on while the next line or count is
-- no later than the day after that.
followed AS (
    SELECT
        series, store_day, day, last_day,
        max(last_day) OVER (
            PARTITION BY series ORDER BY store_day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS seen_before
    FROM (
        SELECT series, store_day, day, CAST(day + 27 AS date) AS last_day FROM sparse
        UNION ALL
        SELECT series, store_day, day, day FROM stocked
    ) AS seen
),

stretches AS (
    SELECT
        b.series, b.store_day AS first_store_day,
        coalesce(lead(b.seen_before) OVER (PARTITION BY b.series ORDER BY b.store_day), e.last_day) AS last_day,
        row_number() OVER (ORDER BY b.series, b.store_day) AS stretch
    FROM followed AS b
    JOIN (SELECT series, max(last_day) AS last_day FROM followed GROUP BY series) AS e ON e.series = b.series
    WHERE b.seen_before IS NULL OR b.day > CAST(b.seen_before + 1 AS date)
),

dense AS (
    SELECT
        g.series, g.stretch, g.store_day, g.is_wanted, g.day_number,
        coalesce(d.units, 0) AS units,
        coalesce(d.sold_units, 0) AS sold_units,
        coalesce(d.revenue, 0) AS revenue,
        coalesce(d.sold_revenue, 0) AS sold_revenue,
        coalesce(d.discount, 0) AS discount,
        coalesce(d.receipts, 0) AS receipts,
        c.on_hand,
        CASE WHEN d.series IS NOT NULL THEN 1 ELSE 0 END AS has_line
    FROM (
        SELECT
            t.series, t.stretch, n.store_day, n.is_wanted, date_diff('day', DATE '1970-01-01', n.day) AS day_number
        FROM stretches AS t
        JOIN series AS s ON s.series = t.series
        JOIN needed AS n ON n.store = s.store AND n.store_day >= t.first_store_day AND n.day <= t.last_day
    ) AS g
    LEFT JOIN sparse AS d ON d.series = g.series AND d.store_day = g.store_day
    LEFT JOIN stocked AS c ON c.series = g.series AND c.store_day = g.store_day
),

windowed AS (
    SELECT
        *,
        sum(units) OVER last_7 AS units_7d,
        sum(units) OVER last_28 AS units_28d,
        sum(sold_units) OVER last_7 AS sold_units_week_4,
        sum(sold_units) OVER week_3 AS sold_units_week_3,
        sum(sold_units) OVER week_2 AS sold_units_week_2,
        sum(sold_units) OVER week_1 AS sold_units_week_1,
        sum(revenue) OVER last_7 AS revenue_7d,
        sum(revenue) OVER week_3 AS revenue_previous_7d,
        sum(revenue) OVER last_28 AS revenue_28d,
        sum(sold_revenue) OVER last_28 AS sold_revenue_28d,
        sum(CASE WHEN sold_units > 0 THEN 1 ELSE 0 END) OVER last_28 AS selling_days_28d,
        day_number - max(CASE WHEN sold_units > 0 THEN day_number END) OVER last_28 AS days_since_sale,
        max(has_line) OVER last_28 AS is_moving
    FROM dense
    WINDOW
        last_7 AS (PARTITION BY stretch ORDER BY store_day ROWS BETWEEN 6 PRECEDING AND CURRENT ROW),
        week_3 AS (PARTITION BY stretch ORDER BY store_day ROWS BETWEEN 13 PRECEDING AND 7 PRECEDING),
        week_2 AS (PARTITION BY stretch ORDER BY store_day ROWS BETWEEN 20 PRECEDING AND 14 PRECEDING),
        week_1 AS (PARTITION BY stretch ORDER BY store_day ROWS BETWEEN 27 PRECEDING AND 21 PRECEDING),
        last_28 AS (PARTITION BY stretch ORDER BY store_day ROWS BETWEEN 27 PRECEDING AND CURRENT ROW)
),

placed AS (
    SELECT
        w.store_day, w.series, s.store, s.product, s.category, s.unit_cost, w.on_hand,
        w.units, w.sold_units, w.revenue, w.sold_revenue, w.discount, w.receipts,
        CAST(w.units_7d AS decimal(18, 3)) AS units_7d,
        CAST(w.units_28d AS decimal(18, 3)) AS units_28d,
        CAST(w.sold_units_week_4 AS decimal(18, 3)) AS sold_units_week_4,
        CAST(coalesce(w.sold_units_week_3, 0) AS decimal(18, 3)) AS sold_units_week_3,
        CAST(coalesce(w.sold_units_week_2, 0) AS decimal(18, 3)) AS sold_units_week_2,
        CAST(coalesce(w.sold_units_week_1, 0) AS decimal(18, 3)) AS sold_units_week_1,
        CAST(w.revenue_7d AS decimal(18, 4)) AS revenue_7d,
        CAST(coalesce(w.revenue_previous_7d, 0) AS decimal(18, 4)) AS revenue_previous_7d,
        CAST(w.revenue_28d AS decimal(18, 4)) AS revenue_28d,
        CAST(w.sold_revenue_28d AS decimal(18, 4)) AS sold_revenue_28d,
        w.selling_days_28d, w.days_since_sale
    FROM windowed AS w
    JOIN series AS s ON s.series = w.series
    WHERE w.is_wanted = 1 AND (w.is_moving = 1 OR w.on_hand IS NOT NULL)
),

store_total AS (
    SELECT
        store_day,
        sum(revenue_28d) AS store_revenue_28d,
        sum(CASE WHEN revenue_28d > 0 THEN revenue_28d ELSE 0 END) AS positive_revenue
    FROM placed
    GROUP BY store_day
),

category_total AS (
    SELECT store_day, category, sum(revenue_28d) AS category_revenue_28d
    FROM placed
    WHERE category IS NOT NULL
    GROUP BY store_day, category
),

ranked AS (
    SELECT
        store_day, series,
        row_number() OVER best_first AS revenue_rank_28d,
        sum(CASE WHEN revenue_28d > 0 THEN revenue_28d ELSE 0 END) OVER better AS positive_revenue_before
    FROM placed
    WINDOW
        best_first AS (PARTITION BY store_day ORDER BY revenue_28d DESC, series),
        better AS (
            PARTITION BY store_day ORDER BY revenue_28d DESC, series ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        )
),

figures AS (
    SELECT
        p.*, r.revenue_rank_28d, r.positive_revenue_before, t.store_revenue_28d, t.positive_revenue,
        c.category_revenue_28d, n.day,
        coalesce(v.store_receipts, 0) AS store_receipts,
        sold_units - units AS returned_units,
        sold_units_week_1 + sold_units_week_2 + sold_units_week_3 + sold_units_week_4 AS sold_units_28d,
        revenue_7d + revenue_previous_7d AS revenue_14d,
        revenue_28d - revenue_7d - revenue_previous_7d AS revenue_previous_14d,
        try_cast(CAST(units AS decimal(19, 3)) * unit_cost AS decimal(18, 4)) AS cost,
        try_cast(CAST(units_28d AS decimal(19, 3)) * unit_cost AS decimal(18, 4)) AS cost_28d,
        (CAST(sold_units_week_1 AS double) + CAST(sold_units_week_2 AS double) + CAST(sold_units_week_3 AS double)
            + CAST(sold_units_week_4 AS double)) / 4 AS weekly_mean
    FROM placed AS p
    JOIN ranked AS r ON r.store_day = p.store_day AND r.series = p.series
    JOIN store_total AS t ON t.store_day = p.store_day
    LEFT JOIN category_total AS c ON c.store_day = p.store_day AND c.category = p.category
    JOIN needed AS n ON n.store_day = p.store_day
    LEFT JOIN visited AS v ON v.store_day = p.store_day
),

varied AS (
    SELECT
        *,
        sqrt((
            (CAST(sold_units_week_1 AS double) - weekly_mean) * (CAST(sold_units_week_1 AS double) - weekly_mean)
            + (CAST(sold_units_week_2 AS double) - weekly_mean) * (CAST(sold_units_week_2 AS double) - weekly_mean)
            + (CAST(sold_units_week_3 AS double) - weekly_mean) * (CAST(sold_units_week_3 AS double) - weekly_mean)
            + (CAST(sold_units_week_4 AS double) - weekly_mean) * (CAST(sold_units_week_4 AS double) - weekly_mean)
        ) / 4) / nullif(weekly_mean, 0) AS units_cv_28d,
        try_cast(revenue - cost AS decimal(18, 4)) AS gross_margin,
        try_cast(revenue_28d - cost_28d AS decimal(18, 4)) AS gross_margin_28d
    FROM figures
)

SELECT
    store, day, product, category,
    units,
    sold_units,
    CAST(returned_units AS decimal(18, 3)) AS returned_units,
    revenue,
    sold_revenue,
    discount,
    CAST(receipts AS bigint) AS receipts,
    CAST(store_receipts AS bigint) AS store_receipts,
    CAST(sold_revenue AS double) / nullif(CAST(sold_units AS double), 0) AS average_price,
    100 * CAST(discount AS double) / nullif(CAST(sold_revenue + discount AS double), 0) AS discount_rate_pct,
    100 * CAST(returned_units AS double) / nullif(CAST(sold_units AS double), 0) AS return_rate_pct,
    100 * CAST(receipts AS double) / nullif(CAST(store_receipts AS double), 0) AS basket_share_pct,
    unit_cost,
    cost,
    gross_margin,
    100 * CAST(gross_margin AS double) / nullif(CAST(revenue AS double), 0) AS gross_margin_pct,
    units_7d,
    units_28d,
    CAST(sold_units_28d AS decimal(18, 3)) AS sold_units_28d,
    revenue_7d,
    revenue_28d,
    sold_revenue_28d,
    CAST(sold_revenue_28d AS double) / nullif(CAST(sold_units_28d AS double), 0) AS average_price_28d,
    cost_28d,
    gross_margin_28d,
    CAST(selling_days_28d AS bigint) AS selling_days_28d,
    CAST(days_since_sale AS bigint) AS days_since_sale,
    CAST(category_revenue_28d AS decimal(18, 4)) AS category_revenue_28d,
    CAST(revenue_28d AS double) / nullif(CAST(category_revenue_28d AS double), 0) AS revenue_share_of_category_28d,
    CAST(store_revenue_28d AS decimal(18, 4)) AS store_revenue_28d,
    CAST(revenue_rank_28d AS bigint) AS revenue_rank_28d,
    CASE
        WHEN coalesce(positive_revenue_before, 0) < 0.80 * CAST(positive_revenue AS decimal(20, 4)) THEN 'A'
        WHEN coalesce(positive_revenue_before, 0) < 0.95 * CAST(positive_revenue AS decimal(20, 4)) THEN 'B'
        ELSE 'C'
    END AS abc_class,
    units_cv_28d,
    CASE WHEN units_cv_28d < 0.5 THEN 'X' WHEN units_cv_28d < 1.0 THEN 'Y' WHEN units_cv_28d IS NOT NULL THEN 'Z' END
        AS xyz_class,
    revenue_previous_7d,
    100 * CAST(revenue_7d - revenue_previous_7d AS double) / nullif(CAST(revenue_previous_7d AS double), 0)
        AS growth_wow_pct,
    CAST(revenue_14d AS decimal(18, 4)) AS revenue_14d,
    CAST(revenue_previous_14d AS decimal(18, 4)) AS revenue_previous_14d,
    100 * CAST(revenue_14d - revenue_previous_14d AS double) / nullif(CAST(revenue_previous_14d AS double), 0)
        AS growth_28d_pct,
    on_hand,
    CAST(on_hand AS double) / nullif(CAST(units_28d AS double) / 28, 0) AS days_of_cover,
    CAST(sold_units_28d AS double) / nullif(CAST(sold_units_28d + on_hand AS double), 0) AS sell_through_28d
FROM varied
