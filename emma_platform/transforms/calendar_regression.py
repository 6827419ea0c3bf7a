"""The effect of the calendar on a store's demand: a penalised quasi-Poisson regression, of the store and by category.

Belongs here: the fit. Does not belong here: the terms (`calendar_terms`) and what single products deviate
(`demand_factors`).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController

from emma_platform.transforms.calendar_terms import Terms
from emma_platform.transforms.demand import Floats

_CATEGORY_SPREAD = 0.5
_SCATTER = 3.0
_LEAST_SCATTER = 1e-3
_FREE = 1e-6
_ROUNDS, _LARGEST_STEP, _STILL = 25, 1.0, 1e-10


def calendar_lift(terms: Terms, sold: Floats, expected: Floats) -> Floats:
    """Days x categories: the factor of the calendar on each day of the terms.

    The store's effects are fitted to its totals; a category's deviations from them, half as large by expectation, to
    its own.

    Args:
        terms: the terms of past days and of the days to come.
        sold: past days x categories, units.
        expected: past days x categories, what would have been sold without the calendar; 0 where a day is not known.
    """
    with _libraries().limit(limits=1, user_api="blas"):
        return np.exp(_log_lift(terms, sold, expected))


@cache
def _libraries() -> ThreadpoolController:
    """The linear algebra that is loaded.

    On matrices of 40 columns its threads wait for each other: on one, M5's 30,490 series take 11.2 instead of 16.6 s of
    CPU, in the same time.
    """
    return ThreadpoolController()


def _log_lift(terms: Terms, sold: Floats, expected: Floats) -> Floats:
    past = slice(0, len(sold))
    store = terms.columns @ _effects(terms.columns[past], terms.spread, sold.sum(axis=1), expected.sum(axis=1))
    lift = np.empty((len(terms.columns), sold.shape[1]))
    spread = terms.spread * _CATEGORY_SPREAD
    for number in range(sold.shape[1]):
        usual = expected[:, number] * np.exp(store[past])
        lift[:, number] = store + terms.columns @ _effects(terms.columns[past], spread, sold[:, number], usual)
    return lift


def _effects(columns: Floats, spread: Floats, sold: Floats, expected: Floats) -> Floats:
    """The effects on the log scale, by Newton's method; the constant, which is no effect, is left out.

    Quasi-likelihood with variance proportional to the mean (McCullagh and Nelder, Generalized Linear Models, 1989,
    chapter 9) and a normal prior of each effect. The variance to mean ratio is that of the residuals times three, since
    neighbouring days err alike.
    """
    used = expected > 0
    if sold[used].sum() <= 0:
        return np.zeros(columns.shape[1])
    columns = np.hstack([np.ones((int(used.sum()), 1)), columns[used]])
    sold, expected = sold[used], expected[used]
    precision = np.concatenate([[_FREE], spread**-2.0])
    effects = np.zeros(len(precision))
    effects[0] = np.log(sold.sum() / expected.sum())
    for _ in range(_ROUNDS):
        mean = expected * np.exp(columns @ effects)
        error = sold - mean
        scatter = max(_SCATTER * float((error * error / mean).mean()), _LEAST_SCATTER * float(mean.mean()))
        curvature = (columns * (mean / scatter)[:, None]).T @ columns + np.diag(precision)
        step = np.linalg.solve(curvature, columns.T @ error / scatter - precision * effects)
        effects += np.clip(step, -_LARGEST_STEP, _LARGEST_STEP)
        if np.abs(step).max() < _STILL:
            break
    return effects[1:]
