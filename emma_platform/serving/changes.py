"""Why a key figure moved between two periods, read from a publication.

Belongs here: which stores and products are asked for, and what is said of them. Does not belong here: which periods
there are (`periods`), the parts of every product (`change_rows`) and how a change is shown (`console_change`,
`waterfall`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.model.access import StoreScope
from emma_platform.model.parts import PART_NAMES, PARTS, Part
from emma_platform.serving.change_rows import change_rows
from emma_platform.serving.change_sums import Lives
from emma_platform.serving.periods import Period
from emma_platform.serving.publication import ServingError
from emma_platform.serving.reader import Reader
from emma_platform.transforms.exact_sums import exact_parts
from emma_platform.transforms.kpi_changes import KPIS

BY: tuple[str, ...] = ("store", "category", "product")
"""What a change can be listed by."""

CLOSED_AFTER = timedelta(days=7)
"""A store whose figures end so long before the chain's has closed; below that, days are missing or shut."""

FIGURES = ("before", "after", "change", *PART_NAMES)
"""The amounts of a row of `Change`."""


@dataclass(frozen=True, slots=True)
class Change:
    """Why a key figure moved.

    Attributes:
        publication: where it was read.
        kpi: the key figure.
        first, second: the period before and the one after.
        total: each of `FIGURES` as the sum of what was asked for; the parts sum to the change.
        by: what the rows are of, or None.
        rows: `by` and `FIGURES`, the largest change first; without `by` no rows.
        first_day, last_day: the days that have figures at all; a period beyond them is not known whole.
        left_out: revenue of both periods of products without a cost, which the gross margin leaves out.
    """

    publication: str
    kpi: str
    first: Period
    second: Period
    total: dict[str, Decimal]
    by: str | None
    rows: pa.Table
    first_day: date
    last_day: date
    left_out: Decimal

    def shown(self) -> tuple[Decimal, Decimal, list[tuple[Part, Decimal]]]:
        """Before, after, and the parts that are not nothing, largest first: rounded, and still summing to the change.

        Money is rounded to the cent, units and receipts to tenths.
        """
        places = 2 if self.kpi in {"revenue", "gross_margin"} else 1
        before, after = (round(self.total[name], places) for name in ("before", "after"))
        exact = np.array([[float(self.total[name].scaleb(places)) for name in PART_NAMES]])
        (whole,) = exact_parts(exact, np.array([int((after - before).scaleb(places))])).tolist()
        found = [(part, Decimal(amount).scaleb(-places)) for part, amount in zip(PARTS, whole, strict=True) if amount]
        return before, after, sorted(found, key=lambda part: -abs(part[1]))

    def to_json(self) -> dict[str, Any]:
        """As JSON: numbers with four decimals, days as text."""
        return {
            "publication": self.publication,
            "kpi": self.kpi,
            "first_period": [str(self.first.first), str(self.first.last)],
            "second_period": [str(self.second.first), str(self.second.last)],
            "total": {name: float(amount) for name, amount in self.total.items()},
            "left_out": float(self.left_out),
            "by": self.by,
            "rows": [
                {name: float(value) if isinstance(value, Decimal) else value for name, value in row.items()}
                for row in self.rows.to_pylist()
            ],
        }

    def notes(self) -> list[str]:
        """What the reader of the figures should know."""
        found = [
            f"Figures go from {self.first_day} to {self.last_day}; the period {period} reaches beyond them."
            for period in (self.first, self.second)
            if not self.first_day <= period.first <= period.last <= self.last_day
        ]
        if self.left_out:
            found.append(f"Left out are products without a cost; they brought {self.left_out:,.2f} in both periods.")
        return found


def explain_change(
    reader: Reader,
    scope: StoreScope,
    kpi: str,
    first: Period,
    second: Period,
    *,
    stores: Collection[str] | None = None,
    categories: Collection[str] | None = None,
    product: str | None = None,
    by: str | None = None,
) -> Change:
    """Split the change of a key figure from the first period to the second.

    Args:
        reader: the publication.
        scope: the stores that may be seen; without `stores`, the change is theirs.
        kpi: one of `kpi_changes.KPIS`.
        first: the period before.
        second: the period after.
        stores: only these; None for all.
        categories: only products of these; None for all.
        product: only this product.
        by: one of `BY`, to list the change by it as well.

    Raises:
        ServingError: nothing of what is asked is published, or it cannot be asked for this figure.
    """
    _check(kpi, categories, product, by)
    days = reader.store_days(scope)
    first_day = min((first for first, _ in days.values()), default=date.max)
    last_day = max((last for _, last in days.values()), default=date.min)
    lives = _lives(reader.store_days(scope, stores) if stores is not None else days, last_day)
    for asked in (first, second):
        if asked.last < first_day or asked.first > last_day:
            raise ServingError(f"there are no figures from {asked}; they go from {first_day} to {last_day}")
    wanted = _Wanted(categories, product)
    rows = wanted.of(change_rows(reader, scope, kpi, (first, second), lives))
    left_out = Decimal(0)
    if kpi == "gross_margin":
        left_out = _without(wanted.of(change_rows(reader, scope, "revenue", (first, second), lives)), rows)
    return Change(
        publication=reader.publication.id,
        kpi=kpi,
        first=first,
        second=second,
        total={name: pc.sum(rows[name]).as_py() or Decimal(0) for name in FIGURES},
        by=by,
        rows=_grouped(rows, by),
        first_day=first_day,
        last_day=last_day,
        left_out=left_out,
    )


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which products were asked for."""

    categories: Collection[str] | None
    product: str | None

    def of(self, rows: pa.Table) -> pa.Table:
        """Their rows.

        Raises:
            ServingError: there are none.
        """
        if self.categories is not None:
            rows = rows.filter(pc.is_in(rows["category"], pa.array(sorted(self.categories), pa.string())))
        if self.product is not None:
            rows = rows.filter(pc.equal(rows["product"], pa.scalar(self.product)))
        if not rows.num_rows:
            raise ServingError(
                "nothing of what was asked for was sold in these periods, or its cost is not known; "
                "`emma export products` lists products and categories"
            )
        return rows


def _check(kpi: str, categories: Collection[str] | None, product: str | None, by: str | None) -> None:
    if kpi not in KPIS:
        raise ServingError(f"there is no key figure {kpi!r} to explain; there are {', '.join(KPIS)}")
    if by is not None and by not in BY:
        raise ServingError(f"a change is listed by {', '.join(BY)}, not by {by!r}")
    if kpi == "receipts" and (categories is not None or product is not None or by in {"category", "product"}):
        raise ServingError("a receipt holds many products: ask for receipts by store, or for units of a product")


def _lives(days: Mapping[str, tuple[date, date]], end: date) -> Lives:
    """The stores' days; the last one has no end for a store that has not closed."""
    if not days:
        raise ServingError("there are no key figures of these stores yet; run `emma update`")
    return tuple(
        (store, first, last if end - last >= CLOSED_AFTER else date.max) for store, (first, last) in days.items()
    )


def _without(all_rows: pa.Table, rows: pa.Table) -> Decimal:
    """Before and after of the rows whose store and product are not among the others."""
    missing = all_rows.join(rows.select(["store", "product"]), ["store", "product"], join_type="left anti")
    return sum((pc.sum(missing[name]).as_py() or Decimal(0) for name in ("before", "after")), Decimal(0))


def _grouped(rows: pa.Table, by: str | None) -> pa.Table:
    """Sums by one of the columns, the largest change first."""
    if by is None:
        return rows.select(FIGURES).slice(0, 0)
    sums = rows.group_by(by, use_threads=False).aggregate([(name, "sum") for name in FIGURES])
    sums = sums.rename_columns([by, *FIGURES]).append_column("size", pc.abs(sums["change_sum"]))
    return sums.sort_by([("size", "descending"), (by, "ascending")]).drop_columns("size")
