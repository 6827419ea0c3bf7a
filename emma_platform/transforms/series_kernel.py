"""The loops over all days of all products that a forecast rests on, compiled.

Belongs here: caps, usual levels, sums by day, the smoothing recursion; each loop finishes one product before the next.
Does not belong here: what is made of the sums (`demand_factors`, `forecast_origin`, `forecast_groups`). Import it where
it is called only: loading the compiler takes most of a second. All loops are in one module, for numba's cache of a
compiled loop notices a change of its own module only. Element by element throughout: slices set from slices take 7 s
more to compile.

Arguments that are the same everywhere: `series` as in `demand.Series`, `lift` as in `demand_factors.Lift`; `end` is the
day after the last one that is looked at.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from emma_platform.transforms.demand import Codes, Flags, Floats, Series
from emma_platform.transforms.demand_factors import Lift
from emma_platform.transforms.forecast_origin import Sums

_CAP_QUANTILE, _CAP_FACTOR, _CAP_MARGIN = 0.95, 4.0, 4.0


@njit(cache=True, nogil=True, error_model="numpy")
def _cap(values: Floats, known: Flags, end: int, largest: Floats) -> float:
    """The cap on a product's values: four times the 95 % quantile of its known days with a sale, and four more.

    The quantile is the smallest value that at least 95 % do not exceed. A tight cap lowers the mean: 1.5 times and one
    more cost 0.002 of the WRMSSE of M5 before d_1913. Only the largest twentieth is kept in order, in `largest`.
    """
    count = 0
    for day in range(end):
        if known[day] and values[day] > 0.0:
            count += 1
    if count == 0:
        return _CAP_MARGIN
    kept, size = count - max(int(np.ceil(_CAP_QUANTILE * count)) - 1, 0), 0
    for day in range(end):
        value = values[day]
        if known[day] and value > 0.0 and (size < kept or value > largest[kept - 1]):
            size = min(size + 1, kept)
            place = size - 1
            while place > 0 and largest[place - 1] < value:
                largest[place] = largest[place - 1]
                place -= 1
            largest[place] = value
    return _CAP_FACTOR * largest[kept - 1] + _CAP_MARGIN


@njit(cache=True, nogil=True, error_model="numpy")
def capped_means(series: Series, end: int) -> tuple[Floats, Floats]:
    """Per product the cap on its units, and the mean of the capped units of all days."""
    width = len(series.units)
    cap, mean, largest = np.empty(width), np.empty(width), np.empty(end + 1)
    for one in range(width):
        units, total = series.units[one], 0.0
        cap[one] = _cap(units, series.known[one], end, largest)
        for day in range(end):
            total += min(units[day], cap[one])
        mean[one] = total / end
    return cap, mean


@njit(cache=True, nogil=True, error_model="numpy")
def usual_levels(
    series: Series, cap: Floats, rare: Flags, alike: Flags, groups: int, half_window: int, end: int
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """What each product usually sells around each day, and the sums over categories.

    The level of a day is the mean of the usual days (known, not promoted, without a rare event) within `half_window`
    days of it; of all usual days where there are none, of all known days where no day is usual.

    Args:
        series: the products.
        cap: per product the cap on its units.
        rare: per day, it has a rare event.
        alike: per product, it counts for the sums over categories.
        groups: how many categories there are.
        half_window: days before and after a day.
        end: the day after the last.

    Returns:
        The level, products x days; per product the squared error and the level summed over plain (known, not promoted)
        days, over their number; units and levels of plain days summed over categories, each categories x days.
    """
    width = len(series.units)
    level, squared, mean = np.empty((width, end)), np.empty(width), np.empty(width)
    sold, expected = np.zeros((groups, end)), np.zeros((groups, end))
    total, count = np.zeros(end + 1), np.zeros(end + 1)
    for one in range(width):
        units, known, promoted, own = series.units[one], series.known[one], series.promoted[one], level[one]
        known_units = known_days = 0.0
        for day in range(end):
            value, plain = min(units[day], cap[one]), known[day] and not promoted[day]
            usual = 1.0 if plain and not rare[day] else 0.0
            total[day + 1], count[day + 1] = total[day] + value * usual, count[day] + usual
            known_units += value if known[day] else 0.0
            known_days += 1.0 if known[day] else 0.0
        overall = total[end] / count[end] if count[end] > 0.0 else known_units / max(known_days, 1.0)
        for day in range(end):
            low, high = max(day - half_window, 0), min(day + half_window + 1, end)
            number = count[high] - count[low]
            own[day] = max(total[high] - total[low], 0.0) / number if number > 0.0 else overall
        squares = levels = days = 0.0
        for day in range(end):
            weight = 1.0 if known[day] and not promoted[day] else 0.0
            error = (min(units[day], cap[one]) - own[day]) * weight
            squares += error * error
            levels += own[day] * weight
            days += weight
        squared[one], mean[one] = squares / max(days, 1.0), levels / max(days, 1.0)
        if alike[one]:
            group_sold, group_expected = sold[series.category[one]], expected[series.category[one]]
            for day in range(end):
                weight = 1.0 if known[day] and not promoted[day] else 0.0
                group_sold[day] += min(units[day], cap[one]) * weight
                group_expected[day] += own[day] * weight
    return level, squared, mean, sold, expected


@njit(cache=True, nogil=True, error_model="numpy")
def weekday_sums(
    series: Series, cap: Floats, level: Floats, calendar: Floats, end: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """Units sold and expected by weekday, each 7 x products: of plain days, then of promoted ones.

    Args:
        series: the products.
        cap: per product the cap on its units.
        level: products x days, as `usual_levels` has it.
        calendar: categories x days, the factor that makes a level what is expected.
        end: the day after the last.
    """
    width = len(series.units)
    sold, expected = np.zeros((7, width)), np.zeros((7, width))
    promoted_sold, promoted_expected = np.zeros((7, width)), np.zeros((7, width))
    for one in range(width):
        units, known, promoted, own = series.units[one], series.known[one], series.promoted[one], level[one]
        factor = calendar[series.category[one]]
        for day in range(end):
            if known[day]:
                weekday = series.weekday[day]
                value, usual = min(units[day], cap[one]), own[day] * factor[day]
                if promoted[day]:
                    promoted_sold[weekday, one] += value
                    promoted_expected[weekday, one] += usual
                else:
                    sold[weekday, one] += value
                    expected[weekday, one] += usual
    return sold, expected, promoted_sold, promoted_expected


@njit(cache=True, nogil=True, error_model="numpy")
def _lift_off(series: Series, lift: Lift, one: int, first: int, end: int, values: Floats, lifts: Floats) -> None:
    """Fill the days from `first` on of `lifts`, and of `values` with what a product sold over its lift."""
    units, promoted, uplift = series.units[one], series.promoted[one], lift.uplift[one]
    weekday, calendar = lift.weekday[one], lift.calendar[series.category[one]]
    for day in range(first, end):
        lifts[day] = (uplift if promoted[day] else 1.0) * weekday[series.weekday[day]] * calendar[day]
        values[day] = units[day] / lifts[day]


@njit(cache=True, nogil=True, error_model="numpy")
def sum_up(series: Series, lift: Lift, early_days: int, aged: Floats, end: int, sums: Sums) -> None:
    """Fill the sums over the days of each product.

    Args:
        series: the products.
        lift: the lift of the days.
        early_days: how many days after its first sale are early.
        aged: per day what it is worth.
        end: the day after the last.
        sums: what is filled; it holds zeros.
    """
    values, lifts, largest = np.empty(end), np.empty(end), np.empty(end + 1)
    for one in range(len(series.units)):
        units, known, first_sale = series.units[one], series.known[one], series.first_sale[one]
        _lift_off(series, lift, one, 0, end, values, lifts)
        cap = _cap(values, known, end, largest)
        days = value = square = aged_days = aged_value = early = early_value = 0.0
        known_days = known_value = sales = sale_units = sale_square = 0.0
        for day in range(end):
            weight = 1.0 if known[day] else 0.0
            own = min(values[day], cap) * weight
            known_days += weight
            known_value += own
            sold = units[day] * weight
            sales += 1.0 if sold > 0.0 else 0.0
            sale_units += sold
            sale_square += sold * sold
            counted = weight if day > first_sale else 0.0
            own *= counted
            days += counted
            value += own
            square += own * own
            aged_days += aged[day] * counted
            aged_value += aged[day] * own
            is_early = counted if day < first_sale + early_days else 0.0
            early += is_early
            early_value += own * is_early
        last = end - 1
        while last >= 0 and not units[last] > 0.0:
            last -= 1
        sums.cap[one], sums.last_sale[one] = cap, last
        sums.days[one], sums.value[one], sums.square[one] = days, value, square
        sums.aged_days[one], sums.aged_value[one] = aged_days, aged_value
        sums.early_days[one], sums.early_value[one] = early, early_value
        sums.known_days[one], sums.known_value[one] = known_days, known_value
        sums.sale_days[one], sums.sale_units[one], sums.sale_square[one] = sales, sale_units, sale_square


@njit(cache=True, nogil=True, error_model="numpy")
def advance(
    series: Series, lift: Lift, cap: Floats, first: int, end: int, rates: Floats, discount: float,
    levels: Floats, errors: Floats, seen: Floats,
) -> None:  # fmt: skip
    """Carry the state of every product over the days from `first` on, in place: `smoothing.advance`.

    Levels and errors are products x rates: the rates are what one instruction works on.
    """
    values, lifts = np.empty(end), np.empty(end)
    for one in range(len(series.units)):
        known, first_sale = series.known[one], series.first_sale[one]
        level, squared, count = levels[one], errors[one], seen[one]
        _lift_off(series, lift, one, first, end, values, lifts)
        for day in range(first, end):
            weight = lifts[day] if known[day] and day != first_sale else 0.0
            counted = 1.0 if weight > 0.0 else 0.0
            count += counted
            least, value = min(1.0 / max(count, 1.0), 1.0), min(values[day], cap[one])
            for rate in range(len(rates)):
                error = (value - level[rate]) * counted
                level[rate] += error * max(rates[rate], least)
                squared[rate] = discount * squared[rate] + error * error * weight
        seen[one] = count


@njit(cache=True, nogil=True, error_model="numpy")
def _follow(
    known: Flags, first_sale: int, values: Floats, cap: float, first: int, end: int, rates: Floats,
    weights: Floats, level: Floats, count: float, path: Floats,
) -> None:  # fmt: skip
    """Fill `path` with a product's weighted level after each day; `level` is its level by rate, and is carried on."""
    for day in range(first, end):
        mixed = 0.0
        counted = 1.0 if known[day] and day != first_sale else 0.0
        count += counted
        least, value = min(1.0 / max(count, 1.0), 1.0), min(values[day], cap)
        for rate in range(len(rates)):
            level[rate] += (value - level[rate]) * counted * max(rates[rate], least)
        for rate in range(len(rates)):
            mixed += weights[rate] * level[rate]
        path[day - first] = mixed


@njit(cache=True, nogil=True, error_model="numpy")
def level_path(
    series: Series, lift: Lift, cap: Floats, first: int, end: int, rates: Floats, weights: Floats,
    levels: Floats, seen: Floats, path: Floats,
) -> None:  # fmt: skip
    """Fill `path` (products x days) from `first` on: `smoothing.level_path`; `levels` is carried on."""
    values, lifts = np.empty(end), np.empty(end)
    for one in range(len(series.units)):
        _lift_off(series, lift, one, first, end, values, lifts)
        _follow(
            series.known[one], series.first_sale[one], values, cap[one], first, end, rates, weights[one],
            levels[one], seen[one], path[one],
        )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy")
def errors_of_sums(
    series: Series, lift: Lift, cap: Floats, end: int, rates: Floats, weights: Floats, levels: Floats, seen: Floats,
    ratio: Floats, growth: Floats, distances: Codes, firsts: Codes, new_days: int, found: Floats,
) -> None:  # fmt: skip
    """Fill in how far sums over categories were from what the levels of some days before expected.

    Args:
        series: the products.
        lift: the lift of the days.
        cap: per product the cap on its values.
        end: the day after the last.
        rates: the smoothing rates.
        weights: products x rates, how much each rate counts.
        levels: products x rates, before the first day; carried on.
        seen: per product what the level rests on before the first day.
        ratio: per product the variance to mean ratio one day ahead.
        growth: per product what the ratio grows by with each day further, relative to it.
        distances: how many days before.
        firsts: for each distance the first day whose error counts.
        new_days: a level counts from so many days after the first sale on.
        found: distances x 3 x categories x days, zeros to be filled: errors, expected units, variances of the products
            summed as if they were independent.
    """
    values, lifts, path = np.empty(end), np.empty(end), np.empty(end)
    for one in range(len(series.units)):
        units, known, first_sale, group = (
            series.units[one],
            series.known[one],
            series.first_sale[one],
            series.category[one],
        )
        _lift_off(series, lift, one, 0, end, values, lifts)
        _follow(known, first_sale, values, cap[one], 0, end, rates, weights[one], levels[one], seen[one], path)
        for number in range(len(distances)):
            distance = distances[number]
            error, expected, alone = found[number, 0, group], found[number, 1, group], found[number, 2, group]
            scatter = ratio[one] * (1.0 + (distance - 1.0) * growth[one])
            for day in range(max(firsts[number], first_sale + new_days + distance), end):
                if known[day]:
                    mean = path[day - distance] * lifts[day]
                    error[day] += units[day] - mean
                    expected[day] += mean
                    alone[day] += mean * scatter
