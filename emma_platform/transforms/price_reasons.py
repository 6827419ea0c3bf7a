"""The price advice in words: one plain sentence for the people who run the shop.

Belongs here: wording and rounding. Does not belong here: any decision (`price_choice`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from emma_platform.transforms.price_choice import Case
from emma_platform.transforms.price_panel import Flags
from emma_platform.transforms.price_regression import Floats, Ints

Texts: TypeAlias = npt.NDArray[np.str_]

INELASTIC = -1.0
"""Above this a dearer price earns more whatever it is, as far as the estimate goes: only the step stops it."""

_KEPT = {
    Case.BEST_ALREADY: "no other allowed price is expected to earn more.",
    Case.NO_SALES: "no sales are expected over 28 days.",
    Case.NO_OTHER_PRICE: "no other price is allowed within the largest step and above the lowest margin.",
    Case.PRICE_GROUP: "alone it would be changed, but its price group has one price, and no other is sure to earn more "
    "for the whole group and worth the changes.",
    Case.PACK_ORDER: "another price would make a bigger pack dearer per unit than a smaller one.",
}

_WHOLE_NUMBERS = 10.0
_WEEK = 7.0
_UNCHANGED_PCT = 0.5


@dataclass(frozen=True)
class Facts:
    """What the sentences speak of, one value for each product; what a product's case does not use may be anything."""

    current: Floats
    cost: Floats
    cover: Floats
    elasticity: Floats
    forecast: Floats
    price: Floats
    gain: Floats
    probability: Floats
    units: Floats
    other: Floats
    other_gain: Floats
    other_probability: Floats
    wait: Floats
    lowest: Floats
    seen: Floats
    days: Floats
    answer: Floats
    risk: Floats
    group: Flags
    planned: Floats
    planned_in: Floats
    change_cost: Floats


def reasons(case: Ints, facts: Facts) -> Texts:
    """One sentence for each product, by its case."""
    result = np.full(len(case), "", dtype=object)
    for each in Case:
        mine = case == each
        if mine.any():
            result[mine] = _sentence(each, Facts(*(getattr(facts, field.name)[mine] for field in fields(facts))))
    return result


def _sentence(case: Case, facts: Facts) -> Texts | str:
    if case is Case.RECOMMEND:
        return _recommend(facts)
    if case in (Case.TEST_NEVER_MOVED, Case.TEST_LITTLE_EVIDENCE):
        return _test(case, facts)
    return _refuse(case, facts) if case >= Case.BELOW_COST else _keep(case, facts)


def _keep(case: Case, facts: Facts) -> Texts:
    keep = _join("Keep ", _number(facts.current), ": ")
    if case in _KEPT:
        return _join(keep, _KEPT[case])
    if case is Case.COOLING_DOWN:
        left = _join(np.char.mod("%.0f", facts.wait), np.where(facts.wait > 1, " more days", " more day"))
        return _join(
            keep, "another price may earn more, but this one is new; wait ", left, " to see what it did to sales."
        )
    if case is Case.PLANNED:
        when = _join(" in ", np.char.mod("%.0f", facts.planned_in), np.where(facts.planned_in > 1, " days", " day"))
        return _join("A price of ", _number(facts.planned), " is planned", when, "; advice follows once it counts.")
    if case is Case.SHORT_STOCK:
        days = np.char.mod("%.0f", np.maximum(facts.cover, 0.0))
        return _join(keep, "a lower price would earn more, but the stock lasts only about ", days, " days.")
    return _join(keep, _but(case, facts))


def _but(case: Case, facts: Facts) -> Texts:
    """What another price may bring, and why it is not charged for all that."""
    other = _number(facts.other)
    if case is Case.NOT_WORTH:
        # Rounded up, a gain could read as the very cost that it is below.
        gain = _number(np.floor(facts.other_gain * 100.0) / 100.0)
        more = _join(other, " would bring about ", gain, " more profit over 28 days, ")
        return _join(more, "less than changing a price costs (", _number(facts.change_cost), ").")
    if case is Case.NOT_SEEN:
        more = _join(other, " may earn more, but this price has not been paid for some time: ")
        return _join(more, "it is still the price with a chance of ", _percent(facts.seen), " % only.")
    more = _join(other, " would earn more with a chance of ", _percent(facts.other_probability), " %")
    if case is Case.UNSURE:
        return _join(more, ", which is not sure enough.")
    untold = ", and too little is sold here for a test of 12 weeks to tell and pay."
    return _join("as similar products sell, ", more, untold)


def _refuse(case: Case, facts: Facts) -> Texts | str:
    if case is Case.BELOW_COST:
        numbers = _join("cost ", _number(facts.cost), ", price ", _number(facts.current))
        return _join("No advice: it sells below cost (", numbers, ") and no allowed price is in reach; check the cost.")
    return {
        Case.NO_PRICE: "No advice: it was not sold for a cent or more in the days looked at, so no price is known.",
        Case.NO_COST: "No advice: its cost is not known; add unit_cost to the products file.",
        Case.NO_FORECAST: "No advice: there is no sales forecast, because it has not sold lately.",
    }[case]


def _recommend(facts: Facts) -> Texts:
    verb = np.where(facts.price > facts.current, "Raise from ", "Lower from ")
    prices = _join(verb, _number(facts.current), " to ", _number(facts.price))
    gain = np.where(np.abs(facts.gain) >= _WHOLE_NUMBERS, np.char.mod("%.0f", facts.gain), _number(facts.gain))
    outlook = _join(": about ", gain, " more profit over 28 days, ", _percent(facts.probability), " % likely; ")
    doubt = " Low confidence: sales hardly seem to react to the price, so only the largest step limits it."
    doubts = np.where(facts.elasticity > INELASTIC, doubt, "")
    shared = np.where(facts.group, " It moves together with its price group.", "")
    return _join(prices, outlook, _change(facts), ".", shared, doubts, _announcement(facts))


def _announcement(facts: Facts) -> Texts:
    """What may be said of a lower price: a reduction counts from the lowest price of the last 30 days."""
    share = np.char.mod("%.0f", np.floor(100.0 * (1.0 - facts.price / facts.lowest) + 1e-9))
    lowest = _join(_number(facts.lowest), ", the lowest price of the last 30 days.")
    told = np.where(
        facts.price < facts.lowest,
        _join(" It may be announced as ", share, " % off ", lowest),
        _join(" Do not announce it as a reduction: it is not below ", lowest),
    )
    return np.where(facts.price < facts.current, told, "")


def _test(case: Case, facts: Facts) -> Texts:
    why = {
        Case.TEST_NEVER_MOVED: "its price has never moved, so similar products have to say how sales react",
        Case.TEST_LITTLE_EVIDENCE: "its own sales say little of how they react to the price yet",
    }[case]
    prices = _join("Test ", _number(facts.price), " instead of ", _number(facts.current), ": ", why)
    weeks = np.char.mod("%.0f", facts.days / _WEEK)
    plan = _join(" Charge it for ", weeks, " weeks while a store with like sales keeps its price: it costs at most ")
    answer = _join(
        _number(facts.risk), " a week and tells what to charge with a chance of ", _percent(facts.answer), " %."
    )
    return _join(prices, "; a gain is ", _percent(facts.probability), " % likely.", plan, answer)


def _change(facts: Facts) -> Texts:
    change = 100.0 * (facts.units / np.where(facts.forecast > 0, facts.forecast, 1.0) - 1.0)
    moves = _join(
        np.where(change > 0, "sales rise by about ", "sales fall by about "), np.char.mod("%.0f", abs(change)), " %"
    )
    return np.where(np.abs(change) < _UNCHANGED_PCT, "sales stay about the same", moves)


def _number(values: Floats) -> Texts:
    return np.char.mod("%.2f", values)


def _percent(chance: Floats) -> Texts:
    """Whole percent; never 100, which nobody can promise."""
    return np.char.mod("%.0f", np.minimum(100.0 * chance, 99.0))


def _join(*parts: Texts | str) -> Texts:
    result = np.asarray(parts[0])
    for part in parts[1:]:
        result = np.strings.add(result, np.asarray(part))
    return result
