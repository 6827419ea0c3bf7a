"""The weekly panel behind the price evidence: units, prices, promotions and stock-outs of one store.

Belongs here: product-days of `product_kpis` made into weeks, and what can be read off the prices alone. Does not belong
here: any regression (`price_evidence`, `price_regression`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from emma_platform.transforms.price_regression import Floats, Ints

Flags = npt.NDArray[np.bool_]
Column: TypeAlias = "pa.ChunkedArray[Any] | pa.Array[Any]"

WEEK = 7

_LEAST_EXPOSURE = 0.5 / WEEK
"""Share of a week with goods on the shelf below which the week tells nothing: half a day."""

SAME_PRICE = float(np.log(1.01))
"""Prices closer than 1 % are one price."""

ODD = float(np.log(1.5))
"""A price that is half as high again as the day before, or as low, is taken for a price only on its second day. (The
median of three selling days, which no odd receipt moves either, was a former price for 10 % of simulated products.)"""


@dataclass(frozen=True)
class Rows:
    """Product-days, sorted by product and day; `day` counts from the start of the window, `category` -1 is unknown."""

    products: pa.Array[Any]
    categories: pa.Array[Any]
    category: Ints
    code: Ints
    day: Ints
    sold: Floats
    price: Floats
    out_of_stock: Flags


@dataclass(frozen=True)
class Weeks:
    """The panel, (products, weeks): units, share of the week in stock, log price, promotion share; `used` is 0 or 1."""

    units: Floats
    exposure: Floats
    log_price: Floats
    promotion: Floats
    used: Floats


def floats(column: Column) -> Floats:
    """The numbers of a column; null is not a number."""
    chunks = pa.chunked_array([column]) if isinstance(column, pa.Array) else column
    return np.asarray(chunks.cast(pa.float64()).fill_null(pa.scalar(np.nan)).to_numpy(), dtype=np.float64)


def distinct(column: Column) -> pa.Array[Any]:
    """The texts of a column, each once, sorted; null is none."""
    return pa.array(sorted(str(value) for value in pc.unique(column.drop_null()).to_pylist()), pa.string())


def places(number: Ints) -> pa.Array[pa.Int64Scalar]:
    """Places to take from an Arrow array; below zero is null."""
    return pa.array(number, pa.int64(), mask=number < 0)


def codes(column: Column, values: pa.Array[Any]) -> Ints:
    """Each row's place among the values; -1 where it is null or none of them."""
    return np.asarray(pc.index_in(column, value_set=values).fill_null(-1).to_numpy(), dtype=np.int64)


def _days_since(column: Column, first: date) -> Ints:
    days = np.asarray(column.cast(pa.int32()).to_numpy(), dtype=np.int64)
    return days - (first - date(1970, 1, 1)).days


def product_days(demand: pa.Table, first: date, days: int) -> Rows:
    """The rows of the window of so many days, sorted; the category is the last one known."""
    day = _days_since(demand["day"], first)
    demand = demand.filter(pa.array((day >= 0) & (day < days)))
    products, categories = distinct(demand["product"]), distinct(demand["category"])
    code = codes(demand["product"], products)
    day = _days_since(demand["day"], first)
    order = np.lexsort((day, code))
    code, day = code[order], day[order]
    sold = np.maximum(np.nan_to_num(floats(demand["sold_units"])[order]), 0.0)
    revenue = np.nan_to_num(floats(demand["sold_revenue"])[order])
    price = np.divide(revenue, sold, out=np.zeros_like(sold), where=sold > 0)
    stock = floats(demand["on_hand"])[order]
    named = codes(demand["category"], categories)[order]
    category = np.full(len(products), -1, dtype=np.int64)
    category[code[named >= 0]] = named[named >= 0]
    return Rows(products, categories, category, code, day, sold, price, (stock <= 0) & (sold <= 0))


def promoted_days(promotions: pa.Table, products: pa.Array[Any], store: str, last_day: date, days: int) -> Flags:
    """(products, days): whether a promotion of the store, or of all stores, ran."""
    here = codes(promotions["store"].fill_null(pa.scalar(store)), pa.array([store])) == 0
    rows = promotions.filter(pa.array(here))
    code = codes(rows["product"], products)
    first = last_day - timedelta(days=days - 1)
    start = np.maximum(_days_since(rows["first_day"], first), 0)
    end = np.minimum(_days_since(rows["last_day"], first) + 1, days)
    held = (code >= 0) & (start < end)
    change = np.zeros((len(products), days + 1), dtype=np.int32)
    np.add.at(change, (code[held], start[held]), 1)
    np.add.at(change, (code[held], end[held]), -1)
    return np.asarray(np.cumsum(change[:, :-1], axis=1) > 0)


def empty_shelves(stock_outs: pa.Table, rows: Rows, last_day: date, days: int) -> Floats:
    """(products, days): the chance that the shelf was empty, 0 on a day with a sale.

    1 where a count says so; else that of the probable stock-out that the day belongs to.

    Args:
        stock_outs: `probable_stock_outs` of the store.
        rows: the product-days of the window.
        last_day: the window's last day.
        days: of the window.
    """
    code = codes(stock_outs["product"], rows.products)
    first = last_day - timedelta(days=days - 1)
    start = np.maximum(_days_since(stock_outs["first_day"], first), 0)
    end = np.minimum(_days_since(stock_outs["last_day"], first) + 1, days)
    chance = floats(stock_outs["probability"])
    result = np.zeros((len(rows.products), days))
    for place in np.flatnonzero((code >= 0) & (start < end)).tolist():
        result[code[place], start[place] : end[place]] = chance[place]
    result[rows.code[rows.sold > 0], rows.day[rows.sold > 0]] = 0.0
    result[rows.code[rows.out_of_stock], rows.day[rows.out_of_stock]] = 1.0
    return result


def weekly(rows: Rows, promoted: Flags, empty: Floats, weeks: int) -> Weeks:
    """The rows of the first so many weeks; a week counts from the first to the last with a sale, if it was in stock.

    Args:
        rows: the product-days of the window.
        promoted: (products, days).
        empty: (products, days), the chance that the shelf was empty.
        weeks: whole weeks to make, from the window's first day.
    """
    whole = rows.day < weeks * WEEK
    names = ("code", "day", "sold", "price", "out_of_stock")
    rows = replace(rows, **{name: getattr(rows, name)[whole] for name in names})
    promoted = promoted[:, : weeks * WEEK]
    count = len(rows.products)
    cell = rows.code * weeks + rows.day // WEEK
    shape = (count, weeks)
    units: Floats = np.bincount(cell, weights=rows.sold, minlength=count * weeks).reshape(shape).astype(np.float64)
    exposure = 1.0 - empty[:, : weeks * WEEK].reshape(count, weeks, WEEK).mean(axis=2)
    sold = units > 0
    first = np.argmax(sold, axis=1)
    last = weeks - 1 - np.argmax(sold[:, ::-1], axis=1)
    number = np.arange(weeks)
    # A launch week is short, and counting from the first sale would make every first week a good one. The store's own
    # first week is no launch if it is whole.
    opening = int(rows.day.min(initial=weeks * WEEK))
    begin = np.where(first * WEEK == opening, first, first + 1)
    alive = (number >= begin[:, None]) & (number <= last[:, None])
    log_price, priced = _weekly_log_price(rows, promoted, weeks)
    used: Flags = alive & (exposure > _LEAST_EXPOSURE) & sold.any(axis=0) & priced.reshape(count, 1)
    used &= (units * used).sum(axis=1, keepdims=True) > 0
    share = promoted.reshape(count, weeks, WEEK).mean(axis=2)
    return Weeks(units, exposure, log_price, share, used.astype(np.float64))


def _weekly_log_price(rows: Rows, promoted: Flags, weeks: int) -> tuple[Floats, Flags]:
    """Mean of the days' log prices relative to the product's first; a day without a sale has a neighbour's price.

    A week's revenue over its units would lean to the cheaper days of a mixed week, because more is sold on them.
    """
    count, days = len(rows.products), weeks * WEEK
    held = rows.price > 0
    code, day = rows.code[held], rows.day[held]
    priced = np.zeros(count, dtype=bool)
    priced[code] = True
    result = np.zeros((count, weeks))
    if not code.size:
        return result, priced
    opens = np.r_[True, code[1:] != code[:-1]]
    begin = _price_begins(code, day, promoted)
    begin[opens] = 0
    log = np.log(rows.price[held])
    log = log - log[np.flatnonzero(opens)[np.cumsum(opens) - 1]]
    closes = np.r_[opens[1:], True]
    until = np.where(closes, days, np.r_[begin[1:], days])
    area = np.r_[0.0, np.cumsum(log * (until - begin))]
    mine = np.flatnonzero(priced)
    edge = np.arange(0, days + 1, WEEK)
    place = np.searchsorted(code * (days + 1) + begin, mine[:, None] * (days + 1) + edge, side="right") - 1
    integral = area[place] + log[place] * (edge - begin[place])
    result[mine] = (integral[:, 1:] - integral[:, :-1]) / WEEK
    return result, priced


def _price_begins(code: Ints, day: Ints, promoted: Flags) -> Ints:
    """The day from which each selling day's price is taken to have stood, given product and day of the selling days.

    Halfway since the selling day before; where a promotion began or ended in between, the day it did. (Prices that
    stand until the next sale make a rise look shorter than it was, the more so the more it hurt sales: at 3 units a
    week simulated elasticities came out .3 too weak, and .15 this way.)
    """
    days = promoted.shape[1]
    number = np.arange(days)
    changes = np.zeros_like(promoted, dtype=bool)
    changes[:, 1:] = promoted[:, 1:] != promoted[:, :-1]
    change = np.maximum.accumulate(np.where(changes, number, 0), axis=1)
    before = np.r_[day[:1], day[:-1]]
    halfway = (before + day + 1) // 2
    return np.asarray(np.where(change[code, day] > before, change[code, day], halfway), dtype=np.int64)


def price_points(rows: Rows) -> Ints:
    """Different prices of each product: cells of 1 % counted from its lowest price."""
    count = len(rows.products)
    held = rows.price > 0
    code, log = rows.code[held], np.log(rows.price[held])
    lowest = np.full(count, np.inf)
    np.minimum.at(lowest, code, log)
    cell = np.floor((log - lowest[code]) / SAME_PRICE + 1e-9).astype(np.int64)
    width = int(cell.max(initial=0)) + 1
    return np.bincount(np.unique(code * width + cell) // width, minlength=count).astype(np.int64)


def current_price(rows: Rows, promoted: Flags) -> Floats:
    """The latest price outside promotions, or of all days if there are none; in cents; or zero.

    A price of the last selling day alone, further than `ODD` from the day before, is an odd receipt and not the price.
    """
    count = len(rows.products)
    regular = ~promoted[rows.code, rows.day] & (rows.price > 0)
    has_regular = np.zeros(count, dtype=bool)
    has_regular[rows.code[regular]] = True
    held = regular | (~has_regular[rows.code] & (rows.price > 0))
    code, price = rows.code[held], rows.price[held]
    end = np.searchsorted(code, np.arange(count), side="right")
    number = end - np.searchsorted(code, np.arange(count), side="left")
    result = np.zeros(count)
    some, two = number > 0, number > 1
    result[some] = price[end[some] - 1]
    before = price[end[two] - 2]
    odd = np.abs(np.log(result[two] / before)) > ODD
    result[two] = np.where(odd, before, result[two])
    return np.round(result, 2)
