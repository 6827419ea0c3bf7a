"""The exact account of what was put into the demo chain's files, and what must come out of the platform.

Belongs here: counting lines, units and money, in integers. Does not belong here: the lines (`faults`) and files
(`landing`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

import numpy as np

from emma_platform.demo.chain import Chain
from emma_platform.demo.faults import DUPLICATES, FAULTS, KEPT, Fault, Sent
from emma_platform.model.partitions import StoreDay


@dataclass(frozen=True, slots=True)
class Accepted:
    """What must stand in `clean_sales` for one store-day: lines, net units and net revenue in cents."""

    lines: int
    units: int
    cents: int


@dataclass(frozen=True, slots=True)
class Injected:
    """What lies in `landing/`, and what must come of it.

    Attributes:
        lines_in: data lines of all readable sales files.
        by_fault: lines of each kind of fault, by its name.
        accepted: what must stand in `clean_sales`, by store-day.
        sales_files: readable sales files.
        files: readable files of every kind.
        waiting: files that must be left alone.
        failing: files that cannot be read.
        until: the last day that was sent.
        withheld: store-days that were not sent yet.
    """

    lines_in: int
    by_fault: Mapping[str, int]
    accepted: Mapping[StoreDay, Accepted]
    sales_files: int
    files: int
    until: date
    waiting: int = 0
    failing: int = 0
    withheld: frozenset[StoreDay] = field(default_factory=frozenset)

    @property
    def faults(self) -> tuple[tuple[Fault, int], ...]:
        """Every kind of fault with the number of its lines."""
        return tuple((fault, self.by_fault.get(fault.name, 0)) for fault in FAULTS)

    @property
    def expected(self) -> dict[str, int]:
        """Lines by reason, and `duplicates`; only those above zero."""
        counts: Counter[str] = Counter()
        for fault, lines in self.faults:
            counts[fault.outcome] += lines
        return {outcome: lines for outcome, lines in counts.items() if lines and outcome != KEPT}

    @property
    def duplicates(self) -> int:
        """Lines that must be dropped as exact duplicates."""
        return self.expected.get(DUPLICATES, 0)

    @property
    def set_aside(self) -> int:
        """Lines that must stand in `set_aside_rows`."""
        return sum(self.expected.values()) - self.duplicates

    @property
    def clean(self) -> int:
        """Lines that must stand in `clean_sales`."""
        return sum(day.lines for day in self.accepted.values())

    @property
    def units(self) -> int:
        """Net units of all accepted lines."""
        return sum(day.units for day in self.accepted.values())

    @property
    def revenue(self) -> Decimal:
        """Net revenue of all accepted lines."""
        return Decimal(sum(day.cents for day in self.accepted.values())) / 100

    def with_lines(self, chain: Chain, lines: Sent, *, files: int) -> Injected:
        """The account with these lines of whole store-days added, in that many more sales files."""
        counts = {fault.name: int(np.count_nonzero(lines.fault == index)) for index, fault in enumerate(FAULTS)}
        return replace(
            self,
            lines_in=self.lines_in + len(lines),
            by_fault={name: self.by_fault.get(name, 0) + count for name, count in counts.items()},
            accepted={**self.accepted, **_by_store_day(chain, lines.take(lines.accepted()))},
            sales_files=self.sales_files + files,
            files=self.files + files,
        )

    def without_lines(self, lines: Sent, store_day: StoreDay) -> Injected:
        """The account with these lines, all of one store-day, taken out; the number of files stays."""
        gone = Counter(FAULTS[index].name for index in lines.fault.tolist() if index >= 0)
        return replace(
            self,
            lines_in=self.lines_in - len(lines),
            by_fault={name: count - gone[name] for name, count in self.by_fault.items()},
            accepted={key: amounts for key, amounts in self.accepted.items() if key != store_day},
        )

    def with_copies(self, lines: int) -> Injected:
        """The account with one more sales file whose lines, all good, are there already."""
        name = next(fault.name for fault in FAULTS if fault.outcome == DUPLICATES)
        return replace(
            self,
            lines_in=self.lines_in + lines,
            by_fault={**self.by_fault, name: self.by_fault[name] + lines},
            sales_files=self.sales_files + 1,
            files=self.files + 1,
        )


def _by_store_day(chain: Chain, lines: Sent) -> dict[StoreDay, Accepted]:
    cell, where = np.unique(lines.store * chain.days + lines.day, return_inverse=True)
    sums = np.zeros((3, len(cell)), dtype=np.int64)
    for row, amount in zip(sums, (np.ones_like(where), lines.quantity, lines.quantity * lines.cents), strict=True):
        np.add.at(row, where, amount)
    return {
        StoreDay(chain.stores[index // chain.days].code, chain.day(int(index % chain.days))): Accepted(
            *map(int, amounts)
        )
        for index, amounts in zip(cell, sums.T, strict=True)
    }
