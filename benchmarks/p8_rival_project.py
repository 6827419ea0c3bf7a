"""P8: the whole job against a straightforward Dagster project.

Belongs here: both sides of a rebuild, on what the rival can finish and on a longer history, and of one correction. Does
not belong here: the rival (`rivals.dagster_pandas`).
"""

from __future__ import annotations

import shutil
from dataclasses import replace

from benchmarks.chain import Shape
from benchmarks.measure import Bench, Side, in_turns, middle
from benchmarks.report import Row
from benchmarks.rival_runs import WINDOW

SHAPES = {
    "tiny": Shape(stores=1, days=29, products=4, lines=8),
    "small": Shape(stores=20, days=120, products=60, lines=100),
    "full": Shape(stores=100, days=365, products=60, lines=100),
}
CORRECTION_RUNS = {"tiny": 1, "small": WINDOW, "full": WINDOW}
RIVAL_DAYS = {"tiny": 1, "small": 6, "full": 6}
RIVAL_STORES = {"tiny": 1, "small": 5, "full": 20}
LEAST = 50
NOTE = (
    "From dropped files to everything published (ours: with forecasts, prices and checks), to key figures (the "
    "rival), CPU of the body, libraries imported before on both sides. The rival's time a store-day is measured on its "
    "first days, whose windows are not full yet, and in one process; started by a daemon, each run costs a process "
    "more. A corrected store-day: ours is one run with all that a run costs, the rival's a run for each of the 28 days "
    "that it touches. What a run costs whatever it does (3 s: the run itself, telling, checks, publication) is nearly "
    "all of a small job and of one correction, and a sixtieth of the whole."
)


def run(bench: Bench) -> list[Row]:
    """Three rows: the part that both finish, the whole, the rival extrapolated, and one correction in it."""
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
        _correction(bench, whole),
    ]


def _correction(bench: Bench, shape: Shape) -> Row:
    """One corrected store-day of the history that lies in the home now, and in a project of the rival."""
    home, project, runs = str(bench.work / "home"), str(bench.work / "corrected"), CORRECTION_RUNS[bench.size]

    def ours(turn: int) -> Side:
        return bench.call("p3_corrections:correct", home=home, shape=shape.values(), count=1, revision=turn + 1)

    def rival(turn: int) -> Side:
        window = {"before": runs - 1, "runs": runs}
        return bench.call("rival_runs:correction", home=project, shape=shape.values(), revision=turn + 1, **window)

    mine, theirs = in_turns(ours, rival, repeat=bench.repeat)
    cpu, rivals = (middle(sides, lambda side: side.result["cpu"]) for sides in (mine, theirs))
    return Row(
        f"P8 one corrected store-day, {shape}",
        f"{cpu:.2f} s CPU",
        f"{rivals:.1f} s CPU ({runs} runs)",
        f"{rivals / cpu:.1f}x",
        f">= {LEAST}x",
        rivals / cpu >= LEAST,
        mine,
        theirs,
    )
