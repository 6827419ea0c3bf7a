"""P3: 37 random corrections in one run, against the rival project.

Belongs here: the corrections and both sides. Does not belong here: the rival (`rivals.dagster_pandas`).
"""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.chain import Shape, write_days
from benchmarks.home import load, run_and_time, settings_of
from benchmarks.measure import Bench, Side, in_turns, middle
from benchmarks.report import Row
from benchmarks.rival_runs import WINDOW

SHAPES = {
    "tiny": Shape(stores=2, days=15, products=4, lines=8),
    "small": Shape(stores=20, days=120, products=60, lines=100),
    "full": Shape(stores=100, days=365, products=60, lines=100),
}
CORRECTIONS = {"tiny": 3, "small": 37, "full": 37}
RIVAL_RUNS = {"tiny": 2, "small": WINDOW, "full": WINDOW}
DAYS_BEFORE = {"tiny": 1, "small": WINDOW - 1, "full": WINDOW - 1}
MOST_SECONDS, LEAST_RATIO = 3.0, 100
NOTE = (
    "Body: the one step of the run, as Dagster recorded its start and end: intake, all tables with forecasts and "
    "prices, publication, reporting, checks. The rival recomputes each corrected day and the figures of the 27 "
    "days after it, a run each, no day twice; the runs of one correction are measured, on a project that holds only "
    "its days, and the others *extrapolated*. Its runs share one process; started by a daemon, each costs a process "
    "more. Where ours went, of 15.3 s once on a quiet machine, before forecasts took a third of the CPU: intake 1.5 "
    "(it looks at 36,500 files), clean sales .8, key figures 1.8, price evidence and advice 3.0 and forecasts 3.5 of "
    "30 stores, checks 1.8, publication 1.1, telling Dagster of 1,300 partitions 1.7. No part carries it; its 34 "
    "DuckDB statements were 6 s of its 19 s of CPU. Since then a publication also writes the rows behind the pages of "
    "the stores that changed, and why their figures moved: .7 s for 10 of them, under a profile."
)


def run(bench: Bench) -> list[Row]:
    """Two rows: the body's seconds, and the same against the rival."""
    shape, count, runs = SHAPES[bench.size], CORRECTIONS[bench.size], RIVAL_RUNS[bench.size]
    home, project = str(bench.work / "home"), str(bench.work / "project")
    bench.call("p3_corrections:loaded", home=home, shape=shape.values())

    def corrected(turn: int) -> Side:
        return bench.call("p3_corrections:correct", home=home, shape=shape.values(), count=count, revision=turn + 1)

    def rival(turn: int) -> Side:
        window = {"before": DAYS_BEFORE[bench.size], "runs": runs}
        return bench.call("rival_runs:correction", home=project, shape=shape.values(), revision=turn + 1, **window)

    ours, theirs = in_turns(corrected, rival, repeat=bench.repeat)
    body = middle(ours, lambda side: side.result["body"])
    each = middle(theirs, lambda side: side.result["wall"] / side.result["runs"])
    affected = round(middle(ours, lambda side: side.result["affected"]))
    total = each * affected
    name = f"{count} random corrections, {shape}"
    return [
        Row(
            f"P3 {name}: body of the one run",
            f"{body:.2f} s",
            "-",
            "-",
            f"<= {MOST_SECONDS:g} s",
            body <= MOST_SECONDS,
            ours,
        ),
        Row(
            f"P3 the same against {affected:,} runs of the rival project",
            f"{body:.2f} s",
            f"{total:,.0f} s ({each:.2f} s a run; extrapolated)",
            f"{total / body:,.0f}x",
            f">= {LEAST_RATIO}x",
            total / body >= LEAST_RATIO,
            ours,
            theirs,
        ),
    ]


def loaded(home: str, shape: dict[str, int]) -> dict[str, float]:
    """The history, a file a store-day."""
    return load(home, shape, "day")


def correct(home: str, shape: dict[str, int], count: int, revision: int) -> dict[str, float]:
    """Send other lines for random store-days, and take them in one run of the update job."""
    size = Shape(**shape)
    numbers = random.Random(revision).sample(range(size.store_days), count)  # noqa: S311 - a choice to measure with
    days = [divmod(number, size.days) for number in numbers]
    write_days(size, Path(settings_of(home).landing), days, revision=revision)
    affected = {(store, late) for store, day in days for late in range(day, min(day + WINDOW, size.days))}
    return {**run_and_time(home), "affected": len(affected)}
