from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emma_platform.demo.catalogue import PUBLIC
from emma_platform.demo.chain import HORIZON, make_chain
from emma_platform.demo.reference import reference_files

TODAY = date(2026, 11, 22)


def test_same_seed_same_chain_and_another_seed_another():
    first, second, other = (make_chain(stores=2, products=8, days=60, last_day=TODAY, seed=seed) for seed in (7, 7, 8))
    for name in ("elasticity", "factor", "regular", "paid", "demand", "sold", "on_hand"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name
        assert not np.array_equal(getattr(first, name), getattr(other, name)), name
    assert first.promotions == second.promotions


def test_lines_add_up_to_what_was_sold(default_chain):
    sales = default_chain.sales
    summed = np.zeros_like(default_chain.sold)
    np.add.at(summed, (sales.store, sales.product, sales.day), sales.quantity)
    assert np.array_equal(summed, default_chain.sold)
    assert np.array_equal(sales.cents, default_chain.paid[sales.store, sales.product, sales.day])
    assert 120_000 < len(sales) < 200_000
    assert sales.quantity.min() >= 1
    assert sales.quantity.max() < 100


def test_a_receipt_holds_a_product_once_and_receipts_count_in_the_order_of_time(default_chain):
    sales = default_chain.sales
    keys = np.stack([sales.store, sales.day, sales.receipt, sales.product], axis=1)
    assert len(np.unique(keys, axis=0)) == len(keys)
    same_day = (np.diff(sales.store) == 0) & (np.diff(sales.day) == 0)
    assert set(np.diff(sales.receipt)[same_day]) <= {0, 1}
    assert (np.diff(sales.second)[same_day] >= 0).all()
    assert (sales.receipt[1:][~same_day] == 1).all()


def test_sales_are_demand_cut_off_by_an_empty_shelf(default_chain):
    chain = default_chain
    demand = chain.demand[:, :, : chain.days]
    assert (chain.sold <= demand).all()
    assert (chain.sold == demand)[~chain.censored].all()
    assert (chain.on_hand >= 0).all()
    assert 0.005 < chain.censored.mean() < 0.06
    assert (chain.sold < demand).any()


def test_demand_scatters_around_its_known_mean(default_chain):
    chain = default_chain
    variance = chain.expected + chain.expected**2 / chain.dispersion[None, :, None]
    surprise = (chain.demand - chain.expected).sum() / np.sqrt(variance.sum())
    assert abs(surprise) < 4
    assert 0.95 < ((chain.demand - chain.expected) ** 2).sum() / variance.sum() < 1.05


def test_elasticities_and_demand_are_those_of_a_grocer(default_chain):
    chain = default_chain
    assert -3.5 <= chain.elasticity.min() < -2.8
    assert -1.4 < chain.elasticity.max() <= -1.2
    on_sale = chain.factor[:, :, : chain.days].max(axis=2)
    assert np.quantile(on_sale, 0.5) < 4
    assert on_sale.max() > 15


def test_prices_move_four_to_ten_times_a_year_in_steps_of_some_percent(default_chain):
    chain = default_chain
    steps = np.diff(chain.regular[:, :, : chain.days], axis=2)
    moving = chain.price_moved
    a_year = (steps != 0).sum(axis=2)[moving] * 365 / chain.days
    assert 4 < a_year.mean() < 10
    size = np.abs(steps / chain.regular[:, :, : chain.days - 1])[steps != 0]
    assert np.quantile(size, 0.05) > 0.04
    assert np.quantile(size, 0.95) < 0.23
    assert (chain.paid % 10 == 9).all()
    assert (chain.regular[:, :, chain.days :] == chain.regular[:, :, chain.days - 1][:, :, None]).all()


def test_every_special_product_is_there(default_chain):
    chain = default_chain
    history = slice(0, chain.days)
    assert (chain.regular == chain.regular[:, :, :1]).all(axis=(0, 2)).sum() >= 3
    assert (~chain.price_moved).any(axis=0).sum() >= 3
    assert sum(not product.cost_known for product in chain.products) >= 3
    assert (~chain.listed[:, 0]).sum() >= 4
    assert (chain.listed[:, 0] & ~chain.listed[:, history][:, -1]).any()
    assert all(product.cost_cents < product.list_cents for product in chain.products)
    promoted = (chain.paid < chain.regular)[:, :, history].mean()
    assert 0.02 < promoted < 0.2
    assert (chain.paid < chain.regular)[:, :, chain.days : chain.days + 28].any(), (
        "a promotion of the future is announced"
    )


def test_stores_differ_in_size_city_and_time_zone(default_chain):
    chain = default_chain
    assert {store.time_zone for store in chain.stores} >= {"Europe/Berlin", "Europe/Lisbon", "America/New_York"}
    assert len({store.city for store in chain.stores}) == 5
    by_store = chain.sold.sum(axis=(1, 2))
    assert by_store.max() > 2 * by_store.min()


def test_public_holidays_follow_from_the_country_and_stand_in_no_calendar_file():
    chain = make_chain(stores=2, products=8, days=60, last_day=date(2026, 4, 20))
    easter = date(2026, 4, 6)
    public = [event for event in chain.calendar if event.kind == PUBLIC]
    assert ("S001", easter) in {(event.store, event.day) for event in public}  # Berlin, not Lisbon
    assert ("S002", easter) not in {(event.store, event.day) for event in public}
    files = reference_files(chain)
    assert b"S001,Berlin Alexanderplatz,Berlin,Europe/Berlin,DE,BE" in files["stores.csv"]
    assert PUBLIC.encode() not in files["calendar.csv"]
    monday, week = ((day - chain.first_day).days for day in (easter, easter + timedelta(7)))
    ratio = chain.factor[:, :, monday].sum(axis=1) / chain.factor[:, :, week].sum(axis=1)
    assert ratio[0] < 0.75
    assert ratio[1] > 0.85


@pytest.mark.parametrize(
    "last_day", [date(2024, 2, 29), date(2024, 3, 1), date(2025, 12, 31), date(2026, 1, 1), date(2027, 2, 28)]
)
def test_leap_days_and_year_ends(last_day):
    chain = make_chain(stores=3, products=8, days=70, last_day=last_day)
    assert chain.last_day == last_day
    assert chain.first_day == last_day - timedelta(days=69)
    open_on = (chain.factor.max(axis=1) > 0).T
    for index in range(chain.days + HORIZON):
        day = chain.day(index)
        closed = (day.month, day.day) in {(12, 25), (1, 1)}
        assert list(open_on[index]) == [not closed, not closed, not closed and day.weekday() != 6], day
    leap = (date(2024, 2, 29) - chain.first_day).days
    if 0 <= leap < chain.days:
        assert chain.sold[:, :, leap].sum() > 0


def test_expected_units_at_the_price_paid_are_the_expected_demand(default_chain):
    chain = default_chain
    for s, p, day in ((0, 0, 10), (4, 33, 200), (2, 17, chain.days + 5)):
        store, product = chain.stores[s].code, chain.products[p].code
        found = chain.expected_units(store, product, chain.paid[s, p, day] / 100, chain.day(day), 1)
        assert found == pytest.approx(chain.expected[s, p, day], rel=1e-12)


@given(st.floats(0.3, 20), st.floats(1.01, 2), st.integers(0, 56), st.integers(0, 4), st.integers(0, 59))
@settings(max_examples=50, deadline=None)
def test_expected_units_follow_the_elasticity(default_chain, price, ratio, days, s, p):
    chain = default_chain
    store, product, first = chain.stores[s].code, chain.products[p].code, chain.day(chain.days)
    cheap = chain.expected_units(store, product, price, first, days)
    dear = chain.expected_units(store, product, price * ratio, first, days)
    assert dear == pytest.approx(cheap * ratio ** chain.elasticity[s, p])


def test_questions_without_an_answer_are_refused(small_chain):
    chain = small_chain
    store, product = chain.stores[0].code, chain.products[0].code
    with pytest.raises(ValueError, match="not above zero"):
        chain.expected_units(store, product, 0.0, chain.last_day, 1)
    with pytest.raises(ValueError, match="leave the chain's"):
        chain.expected_units(store, product, 1.0, chain.last_day, HORIZON + 2)
    with pytest.raises(ValueError, match="need at least"):
        make_chain(days=27, last_day=TODAY)


@pytest.mark.parametrize(("stores", "products", "days"), [(1, 1, 28), (2, 8, 60), (12, 130, 40)])
def test_chains_of_any_size(stores, products, days):
    chain = make_chain(stores=stores, products=products, days=days, last_day=TODAY)
    assert chain.sold.shape == (stores, products, days)
    assert len({product.code for product in chain.products}) == products
    assert len({product.name for product in chain.products}) == products
    assert len({store.code for store in chain.stores}) == len({store.name for store in chain.stores}) == stores
    assert len(chain.sales) > 0
