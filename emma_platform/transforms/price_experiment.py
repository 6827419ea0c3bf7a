"""The smallest price test that can settle a question: at which price, for how many days, at what cost.

Belongs here: the power calculation of a test in one store beside a store with like sales. Does not belong here: which
products a test is for (`price_choice`), and which stores take part (`serving.experiments`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emma_platform.transforms.price_ladder import UPPER, Offers, Products
from emma_platform.transforms.price_panel import WEEK, Flags
from emma_platform.transforms.price_regression import Floats, Ints

MOST_WEEKS = 12
"""A test that takes longer is none: seasons and habits change in the meantime."""

DECIDED = 0.8
"""Chance that a test ends with an answer from which it is worth its trouble: the usual power of a trial."""

TEST_STEP = 0.02
"""Smallest change of a test: twice what counts as another price."""

_WEEKS_A_YEAR = 52.0
_DAYS = 28.0


@dataclass(frozen=True)
class Tests:
    """One test for each product; offer -1 where there is none.

    Attributes:
        offer: place in `Offers` of the price to test.
        days: how long.
        chance: that it ends with an answer: the aimed price gains, or it does not, with a chance of 90 %.
        cost: what it costs a week at most, with a chance of 90 %.
    """

    offer: Ints
    days: Ints
    chance: Floats
    cost: Floats


def smallest_tests(products: Products, offered: Offers, eligible: Flags, aim: Ints, noise: Floats) -> Tests:
    """The test nearest to today's price that settles whether the aimed price gains, in as few weeks as that takes.

    The store charges the test price while one with like sales keeps its price. The difference of their log sales over d
    days measures the elasticity with variance 2 * noise / (units a day * d * log(price / current)^2), so the posterior
    variance falls from v to v' = 1 / (1 / v + 1 / that), and the posterior mean that will be found is normal around
    today's with variance v - v' (preposterior analysis: Raiffa and Schlaifer 1961). The answer is known when that mean
    lies 1.28 posterior standard deviations from the break-even elasticity of the aimed price. A test is offered when
    what the aimed price is expected to bring in a year is more than what the test costs at most.

    Args:
        products: what is known.
        offered: allowed prices.
        eligible: (offers,), prices that may be tested.
        aim: (products,), place of the best offer; -1 without one, then there is no test.
        noise: (products,), variance of a day's sales over their mean.
    """
    from scipy.special import ndtr

    count = len(products.price)
    place = np.flatnonzero(eligible & (aim[offered.product] >= 0))
    of = offered.product[place]
    price, aimed = products.price[of], offered.price[aim[of]]
    step = np.log(offered.price[place] / price)
    now, then = price - products.cost[of], aimed - products.cost[of]
    side = np.sign(aimed - price)
    even = np.log(np.maximum(now, 1e-300) / then) / np.log(aimed / price)
    days = WEEK * np.arange(1.0, MOST_WEEKS + 1.0)
    before = np.maximum(products.std_error[of], 1e-9)[:, None] ** 2
    told = np.maximum(products.units[of] / _DAYS, 1e-12)[:, None] * days * step[:, None] ** 2 / (2.0 * noise[of, None])
    after = 1.0 / (1.0 / before + told)
    spread, margin = np.sqrt(before - after) + 1e-12, UPPER * np.sqrt(after)
    apart = (products.elasticity[of] - even)[:, None]
    chance = ndtr((apart - margin) / spread) + ndtr((-apart - margin) / spread)
    weeks = np.argmax(chance >= DECIDED, axis=1)
    cost = np.maximum(-offered.p10[place], 0.0) * WEEK / _DAYS
    worth = offered.expected[aim[of]] * WEEK / _DAYS * _WEEKS_A_YEAR > cost * (weeks + 1)
    large = np.abs(offered.price[place] / price - 1.0) >= TEST_STEP - 1e-9
    good = (chance >= DECIDED).any(axis=1) & worth & large & (np.sign(step) == side)
    order = np.flatnonzero(good)[np.lexsort((np.abs(step[good]), of[good]))]
    found, first = np.unique(of[order], return_index=True)
    best = order[first]
    result = Tests(np.full(count, -1), np.zeros(count, dtype=np.int64), np.zeros(count), np.zeros(count))
    result.offer[found], result.days[found] = place[best], WEEK * (weeks[best] + 1)
    result.chance[found], result.cost[found] = chance[best, weeks[best]], cost[best]
    return result
