"""The chance that a shelf was empty on the days of a run without a sale: two explanations of the same zeros, weighed.

Belongs here: the hidden states behind a run, and the rates learned from all runs of a store. Does not belong here:
which runs there are and what demand is expected on their days (`zero_runs`).

Each day a product is in stock, out of stock or gone for good. In stock it sells nothing with the chance exp(-g x) of
negative binomial demand, x being what is expected of the day and g an error of the level that all days of the run
share, gamma distributed: with it a run of zeros is far less improbable than its days taken one by one. Out of stock or
gone it sells nothing. Days follow each other as a hidden Markov chain: Rabiner, A tutorial on hidden Markov models,
Proc. IEEE 77, 1989, equations 19 to 27. How often stock-outs begin and end is learned from the store's own runs (EM:
equations 40a and 40b there), so that a store which looks at a hundred thousand runs needs the stronger evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from emma_platform.transforms.demand import Codes, Flags, Floats

_EDGES: Floats = np.array([0.0, 1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5, 0.8, 1.0])
"""Probabilities between which the level's error is cut into parts; the low end decides whether long runs are chance."""

_WEIGHT: Floats = np.diff(_EDGES)
_ROUNDS = 4
_LEAST_SHAPE = 0.01
"""Of the error of a level; below it nearly all of its mass is next to 0, and sums of it vanish."""
_MOST_SHAPE = 100.0
"""No level is surer: `zero_runs` has its drift at least at the inverse of it."""
_TABLE_STEP, _LEAST_QUANTILE = 0.02, 1e-300
_PRIOR_DAYS, _PRIOR_STARTS = 2_000.0, 2.0
_PRIOR_SPELLS, _PRIOR_LENGTH = 2.0, 4.0
_MOST_STARTS = 0.05
_LONGEST_SPELL, _SHORTEST_SPELL = 21.0, 1.5


@dataclass(frozen=True)
class Evidence:
    """Runs without a sale, days x runs; a run's days come first, what follows them is of no account.

    Attributes:
        length: days of each run; runs are in the order of falling length.
        ended: a sale ended it; else it lasts.
        expected: minus the log of the chance of selling nothing on the day.
        error: parts x runs, the factors on the level that its error may be: `level_errors`.
        in_stock: a count says that there were goods.
        out: a count says that there were none.
    """

    length: Codes
    ended: Flags
    expected: Floats
    error: Floats
    in_stock: Flags
    out: Flags


@dataclass(frozen=True)
class Rates:
    """Chances per day: that a stock-out begins, that it ends, that a product is gone for good."""

    begin: float
    end: float
    gone: float


@dataclass(frozen=True)
class Chances:
    """Per run the chance that the shelf was empty on any day of it, and of each day: days x runs."""

    any_day: Floats
    day: Floats


def usual_rates(gone: float) -> Rates:
    """What is expected of a store before any of its runs was looked at."""
    return Rates(_PRIOR_STARTS / _PRIOR_DAYS, 1.0 / _PRIOR_LENGTH, gone)


def learn(evidence: Evidence, in_stock_days: float, rates: Rates) -> Rates:
    """The store's rates.

    Args:
        evidence: runs of products that sell so much that their runs tell of stock-outs.
        in_stock_days: days of these products, in the same share as their runs are in the evidence.
        rates: where to begin.
    """
    for _ in range(_ROUNDS if len(evidence.length) else 0):
        found = chances(evidence, rates)
        days = float(found.day.sum())
        begin = (float(found.any_day.sum()) + _PRIOR_STARTS) / (in_stock_days - days + _PRIOR_DAYS)
        ended = float(found.any_day[evidence.ended].sum())
        spell = (days + _PRIOR_SPELLS * _PRIOR_LENGTH) / (ended + _PRIOR_SPELLS)
        rates = Rates(
            min(begin, _MOST_STARTS), 1.0 / float(np.clip(spell, _SHORTEST_SPELL, _LONGEST_SPELL)), rates.gone
        )
    return rates


def level_errors(shape: Floats) -> Floats:
    """The middle of each part of a gamma distribution with mean 1: parts x shapes; the parts' mean is 1 again.

    Quantiles come from a table over the log of the shape, which leaves 1e-10 of them: ten thousand runs take 2 ms, and
    100 ms by the inverse of the incomplete gamma function.
    """
    from emma_platform.transforms.stock_out_kernel import interpolate

    error = np.empty((len(_WEIGHT), len(shape)))
    place = np.log(np.clip(shape, _LEAST_SHAPE, _MOST_SHAPE) / _LEAST_SHAPE) + 2 * _TABLE_STEP
    interpolate(_table(), _TABLE_STEP, place, error)
    np.exp(error, out=error)
    return np.asarray(error / (_WEIGHT @ error))


@cache
def _table() -> Floats:
    """Logs of the quantiles of gamma distributions: parts x shapes, two beyond the least and the most."""
    from scipy import special

    count = int(np.log(_MOST_SHAPE / _LEAST_SHAPE) / _TABLE_STEP) + 6
    shape = _LEAST_SHAPE * np.exp((np.arange(count) - 2) * _TABLE_STEP)
    middle = (_EDGES[1:] + _EDGES[:-1]) / 2
    quantiles = special.gammaincinv(shape, middle[:, None]) / shape
    return np.asarray(np.log(np.maximum(quantiles, _LEAST_QUANTILE)))


def chances(evidence: Evidence, rates: Rates) -> Chances:
    """The chances of every run under these rates."""
    from emma_platform.transforms.stock_out_kernel import passes

    total, without, daily = passes(
        evidence.length, evidence.ended, evidence.expected, evidence.in_stock, evidence.out, evidence.error, _WEIGHT,
        rates.begin, rates.end, rates.gone,
    )  # fmt: skip
    possible = total > 0
    total = np.where(possible, total, 1.0)
    return Chances(
        np.clip(np.where(possible, 1.0 - without / total, 0.0), 0.0, 1.0),
        np.clip(np.where(possible, daily / total, 0.0), 0.0, 1.0),
    )
