"""What the demo chain is made of: its cities, its shelves and its holidays.

Belongs here: fixed facts, such as names, list prices and how a category behaves. Does not belong here: anything drawn
at random (`world`) or written to a file (`landing`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from emma_platform.transforms.public_holidays import public_holidays


@dataclass(frozen=True, slots=True)
class Store:
    """One store: `size` multiplies the chain's demand, `closed_weekdays` counts Monday as 0."""

    code: str
    name: str
    city: str
    time_zone: str
    currency: str
    size: float
    country: str
    subdivision: str | None = None
    closed_weekdays: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Category:
    """How the products of one shelf behave.

    Attributes:
        elasticity: mean of the price elasticities.
        weekly: demand from Monday to Sunday, against the mean day.
        swing: amplitude of the yearly pattern, 0.2 is +-20 %.
        peak_day: day of the year on which it peaks.
        dispersion: size parameter k of the negative binomial; the variance is mu + mu^2 / k.
        cost_share: cost against list price.
        shelf: names and list prices, in cents.
    """

    name: str
    elasticity: float
    weekly: tuple[float, ...]
    swing: float
    peak_day: int
    dispersion: float
    cost_share: float
    shelf: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Product:
    """One product; prices in cents, `cost` is what the truth says even where the products file leaves it out."""

    code: str
    name: str
    category: str
    list_cents: int
    cost_cents: int
    cost_known: bool


@dataclass(frozen=True, slots=True)
class Event:
    """One day that is not like others, of one store or (None) of all; `effect` multiplies demand.

    Those of the kind `PUBLIC` stand in no calendar file: they follow from the store's country.
    """

    store: str | None
    day: date
    event: str
    kind: str
    effect: float


PUBLIC = "public"
_PUBLIC_EFFECT = 0.65

_PLACES = (
    ("Alexanderplatz", "Berlin", "Europe/Berlin", "EUR", 1.0, "DE", "BE"),
    ("Baixa", "Lisbon", "Europe/Lisbon", "EUR", 0.7, "PT", None),
    ("Altona", "Hamburg", "Europe/Berlin", "EUR", 0.8, "DE", "HH"),
    ("Temple Bar", "Dublin", "Europe/Dublin", "EUR", 0.5, "IE", None),
    ("Brooklyn", "New York", "America/New_York", "USD", 1.5, "US", "NY"),
    ("Neubau", "Vienna", "Europe/Vienna", "EUR", 0.6, "AT", None),
    ("Wicker Park", "Chicago", "America/Chicago", "USD", 1.2, "US", "IL"),
    ("Trastevere", "Rome", "Europe/Rome", "EUR", 0.9, "IT", None),
    ("Kallio", "Helsinki", "Europe/Helsinki", "EUR", 0.4, "FI", None),
    ("Plaka", "Athens", "Europe/Athens", "EUR", 0.8, "GR", None),
)

CATEGORIES: tuple[Category, ...] = (
    Category("Dairy", -1.9, (0.90, 0.90, 0.95, 1.00, 1.20, 1.25, 0.80), 0.05, 15, 8, 0.68, (
        ("Whole Milk 1 l", 119), ("Natural Yoghurt 500 g", 149), ("Gruyère 200 g", 449), ("Butter 250 g", 239),
        ("Crème Fraîche 200 g", 129), ("Mozzarella 125 g", 119), ("Oat Drink 1 l", 199), ("Feta 180 g", 279),
        ("Skyr 450 g", 229), ("Whipping Cream 200 ml", 109))),
    Category("Bakery", -1.7, (0.85, 0.90, 0.95, 0.95, 1.10, 1.40, 0.85), 0.04, 350, 7, 0.45, (
        ("Wheat Rolls 6 pcs", 189), ("Rye Bread 500 g", 299), ("Butter Croissant", 129), ("Ciabatta 300 g", 219),
        ("Pão de Queijo 6 pcs", 349), ("Bagels 4 pcs", 259), ("Sourdough Loaf 750 g", 449), ("Brioche 400 g", 329),
        ("Pretzel", 99), ("Tortilla Wraps 8 pcs", 239))),
    Category("Beverages", -2.7, (0.85, 0.85, 0.90, 1.00, 1.25, 1.35, 0.80), 0.30, 200, 5, 0.60, (
        ("Mineral Water 6 x 1.5 l", 299), ("Cola 1.5 l", 189), ("Apple Juice 1 l", 179), ("Lager 6 x 0.33 l", 599),
        ("Iced Tea Peach 1.5 l", 149), ("Rosé Wine 0.75 l", 699), ("Ground Coffee 500 g", 649),
        ("Açaí Drink 0.5 l", 279), ("Tonic Water 1 l", 159), ("Green Tea 20 bags", 249))),
    Category("Snacks", -2.4, (0.85, 0.85, 0.90, 1.00, 1.25, 1.30, 0.85), 0.10, 355, 5, 0.58, (
        ("Salted Crisps 175 g", 199), ("Dark Chocolate 100 g", 169), ("Peanuts 250 g", 229),
        ("Jalapeño Dip 300 g", 279), ("Gummy Bears 200 g", 129), ("Oat Biscuits 300 g", 189), ("Popcorn 100 g", 149),
        ("Rice Cakes 130 g", 139), ("Almonds 200 g", 349), ("Ice Cream Vanilla 900 ml", 399))),
    Category("Produce", -1.8, (1.05, 0.95, 0.95, 1.00, 1.15, 1.20, 0.70), 0.20, 180, 9, 0.55, (
        ("Bananas 1 kg", 179), ("Tomatoes 500 g", 249), ("Cucumber", 99), ("Apples 1 kg", 279), ("Avocado", 129),
        ("Baby Spinach 125 g", 199), ("Strawberries 500 g", 349), ("Potatoes 2 kg", 299), ("Lemons 4 pcs", 159),
        ("Red Peppers 500 g", 269))),
    Category("Household", -2.1, (1.00, 0.95, 0.95, 1.00, 1.10, 1.25, 0.75), 0.03, 80, 6, 0.62, (
        ("Toilet Paper 8 rolls", 449), ("Washing Powder 1.3 kg", 599), ("Dish Soap 500 ml", 179),
        ("Bin Bags 20 pcs", 219), ("Kitchen Roll 4 pcs", 299), ("Glass Cleaner 750 ml", 249),
        ("Sponges 5 pcs", 149), ("Hand Soap 300 ml", 169), ("Dishwasher Tablets 40 pcs", 799),
        ("Candles 10 pcs", 379))), )  # fmt: skip
"""The shelves; elasticities follow the order of size in Bijmolt, van Heerde and Pieters (2005), mean -2.62."""

_Rule = tuple[int, int, str, str, float]

_EVERYWHERE: tuple[_Rule, ...] = (
    (1, 1, "New Year's Day", "closed", 0.0),
    (2, 14, "Valentine's Day", "event", 1.10),
    (5, 1, "Labour Day", "holiday", 0.70),
    (10, 31, "Halloween", "event", 1.15),
    (12, 23, "Day before Christmas Eve", "event", 1.50),
    (12, 24, "Christmas Eve", "holiday", 0.80),
    (12, 25, "Christmas Day", "closed", 0.0),
    (12, 26, "St Stephen's Day", "holiday", 0.60),
    (12, 31, "New Year's Eve", "holiday", 1.20),
)
_BY_CITY: dict[str, tuple[_Rule, ...]] = {
    "Berlin": ((10, 3, "German Unity Day", "closed", 0.0),),
    "Hamburg": ((10, 3, "German Unity Day", "closed", 0.0), (5, 7, "Port Anniversary", "event", 1.35)),
    "Lisbon": ((6, 10, "Portugal Day", "holiday", 0.75), (6, 12, "Saint Anthony's Eve", "event", 1.40)),
    "Dublin": ((3, 17, "St Patrick's Day", "holiday", 1.25),),
    "New York": ((7, 4, "Independence Day", "holiday", 1.30),),
}


def make_stores(count: int) -> tuple[Store, ...]:
    """The first `count` stores, S001 and on; the third is closed on Sundays. More than ten repeat the cities."""
    return tuple(
        Store(
            code=f"S{index + 1:03d}",
            name=f"{city} {quarter}" + ("" if index < len(_PLACES) else f" {index // len(_PLACES) + 1}"),
            city=city,
            time_zone=zone,
            currency=currency,
            size=size,
            country=country,
            subdivision=part,
            closed_weekdays=(6,) if index == 2 else (),  # noqa: PLR2004
        )
        for index in range(count)
        for quarter, city, zone, currency, size, country, part in (_PLACES[index % len(_PLACES)],)
    )


def shelf_of(index: int) -> tuple[Category, str, int]:
    """Category, name and list price (cents) of the product of that number; beyond the shelves come other brands."""
    category = CATEGORIES[index % len(CATEGORIES)]
    brand, place = divmod(index // len(CATEGORIES), len(category.shelf))
    name, cents = category.shelf[place]
    return category, name + (f", brand {brand + 1}" if brand else ""), cents + 10 * (brand % 7)


def make_calendar(stores: tuple[Store, ...], first: date, last: date) -> tuple[Event, ...]:
    """Holidays, closed days and events from first to last, both included, by day; then each store's public holidays.

    A public holiday that the calendar names already is not counted twice.
    """
    rules: list[tuple[str | None, _Rule]] = [(None, rule) for rule in _EVERYWHERE]
    rules += [(store.code, rule) for store in stores for rule in _BY_CITY.get(store.city, ())]
    days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
    named = [
        Event(code, day, event, kind, effect)
        for day in days
        for code, (month, number, event, kind, effect) in rules
        if (month, number) == (day.month, day.day)
    ]
    spoken = {(event.store, event.day) for event in named if event.kind in ("holiday", "closed")}
    public = [
        Event(store.code, day, name, PUBLIC, _PUBLIC_EFFECT)
        for store in stores
        for day, name in public_holidays(store.country, store.subdivision, first, last).items()
        if not spoken & {(None, day), (store.code, day)}
    ]
    return (*named, *public)
