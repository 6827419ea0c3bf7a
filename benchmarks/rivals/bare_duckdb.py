"""The limit: one DuckDB script with the platform's two SQL statements, and nothing that a platform adds.

Belongs here: files in, three Parquet files out. Does not belong here: a ledger, versions, hashes, memory limits,
micro-batches, repair, other dialects of CSV: whoever can do without them runs this.

    python -m benchmarks.rivals.bare_duckdb LANDING OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

TRANSFORMS = Path(__file__).parents[2] / "emma_platform" / "transforms"
NO_PRODUCTS = ["POST", "FEE", "VOUCHER"]

READ = """
    CREATE TABLE raw_sales AS
    SELECT
        store, CAST(sold_at AS date) AS day, filename AS file, row_number() OVER () AS line, receipt,
        line AS receipt_line, sold_at, CAST(sold_at AS timestamptz) AS sold_at_utc, product, quantity, unit_price,
        CAST(NULL AS varchar) AS discount, CAST(NULL AS varchar) AS currency, '.' AS decimal_mark
    FROM read_csv('{landing}/sales/*/*.csv', header = true, all_varchar = true, filename = true);
    CREATE TABLE products AS
    SELECT
        product, category, CAST(unit_cost AS decimal(18, 6)) AS unit_cost, CAST(NULL AS decimal(18, 3)) AS max_quantity
    FROM read_csv('{landing}/products.csv', header = true, all_varchar = true);
    CREATE TABLE stores AS SELECT DISTINCT store FROM raw_sales WHERE false;
    CREATE TABLE stock (store varchar, day date, product varchar, on_hand decimal(18, 3), file varchar, line bigint);
"""

CLEAN = """
    COPY (FROM judged WHERE verdict NOT IN ('clean', 'duplicate')) TO '{out}/set_aside_rows.parquet';
    CREATE TABLE clean_sales AS
    SELECT * EXCLUDE (file, file_line, verdict, raw) FROM judged WHERE verdict = 'clean';
    DROP TABLE judged;
    COPY clean_sales TO '{out}/clean_sales.parquet';
    CREATE TABLE wanted AS
    SELECT store, CAST(unnest(generate_series(min(day), max(day), INTERVAL 1 DAY)) AS date) AS day
    FROM clean_sales GROUP BY store;
"""


def rebuild(landing: Path, out: Path) -> None:
    """Write clean_sales, set_aside_rows and product_kpis of all files, with DuckDB's own defaults."""
    out.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(config={"temp_directory": str(out / "spill"), "preserve_insertion_order": "false"})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(READ.format(landing=landing))
    judge = (TRANSFORMS / "clean_sales.sql").read_text("utf-8")
    connection.execute(f"CREATE TABLE judged AS {judge}", {"non_product_codes": NO_PRODUCTS})
    connection.execute("DROP TABLE raw_sales")
    connection.execute(CLEAN.format(out=out))
    kpis = (TRANSFORMS / "product_kpis.sql").read_text("utf-8")
    connection.execute(f"COPY (\n{kpis}\n) TO '{out}/product_kpis.parquet'")
    connection.close()


if __name__ == "__main__":
    rebuild(Path(sys.argv[1]), Path(sys.argv[2]))
