"""Q6: weeks held out of Complete Journey: coverage of the intervals, errors, and AutoETS on the totals of stores.

Belongs here: what is compared. Does not belong here: the data and our forecasts (`complete_journey`).
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import complete_journey
from benchmarks.measure import Bench, Side, Stopwatch, in_turns, middle
from benchmarks.real_data import needed
from benchmarks.report import Row

STORES = {"tiny": 2, "small": 20, "full": 94}
LAST_DAY = date(2017, 12, 31)
WINDOWS = 3
COVERAGE = {80: (0.78, 0.84), 95: (0.93, 0.97)}
NOTE = (
    "The last three windows of 28 days of the year, each forecast from the days before it; lines of 1 to 100 units of "
    "the stores with the most lines (94 trade on over 300 days). Category is the department; no calendar, no "
    "promotions, no stock. Most of the products sell on a few days of the year: their daily intervals go from 0 to 0 "
    "and hold nearly every day, ends included; the goal is meant by the randomised probability integral transform, as "
    "in Q1. The total of a store is that of the products forecast; about a quarter of what 20 stores sell are "
    "products that they had not sold before that year, which no forecast by product knows of: the second figure and "
    "all errors count them. Errors: sum of absolute errors as a share of what was sold. Ours of a store's day is the "
    "sum of its products' forecasts, AutoETS (statsforecast, weekly season) sees the daily totals. That rare sellers "
    "hung on their last sale was found on these windows; what mends it was chosen on three windows before. `tiny` "
    "runs on made data."
)


def run(bench: Bench) -> list[Row]:
    """Coverage and error of products and of stores' totals, and AutoETS on the totals.

    Raises:
        AbsentError: there are no data.
    """
    if bench.size == "tiny":
        data = bench.work / "data"
        complete_journey.write_made(data)
    else:
        data = needed(complete_journey.FILES, bench.data)
    arguments: dict[str, Any] = {"data": str(data), "stores": STORES[bench.size]}
    sides = [lambda _: bench.call("q6_complete_journey:ours", **arguments)]
    if bench.size != "tiny":  # it compiles for more than a minute
        sides.append(lambda _: bench.call("q6_complete_journey:rival", **arguments))
    mine, *others = in_turns(*sides, repeat=bench.repeat)
    return [*_coverage(mine), *_errors(mine, others[0] if others else None)]


def _coverage(mine: list[Side]) -> list[Row]:
    products, totals = mine[0].result["products"], mine[0].result["totals"]
    rows = []
    for number, (percent, (low, high)) in enumerate(COVERAGE.items()):
        goal = f"{low:.0%} to {high:.0%}"
        found, plain = products["transformed"][number], products["inside"][number]
        name = f"Q6 Complete Journey, days of products within {percent} %, by randomised transform; ends included"
        rows.append(Row(name, f"{found:.1%}; {plain:.1%}", "-", "-", goal, low <= found <= high, mine))
        found, everything = totals["inside"][number], totals["everything"][number]
        name = f"Q6 Complete Journey, days of stores within {percent} %; with products not known before"
        rows.append(Row(name, f"{found:.1%}; {everything:.1%}", "-", "-", goal, low <= found <= high, mine))
    return rows


def _errors(mine: list[Side], others: list[Side] | None) -> list[Row]:
    series = mine[0].result["series"]
    rows = []
    for what, name in (("products", f"{series:,} products"), ("totals", "stores' days")):
        found = mine[0].result[what]
        error, naive = found["error"], found["naive"]
        title = f"Q6 Complete Journey, absolute error of {name}"
        said, ratio = f"{naive:.1%} (seasonal naive)", f"{naive / error:.2f}x"
        rows.append(Row(title, f"{error:.1%}", said, ratio, "more accurate", error < naive, mine))
    if others is not None:
        error, theirs = mine[0].result["totals"]["error"], others[0].result["error"]
        each = middle(mine, lambda side: side.result["cpu"] / side.result["series"])
        their_each = middle(others, lambda side: side.result["cpu"] / side.result["series"])
        rows.append(
            Row(
                "Q6 Complete Journey, absolute error of stores' days; CPU a series",
                f"{error:.1%}; {1000 * each:.2f} ms",
                f"{theirs:.1%}; {1000 * their_each:.0f} ms (AutoETS)",
                f"{their_each / each:,.0f}x",
                "more accurate",
                error < theirs,
                mine,
                others,
            )
        )
    return rows


def origins() -> list[date]:
    """The last known days of the windows, the oldest first."""
    length = complete_journey.HORIZON
    return [LAST_DAY - timedelta(days=length * back) for back in range(WINDOWS, 0, -1)]


def ours(data: str, stores: int) -> dict[str, object]:
    """Coverage and errors of products and totals."""
    products, totals = complete_journey.held_out(complete_journey.sales(Path(data), stores), origins())
    return {
        "cpu": products.cpu,
        "series": products.series,
        **{
            name: {
                "inside": found.inside(),
                "transformed": found.rows[["inside_80", "inside_95"]].mean().tolist(),
                "everything": found.inside("everything"),
                "error": found.error("mean"),
                "naive": found.error("naive"),
            }
            for name, found in (("products", products), ("totals", totals))
        },
    }


def rival(data: str, stores: int) -> dict[str, float]:
    """The error of AutoETS on the stores' daily totals, and its CPU."""
    from benchmarks.rivals.forecasting import RIVALS

    rows = complete_journey.sales(Path(data), stores)
    daily = rows.pivot_table(index="day", columns="store", values="units", aggfunc="sum").fillna(0.0)
    first = daily.index[0]
    days = [first + timedelta(days=number) for number in range((LAST_DAY - first).days + 1)]
    units = daily.reindex(days).fillna(0.0).to_numpy()
    predict = RIVALS["AutoETS"]
    predict(units[:, :2], days)
    missed, sold, cpu = 0.0, 0.0, 0.0
    for origin in origins():
        known = (origin - first).days + 1
        with Stopwatch() as watch:
            found = predict(units[:known], days[:known])
        actual = units[known : known + complete_journey.HORIZON]
        missed, sold, cpu = missed + float(np.abs(found - actual).sum()), sold + float(actual.sum()), cpu + watch.cpu
    return {"error": missed / sold, "cpu": cpu, "series": units.shape[1] * WINDOWS}
