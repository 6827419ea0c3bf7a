"""Weekly demand regressions, many products at once.

Belongs here: penalised quasi-Poisson regression, the common movement of a store's products, and how much
autocorrelation widens a variance; all in NumPy. Does not belong here: where the weeks come from (`price_panel`) and
what is made of the elasticities (`price_priors`, `price_response`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LAGS = 8
"""Weeks over which the residuals may remember each other; two months."""

WIDEST = 6.0
"""Upper limit of the inflation: the factor that held-out M5-like daily data asked for; beer by weeks asked for 2."""

POOLED_DEGREES = 8.0
"""Degrees of freedom that the store's typical dispersion counts for beside a product's own."""

INDEX_UNITS = 20.0
"""Units that the wider index counts for beside the narrower one: a category of few sales follows its store."""

_STEPS = 50
_CONVERGED = 1e-11
_LARGEST_STEP = 2.0


@dataclass(frozen=True)
class Fit:
    """Coefficients (products, columns), fitted means (products, weeks), inverse information (products, 2 x columns)."""

    coefficients: Floats
    fitted: Floats
    inverse: Floats


def poisson_fit(units: Floats, design: Floats, offset: Floats, used: Floats, ridge: Floats) -> Fit:
    """Poisson regression with log link for every product at once, by Newton's method (McCullagh and Nelder 1989, 2.5).

    The likelihood is penalised by ridge / 2 * coefficient^2, which makes the optimum unique and finite also where all
    sales fall on one price (Poisson likelihoods alone run away there).

    Args:
        units: (products, weeks), not negative; fractions are allowed (quasi-likelihood).
        design: (products, weeks, columns); the first column is the constant.
        offset: (products, weeks), added to the logarithm of the mean.
        used: (products, weeks), 1 for a week that counts, else 0; each product has a sale in a used week.
        ridge: (columns,), penalty of each coefficient.
    """
    products, _, columns = design.shape
    sold = (units * used).sum(axis=1)
    expected = (np.exp(offset) * used).sum(axis=1)
    coefficients = np.zeros((products, columns))
    coefficients[:, 0] = np.log(sold / expected)
    penalty = np.diag(ridge)
    transposed = design.transpose(0, 2, 1)
    for _ in range(_STEPS):
        mean = _mean(design, coefficients, offset, used)
        gradient = np.matmul(transposed, ((units - mean) * used)[:, :, None])[:, :, 0] - ridge * coefficients
        information = np.matmul(transposed * mean[:, None, :], design) + penalty
        step = np.linalg.solve(information, gradient[:, :, None])[:, :, 0]
        reach = np.abs(np.matmul(design, step[:, :, None])[:, :, 0] * used).max(axis=1)
        step *= np.minimum(1.0, _LARGEST_STEP / np.maximum(reach, 1e-300))[:, None]
        coefficients += step
        if not reach.size or reach.max() < _CONVERGED:
            break
    mean = _mean(design, coefficients, offset, used)
    return Fit(coefficients, mean, np.linalg.inv(np.matmul(transposed * mean[:, None, :], design) + penalty))


def _mean(design: Floats, coefficients: Floats, offset: Floats, used: Floats) -> Floats:
    predictor = np.matmul(design, coefficients[:, :, None])[:, :, 0] + offset
    return np.asarray(np.exp(np.clip(predictor, -30.0, 30.0)) * used)


def common_movement(units: Floats, base: Floats, group: Ints) -> Floats:
    """What the other products of the category did in each week, as the logarithm of an index around zero.

    The index is units sold over units that each product's own price, promotions and trend explain (`base`), without the
    product itself, so that it takes away seasons and closed days but not the product's own response. A category is
    drawn towards its store and the store towards one by `INDEX_UNITS` (the posterior mean under a Gamma prior).

    Args:
        units: (products, weeks), zero where a week is not used.
        base: (products, weeks), what is explained without the index; zero where a week is not used.
        group: (products,), the category's number, 0 and up.
    """
    groups = int(group.max()) + 1 if group.size else 0
    member = np.zeros((groups, len(group)))
    member[group, np.arange(len(group))] = 1.0
    store = (units.sum(axis=0) - units + INDEX_UNITS) / (base.sum(axis=0) - base + INDEX_UNITS)
    others_units = np.matmul(member, units)[group] - units
    others_base = np.matmul(member, base)[group] - base
    # Differences of sums can end a rounding error below zero.
    others_units, others_base = np.maximum(others_units, 0.0), np.maximum(others_base, 0.0)
    return np.asarray(np.log((others_units + INDEX_UNITS * store) / (others_base + INDEX_UNITS)))


def dispersion(units: Floats, fitted: Floats, used: Floats, columns: int) -> Floats:
    """Variance over mean of each product's weeks, at least 1: Pearson's statistic over the degrees of freedom.

    The store's median counts for `POOLED_DEGREES`, because eight weeks alone say little about a variance.
    """
    pearson = ((units - fitted) ** 2 / np.maximum(fitted, 1e-9) * used).sum(axis=1)
    degrees = np.maximum(used.sum(axis=1) - columns, 0.0)
    known = degrees > 0
    typical = float(np.median(pearson[known] / degrees[known])) if known.any() else 1.0
    return np.asarray(
        np.maximum((POOLED_DEGREES * max(typical, 1.0) + pearson * known) / (POOLED_DEGREES + degrees), 1.0)
    )


def autocorrelation_inflation(residuals: Floats, regressor: Floats, used: Floats, columns: int) -> Floats:
    """Factor by which remembering residuals widen the variance of the regressor's coefficient, 1 to `WIDEST`.

    1 + 2 * sum over lags of (residuals' autocorrelation * regressor's autocorrelation), as in Newey and West (1987);
    the residuals' is pooled over the store's products, because one product's is too noisy, and corrected for the
    downward shift of about columns / weeks that fitting brings.

    Args:
        residuals: (products, weeks), of equal variance; zero where a week is not used.
        regressor: (products, weeks), centred on the product's used weeks; zero where a week is not used.
        used: (products, weeks), 0 or 1.
        columns: coefficients that were fitted.
    """
    weeks = used.sum(axis=1)
    energy = float((residuals**2).sum())
    own = np.maximum((regressor**2).sum(axis=1), 1e-300)
    factor = np.ones(len(used))
    if energy <= 0:
        return factor
    shift = columns * int((weeks > 0).sum()) / max(float(weeks.sum()), 1.0)
    for lag in range(1, min(LAGS, used.shape[1] - 1) + 1):
        pairs = float((used[:, lag:] * used[:, :-lag]).sum())
        if pairs <= 0:
            continue
        memory = float((residuals[:, lag:] * residuals[:, :-lag]).sum()) / pairs * float(used.sum()) / energy + shift
        persistence = (regressor[:, lag:] * regressor[:, :-lag]).sum(axis=1) / own
        taper = 1.0 - lag / (LAGS + 1.0)
        factor += 2.0 * taper * max(memory, 0.0) * persistence
    return np.clip(factor, 1.0, WIDEST)
