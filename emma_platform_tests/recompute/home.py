"""A small platform of its own for one test: real files, lake, engine and ledger, and a clock that stands still."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from emma_platform.model.tables import KEPT, TABLES
from emma_platform.recompute.batch import BatchReport, update
from emma_platform.recompute.ledger import Key, partitions
from emma_platform.recompute.platform import Observer, Platform, open_platform
from emma_platform.settings import Settings

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
DAY_ONE = date(2026, 1, 1)
HEADER = "store,receipt,sold_at,product,quantity,unit_price\n"
DECISIONS = "decided_at,store,product,made_on,decision,price,current_price,unit_cost\n"


def day(offset: int) -> str:
    return (DAY_ONE + timedelta(offset)).isoformat()


def sale(
    store: str = "S1",
    on: int = 0,
    product: str = "P1",
    quantity: object = 1,
    price: object = "2.50",
    receipt: str = "R1",
    hour: int = 10,
) -> str:
    return f'"{store}",{receipt},{day(on)} {hour:02d}:00:00,{product},{quantity},{price}\n'


def two_products(store: str, first: int, last: int) -> list[str]:
    """Sales of two products a day, whose prices change every week."""
    return [
        sale(store, on, product, 1 + (on * 7 + place) % 5, prices[on // 7 % 2], receipt=f"R{on}")
        for on in range(first, last)
        for place, (product, prices) in enumerate((("P1", ("2.50", "2.20")), ("P2", ("4.00", "4.40"))))
    ]


class Home:
    """A platform in a folder, and the files dropped into it."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.settings = Settings(home=folder, quiet_seconds=0, first_day=date(2020, 1, 1), **settings)  # type: ignore[arg-type]
        self.platform = replace(open_platform(self.settings), now=lambda: NOW)
        self._clock = 1_700_000_000

    def drop(self, name: str, text: str | bytes) -> None:
        """Put a file into the landing folder, with a time stamp of its own."""
        path = self.settings.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        self._clock += 10
        os.utime(path, (self._clock, self._clock))

    def sell(self, name: str, *lines: str) -> None:
        self.drop(name, HEADER + "".join(lines))

    def withdraw(self, name: str) -> None:
        (self.settings.landing / name).unlink()

    def moved(self, folder: Path) -> Home:
        """The home that a copy of this one is, whose files go on being younger."""
        home = Home(folder)
        home._clock = self._clock
        return home

    def change(self, **settings: object) -> None:
        """Set settings to other values."""
        self.settings = self.settings.model_copy(update=settings)
        self.platform = replace(self.platform, settings=self.settings)

    def update(self, observer: Observer | None = None) -> BatchReport:
        return update(self.watched(observer) if observer else self.platform)

    def watched(self, observer: Observer) -> Platform:
        return replace(self.platform, observer=observer)

    def rows(self, table: str, columns: Sequence[str] | None = None) -> list[tuple[object, ...]]:
        """All rows of a table in the lake, in order."""
        chosen = list(columns or TABLES[table].names)
        found = self.platform.store.read(table, columns=chosen).to_pydict()
        return sorted(zip(*(found[name] for name in chosen), strict=True), key=repr)

    def everything(self, tables: Iterable[str] = KEPT) -> dict[str, list[tuple[object, ...]]]:
        return {table: self.rows(table) for table in tables}

    def computed(self, report: BatchReport, table: str) -> set[Key]:
        """The partitions of a table that a batch computed."""
        p = partitions.c
        statement = sa.select(p.store, p.day).where(p.table_name == table, p.batch == report.id)
        with self.platform.ledger.transaction() as connection:
            return {Key(store, on) for store, on in connection.execute(statement)}
