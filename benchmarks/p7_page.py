"""P7: the page of a product from the publication, against computing it on demand.

Belongs here: pages asked for at random, and the check that both say the same. Does not belong here: the rival
(`rivals.on_demand`) and how a page is read (`emma_platform.serving.reader`).
"""

from __future__ import annotations

import random
import time
from pathlib import Path

from benchmarks.chain import Shape, product_name, store_name
from benchmarks.home import load, settings_of
from benchmarks.measure import Bench, Side, in_turns, middle
from benchmarks.report import Row

SHAPES = {
    "tiny": Shape(stores=1, days=60, products=10, lines=30),
    "small": Shape(stores=4, days=365, products=200, lines=300),
    "full": Shape(stores=10, days=730, products=1_000, lines=548),
}
PAGES = {"tiny": 5, "small": 300, "full": 1_000}
RIVAL_PAGES = {"tiny": 2, "small": 10, "full": 10}
MOST_MS, LEAST_RATIO = 20.0, 1_000
NOTE = (
    "Pages of random stores and products in one open reader, or one session a page of the rival. Its page shows "
    "91 days, the product's place among the others, a forecast with interval and error, and a price; the "
    "platform's also has all other key figures, past forecasts and an elasticity pooled over the chain."
)


def run(bench: Bench) -> list[Row]:
    """Two rows: our 99th percentile, and the medians against each other."""
    shape = SHAPES[bench.size].values()
    home, database = str(bench.work / "home"), str(bench.work / "shop.db")
    bench.call("p7_page:loaded", home=home, shape=shape)
    bench.call("p7_page:filled", home=home, database=database)

    def ours(turn: int) -> Side:
        return bench.call("p7_page:published", home=home, shape=shape, pages=PAGES[bench.size], seed=turn)

    def rival(turn: int) -> Side:
        pages = RIVAL_PAGES[bench.size]
        return bench.call("p7_page:on_demand", database=database, shape=shape, pages=pages, seed=turn)

    found = in_turns(ours, rival, repeat=bench.repeat)
    bench.call("p7_page:compare", home=home, database=database, shape=shape, seed=0)
    half, theirs = (middle(sides, lambda side: side.result["p50"]) for sides in found)
    worst = middle(found[0], lambda side: side.result["p99"])
    name = f"product page, {SHAPES[bench.size]}"
    return [
        Row(
            f"P7 {name}, 99th percentile", f"{worst:.1f} ms", "-", "-", f"<= {MOST_MS:g} ms", worst <= MOST_MS, found[0]
        ),
        Row(
            "P7 its median against on demand",
            f"{half:.1f} ms",
            f"{theirs:,.0f} ms (row by row, SQLite)",
            f"{theirs / half:,.0f}x",
            f">= {LEAST_RATIO:,}x",
            theirs / half >= LEAST_RATIO,
            *found,
        ),
    ]


def loaded(home: str, shape: dict[str, int]) -> dict[str, float]:
    """The publication."""
    return load(home, shape, "month")


def filled(home: str, database: str) -> None:
    """The rival's database, from the same files."""
    import sqlalchemy as sa

    from benchmarks.rivals.on_demand.loading import load as fill

    engine = sa.create_engine(f"sqlite:///{database}")
    fill(engine, Path(settings_of(home).landing))
    engine.dispose()


def published(home: str, shape: dict[str, int], pages: int, seed: int) -> dict[str, float]:
    """Ours: milliseconds a page."""
    from emma_platform.serving.reader import Reader

    reader = Reader(settings_of(home).published)
    reader.product(*_pages(shape, 1, seed)[0])
    return _timed([lambda page=page: reader.product(*page) for page in _pages(shape, pages, seed)])


def on_demand(database: str, shape: dict[str, int], pages: int, seed: int) -> dict[str, float]:
    """The rival: milliseconds a page, each in a session of its own."""
    import sqlalchemy as sa
    from sqlalchemy.orm import Session

    from benchmarks.rivals.on_demand.page import product_page

    engine = sa.create_engine(f"sqlite:///{database}")

    def page(store: str, product: str) -> None:
        with Session(engine) as session:
            product_page(session, store, product)

    page(*_pages(shape, 1, seed)[0])
    times = _timed([lambda one=one: page(*one) for one in _pages(shape, pages, seed)])
    engine.dispose()
    return times


def compare(home: str, database: str, shape: dict[str, int], seed: int) -> None:
    """See that both pages hold the same figures.

    Raises:
        AssertionError: they do not.
    """
    import sqlalchemy as sa
    from sqlalchemy.orm import Session

    from benchmarks.rivals.on_demand.page import product_page
    from emma_platform.serving.reader import Reader

    ((store, product),) = _pages(shape, 1, seed)
    ours = Reader(settings_of(home).published).product(store, product)
    engine = sa.create_engine(f"sqlite:///{database}")
    with Session(engine) as session:
        theirs = product_page(session, store, product)
    engine.dispose()
    (overview,) = ours.overview.to_pylist()
    mine = {
        row["day"]: (row["units"], row["revenue"], row["units_28d"], row["revenue_28d"])
        for row in ours.kpis.to_pylist()
    }
    others = {day.day: (day.units, day.revenue, day.units_28d, day.revenue_28d) for day in theirs.days}
    place = (overview["revenue_rank_28d"], overview["abc_class"])
    if place != (theirs.revenue_rank_28d, theirs.abc_class) or any(others[day] != row for day, row in mine.items()):
        raise AssertionError(f"{store}, {product}: the pages differ")


def _pages(shape: dict[str, int], count: int, seed: int) -> list[tuple[str, str]]:
    chosen = random.Random(seed)  # noqa: S311 - a choice to measure with
    return [
        (store_name(chosen.randrange(shape["stores"])), product_name(chosen.randrange(shape["products"])))
        for _ in range(count)
    ]


def _timed(calls: list[object]) -> dict[str, float]:
    times = []
    for one in calls:
        started = time.perf_counter()
        one()  # type: ignore[operator]
        times.append(1000 * (time.perf_counter() - started))
    times.sort()
    return {
        "p50": times[len(times) // 2],
        "p99": times[min(len(times) - 1, int(len(times) * 0.99))],
        "pages": len(times),
    }
