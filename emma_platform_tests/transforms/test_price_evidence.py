"""Own elasticities: against statsmodels, against a known truth, and whatever the order of the rows."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from emma_platform.model.estimates import PRICE_EVIDENCE
from emma_platform.model.tables import PROMOTIONS
from emma_platform.transforms.price_evidence import price_evidence
from emma_platform.transforms.price_regression import (
    NARROWEST,
    WIDEST,
    autocorrelation_inflation,
    common_movement,
    dispersion,
    poisson_fit,
    split_change,
)
from emma_platform_tests.transforms.price_world import LAST, NO_PROMOTIONS, NO_STOCK_OUTS, empty_shelf, sales, world


def evidence(demand: pa.Table, promotions: pa.Table = NO_PROMOTIONS, days: int = 365) -> pa.Table:
    return price_evidence(demand, promotions, NO_STOCK_OUTS, store="S", last_day=LAST, history_days=days)


def test_poisson_fit_equals_statsmodels():
    import statsmodels.api as sm

    rng = np.random.default_rng(1)
    design = np.concatenate([np.ones((6, 40, 1)), rng.normal(0, 0.3, (6, 40, 3))], axis=2)
    offset, used = rng.normal(0, 0.2, (6, 40)), (rng.random((6, 40)) < 0.8).astype(float)
    units = rng.poisson(np.exp(1.0 - 2.0 * design[:, :, 1])).astype(float)
    fit = poisson_fit(units, design, offset, used, np.zeros(4))
    scale = dispersion(units, fit.fitted, used, 4)
    for product in range(6):
        held = used[product] > 0
        model = sm.GLM(units[product][held], design[product][held], sm.families.Poisson(), offset=offset[product][held])
        reference = model.fit(tol=1e-12, maxiter=100, scale="X2")
        assert fit.coefficients[product] == pytest.approx(reference.params, abs=1e-6)
        assert fit.inverse[product] * reference.scale == pytest.approx(reference.cov_params(), rel=1e-6)
        assert scale[product] >= 1.0


def test_penalty_is_the_prior_of_a_weighted_regression():
    import statsmodels.api as sm

    rng = np.random.default_rng(2)
    design = np.concatenate([np.ones((1, 30, 1)), rng.normal(0, 0.3, (1, 30, 2))], axis=2)
    units = rng.poisson(4.0, (1, 30)).astype(float)
    ridge = np.array([0.0, 0.5, 2.0])
    fit = poisson_fit(units, design, np.zeros((1, 30)), np.ones((1, 30)), ridge)
    # At the optimum the fit is the weighted regression of the working response, with one more row for each penalty.
    mean = fit.fitted[0]
    working = design[0] @ fit.coefficients[0] + (units[0] - mean) / mean
    rows = np.vstack([design[0], np.eye(3)[1:]])
    reference = sm.WLS(np.r_[working, 0.0, 0.0], rows, weights=np.r_[mean, ridge[1:]]).fit()
    assert fit.coefficients[0] == pytest.approx(reference.params, abs=1e-6)


def test_sales_at_one_price_only_have_a_finite_answer():
    design = np.stack([np.ones((1, 12)), np.tile([0.0, 0.5], 6)[None]], axis=2)
    fit = poisson_fit(np.tile([3.0, 0.0], 6)[None], design, np.zeros((1, 12)), np.ones((1, 12)), np.array([0.0, 0.01]))
    assert np.isfinite(fit.coefficients).all()
    assert fit.coefficients[0, 1] < -5


def test_a_change_between_halves_is_unknown_where_a_half_has_no_week():
    rng = np.random.default_rng(3)
    units, used = rng.poisson(5.0, (3, 12)).astype(float), np.ones((3, 12))
    used[1, 1:] = 0.0
    design = np.stack([np.ones((3, 12)), rng.normal(0, 0.3, (3, 12))], axis=2) * used[:, :, None]
    ridge = np.array([0.0, 0.01])
    change, variance = split_change(units, design, np.full((3, 12), 5.0) * used, used, ridge, 1)
    assert (change[1], variance[1]) == (0.0, np.inf)
    assert np.isfinite(variance[[0, 2]]).all()
    assert (change[[0, 2]] != 0).all()


def test_a_product_of_one_week_beside_others_has_no_elasticity():
    sold = np.full((2, 140), 3)
    sold[1, 1:] = 0
    price = np.where(np.arange(140) % 28 < 14, 2.0, 2.5) * np.ones((2, 1))
    rows = evidence(sales(sold, price))
    for column in ("own_elasticity", "own_change"):
        assert rows[column].is_null().to_pylist() == [False, True]


@pytest.mark.parametrize("per_day", [0.3, 1.5, 7.0])
def test_known_elasticities_come_out_without_bias(per_day: float):
    errors, variances = [], []
    for seed in (1, 2):
        truth = world(per_day=per_day, seed=seed)
        for store, demand in enumerate(truth.demand):
            rows = evidence(demand, truth.promotions)
            own = np.asarray(rows["own_elasticity"].to_numpy())
            place = [int(name[1:]) for name in rows["product"].to_pylist()]
            errors.append(own - truth.elasticity[store, place])
            variances.append(rows["own_variance"].to_numpy())
    error, variance = np.concatenate(errors), np.concatenate(variances)
    known = ~np.isnan(error)
    weight = 1.0 / (variance[known] + 0.2)
    assert known.mean() > 0.9
    assert abs(np.average(error[known], weights=weight)) < 0.2
    assert 0.4 < np.sqrt(np.mean(error[known] ** 2 / variance[known])) < 1.1


def test_order_of_rows_does_not_matter():
    truth = world(stores=1, products=12)
    demand = truth.demand[0]
    shuffled = demand.take(np.random.default_rng(3).permutation(len(demand)))
    offers = truth.promotions.take(np.random.default_rng(4).permutation(len(truth.promotions)))
    assert evidence(demand, truth.promotions).equals(evidence(shuffled, offers))


def test_a_price_that_never_moved_has_no_elasticity():
    sold = np.random.default_rng(5).poisson(3, (2, 200))
    rows = evidence(sales(sold, np.array([[2.49] * 200, [2.49] * 100 + [2.50] * 100])))
    assert rows["own_elasticity"].to_pylist() == [None, None]
    assert rows["own_variance"].to_pylist() == [None, None]
    assert rows["price_points"].to_pylist() == [1, 1]
    assert rows["observations"].to_pylist() == [28, 28]


def test_fewer_than_eight_weeks_have_no_elasticity():
    price = np.array([2.0] * 25 + [2.5] * 25)[None]
    short, long = evidence(sales(np.full((1, 50), 4), price)), evidence(sales(np.full((1, 100), 4), np.tile(price, 2)))
    assert short["own_elasticity"].to_pylist() == [None]
    assert short["price_points"].to_pylist() == [2]
    assert long["own_elasticity"].null_count == 0


def test_a_new_day_leaves_the_elasticities_alone_until_its_week_is_over():
    truth = world(stores=1, products=6)
    sunday = LAST - timedelta(days=(LAST.weekday() + 1) % 7)

    def until(day: date) -> pa.Table:
        rows = truth.demand[0].filter(pa.compute.field("day") <= pa.scalar(day))
        days = 350 + (day - sunday).days
        return price_evidence(rows, truth.promotions, NO_STOCK_OUTS, store="S", last_day=day, history_days=days)

    before, after = until(sunday), until(LAST)
    assert sunday != LAST
    assert before["own_elasticity"].equals(after["own_elasticity"])


def test_current_price_is_the_latest_outside_promotions():
    price = np.array([[2.0] * 60 + [2.5] * 30 + [1.5] * 10])
    offer = {"store": "S", "product": "P000", "first_day": LAST - timedelta(days=9), "last_day": LAST, "kind": "offer"}
    schema = PROMOTIONS.arrow_schema()
    rows = sales(np.full((1, 100), 2), price)
    assert evidence(rows)["current_price"].to_pylist() == [1.5]
    assert evidence(rows, pa.Table.from_pylist([offer], schema))["current_price"].to_pylist() == [2.5]
    everywhere = pa.Table.from_pylist([offer | {"store": None}, offer], schema)
    assert evidence(rows, everywhere)["current_price"].to_pylist() == [2.5]
    elsewhere = pa.Table.from_pylist([offer | {"store": "T"}], schema)
    assert evidence(rows, elsewhere)["current_price"].to_pylist() == [1.5]
    always = pa.Table.from_pylist([offer | {"first_day": date(2020, 1, 1)}], schema)
    assert evidence(rows, always)["current_price"].to_pylist() == [1.5]


def test_one_odd_day_is_not_the_current_price():
    price = np.full((1, 100), 2.5)
    price[0, -1] = 0.5
    assert evidence(sales(np.full((1, 100), 2), price))["current_price"].to_pylist() == [2.5]


def test_days_out_of_stock_are_not_lack_of_demand():
    rng = np.random.default_rng(6)
    days = 364
    price = np.where(np.arange(days) // 28 % 2 == 0, 2.0, 2.4)
    sold = rng.poisson(6 * (price / 2.0) ** -2.0)
    empty = (price > 2.2) & (np.arange(days) % 7 < 4)
    sold[empty] = 0
    rows = sales(sold[None], price[None])
    gone = [LAST - timedelta(days=int(days - 1 - day)) for day in np.flatnonzero(empty)]
    blind = evidence(rows)["own_elasticity"][0].as_py()
    told = evidence(pa.concat_tables([rows, empty_shelf("P000", gone)]))["own_elasticity"][0].as_py()
    assert blind < -4
    assert abs(told + 2.0) < 0.6


def test_season_of_the_category_is_not_taken_for_the_price():
    rng = np.random.default_rng(7)
    days = 728
    wave = np.exp(0.6 * np.sin(2 * np.pi * np.arange(days) / 364))
    price = np.tile(np.where(wave > 1, 2.0, 2.4), (8, 1))
    price[1:] = 3.0
    sold = rng.poisson(8 * wave * (price / price.mean(axis=1, keepdims=True)) ** -1.5)
    alone = evidence(sales(sold[:1], price[:1]), days=728)["own_elasticity"][0].as_py()
    rows = evidence(sales(sold, price, np.zeros(8, dtype=int)), days=728)
    assert alone < -4
    assert abs(rows["own_elasticity"][0].as_py() + 1.5) < 0.8


def test_common_movement_leaves_the_product_itself_out():
    units = np.full((3, 20), 50.0)
    base = units.copy()
    louder = units.copy()
    louder[0, 5] = 5000.0
    before = common_movement(units, base, np.array([0, 0, 1]))
    after = common_movement(louder, base, np.array([0, 0, 1]))
    assert np.allclose(before, 0.0)
    assert np.allclose(after[0], 0.0)
    assert after[2, 5] > 1.0


def test_inflation_grows_with_memory_and_stays_in_bounds():
    rng = np.random.default_rng(8)
    noise = rng.normal(size=(50, 104))
    walk = np.cumsum(noise, axis=1)
    walk -= walk.mean(axis=1, keepdims=True)
    price = np.repeat(rng.normal(size=(50, 8)), 13, axis=1)
    price -= price.mean(axis=1, keepdims=True)
    used = np.ones((50, 104))
    fresh, lasting = (autocorrelation_inflation(series, price, used, 4) for series in (noise, walk))
    assert fresh.min() >= NARROWEST
    assert lasting.max() <= WIDEST
    assert np.median(lasting) > np.median(fresh) + 1


def test_empty_and_outdated_frames_give_an_empty_table():
    rows = sales(np.full((1, 10), 1), np.full((1, 10), 2.0))
    schema = PRICE_EVIDENCE.arrow_schema()
    assert evidence(rows.slice(0, 0)).equals(schema.empty_table())
    later = price_evidence(rows, NO_PROMOTIONS, NO_STOCK_OUTS, store="S", last_day=date(2030, 1, 1), history_days=28)
    assert later.equals(schema.empty_table())


def test_stock_without_sales_has_a_row_without_a_price():
    rows = sales(np.full((1, 100), 2), np.full((1, 100), 2.0))
    result = evidence(pa.concat_tables([rows, empty_shelf("Q", [LAST], on_hand=5)])).to_pylist()[1]
    assert result == {
        "store": "S", "product": "Q", "category": None, "current_price": None, "still_charged": None,
        "price_since": None,
        "lowest_price_30d": None, "own_elasticity": None, "own_variance": None, "observations": 0,
        "price_points": 0, "own_change": None, "own_change_variance": None,
        "cross_elasticity": None, "cross_variance": None, "promotion_lift": None,
    }  # fmt: skip
