"""Random histories of a small chain: all that can happen to its files, and updates in between.

Belongs here: how the events are drawn, and the histories that are always lived. Does not belong here: the events and
how they read (`events`), letting them happen (`life`) and what must hold (`test_laws`).
"""

from __future__ import annotations

from datetime import date

from hypothesis import strategies as st

from emma_platform.recompute.ledger import NO_DAY, Key
from emma_platform_tests.recompute.events import (
    Change,
    Copy,
    Crash,
    Drop,
    Edit,
    Event,
    Materialise,
    Move,
    Rebuild,
    Rename,
    Update,
    Withdraw,
)
from emma_platform_tests.recompute.home import DECISIONS, HEADER, day, sale

SALES_FILES = ("a.csv", "b.csv", "deep/c.csv")
BROKEN = "what is this?\nno table\n"
STORES = ("S1", "Süd/2")


def _file(header: str, row: st.SearchStrategy[str], most: int) -> st.SearchStrategy[str]:
    return st.lists(row, max_size=most).map(lambda found: header + "".join(found))


def _row(*fields: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*fields).map(lambda row: f"{','.join(row)}\n")


_store = st.sampled_from(STORES)
_anywhere = st.sampled_from(["S1", ""])
_near = st.sampled_from([0, 1, 2, 3]).map(day)
_sale = st.builds(
    sale,
    store=_store,
    on=st.sampled_from([0, 1, 2, 20, 27, 28, 60]),
    product=st.sampled_from(["P1", "P2", " P1 ", "POSTAGE", ""]),
    quantity=st.sampled_from([1, 3, -1, -3, 0, "many"]),
    price=st.sampled_from(["2.50", "4", "0", ""]),
    receipt=st.sampled_from(["R1", "R2", "CR1", ""]),
    hour=st.sampled_from([10, 23]),
)
_at_an_instant = _sale.map(lambda line: line.replace(":00:00,", ":30:00Z,"))
_unplaced = st.sampled_from(['"S1",R9,yesterday,P1,1,1\n', ",R9,2026-01-01,P1,1,1\n", '"S1",R9,2031-01-01,P1,1,1\n'])
_line = st.one_of(_sale, _sale, _sale, _at_an_instant, _unplaced)
_product = _row(
    st.sampled_from(["P1", "P1", "P2", "POSTAGE", ""]),
    st.sampled_from(["tea", "jam"]),
    st.sampled_from(["1.10", "1.20", ""]),
    st.sampled_from(["", "2"]),
    st.sampled_from(["", "A"]),
)
_shop = _row(
    _store, st.sampled_from(["Europe/Berlin", "Asia/Tokyo", ""]), st.sampled_from(["DE,", "DE,BY", "JP,", ","])
)
_count = _row(_store, _near, st.sampled_from(["P1", "P3"]), st.sampled_from(["0", "5", "many"]))
_promotion = _row(_anywhere, st.sampled_from(["P1", "P2"]), _near, st.sampled_from([day(3), day(30), day(80)]))
_decision = _row(
    st.sampled_from([f"{day(30)}T08:00:00Z", f"{day(31)}T08:00:00Z"]), _store, st.just("P1"),
    st.sampled_from([day(0), day(29)]), st.sampled_from(["accept,4", "change,2.50", "decline,"]),
    st.sampled_from(["3", ""]), st.just("1"),
)  # fmt: skip
_planned = _row(
    _anywhere, st.sampled_from(["P1", "P2"]), st.sampled_from([day(3), day(27), day(61)]),
    st.sampled_from([day(80), ""]), st.sampled_from(["2.20", "3", "0"]),
)  # fmt: skip
_event = _row(_anywhere, _near, st.sampled_from(["fair", "new year"]), st.sampled_from(["holiday", "closed", "event"]))
PRODUCTS = "product,category,unit_cost,max_quantity,price_group\n"
SHOPS = "store,time_zone,country,subdivision\n"
STOCK = "store,day,product,on_hand\n"
PROMOTIONS = "store,product,first_day,last_day\n"
PLAN = "store,product,first_day,last_day,price\n"
ESTABLISHED = (
    Drop("a.csv", HEADER + "".join(sale("S1", on, f"P{1 + on % 2}", 2) for on in (0, 1, 27, 28, 60))),
    Drop("b.csv", HEADER + "".join(sale("Süd/2", on, "P1", 3, "4", "R2", 23) for on in (1, 2, 20, 28))),
    Drop("products.csv", PRODUCTS + "P1,tea,1.10,,\nP2,jam,1.20,,\n"),
    Drop("stock.csv", f"{STOCK}S1,{day(1)},P1,5\nSüd/2,{day(2)},P3,0\n"),
    Drop("promotions.csv", f"{PROMOTIONS}S1,P1,{day(1)},{day(30)}\n"),
    Drop("advice_decisions.csv", f"{DECISIONS}{day(21)}T09:00:00Z,S1,P1,{day(20)},accept,2.50,2.30,1\n"),
    Update(),
)
"""A small chain in the middle of its life, so that what comes then is a change of something."""

ONE_BY_ONE: tuple[Event, ...] = (
    Edit("a.csv", 7, sale("S1", 3)),
    Crash(1),
    Edit("a.csv", 7, ""),  # what the crash left in the lake was never taken
    Update(),
    *(
        event
        for change in (
            Edit("a.csv", 2, sale("S1", 0, "P1", 5)),  # of the oldest day that a window of 28 days holds
            Edit("products.csv", 2, "P1,jam,1.10,,\n"),
            Edit("products.csv", 2, "P1,jam,1.30,,\n"),
            Edit("products.csv", 2, "P1,jam,1.30,2,\n"),
            Edit("products.csv", 2, "P1,jam,1.30,,\n"),
            Edit("products.csv", 3, "P2,jam,1.20,,A\n"),  # sold in one store only
            Edit("products.csv", 3, "P2,jam,1.20,,\n"),
            Edit("stock.csv", 2, f"S1,{day(1)},P1,4\n"),
            Edit("stock.csv", 2, ""),
            Edit("promotions.csv", 2, f"S1,P1,{day(1)},{day(80)}\n"),
            Edit("advice_decisions.csv", 3, f"{day(22)}T09:00:00Z,Süd/2,P1,{day(20)},decline,,4,1\n"),
            Edit("advice_decisions.csv", 2, ""),  # a refusal alone depends on no sales
            Edit("advice_decisions.csv", 2, f"{day(21)}T09:00:00Z,S1,P1,{day(2)},change,2.70,2.30,1\n"),
            Edit("a.csv", 6, sale("S1", 60, "P1", 9)),  # later than any effect
            Edit("promotions.csv", 3, f",P2,{day(3)},{day(30)}\n"),
            Drop("price_plan.csv", f"{PLAN}Süd/2,P1,{day(30)},,3.60\n"),
            Edit("price_plan.csv", 2, f"Süd/2,P1,{day(30)},{day(40)},3.60\n"),
            Edit("b.csv", 2, sale("Süd/2", 1, "P1", 4, "5", "R2", 23)),  # what the planned prices act by
            Drop("price_plan-2.csv", f"{PLAN},P2,{day(61)},,2.70\n"),
            Withdraw("price_plan.csv"),
            Drop("price_plan-2.csv", PLAN),
            Drop("calendar.csv", f"store,day,event,kind\nS1,{day(61)},fair,event\n"),
            Edit("a.csv", 7, sale("S1", 2, "P2").replace(":00:00,", ":30:00Z,").replace(" 10", " 23")),
            Drop("stores.csv", f"{SHOPS}S1,Asia/Tokyo,,\n"),
            Drop("stores.csv", f"{SHOPS}S1,Asia/Tokyo,JP,\n"),
            Drop("stores.csv", f"{SHOPS}S1,Asia/Tokyo,DE,\n"),
            Drop("stores.csv", f"{SHOPS}S1,Europe/Berlin,DE,BY\nSüd/2,,,\n"),
            Change("non_product_codes", "zz"),
            Change("forecast_history_days", 40),
            Change("minimum_margin_pct", 40.0),
            Edit("a.csv", 8, sale("S1", 21)),  # the oldest of the 40 days up to the last
            Copy("b.csv", "deep/c.csv"),  # no change but for its lines
            Edit("b.csv", 3, ""),  # the copy speaks for itself
            Copy("deep/c.csv", "d.csv"),  # the shorter name is told
            Rename("a.csv", "z.csv"),
            Move("deep/c.csv", "b.csv", 2),
            Edit("z.csv", 6, ""),  # the last day
            Drop("deep/c.csv", HEADER),
            Drop("d.csv", HEADER),
            Drop("stock.csv", STOCK),
            Drop("b.csv", HEADER),  # the last of a store
        )
        for event in (change, Update())
    ),
)
"""Each kind of change to the established chain, so that none is left to chance."""
_name = st.sampled_from(SALES_FILES)
_drop_sales = st.builds(Drop, _name, _file(HEADER, _line, most=6))
_drop_reference = st.one_of(
    st.builds(Drop, st.sampled_from(["products.csv", "products-2.csv"]), _file(PRODUCTS, _product, most=2)),
    st.builds(Drop, st.just("stores.csv"), _file(SHOPS, _shop, most=2)),
    st.builds(Drop, st.sampled_from(["stock.csv", "stock-2.csv"]), _file(STOCK, _count, most=3)),
    st.builds(Drop, st.sampled_from(["promotions.csv", "promotions-2.csv"]), _file(PROMOTIONS, _promotion, most=2)),
    st.builds(Drop, st.sampled_from(["price_plan.csv", "price_plan-2.csv"]), _file(PLAN, _planned, most=2)),
    st.builds(Drop, st.just("advice_decisions.csv"), _file(DECISIONS, _decision, most=2)),
    st.builds(Drop, st.just("calendar.csv"), _file("store,day,event,kind\n", _event, most=2)),
)
_nth = st.integers(2, 6)
_nothing = st.just("")
_edit = st.one_of(
    st.builds(Edit, _name, _nth, st.one_of(_line, _line, _nothing)),
    st.builds(Edit, _name, _nth, st.one_of(_line, _nothing)),
    st.builds(Edit, st.just("products.csv"), st.integers(2, 3), _product),
    st.builds(Edit, st.just("products.csv"), _nth, st.one_of(_product, _nothing)),
    st.builds(Edit, st.just("stock.csv"), _nth, st.one_of(_count, _nothing)),
    st.builds(Edit, st.just("promotions.csv"), _nth, st.one_of(_promotion, _nothing)),
)
_any_name = st.sampled_from([*SALES_FILES, "products.csv", "stores.csv", "stock.csv", "promotions.csv"])
_arrange = st.one_of(
    st.builds(Copy, _name, _name),
    st.builds(Rename, _name, st.sampled_from([*SALES_FILES, "other name.csv"])),
    st.builds(Move, _name, _name, st.integers(1, 3)),
    st.builds(Withdraw, _any_name),
    st.builds(Drop, _any_name, st.just(BROKEN)),
)
_a_day = st.builds(Key, _store, st.sampled_from([0, 1, 20, 28]).map(day))
_by_hand = st.one_of(
    st.builds(Rebuild, st.one_of(st.none(), _store), st.sampled_from([None, date(2026, 1, 2)])),
    st.builds(Materialise, st.sampled_from(["raw_sales", "clean_sales", "product_kpis"]), _a_day),
    st.builds(
        Materialise,
        st.sampled_from(["sales_forecast", "price_recommendations"]),
        st.builds(Key, _store, st.just(NO_DAY)),
    ),
    st.builds(Change, st.just("forecast_history_days"), st.sampled_from([28, 40])),
    st.builds(Change, st.just("non_product_codes"), st.sampled_from(["p2", ""])),
    st.builds(Change, st.just("minimum_margin_pct"), st.sampled_from([5.0, 40.0])),
)
_update = st.just(Update())
_events = st.lists(
    st.one_of(
        _drop_sales, _drop_reference, _drop_reference, _edit, _edit, _edit, _arrange, _update, _update, _update,
        st.builds(Crash, st.integers(1, 18)), _by_hand,
    ),
    min_size=1,
    max_size=10,
)  # fmt: skip
histories: st.SearchStrategy[list[Event]] = st.builds(
    lambda before, events: [*before, *events], st.sampled_from([(), ESTABLISHED, ESTABLISHED]), _events
)
