"""How the demo chain's world moves: prices, promotions, seasons, lives of products, stock.

Belongs here: one pure function for each force, on arrays of store x product x day. Does not belong here: the chain they
make up (`chain`) and its receipts (`receipts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from emma_platform.demo.catalogue import CATEGORIES, Event, Product, Store

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_PROMOTION_SLOT = 42
_SETTLED_DAYS = 14


@dataclass(frozen=True, slots=True)
class Promotion:
    """An announced promotion of one store, or (None) of all.

    `cut` is taken off the price; `lift` multiplies demand beyond the effect of the price.
    """

    store: str | None
    product: str
    first_day: date
    last_day: date
    kind: str
    cut: float
    lift: float


def shelf_price(cents: npt.ArrayLike) -> Ints:
    """The nearest price that ends in a nine, at least 0.29; cents."""
    return np.maximum(np.rint((np.asarray(cents, dtype=float) - 9) / 10).astype(np.int64) * 10 + 9, 29)


def price_paths(rng: np.random.Generator, list_cents: Ints, stores: int, days: int, fixed: Flags) -> Ints:
    """Regular prices in cents, store x product x day: 4 to 10 steps a year of 5 to 20 %, within 20 % of the list price.

    A step is drawn for every store and product by itself and never looks at demand, so prices are exogenous. Products
    marked `fixed` never move.
    """
    products = len(list_cents)
    rate = rng.integers(4, 11, (stores, products)) / 365.0
    chance, size, up = rng.random((3, days, stores, products))
    low, high = 0.8 * list_cents, 1.2 * list_cents
    price = np.repeat(list_cents[None, :], stores, axis=0)
    settled = np.zeros((stores, products), dtype=np.int64)
    path = np.empty((days, stores, products), dtype=np.int64)
    for day in range(days):
        # Steps wait until the last one has settled, so the chance of the days that may move is raised to keep the rate.
        moves = (chance[day] < rate / (1 - rate * _SETTLED_DAYS)) & (settled >= _SETTLED_DAYS) & ~fixed
        ratio = price / list_cents
        sign = np.where(up[day] < np.clip(0.5 - 2.0 * (ratio - 1), 0.1, 0.9), 1, -1)
        share = 0.05 + 0.15 * size[day]
        wanted, other = _stepped(price, sign, share), _stepped(price, -sign, share)
        wanted = np.where((wanted < low) | (wanted > high), other, wanted)
        price = np.where(moves, wanted, price)
        settled = np.where(moves, 0, settled + 1)
        path[day] = price
    return np.ascontiguousarray(path.transpose(1, 2, 0))


def _stepped(price: Ints, sign: Ints, share: Floats) -> Ints:
    wanted = shelf_price(price * (1 + sign * share))
    return np.where(wanted == price, price + 10 * sign, wanted)


def draw_promotions(
    rng: np.random.Generator,
    stores: tuple[Store, ...],
    products: tuple[Product, ...],
    fixed: Flags,
    *,
    first: date,
    days: int,
) -> tuple[Promotion, ...]:
    """One or two weeks each, about three a year and product, some in all stores and some in one; never two at once."""
    slots = -(-days // _PROMOTION_SLOT)
    drawn = rng.random((len(products), slots, 6))
    promotions = []
    for index, slot in np.argwhere((drawn[:, :, 0] < 0.35) & ~fixed[:, None]):  # noqa: PLR2004
        where, start, length, cut, lift = drawn[index, slot, 1:]
        weeks = 1 + int(length < 0.4)  # noqa: PLR2004
        offset = int(slot) * _PROMOTION_SLOT + int(start * (_PROMOTION_SLOT - 7 * weeks))
        begin = first + timedelta(days=offset)
        promotions.append(
            Promotion(
                store=None if where < 0.5 else stores[int((where - 0.5) * 2 * len(stores))].code,  # noqa: PLR2004
                product=products[index].code,
                first_day=begin,
                last_day=begin + timedelta(days=7 * weeks - 1),
                kind="leaflet" if lift < 0.5 else "display",  # noqa: PLR2004
                cut=0.10 + 0.20 * float(cut),
                lift=1.20 + 0.60 * float(lift),
            )
        )
    return tuple(promotions)


def apply_promotions(
    promotions: tuple[Promotion, ...], stores: dict[str, int], products: dict[str, int], regular: Ints, first: date
) -> tuple[Ints, Floats]:
    """Prices paid (cents) and the extra lift, both store x product x day."""
    paid, lift = regular.copy(), np.ones(regular.shape)
    for promotion in promotions:
        which = slice(None) if promotion.store is None else slice(stores[promotion.store], stores[promotion.store] + 1)
        index = products[promotion.product]
        window = slice((promotion.first_day - first).days, (promotion.last_day - first).days + 1)
        paid[which, index, window] = shelf_price(regular[which, index, window] * (1 - promotion.cut))
        lift[which, index, window] = promotion.lift
    return paid, lift


def season_factors(products: tuple[Product, ...], first: date, days: int) -> Floats:
    """Weekly and yearly pattern of each product's category: product x day, 1 on average."""
    dates = np.datetime64(first, "D") + np.arange(days)
    weekday = (dates.astype(np.int64) + 3) % 7
    of_year = (dates - dates.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64)
    by_category = {
        c.name: np.array(c.weekly)[weekday] * (1 + c.swing * np.cos(2 * np.pi * (of_year - c.peak_day) / 365.25))
        for c in CATEGORIES
    }
    return np.stack([by_category[product.category] for product in products])


def life_factors(rng: np.random.Generator, days: int, horizon: int, born: Flags, dying: Flags) -> tuple[Floats, Flags]:
    """Trend, launch and decline: the factor and whether the product is listed, both product x day.

    Launches lie between 30 and 80 % of the history and take a week to build up; declines begin in its second half,
    halve demand every 30 days and end with the product leaving the shelf after 120 days.
    """
    products = len(born)
    day = np.arange(days + horizon)[None, :]
    growth = rng.normal(0.03, 0.10, (products, 1))
    launch = np.where(born, (0.3 + 0.5 * rng.random(products)) * days, -7).astype(np.int64)[:, None]
    decline = np.where(dying, (0.5 + 0.4 * rng.random(products)) * days, 10**6).astype(np.int64)[:, None]
    factor = np.exp(growth * (day - days) / 365) * np.clip((day - launch + 1) / 7, 0, 1)
    factor = factor * 0.5 ** (np.clip(day - decline, 0, 120) / 30)
    listed = (day >= launch) & (day < decline + 120)
    return np.where(listed, factor, 0.0), listed


def day_factors(stores: tuple[Store, ...], calendar: tuple[Event, ...], first: date, days: int) -> Floats:
    """Opening and events: store x day, 0 where the store is closed."""
    factor = np.ones((len(stores), days))
    weekday = (np.arange(days) + first.weekday()) % 7
    for index, store in enumerate(stores):
        factor[index, np.isin(weekday, store.closed_weekdays)] = 0.0
        for event in calendar:
            if event.store in (None, store.code):
                factor[index, (event.day - first).days] *= event.effect
    return factor


def run_stock(rng: np.random.Generator, demand: Ints, expected: Floats, listed: Flags) -> tuple[Ints, Ints]:
    """Units sold and units on hand at the close, both store x product x day, from demand of the same shape.

    Order-up-to policy: each store gets deliveries on three mornings a week, up to two weeks of expected demand and
    more; a supplier fails for two to four weeks, each product about twice a year.
    """
    stores, products, days = demand.shape
    delivery = rng.random((stores, 7)).argsort(axis=1) < 3  # noqa: PLR2004
    fails = rng.random((days, stores, products)) < 0.006  # noqa: PLR2004
    length = rng.integers(14, 29, (days, stores, products))
    mean = expected.sum(axis=2) / np.maximum(listed.sum(axis=1), 1)
    level = np.ceil(14 * mean + np.sqrt(14 * mean)).astype(np.int64) + 1
    on_hand = np.zeros((stores, products), dtype=np.int64)
    failing = np.zeros((stores, products), dtype=np.int64)
    sold = np.empty(demand.shape, dtype=np.int64)
    close = np.empty(demand.shape, dtype=np.int64)
    for day in range(days):
        failing = np.where(fails[day] & (failing <= 0), length[day], failing - 1)
        opened = listed[:, day] & (listed[:, day - 1] if day else False)
        comes = listed[:, day] & (delivery[:, day % 7][:, None] & (failing <= 0) | ~opened)
        on_hand = np.where(comes, np.maximum(on_hand, level), on_hand)
        sold[:, :, day] = np.minimum(demand[:, :, day], on_hand)
        on_hand = (on_hand - sold[:, :, day]) * listed[:, day]
        close[:, :, day] = on_hand
    return sold, close
