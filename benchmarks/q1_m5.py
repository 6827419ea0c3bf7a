"""Q1: the forecast of M5 and what it costs, against statsforecast, mlforecast and statsmodels.

Belongs here: our side, what is compared. Does not belong here: the score (`m5`), the rivals (`rivals.forecasting`) and
our other engines (`q1_engines`).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import m5, made_m5, q1_engines
from benchmarks.m5_forecast import fits, forecasts
from benchmarks.measure import Bench, Side, Stopwatch, in_turns, middle
from benchmarks.real_data import needed
from benchmarks.report import Row

SAMPLE = {"tiny": 4, "small": 60, "full": 300}
RIVALS = ("AutoETS", "AutoTheta", "IMAPA", "CrostonSBA", "mlforecast", "statsmodels")
QUICK_RIVALS = ("statsmodels",)
"""Those of the size `tiny`: the others compile for more than a minute."""

MOST_WRMSSE, MOST_CPU, LEAST_RATIO, LEAST_RATIO_PRICELESS = 0.60, 60.0, 1_000, 5_000
COVERAGE = {80: (0.78, 0.84), 95: (0.93, 0.97)}
NOTE = (
    "d_1914..d_1941 from the 419 days before, which is all that is at hand (the competition gave 1,913). Ours: "
    "`forecast_store`, a call a store, every series, with what the platform does besides: intervals, four earlier "
    "origins scored, the report card of 28 days, the totals, the tables; CPU of those calls alone. Fit and 28 days "
    "alone: what it does at each origin, with reading the rows, which is what the rivals do; after a warm-up like "
    "theirs, while the other figures of ours hold it (0.7 s); no price has a part in it, and AutoETS knows no "
    "calendar. Prices are known for one store of ten and half of another. "
    "The rivals: fit and 28 days of the stated number of series, drawn at random, one core, CPU after a warm-up that "
    "compiles; AutoETS and AutoTheta with 80 and 95 % intervals, the others without. Their error is the level 12 "
    "WRMSSE of these series, beside ours of the same series. LightGBM by mlforecast is one model of the sample's "
    "series, so it learns from less than it could. An interval of counts that includes its ends holds more than it "
    "promises, most of all where it begins at 0; the goal is meant by the randomised probability integral transform "
    "(Czado, Gneiting and Held 2009), which takes of each day's count the share that lies between the two "
    f"probabilities. {q1_engines.NOTE} `tiny` runs on made data."
)


def run(bench: Bench) -> list[Row]:
    """The score, the cost and the coverage of ours, and each rival's error and cost beside ours.

    Raises:
        AbsentError: there are no M5 data.
    """
    if bench.size == "tiny":
        data = bench.work / "data"
        made_m5.write(data)
    else:
        data = needed(m5.FILES, bench.data)
    place = str(data)
    count = SAMPLE[bench.size]
    bench.work.mkdir(parents=True, exist_ok=True)
    forecast, fitted = str(bench.work / "ours.npy"), str(bench.work / "fit.npy")

    def ours(_: int, *, priced: bool) -> Side:
        return bench.call("q1_m5:ours", data=place, forecast=forecast if priced else "", priced=priced)

    def fit_alone(_: int) -> Side:
        return bench.call("q1_m5:fit", data=place, fitted=fitted)

    def rival(name: str, turn: int) -> Side:
        return bench.call(
            "q1_m5:rival", data=place, name=name, count=count, seed=turn, forecast=forecast, fitted=fitted
        )

    names = QUICK_RIVALS if bench.size == "tiny" else RIVALS
    sides = [
        partial(ours, priced=True),
        partial(ours, priced=False),
        fit_alone,
        lambda _: bench.call("q1_engines:update", data=place),
        lambda _: bench.call("q1_engines:best", data=place),
        *(partial(rival, name) for name in names),
    ]
    mine, priceless, alone, updates, best, *others = in_turns(*sides, repeat=bench.repeat)
    rows = [*_own(mine), q1_engines.best_row(best, mine), q1_engines.update_row(updates)]
    for name, theirs in zip(names, others, strict=True):
        rows.append(_against(name, theirs, mine, count, "price, calendar, intervals", LEAST_RATIO))
        if name == "AutoETS":
            rows.append(_against(name, theirs, priceless, count, "no price", LEAST_RATIO_PRICELESS))
            what = "fit and 28 days alone, no price"
            rows.append(_against(name, theirs, alone, count, what, LEAST_RATIO_PRICELESS, own="fitted"))
    return rows


def _own(mine: list[Side]) -> list[Row]:
    first = mine[0].result
    average, naive, cpu = first["average"], first["naive"], middle(mine, lambda side: side.result["cpu"])
    rows = [
        Row(
            f"Q1 M5, average WRMSSE of 12 levels, {first['series']:,} series",
            f"{average:.4f}",
            f"{naive:.4f} (seasonal naive)",
            f"{naive / average:.2f}x",
            f"<= {MOST_WRMSSE}",
            average <= MOST_WRMSSE,
            mine,
        ),
        Row("Q1 M5, CPU of the same", f"{cpu:.1f} s", "-", "-", f"<= {MOST_CPU:.0f} s", cpu <= MOST_CPU, mine),
    ]
    for percent, (low, high) in COVERAGE.items():
        found, plain = first[f"coverage_{percent}"], first[f"plain_coverage_{percent}"]
        name = f"Q1 M5, days within {percent} % intervals, by randomised transform; ends included"
        goal, met = f"{low:.0%} to {high:.0%}", low <= found <= high
        rows.append(Row(name, f"{found:.1%}; {plain:.1%}", "-", "-", goal, met, mine))
    return rows


def _against(
    name: str, theirs: list[Side], mine: list[Side], count: int, what: str, least: int, own: str = "ours"
) -> Row:
    each = middle(mine, lambda side: side.result["cpu"] / side.result["series"])
    their_each = middle(theirs, lambda side: side.result["cpu"] / side.result["series"])
    error, their_error = (middle(theirs, lambda side, key=key: side.result[key]) for key in (own, "error"))
    has_goal = name == "AutoETS"
    return Row(
        f"Q1 M5, CPU a series ({what}); level 12 WRMSSE, {count} random series",
        f"{1000 * each:.3f} ms; {error:.3f}",
        f"{1000 * their_each:.1f} ms; {their_error:.3f} ({name})",
        f"{their_each / each:,.0f}x",
        f">= {least:,}x, more accurate" if has_goal else "more accurate",
        (their_each / each >= least or not has_goal) and error < their_error,
        mine,
        theirs,
    )


def ours(data: str, forecast: str, *, priced: bool) -> dict[str, float]:
    """Forecast, score; keep the means in the file named, if one is."""
    from emma_platform.transforms.interval_calibration import shares_inside

    known = m5.load(Path(data))
    first = m5.PUBLIC_FIRST_DAY
    (mean, p025, p10, p90, p975), predicted, cpu = forecasts(known, first, priced=priced)
    if forecast:
        np.save(forecast, mean)
    actual = known.units[known.rows(first, first + m5.HORIZON - 1)].astype(np.float64)
    week = known.units[known.rows(first - 7, first - 1)]
    live = mean.any(axis=0)
    inside = shares_inside(actual[:, live], *predicted[:, :, live]).mean(axis=(1, 2))
    return {
        "cpu": cpu,
        "series": len(known.items),
        "average": m5.score(known, mean, first).average,
        "naive": m5.score(known, np.tile(week, (4, 1)), first).average,
        "coverage_80": float(inside[0]),
        "coverage_95": float(inside[1]),
        "plain_coverage_80": float(((actual >= p10) & (actual <= p90))[:, live].mean()),
        "plain_coverage_95": float(((actual >= p025) & (actual <= p975))[:, live].mean()),
    }


def fit(data: str, fitted: str) -> dict[str, float]:
    """Fit and forecast 28 days, with intervals and nothing else; keep the means in the file named."""
    known = m5.load(Path(data))
    mean, cpu = fits(known, m5.PUBLIC_FIRST_DAY)
    np.save(fitted, mean)
    return {"cpu": cpu, "series": len(known.items)}


def rival(data: str, name: str, count: int, seed: int, forecast: str, fitted: str) -> dict[str, float]:
    """Forecast a random sample by another library; its error and, of the same series, that of what both files hold."""
    from benchmarks.rivals import forecasting

    known, first = m5.load(Path(data)), m5.PUBLIC_FIRST_DAY
    history = known.units[: first - known.first_day].astype(np.float64)
    lively = np.flatnonzero((history[-28 * 6 :] > 0).any(axis=0))
    chosen = np.sort(np.random.default_rng(seed).choice(lively, size=min(count, len(lively)), replace=False))
    days = known.dates[: len(history)]
    predict = forecasting.RIVALS[name]
    predict(history[:, chosen[:2]], days)
    with Stopwatch() as watch:
        found = predict(history[:, chosen], days)
    actual = known.units[known.rows(first, first + m5.HORIZON - 1)][:, chosen]
    codes = known.groups[-1][0][chosen] + (known.level_of_sum < len(m5.LEVELS) - 1).sum()
    means = {"error": found, "ours": np.load(forecast)[:, chosen], "fitted": np.load(fitted)[:, chosen]}
    weights, scales = known.weights[codes], known.public_scales[codes]
    errors = {key: _level_12(actual, mean, weights, scales) for key, mean in means.items()}
    return {"cpu": watch.cpu, "series": len(chosen), **errors}


def _level_12(actual: np.ndarray, found: np.ndarray, weights: np.ndarray, scales: np.ndarray) -> float:
    return float(np.average(np.sqrt(((actual - found) ** 2).mean(axis=0) / scales), weights=weights))
