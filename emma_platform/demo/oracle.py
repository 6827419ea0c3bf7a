"""The best price there is, for one who knows the true demand.

Belongs here: profit at any price, and the price that earns the most within the same guardrails as the platform's.
Does not belong here: the platform's own advice (`transforms`), and how the two compare (`scorecard`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from emma_platform.demo.chain import Chain
from emma_platform.demo.world import Floats
from emma_platform.settings import Settings

DAYS = 28


@dataclass(frozen=True, slots=True)
class Guardrails:
    """What a new price must keep to: margin and step in percent, endings in cents, days after a change."""

    minimum_margin_pct: float
    largest_step_pct: float
    endings: tuple[int, ...]
    cool_down_days: int = 0

    @classmethod
    def of(cls, settings: Settings) -> Guardrails:
        """The guardrails of the platform's settings."""
        endings = {round(float(text) * 100) % 100 for text in settings.price_endings.split(",")}
        return cls(
            settings.minimum_margin_pct,
            settings.largest_step_pct,
            tuple(sorted(endings)),
            settings.price_cool_down_days,
        )


@dataclass(frozen=True, slots=True)
class BestPrice:
    """The best price of one store and product over some days; money in the store's currency."""

    store: str
    product: str
    current_price: float
    price: float
    profit: float
    uplift: float


def candidate_prices(current: float, cost: float, rules: Guardrails) -> Floats:
    """Prices with an allowed ending, within the step and above the lowest margin, and the current one; ascending.

    A price keeps the margin when (price - cost) / price is at least `minimum_margin_pct` percent.
    """
    cents = round(current * 100)
    step = rules.largest_step_pct / 100
    # A thousandth of a cent keeps prices that lie on the bound.
    low, high = cents * (1 - step) - 1e-3, cents * (1 + step) + 1e-3
    prices = np.arange(int(np.ceil(low)), int(np.floor(high)) + 1)
    allowed = np.isin(prices % 100, rules.endings) & (
        prices - cost * 100 >= prices * rules.minimum_margin_pct / 100 - 1e-3
    )
    return np.union1d(prices[allowed], [cents]) / 100


def true_profit(chain: Chain, store: str, product: str, price: float, first_day: date, days: int = DAYS) -> float:
    """Expected profit over these days at that price: (price - true cost) x expected units."""
    cost = chain.products[chain.product_index[product]].cost_cents / 100
    return (price - cost) * chain.expected_units(store, product, price, first_day, days)


def best_price(
    chain: Chain, store: str, product: str, first_day: date, rules: Guardrails, days: int = DAYS
) -> BestPrice:
    """The price that earns the most from `first_day` on; of equal ones the lowest.

    The current price is the regular one on the day before. It stays when it was first charged less than the cool-down
    ago; a regular price that starts behind a promotion is charged from the promotion's end.

    Raises:
        KeyError: no such store or product.
        ValueError: the days leave the chain's history and future.
    """
    s, p = chain.store_index[store], chain.product_index[product]
    last = (first_day - chain.first_day).days - 1
    regular, paid = chain.regular[s, p, : last + 1], chain.paid[s, p, : last + 1]
    current = float(regular[-1]) / 100
    before = np.flatnonzero((paid == regular) & (regular != regular[-1]))
    since = np.flatnonzero(paid[before[-1] :] == regular[-1]) + before[-1] if len(before) else np.array([-last - 1])
    settled = len(since) > 0 and last - since[0] >= rules.cool_down_days
    cost = chain.products[p].cost_cents / 100
    prices = candidate_prices(current, cost, rules) if settled else np.array([current])
    # Demand is reach * (price / list)^e, so one evaluation gives all candidates.
    reach = chain.expected_units(store, product, float(chain.list_prices[p]), first_day, days)
    profits = (prices - cost) * reach * (prices / chain.list_prices[p]) ** chain.elasticity[s, p]
    best = int(np.argmax(profits))
    now = true_profit(chain, store, product, current, first_day, days)
    return BestPrice(store, product, current, float(prices[best]), float(profits[best]), float(profits[best]) - now)
