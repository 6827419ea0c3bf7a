"""The days around a change of price: units, money, prices and which days count, of a product and its controls.

Belongs here: cutting the sales of many stores to the window of one decision. Does not belong here: the estimate
(`counterfactual`) and what is told of it (`advice_effects`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from emma_platform.transforms.price_panel import SAME_PRICE, Flags, floats
from emma_platform.transforms.price_regression import Floats, Ints

Series = tuple[str, str]
"""A store and a product."""


@dataclass(frozen=True, slots=True)
class Window:
    """Series x day, the first series being the treated one.

    Attributes:
        units, revenue: sold, before returns.
        price: the latest price paid outside promotions, or the first one after; not a number where there is none.
        before, after: that price by the sales before the day and by those after it, leaving out its own.
        counts: the day lies in no promotion, the shelf was not found empty, and a price is known.
    """

    units: Floats
    revenue: Floats
    price: Floats
    before: Floats
    after: Floats
    counts: Flags

    def at(self, price: Floats) -> Flags:
        """Days between sales at this price (series x 1).

        A price is seen only when something is sold. To count the sale that shows a change, or the days without any
        before it, would favour the new price: on the demo chain by a tenth of the interval's width.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            same = [np.abs(np.log(side / price)) < SAME_PRICE for side in (self.before, self.after)]
        return np.asarray(same[0] & same[1])


class Sales:
    """Sales of many stores and products, cut by window."""

    def __init__(self, rows: pa.Table, promotions: pa.Table) -> None:
        """Take the rows.

        Args:
            rows: of `product_kpis`: store, product, category, day, sold_units, sold_revenue, average_price, on_hand.
            promotions: the table `promotions`; a null store means every store.
        """
        rows = rows.sort_by([("product", "ascending"), ("store", "ascending"), ("day", "ascending")])
        self._day = day_numbers(rows["day"])
        self._units, self._revenue, self._price, self._stock = (
            floats(rows[name]) for name in ("sold_units", "sold_revenue", "average_price", "on_hand")
        )
        self._span: dict[Series, slice] = {}
        self._category: dict[str, str] = {}
        self._stores: dict[str, list[Series]] = {}
        self._products: dict[tuple[str, str], list[Series]] = {}
        keys = rows.select(["product", "store"]).group_by(["product", "store"], use_threads=False)
        heads: dict[str, Any] = keys.aggregate([([], "count_all")]).to_pydict()
        ends = np.cumsum(heads["count_all"]).tolist()
        named: list[str | None] = rows["category"].take(pa.array([end - 1 for end in ends], pa.int64())).to_pylist()
        begin = 0
        for product, store, end, category in zip(heads["product"], heads["store"], ends, named, strict=True):
            self._span[store, product] = slice(begin, end)
            self._stores.setdefault(product, []).append((store, product))
            if category is not None:
                self._category[product] = category
                self._products.setdefault((store, category), []).append((store, product))
            begin = end
        self._promotions: dict[str, list[tuple[str | None, int, int]]] = {}
        first, last = day_numbers(promotions["first_day"]), day_numbers(promotions["last_day"])
        products: list[str] = promotions["product"].to_pylist()  # type: ignore[assignment]
        whose = zip(products, promotions["store"].to_pylist(), first, last, strict=True)
        for product, shop, start, stop in whose:
            self._promotions.setdefault(product, []).append((shop, start, stop))

    def other_stores(self, treated: Series) -> list[Series]:
        """The same product in other stores."""
        return [series for series in self._stores.get(treated[1], []) if series != treated]

    def other_products(self, treated: Series) -> list[Series]:
        """The other products of its category in the same store; none where its category is not known."""
        category = self._category.get(treated[1], "")
        return [series for series in self._products.get((treated[0], category), []) if series != treated]

    def last_day(self, series: Series) -> int | None:
        """The last day with a row, in days since 1970."""
        span = self._span.get(series)
        return None if span is None else int(self._day[span.stop - 1])

    def window(self, series: Sequence[Series], first: int, days: int) -> Window:
        """So many days from the first one, in days since 1970."""
        shape = (len(series), days)
        units, revenue, price = np.zeros(shape), np.zeros(shape), np.full(shape, np.nan)
        empty, promoted = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
        for row, key in enumerate(series):
            span = self._span.get(key, slice(0, 0))
            low, high = span.start + np.searchsorted(self._day[span], (first, first + days))
            at = self._day[low:high] - first
            units[row, at], revenue[row, at] = self._units[low:high], self._revenue[low:high]
            price[row, at] = np.where(self._units[low:high] > 0, self._price[low:high], np.nan)
            empty[row, at] = self._stock[low:high] <= 0
            for shop, start, stop in self._promotions.get(key[1], ()):
                if shop is None or shop == key[0]:
                    promoted[row, max(start - first, 0) : max(stop - first + 1, 0)] = True
        paid = np.where(promoted, np.nan, price)
        price = _carried(paid)
        # What is empty at the close was sold out at some time of the day, and was so when the next one began.
        empty[:, 1:] |= empty[:, :-1].copy()
        return Window(units, revenue, price, *_sides(paid), ~promoted & ~empty & (price > 0))


def day_numbers(column: pa.ChunkedArray[Any]) -> Ints:
    """Days since 1970."""
    return np.asarray(column.cast(pa.int32()).to_numpy(), dtype=np.int64)


def _sides(paid: Floats) -> tuple[Floats, Floats]:
    """The price by the sales before each day, and after it; where there are none, by those on the other side."""
    none = np.full((len(paid), 1), np.nan)
    before = _carried(np.concatenate([none, paid[:, :-1]], axis=1))
    after = _carried(np.concatenate([paid[:, 1:], none], axis=1)[:, ::-1])[:, ::-1]
    return before, after


def _carried(price: Floats) -> Floats:
    """Each day's latest price known by then; before the first, the first."""
    position = np.where(np.isfinite(price), np.arange(price.shape[1])[None, :], -1)
    latest = np.maximum.accumulate(position, axis=1)
    first = np.argmax(position >= 0, axis=1)[:, None]
    return np.asarray(np.take_along_axis(price, np.where(latest >= 0, latest, first), axis=1))
