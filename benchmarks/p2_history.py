"""P2: one late store-day, with ten times the history against one time.

Belongs here: what it costs to take one late file on homes of different size. Does not belong here: how the homes are
loaded (`home`).

History grows in two ways, measured apart: ten times the days, and ten times the stores. The late day lies 40 days
before the last, so that all 28 days that see it are there, and every turn takes another store-day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from benchmarks.chain import Shape, write_days
from benchmarks.home import load, run_and_time, settings_of
from benchmarks.measure import Bench, Side, in_turns, middle
from benchmarks.report import Row

SHAPES = {
    "tiny": Shape(stores=1, days=42, products=4, lines=8),
    "small": Shape(stores=4, days=100, products=60, lines=100),
    "full": Shape(stores=10, days=100, products=200, lines=300),
}
GROWN = {"tiny": ("stores",), "small": ("days", "stores"), "full": ("days", "stores")}
WARMED = {"tiny": False, "small": True, "full": True}
TIMES = {"tiny": 2, "small": 10, "full": 10}
MOST = 1.1
LATE = 40
NOTE = (
    "CPU of a run in a process that has made one before, so that imports, which would bring the ratio nearer to 1, are"
    " left out; a run with nothing to do is given beside it. A forecast looks at up to 730 days of its store, so ten"
    " times the days is more work there by design."
)


def run(bench: Bench) -> list[Row]:
    """A row for each way to grow: ten times the days, and ten times the stores."""
    base, times, grown = SHAPES[bench.size], TIMES[bench.size], GROWN[bench.size]
    shapes = {"base": base, **{name: replace(base, **{name: getattr(base, name) * times}) for name in grown}}
    for name, shape in shapes.items():
        late = [_late(shape, turn) for turn in range(2 * bench.repeat)]
        bench.call("p2_history:loaded", home=str(bench.work / name), shape=shape.values(), without=late)
    sides = [partial(_one, bench, name, shape) for name, shape in shapes.items()]
    measured = dict(zip(shapes, in_turns(*sides, repeat=bench.repeat), strict=True))
    once, idle = _cpu(measured["base"])
    rows = []
    for name in grown:
        more, nothing = _cpu(measured[name])
        rows.append(
            Row(
                f"P2 one late store-day, {times} times the {name}: {shapes[name]}",
                f"{more:.2f} s CPU (idle {nothing:.2f})",
                f"{once:.2f} s CPU (idle {idle:.2f}; ours: {base})",
                f"{more / once:.2f}x",
                f"<= {MOST}x",
                more / once <= MOST,
                measured[name],
                measured["base"],
            )
        )
    return rows


def _cpu(sides: Sequence[Side]) -> tuple[float, float]:
    """Of the late day, and of a run with nothing to do."""
    return middle(sides, lambda side: side.result["cpu"]), middle(sides, lambda side: side.result["idle"])


def _late(shape: Shape, turn: int) -> tuple[int, int]:
    return turn % shape.stores, shape.days - LATE - turn // shape.stores


def _one(bench: Bench, name: str, shape: Shape, turn: int) -> Side:
    days = [_late(shape, 2 * turn), *([_late(shape, 2 * turn + 1)] if WARMED[bench.size] else [])]
    return bench.call("p2_history:late", home=str(bench.work / name), shape=shape.values(), store_days=days)


def loaded(home: str, shape: dict[str, int], without: list[tuple[int, int]]) -> dict[str, float]:
    """The history, without the days that come late."""
    return load(home, shape, "month", without)


def late(home: str, shape: dict[str, int], store_days: list[tuple[int, int]]) -> dict[str, float]:
    """A run for each late file, then one with nothing to do; the figures are of the last file, with imports done."""
    for store, day in store_days:
        write_days(Shape(**shape), settings_of(home).landing, [(store, day)], revision=0)
        found = run_and_time(home)
    return {**found, "idle": run_and_time(home)["cpu"]}
