"""Behind the figures of one product: the files, what was left out of them, the checks, and the runs that computed it.

Belongs here: reading that from a publication. Does not belong here: how it is shown (`web`), and whose rows may be seen
(`selection`).

The files are counted from `raw_sales` itself, not from an account of it: a receipt is as right as the rows are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote

from emma_platform.model.access import EVERY_STORE, StoreScope
from emma_platform.model.partitions import WINDOW_DAYS, StoreDay, store_key
from emma_platform.serving.publication import ServingError
from emma_platform.serving.reader import Reader

ON_THE_WAY = (
    "raw_sales", "clean_sales", "product_kpis", "sales_forecast", "price_response", "price_recommendations",
)  # fmt: skip
"""The tables that a product's figures go through."""

REFERENCE = ("products", "stores", "promotions", "calendar", "advice_decisions")
"""Kinds of files that say something of every store."""

_FILES = """
    SELECT file, count(*) AS lines, count(*) FILTER (trim(product) = $product) AS product_lines,
        min(day) AS first_day, max(day) AS last_day
    FROM {rows} GROUP BY file ORDER BY file
"""
_ASIDE = """
    SELECT reason, count(*) AS lines,
        count(*) FILTER (CASE WHEN json_valid("row") THEN trim("row" ->> '$.product') END = $product) AS product_lines
    FROM {rows} WHERE input = 'sales' GROUP BY reason ORDER BY lines DESC, reason
"""
_CLEAN = "SELECT count(*) AS lines, count(*) FILTER (product = $product) AS product_lines FROM {rows}"
_KNOWN = """
    SELECT file, state, copy_of, withdrawn, sha256, bytes, taken_on FROM {rows}
    WHERE file IN (SELECT unnest($files)) OR copy_of IN (SELECT unnest($files))
"""
_REFERENCE = """
    SELECT DISTINCT file, input, sha256, taken_on FROM {rows}
    WHERE input IN (SELECT unnest($kinds)) AND copy_of IS NULL AND sha256 IS NOT NULL ORDER BY input, file
"""
_COMPUTED = 'SELECT "table", store, day, rows, content, batch FROM {rows} WHERE day IS NULL OR day = $day'


@dataclass(frozen=True, slots=True)
class FileShare:
    """What one file brought to the window.

    Attributes:
        file: its path below landing/.
        lines: its lines of the store in the window.
        product_lines: those of them that name the product.
        first_day, last_day: the days of these lines.
        sha256: of the bytes that were taken; None when the file is not known any more.
        bytes: how many these are.
        taken_on: the day it was taken.
        failing: a newer content of it could not be read; what it said before counts.
        withdrawn: it no longer lies in landing/; what it said still counts.
        delivered_again: files of the same bytes; they count once.
    """

    file: str
    lines: int
    product_lines: int
    first_day: date
    last_day: date
    sha256: str | None
    bytes: int | None
    taken_on: date | None
    failing: bool
    withdrawn: bool
    delivered_again: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lines:
    """What became of lines: `lines = clean + set_aside + duplicates`."""

    lines: int
    clean: int
    set_aside: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class Computation:
    """One partition behind the figures, and the batch that computed it.

    Attributes:
        table: the table.
        partition: its partition as Dagster spells it.
        rows: how many rows it has.
        content: the hash of these rows.
        code: the digest of the code and settings they were computed with.
        batch: the batch's number.
        run: the run in Dagster that it was part of, if it was.
        at: when the batch began.
    """

    table: str
    partition: str
    rows: int
    content: str
    code: str | None
    batch: int
    run: str | None
    at: datetime | None

    @property
    def path(self) -> str:
        """Where Dagster shows it, below the address of its UI."""
        return f"/assets/{self.table}?partition={quote(self.partition, safe='')}"


@dataclass(frozen=True, slots=True)
class Check:
    """How a check of a table came out: `rows` looked at; `broken` says as JSON which rules are, and by how many."""

    table: str
    check: str
    passed: bool
    at: datetime
    rows: int
    broken: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """Everything behind the figures of a product in a store on a day.

    Attributes:
        publication, published_at: where it was read.
        store, product, day: whose receipt it is.
        first_day: the first day of the window that the figures of the day look back over.
        files: what brought the lines of the window, most lines of the product first.
        stock_files: what brought the stock counts of the day.
        reference_files: `file, input, sha256, taken_on` of the files that name products, promotions and the like.
        store_lines, product_lines: what became of the lines of the window, of the store and of the product.
        set_aside: `reason, lines, product_lines` of the window, most lines first.
        computations: the partitions behind the figures.
        checks: of the tables on the way, as they came out before the publication.
    """

    publication: str
    published_at: datetime
    store: str
    product: str
    day: date
    first_day: date
    files: tuple[FileShare, ...]
    stock_files: tuple[str, ...]
    reference_files: tuple[dict[str, Any], ...]
    store_lines: Lines
    product_lines: Lines
    set_aside: tuple[dict[str, Any], ...]
    computations: tuple[Computation, ...]
    checks: tuple[Check, ...]


def receipt(reader: Reader, scope: StoreScope, store: str, product: str, day: date | None = None) -> Receipt:
    """The receipt of a product's figures.

    Args:
        reader: the publication.
        scope: the stores that may be seen.
        store: the store.
        product: the product's code.
        day: the day of the figures; the store's last day when it is not given.

    Raises:
        ServingError: there is no such store, or it has no figures yet.
    """
    last = day or reader.last_days(scope).get(store)
    if last is None:
        reader.table(scope, "product_kpis", stores=[store], limit=0)
        raise ServingError(f"the store {store!r} has no figures yet")
    first = last - timedelta(days=WINDOW_DAYS - 1)

    def ask(table: str, question: str, since: date = first) -> list[dict[str, Any]]:
        asked = {"product": product} if "$product" in question else {}
        return reader.ask(scope, table, question, asked, stores=[store], first_day=since, last_day=last)

    found, aside = ask("raw_sales", _FILES), ask("set_aside_rows", _ASIDE)
    clean = _first(ask("clean_sales", _CLEAN))
    stock = ask("stock", "SELECT DISTINCT file FROM {rows} ORDER BY file", since=last)
    return Receipt(
        publication=reader.publication.id,
        published_at=reader.publication.at,
        store=store,
        product=product,
        day=last,
        first_day=first,
        files=_shares(reader, scope, store, found),
        stock_files=tuple(row["file"] for row in stock),
        # What products there are is no store's secret; which files say so is read without a store.
        reference_files=tuple(reader.ask(EVERY_STORE, "source_files", _REFERENCE, {"kinds": list(REFERENCE)})),
        store_lines=_lines(found, clean, aside, "lines"),
        product_lines=_lines(found, clean, aside, "product_lines"),
        set_aside=tuple(aside),
        computations=_computations(reader, scope, store, last),
        checks=_checks(reader),
    )


def _checks(reader: Reader) -> tuple[Check, ...]:
    """The checks of the tables on the way, which look at all stores together: that they passed is told to everybody."""
    rows = reader.ask(EVERY_STORE, "check_results", 'SELECT * FROM {rows} ORDER BY "table", "check"')
    found = [Check(**row) for row in rows if row["table"] in ON_THE_WAY]
    return tuple(sorted(found, key=lambda check: ON_THE_WAY.index(check.table)))


def _first(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return rows[0] if rows else {"lines": 0, "product_lines": 0}


def _lines(files: list[dict[str, Any]], clean: dict[str, Any], aside: list[dict[str, Any]], which: str) -> Lines:
    """Every raw line is clean, set aside, or a duplicate: what is neither of the first two is the third."""
    came = sum(row[which] for row in files)
    left = sum(row[which] for row in aside)
    return Lines(came, clean[which], left, came - clean[which] - left)


def _shares(reader: Reader, scope: StoreScope, store: str, found: list[dict[str, Any]]) -> tuple[FileShare, ...]:
    names = [row["file"] for row in found]
    known: dict[str, dict[str, Any]] = {}
    again: dict[str, set[str]] = {}
    for row in reader.ask(scope, "source_files", _KNOWN, {"files": names}, stores=[store]):
        if row["copy_of"] is None:
            known[row["file"]] = row
        else:
            again.setdefault(row["copy_of"], set()).add(row["file"])
    shares = [_share(row, known.get(row["file"], {}), again.get(row["file"], set())) for row in found]
    return tuple(sorted(shares, key=lambda share: (-share.product_lines, -share.lines, share.file)))


def _share(row: dict[str, Any], known: dict[str, Any], again: set[str]) -> FileShare:
    return FileShare(
        file=row["file"],
        lines=row["lines"],
        product_lines=row["product_lines"],
        first_day=row["first_day"],
        last_day=row["last_day"],
        sha256=known.get("sha256"),
        bytes=known.get("bytes"),
        taken_on=known.get("taken_on"),
        failing=known.get("state") == "failing",
        withdrawn=bool(known.get("withdrawn")),
        delivered_again=tuple(sorted(again)),
    )


def _computations(reader: Reader, scope: StoreScope, store: str, day: date) -> tuple[Computation, ...]:
    rows = reader.ask(scope, "partition_receipts", _COMPUTED, {"day": day}, stores=[store])
    batches = {row["batch"]: row for row in reader.ask(scope, "batches", "SELECT * FROM {rows}")}
    said = reader.ask(EVERY_STORE, "publication", 'SELECT "table", code FROM {rows}')
    codes = {row["table"]: row["code"] for row in said}
    found = [
        Computation(
            table=row["table"],
            partition=StoreDay(store, day).key if row["day"] else store_key(store),
            rows=row["rows"],
            content=row["content"],
            code=codes.get(row["table"]),
            batch=row["batch"],
            run=batches.get(row["batch"], {}).get("run"),
            at=batches.get(row["batch"], {}).get("started_at"),
        )
        for row in rows
    ]
    return tuple(sorted(found, key=lambda computed: ON_THE_WAY.index(computed.table)))
