"""The chain's priors: against statsmodels' meta-analysis, on their grid, and calm when one store is corrected."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emma_platform.model.estimates import PRICE_EVIDENCE, PRICE_PRIORS
from emma_platform.transforms.price_evidence import price_evidence
from emma_platform.transforms.price_pooling import between_variance, pool
from emma_platform.transforms.price_priors import GRID, price_priors
from emma_platform_tests.transforms.price_world import LAST, NO_STOCK_OUTS, World, evidence_rows, world


def chain_evidence(*, stores: int = 6, products: int = 30, error: float = 0.3, seed: int = 0) -> pa.Table:
    """Evidence around known centres: chain -3, categories -2 and -4, products .5 and stores .3 around them."""
    rng = np.random.default_rng(seed)
    centre = np.where(np.arange(products) % 2, -2.0, -4.0) + rng.normal(0, 0.5, products)
    own = centre + rng.normal(0, 0.3, (stores, products)) + rng.normal(0, error, (stores, products))
    return pa.concat_tables(
        evidence_rows(
            store=[f"S{store}"] * products,
            category=[f"C{product % 2}" for product in range(products)],
            own_elasticity=own[store].tolist(),
            own_variance=[error**2] * products,
        )
        for store in range(stores)
    )


def level(priors: pa.Table, name: str) -> pa.Table:
    return priors.filter(pc.field("level") == name)


def test_moments_and_pooling_equal_statsmodels():
    from statsmodels.stats.meta_analysis import combine_effects

    rng = np.random.default_rng(1)
    values, variances = rng.normal(-2, 1.2, 12), rng.uniform(0.05, 0.5, 12)
    whole = np.zeros(12, dtype=np.int64)
    reference = combine_effects(values, variances, method_re="chi2")
    between, freedom = between_variance(values, variances, 1.0 / variances, whole, 1)
    pooled = pool(values, variances + between, whole, 1)
    assert freedom == 11
    assert between == pytest.approx(reference.tau2, abs=1e-6)
    assert pooled.mean[0] == pytest.approx(reference.mean_effect_re, abs=1e-6)
    assert np.sqrt(pooled.variance[0]) == pytest.approx(reference.sd_eff_w_re, abs=1e-6)


def test_moments_over_groups_find_the_variance_within_them():
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(400), 5)
    variances = rng.uniform(0.1, 1.0, 2000)
    values = group / 40.0 + rng.normal(0, 0.6, 2000) + rng.normal(0, np.sqrt(variances))
    between, freedom = between_variance(values, variances, 1.0 / (variances + 0.2), group, 400)
    assert freedom == 1600
    assert between == pytest.approx(0.36, abs=0.05)


def test_without_evidence_the_chain_has_the_published_prior():
    expected = [
        {"level": "chain", "name": "", "elasticity": -2.0, "spread": 1.0, "cross_elasticity": None,
         "inflation": 2.0**0.5, "members": 0}
    ]  # fmt: skip
    assert price_priors(PRICE_EVIDENCE.arrow_schema().empty_table()).to_pylist() == expected
    silent = evidence_rows(own_elasticity=[None], own_variance=[None])
    assert price_priors(silent).to_pylist() == expected


def test_known_centres_come_out():
    priors = price_priors(chain_evidence())
    assert priors.schema == PRICE_PRIORS.arrow_schema()
    categories = {row["name"]: row for row in level(priors, "category").to_pylist()}
    assert categories["C0"]["elasticity"] == pytest.approx(-4.0, abs=0.25)
    assert categories["C1"]["elasticity"] == pytest.approx(-2.0, abs=0.25)
    assert categories["C0"]["members"] == 64
    products = level(priors, "product").to_pylist()
    assert len(products) == 30
    assert {row["members"] for row in products} == {4}
    assert products[0]["spread"] < categories["C0"]["spread"] < level(priors, "chain")["spread"][0].as_py()


def test_a_product_of_one_store_has_no_prior_of_its_own():
    priors = price_priors(chain_evidence(stores=1))
    assert len(level(priors, "product")) == 0
    assert len(level(priors, "category")) == 2


def test_products_without_category_count_for_the_chain_only():
    rows = evidence_rows(category=[None] * 4, own_elasticity=[-3.5] * 4, own_variance=[0.01] * 4)
    priors = price_priors(rows)
    assert priors["level"].to_pylist() == ["chain"]
    assert priors["elasticity"][0].as_py() < -2.4
    assert priors["members"].to_pylist() == [4]


@settings(max_examples=30, deadline=None)
@given(
    own=st.lists(st.floats(-12, 6), min_size=1, max_size=12),
    variance=st.floats(1e-9, 1e4),
    seed=st.integers(0, 99),
)
def test_whatever_the_evidence_rows_are_finite_and_on_the_grid(own: list[float], variance: float, seed: int):
    rng = np.random.default_rng(seed)
    count = len(own)
    rows = evidence_rows(
        store=[f"S{number % 3}" for number in range(count)],
        product=[f"P{number // 3}" for number in range(count)],
        category=[[None, "A", "B"][number] for number in rng.integers(0, 3, count)],
        own_elasticity=own,
        own_variance=(variance * rng.uniform(0.1, 10, count)).tolist(),
    )
    priors = price_priors(rows)
    assert priors.equals(price_priors(rows.take(rng.permutation(count))))
    for row in priors.to_pylist():
        steps = row["elasticity"] / GRID[row["level"]]
        assert steps == pytest.approx(round(steps), abs=1e-9)
        halves = 2 * np.log2(row["spread"])
        assert halves == pytest.approx(round(halves), abs=1e-9)
        assert row["members"] == 0 or np.log2(row["members"]) % 1 == 0


def one_unit_more(demand: pa.Table, place: int) -> pa.Table:
    units = demand["sold_units"].cast(pa.float64()).to_numpy().copy()
    revenue = demand["sold_revenue"].cast(pa.float64()).to_numpy() / units
    units[place] += 1
    for name, values in (("sold_units", units), ("sold_revenue", revenue * units)):
        demand = demand.set_column(demand.schema.get_field_index(name), name, pa.array(values))
    return demand


def test_one_corrected_line_rarely_moves_what_every_store_reads():
    changes = moved = 0
    for seed in range(5):
        truth = world(stores=4, products=40, seed=seed)
        rng = np.random.default_rng(seed)

        def evidence(store: int, demand: pa.Table, truth: World = truth) -> pa.Table:
            return price_evidence(
                demand, truth.promotions, NO_STOCK_OUTS, store=f"S{store}", last_day=LAST, history_days=truth.days
            )

        parts = [evidence(store, demand) for store, demand in enumerate(truth.demand)]
        before = price_priors(pa.concat_tables(parts))
        for _ in range(30):
            store = int(rng.integers(4))
            changed = one_unit_more(truth.demand[store], int(rng.integers(len(truth.demand[store]))))
            after = [*parts[:store], evidence(store, changed), *parts[store + 1 :]]
            changes += not after[store].equals(parts[store])
            moved += not price_priors(pa.concat_tables(after)).equals(before)
    assert changes > 140
    assert moved <= 6


def test_variances_are_inflated_by_what_the_changes_between_halves_show():
    rng = np.random.default_rng(4)
    for factor, expected in ((0.5, 1.0), (4.0, 4.0)):
        change = rng.normal(0.0, (0.3 * factor) ** 0.5, 600).tolist()
        rows = evidence_rows(own_change=change, own_change_variance=[0.3] * 600)
        assert set(price_priors(rows)["inflation"].to_pylist()) == {expected}


def test_a_category_has_the_cross_elasticity_of_its_products():
    rng = np.random.default_rng(5)
    rows = evidence_rows(
        product=[f"P{number % 50:03d}" for number in range(400)],
        category=["C" if number % 2 else "D" for number in range(400)],
        cross_elasticity=[rng.normal(0.6 if number % 2 else 0.0, 0.3) for number in range(400)],
        cross_variance=[0.09] * 400,
    )
    found = {
        row["name"]: row["cross_elasticity"] for row in price_priors(rows).to_pylist() if row["level"] == "category"
    }
    assert found["C"] == pytest.approx(0.6, abs=0.11)
    assert found["D"] == pytest.approx(0.0, abs=0.11)
