"""Runs of days on which a product sold nothing, and what it was expected to sell on them.

Belongs here: finding the runs, the level around each of them and how sure it is. Does not belong here: whether the
shelf was empty (`stock_out_chances`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emma_platform.transforms.count_intervals import shrunk_ratios
from emma_platform.transforms.demand import Codes, Flags, Floats

LONGEST_DAYS = 56
"""A product that sells nothing on more open days than this was withdrawn, not out of stock."""

_AROUND = 28
_OVERALL_DAYS = 14.0
_BLOCK = 28
_BLOCK_UNITS = 8.0
_LEAST_BLOCKS = 3
_LEAST_DRIFT, _MOST_DRIFT = 0.01, 1.0
_LEAST_RATIO = 1.02
_STORE_UNITS = 20.0


@dataclass(frozen=True)
class OpenDays:
    """What was sold on the days on which the store was open: days x products.

    Attributes:
        units: units sold.
        factor: what demand was on the day against the product's level: weekday, promotion, events, the store's day.
        launch: per product the first day with a sale.
    """

    units: Floats
    factor: Floats
    launch: Codes


@dataclass(frozen=True)
class Runs:
    """Runs of open days without a sale, after the first sale, of at most LONGEST_DAYS: product by product, in time.

    Attributes:
        product: its number.
        start: its first open day.
        length: its open days.
        ended: a sale ended it; else it lasts.
    """

    product: Codes
    start: Codes
    length: Codes
    ended: Flags

    def take(self, chosen: Codes) -> Runs:
        """These of the runs."""
        return Runs(self.product[chosen], self.start[chosen], self.length[chosen], self.ended[chosen])


@dataclass(frozen=True)
class Levels:
    """What is known of each run's demand.

    Attributes:
        level: units a day at factor 1, from the days around the run.
        ratio: variance to mean ratio of the daily units.
        shape: shape of the gamma distribution of the level's error.
    """

    level: Floats
    ratio: Floats
    shape: Floats

    @property
    def per_unit(self) -> Floats:
        """Minus the log of the chance of selling nothing, per unit expected: negative binomial."""
        return np.asarray(np.log(self.ratio) / (self.ratio - 1.0), dtype=np.float64)

    def take(self, chosen: Codes) -> Levels:
        """Those of these runs."""
        return Levels(self.level[chosen], self.ratio[chosen], self.shape[chosen])


def find_runs(sold: Flags) -> tuple[Runs, int]:
    """The runs of at most LONGEST_DAYS, and how many products have not sold for longer at the end.

    Args:
        sold: open days x products, whether anything was sold.
    """
    days = len(sold)
    product, day = np.nonzero(sold.T)
    following = np.append(day[1:], days)
    following[np.append(product[1:] != product[:-1], True)] = days
    length = following - day - 1
    kept = (length > 0) & (length <= LONGEST_DAYS)
    gone = int(((following == days) & (length > LONGEST_DAYS)).sum())
    return Runs(product[kept], day[kept] + 1, length[kept], following[kept] < days), gone


def store_days(units: Floats, factor: Floats, weight: Floats) -> Floats:
    """How much the whole store sold on each open day against what its products were expected to, shrunk to 1."""
    days = np.maximum(weight.sum(axis=0), 1.0)
    mean = (units * weight).sum(axis=0) / np.maximum((factor * weight).sum(axis=0), 1e-9)
    spread = np.maximum(((units - mean * factor) ** 2 * weight).sum(axis=0) / days, 1e-9)
    scale = np.where(mean > 0, mean / spread, 0.0)
    sold = (units * weight) @ scale
    expected = (factor * weight) @ (mean * scale)
    return np.asarray((_STORE_UNITS + sold) / (_STORE_UNITS + expected), dtype=np.float64)


def levels(days: OpenDays, runs: Runs, weight: Floats) -> Levels:
    """The level around each run: 28 open days before and after it, and a little of all other days.

    The sales that bound a run are left out with their days: they are there because the run is, and counting them makes
    every slow seller's runs look improbable. The error of the level is that of the count it was taken from and the
    drift that levels of this store have from one four weeks to the next.

    Args:
        days: the store's open days.
        runs: the runs.
        weight: days x products, the chance that the day was demand and not an empty shelf; 0 before the launch.
    """
    units, exposure = summed(days.units * (weight > 0)), summed(days.factor * weight)
    ratio = _ratios(days, weight, units, exposure)
    drift = _drift(units, exposure, ratio)
    last = len(days.units)
    before = (np.maximum(runs.start - 1 - _AROUND, days.launch[runs.product] + 1), runs.start - 1)
    end = runs.start + runs.length
    after = (np.minimum(end + 1, last), np.minimum(end + 1 + _AROUND, last))
    sold, seen = np.zeros(len(runs.start)), np.zeros(len(runs.start))
    for first, high in (before, after):
        low = np.minimum(first, high)
        sold += units[high, runs.product] - units[low, runs.product]
        seen += exposure[high, runs.product] - exposure[low, runs.product]
    overall = _overall(units, exposure)[runs.product]
    level = (sold + _OVERALL_DAYS * overall) / (seen + _OVERALL_DAYS)
    counted = np.maximum(level * (seen + _OVERALL_DAYS), 1e-9)
    return Levels(level, ratio[runs.product], 1.0 / (ratio[runs.product] / counted + drift))


def summed(values: Floats | Flags) -> Floats:
    """Sums of the days before each day and, last, of all: one row more than the values."""
    total = np.zeros((len(values) + 1, values.shape[1]))
    np.cumsum(values, axis=0, out=total[1:])
    return total


def _overall(units: Floats, exposure: Floats) -> Floats:
    return np.asarray(units[-1] / np.maximum(exposure[-1], 1e-9), dtype=np.float64)


def _ratios(days: OpenDays, weight: Floats, units: Floats, exposure: Floats) -> Floats:
    """Variance to mean ratios around the mean of four weeks before and after, shrunk to series that sell as much."""
    number = np.arange(len(days.units))
    low, high = np.maximum(number - _AROUND, 0), np.minimum(number + _AROUND + 1, len(number))
    level = (units[high] - units[low]) / np.maximum(exposure[high] - exposure[low], 1e-9)
    error = days.units - level * days.factor
    known = np.maximum(weight.sum(axis=0), 1e-9)
    squared = np.einsum("ij,ij,ij->j", error, error, weight) / known
    mean = np.einsum("ij,ij->j", days.units, weight) / known
    return np.maximum(shrunk_ratios(squared, mean, known), _LEAST_RATIO)


def _drift(units: Floats, exposure: Floats, ratio: Floats) -> float:
    """The squared coefficient of variation of a four weeks' level around that of the four weeks before and after."""
    grid = np.arange(len(units) - 1, -1, -_BLOCK)[::-1]
    sold, seen = np.diff(units[grid], axis=0), np.diff(exposure[grid], axis=0)
    if len(sold) < _LEAST_BLOCKS:
        return _MOST_DRIFT
    beside_sold, beside_seen = sold[:-2] + sold[2:], seen[:-2] + seen[2:]
    expected = beside_sold / np.maximum(beside_seen, 1e-9) * seen[1:-1]
    used = (expected > _BLOCK_UNITS * ratio) & (seen[1:-1] > 0)
    if not used.any():
        return _MOST_DRIFT
    mean = np.where(used, expected, 1.0)
    chance = ratio * (1.0 + seen[1:-1] / np.maximum(beside_seen, 1e-9)) / mean
    excess = (sold[1:-1] / mean - 1.0) ** 2 - chance
    return float(np.clip(excess[used].mean(), _LEAST_DRIFT, _MOST_DRIFT))
