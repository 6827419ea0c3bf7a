-- Judges every raw sales line: one row out for each row in, in no order, typed, with a verdict.
--
-- Inputs:     raw_sales (whole store-days), products, stores.
-- Parameters: $non_product_codes, a list of upper-case codes.
-- Out:        the columns of clean_sales, which count where the verdict is 'clean'; file and file_line, except of clean
--             rows; verdict: 'clean', 'duplicate' or the code of a reason; raw: the row as it came, as JSON in which
--             control characters are not escaped yet, of rows set aside. `clean_sales.py` cuts this into tables.
-- Rules:      model/reasons.py says what each reason means; the order of the CASE branches is their precedence.
-- Numbers:    blanks around, a sign before, the other mark between thousands; no exponents, no currency signs. Rounded
--             half away from zero to the scale of the column, which a cast from text does in DuckDB and in Spark.
-- Blanks:     spaces. Trimming tabs and no-break spaces as well takes trim's second argument, with which reading and typing
--             the lines takes 2.5 times as long.
WITH
trimmed AS (
    SELECT
        store, day, file, line AS file_line, sold_at_utc AS sold_at, sold_at AS raw_sold_at,
        receipt AS raw_receipt, receipt_line AS raw_receipt_line, product AS raw_product, quantity AS raw_quantity,
        unit_price AS raw_unit_price, discount AS raw_discount, currency AS raw_currency,
        nullif(trim(receipt), '') AS receipt,
        nullif(trim(receipt_line), '') AS receipt_line,
        nullif(trim(product), '') AS product,
        nullif(trim(currency), '') AS currency,
        -- Numbers in one spelling: a point before the decimals, commas between the thousands.
        CASE WHEN decimal_mark = ',' THEN translate(trim(quantity), ',.', '.,') ELSE trim(quantity) END
            AS quantity_text,
        CASE WHEN decimal_mark = ',' THEN translate(trim(unit_price), ',.', '.,') ELSE trim(unit_price) END
            AS price_text,
        CASE WHEN decimal_mark = ',' THEN translate(trim(discount), ',.', '.,') ELSE trim(discount) END
            AS discount_text
    FROM raw_sales
),

-- Widths are such that quantity * unit_price is exact in a decimal of 38 digits, in Spark as well.
typed AS (
    SELECT
        t.*,
        CASE WHEN regexp_matches(receipt_line, '^[0-9]{1,18}$') THEN CAST(receipt_line AS bigint) END AS line_number,
        CASE WHEN regexp_matches(quantity_text, '^[+-]?(([0-9]+|[0-9]{1,3}(,[0-9]{3})+)([.][0-9]*)?|[.][0-9]+)$')
            THEN try_cast(replace(quantity_text, ',', '') AS decimal(19, 3)) END AS quantity,
        CASE WHEN regexp_matches(price_text, '^[+-]?(([0-9]+|[0-9]{1,3}(,[0-9]{3})+)([.][0-9]*)?|[.][0-9]+)$')
            THEN try_cast(replace(price_text, ',', '') AS decimal(16, 6)) END AS unit_price,
        CASE WHEN coalesce(discount_text, '') = '' THEN CAST(0 AS decimal(18, 4))
            WHEN regexp_matches(discount_text, '^[+-]?(([0-9]+|[0-9]{1,3}(,[0-9]{3})+)([.][0-9]*)?|[.][0-9]+)$')
            THEN try_cast(replace(discount_text, ',', '') AS decimal(18, 4)) END AS discount,
        p.product IS NOT NULL AS is_known_product,
        s.store IS NOT NULL AS is_known_store,
        p.max_quantity
    FROM trimmed AS t
    LEFT JOIN products AS p ON p.product = t.product
    LEFT JOIN stores AS s ON s.store = t.store
),

-- Beyond 10^10 a line is no sale, and 28 days of such lines could leave the range of a sum.
judged AS (
    SELECT
        *,
        CASE
            WHEN receipt IS NULL THEN 'missing_receipt'
            WHEN product IS NULL THEN 'missing_product'
            WHEN NOT is_known_product AND (
                list_contains($non_product_codes, upper(product)) OR NOT regexp_matches(product, '[\p{L}\p{N}]')
            ) THEN 'not_a_product'
            WHEN coalesce(abs(quantity) > 10000000, true) THEN 'bad_quantity'
            WHEN coalesce(abs(unit_price) > 1000000000 OR abs(quantity * unit_price) > 10000000000, true)
                THEN 'bad_price'
            WHEN coalesce(discount < 0 OR discount > 10000000000, true) THEN 'bad_discount'
            WHEN quantity = 0 THEN 'zero_quantity'
            WHEN unit_price < 0 THEN 'negative_price'
            WHEN unit_price = 0 AND discount = 0 THEN 'zero_price'
            ELSE 'clean'
        END AS verdict
    FROM typed
),

-- The row as it came is spelled only where it may be asked for: its eight texts on every row take half as much memory again.
slim AS (
    SELECT
        store, day, file, file_line, receipt, line_number,
        coalesce(CAST(line_number AS varchar), receipt_line) AS receipt_line,
        sold_at, product,
        try_cast(quantity AS decimal(18, 3)) AS quantity,
        CAST(unit_price AS decimal(18, 6)) AS unit_price,
        discount,
        try_cast(quantity * unit_price AS decimal(18, 4)) AS revenue,
        currency, is_known_product, is_known_store, max_quantity, verdict,
        CASE WHEN verdict <> 'clean' OR abs(quantity) > coalesce(max_quantity, 100) THEN
            '{"store":'
            || coalesce('"' || replace(replace(store, '\', '\\'), '"', '\"') || '"', 'null')
            || ',"receipt":'
            || coalesce('"' || replace(replace(raw_receipt, '\', '\\'), '"', '\"') || '"', 'null')
            || ',"receipt_line":'
            || coalesce('"' || replace(replace(raw_receipt_line, '\', '\\'), '"', '\"') || '"', 'null')
            || ',"sold_at":'
            || coalesce('"' || replace(replace(raw_sold_at, '\', '\\'), '"', '\"') || '"', 'null')
            || ',"product":'
            || coalesce('"' || replace(replace(raw_product, '\', '\\'), '"', '\"') || '"', 'null')
            || ',"quantity":'
            || coalesce('"' || replace(replace(raw_quantity, '\', '\\'), '"', '\"') || '"', 'null')
            || ',"unit_price":'
            || coalesce('"' || replace(replace(raw_unit_price, '\', '\\'), '"', '\"') || '"', 'null')
            || ',"discount":'
            || coalesce('"' || replace(replace(raw_discount, '\', '\\'), '"', '\"') || '"', 'null')
            || ',"currency":'
            || coalesce('"' || replace(replace(raw_currency, '\', '\\'), '"', '\"') || '"', 'null')
            || '}'
        END AS raw
    FROM judged
),

numbered AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY
                store, day, receipt, receipt_line, sold_at, product, quantity, unit_price, discount, currency
            ORDER BY file, file_line
        ) AS delivery
    FROM slim
),

valid AS (
    SELECT
        store, day, file, file_line, sold_at, receipt, line_number, product, quantity, unit_price, revenue, max_quantity
    FROM numbered
    WHERE verdict = 'clean' AND delivery = 1
),

-- Absurd quantities. Medians are lower medians, an element of the set, so that they are exact on any engine; they are
-- worked out only where a line is large enough to be in question.
large AS (
    SELECT * FROM valid WHERE abs(quantity) > coalesce(max_quantity, 100)
),

product_median AS (
    SELECT store, day, product, quantity AS median_quantity
    FROM (
        SELECT
            v.store, v.day, v.product, abs(v.quantity) AS quantity,
            row_number() OVER (PARTITION BY v.store, v.day, v.product ORDER BY abs(v.quantity)) AS place,
            count(*) OVER (PARTITION BY v.store, v.day, v.product) AS lines
        FROM valid AS v
        JOIN (SELECT DISTINCT store, day, product FROM large WHERE max_quantity IS NULL) AS l
            ON l.store = v.store AND l.day = v.day AND l.product = v.product
    ) AS ordered
    WHERE lines >= 5 AND 2 * place >= lines AND 2 * place <= lines + 1
),

store_median AS (
    SELECT store, day, revenue AS median_value
    FROM (
        SELECT
            v.store, v.day, abs(v.revenue) AS revenue,
            row_number() OVER (PARTITION BY v.store, v.day ORDER BY abs(v.revenue)) AS place,
            count(*) OVER (PARTITION BY v.store, v.day) AS lines
        FROM valid AS v
        JOIN (SELECT DISTINCT store, day FROM large WHERE max_quantity IS NULL) AS l
            ON l.store = v.store AND l.day = v.day
    ) AS ordered
    WHERE lines >= 20 AND 2 * place >= lines AND 2 * place <= lines + 1
),

suspect AS (
    SELECT
        l.*,
        row_number() OVER (
            PARTITION BY l.store, l.day, l.product, l.unit_price, l.quantity
            ORDER BY l.sold_at, l.receipt, l.line_number NULLS LAST, l.file, l.file_line
        ) AS occurrence
    FROM large AS l
    LEFT JOIN product_median AS p ON p.store = l.store AND p.day = l.day AND p.product = l.product
    LEFT JOIN store_median AS s ON s.store = l.store AND s.day = l.day
    WHERE l.max_quantity IS NOT NULL
        OR abs(l.quantity) > 50 * p.median_quantity
        OR abs(l.revenue) > 1000 * s.median_value
),

-- A line and the line that cancels it on the same day are both kept: the k-th of one with the k-th of the other.
absurd AS (
    SELECT s.file, s.file_line
    FROM suspect AS s
    LEFT JOIN (
        SELECT store, day, product, unit_price, quantity, count(*) AS lines
        FROM suspect
        GROUP BY store, day, product, unit_price, quantity
    ) AS c
        ON c.store = s.store AND c.day = s.day AND c.product = s.product AND c.unit_price = s.unit_price
        AND c.quantity = -s.quantity
    WHERE s.occurrence > coalesce(c.lines, 0)
),

-- Returns and the sales they may take back. A sale climbs one step, a return descends one: a return takes back the
-- latest sale before it that climbed the same step, which no other return has taken. First for the receipts that name
-- each other ('C123' cancels '123'), then for the rest.
reversible AS (
    SELECT
        v.store, v.day, v.file, v.file_line, v.sold_at, v.receipt, v.line_number, v.product, v.unit_price,
        v.quantity < 0 AS is_return,
        abs(v.quantity) AS units,
        CASE
            WHEN v.quantity > 0 THEN v.receipt
            WHEN starts_with(v.receipt, 'C') THEN substr(v.receipt, 2)
        END AS named_receipt
    FROM valid AS v
    JOIN (SELECT DISTINCT store, day, product, unit_price, -quantity AS units FROM valid WHERE quantity < 0) AS r
        ON r.store = v.store AND r.day = v.day AND r.product = v.product AND r.unit_price = v.unit_price
        AND r.units = abs(v.quantity)
    LEFT JOIN absurd AS a ON a.file = v.file AND a.file_line = v.file_line
    WHERE a.file IS NULL
),

named_step AS (
    SELECT
        *,
        sum(CASE WHEN is_return THEN -1 ELSE 1 END) OVER (
            PARTITION BY store, day, product, unit_price, units, named_receipt
            ORDER BY sold_at, is_return, receipt, line_number NULLS LAST, file, file_line
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) + CASE WHEN is_return THEN 1 ELSE 0 END AS step
    FROM reversible
),

named_pair AS (
    SELECT
        *,
        lag(receipt) OVER (
            PARTITION BY store, day, product, unit_price, units, named_receipt, step
            ORDER BY sold_at, is_return, receipt, line_number NULLS LAST, file, file_line
        ) AS sale_before,
        lead(receipt) OVER (
            PARTITION BY store, day, product, unit_price, units, named_receipt, step
            ORDER BY sold_at, is_return, receipt, line_number NULLS LAST, file, file_line
        ) AS return_after
    FROM named_step
),

step AS (
    SELECT
        *,
        sum(CASE WHEN is_return THEN -1 ELSE 1 END) OVER (
            PARTITION BY store, day, product, unit_price, units
            ORDER BY sold_at, is_return, receipt, line_number NULLS LAST, file, file_line
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) + CASE WHEN is_return THEN 1 ELSE 0 END AS height
    FROM named_pair
    WHERE (is_return AND sale_before IS NULL) OR (NOT is_return AND return_after IS NULL)
),

pair AS (
    SELECT
        file, file_line, is_return,
        lag(receipt) OVER (
            PARTITION BY store, day, product, unit_price, units, height
            ORDER BY sold_at, is_return, receipt, line_number NULLS LAST, file, file_line
        ) AS sale_before
    FROM step
),

mark AS (
    SELECT file, file_line, 'absurd_quantity' AS verdict, CAST(NULL AS varchar) AS return_of FROM absurd
    UNION ALL
    SELECT file, file_line, 'clean', sale_before FROM named_pair WHERE is_return AND sale_before IS NOT NULL
    UNION ALL
    SELECT file, file_line, 'clean', sale_before FROM pair WHERE is_return AND sale_before IS NOT NULL
),

marked AS (
    SELECT
        n.*,
        CASE WHEN n.delivery > 1 AND n.verdict = 'clean' THEN 'duplicate' ELSE coalesce(m.verdict, n.verdict) END
            AS final,
        m.return_of
    FROM numbered AS n
    LEFT JOIN mark AS m ON m.file = n.file AND m.file_line = n.file_line
)

SELECT
    store, day,
    CASE WHEN final <> 'clean' THEN file END AS file,
    CASE WHEN final <> 'clean' THEN file_line END AS file_line,
    final AS verdict,
    receipt,
    row_number() OVER (
        PARTITION BY store, day, receipt, final = 'clean' ORDER BY line_number NULLS LAST, file, file_line
    ) AS line,
    sold_at, product,
    quantity, unit_price, discount, revenue, currency, quantity < 0 AS is_return, return_of,
    is_known_product, is_known_store,
    CASE WHEN final NOT IN ('clean', 'duplicate') THEN raw END AS raw
FROM marked
