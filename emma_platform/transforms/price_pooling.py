"""Means of groups and how far their members lie apart: the moments behind every empirical Bayes step of prices.

Belongs here: inverse-variance pooling and variances between, on plain arrays. Does not belong here: what is pooled
(`price_evidence` over a store's products, `price_priors` over the chain).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emma_platform.transforms.price_regression import Floats, Ints


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


def shrunk_variance(values: Floats, variances: Floats, group: Ints, assumed: float, degrees: float) -> float:
    """The measured variance between, and the assumed one, each by its degrees of freedom.

    A noisy value says less of the variance than an exact one, by the square of its reliability (the ratio of their
    Fisher information); counted in full, noise simulated at 3 units a week halved the spread.
    """
    groups = int(group.max(initial=-1)) + 1
    measured, freedom = between_variance(values, variances, 1.0 / (variances + assumed), group, groups)
    weight = freedom * float(((assumed / (assumed + variances)) ** 2).sum()) / max(len(values), 1)
    return (degrees * assumed + weight * measured) / (degrees + weight)
