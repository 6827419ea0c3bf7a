"""The regression against published elasticities of real sales, and against statsmodels on made ones."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmarks import real_data
from emma_platform.transforms.price_regression import least_squares, split_change

ORANGE_JUICE = real_data.folder() / "orangejuice_yx.parquet"


def test_least_squares_and_its_standard_errors_equal_statsmodels():
    import statsmodels.api as sm

    rng = np.random.default_rng(1)
    design = np.concatenate([np.ones((4, 60, 1)), rng.normal(0, 0.4, (4, 60, 3))], axis=2)
    weights = rng.uniform(0.2, 3.0, (4, 60))
    values = design @ np.array([1.0, -2.0, 0.5, 0.1]) + rng.normal(0, 0.3, (4, 60))
    fit = least_squares(values, design, weights, np.zeros(4))
    for product in range(4):
        reference = sm.WLS(values[product], design[product], weights=weights[product]).fit()
        errors = np.sqrt(np.diag(fit.inverse[product]) * reference.scale)
        assert fit.coefficients[product] == pytest.approx(reference.params, abs=1e-6)
        assert errors == pytest.approx(reference.bse, abs=1e-6)
        assert fit.fitted[product] == pytest.approx(reference.fittedvalues, abs=1e-6)


def test_a_coefficient_that_changed_halfway_shows_in_the_split():
    rng = np.random.default_rng(2)
    price = rng.normal(0, 0.2, (200, 80))
    design = np.stack([np.ones_like(price), price], axis=2)
    used = np.ones_like(price)
    for later, bound in ((-2.0, (0.75, 1.25)), (-4.0, (2.5, 120.0))):
        elasticity = np.where(np.arange(80) < 40, -2.0, later)
        units = rng.poisson(20 * np.exp(elasticity * price)).astype(float)
        mean = 20 * np.exp((-2.0 + later) / 2 * price)
        change, variance = split_change(units, design, mean, used, np.zeros(2), 1)
        assert change.mean() == pytest.approx(later + 2.0, abs=0.3)
        assert bound[0] < (change**2 / variance).mean() < bound[1]


@pytest.mark.skipif(not ORANGE_JUICE.exists(), reason="the orange juice data is not here")
@pytest.mark.parametrize(("extra", "stores", "published"), [
    ((), False, -2.916), (("deal", "feat"), False, -2.365), (("deal", "feat"), True, -2.487),
])  # fmt: skip
def test_published_elasticities_of_orange_juice(extra: tuple[str, ...], stores: bool, published: float):
    rows = pq.read_table(ORANGE_JUICE)
    brand, store = (np.unique(rows[name].to_numpy(), return_inverse=True)[1] for name in ("brand", "store"))
    prices = np.stack([rows[f"price{number + 1}"].to_numpy() for number in range(11)], axis=1)
    columns = [np.log(prices[np.arange(len(brand)), brand]), *(rows[name].to_numpy() for name in extra)]
    design = [*(column[:, None] for column in columns), np.eye(11)[brand]]
    if stores:
        design.append(np.eye(83)[store][:, 1:])
    whole = np.concatenate(design, axis=1)[None]
    fit = least_squares(rows["logmove"].to_numpy()[None], whole, np.ones((1, len(brand))), np.zeros(whole.shape[2]))
    assert round(float(fit.coefficients[0, 0]), 3) == published
