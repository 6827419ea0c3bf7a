"""The effect of the calendar on a store's demand: a penalised quasi-Poisson regression, of the store and by category.

Belongs here: the fit. Does not belong here: the terms (`calendar_terms`) and what single products deviate
(`demand_factors`).
"""

from __future__ import annotations

import numpy as np

from emma_platform.transforms.calendar_terms import Terms
from emma_platform.transforms.demand import Floats

_CATEGORY_SPREAD = 0.5
_SCATTER = 3.0
_LEAST_SCATTER = 1e-3
_FREE = 1e-6


def calendar_lift(terms: Terms, sold: Floats, expected: Floats) -> Floats:
    """Days x categories: the factor of the calendar on each day of the terms.

    The store's effects are fitted to its totals; a category's deviations from them, half as large by expectation, to
    its own.

    Args:
        terms: the terms of past days and of the days to come.
        sold: past days x categories, units.
        expected: past days x categories, what would have been sold without the calendar; 0 where a day is not known.
    """
    past = len(sold)
    columns = np.hstack([np.ones((past, 1)), terms.columns[:past]])
    store = terms.columns @ _effects(columns, terms.spread, sold.sum(axis=1), expected.sum(axis=1))
    usual = expected * np.exp(store[:past, None])
    spread = terms.spread * _CATEGORY_SPREAD
    effects = [_effects(columns, spread, sold[:, number], usual[:, number]) for number in range(sold.shape[1])]
    return np.exp(store[:, None] + terms.columns @ np.stack(effects, axis=1))


def _effects(columns: Floats, spread: Floats, sold: Floats, expected: Floats) -> Floats:
    """The effects on the log scale, by Newton's method; the constant, which is no effect, is left out.

    Quasi-likelihood with variance proportional to the mean (McCullagh and Nelder, Generalized Linear Models, 1989,
    chapter 9) and a normal prior of each effect. The variance to mean ratio is that of the residuals times three, since
    neighbouring days err alike.
    """
    from emma_platform.transforms.calendar_kernel import fit

    used = np.flatnonzero(expected > 0)
    if sold[used].sum() <= 0:
        return np.zeros(columns.shape[1] - 1)
    precision = np.concatenate([[_FREE], spread**-2.0])
    constant = np.log(sold[used].sum() / expected[used].sum())
    sold, expected = np.ascontiguousarray(sold), np.ascontiguousarray(expected)
    return np.asarray(fit(columns, precision, sold, expected, used, constant, _SCATTER, _LEAST_SCATTER)[1:])
