"""What the calendar says of each day, as columns of a regression: weekday, events, place in the month and in the year.

Belongs here: the columns and how far each effect is expected to lie from none. Does not belong here: the fit
(`calendar_regression`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from emma_platform.transforms.demand import Demand, Flags, Floats

FREQUENT = 0.08
"""An event on more than this share of the days, such as a weekly market, belongs to the usual days."""

_WEEKDAY, _KIND, _RARE, _FREQUENT, _NEAR = 0.5, 0.3, 0.1, 0.2, 0.04
_MONTH, _YEAR = 0.05, 0.15
_MONTH_PAIRS, _YEAR_PAIRS = 2, 6
_NEAR_DAYS = (-3, -2, -1, 1)
_CARRIED_DAYS = 7


@dataclass(frozen=True)
class Terms:
    """Terms of a log-linear model.

    Attributes:
        columns: days x terms.
        spread: per term the standard deviation, on the log scale, of the effects that it is expected to have.
    """

    columns: Floats
    spread: Floats


def rare_events(demand: Demand, origin: int) -> Flags:
    """The days up to `origin` with an event that is not frequent."""
    past = slice(0, origin + 1)
    rare = np.zeros(origin + 1, dtype=np.bool_)
    for event in demand.events:
        if event.on[past].mean() <= FREQUENT:
            rare |= event.on[past]
    return rare


def calendar_terms(demand: Demand, origin: int) -> Terms:
    """The terms of the days up to `origin` and of as many after it as were laid out after the last day, and seven more.

    The seven are there for forecasts that are carried on until the next weekly origin.

    Terms that no past day has are left out: nothing is known of them. Spreads were chosen on M5 before d_1913; those of
    sines and cosines fall with their frequency.
    """
    ahead = len(demand.closed) - len(demand.units)
    days = min(origin + 1 + ahead + _CARRIED_DAYS, len(demand.closed))
    weekdays = demand.weekdays[:days]
    found: list[tuple[Flags | Floats, float]] = [(weekdays == day, _WEEKDAY) for day in range(7)]
    found += _events(demand, origin, days)
    dates = np.datetime64(demand.first_day, "D") + np.arange(days)
    found += _waves(_phase(dates, "M"), _MONTH_PAIRS, _MONTH)
    found += _waves(_phase(dates, "Y"), _YEAR_PAIRS, _YEAR)
    known = [(column, spread) for column, spread in found if column[: origin + 1].any()]
    columns = np.stack([column for column, _ in known], axis=1).astype(np.float64)
    return Terms(columns, np.array([spread for _, spread in known]))


def _events(demand: Demand, origin: int, days: int) -> list[tuple[Flags, float]]:
    """A term for each event; rare ones share one of their kind, and one for each day near them."""
    found: list[tuple[Flags, float]] = []
    kinds: dict[str, Flags] = {}
    for event in sorted(demand.events, key=lambda event: (event.kind, event.name)):
        on = event.on[:days]
        frequent = on[: origin + 1].mean() > FREQUENT
        found.append((on, _FREQUENT if frequent else _RARE))
        if not frequent:
            kinds[event.kind] = kinds.get(event.kind, np.zeros_like(on)) | on
    for on in kinds.values():
        found.append((on, _KIND))
        found += [(_moved(on, by), _NEAR) for by in _NEAR_DAYS]
    return found


def _moved(on: Flags, by: int) -> Flags:
    """The days that lie `by` days after the marked ones."""
    moved = np.zeros_like(on)
    if by > 0:
        moved[by:] = on[:-by]
    else:
        moved[:by] = on[-by:]
    return moved


def _phase(dates: npt.NDArray[np.datetime64], unit: Literal["M", "Y"]) -> Floats:
    """How much of its month or year has passed at noon of each day."""
    whole = dates.astype(f"datetime64[{unit}]")
    first, after = (edge.astype("datetime64[D]").astype(np.int64) for edge in (whole, whole + 1))
    return np.asarray((dates.astype(np.int64) - first + 0.5) / (after - first), dtype=np.float64)


def _waves(phase: Floats, pairs: int, spread: float) -> list[tuple[Floats, float]]:
    """Sines and cosines of a phase that runs from 0 to 1."""
    return [
        (wave(2.0 * np.pi * number * phase), spread / number)
        for number in range(1, pairs + 1)
        for wave in (np.sin, np.cos)
    ]
