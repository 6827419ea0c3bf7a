"""What would have been sold without a change: difference in differences of counts, with a placebo-scaled spread.

Belongs here: the estimate from units and days by unit and block. Does not belong here: which units are controls and
which days count (`advice_window`) and what it means in money (`advice_effects`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FEWEST_FREEDOM = 3
"""Residual degrees of freedom below which no spread is known."""

FEWEST_CONTROL_UNITS = 8.0
"""Units that the controls must have sold before, and after, the change."""

_ROUNDS = 60


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """Units of the treated after the change, had nothing changed.

    Attributes:
        units: expected units on the treated's days after the change.
        log_variance: variance of its logarithm.
        dispersion: variance of a block's units over their mean, from blocks where nothing changed.
        freedom: degrees of freedom of the dispersion.
    """

    units: float
    log_variance: float
    dispersion: float
    freedom: int


def counterfactual(units: Floats, days: Floats) -> Counterfactual | None:
    """The treated's units in the last block, by its earlier blocks and the common movement of the controls.

    Quasi-Poisson model units = days * level(unit) * movement(block), fitted to all cells but the treated's last one;
    with a log link and two sets of effects this is the difference in differences of log rates. The series are summed
    to blocks of weeks, so that days that hang together count once (Bertrand, Duflo and Mullainathan 2004, section
    IV.C). The spread is scaled by the residuals of cells where nothing changed, which are placebos in space and time
    (Abadie, Diamond and Hainmueller 2010, section 2.4), with Student's t for their number (Donald and Lang 2007).

    Args:
        units: unit x block, the treated first and its block after the change last.
        days: days that count of each cell; zero where none does.

    Returns:
        None where the treated sold nothing before, the controls too little, or residuals are too few.
    """
    used = days > 0
    used[0, -1] = False
    control = used[:, -1] & used[:, :-1].any(axis=1)
    keep = control.copy()
    keep[0] = True
    y, d = np.where(used, units, 0.0)[keep], np.where(used, days, 0.0)[keep]
    y[:, ~(y[1:].sum(axis=0) > 0)] = 0.0
    d[:, ~(y[1:].sum(axis=0) > 0)] = 0.0
    before, after = y[1:, :-1].sum(), y[1:, -1].sum()
    own = y[0].sum()
    if own <= 0 or min(before, after) < FEWEST_CONTROL_UNITS:
        return None
    level, movement = _fit(y, d)
    expected = d * level[:, None] * movement[None, :]
    cells = expected > 0
    freedom = int(cells.sum() - (cells.any(axis=1).sum() + cells.any(axis=0).sum() - 1))
    if freedom < FEWEST_FREEDOM:
        return None
    spread = float(((y - expected)[cells] ** 2 / expected[cells]).sum() / freedom)
    return Counterfactual(
        units=float(days[0, -1] * level[0] * movement[-1]),
        log_variance=spread * float(1 / own + 1 / before + 1 / after),
        dispersion=spread,
        freedom=freedom,
    )


def _fit(y: Floats, d: Floats) -> tuple[Floats, Floats]:
    """Levels and movements by iterative proportional fitting, which is the maximum of the Poisson likelihood."""
    movement = np.ones(y.shape[1])
    level = np.zeros(y.shape[0])
    for _ in range(_ROUNDS):
        level = _ratio(y.sum(axis=1), d @ movement)
        movement = _ratio(y.sum(axis=0), level @ d)
    return level, movement


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
