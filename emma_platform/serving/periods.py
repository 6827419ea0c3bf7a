"""The two periods that a change is asked between.

Belongs here: days, and what they are compared with. Does not belong here: figures of them (`changes`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from emma_platform.model.access import StoreScope
from emma_platform.serving.publication import ServingError
from emma_platform.serving.reader import Reader

DEFAULT_DAYS = 28
"""The days of a period when none is given: four whole weeks."""

YEAR = timedelta(weeks=52)
"""What `--against year` goes back: whole weeks, so that weekdays meet weekdays."""


@dataclass(frozen=True, slots=True)
class Period:
    """Days, both included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many."""
        return (self.last - self.first).days + 1

    def before(self) -> Period:
        """As many days right before."""
        return Period(self.first - timedelta(self.days), self.first - timedelta(1))

    def year_before(self) -> Period:
        """The same weekdays, 52 weeks before."""
        return Period(self.first - YEAR, self.last - YEAR)

    def other(self, against: str) -> Period:
        """The period to compare with: `previous`, `year` or two days as `2026-01-01..2026-01-28`.

        Raises:
            ValueError: it is none of these.
        """
        if against == "previous":
            return self.before()
        if against == "year":
            return self.year_before()
        first, last = (date.fromisoformat(day) for day in against.split(".."))
        if first > last:
            raise ValueError(f"{first} is after {last}")
        return Period(first, last)

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.first} to {self.last}"


def last_periods(last_day: date) -> tuple[Period, Period]:
    """The four weeks up to a day, and before them the four weeks that they are compared with."""
    last = Period(last_day - timedelta(DEFAULT_DAYS - 1), last_day)
    return last.before(), last


def period(reader: Reader, scope: StoreScope, first: date | None = None, last: date | None = None) -> Period:
    """The days from the first to the last; by default up to the last day known of the stores in scope, four weeks long.

    Raises:
        ServingError: there are no key figures yet, or they end before the first day.
    """
    days = reader.last_days(scope).values()
    if not days:
        raise ServingError("there are no key figures yet; run `emma update`")
    last = last or max(days)
    found = Period(first or last - timedelta(DEFAULT_DAYS - 1), last)
    if found.first > found.last:
        raise ServingError(f"there are no figures from {first}; they end on {last}")
    return found
