"""The demo chain: a world whose true demand is known at every price.

Belongs here: the chain, its truth and how it is put together. Does not belong here: the forces it is made of (`world`),
its files (`landing`) and what is wrong with them (`faults`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from statistics import NormalDist

import numpy as np

from emma_platform.demo import world
from emma_platform.demo.catalogue import CATEGORIES, Event, Product, Store, make_calendar, make_stores, shelf_of
from emma_platform.demo.receipts import Sales, make_receipts
from emma_platform.demo.world import Flags, Floats, Ints, Promotion

HORIZON = 56
"""Days after the last day that the truth goes on for; no file ever tells of them."""

_SHORTEST = 28


@dataclass(frozen=True, eq=False)
class Chain:
    """Stores, products, what was sold, and the truth behind it. Arrays are store x product x day unless said otherwise.

    Days count from `first_day`; history has `days` of them, and cubes of `days + HORIZON` go on into the future, where
    regular prices stay as they were and announced promotions take place.

    Attributes:
        elasticity: store x product, below zero.
        factor: expected units at the list price, all days to come included; 0 when closed or not listed.
        regular, paid: cents; paid is the regular price less a promotion's cut.
        listed: product x day.
        demand: units asked for, drawn around `expected`; negative binomial, all days to come included.
        sold, on_hand: units of the history; sold is demand, cut off at what was on the shelf.
    """

    seed: int
    first_day: date
    days: int
    stores: tuple[Store, ...]
    products: tuple[Product, ...]
    calendar: tuple[Event, ...]
    promotions: tuple[Promotion, ...]
    elasticity: Floats
    factor: Floats
    regular: Ints
    paid: Ints
    listed: Flags
    demand: Ints
    sold: Ints
    on_hand: Ints
    sales: Sales

    @property
    def last_day(self) -> date:
        """The last day of the history."""
        return self.first_day + timedelta(days=self.days - 1)

    @cached_property
    def list_prices(self) -> Floats:
        """List prices in currency, by product."""
        return np.array([product.list_cents for product in self.products]) / 100

    @cached_property
    def dispersion(self) -> Floats:
        """Size parameter of the negative binomial, by product."""
        of = {category.name: category.dispersion for category in CATEGORIES}
        return np.array([of[product.category] for product in self.products])

    @cached_property
    def expected(self) -> Floats:
        """Expected demand at the prices paid, on all days of history and future."""
        ratio = self.paid / 100 / self.list_prices[None, :, None]
        return np.asarray(self.factor * ratio ** self.elasticity[:, :, None])

    @cached_property
    def censored(self) -> Flags:
        """Days of the history on which the shelf was empty at the close or before, while the product was listed."""
        return np.asarray((self.on_hand == 0) & self.listed[None, :, : self.days])

    @cached_property
    def price_moved(self) -> Flags:
        """Store x product: sales were made at more than one price."""
        seen = self.sold > 0
        paid = self.paid[:, :, : self.days]
        lowest = np.where(seen, paid, np.iinfo(np.int64).max).min(axis=2)
        return np.asarray((np.where(seen, paid, 0).max(axis=2) > lowest) & seen.any(axis=2))

    @cached_property
    def store_index(self) -> dict[str, int]:
        """Position of each store by code."""
        return {store.code: index for index, store in enumerate(self.stores)}

    @cached_property
    def product_index(self) -> dict[str, int]:
        """Position of each product by code."""
        return {product.code: index for index, product in enumerate(self.products)}

    def day(self, index: int) -> date:
        """The day at a position."""
        return self.first_day + timedelta(days=index)

    def expected_units(self, store: str, product: str, price: float, first_day: date, days: int) -> float:
        """True expected demand over `days` days from `first_day`, were the product sold at `price` on each of them.

        Announced promotions keep their extra lift, not their cut. Constant elasticity: units = factor * (price/list)^e.

        Raises:
            KeyError: no such store or product.
            ValueError: the price is not above zero, or a day lies outside of history and future.
        """
        s, p, begin = self.store_index[store], self.product_index[product], (first_day - self.first_day).days
        if price <= 0:
            raise ValueError(f"price {price} of {product} is not above zero")
        if days < 0 or begin < 0 or begin + days > self.days + HORIZON:
            last = self.last_day + timedelta(days=HORIZON)
            raise ValueError(f"{days} days from {first_day} leave the chain's {self.first_day} to {last}")
        reach = float(self.factor[s, p, begin : begin + days].sum())
        return reach * float((price / self.list_prices[p]) ** self.elasticity[s, p])


def make_chain(*, stores: int = 5, products: int = 60, days: int = 420, last_day: date, seed: int = 7) -> Chain:
    """A chain drawn from a seed: same arguments, same chain.

    Raises:
        ValueError: fewer than one store or product, or fewer than 28 days.
    """
    if stores < 1 or products < 1 or days < _SHORTEST:
        raise ValueError(f"{stores} stores x {products} products x {days} days: need at least 1 x 1 x {_SHORTEST}")
    first, span = last_day - timedelta(days=days - 1), days + HORIZON
    shops = make_stores(stores)
    fixed, costless, born, dying = _special(_stream(seed, 1), products)
    goods = _draw_products(_stream(seed, 2), products, costless)
    calendar = make_calendar(shops, first, first + timedelta(days=span - 1))

    list_cents = np.array([product.list_cents for product in goods])
    history = world.price_paths(_stream(seed, 3), list_cents, stores, days, fixed)
    regular = np.concatenate([history, np.repeat(history[:, :, -1:], HORIZON, axis=2)], axis=2)
    promotions = world.draw_promotions(_stream(seed, 4), shops, goods, fixed, first=first, days=span)
    places = {store.code: index for index, store in enumerate(shops)}
    numbers = {product.code: index for index, product in enumerate(goods)}
    paid, lift = world.apply_promotions(promotions, places, numbers, regular, first)

    elasticity = _draw_elasticities(_stream(seed, 5), goods, stores)
    life, listed = world.life_factors(_stream(seed, 6), days, HORIZON, born, dying)
    base = _draw_base(_stream(seed, 7), shops, products)
    shape = world.season_factors(goods, first, span) * life
    factor = base[:, :, None] * shape[None] * lift * world.day_factors(shops, calendar, first, span)[:, None, :]
    expected = factor * (paid / list_cents[None, :, None]) ** elasticity[:, :, None]
    demand = _draw_demand(_stream(seed, 8), expected, goods)
    sold, on_hand = world.run_stock(_stream(seed, 9), demand[:, :, :days], expected[:, :, :days], listed[:, :days])
    return Chain(
        seed=seed, first_day=first, days=days, stores=shops, products=goods, calendar=calendar, promotions=promotions,
        elasticity=elasticity, factor=factor, regular=regular, paid=paid, listed=listed, demand=demand, sold=sold,
        on_hand=on_hand, sales=make_receipts(_stream(seed, 10), sold, paid[:, :, :days]),
    )  # fmt: skip


def _stream(seed: int, force: int) -> np.random.Generator:
    """Each force draws from its own stream, so that a change of one leaves the others as they were."""
    return np.random.default_rng([seed, force])


def _special(rng: np.random.Generator, products: int) -> tuple[Flags, Flags, Flags, Flags]:
    """Which products never change price, have no known cost, start late, or die; none of a chain below eight."""
    order = rng.permutation(products)
    flags, start = [], 0
    for share in (20, 20, 12, 15):
        count = max(1, products // share) if products >= 8 else 0  # noqa: PLR2004
        flags.append(np.isin(np.arange(products), order[start : start + count]))
        start += count
    return flags[0], flags[1], flags[2], flags[3]


def _draw_products(rng: np.random.Generator, count: int, costless: Flags) -> tuple[Product, ...]:
    goods = []
    spread = rng.normal(0.0, 0.06, count)
    for index in range(count):
        category, name, cents = shelf_of(index)
        share = float(np.clip(category.cost_share + spread[index], 0.3, 0.8))
        # Leading zeros are kept on purpose: a reader that takes codes for numbers loses them.
        code = f"{1001 + 37 * index:06d}"
        goods.append(Product(code, name, category.name, cents, round(cents * share), cost_known=not costless[index]))
    return tuple(goods)


def _draw_elasticities(rng: np.random.Generator, goods: tuple[Product, ...], stores: int) -> Floats:
    """Category mean + product (sd 0.35) + store-product (sd 0.2), within -3.5 and -1.2: store x product."""
    of = {category.name: category.elasticity for category in CATEGORIES}
    mean = np.array([of[product.category] for product in goods]) + rng.normal(0, 0.35, len(goods))
    return np.clip(mean[None, :] + rng.normal(0, 0.2, (stores, len(goods))), -3.5, -1.2)


def _draw_base(rng: np.random.Generator, shops: tuple[Store, ...], products: int) -> Floats:
    """Expected units of a plain day at the list price, within 0.3 and 40: store x product; most products are slow."""
    # Quantiles of the log-normal in random order: a chain is as large with one seed as with another.
    quantiles = np.array([NormalDist(np.log(0.75), 1.3).inv_cdf((rank + 0.5) / products) for rank in range(products)])
    product = np.exp(rng.permutation(quantiles))
    size = np.array([store.size for store in shops])
    local = np.exp(rng.normal(0, 0.3, (len(shops), products)))
    return np.asarray(np.clip(size[:, None] * product[None, :] * local, 0.3, 40.0))


def _draw_demand(rng: np.random.Generator, expected: Floats, goods: tuple[Product, ...]) -> Ints:
    of = {category.name: category.dispersion for category in CATEGORIES}
    size = np.array([of[product.category] for product in goods])[None, :, None]
    return rng.negative_binomial(size, size / (size + expected))
