"""Q1's other engines on M5: a day's update from kept state.

Belongs here: what they are scored on and their rows. Does not belong here: the fast engine itself and its rivals
(`q1_m5`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks import m5
from benchmarks.m5_frames import demand_at
from benchmarks.measure import Side, Stopwatch, middle
from benchmarks.report import Row

CHOICE_FIRST_DAY = m5.PUBLIC_FIRST_DAY - m5.HORIZON
"""A window of the days on which the engines were chosen, so that the public one stays what it is."""

LEAST_UPDATES = 1_000_000
_AFTER = 7
_TIMES = 20
UPDATE_NOTE = (
    f"The update: d_{CHOICE_FIRST_DAY}..d_{CHOICE_FIRST_DAY + m5.HORIZON - 1}, means of forecasts fitted {_AFTER} days "
    "before and carried on to the last known one, and of forecasts fitted on that one. Speed: one store's state, "
    "level, 28 days of means and variances and the seasonal naive, from one day to the next, without reading the day."
)


def update_row(sides: list[Side]) -> Row:
    """How fast a day is taken in, and what is lost against a fit of the same day."""
    result = sides[0].result
    speed = middle(sides, lambda side: side.result["updates"])
    return Row(
        "Q1 M5, a day's update from kept state, series a second and core; WRMSSE a week after the fit",
        f"{speed:,.0f}; {result['updated']:.4f}",
        f"{middle(sides, lambda side: side.result['fits']):,.0f}; {result['refitted']:.4f} (a fit)",
        f"{speed / middle(sides, lambda side: side.result['fits']):,.0f}x",
        f">= {LEAST_UPDATES:,}",
        speed >= LEAST_UPDATES,
        sides,
    )


def update(data: str) -> dict[str, float]:
    """Forecast a window from a fit of the day before and from an older one carried on; series a second of each."""
    from emma_platform.transforms.demand_factors import fit_factors
    from emma_platform.transforms.forecast_origin import forecast_from
    from emma_platform.transforms.forecast_update import updated

    known = m5.load(Path(data))
    refitted, carried = (np.zeros((m5.HORIZON, len(known.items))) for _ in range(2))
    updates, fits = [], []
    for store in dict.fromkeys(known.stores):
        demand, series = demand_at(known, store, CHOICE_FIRST_DAY)
        last = len(demand.units) - 1
        old = forecast_from(demand, last - _AFTER, m5.HORIZON, fit_factors(demand, last - _AFTER))
        carried[:, series] = updated(old, demand, last, m5.HORIZON).mean * old.live
        with Stopwatch() as fit:
            made = forecast_from(demand, last, m5.HORIZON, fit_factors(demand, last))
        refitted[:, series] = made.mean * made.live
        with Stopwatch() as daily:
            for _ in range(_TIMES):
                updated(old, demand, last - _AFTER + 1, m5.HORIZON)
        fits.append(len(series) / fit.cpu)
        updates.append(_TIMES * len(series) / daily.cpu)
    return {
        "updates": float(np.median(updates)),
        "fits": float(np.median(fits)),
        "updated": m5.score(known, carried, CHOICE_FIRST_DAY).average,
        "refitted": m5.score(known, refitted, CHOICE_FIRST_DAY).average,
    }
