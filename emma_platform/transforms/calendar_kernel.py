"""Newton's method for the calendar's regression, compiled.

Belongs here: the loops over days and terms. Does not belong here: what is fitted (`calendar_regression`). Import it
where it is called only: loading the compiler takes most of a second.

The curvature is worked out anew only while steps are large: close to the solution the last one leads there too, at a
twentieth of the cost, and the same step size ends both. Most terms of a day are 0 and skipped. A store of 60 products
and five origins takes 3 ms for what numpy's matrix products and solver took 29 ms for.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from emma_platform.transforms.demand import Codes, Floats

_ROUNDS, _LARGEST_STEP, _STILL = 60, 1.0, 1e-10
_CLOSE = 0.03


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def fit(
    columns: Floats,
    precision: Floats,
    sold: Floats,
    expected: Floats,
    used: Codes,
    constant: float,
    overdispersion: float,
    least_scatter: float,
) -> Floats:
    """The effects that maximise the penalised quasi-likelihood.

    Args:
        columns: days x terms, the constant first.
        precision: per term one over the variance of its effect.
        sold: units of each day.
        expected: of the same days.
        used: the days that count: those with an expectation. Something was sold on them.
        constant: where the constant begins.
        overdispersion: factor on the variance to mean ratio of the residuals.
        least_scatter: least variance to mean ratio, as a share of the mean.
    """
    days, terms = columns.shape
    effects, gradient, mean = np.zeros(terms), np.empty(terms), np.empty(days)
    effects[0] = constant
    factor = np.empty((terms, terms))
    largest = _LARGEST_STEP
    for _ in range(_ROUNDS):
        squared = total = 0.0
        for day in used:
            log_lift, of_day = 0.0, columns[day]
            for term in range(terms):
                log_lift += of_day[term] * effects[term]
            mean[day] = expected[day] * np.exp(log_lift)
            squared += (sold[day] - mean[day]) ** 2 / mean[day]
            total += mean[day]
        scatter = max(overdispersion * squared / len(used), least_scatter * total / len(used))
        for term in range(terms):
            gradient[term] = -precision[term] * effects[term]
        for day in used:
            error, of_day = (sold[day] - mean[day]) / scatter, columns[day]
            for term in range(terms):
                gradient[term] += of_day[term] * error
        if largest > _CLOSE:
            factor = _factor(columns, precision, mean, used, scatter)
        _solve(factor, gradient)
        largest = 0.0
        for term in range(terms):
            effects[term] += min(max(gradient[term], -_LARGEST_STEP), _LARGEST_STEP)
            largest = max(largest, abs(gradient[term]))
        if largest < _STILL:
            break
    return effects


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _factor(columns: Floats, precision: Floats, mean: Floats, used: Codes, scatter: float) -> Floats:
    """The Cholesky factor of the curvature, in the lower triangle."""
    terms = columns.shape[1]
    curvature = np.zeros((terms, terms))
    for term in range(terms):
        curvature[term, term] = precision[term]
    for day in used:
        weight, of_day = mean[day] / scatter, columns[day]
        for row in range(terms):
            share, sums = weight * of_day[row], curvature[row]
            if share != 0.0:
                for column in range(row + 1):
                    sums[column] += share * of_day[column]
    pivot = np.empty(terms)
    for step in range(terms):
        root = np.sqrt(curvature[step, step])
        curvature[step, step] = root
        for row in range(step + 1, terms):
            curvature[row, step] /= root
            pivot[row] = curvature[row, step]
        for row in range(step + 1, terms):
            share, left = pivot[row], curvature[row]
            for column in range(step + 1, row + 1):
                left[column] -= share * pivot[column]
    return curvature


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _solve(factor: Floats, right: Floats) -> None:
    """Solve for the right side, in place, by the Cholesky factor."""
    terms = len(right)
    for row in range(terms):
        for column in range(row):
            right[row] -= factor[row, column] * right[column]
        right[row] /= factor[row, row]
    for row in range(terms - 1, -1, -1):
        right[row] /= factor[row, row]
        for column in range(row):
            right[column] -= factor[row, column] * right[row]
