"""Prices that may be charged, and what each would earn.

Belongs here: the guardrails, the candidates they leave, and the distribution of a candidate's gain. Does not belong
here: which candidate is advised (`price_recommendations`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from emma_platform.transforms.price_regression import Floats, Ints

WORTH = 0.01
"""A gain below a cent is none, whatever changing a price costs."""

WIDEST_FACTOR = 2.0
"""Without a largest step, prices are looked for between half and double the current one."""

FLATTEST = 0.0
"""Demand is never taken to rise with the price: an elasticity above zero counts as zero."""

UPPER = NormalDist().inv_cdf(0.9)
"""Standard deviations from the mean to the quantiles 10 % and 90 %."""

_TOLERANCE = 1e-9
_WHOLE = 100


@dataclass(frozen=True)
class Guardrails:
    """What a price must keep to.

    Attributes:
        minimum_margin_pct: lowest margin, in percent of the price; below 100.
        largest_step_pct: largest change at once, in percent of the current price; above 0 and below 100.
        endings: what a price may end in, as fractions of one unit of the currency; none means any cent.
        cool_down_days: days after a change of the price before the next; 0 or more.
        change_cost: what changing a price once costs, in the currency of the price; 0 or more.
    """

    minimum_margin_pct: float
    largest_step_pct: float
    endings: tuple[float, ...]
    cool_down_days: int = 0
    change_cost: float = 0.0

    def __post_init__(self) -> None:
        if not self.minimum_margin_pct < _WHOLE:
            raise ValueError(f"minimum_margin_pct is {self.minimum_margin_pct}; set it below 100")
        if not 0 < self.largest_step_pct < _WHOLE:
            raise ValueError(f"largest_step_pct is {self.largest_step_pct}; set it above 0 and below 100")
        if self.cool_down_days < 0:
            raise ValueError(f"price_cool_down_days is {self.cool_down_days}; set it to 0 or more")
        if not 0 <= self.change_cost < math.inf:
            raise ValueError(f"price_change_cost is {self.change_cost}; set it to 0 or more")
        if not all(0 <= ending < 1 for ending in self.endings):
            raise ValueError(f"price_endings are {self.endings}; each must be at least 0 and below 1, such as 0.99")


@dataclass(frozen=True)
class Products:
    """What is known of products that can be priced; arrays of equal length, all finite.

    Attributes:
        price: the current price, above 0.
        cost: of one unit, 0 or more.
        units: forecast over the horizon at the current price.
        elasticity: posterior mean.
        std_error: posterior standard deviation.
    """

    price: Floats
    cost: Floats
    units: Floats
    elasticity: Floats
    std_error: Floats


@dataclass(frozen=True)
class Offers:
    """Candidate prices of many products, with the gain of each over the current price.

    Attributes:
        product: place in `Products`, ascending.
        price: ascending within a product, never the current one.
        expected: mean gain in profit; p10, p50, p90: its quantiles; probability: chance that it is above zero.
        units: expected units.
    """

    product: Ints
    price: Floats
    expected: Floats
    p10: Floats
    p50: Floats
    p90: Floats
    probability: Floats
    units: Floats


def offers(products: Products, guardrails: Guardrails, *, without: str | None = None) -> Offers:
    """Every allowed price with its gain, where `without` names a guardrail to leave out.

    Args:
        products: what is known.
        guardrails: what prices must keep to. Never less than a cent above cost, whatever the margin.
        without: minimum_margin, largest_step, price_ending, or None; another name leaves out nothing.
    """
    product, price = candidates(products, guardrails, without=without)
    return gains(products, product, price)


def candidates(products: Products, guardrails: Guardrails, *, without: str | None = None) -> tuple[Ints, Floats]:
    """Allowed prices, in whole cents, as places in `products` and prices, sorted by both.

    Prices lie in [max(cost / (1 - margin), current * (1 - step)), current * (1 + step)] and have an allowed ending.
    Dear products skip prices: whole units go in tens from 1000, hundreds from 10,000 and so on (1 % of the price at
    most), and where any cent is allowed, steps are a thousandth of the price at most.
    """
    step = guardrails.largest_step_pct / 100.0
    low, high = products.price * (1.0 - step), products.price * (1.0 + step)
    if without == "largest_step":
        low, high = products.price / WIDEST_FACTOR, products.price * WIDEST_FACTOR
    lowest = products.cost + 0.01
    if without != "minimum_margin":
        lowest = np.maximum(lowest, products.cost / (1.0 - guardrails.minimum_margin_pct / 100.0))
    low = np.maximum(low, lowest)
    endings = np.unique(np.round(np.array(guardrails.endings) * 100.0).astype(np.int64))
    size = np.floor(np.log10(products.price) + _TOLERANCE).astype(np.int64)
    if without == "price_ending" or not len(endings):
        stride, endings = 10 ** np.maximum(size - 1, 0), np.zeros(1, dtype=np.int64)
    else:
        stride = 100 * 10 ** np.maximum(size - 2, 0)
    first = np.floor(low * 100.0 / stride).astype(np.int64)
    number = np.maximum(np.floor(high * 100.0 / stride + _TOLERANCE).astype(np.int64) - first + 1, 0)
    number[low > high] = 0
    product = np.repeat(np.arange(len(number)), number)
    place = np.arange(len(product)) - np.repeat(np.cumsum(number) - number, number)
    whole = (first[product] + place) * stride[product]
    price = ((whole[:, None] + endings).ravel()) / 100.0
    product = np.repeat(product, len(endings))
    held = (
        (price >= low[product] - _TOLERANCE)
        & (price <= high[product] + _TOLERANCE)
        & (np.abs(price - products.price[product]) > _TOLERANCE)
    )
    return product[held], price[held]


def gains(products: Products, product: Ints, price: Floats) -> Offers:
    """The gain of each price over the current one, in closed form.

    gain = units * ((price - cost) * (price / current)^b - (current - cost)) with b normal, cut off at `FLATTEST`.
    For a price above cost it rises with b when the price goes up and falls with b when it goes down, so a quantile of
    the gain is the gain at a quantile of b. Its mean uses E[exp(L b)] of a normal b, its upper part moved to the cut.

    Args:
        products: what is known.
        product: (offers,), places in `products`.
        price: (offers,), above cost and not the current price.
    """
    from scipy.special import ndtr

    current, cost, units = products.price[product], products.cost[product], products.units[product]
    mean, error = products.elasticity[product], np.maximum(products.std_error[product], _TOLERANCE)
    log = np.log(price / current)
    now, then = current - cost, price - cost

    def gain(elasticity: Floats) -> Floats:
        return np.asarray(units * (then * np.exp(log * np.minimum(elasticity, FLATTEST)) - now))

    worse = np.where(log > 0, -UPPER, UPPER) * error
    kept = np.exp(log * mean + (log * error) ** 2 / 2.0) * ndtr((FLATTEST - mean) / error - log * error)
    factor = kept + np.exp(log * FLATTEST) * ndtr((mean - FLATTEST) / error)
    # Above the break-even elasticity a rise gains, below it a cut; sold at a loss, every price above cost gains.
    even = np.log(np.maximum(now, 1e-300) / then) / log
    chance = ndtr(np.where(log > 0, mean - even, even - mean) / error)
    return Offers(
        product,
        price,
        units * (then * factor - now),
        gain(mean + worse),
        gain(mean),
        gain(mean - worse),
        np.where(now <= 0, 1.0, chance) * (units > 0),
        units * factor,
    )
