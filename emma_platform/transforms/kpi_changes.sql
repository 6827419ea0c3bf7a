-- What a change of key figures is worked out from: sums per store, product, period, kind of day and promotion.
--
-- Inputs:     product_kpis (rows of other stores or days are ignored), periods (day, period, weekday: a day may stand in
--             both periods), lives (store, first_day, last_day: of every store that is asked for), promotions, calendar,
--             lost_units (store, product, day, lost_units).
-- Parameters: none.
-- Out:        store, product, category, period, kind, promoted (0 or 1), units, revenue, cost, receipts, lost_units,
--             selling_days, days, unopened_days, closed_days, without_cost (1: a row has no cost). Where product is null,
--             the store's own: days traded, receipts, days before its first and after its last; else days are the days
--             traded on which the product was on promotion.
-- Method:     the kind of a day is the holiday's name, else the event's name and the weekday, else the weekday: days of one
--             kind are compared with each other. Closing days change how many days are traded, not their kind.
WITH
events AS (
    SELECT
        c.store, p.day,
        min(CASE c.kind WHEN 'holiday' THEN concat('0 ', c.event) ELSE concat('1 ', c.event, ' ', p.weekday) END) AS kind
    FROM calendar AS c
    JOIN periods AS p ON p.day = c.day
    WHERE c.kind IN ('holiday', 'event')
    GROUP BY c.store, p.day
),

store_days AS (
    SELECT
        l.store, p.day, p.period,
        coalesce(o.kind, e.kind, p.weekday) AS kind,
        CASE WHEN p.day < l.first_day THEN 1 ELSE 0 END AS is_unopened,
        CASE WHEN p.day > l.last_day THEN 1 ELSE 0 END AS is_closed
    FROM lives AS l
    CROSS JOIN periods AS p
    LEFT JOIN events AS o ON o.store = l.store AND o.day = p.day
    LEFT JOIN events AS e ON e.store IS NULL AND e.day = p.day
),

figures AS (
    SELECT
        k.store, k.day, k.product, k.category, d.period, d.kind, k.units, k.revenue, k.cost, k.receipts, k.store_receipts,
        CASE WHEN k.sold_units > 0 THEN 1 ELSE 0 END AS selling_days,
        CASE WHEN k.units <> 0 OR k.revenue <> 0 OR k.store_receipts > 0 THEN 1 ELSE 0 END AS is_traded
    FROM product_kpis AS k
    JOIN store_days AS d ON d.store = k.store AND d.day = k.day
),

traded AS (
    SELECT store, day, period, kind, max(store_receipts) AS receipts
    FROM figures
    WHERE is_traded = 1
    GROUP BY store, day, period, kind
),

promoted AS (
    SELECT DISTINCT t.store, p.product, t.day, t.period, t.kind
    FROM promotions AS p
    JOIN traded AS t ON t.day BETWEEN p.first_day AND p.last_day
    WHERE p.store IS NULL OR p.store = t.store
),

parts AS (
    SELECT
        f.store, f.product, f.category, f.period, f.kind,
        CASE WHEN p.product IS NOT NULL THEN 1 ELSE 0 END AS promoted,
        f.units, f.revenue, f.cost, f.receipts, 0 AS lost_units, f.selling_days, 0 AS days, 0 AS unopened_days,
        0 AS closed_days, CASE WHEN f.cost IS NULL THEN 1 ELSE 0 END AS without_cost
    FROM figures AS f
    JOIN traded AS t ON t.store = f.store AND t.day = f.day AND t.period = f.period
    LEFT JOIN promoted AS p
        ON p.store = f.store AND p.product = f.product AND p.day = f.day AND p.period = f.period
    UNION ALL
    SELECT store, product, NULL, period, kind, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0
    FROM promoted
    UNION ALL
    SELECT
        l.store, l.product, NULL, t.period, t.kind, CASE WHEN p.product IS NOT NULL THEN 1 ELSE 0 END,
        0, 0, 0, 0, l.lost_units, 0, 0, 0, 0, 0
    FROM lost_units AS l
    JOIN traded AS t ON t.store = l.store AND t.day = l.day
    LEFT JOIN promoted AS p
        ON p.store = l.store AND p.product = l.product AND p.day = l.day AND p.period = t.period
    UNION ALL
    SELECT store, NULL, NULL, period, kind, 0, 0, 0, 0, receipts, 0, 0, 1, 0, 0, 0
    FROM traded
    UNION ALL
    SELECT store, NULL, NULL, period, kind, 0, 0, 0, 0, 0, 0, 0, 0, is_unopened, is_closed, 0
    FROM store_days
    WHERE is_unopened = 1 OR is_closed = 1
)

SELECT
    store, product, max(category) AS category, period, kind, promoted,
    CAST(sum(units) AS decimal(18, 4)) AS units,
    CAST(sum(revenue) AS decimal(18, 4)) AS revenue,
    CAST(sum(cost) AS decimal(18, 4)) AS cost,
    CAST(sum(receipts) AS decimal(18, 4)) AS receipts,
    CAST(sum(lost_units) AS double) AS lost_units,
    CAST(sum(selling_days) AS double) AS selling_days,
    CAST(sum(days) AS double) AS days,
    CAST(sum(unopened_days) AS double) AS unopened_days,
    CAST(sum(closed_days) AS double) AS closed_days,
    max(without_cost) AS without_cost
FROM parts
GROUP BY store, product, period, kind, promoted
ORDER BY store, product, period, kind, promoted
