"""What is measured and what must be reached.

Belongs here: one row of a scorecard, and the goals of forecasts and prices. Does not belong here: any measurement.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Goals:
    """What forecasts and prices must reach; shares are fractions.

    Attributes:
        wape: highest error of the mean forecast against the true mean.
        skill: lowest skill against the seasonal naive, as a share of the skill that the true mean itself has.
        coverage: largest distance of an interval's coverage from that of the true interval, which on counts is above
            its name.
        report_card: largest distance of the coverage that the platform states from the one that came true.
        correlation: lowest, of elasticities with the true ones.
        elasticity_error: highest mean absolute error of elasticities.
        harmful: highest share of recommendations that lower the true profit.
        captured: lowest share of the oracle's gain.
    """

    wape: float = 0.25
    skill: float = 0.70
    coverage: float = 0.05
    report_card: float = 0.07
    correlation: float = 0.50
    elasticity_error: float = 0.50
    harmful: float = 0.05
    captured: float = 0.75


@dataclass(frozen=True, slots=True)
class Row:
    """One measure: what was expected and found, as text, and whether it is met."""

    measure: str
    expected: str
    found: str
    met: bool

    @classmethod
    def exact(cls, measure: str, expected: int | Decimal, found: int | Decimal) -> Row:
        """A measure that must agree to the last digit."""
        return cls(measure, _number(expected), _number(found), expected == found)

    @classmethod
    def at_most(cls, measure: str, highest: float, found: float, *, text: str = "", note: str = "") -> Row:
        """A measure with an upper bound; not a number misses it."""
        return cls(measure, f"<= {_short(highest)}{note}", text or _short(found), bool(found <= highest + _EDGE))

    @classmethod
    def at_least(cls, measure: str, lowest: float, found: float, *, text: str = "", note: str = "") -> Row:
        """A measure with a lower bound; not a number misses it."""
        return cls(measure, f">= {_short(lowest)}{note}", text or _short(found), bool(found >= lowest - _EDGE))

    @classmethod
    def near(cls, measure: str, middle: float, within: float, found: float) -> Row:
        """A measure that must lie within a distance of a value; not a number misses it."""
        return cls(
            measure, f"{_short(middle)} +- {_short(within)}", _short(found), bool(abs(found - middle) <= within + _EDGE)
        )


_EDGE = 1e-9


def _short(value: float) -> str:
    return f"{value:.3f}"


def _number(value: int | Decimal) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
