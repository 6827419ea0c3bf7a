"""The rows of the product list as they lie in memory: one state, one scope, made once and asked many times.

Belongs here: which columns the list has, and what can be known of every row before anybody asks (its place in each
order, the text that is searched, whether it needs attention). Does not belong here: what is asked (`product_list`).

A publication never changes, so what is made for its first question serves all others: at 20,000 rows a question takes
a tenth of what the same takes as SQL over the publication's file, for no statement is bound and no column is read.
"""

from __future__ import annotations

import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.model.access import StoreScope
from emma_platform.model.schema import Column, Type
from emma_platform.serving.contents import PRODUCT_OVERVIEW
from emma_platform.serving.runs import places
from emma_platform.transforms.ten_thousandths import SCALE, wholes

LISTED = (
    "store", "product", "name", "category", "day", "units_7d", "units_28d", "revenue_7d", "revenue_28d",
    "growth_wow_pct", "growth_28d_pct", "selling_days_28d", "gross_margin_28d", "forecast_units_28d",
    "forecast_units_28d_p10", "forecast_units_28d_p90", "forecast_skill_vs_seasonal_naive", "current_price",
    "recommended_price", "status", "expected_profit_uplift_p10", "expected_profit_uplift_p50",
    "expected_profit_uplift_p90", "probability_of_gain", "recommendation_reason", "on_hand", "days_of_cover",
    "empty_shelf_since", "empty_shelf_probability", "abc_class", "units_by_day_30d",
)  # fmt: skip
"""What the list shows of `product_overview`."""

MARGIN = Column(
    "gross_margin_28d_pct", Type.NUMBER, "Gross margin per revenue of the last 28 days.",
    "100 * gross_margin_28d / revenue_28d", unit="%", nullable=True,
)  # fmt: skip

STEADY_DAYS = 6
"""A product that sold on fewer of the last 28 days is a rare seller. That all of six days fall into the same half of
them is chance once in 32 times (a sign test: 2 * 0.5^6), that all of five do once in 16: too often for a trend."""


def _trend(name: str, growth: str, days: int) -> Column:
    return Column(
        name, Type.NUMBER, f"{growth}, of products that sold on at least {days} of the last 28 days: of a few sales it "
        "would be chance.", f"{growth} where selling_days_28d >= {days}", unit="%", nullable=True,
    )  # fmt: skip


TRENDS = {
    "growth_wow_pct": (_trend("trend_wow_pct", "growth_wow_pct", 2 * STEADY_DAYS), 2 * STEADY_DAYS),
    "growth_28d_pct": (_trend("trend_28d_pct", "growth_28d_pct", STEADY_DAYS), STEADY_DAYS),
}
"""By change: the column that tells it where it is no chance, and the selling days that takes. A week against the week
before compares half of the 28 days, so it takes twice as many."""

COLUMNS: tuple[Column, ...] = (
    *(PRODUCT_OVERVIEW.column(name) for name in LISTED), MARGIN, *(column for column, _ in TRENDS.values()),
)  # fmt: skip
"""Every column of the list, with its meaning."""

ADDENDS = ("revenue_14d", "revenue_previous_14d", "revenue_previous_7d")
"""What the totals are computed from besides."""

SUMMED = ("units_7d", "units_28d", "revenue_7d", "revenue_28d", "gross_margin_28d", *ADDENDS)
"""What totals are sums of."""

PARTS = SCALE
"""The parts of an amount of money or units: all of its decimals."""

_SEARCHED = "searched"

SHORT_COVER_DAYS = 7
"""Stock that lasts for less needs attention."""


_MOST_KEPT = 8
"""Scopes whose lists stay in memory: the rows of 20,000 take 7 MB, of every store none, which lie in a file."""


class Attention(StrEnum):
    """Why a product needs attention."""

    PRICE = "price"
    """Another price is recommended or worth trying."""
    COVER = "cover"
    """The stock lasts for less than `SHORT_COVER_DAYS` days."""
    SHELF = "shelf"
    """The shelf is probably empty."""
    FORECAST = "forecast"
    """The forecast has no skill over the same weekday of the last week, of a product that sells on `STEADY_DAYS`."""


@dataclass
class Listing:
    """The rows of one scope.

    Attributes:
        rows: `COLUMNS` and `ADDENDS`, by store and product.
        searched: code and name of each row as `folded`.
        attention: for each reason, whether it holds of each row.
        with_cost, counted: whether the cost of each row is known, and its stock.
        forecast: its `forecast_units_28d`, NaN where there is none.
        amounts: each of `SUMMED` as whole numbers of 1 / `PARTS`, 0 where it is not known: their sums are exact.
        places: of each store, its first row and how many there are.
    """

    rows: pa.Table
    searched: pa.Array[Any]
    attention: dict[Attention, np.ndarray[Any, np.dtype[np.bool_]]]
    with_cost: np.ndarray[Any, np.dtype[np.bool_]]
    counted: np.ndarray[Any, np.dtype[np.bool_]]
    forecast: np.ndarray[Any, np.dtype[np.float64]]
    amounts: dict[str, np.ndarray[Any, np.dtype[np.int64]]]
    places: dict[str, tuple[int, int]]
    _counts: dict[str, dict[Any, int]] = field(default_factory=dict)
    _orders: dict[tuple[str, bool], np.ndarray[Any, np.dtype[np.int64]]] = field(default_factory=dict)

    def order_as(self, before: Listing) -> None:
        """Order it in all ways that the list before it was asked in; an order that is still the same is taken over."""
        same = {
            name: self.rows[name].equals(before.rows[name])
            for name in {"store", "product", *(column for column, _ in before._orders)}
        }
        for (column, descending), by in list(before._orders.items()):
            if same["store"] and same["product"] and same[column]:
                self._orders[column, descending] = by
            else:
                self.order(column, descending=descending)

    def order(self, column: str, *, descending: bool) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The rows' numbers by a column; what is not known comes last, and ties are by store and product."""
        if (column, descending) not in self._orders:
            keys = [(column, "descending" if descending else "ascending", "at_end")]
            keys += [(name, "ascending", "at_end") for name in ("store", "product") if name != column]
            by = cast("Any", pc.sort_indices)(self.rows, sort_keys=keys)
            self._orders[column, descending] = by.to_numpy().astype(np.int64)
        return self._orders[column, descending]

    def of_stores(self, stores: Iterable[str]) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether each row is of one of these stores."""
        found = np.zeros(self.rows.num_rows, dtype=np.bool_)
        for store in stores:
            first, count = self.places.get(store, (0, 0))
            found[first : first + count] = True
        return found

    def counts(self, column: str) -> dict[Any, int]:
        """How many rows each value of a column has, by value; None comes last."""
        if column not in self._counts:
            counted: Any = self.rows[column].value_counts()
            found = {each["values"]: each["counts"] for each in counted.to_pylist()}
            self._counts[column] = dict(sorted(found.items(), key=lambda pair: (pair[0] is None, pair[0] or "")))
        return self._counts[column]


class Listings:
    """The lists of a publication that were asked for last, one for each scope; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[StoreScope, Listing] = OrderedDict()

    def of(self, scope: StoreScope, make: Callable[[], Listing]) -> Listing:
        """The list of a scope, made when it is not kept."""
        with self._lock:
            if scope not in self._kept:
                self._kept[scope] = make()
            self._kept.move_to_end(scope)
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
            return self._kept[scope]


def derived(overview: pa.Table) -> pa.Table:
    """What follows from each row of `product_overview`, of which `LISTED` and `ADDENDS` are needed.

    Columns: `COLUMNS` beyond `LISTED`; `searched`; for each reason for attention and each amount one that `_attention`
    and `_parts` name. A publication keeps them beside the overview, so that to open a list costs nothing.
    """
    rows = overview.combine_chunks()
    margin, revenue = (rows[name].cast(pa.float64()).to_numpy() for name in ("gross_margin_28d", "revenue_28d"))
    margin_pct = np.divide(100.0 * margin, revenue, out=np.full(len(margin), np.nan), where=revenue != 0)
    selling_days = rows["selling_days_28d"].to_numpy()
    cover, skill = (rows[name].to_numpy() for name in ("days_of_cover", "forecast_skill_vs_seasonal_naive"))
    attention: dict[Attention, Any] = {
        Attention.PRICE: pc.is_in(rows["status"], value_set=pa.array(["recommend", "explore"])),
        Attention.COVER: pa.array(cover < SHORT_COVER_DAYS),
        Attention.SHELF: rows["empty_shelf_since"].is_valid(),
        Attention.FORECAST: pa.array((skill <= 0) & (selling_days >= STEADY_DAYS)),
    }
    columns: dict[str, Any] = {
        MARGIN.name: pa.array(margin_pct, from_pandas=True),
        _SEARCHED: _searched(rows["product"], rows["name"]),
    }
    for growth, (column, least) in TRENDS.items():
        told = pa.array(selling_days >= least)
        columns[column.name] = cast("Any", pc.if_else)(told, rows[growth], pa.scalar(None, pa.float64()))
    for why, holds in attention.items():
        columns[_attention(why)] = holds
    for name in SUMMED:
        columns[_parts(name)] = wholes(rows[name])
    return pa.table(columns)


def listing(overview: pa.Table, more: pa.Table) -> Listing:
    """The list over rows of `product_overview` that hold `LISTED` and `ADDENDS`, and what is `derived` from them."""
    rows, more = overview.combine_chunks(), more.combine_chunks()
    for name in (MARGIN.name, *(column.name for column, _ in TRENDS.values())):
        rows = rows.append_column(name, more[name])
    return Listing(
        rows=rows,
        searched=more[_SEARCHED].combine_chunks(),
        attention={why: more[_attention(why)].to_numpy() for why in Attention},
        with_cost=rows["gross_margin_28d"].is_valid().to_numpy(),
        counted=rows["on_hand"].is_valid().to_numpy(),
        forecast=rows["forecast_units_28d"].to_numpy(),
        amounts={name: more[_parts(name)].to_numpy() for name in SUMMED},
        places=places(rows["store"]),
    )


def _attention(why: Attention) -> str:
    return f"attention_{why}"


def _parts(name: str) -> str:
    return f"{name}_parts"


def _searched(products: pa.ChunkedArray[Any], names: pa.ChunkedArray[Any]) -> pa.Array[Any]:
    """Code and name of each row as `folded`; what several stores sell is folded once."""
    joined = cast("Any", pc.binary_join_element_wise)(products, names.fill_null(pa.scalar("")), "\n")
    several: Any = joined.combine_chunks().dictionary_encode()
    once = pa.array([folded(text) for text in several.dictionary.to_pylist()], pa.string())
    result: pa.Array[Any] = once.take(several.indices)
    return result


def folded(text: str) -> str:
    """A text without accents and without small and capital letters: Crème FRAÎCHE and creme fraiche are the same."""
    small = text.casefold()
    if small.isascii():  # most names: a list of 20,000 is made in 30 ms, not 600
        return small
    return "".join(letter for letter in unicodedata.normalize("NFKD", small) if not unicodedata.combining(letter))
