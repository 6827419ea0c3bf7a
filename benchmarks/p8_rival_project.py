"""P8: the whole job against a straightforward Dagster project.

Belongs here: both sides, on what the rival can finish and on a longer history. Does not belong here: the rival
(`rivals.dagster_pandas`).
"""

from __future__ import annotations

import shutil
from dataclasses import replace

from benchmarks.chain import Shape
from benchmarks.measure import Bench, Side, in_turns, middle
from benchmarks.report import Row

SHAPES = {
    "tiny": Shape(stores=1, days=30, products=10, lines=20),
    "small": Shape(stores=20, days=120, products=60, lines=100),
    "full": Shape(stores=100, days=365, products=60, lines=100),
}
RIVAL_DAYS = {"tiny": 2, "small": 6, "full": 6}
RIVAL_STORES = {"tiny": 1, "small": 5, "full": 20}
LEAST = 50
NOTE = (
    "From dropped files to everything published (ours: with forecasts, prices and checks), to key figures (the "
    "rival), CPU of the body without imports. The rival's time a store-day is measured on its first days, whose "
    "windows are not full yet, and in one process; started by a daemon, each run costs a process more."
)


def run(bench: Bench) -> list[Row]:
    """Two rows: the part that both finish, and the whole, the rival extrapolated."""
    whole, stores, days = SHAPES[bench.size], RIVAL_STORES[bench.size], RIVAL_DAYS[bench.size]
    part = replace(whole, stores=stores, days=days)

    def ours(shape: Shape) -> Side:
        shutil.rmtree(bench.work / "home", ignore_errors=True)
        return bench.call("home:load", home=str(bench.work / "home"), shape=shape.values(), by="day")

    def rival(_turn: int) -> Side:
        shutil.rmtree(bench.work / "project", ignore_errors=True)
        return bench.call("rival_runs:history", home=str(bench.work / "project"), shape=part.values())

    short, theirs, long = in_turns(lambda _: ours(part), rival, lambda _: ours(whole), repeat=bench.repeat)
    cpu = {name: middle(sides, lambda side: side.result["cpu"]) for name, sides in
           (("short", short), ("theirs", theirs), ("long", long))}  # fmt: skip
    total = cpu["theirs"] / part.store_days * whole.store_days
    return [
        Row(
            f"P8 whole job, {part}",
            f"{cpu['short']:.1f} s CPU",
            f"{cpu['theirs']:,.1f} s CPU (rival project)",
            f"{cpu['theirs'] / cpu['short']:,.1f}x",
            f">= {LEAST}x",
            cpu["theirs"] / cpu["short"] >= LEAST,
            short,
            theirs,
        ),
        Row(
            f"P8 whole job, {whole}",
            f"{cpu['long']:.1f} s CPU",
            f"{total:,.0f} s CPU (extrapolated)",
            f"{total / cpu['long']:,.0f}x",
            f">= {LEAST}x",
            total / cpu["long"] >= LEAST,
            long,
            theirs,
        ),
    ]
