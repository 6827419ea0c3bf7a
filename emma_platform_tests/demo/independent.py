"""A second reading of the demo chain's files: line by line, with the standard library, sharing no code with it."""

from __future__ import annotations

import csv
import gzip
import json
import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from zoneinfo import ZoneInfo

NO_PRODUCTS = {"POSTAGE", "VOUCHER", "DEPOSIT", "GIFT CARD", "TEST001"}
GERMAN = {
    "Filiale": "store",
    "Bon": "receipt",
    "Zeitpunkt": "sold_at",
    "Artikel": "product",
    "Menge": "quantity",
    "Stückpreis": "unit_price",
}


@dataclass
class Count:
    """What was found in all sales files."""

    lines: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    returns: int = 0
    unknown: int = 0
    accepted: dict[tuple[str, str], list[tuple[Decimal, Decimal]]] = field(default_factory=lambda: defaultdict(list))


def count(landing: Path) -> Count:
    with (landing / "products.csv").open(newline="", encoding="utf-8") as file:
        known = {row["product"] for row in csv.DictReader(file)}
    with (landing / "stores.csv").open(newline="", encoding="utf-8") as file:
        zones = {row["store"]: ZoneInfo(row["time_zone"]) for row in csv.DictReader(file)}
    total = Count()
    seen: set[tuple[str, ...]] = set()
    candidates = []
    for path in sorted((landing / "sales").rglob("*")):
        if not path.is_file():
            continue
        for row in _rows(path):
            total.lines += 1
            if row is None:
                total.verdicts["unreadable_line"] += 1
                continue
            verdict, day = _verdict(row, known, zones)
            key = tuple(row[name] for name in sorted(row))
            if not verdict and key in seen:
                verdict = "duplicates"
            seen.add(key)
            if verdict:
                total.verdicts[verdict] += 1
            else:
                quantity, price = Decimal(row["quantity"]), Decimal(row["unit_price"])
                candidates.append((row["store"], day, quantity, price, row["product"] in known))
    _judge_absurd(total, candidates)
    return total


def _judge_absurd(total: Count, candidates: list[tuple[str, str, Decimal, Decimal, bool]]) -> None:
    values = defaultdict(list)
    for store, day, quantity, price, _ in candidates:
        values[store, day].append(abs(quantity * price))
    medians = {key: statistics.median(found) for key, found in values.items()}
    for store, day, quantity, price, is_known in candidates:
        if abs(quantity) > 100 and abs(quantity * price) > 1000 * medians[store, day]:
            total.verdicts["absurd_quantity"] += 1
            continue
        total.returns += quantity < 0
        total.unknown += not is_known
        total.accepted[store, day].append((quantity, quantity * price))


def _rows(path: Path):
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    if path.suffix == ".jsonl":
        for line in data.decode().splitlines():
            yield {name: str(value) for name, value in json.loads(line, parse_float=str).items()}
        return
    german = b"Filiale" in data
    lines = data.decode("latin-1" if german else "utf-8").splitlines()
    reader = csv.reader(lines, delimiter=";" if german else ",")
    header = [GERMAN.get(name, name) for name in next(reader)]
    for fields in reader:
        if len(fields) != len(header):
            yield None
            continue
        row = dict(zip(header, fields, strict=True))
        row.pop("Bezeichnung", None)
        if german:
            row["unit_price"] = row["unit_price"].replace(",", ".")
        yield row


def _verdict(row: dict[str, str], known: set[str], zones: dict[str, ZoneInfo]) -> tuple[str, str]:
    if not row["store"]:
        return "missing_store", ""
    day = _day(row["sold_at"], zones[row["store"]])
    if day is None:
        return "bad_date", ""
    if day < "2000-01-01":
        return "prehistoric_date", ""
    if day > "2090-01-01":
        return "future_date", ""
    return _field_verdict(row, known), day


def _field_verdict(row: dict[str, str], known: set[str]) -> str:  # noqa: PLR0911 - one line a rule
    if not row["receipt"]:
        return "missing_receipt"
    if not row["product"]:
        return "missing_product"
    if row["product"] in NO_PRODUCTS and row["product"] not in known:
        return "not_a_product"
    quantity, price, discount = (_number(row.get(name) or zero) for name, zero in
                                 (("quantity", "x"), ("unit_price", "x"), ("discount", "0")))  # fmt: skip
    if quantity is None:
        return "bad_quantity"
    if price is None:
        return "bad_price"
    if discount is None or discount < 0:
        return "bad_discount"
    if quantity == 0:
        return "zero_quantity"
    if price < 0:
        return "negative_price"
    return "zero_price" if price == 0 and discount == 0 else ""


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _day(text: str, zone: ZoneInfo) -> str | None:
    for form in ("%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"):
        try:
            moment = datetime.strptime(text, form)  # noqa: DTZ007 - local times have no zone
        except ValueError:
            continue
        return str((moment.astimezone(zone) if moment.tzinfo else moment).date())
    return None
