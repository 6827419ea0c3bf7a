"""The account of price advice: what accepted advice promised and what it delivered.

Belongs here: summing the effects of decisions over products and time. Does not belong here: the effect of one decision
(`transforms.advice_effects`), and the picture (`advice_picture`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from emma_platform.model.access import StoreScope
from emma_platform.model.advice import ADVICE_EFFECTS
from emma_platform.serving.reader import Reader

_QUANTILES = ("p10", "p50", "p90")


@dataclass(frozen=True, slots=True)
class Amount:
    """Profit a week: more than `p10` with a chance of 90 %, more than `p90` with one of 10 %."""

    p10: float
    p50: float
    p90: float


@dataclass(frozen=True, slots=True)
class Moment:
    """What accepted advice had come to by a day on which a price changed."""

    day: date
    promised: float
    delivered: Amount


@dataclass(frozen=True, slots=True)
class Account:
    """Promised and delivered, in the currency of the stores.

    Attributes:
        decisions: how often each was decided.
        outcomes: how many decisions are in each state of `advice_effects.status`.
        measured: decisions whose effect is measured and whose promise is known; the amounts are theirs.
        promised: what was expected of them, profit a week.
        delivered: what they brought, profit a week.
        running: the same sums up to each day.
        effects: every decision, as `advice_effects` has it.
    """

    decisions: Mapping[str, int]
    outcomes: Mapping[str, int]
    measured: int
    promised: Amount
    delivered: Amount
    running: tuple[Moment, ...]
    effects: tuple[Mapping[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        effects = [{name: _plain(value) for name, value in row.items()} for row in self.effects]
        running = [{"day": moment.day.isoformat(), "promised": moment.promised, "delivered": asdict(moment.delivered)}
                   for moment in self.running]  # fmt: skip
        return {
            "decisions": dict(self.decisions),
            "outcomes": dict(self.outcomes),
            "measured": self.measured,
            "promised": asdict(self.promised),
            "delivered": asdict(self.delivered),
            "running": running,
            "effects": effects,
        }


def account(reader: Reader, scope: StoreScope, *, store: str | None = None) -> Account:
    """The account of one store or of all in the scope.

    Raises:
        ServingError: there is no such store.
    """
    rows = reader.table(scope, ADVICE_EFFECTS.name, stores=None if store is None else [store]).to_pylist()
    rows.sort(key=lambda row: (row["decided_at"], row["store"], row["product"]))
    compared = sorted(
        (row for row in rows if row["status"] == "measured" and row["promised_p50"] is not None),
        key=lambda row: (row["changed_on"], row["store"], row["product"]),
    )
    days = sorted({row["changed_on"] for row in compared})
    return Account(
        decisions=Counter(row["decision"] for row in rows),
        outcomes=Counter(row["status"] for row in rows),
        measured=len(compared),
        promised=total(compared, "promised"),
        delivered=total(compared, "delivered"),
        running=tuple(_moment(day, [row for row in compared if row["changed_on"] <= day]) for day in days),
        effects=tuple(rows),
    )


def _moment(day: date, rows: Sequence[Mapping[str, Any]]) -> Moment:
    return Moment(day, total(rows, "promised").p50, total(rows, "delivered"))


def total(rows: Sequence[Mapping[str, Any]], what: str) -> Amount:
    """The sum of `promised` or `delivered` over decisions, with an approximate interval.

    Within a store the distances from the middle add up, for its products share controls, weather and customers;
    between stores their squares do. The truth lies between that and decisions that err independently, so the interval
    is rather too wide.
    """
    middle = math.fsum(row[f"{what}_p50"] for row in rows)
    below: dict[str, float] = {}
    above: dict[str, float] = {}
    for row in rows:
        low, mid, high = (row[f"{what}_{name}"] for name in _QUANTILES)
        below[row["store"]] = below.get(row["store"], 0.0) + (mid - low)
        above[row["store"]] = above.get(row["store"], 0.0) + (high - mid)
    return Amount(middle - math.hypot(*below.values()), middle, middle + math.hypot(*above.values()))


def _plain(value: object) -> object:
    if isinstance(value, (int, float, str)) or value is None:
        return value
    return value.isoformat() if isinstance(value, date) else str(value)
