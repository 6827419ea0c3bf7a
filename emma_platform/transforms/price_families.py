"""Products that are priced together: one price for a price group, and no bigger pack dearer per unit than a smaller.

Belongs here: which products of a store hang together, and the exact search for the prices that earn the most among
them. Does not belong here: what a single product's prices earn (`price_ladder`) and when a price may change at all
(`price_choice`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import reduce

import numpy as np
import pyarrow as pa

from emma_platform.transforms.price_ladder import WORTH, Offers, Products
from emma_platform.transforms.price_panel import Flags, codes, distinct, floats
from emma_platform.transforms.price_regression import Floats, Ints

MOST_OPTIONS = 256
"""Prices of one product or group that are tried against its family, those with the highest gain: a step of 10 % on nine
endings below 100 has fewer."""

MOST_NODES = 20_000
"""Partial assignments looked at for one family; beyond it, the best found so far is taken."""

_SAME = 1e4
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Ties:
    """What ties the products of one store to each other; arrays over `Products`, -1 is no tie.

    Attributes:
        group: price group; only groups with two products or more on sale in the store.
        family: pack family; only families with two pack sizes or more on sale in the store.
        size: quantity in the family's unit; not a number outside of families.
        frozen: in a price group with a product whose profit is not known.
        beside: family, size and price of products on sale whose profit is not known, (products, 3): they stay.
    """

    group: Ints
    family: Ints
    size: Floats
    frozen: Flags
    beside: Floats

    def of(self, some: Ints) -> Ties:
        """The ties of these products."""
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        return Ties(**{name: values if name == "beside" else values[some] for name, values in own.items()})

    @property
    def tied(self) -> Flags:
        """Products with a tie."""
        return np.asarray((self.group >= 0) | (self.family >= 0))


@dataclass(frozen=True)
class Unit:
    """Products that move as one, with the prices that they may take.

    Attributes:
        members: places in `Products`.
        offers: (options, members), places in `Offers`; -1 keeps the price. The last option keeps all of them.
        prices: (options, members).
        gain: (options,), expected, less what the changes cost, falling; the last one is 0.
    """

    members: Ints
    offers: Ints
    prices: Floats
    gain: Floats


def ties_of(
    names: pa.Array[pa.StringScalar], listed: pa.Table, *, known: Flags, priced: Flags, price: Floats
) -> Ties | None:
    """The ties among a store's known products; None without any.

    Args:
        names: all products of the store.
        listed: rows of `products`: product, price_group, pack_family, pack_size.
        known: products whose profit is known, those that the ties are for.
        priced: products on sale that keep their price: their profit is not known, or another price is planned.
        price: the current price of all of them.
    """
    place = codes(names, listed["product"].combine_chunks())
    there = (known | priced) & (place >= 0)
    group = np.where(there, _codes(listed, "price_group")[place], -1)
    family, size = _codes(listed, "pack_family")[place], floats(listed["pack_size"])[place] if len(listed) else price
    family = np.where(there & (size > 0), family, -1)
    group = _kept(group, group)
    family = _kept(family, np.where(family >= 0, np.unique(size, return_inverse=True)[1], -1))
    if not ((group >= 0) | (family >= 0)).any():
        return None
    stays = priced & (family >= 0)
    frozen = np.isin(group, np.unique(group[priced & (group >= 0)]))
    return Ties(
        group[known],
        family[known],
        np.where(family >= 0, size, np.nan)[known],
        frozen[known],
        np.stack([family[stays].astype(np.float64), size[stays], price[stays]], axis=1),
    )


def _codes(listed: pa.Table, column: str) -> Ints:
    """Each row's value as a number, -1 where it has none, and -1 once more for the row of no product."""
    named = distinct(listed[column])
    return np.asarray(np.r_[codes(listed[column], named), -1], dtype=np.int64)


def _kept(tie: Ints, kind: Ints) -> Ints:
    """The tie where it holds at least two products of different kinds (for groups: at least two products)."""
    result = tie.copy()
    for each in np.unique(tie[tie >= 0]):
        mine = tie == each
        if mine.sum() < 2 or (kind is not tie and len(np.unique(kind[mine])) < 2):  # noqa: PLR2004 - a pair
            result[mine] = -1
    return result


def components(ties: Ties) -> Ints:
    """A number for each product, equal for those tied together, directly or through others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(ties.group)
    first = count + int(ties.group.max(initial=-1)) + 1
    product = np.r_[np.flatnonzero(ties.group >= 0), np.flatnonzero(ties.family >= 0)]
    tie = np.r_[count + ties.group[ties.group >= 0], first + ties.family[ties.family >= 0]]
    nodes = first + int(ties.family.max(initial=-1)) + 1
    links = coo_array((np.ones(len(tie)), (product, tie)), shape=(nodes, nodes))
    return np.asarray(connected_components(links, directed=False)[1][:count], dtype=np.int64)


def together(
    products: Products,
    offered: Offers,
    eligible: Flags,
    ties: Ties,
    *,
    change_cost: float = 0.0,
    without: str | None = None,
) -> Ints:
    """The offer that is advised for each product, -1 where the price is kept: the highest joint expected gain.

    A group moves to one price that every member may take, if the lower bounds of its members' gains together are above
    zero (their sum: the errors of products that share their priors may all go together). What moves must be sure by
    itself; the pack order only rules out combinations. A pair that breaks the order today may stay so or come nearer to
    it, never the other way. From the gain goes what changing the prices costs, and a group must gain at least that.

    Args:
        products: what is known.
        offered: allowed prices.
        eligible: (offers,), which of them may be advised whatever they gain.
        ties: of these products.
        change_cost: what changing one price costs.
        without: price_group or pack_order to leave that one out.
    """
    group = np.full(len(ties.group), -1) if without == "price_group" else ties.group
    family = np.full(len(ties.family), -1) if without == "pack_order" else ties.family
    beside = ties.beside[:0] if without == "pack_order" else ties.beside
    held = Ties(group, family, ties.size, ties.frozen & (group >= 0), beside)
    starts = np.searchsorted(offered.product, np.arange(len(products.price) + 1))
    result = np.full(len(products.price), -1, dtype=np.int64)
    of = components(held)
    for each in np.unique(of):
        members = np.flatnonzero(of == each)
        parts = [members[group[members] == one] for one in np.unique(group[members]) if one >= 0]
        parts += [np.array([one]) for one in members[group[members] < 0]]
        units = [_unit(products, offered, eligible, part, starts, held, change_cost) for part in parts]
        for unit, option in zip(units, _search(units, products.price, held), strict=True):
            result[unit.members] = unit.offers[option]
    return result


def orderly(products: Products, offered: Offers, ties: Ties, chosen: Floats) -> Flags:
    """(offers,): the price keeps the pack order against the others' current prices and those chosen for them."""
    result = np.ones(len(offered.price), dtype=bool)
    for one in np.flatnonzero(ties.family >= 0):
        mine = offered.product == one
        for prices in (products.price, chosen):
            for small, large, now in _pairs(np.array([one]), np.flatnonzero(ties.family >= 0), products.price, ties):
                other = large if small == one else small
                if other == one:
                    continue
                own, theirs = offered.price[mine] / ties.size[one], prices[other] / ties.size[other]
                result[mine] &= _in_order(own, theirs, now) if small == one else _in_order(theirs, own, now)
        own = offered.price[mine] / ties.size[one]
        result[mine] &= _beside(own, ties.size[one], products.price[one], int(ties.family[one]), ties.beside)
    return result


def shares(ties: Ties, gain: Floats, other: Floats) -> Floats:
    """What products tied together lose with `gain` against `other`, as shares of those that lose, at least 0."""
    of = components(ties)
    lost = np.maximum(np.bincount(of, weights=other - gain), 0.0)[of]
    own = np.maximum(other - gain, 0.0)
    return lost * own / np.maximum(np.bincount(of, weights=own)[of], 1e-300)


def _unit(
    products: Products,
    offered: Offers,
    eligible: Flags,
    members: Ints,
    starts: Ints,
    ties: Ties,
    change_cost: float,
) -> Unit:
    """The products with the prices that all of them may take."""
    keys = [np.round(offered.price[starts[one] : starts[one + 1]] * _SAME) for one in members]
    now = np.round(products.price[members] * _SAME)
    may = [np.r_[key, one] for key, one in zip(keys, now, strict=True)]
    shared = np.zeros(0) if ties.frozen[members].any() else reduce(np.intersect1d, may)
    place = np.stack(
        [
            np.where(shared == one, -1, starts[member] + np.minimum(np.searchsorted(key, shared), max(len(key) - 1, 0)))
            for member, key, one in zip(members, keys, now, strict=True)
        ],
        axis=1,
    ).astype(np.int64)
    moves = place >= 0
    gain, bound = (np.r_[each, 0.0][place].sum(axis=1) for each in (offered.expected, offered.p10))
    paid = change_cost * moves.sum(axis=1)
    worth = (gain >= np.maximum(paid, WORTH)) & moves.any(axis=1)
    sure = worth & (bound > 0) & (~moves | np.r_[eligible, True][place]).all(axis=1)
    place, gain = place[sure], (gain - paid)[sure]
    order = np.lexsort((np.arange(len(gain)), -gain))[:MOST_OPTIONS]
    place = np.concatenate([place[order], np.full((1, len(members)), -1)])
    prices = np.where(place >= 0, np.r_[offered.price, 0.0][place], products.price[members])
    return Unit(members, place, prices, np.r_[gain[order], 0.0])


def _in_order(small: Floats, large: Floats, now: float) -> Flags:
    """Unit prices of the bigger pack that are not above the smaller one's, or not further above than now."""
    return np.asarray(large <= small * max(now, 1.0) * (1.0 + _TOLERANCE))


def _pairs(some: Ints, others: Ints, price: Floats, ties: Ties) -> Iterable[tuple[int, int, float]]:
    """Smaller and bigger pack of one family, with the bigger one's unit price now over the smaller one's."""
    for one in some:
        for two in others:
            if ties.family[one] >= 0 and ties.family[one] == ties.family[two] and ties.size[one] != ties.size[two]:
                small, large = (one, two) if ties.size[one] < ties.size[two] else (two, one)
                unit = price / ties.size
                yield int(small), int(large), float(unit[large] / unit[small])


def _beside(unit_price: Floats, size: float, now: float, family: int, beside: Floats) -> Flags:
    """Unit prices in order with the family's products that stay as they are."""
    result = np.ones(len(unit_price), dtype=bool)
    for _, other, price in beside[(beside[:, 0] == family) & (beside[:, 1] != size)]:
        ratio = (now / size) / (price / other)
        theirs = np.full(1, price / other)
        result &= _in_order(unit_price, theirs, 1 / ratio) if size < other else _in_order(theirs, unit_price, ratio)
    return result


def _search(units: Sequence[Unit], price: Floats, ties: Ties) -> list[int]:
    """The option of each unit that together gain the most and keep the pack order: branch and bound."""
    matrices = {(a, b): _matrix(units[a], units[b], price, ties) for b in range(len(units)) for a in range(b)}
    best, chosen, nodes = -1.0, [len(unit.gain) - 1 for unit in units], 0

    def most(first: int, left: Sequence[Flags]) -> float:
        return sum(float(unit.gain[int(np.argmax(mask))]) for unit, mask in zip(units[first:], left, strict=True))

    def visit(depth: int, left: list[Flags], total: float, taken: list[int]) -> None:
        nonlocal best, chosen, nodes
        if depth == len(units):
            best, chosen = total, taken
            return
        for option in np.flatnonzero(left[0]).tolist():
            nodes += 1
            gain = total + float(units[depth].gain[option])
            if gain + most(depth + 1, left[1:]) <= best + _TOLERANCE or nodes > MOST_NODES:
                break
            after = [mask & matrices[depth, depth + 1 + k][option] for k, mask in enumerate(left[1:])]
            if all(mask.any() for mask in after) and gain + most(depth + 1, after) > best + _TOLERANCE:
                visit(depth + 1, after, gain, [*taken, option])

    visit(0, [_beside_all(unit, price, ties) for unit in units], 0.0, [])
    return chosen


def _beside_all(unit: Unit, price: Floats, ties: Ties) -> Flags:
    """Options of the unit in order with the products that stay as they are."""
    result = np.ones(len(unit.gain), dtype=bool)
    for column, member in enumerate(unit.members):
        if ties.family[member] >= 0:
            size = float(ties.size[member])
            family = int(ties.family[member])
            result &= _beside(unit.prices[:, column] / size, size, float(price[member]), family, ties.beside)
    return result


def _matrix(one: Unit, two: Unit, price: Floats, ties: Ties) -> Flags:
    """(options of one, options of two): both keep the pack order."""
    result = np.ones((len(one.gain), len(two.gain)), dtype=bool)
    of_one = {int(member): one.prices[:, column, None] for column, member in enumerate(one.members)}
    of_two = {int(member): two.prices[None, :, column] for column, member in enumerate(two.members)}
    where = of_one | of_two
    for small, large, now in _pairs(one.members, two.members, price, ties):
        result &= _in_order(where[small] / ties.size[small], where[large] / ties.size[large], now)
    return result
