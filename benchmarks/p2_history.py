"""P2: one late store-day, with ten times the history against one time.

Belongs here: what it costs to take one late file on homes of different size. Does not belong here: how the homes are
loaded (`home`).

History grows in two ways, measured apart: ten times the days, and ten times the stores. The late day lies 40 days
before the last, so that all 28 days that see it are there, and every turn takes another store-day.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.chain import Shape, write_days
from benchmarks.home import load, settings_of
from benchmarks.measure import Bench, Side, Stopwatch, in_turns, middle
from benchmarks.report import Row

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from emma_platform.settings import Settings

SHAPES = {
    "tiny": Shape(stores=1, days=45, products=10, lines=20),
    "small": Shape(stores=4, days=100, products=60, lines=100),
    "full": Shape(stores=10, days=100, products=200, lines=300),
}
WARMED = {"tiny": False, "small": True, "full": True}
TIMES = {"tiny": 2, "small": 10, "full": 10}
MOST = 1.1
LATE = 40
NOTE = (
    "CPU of the body (batch, reporting and checks) without imports, which would only bring the ratio nearer to 1. "
    "A forecast looks at up to 730 days of its store, so ten times the days is more work there by design."
)


def run(bench: Bench) -> list[Row]:
    """Two rows: ten times the days, and ten times the stores."""
    base, times = SHAPES[bench.size], TIMES[bench.size]
    shapes = {
        "base": base,
        "days": replace(base, days=base.days * times),
        "stores": replace(base, stores=base.stores * times),
    }
    for name, shape in shapes.items():
        late = [_late(shape, turn) for turn in range(2 * bench.repeat)]
        bench.call("p2_history:loaded", home=str(bench.work / name), shape=shape.values(), without=late)
    sides = [partial(_one, bench, name, shape) for name, shape in shapes.items()]
    measured = dict(zip(shapes, in_turns(*sides, repeat=bench.repeat), strict=True))
    once = middle(measured["base"], lambda side: side.result["cpu"])
    rows = []
    for name in ("days", "stores"):
        more = middle(measured[name], lambda side: side.result["cpu"])
        rows.append(
            Row(
                f"P2 one late store-day, {times} times the {name}: {shapes[name]}",
                f"{more:.2f} s CPU",
                f"{once:.2f} s CPU (ours: {base})",
                f"{more / once:.2f}x",
                f"<= {MOST}x",
                more / once <= MOST,
                measured[name],
                measured["base"],
            )
        )
    return rows


def _late(shape: Shape, turn: int) -> tuple[int, int]:
    return turn % shape.stores, shape.days - LATE - turn // shape.stores


def _one(bench: Bench, name: str, shape: Shape, turn: int) -> Side:
    days = [_late(shape, 2 * turn), *([_late(shape, 2 * turn + 1)] if WARMED[bench.size] else [])]
    return bench.call("p2_history:late", home=str(bench.work / name), shape=shape.values(), store_days=days)


def loaded(home: str, shape: dict[str, int], without: list[tuple[int, int]]) -> dict[str, float]:
    """The history, without the days that come late."""
    return load(home, shape, "month", without)


def late(home: str, shape: dict[str, int], store_days: list[tuple[int, int]]) -> dict[str, float]:
    """Take late files one by one; the figures are those of the last, as the first brings the imports with it.

    Does what the assets' step does, within an instance of Dagster but without a run around it.
    """
    from emma_platform.pipeline.instance import instance_of

    settings = settings_of(home)
    with instance_of(settings) as instance:
        for store, day in store_days:
            write_days(Shape(**shape), settings.landing, [(store, day)], revision=0)
            found = _body(settings, instance)
    return found


def _body(settings: Settings, instance: DagsterInstance) -> dict[str, float]:
    from emma_platform.pipeline.assets import STEP, tell
    from emma_platform.pipeline.checks import check_specs, evaluate
    from emma_platform.pipeline.report import report_checks
    from emma_platform.recompute.batch import update
    from emma_platform.recompute.platform import open_platform

    wanted = [spec.key for spec in check_specs()]
    with Stopwatch() as whole:
        platform = open_platform(settings)
        with Stopwatch() as batch:
            report = update(platform)
        with Stopwatch() as telling:
            told = tell(instance, platform, "")
        with Stopwatch() as checking:
            report_checks(instance, list(evaluate(platform, wanted, told)), run_id="", step_key=STEP)
    return {
        "cpu": whole.cpu, "wall": whole.wall, "batch": batch.cpu, "telling": telling.cpu, "checking": checking.cpu,
        "partitions": sum(report.partitions.values()), **report.layers,
    }  # fmt: skip
