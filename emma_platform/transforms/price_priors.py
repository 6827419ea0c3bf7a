"""What the whole chain says about price response: empirical Bayes over the stores' own elasticities.

Belongs here: how elasticities spread around product, category and chain, as `price_priors`, on a coarse grid. Does not
belong here: what one store makes of it (`price_response`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from emma_platform.model.tables import PRICE_PRIORS
from emma_platform.transforms.price_panel import codes, distinct, floats, places
from emma_platform.transforms.price_regression import NARROWEST, Floats, Ints

CHAIN_ELASTICITY = -2.0
"""What is assumed of a chain without evidence, between two surveys of published elasticities: -2.62 on average
(Bijmolt, van Heerde and Pieters 2005) and -1.76 (Tellis 1988)."""

ASSUMED_CHAIN = 0.25
ASSUMED_CATEGORY = 0.2
ASSUMED_PRODUCT = 0.35
ASSUMED_STORE = 0.2
"""Variances assumed of a chain around `CHAIN_ELASTICITY`, a category around its chain, a product around its category
and a store around its product: together 1, the spread of a store's product in a chain without evidence."""

ASSUMED_DEGREES = 10.0
"""Degrees of freedom that the assumed variances count for beside the measured ones."""

DRIFT = NARROWEST**0.5
"""Part of the least inflation of the variances that is no noise but elasticities that change, taken off again before
true differences are measured: as noise it would hide them (in 20 simulated stores 4.8 % of the advice did harm instead
of 2.1 %)."""

FEWEST_STORES = 2
"""A product seen in one store has nothing that its own evidence does not say already."""

GRID = {"product": 0.5, "category": 0.25, "chain": 0.1}
"""Steps of the elasticities: a corrected line in one store must rarely move what every store reads. With these, and one
spread for all rows of a level, 1 line in 100 moved any row of 5 stores by 60 or 20 by 200 products; with a spread for
each row it was 3 and 6."""


@dataclass(frozen=True)
class Pooled:
    """Means of groups with their variances; infinite variance where a group has no member."""

    mean: Floats
    variance: Floats


def pool(values: Floats, variances: Floats, group: Ints, groups: int) -> Pooled:
    """Inverse-variance weighted mean of each group (DerSimonian and Laird 1986); its variance is 1 / sum of weights."""
    weights = 1.0 / variances
    total = np.bincount(group, weights=weights, minlength=groups)
    mean = np.bincount(group, weights=weights * values, minlength=groups) / np.maximum(total, 1e-300)
    return Pooled(mean, np.divide(1.0, total, out=np.full(groups, np.inf), where=total > 0))


def between_variance(values: Floats, variances: Floats, weights: Floats, group: Ints, groups: int) -> tuple[float, int]:
    """Variance of the true values around their group's mean, by the method of moments, and its degrees of freedom.

    The estimate of DerSimonian and Laird (1986) with any fixed weights (DerSimonian and Kacker 2007, equation 6),
    numerator and denominator summed over all groups. With weights 1 / variance and one group it is DerSimonian and
    Laird's own. Not below zero.
    """
    total = np.maximum(np.bincount(group, weights=weights, minlength=groups), 1e-300)
    mean = np.bincount(group, weights=weights * values, minlength=groups) / total
    spread = float((weights * (values - mean[group]) ** 2).sum())
    by_chance = float((weights * variances * (1.0 - weights / total[group])).sum())
    scale = float((weights * (1.0 - weights / total[group])).sum())
    freedom = len(values) - len(np.unique(group))
    return (max((spread - by_chance) / scale, 0.0), freedom) if freedom and scale > 0 else (0.0, 0)


def price_priors(evidence: pa.Table) -> pa.Table:
    """What product, category and chain say about the elasticity of a store's product.

    The model is nested: a store's product around its product, products around their category, categories around the
    chain, each with one variance for the whole chain. A level's elasticity is its posterior mean, drawn to the level
    above; its spread is the predictive standard deviation of one store's product there, rounding included, averaged
    over the rows of the level.

    Args:
        evidence: `price_evidence` of all stores, in any order.

    Returns:
        `price_priors`, sorted by level and name: the chain always, a category with evidence, a product with evidence
        from 2 stores. Elasticities lie on `GRID`, spreads on powers of the square root of 2.
    """
    rows = evidence.filter(evidence["own_elasticity"].is_valid())
    rows = rows.sort_by([("product", "ascending"), ("store", "ascending")])
    products, categories = distinct(rows["product"]), distinct(rows["category"])
    product, named = codes(rows["product"], products), codes(rows["category"], categories)
    category = np.full(len(products), len(categories), dtype=np.int64)
    known = named >= 0
    category[product[known][::-1]] = named[known][::-1]
    own, variance = floats(rows["own_elasticity"]), np.maximum(floats(rows["own_variance"]), 1e-6)

    stores = np.bincount(product, minlength=len(products))
    stores_around = _shrunk_variance(own, variance, product, ASSUMED_STORE)
    by_product = pool(own, variance + stores_around, product, len(products))
    products_around = _shrunk_variance(by_product.mean, by_product.variance, category, ASSUMED_PRODUCT)
    by_category = pool(by_product.mean, by_product.variance + products_around, category, len(categories) + 1)
    seen = np.flatnonzero(np.isfinite(by_category.variance))
    whole = np.zeros(len(seen), dtype=np.int64)
    categories_around = _shrunk_variance(by_category.mean[seen], by_category.variance[seen], whole, ASSUMED_CATEGORY)
    chain = pool(
        np.r_[by_category.mean[seen], CHAIN_ELASTICITY],
        np.r_[by_category.variance[seen] + categories_around, ASSUMED_CHAIN],
        np.zeros(len(seen) + 1, dtype=np.int64),
        1,
    )
    category_post = _drawn(by_category, chain, np.zeros(len(categories) + 1, dtype=np.int64), categories_around)
    product_post = _drawn(by_product, category_post, category, products_around)

    members = np.bincount(category[product], minlength=len(categories) + 1)[: len(categories)]
    shown = np.flatnonzero(stores >= FEWEST_STORES)
    evident = np.flatnonzero(members)
    parts = (
        _level(
            "category",
            categories.take(places(evident)),
            category_post.mean[evident],
            stores_around + products_around + category_post.variance[evident],
            members[evident],
        ),
        _level(
            "chain",
            pa.array([""]),
            chain.mean,
            stores_around + products_around + categories_around + chain.variance,
            np.array([len(own)]),
        ),
        _level(
            "product",
            products.take(places(shown)),
            product_post.mean[shown],
            stores_around + product_post.variance[shown],
            stores[shown],
        ),
    )
    return pa.concat_tables(parts)


def _shrunk_variance(values: Floats, variances: Floats, group: Ints, assumed: float) -> float:
    """The measured variance between, and the assumed one, each by its degrees of freedom.

    A noisy value says less of the variance than an exact one, by the square of its reliability (the ratio of their
    Fisher information); counted in full, noise simulated at 3 units a week halved the spread.
    """
    groups = int(group.max(initial=-1)) + 1
    chance = variances / DRIFT
    measured, freedom = between_variance(values, chance, 1.0 / (chance + assumed), group, groups)
    weight = freedom * float(((assumed / (assumed + chance)) ** 2).sum()) / max(len(values), 1)
    return (ASSUMED_DEGREES * assumed + weight * measured) / (ASSUMED_DEGREES + weight)


def _drawn(level: Pooled, above: Pooled, parent: Ints, around: float) -> Pooled:
    """A level's posterior given the level above, whose own uncertainty comes down with the weight it is given."""
    weight = around / (around + level.variance)
    mean = weight * level.mean + (1.0 - weight) * above.mean[parent]
    variance = (1.0 - weight) * around + (1.0 - weight) ** 2 * above.variance[parent]
    return Pooled(mean, variance)


def _level(
    level: str, names: pa.Array[pa.StringScalar], elasticity: Floats, variance: Floats, members: Ints
) -> pa.Table:
    """The rows of one level, rounded; the variance of the rounding, step^2 / 12, widens the spread."""
    step = GRID[level]
    spread = np.sqrt(np.full(len(variance), variance.sum() / max(len(variance), 1) + step**2 / 12.0))
    return pa.Table.from_arrays(
        [
            pa.array([level] * len(names), pa.string()),
            names,
            pa.array(np.round(np.round(elasticity / step) * step, 10) + 0.0, pa.float64()),
            pa.array(2.0 ** (np.round(2.0 * np.log2(spread)) / 2.0), pa.float64()),
            pa.array(np.where(members > 0, 2 ** np.floor(np.log2(np.maximum(members, 1))), 0), pa.int64()),
        ],
        schema=PRICE_PRIORS.arrow_schema(),
    )
