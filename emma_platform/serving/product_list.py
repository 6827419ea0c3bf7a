"""The list of products: which are asked for, in which order, fifty at a time, with totals of all that are asked for.

Belongs here: the question and its answer. Does not belong here: how the rows lie in memory (`listing`), the URL of a
question (`web.filters`), and what the list looks like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.model.access import StoreScope
from emma_platform.serving.listing import COLUMNS, PARTS, TRENDS, Attention, Listing, folded
from emma_platform.serving.publication import ServingError
from emma_platform.serving.reader import Reader
from emma_platform.serving.sums_ahead import sum_ahead

PAGE_ROWS = 50

Period = Literal[7, 28]
Interval = tuple[float, float] | tuple[None, None]

NAMES = tuple(column.name for column in COLUMNS)
"""What the list can be sorted by and a row holds."""

_LEAST_LISTED = 0.9
"""An interval is known of all that a store or a category is forecast to sell. What was not sold within 28 days is in
that and not in the list: 0.4 to 5 % of it in stores of a panel of households. The list's sum takes the interval in
proportion while it is so much of the whole."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which products are asked for.

    Attributes:
        stores: only those of these stores; none means all.
        products: only those of these codes; none means all.
        categories: only those of these categories, "" being those without one; none means all.
        search: only those whose code or name holds each of these words, whatever accents and capital letters.
        attention: only those that need attention for one of these reasons; none means all.
        period: the days that `revenue` and `growth` mean as a sort column: 7 or 28.
        sort: one of `NAMES`, or `revenue` or `growth`, of the period; growth is that of `listing.TRENDS`, so that rare
            sellers come last.
        descending: the largest first.
    """

    stores: frozenset[str] = frozenset()
    products: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    search: str = ""
    attention: frozenset[Attention] = frozenset()
    period: Period = 28
    sort: str = "revenue"
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Totals:
    """Of everything that is asked for; a ratio is one of sums.

    Attributes:
        products: how many rows.
        units_7d, units_28d, revenue_7d, revenue_28d: sums.
        growth_wow_pct: the last 7 days against the 7 before.
        growth_28d_pct: the last 14 days against the 14 before.
        gross_margin_28d, gross_margin_28d_pct: of the products whose cost is known; None when none is.
        counted: how many have a stock count.
        forecast_units_28d: expected units, of the products with a forecast; None when there is none.
        forecast_units_28d_p10, forecast_units_28d_p90: its 80 % interval, of whole stores or one of their categories;
            None where products are chosen in another way: how far these move together is not known.
        attention: how many need attention, by reason.
    """

    products: int
    units_7d: Decimal
    units_28d: Decimal
    revenue_7d: Decimal
    revenue_28d: Decimal
    growth_wow_pct: float | None
    growth_28d_pct: float | None
    gross_margin_28d: Decimal | None
    gross_margin_28d_pct: float | None
    counted: int
    forecast_units_28d: float | None
    forecast_units_28d_p10: float | None
    forecast_units_28d_p90: float | None
    attention: Mapping[Attention, int]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the list.

    Attributes:
        publication: where it was read.
        columns: its rows, with the columns asked for, of `listing.COLUMNS`.
        needs: for each reason, whether each of them needs attention.
        offset: how many rows come before.
        next_offset: where the next page begins; None on the last.
        totals: of all rows that are asked for, of this page or another.
        stores, categories: what can be filtered by and how many products that has; a category None is without one.
    """

    publication: str
    columns: pa.Table
    needs: Mapping[Attention, list[bool]]
    offset: int
    next_offset: int | None
    totals: Totals
    stores: Mapping[str, int]
    categories: Mapping[str | None, int]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Each row by itself: `units_by_day_30d` as numbers; and `attention`, why it needs any."""
        rows: list[dict[str, Any]] = self.columns.to_pylist()
        for number, row in enumerate(rows):
            if "units_by_day_30d" in row:
                row["units_by_day_30d"] = list(map(float, row["units_by_day_30d"].split()))
            row["attention"] = [why for why, holds in self.needs.items() if holds[number]]
        return rows


def product_list(
    reader: Reader,
    scope: StoreScope,
    asked: Asked,
    *,
    offset: int = 0,
    limit: int = PAGE_ROWS,
    columns: Sequence[str] = NAMES,
) -> Page:
    """A page of the products that are asked for.

    Args:
        reader: the publication.
        scope: the stores that may be seen.
        asked: which products, in which order.
        offset: how many rows to leave out.
        limit: how many rows to give at most.
        columns: which of `NAMES` a row holds.

    Raises:
        ServingError: there is no such store, or no such column to sort by.
    """
    listed = reader.listing(scope)
    chosen = _chosen(reader, scope, listed, asked)
    order = listed.order(_column(asked), descending=asked.descending)
    numbers = order[chosen[order]]
    shown = numbers[offset : offset + limit]
    return Page(
        publication=reader.publication.id,
        columns=listed.rows.select(columns).take(pa.array(shown)),
        needs={why: holds[shown].tolist() for why, holds in listed.attention.items()},
        offset=offset,
        next_offset=offset + limit if offset + limit < len(numbers) else None,
        totals=_totals(listed, chosen, partial(_interval, reader, scope, asked)),
        stores=listed.counts("store"),
        categories=listed.counts("category"),
    )


def all_products(reader: Reader, scope: StoreScope, asked: Asked) -> pa.Table:
    """Every product that is asked for, in its order, with `listing.COLUMNS`; for exports.

    Raises:
        ServingError: as `product_list`.
    """
    listed = reader.listing(scope)
    chosen = _chosen(reader, scope, listed, asked)
    order = listed.order(_column(asked), descending=asked.descending)
    return listed.rows.select(NAMES).take(pa.array(order[chosen[order]]))


def _column(asked: Asked) -> str:
    of_period = {
        "revenue": f"revenue_{asked.period}d",
        "growth": TRENDS["growth_wow_pct" if asked.period == 7 else "growth_28d_pct"][0].name,  # noqa: PLR2004 - days
    }
    column = of_period.get(asked.sort, asked.sort)
    if column not in NAMES:
        raise ServingError(f"products are sorted by {', '.join([*of_period, *NAMES])}, not by {asked.sort!r}")
    return column


def _chosen(reader: Reader, scope: StoreScope, listed: Listing, asked: Asked) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether each row is asked for."""
    chosen = np.ones(listed.rows.num_rows, dtype=np.bool_)
    if asked.stores:
        reader.check_stores(scope, asked.stores)
        chosen = listed.of_stores(asked.stores)
    if asked.products:
        chosen &= _is_in(listed.rows["product"], asked.products)
    if asked.categories:
        chosen &= _is_in(listed.rows["category"].fill_null(pa.scalar("")), asked.categories)
    for word in folded(asked.search).split():
        chosen &= pc.match_substring(listed.searched, word).to_numpy(zero_copy_only=False)
    if asked.attention:
        chosen &= np.logical_or.reduce([listed.attention[why] for why in sorted(asked.attention)])
    return chosen


def _is_in(values: Any, wanted: frozenset[str]) -> np.ndarray[Any, np.dtype[np.bool_]]:  # noqa: ANN401 - a column
    found: np.ndarray[Any, np.dtype[np.bool_]] = cast("Any", pc.is_in)(
        values, value_set=pa.array(sorted(wanted), pa.string())
    ).to_numpy()
    return found


def _interval(reader: Reader, scope: StoreScope, asked: Asked, expected: float | None) -> Interval:
    """The 80 % interval of a sum of forecasts, where what is asked for is a whole that has one."""
    if expected is None or asked.search or asked.products or asked.attention or len(asked.categories) > 1:
        return None, None
    whole = sum_ahead(reader, scope, stores=asked.stores or None, category=next(iter(asked.categories), None))
    if whole is None or expected < _LEAST_LISTED * whole.mean:
        return None, None
    listed = expected / whole.mean if whole.mean else 1.0
    return whole.p10 * listed, whole.p90 * listed


def _totals(
    listed: Listing, chosen: np.ndarray[Any, np.dtype[np.bool_]], interval: Callable[[float | None], Interval]
) -> Totals:
    numbers = np.flatnonzero(chosen)
    # A store's rows are gathered by their numbers in half the time that a mask takes, and all rows are not gathered.
    rows = numbers if len(numbers) < len(chosen) else slice(None)
    costed = listed.with_cost[rows]

    def total(name: str, *, with_cost: bool = False) -> Decimal:
        amounts = listed.amounts[name][rows]
        return Decimal(int((amounts[costed] if with_cost else amounts).sum())) / PARTS

    forecasts = listed.forecast[rows]
    forecasts = forecasts[~np.isnan(forecasts)]
    expected = float(forecasts.sum()) if len(forecasts) else None
    low, high = interval(expected)
    return Totals(
        products=len(numbers),
        units_7d=total("units_7d"),
        units_28d=total("units_28d"),
        revenue_7d=total("revenue_7d"),
        revenue_28d=total("revenue_28d"),
        growth_wow_pct=_percent(total("revenue_7d") - total("revenue_previous_7d"), total("revenue_previous_7d")),
        growth_28d_pct=_percent(total("revenue_14d") - total("revenue_previous_14d"), total("revenue_previous_14d")),
        gross_margin_28d=total("gross_margin_28d", with_cost=True) if costed.any() else None,
        gross_margin_28d_pct=_percent(total("gross_margin_28d", with_cost=True), total("revenue_28d", with_cost=True)),
        counted=int(np.count_nonzero(listed.counted[rows])),
        forecast_units_28d=expected,
        forecast_units_28d_p10=low,
        forecast_units_28d_p90=high,
        attention={why: int(np.count_nonzero(holds[rows])) for why, holds in listed.attention.items()},
    )


def _percent(part: Decimal, whole: Decimal) -> float | None:
    return float(100 * part / whole) if whole > 0 else None
