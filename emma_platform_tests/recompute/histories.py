"""Random histories of a small chain: files that arrive, change, come again, go, and updates in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from emma_platform_tests.recompute.home import HEADER, Home, day, sale

SALES_FILES = ("a.csv", "b.csv", "deep/c.csv")


@dataclass(frozen=True)
class Drop:
    name: str
    text: str


@dataclass(frozen=True)
class Withdraw:
    name: str


@dataclass(frozen=True)
class Update:
    pass


Event = Drop | Withdraw | Update

_sale = st.builds(
    sale,
    store=st.sampled_from(["S1", "Süd/2"]),
    on=st.sampled_from([0, 1, 2, 20, 27, 28, 60]),
    product=st.sampled_from(["P1", "P2", "POSTAGE"]),
    quantity=st.sampled_from([1, 3, -1, 0, "many"]),
    price=st.sampled_from(["2.50", "4"]),
    receipt=st.sampled_from(["R1", "R2", ""]),
)
_unreadable = st.sampled_from(['"S1",R9,yesterday,P1,1,1\n', ",R9,2026-01-01,P1,1,1\n", '"S1",R9,2031-01-01,P1,1,1\n'])
_sales = st.lists(st.one_of(_sale, _sale, _sale, _unreadable), max_size=6).map(lambda lines: HEADER + "".join(lines))
_products = st.lists(
    st.tuples(st.sampled_from(["P1", "P2"]), st.sampled_from(["tea", "jam"]), st.sampled_from(["1.10", "1.20", ""])),
    max_size=2,
).map(lambda rows: "product,category,unit_cost\n" + "".join(",".join(row) + "\n" for row in rows))
_stores = st.lists(
    st.tuples(st.sampled_from(["S1", "Süd/2"]), st.sampled_from(["Europe/Berlin", "Asia/Tokyo"])), max_size=2
).map(lambda rows: "store,time_zone\n" + "".join(",".join(row) + "\n" for row in rows))
_stock = st.lists(
    st.tuples(
        st.sampled_from(["S1", "Süd/2"]), st.integers(0, 3).map(day), st.sampled_from(["P1", "P3"]), st.integers(0, 5)
    ),
    max_size=3,
).map(lambda rows: "store,day,product,on_hand\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
_promotions = st.lists(
    st.tuples(st.sampled_from(["S1", ""]), st.sampled_from(["P1", "P2"]), st.just(day(1)), st.just(day(2))), max_size=1
).map(lambda rows: "store,product,first_day,last_day\n" + "".join(",".join(row) + "\n" for row in rows))

_drop = st.one_of(
    st.builds(Drop, st.sampled_from(SALES_FILES), _sales),
    st.builds(Drop, st.sampled_from(SALES_FILES), _sales),
    st.builds(Drop, st.sampled_from(["products.csv", "products-2.csv"]), _products),
    st.builds(Drop, st.just("stores.csv"), _stores),
    st.builds(Drop, st.sampled_from(["stock.csv", "stock-2.csv"]), _stock),
    st.builds(Drop, st.just("promotions.csv"), _promotions),
)
histories: st.SearchStrategy[list[Event]] = st.lists(
    st.one_of(_drop, _drop, _drop, st.builds(Withdraw, st.sampled_from(SALES_FILES)), st.just(Update())),
    min_size=1,
    max_size=10,
)


def play(home: Home, history: Sequence[Event]) -> dict[str, str]:
    """Let a history happen, and return the last text of every file that was ever taken."""
    dropped: dict[str, str] = {}
    taken: dict[str, str] = {}
    for event in history:
        if isinstance(event, Drop):
            home.drop(event.name, event.text)
            dropped[event.name] = event.text
        elif isinstance(event, Withdraw) and event.name in dropped:
            home.withdraw(event.name)
            del dropped[event.name]
        elif isinstance(event, Update):
            home.update()
            taken |= dropped
    home.update()
    return taken | dropped
