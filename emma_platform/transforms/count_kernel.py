"""Quantiles of negative binomial counts by summing probabilities, compiled.

Belongs here: the sums. Does not belong here: which of them is used where (`count_intervals`). Import it where it is
called only: loading the compiler takes most of a second.
"""

from __future__ import annotations

from math import lgamma

import numpy as np
from numba import njit

from emma_platform.transforms.demand import Codes, Floats


@njit(cache=True, nogil=True, error_model="numpy")
def quantiles_up(mean: Floats, ratio: Floats, levels: Floats, chosen: Codes, quantiles: Floats) -> None:
    """Fill the chosen columns of `quantiles` (levels x pairs), summing from 0 on."""
    for pair in chosen:
        size, chance = mean[pair] / (ratio[pair] - 1.0), 1.0 / ratio[pair]
        probability = np.exp(size * np.log(chance))
        total = probability
        count = 0
        for place in range(len(levels)):
            while total < levels[place]:
                count += 1
                probability *= (size + (count - 1)) / count * (1.0 - chance)
                total += probability
            quantiles[place, pair] = count


@njit(cache=True, nogil=True, error_model="numpy")
def look_up(
    mean: Floats, ratio: Floats, known: Floats, mean_step: float, ratio_step: float, lowest: int, quantiles: Floats
) -> None:
    """Fill `quantiles`, levels x pairs, with what is known; not a number where nothing is, 0 where the mean is 0.

    Args:
        mean: of each pair.
        ratio: of each pair.
        known: steps of the mean x steps of the ratio x levels, not a number where not known.
        mean_step: of the log of the mean.
        ratio_step: of the log of the ratio.
        lowest: the step of the mean that comes first.
        quantiles: what is filled.
    """
    for pair in range(len(mean)):
        row = column = -1
        if mean[pair] > 0.0:
            row = int(np.rint(np.log(mean[pair]) / mean_step)) - lowest
            column = int(np.rint(np.log(ratio[pair]) / ratio_step))
        inside = 0 <= row < known.shape[0] and column < known.shape[1]
        for place in range(known.shape[2]):
            if inside:
                quantiles[place, pair] = known[row, column, place]
            else:
                quantiles[place, pair] = np.nan if mean[pair] > 0.0 else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def sums_until(
    counts: Floats, size: Floats, chance: Floats, none: Floats, chosen: Codes, below: Floats, until: Floats
) -> None:
    """Fill the chosen places of `below` and `until`: the probabilities of less than each count, and of it or less.

    Args:
        counts: the counts.
        size: of each distribution.
        chance: of each distribution, one over its variance to mean ratio.
        none: the probability of a count of 0: chance ^ size, which numpy works out for many at once.
        chosen: the places to fill.
        below: what is filled.
        until: what is filled.
    """
    for place in chosen:
        probability = none[place]
        total, less = probability, 0.0
        for count in range(1, int(counts[place]) + 1):
            less = total
            probability *= (size[place] + (count - 1)) / count * (1.0 - chance[place])
            total += probability
        below[place], until[place] = less, total


@njit(cache=True, nogil=True, error_model="numpy")
def quantiles_from(
    mean: Floats, ratio: Floats, levels: Floats, chosen: Codes, start: Floats, below: Floats, quantiles: Floats
) -> None:
    """Fill the chosen columns of `quantiles`, going up and down from a count.

    Args:
        mean: of every pair.
        ratio: of every pair.
        levels: probabilities, ascending.
        chosen: the pairs to fill.
        start: of each chosen pair the count to begin at.
        below: the probability of at most this count.
        quantiles: levels x pairs.
    """
    for place in range(len(chosen)):
        pair = chosen[place]
        size, chance = mean[pair] / (ratio[pair] - 1.0), 1.0 / ratio[pair]
        first = start[place]
        at_start = np.exp(
            lgamma(size + first) - lgamma(first + 1.0) - lgamma(size)
            + size * np.log(chance) + first * np.log1p(-chance)
        )  # fmt: skip
        up = np.searchsorted(levels, below[place], side="right")
        count, total, probability = first, below[place], at_start
        for number in range(up, len(levels)):
            while total < levels[number]:
                count += 1.0
                probability *= (size + (count - 1.0)) / count * (1.0 - chance)
                total += probability
            quantiles[number, pair] = count
        count, total, probability = first, below[place] - at_start, at_start
        for number in range(up - 1, -1, -1):
            while count > 0.0 and total >= levels[number]:
                probability *= count / ((size + (count - 1.0)) * (1.0 - chance))
                count -= 1.0
                total -= probability
            quantiles[number, pair] = count
