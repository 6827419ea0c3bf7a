"""Files into the database.

Belongs here: bulk loading, which nobody times. Does not belong here: cleaning; these files are clean but for lines
that are there twice.
"""

from __future__ import annotations

import csv
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from sqlalchemy import Engine, insert

from benchmarks.rivals.on_demand.models import Base, Category, Product, Receipt, ReceiptLine, Store


def load(engine: Engine, landing: Path) -> None:
    """Make the tables and fill them from products.csv and the sales files."""
    Base.metadata.create_all(engine)
    with (landing / "products.csv").open(encoding="utf-8") as file:
        goods = list(csv.DictReader(file))
    categories = {name: number for number, name in enumerate(sorted({row["category"] for row in goods}), 1)}
    products = {row["product"]: number for number, row in enumerate(goods, 1)}
    folders = sorted((landing / "sales").iterdir())
    with engine.begin() as connection:
        connection.execute(insert(Category), [{"id": number, "name": name} for name, number in categories.items()])
        connection.execute(
            insert(Product),
            [
                {
                    "id": products[row["product"]],
                    "code": row["product"],
                    "name": row["name"],
                    "unit_cost": Decimal(row["unit_cost"]) if row["unit_cost"] else None,
                    "category_id": categories[row["category"]],
                }
                for row in goods
            ],
        )
        connection.execute(insert(Store), [{"id": n, "code": f.name} for n, f in enumerate(folders, 1)])
        receipts = 0
        for store, folder in enumerate(folders, 1):
            for path in sorted(folder.glob("*.csv")):
                baskets, lines = _read(path, products, store, receipts)
                receipts += len(baskets)
                connection.execute(insert(Receipt), baskets)
                connection.execute(insert(ReceiptLine), lines)


def _read(
    path: Path, products: dict[str, int], store: int, known: int
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    baskets: dict[tuple[str, str], dict[str, object]] = {}
    lines = []
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            number = (row["receipt"], row["sold_at"])
            basket = baskets.setdefault(
                number,
                {
                    "id": known + len(baskets) + 1,
                    "number": row["receipt"],
                    "store_id": store,
                    "sold_at": datetime.fromisoformat(row["sold_at"]),
                },
            )
            lines.append(
                {
                    "receipt_id": basket["id"],
                    "product_id": products[row["product"]],
                    "quantity": Decimal(row["quantity"]),
                    "unit_price": Decimal(row["unit_price"]),
                }
            )
    return list(baskets.values()), lines
