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

FEWEST_UNITS = 5.0
"""Units to be expected of a store during a test, for the logarithm of what it sells to be about normal: the usual rule
for expected counts (Cochran 1954). Of fewer, nothing sold at all is an outcome to be expected."""

_CHANGES = 2
"""Of the price: to that of the test, and from it back or on to the aimed one."""

_WEEKS_A_YEAR = 52.0
_DAYS = 28.0


@dataclass(frozen=True)
class Tests:
    """One test for each product; offer -1 where there is none.

    Attributes:
        offer: place in `Offers` of the price to test.
        days: how long.
        chance: that its own result is an answer: the aimed price gains, or it does not, with a chance of 90 %.
        cost: what it costs a week at most, with a chance of 90 %.
    """

    offer: Ints
    days: Ints
    chance: Floats
    cost: Floats


def smallest_tests(
    products: Products, offered: Offers, eligible: Flags, aim: Ints, noise: Floats, change_cost: float = 0.0
) -> Tests:
    """The test nearest to today's price that settles whether the aimed price gains, in as few weeks as that takes.

    The store charges the test price while one with like sales keeps its price. The difference of their log sales over d
    days measures the elasticity with variance e = 2 * noise / (units a day * d * log(price / current)^2), so what it
    will find is normal around today's mean with variance v + e, v being today's. It is an answer when it lies 1.28
    standard errors from the break-even elasticity of the aimed price (the power of the test, averaged over what is
    known: assurance, O'Hagan, Stevens and Campbell 2005). What was known before does not count as an answer: what
    other products say is the question, and a product that sells nothing during its test could not say otherwise. A test
    is offered when what the aimed price is expected to bring in a year is more than what the test and two changes of
    the price cost at most.

    Args:
        products: what is known.
        offered: allowed prices.
        eligible: (offers,), prices that may be tested.
        aim: (products,), place of the best offer; -1 without one, then there is no test.
        noise: (products,), variance of a day's sales over their mean.
        change_cost: what changing a price once costs.
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
    sold = np.maximum(products.units[of] / _DAYS, 1e-12)[:, None] * days
    error = np.sqrt(2.0 * noise[of, None] / sold) / np.abs(step[:, None])
    spread, margin = np.hypot(products.std_error[of, None], error), UPPER * error
    apart = (products.elasticity[of] - even)[:, None]
    chance = ndtr((apart - margin) / spread) + ndtr((-apart - margin) / spread)
    tells = (chance >= DECIDED) & (sold >= FEWEST_UNITS)
    weeks = np.argmax(tells, axis=1)
    cost = np.maximum(-offered.p10[place], 0.0) * WEEK / _DAYS
    worth = offered.expected[aim[of]] * WEEK / _DAYS * _WEEKS_A_YEAR > cost * (weeks + 1) + _CHANGES * change_cost
    large = np.abs(offered.price[place] / price - 1.0) >= TEST_STEP - 1e-9
    good = tells.any(axis=1) & worth & large & (np.sign(step) == side)
    order = np.flatnonzero(good)[np.lexsort((np.abs(step[good]), of[good]))]
    found, first = np.unique(of[order], return_index=True)
    best = order[first]
    result = Tests(np.full(count, -1), np.zeros(count, dtype=np.int64), np.zeros(count), np.zeros(count))
    result.offer[found], result.days[found] = place[best], WEEK * (weeks[best] + 1)
    result.chance[found], result.cost[found] = chance[best, weeks[best]], cost[best]
    return result
