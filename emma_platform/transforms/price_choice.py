"""The choice among the allowed prices of each product.

Belongs here: which price is advised or tested and what the guardrails cost. Does not belong here: which prices are
allowed and what they earn (`price_ladder`), the table and the words (`price_recommendations`, `price_reasons`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import IntEnum

import numpy as np

from emma_platform.model.estimates import PRICE_GUARDRAILS
from emma_platform.transforms.price_families import Ties, components, orderly, shares, together
from emma_platform.transforms.price_ladder import WIDEST_FACTOR, WORTH, Guardrails, Offers, Products, offers
from emma_platform.transforms.price_panel import Flags
from emma_platform.transforms.price_regression import Floats, Ints

OF_THE_LADDER = 3
"""So many of the first `PRICE_GUARDRAILS` change which prices there are to choose from."""

LIKELY = 0.6
"""Chance of a gain from which a test is worth its risk."""

TEST_STEP = 0.02
"""Smallest change of a test: twice what counts as another price."""

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
    PLANNED = 9
    TEST_NEVER_MOVED = 10
    TEST_LITTLE_EVIDENCE = 11
    BELOW_COST = 12
    NO_PRICE = 13
    NO_COST = 14
    NO_FORECAST = 15

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
        ties: which of them are priced together; None without any.
    """

    moved: Flags
    mostly_prior: Flags
    short: Flags
    cooling: Flags
    ties: Ties | None = None

    def of(self, some: Ints) -> Knowledge:
        """What is known of these products."""
        ties = None if self.ties is None else self.ties.of(some)
        return Knowledge(self.moved[some], self.mostly_prior[some], self.short[some], self.cooling[some], ties)


@dataclass(frozen=True)
class Choice:
    """The advised price of each product with its gain; the current price and a gain of zero where it is kept.

    Attributes:
        other: the best allowed price, with `other_probability`, its chance of a gain; zero where there is none.
        costs: (products, guardrails), what each of `PRICE_GUARDRAILS` costs, in expected profit: the gain of what
            would be recommended without it, less that of what is; not a number where nothing is known of it.
    """

    case: Ints
    price: Floats
    p10: Floats
    p50: Floats
    p90: Floats
    probability: Floats
    units: Floats
    other: Floats
    other_probability: Floats
    costs: Floats


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
    sure = _advised(products, offered, knowledge)
    best = _highest(offered, allowed, count)
    anything = _highest(offered, np.ones(len(worth), dtype=bool), count)
    free = _highest(offered, worth, count)
    testable = allowed & worth & (offered.probability >= LIKELY)
    if knowledge.ties is not None:
        chosen_prices = np.where(sure >= 0, _at(offered.price, sure), products.price)
        testable &= knowledge.ties.group[offered.product] < 0
        testable &= orderly(products, offered, knowledge.ties, chosen_prices)
    test = _test_step(products, offered, testable, best, count)

    better = _at(offered.expected, best) >= WORTH
    taken = sure >= 0
    tested = ~taken & better & knowledge.mostly_prior & (test >= 0) & (_at(offered.probability, best) >= LIKELY)
    would_cut = (free >= 0) & (_at(offered.price, free) < products.price)
    by_group, by_packs = (_held_by(products, offered, knowledge, name) for name in _TIES)
    case = np.select(
        [
            taken,
            by_group,
            by_packs,
            tested & ~knowledge.moved,
            tested,
            (anything < 0) & (products.price <= products.cost),
            products.units <= 0,
            knowledge.cooling & (free >= 0),
            knowledge.short & would_cut,
            (anything < 0) | ((best < 0) & ~knowledge.cooling),
            better,
        ],
        [
            Case.RECOMMEND,
            Case.PRICE_GROUP,
            Case.PACK_ORDER,
            Case.TEST_NEVER_MOVED,
            Case.TEST_LITTLE_EVIDENCE,
            Case.BELOW_COST,
            Case.NO_SALES,
            Case.COOLING_DOWN,
            Case.SHORT_STOCK,
            Case.NO_OTHER_PRICE,
            Case.UNSURE,
        ],
        Case.BEST_ALREADY,
    ).astype(np.int64)
    chosen = np.where(taken, sure, np.where(np.isin(case, _TESTS), test, -1))
    costs = _costs(products, guardrails, knowledge, offered, _at(offered.expected, sure))
    costed = taken | ((chosen < 0) & knowledge.moved)
    return Choice(
        case,
        np.where(chosen >= 0, _at(offered.price, chosen), products.price),
        _at(offered.p10, chosen),
        _at(offered.p50, chosen),
        _at(offered.p90, chosen),
        _at(offered.probability, chosen),
        np.where(chosen >= 0, _at(offered.units, chosen), products.units),
        _at(offered.price, best),
        _at(offered.probability, best),
        np.where(costed[:, None], costs, np.nan),
    )


def _advised(products: Products, offered: Offers, knowledge: Knowledge, *, without: str | None = None) -> Ints:
    """The offer to recommend for each product, -1 where none is sure to gain."""
    eligible = _allowed(products, offered, knowledge) & knowledge.moved[offered.product]
    alone = _highest(offered, eligible & (offered.expected >= WORTH) & (offered.p10 > 0), len(products.price))
    ties = knowledge.ties
    if ties is None or not ties.tied.any():
        return alone
    return np.where(ties.tied, together(products, offered, eligible, ties, without=without), alone)


def _held_by(products: Products, offered: Offers, knowledge: Knowledge, name: str) -> Flags:
    """Products whose price is kept, and would not be without this tie to others."""
    if knowledge.ties is None:
        return np.zeros(len(products.price), dtype=bool)
    return (_advised(products, offered, knowledge) < 0) & (_advised(products, offered, knowledge, without=name) >= 0)


def _allowed(products: Products, offered: Offers, knowledge: Knowledge) -> Flags:
    """No cut where the stock will not last, no change soon after one."""
    cut = offered.price < products.price[offered.product]
    return np.asarray(~(knowledge.cooling[offered.product] | (knowledge.short[offered.product] & cut)))


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


def _test_step(products: Products, offered: Offers, eligible: Flags, best: Ints, count: int) -> Ints:
    """The offer nearest to the current price on the side of the best one, from `TEST_STEP` on if there is any there."""
    if not len(offered.price):
        return np.full(count, -1, dtype=np.int64)
    current = products.price[offered.product]
    aim = _at(offered.price, best)[offered.product]
    side = (offered.price > current) == (aim > current)
    distance = np.abs(offered.price / current - 1.0)
    small = distance < TEST_STEP - 1e-9
    # Below the smallest step the largest change comes first, after all of those beyond it.
    return _first(offered.product, np.where(small, 2.0 * WIDEST_FACTOR - distance, distance), eligible & side, count)


def _costs(products: Products, guardrails: Guardrails, knowledge: Knowledge, held: Offers, gain: Floats) -> Floats:
    """(products, guardrails): how much more would be gained without each guardrail alone.

    Of products priced together it is what they lose together, shared by what each would gain more.
    """
    none = np.zeros(len(gain), dtype=bool)
    relaxed = {"short_stock": replace(knowledge, short=none), "cool_down": replace(knowledge, cooling=none)}
    costs = []
    for number, name in enumerate(PRICE_GUARDRAILS):
        offered = offers(products, guardrails, without=name) if number < OF_THE_LADDER else held
        best = _advised(products, offered, relaxed.get(name, knowledge), without=name)
        other = _at(offered.expected, best)
        apart = np.maximum(other - gain, 0.0)
        costs.append(apart if knowledge.ties is None else shares(knowledge.ties, gain, other))
    return np.stack(costs, axis=1)
