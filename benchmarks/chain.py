"""A made-up chain of any size: receipt lines from hashes, written as the CSV files that its tills would send.

Belongs here: files to measure with. Does not belong here: a chain whose true demand is known (`emma_platform.demo`),
and what is measured on the files.

Same shape, same bytes. Products sell unevenly (the best quarter brings half of the lines), one line in 100 is a return,
and a product's price goes down by a tenth for 28 days of every 112.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

FIRST_DAY = date(2024, 1, 1)
HEADER = "store,receipt,line,sold_at,product,quantity,unit_price"

LINES = """
    WITH place AS (
        SELECT d, l, hash($store, d, l) AS h, $store + 1 AS s
        FROM range($first, $end) AS days(d), range($lines) AS lines(l)
        WHERE NOT list_contains($without, d)
    ), drawn AS (
        SELECT *, CAST(floor($products * pow((h % 1000003) / 1000003.0, 2)) AS bigint) AS p FROM place
    )
    SELECT
        CAST(DATE '2024-01-01' + CAST(d AS integer) AS date) AS day, l,
        concat_ws(',',
            format('S{:03d}', s),
            format('R{:04d}', l // 4),
            l % 4 + 1,
            strftime(day + INTERVAL 8 HOUR + to_seconds(l // 4 * (43200 // (1 + $lines // 4))), '%Y-%m-%d %H:%M:%S'),
            format('P{:05d}', p),
            CASE WHEN h // 7 % 100 = 0 THEN -1 ELSE 1 + hash(h, $revision) % 3 END,
            CAST((100 + hash(p) % 1900) * (CASE WHEN (d // 28 + p) % 4 = 0 THEN 0.9 ELSE 1 END) / 100 AS decimal(9, 2))
        ) AS text
    FROM drawn
"""

PRODUCTS = """
    SELECT string_agg(concat_ws(',',
        format('P{:05d}', p), format('product {}', p), format('category {:02d}', p % 12),
        CASE WHEN p % 20 = 0 THEN '' ELSE format('{:.2f}', (100 + hash(p) % 1900) * 0.006) END
    ), chr(10) ORDER BY p)
    FROM range($products) AS products(p)
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a chain is; `lines` are those of a store-day."""

    stores: int
    days: int
    products: int
    lines: int

    @property
    def store_days(self) -> int:
        """Stores times days."""
        return self.stores * self.days

    @property
    def total(self) -> int:
        """All lines."""
        return self.store_days * self.lines

    def values(self) -> dict[str, int]:
        """As JSON, from which `Shape(**values)` makes it again."""
        return {"stores": self.stores, "days": self.days, "products": self.products, "lines": self.lines}

    def __str__(self) -> str:
        """As a table shows it."""
        return f"{self.stores} stores x {self.days:,} days x {self.lines} lines"


def store_name(store: int) -> str:
    """The store at a position."""
    return f"S{store + 1:03d}"


def product_name(product: int) -> str:
    """The product at a position."""
    return f"P{product:05d}"


def day_at(day: int) -> date:
    """The day at a position."""
    return FIRST_DAY + timedelta(day)


def write(shape: Shape, landing: Path, *, by: str, without: Collection[tuple[int, int]] = ()) -> int:
    """Write the products file and all sales, a file a store and `by` (month or day); returns how many files.

    `without` are store-days, by position, that are not sent.
    """
    import duckdb

    write_products(shape, landing)
    connection = duckdb.connect()
    written = 1
    for store in range(shape.stores):
        missing = [day for other, day in without if other == store]
        for period, text in _texts(connection, shape, store, range(shape.days), by, missing, revision=0):
            _put(landing, store, period, text)
            written += 1
    return written


def write_products(shape: Shape, landing: Path) -> None:
    """Write the products file."""
    import duckdb

    landing.mkdir(parents=True, exist_ok=True)
    ((products,),) = duckdb.connect().execute(PRODUCTS, {"products": shape.products}).fetchall()
    (landing / "products.csv").write_text(f"product,name,category,unit_cost\n{products}\n", encoding="utf-8")


def write_days(shape: Shape, landing: Path, store_days: Collection[tuple[int, int]], *, revision: int) -> None:
    """Write single store-days, a file each; every revision has other quantities."""
    import duckdb

    connection = duckdb.connect()
    for store, day in store_days:
        for period, text in _texts(connection, shape, store, range(day, day + 1), "day", [], revision=revision):
            _put(landing, store, period, text)


def write_corrected(shape: Shape, landing: Path, store_days: Collection[tuple[int, int]], *, revision: int) -> None:
    """Write the files of the months that hold these store-days again, with other quantities on those days."""
    import duckdb

    connection = duckdb.connect()
    corrected: dict[tuple[int, str], set[int]] = {}
    for store, day in store_days:
        corrected.setdefault((store, f"{day_at(day):%Y-%m}"), set()).add(day)
    for (store, month), days in corrected.items():
        of_month = [day for day in range(shape.days) if f"{day_at(day):%Y-%m}" == month]
        texts = [
            text
            for day in of_month
            for _, text in _texts(
                connection, shape, store, range(day, day + 1), "day", [], revision=revision if day in days else 0
            )
        ]
        _put(landing, store, month, "\n".join(texts))


def sales_file(landing: Path, store: int, period: str) -> Path:
    """Where a store's sales of a period (2024-03 or 2024-03-01) lie."""
    return landing / "sales" / store_name(store) / f"{store_name(store)}-{period}.csv"


def _texts(
    connection: object, shape: Shape, store: int, days: range, by: str, without: Collection[int], *, revision: int
) -> Iterator[tuple[str, str]]:
    period = "strftime(day, '%Y-%m')" if by == "month" else "CAST(day AS varchar)"
    found = connection.execute(  # type: ignore[attr-defined]
        f"SELECT {period} AS period, string_agg(text, chr(10) ORDER BY day, l) FROM ({LINES}) GROUP BY 1 ORDER BY 1",
        {
            "store": store, "first": days.start, "end": days.stop, "lines": shape.lines, "products": shape.products,
            "without": list(without), "revision": revision,
        },
    )  # fmt: skip
    yield from found.fetchall()


def _put(landing: Path, store: int, period: str, text: str) -> None:
    """One file, under a temporary name until it is whole."""
    path = sales_file(landing, store, period)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(f"{HEADER}\n{text}\n", encoding="utf-8")
    part.replace(path)
