"""The parts that the change of a key figure is split into, in words that a shop owner reads.

Belongs here: what each part is called and means. Does not belong here: how it is computed (`transforms/kpi_changes`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a change: its name in tables, what people read, and what it means."""

    name: str
    label: str
    meaning: str


PARTS: tuple[Part, ...] = (
    Part("stores_opened", "Stores opened", "days on which a store was not open yet in one of the periods"),
    Part("stores_closed", "Stores closed", "days after a store had closed for good"),
    Part("products_new", "Products new or back", "sold in the later period, not at all in the earlier one"),
    Part("products_gone", "Products gone", "sold in the earlier period, not at all in the later one"),
    Part("calendar", "Calendar", "more or fewer open days, other weekdays, holidays and events"),
    Part("promotion", "Promotions", "more or fewer days on promotion, at what such a day brings beyond another"),
    Part("stock_outs", "Empty shelves", "units that could probably not be sold because the shelf was empty"),
    Part("price", "Prices", "the same units, paid for at other prices"),
    Part("cost", "Costs", "the same units, bought at other costs"),
    Part("volume", "Demand", "more or fewer units of the whole category; more or fewer receipts"),
    Part("mix", "Share of demand", "a product's share of its category; in a sum, dearer or cheaper products"),
)
"""Every part; where two are of one size, the earlier stands first."""

PART_NAMES: tuple[str, ...] = tuple(part.name for part in PARTS)
"""The names alone."""
