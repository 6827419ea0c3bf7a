"""The choice among the allowed prices of each product.

Belongs here: which price is advised or tested and what the guardrails cost. Does not belong here: which prices are
allowed and what they earn (`price_ladder`), the table and the words (`price_recommendations`, `price_reasons`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import IntEnum

import numpy as np

from emma_platform.model.estimates import PRICE_GUARDRAILS
from emma_platform.transforms.price_experiment import smallest_tests
from emma_platform.transforms.price_families import Ties, components, orderly, shares, together
from emma_platform.transforms.price_ladder import WORTH, Guardrails, Offers, Products, offers
from emma_platform.transforms.price_panel import Flags
from emma_platform.transforms.price_regression import Floats, Ints

OF_THE_LADDER = 3
"""So many of the first `PRICE_GUARDRAILS` change which prices there are to choose from."""

SURE = 0.9
"""Chance of a gain from which a price is recommended; that of a price which may not be charged any more counts in."""

LIKELY = 0.6
"""Chance of a gain from which a test is worth its risk."""

_BLOCK = 128

_TIES = ("price_group", "pack_order")


class Case(IntEnum):
    """What was decided, and why."""

    RECOMMEND = 0
    BEST_ALREADY = 1
    UNSURE = 2
    NO_SALES = 3
    NO_OTHER_PRICE = 4
    SHORT_STOCK = 5
    COOLING_DOWN = 6
    PRICE_GROUP = 7
    PACK_ORDER = 8
    NOT_SEEN = 9
    PLANNED = 10
    NO_TEST = 11
    TEST_NEVER_MOVED = 12
    TEST_LITTLE_EVIDENCE = 13
    NOT_WORTH = 14
    BELOW_COST = 15
    NO_PRICE = 16
    NO_COST = 17
    NO_FORECAST = 18

    @property
    def status(self) -> str:
        """The status of `price_recommendations`."""
        if self is Case.RECOMMEND:
            return "recommend"
        if self in _TESTS:
            return "explore"
        return "blocked" if self >= Case.BELOW_COST else "hold"


_TESTS = (Case.TEST_NEVER_MOVED, Case.TEST_LITTLE_EVIDENCE)


@dataclass(frozen=True)
class Knowledge:
    """How much is known of each product, as flags.

    Attributes:
        moved: its price has moved and its own sales answered.
        mostly_prior: other products say more of its response than its own sales.
        short: the stock will not last; the price is not cut.
        cooling: the price changed a short time ago; it is not changed again.
        charged: the chance that the current price is still charged.
        noise: variance of a day's sales over their mean.
        ties: which of them are priced together; None without any.
    """

    moved: Flags
    mostly_prior: Flags
    short: Flags
    cooling: Flags
    charged: Floats
    noise: Floats
    ties: Ties | None = None

    def of(self, some: Ints) -> Knowledge:
        """What is known of these products."""
        ties = None if self.ties is None else self.ties.of(some)
        flags = self.moved[some], self.mostly_prior[some], self.short[some], self.cooling[some]
        return Knowledge(*flags, self.charged[some], self.noise[some], ties)


@dataclass(frozen=True)
class Choice:
    """The advised price of each product with its gain; the current price and a gain of zero where it is kept.

    Attributes:
        other: the best allowed price, with `other_gain`, what it is expected to bring, and `other_probability`, its
            chance of a gain; zero where there is none.
        costs: (products, guardrails), what each of `PRICE_GUARDRAILS` costs, in expected profit: the gain of what
            would be recommended without it, less that of what is; not a number where nothing is known of it.
        test_days, test_chance, test_cost: of the test, where one is proposed (`price_experiment.Tests`).
    """

    case: Ints
    price: Floats
    p10: Floats
    p50: Floats
    p90: Floats
    probability: Floats
    units: Floats
    other: Floats
    other_gain: Floats
    other_probability: Floats
    costs: Floats
    test_days: Ints
    test_chance: Floats
    test_cost: Floats


def choose(products: Products, guardrails: Guardrails, knowledge: Knowledge) -> Choice:
    """The advice for each product. Blocks of products bound the memory that their candidates take."""
    blocks = _blocks(len(products.price), knowledge.ties)
    parts = []
    for block in blocks:
        some = Products(**{field.name: getattr(products, field.name)[block] for field in fields(products)})
        parts.append(_choose(some, guardrails, knowledge.of(block)))
    back = np.argsort(np.concatenate(blocks), kind="stable")
    return Choice(
        **{field.name: np.concatenate([getattr(part, field.name) for part in parts])[back] for field in fields(Choice)}
    )


def _blocks(count: int, ties: Ties | None) -> list[Ints]:
    """Places of products, at most `_BLOCK` in each part unless they are priced together."""
    alone = np.arange(count) if ties is None else np.flatnonzero(~ties.tied)
    blocks = [alone[start : start + _BLOCK] for start in range(0, len(alone), _BLOCK)]
    if ties is not None:
        of, tied = components(ties), np.flatnonzero(ties.tied)
        blocks += [tied[of[tied] == each] for each in np.unique(of[tied])]
    return blocks or [np.arange(0)]


def _choose(products: Products, guardrails: Guardrails, knowledge: Knowledge) -> Choice:
    count = len(products.price)
    offered = offers(products, guardrails)
    allowed = _allowed(products, offered, knowledge)
    worth = offered.expected >= WORTH
    change_cost = guardrails.change_cost
    sure = _advised(products, offered, knowledge, change_cost)
    best = _highest(offered, allowed, count)
    anything = _highest(offered, np.ones(len(worth), dtype=bool), count)
    free = _highest(offered, worth, count)
    testable = _testable(products, offered, knowledge, sure)
    tests = smallest_tests(products, offered, testable, best, knowledge.noise, change_cost)

    most = _at(offered.expected, best)
    better = most >= max(change_cost, WORTH)
    taken = sure >= 0
    likely = ~taken & better & knowledge.mostly_prior & (_at(offered.probability, best) >= LIKELY)
    tested = likely & (tests.offer >= 0)
    calm = ~(knowledge.short | knowledge.cooling)
    unseen = _highest(offered, _doubtful(products, offered, knowledge, change_cost), count) >= 0
    would_cut = (free >= 0) & (_at(offered.price, free) < products.price)
    by_group, by_packs = (_held_by(products, offered, knowledge, change_cost, name) for name in _TIES)
    case = np.select(
        [
            taken,
            by_group,
            by_packs,
            unseen,
            tested & ~knowledge.moved,
            tested,
            (anything < 0) & (products.price <= products.cost),
            products.units <= 0,
            knowledge.cooling & (free >= 0),
            knowledge.short & would_cut,
            (anything < 0) | ((best < 0) & ~knowledge.cooling),
            likely & calm & (knowledge.charged >= SURE),
            better,
            most >= WORTH,
        ],
        [
            Case.RECOMMEND,
            Case.PRICE_GROUP,
            Case.PACK_ORDER,
            Case.NOT_SEEN,
            Case.TEST_NEVER_MOVED,
            Case.TEST_LITTLE_EVIDENCE,
            Case.BELOW_COST,
            Case.NO_SALES,
            Case.COOLING_DOWN,
            Case.SHORT_STOCK,
            Case.NO_OTHER_PRICE,
            Case.NO_TEST,
            Case.UNSURE,
            Case.NOT_WORTH,
        ],
        Case.BEST_ALREADY,
    ).astype(np.int64)
    chosen = np.where(taken, sure, np.where(np.isin(case, _TESTS), tests.offer, -1))
    costs = _costs(products, guardrails, knowledge, offered, _at(offered.expected, sure))
    costed = taken | ((chosen < 0) & knowledge.moved)
    return Choice(
        case,
        np.where(chosen >= 0, _at(offered.price, chosen), products.price),
        _at(offered.p10, chosen),
        _at(offered.p50, chosen),
        _at(offered.p90, chosen),
        _at(offered.probability, chosen) * knowledge.charged,
        np.where(chosen >= 0, _at(offered.units, chosen), products.units),
        _at(offered.price, best),
        most,
        _at(offered.probability, best),
        np.where(costed[:, None], costs, np.nan),
        tests.days,
        tests.chance,
        tests.cost,
    )


def _advised(
    products: Products, offered: Offers, knowledge: Knowledge, change_cost: float, *, without: str | None = None
) -> Ints:
    """The offer to recommend for each product, -1 where none is sure to gain and worth the change."""
    eligible = _allowed(products, offered, knowledge) & knowledge.moved[offered.product]
    eligible &= ~_in_doubt(offered, knowledge)
    worth = (offered.expected >= max(change_cost, WORTH)) & (offered.p10 > 0)
    alone = _highest(offered, eligible & worth, len(products.price))
    ties = knowledge.ties
    if ties is None or not ties.tied.any():
        return alone
    joint = together(products, offered, eligible, ties, change_cost=change_cost, without=without)
    return np.where(ties.tied, joint, alone)


def _held_by(products: Products, offered: Offers, knowledge: Knowledge, change_cost: float, name: str) -> Flags:
    """Products whose price is kept, and would not be without this tie to others."""
    if knowledge.ties is None:
        return np.zeros(len(products.price), dtype=bool)
    held = _advised(products, offered, knowledge, change_cost) < 0
    return held & (_advised(products, offered, knowledge, change_cost, without=name) >= 0)


def _allowed(products: Products, offered: Offers, knowledge: Knowledge) -> Flags:
    """No cut where the stock will not last, no change soon after one."""
    cut = offered.price < products.price[offered.product]
    return np.asarray(~(knowledge.cooling[offered.product] | (knowledge.short[offered.product] & cut)))


def _in_doubt(offered: Offers, knowledge: Knowledge) -> Flags:
    """Not sure to gain for want of knowing that the current price is still charged."""
    charged = knowledge.charged[offered.product]
    return np.asarray((charged < 1.0) & (offered.probability * charged < SURE))


def _doubtful(products: Products, offered: Offers, knowledge: Knowledge, change_cost: float) -> Flags:
    """What would be recommended if the current price were known to be still charged."""
    known = replace(knowledge, charged=np.ones(len(products.price)))
    pick = _advised(products, offered, known, change_cost)
    pick = pick[(pick >= 0) & (_advised(products, offered, knowledge, change_cost) < 0)]
    return np.isin(np.arange(len(offered.price)), pick)


def _testable(products: Products, offered: Offers, knowledge: Knowledge, sure: Ints) -> Flags:
    """Prices that may be tested: likely to gain, with stock, a settled price, and in order with the family's."""
    held = knowledge.short | knowledge.cooling | (knowledge.charged < SURE)
    result = (offered.expected >= WORTH) & (offered.probability >= LIKELY) & ~held[offered.product]
    ties = knowledge.ties
    if ties is None:
        return np.asarray(result)
    chosen = np.where(sure >= 0, _at(offered.price, sure), products.price)
    return np.asarray(result & (ties.group[offered.product] < 0) & orderly(products, offered, ties, chosen))


def _at(values: Floats, place: Ints) -> Floats:
    """The value at each place; zero where the place is -1."""
    return np.asarray(np.r_[values, 0.0][place])


def _highest(offered: Offers, eligible: Flags, count: int) -> Ints:
    """The eligible offer with the highest expected gain of each product, the lower price of equals; -1 without one."""
    return _first(offered.product, -offered.expected, eligible, count)


def _first(product: Ints, rank: Floats, eligible: Flags, count: int) -> Ints:
    """The eligible offer of the lowest rank of each product, the first of equals; -1 without one."""
    places = np.flatnonzero(eligible)
    order = places[np.lexsort((places, rank[places], product[places]))]
    found, start = np.unique(product[order], return_index=True)
    result = np.full(count, -1, dtype=np.int64)
    result[found] = order[start]
    return result


def _costs(products: Products, guardrails: Guardrails, knowledge: Knowledge, held: Offers, gain: Floats) -> Floats:
    """(products, guardrails): how much more would be gained without each guardrail alone.

    Of products priced together it is what they lose together, shared by what each would gain more.
    """
    none = np.zeros(len(gain), dtype=bool)
    relaxed = {"short_stock": replace(knowledge, short=none), "cool_down": replace(knowledge, cooling=none)}
    costs = []
    for number, name in enumerate(PRICE_GUARDRAILS):
        offered = offers(products, guardrails, without=name) if number < OF_THE_LADDER else held
        best = _advised(products, offered, relaxed.get(name, knowledge), guardrails.change_cost, without=name)
        other = _at(offered.expected, best)
        apart = np.maximum(other - gain, 0.0)
        costs.append(apart if knowledge.ties is None else shares(knowledge.ties, gain, other))
    return np.stack(costs, axis=1)
