"""Posterior elasticities: precision weighting as statsmodels does it, and better than each store alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from emma_platform.model.estimates import PRICE_EVIDENCE, PRICE_PRIORS, PRICE_RESPONSE
from emma_platform.transforms.price_evidence import price_evidence
from emma_platform.transforms.price_priors import price_priors
from emma_platform.transforms.price_response import WEAKEST, price_response
from emma_platform_tests.transforms.price_world import LAST, NO_STOCK_OUTS, evidence_rows, world


def priors(*rows: tuple[str, str, float, float]) -> pa.Table:
    names = ("level", "name", "elasticity", "spread")
    return pa.Table.from_pylist(
        [dict(zip(names, row, strict=True)) | {"members": 8, "inflation": 1.0} for row in rows],
        schema=PRICE_PRIORS.arrow_schema(),
    )


CHAIN = ("chain", "", -2.0, 1.0)
CATEGORY = ("category", "C", -3.0, 0.5**0.5)
PRODUCT = ("product", "P000", -4.0, 0.5)


@pytest.mark.parametrize("nearest", [(CHAIN,), (CHAIN, CATEGORY), (CHAIN, CATEGORY, PRODUCT), (CHAIN, PRODUCT)])
def test_posterior_is_the_weighted_regression_of_own_and_nearest_prior(nearest):
    import statsmodels.api as sm

    row = price_response(evidence_rows(own_elasticity=[-1.0], own_variance=[0.3]), priors(*nearest)).to_pylist()[0]
    _, _, centre, spread = nearest[-1]
    model = sm.WLS([-1.0, centre], np.ones(2), weights=[1 / 0.3, 1 / spread**2]).fit(cov_type="fixed scale")
    assert row["elasticity"] == pytest.approx(model.params[0], abs=1e-6)
    assert row["std_error"] == pytest.approx(model.bse[0], abs=1e-6)
    assert row["own_weight"] == pytest.approx((1 / 0.3) / (1 / 0.3 + 1 / spread**2), abs=1e-9)


def test_level_is_where_most_of_the_weight_comes_from():
    everything = priors(CHAIN, CATEGORY, ("product", "P000", -4.0, 0.25))
    levels = {
        ("P000", 0.01): "store-product",
        ("P000", 1.0): "product",
        ("P001", 100.0): "chain",
    }
    for (product, variance), expected in levels.items():
        rows = evidence_rows(product=[product], own_variance=[variance])
        assert price_response(rows, everything)["level"].to_pylist() == [expected]
    close = priors(CHAIN, ("category", "C", -3.0, 0.5))
    assert price_response(evidence_rows(own_variance=[100.0]), close)["level"].to_pylist() == ["category"]


def test_without_own_evidence_the_prior_speaks():
    rows = evidence_rows(product=["P000", "Q"], own_elasticity=[None, None], own_variance=[None, None])
    result = price_response(rows, priors(CHAIN, CATEGORY, PRODUCT)).to_pylist()
    assert [row["elasticity"] for row in result] == pytest.approx([-4.0, -3.0])
    assert [row["std_error"] for row in result] == pytest.approx([0.5, 0.5**0.5])
    assert [row["own_weight"] for row in result] == [0.0, 0.0]


def test_wrong_sign_is_never_reported():
    row = price_response(evidence_rows(own_elasticity=[5.0], own_variance=[1e-4]), priors(CHAIN)).to_pylist()[0]
    assert row["elasticity"] == WEAKEST


def test_narrow_category_above_a_wide_product_adds_no_weight_twice():
    rows = evidence_rows(own_elasticity=[None], own_variance=[None])
    row = price_response(rows, priors(CHAIN, ("category", "C", -3.0, 0.5), ("product", "P000", -4.0, 1.0))).to_pylist()[
        0
    ]
    assert row["elasticity"] == -4.0
    assert row["std_error"] == pytest.approx(0.5)


def test_priors_without_a_chain_are_an_error_and_no_products_an_empty_table():
    empty = PRICE_EVIDENCE.arrow_schema().empty_table()
    assert price_response(empty, priors(CHAIN)).equals(PRICE_RESPONSE.arrow_schema().empty_table())
    with pytest.raises(ValueError, match="no row for the chain"):
        price_response(evidence_rows(own_variance=[1.0]), priors(CATEGORY))


def test_pooling_beats_each_store_alone_and_knows_its_error():
    own, pooled, errors, truths = [], [], [], []
    for seed in (1, 2):
        truth = world(seed=seed)
        parts = [
            price_evidence(
                demand, truth.promotions, NO_STOCK_OUTS, store=f"S{store}", last_day=LAST, history_days=truth.days
            )
            for store, demand in enumerate(truth.demand)
        ]
        chain = price_priors(pa.concat_tables(parts))
        for store, part in enumerate(parts):
            response = price_response(part, chain)
            assert response.schema == PRICE_RESPONSE.arrow_schema()
            place = [int(name[1:]) for name in part["product"].to_pylist()]
            own.append(part["own_elasticity"].to_numpy())
            pooled.append(response["elasticity"].to_numpy())
            errors.append(response["std_error"].to_numpy())
            truths.append(truth.elasticity[store, place])
    alone, joint, error, real = (np.concatenate(each) for each in (own, pooled, errors, truths))
    known = ~np.isnan(alone)

    def rmse(values):
        return float(np.sqrt(np.mean((values[known] - real[known]) ** 2)))

    assert rmse(joint) < 0.65 * rmse(alone)
    assert np.corrcoef(joint[known], real[known])[0, 1] > np.corrcoef(alone[known], real[known])[0, 1]
    assert 0.7 < np.sqrt(np.mean(((joint - real) / error) ** 2)) < 1.3
