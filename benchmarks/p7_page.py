"""P7: the page of a product from the publication, against computing it on demand.

Belongs here: pages asked for at random, and the check that both say the same. Does not belong here: the rival
(`rivals.on_demand`) and how a page is read (`emma_platform.serving.reader`).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.chain import Shape, product_name, store_name
from benchmarks.home import load, settings_of
from benchmarks.measure import Bench, Side, in_turns, middle
from benchmarks.report import Row
from benchmarks.rivals.on_demand.postgres import data_folder, server

if TYPE_CHECKING:
    from sqlalchemy import Engine

SHAPES = {
    "tiny": Shape(stores=1, days=60, products=10, lines=30),
    "small": Shape(stores=4, days=365, products=200, lines=300),
    "full": Shape(stores=10, days=730, products=1_000, lines=548),
}
PAGES = {"tiny": 5, "small": 300, "full": 1_000}
RIVAL_PAGES = {"tiny": 2, "small": 10, "full": 10}
MOST_MS, LEAST_RATIO = 20.0, 1_000
NOTE = (
    "Pages of random stores and products in one open reader, as the server opens it, in stores that a page was asked "
    "of before; the first page of a store, for which the file of its rows is opened, is a row of its own. "
    "The rival has one session a page. Its page shows 91 days, the product's place among the others, a forecast with "
    "interval and error, and a price; the platform's also has all other key figures, past forecasts and an elasticity "
    "pooled over the chain."
)


def run(bench: Bench) -> list[Row]:
    """Our 99th percentile, the first page of a store, and the medians against each other, on SQLite and PostgreSQL."""
    shape, home = SHAPES[bench.size].values(), str(bench.work / "home")
    bench.call("p7_page:loaded", home=home, shape=shape)
    with data_folder() as folder:
        databases = {"SQLite": str(bench.work / "shop.db"), "PostgreSQL": str(folder)}
        for database in databases.values():
            bench.call("p7_page:filled", home=home, database=database)

        def ours(turn: int) -> Side:
            return bench.call("p7_page:published", home=home, shape=shape, pages=PAGES[bench.size], seed=turn)

        def rival(database: str, turn: int) -> Side:
            pages = RIVAL_PAGES[bench.size]
            return bench.call("p7_page:on_demand", database=database, shape=shape, pages=pages, seed=turn)

        rivals = [partial(rival, database) for database in databases.values()]
        mine, *others = in_turns(ours, *rivals, repeat=bench.repeat)
        for database in databases.values():
            bench.call("p7_page:compare", home=home, database=database, shape=shape, seed=0)
    half, worst = middle(mine, lambda side: side.result["p50"]), middle(mine, lambda side: side.result["p99"])
    name = f"product page, {SHAPES[bench.size]}"
    first = middle(mine, lambda side: side.result["first_p50"])
    slowest = middle(mine, lambda side: side.result["first_worst"])
    rows = [
        Row(f"P7 {name}, 99th percentile", f"{worst:.1f} ms", "-", "-", f"<= {MOST_MS:g} ms", worst <= MOST_MS, mine),
        Row(
            "P7 the first page of a store, median / worst", f"{first:.1f} / {slowest:.1f} ms", "-", "-", "-", None, mine
        ),
    ]
    for database, sides in zip(databases, others, strict=True):
        theirs = middle(sides, lambda side: side.result["p50"])
        rows.append(
            Row(
                "P7 its median against on demand",
                f"{half:.1f} ms",
                f"{theirs:,.0f} ms (row by row, {database})",
                f"{theirs / half:,.0f}x",
                f">= {LEAST_RATIO:,}x",
                theirs / half >= LEAST_RATIO,
                mine,
                sides,
            )
        )
    return rows


def loaded(home: str, shape: dict[str, int]) -> dict[str, float]:
    """The publication."""
    return load(home, shape, "month")


def filled(home: str, database: str) -> None:
    """The rival's database, from the same files."""
    from benchmarks.rivals.on_demand.loading import load as fill

    with _opened(database) as engine:
        fill(engine, Path(settings_of(home).landing))


def published(home: str, shape: dict[str, int], pages: int, seed: int) -> dict[str, float]:
    """Ours: milliseconds a page, those of the first of each store apart."""
    from emma_platform.model.access import EVERY_STORE
    from emma_platform.serving.reader import Reader

    reader = Reader(settings_of(home).published)
    reader.warm()

    def first(store: int) -> None:
        reader.product(EVERY_STORE, store_name(store), product_name(0))

    firsts = [_timed([partial(first, store)])["p50"] for store in range(shape["stores"])]
    asked = _timed([partial(reader.product, EVERY_STORE, *page) for page in _pages(shape, pages, seed)])
    return asked | {"first_p50": median(firsts), "first_worst": max(firsts)}


def on_demand(database: str, shape: dict[str, int], pages: int, seed: int) -> dict[str, float]:
    """The rival: milliseconds a page, each in a session of its own."""
    from sqlalchemy.orm import Session

    from benchmarks.rivals.on_demand.page import product_page

    with _opened(database) as engine:

        def page(store: str, product: str) -> None:
            with Session(engine) as session:
                product_page(session, store, product)

        page(*_pages(shape, 1, seed)[0])
        return _timed([partial(page, *one) for one in _pages(shape, pages, seed)])


def compare(home: str, database: str, shape: dict[str, int], seed: int) -> None:
    """See that both pages hold the same figures.

    Raises:
        AssertionError: they do not.
    """
    from sqlalchemy.orm import Session

    from benchmarks.rivals.on_demand.page import product_page
    from emma_platform.model.access import EVERY_STORE
    from emma_platform.serving.reader import Reader

    ((store, product),) = _pages(shape, 1, seed)
    ours = Reader(settings_of(home).published).product(EVERY_STORE, store, product)
    with _opened(database) as engine, Session(engine) as session:
        theirs = product_page(session, store, product)
    (overview,) = ours.overview.to_pylist()
    mine = {
        row["day"]: (row["units"], row["revenue"], row["units_28d"], row["revenue_28d"])
        for row in ours.kpis.to_pylist()
    }
    others = {day.day: (day.units, day.revenue, day.units_28d, day.revenue_28d) for day in theirs.days}
    place = (overview["revenue_rank_28d"], overview["abc_class"])
    if place != (theirs.revenue_rank_28d, theirs.abc_class) or any(others[day] != row for day, row in mine.items()):
        raise AssertionError(f"{store}, {product}: the pages differ")


@contextmanager
def _opened(database: str) -> Iterator[Engine]:
    """The rival's database: a file of SQLite, or a folder of PostgreSQL, whose server runs meanwhile."""
    import sqlalchemy as sa

    with server(Path(database)) if Path(database).is_dir() else nullcontext(f"sqlite:///{database}") as url:
        engine = sa.create_engine(url)
        try:
            yield engine
        finally:
            engine.dispose()


def _pages(shape: dict[str, int], count: int, seed: int) -> list[tuple[str, str]]:
    chosen = random.Random(seed)  # noqa: S311 - a choice to measure with
    return [
        (store_name(chosen.randrange(shape["stores"])), product_name(chosen.randrange(shape["products"])))
        for _ in range(count)
    ]


def _timed(calls: Sequence[Callable[[], object]]) -> dict[str, float]:
    times = []
    for one in calls:
        started = time.perf_counter()
        one()
        times.append(1000 * (time.perf_counter() - started))
    times.sort()
    return {
        "p50": times[len(times) // 2],
        "p99": times[min(len(times) - 1, int(len(times) * 0.99))],
        "pages": len(times),
    }
