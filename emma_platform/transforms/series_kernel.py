"""The loops over all days of all products that a forecast rests on, compiled.

Belongs here: caps, usual levels, sums by day, the smoothing recursion; each loop finishes one product before the next.
Does not belong here: what is made of the sums (`demand_factors`, `forecast_origin`, `forecast_groups`). Import it where
it is called only: loading the compiler takes most of a second. All loops are in one module, for numba's cache of a
compiled loop notices a change of its own module only. Element by element throughout: slices set from slices take 7 s
more to compile.

Arguments are the same everywhere:
    series, lift: as `demand.Series` and `demand_factors.Lift`.
    first, end: the first day that is looked at, and the day after the last one.
    cap: per product the cap on its units or, in what follows `_lift_off`, on its values: units over lift.
    calendar: categories x days, the factor that makes a level what is expected.
    rates: the smoothing rates; weights: products x rates, how much each counts.
    levels, errors: products x rates, the state before the first day; `seen`: per product what it rests on. What a loop
        says it carries on is changed in place.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from emma_platform.transforms.demand import Codes, Flags, Floats, Series
from emma_platform.transforms.demand_factors import Lift
from emma_platform.transforms.forecast_origin import Sums

_CAP_QUANTILE, _CAP_FACTOR, _CAP_MARGIN = 0.95, 4.0, 4.0


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _cap(values: Floats, known: Flags, end: int, largest: Floats) -> float:
    """The cap on a product's values: four times the 95 % quantile of its known days with a sale, and four more.

    The quantile is the smallest value that at least 95 % do not exceed. A tight cap lowers the mean: 1.5 times and one
    more cost 0.002 of the WRMSSE of M5 before d_1913. Only the largest twentieth is kept in order, in `largest`.
    """
    count = 0
    for day in range(end):
        count += 1 if known[day] and values[day] > 0.0 else 0
    if count == 0:
        return _CAP_MARGIN
    kept, least = count - max(int(np.ceil(_CAP_QUANTILE * count)) - 1, 0), 0.0
    for place in range(kept):
        largest[place] = 0.0
    for day in range(end):
        value = values[day]
        if value > least and known[day]:
            place = kept - 1
            while place > 0 and largest[place - 1] < value:
                largest[place] = largest[place - 1]
                place -= 1
            largest[place] = value
            least = largest[kept - 1]
    return _CAP_FACTOR * least + _CAP_MARGIN


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
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


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _mean(values: Floats, known: Flags, end: int) -> float:
    """The mean of the known days; 0 where there is none."""
    total = days = 0.0
    for day in range(end):
        weight = 1.0 if known[day] else 0.0
        total += values[day] * weight
        days += weight
    return total / max(days, 1.0)


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def usual_levels(
    series: Series, cap: Floats, rare: Flags, alike: Flags, groups: int, half_window: int, end: int
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """What each product usually sells around each day, and the sums over categories of the products that are `alike`.

    The level of a day is the mean of the usual days (known, not promoted, without a `rare` event) within `half_window`
    days of it; of all usual days where there are none, of all known days where no day is usual.

    Returns:
        The level, products x days; per product the squared error and the level summed over plain (known, not promoted)
        days, over their number; units and levels of plain days summed over categories, each categories x days.
    """
    width = len(series.units)
    level, squared, mean = np.empty((width, end)), np.empty(width), np.empty(width)
    sold, expected = np.zeros((groups, end)), np.zeros((groups, end))
    window = 2 * half_window + 1
    total, count = np.zeros(end + window), np.zeros(end + window)  # by day, `half_window` more before and after
    value, plain = np.empty(end), np.empty(end)
    for one in range(width):
        units, known, promoted, own = series.units[one], series.known[one], series.promoted[one], level[one]
        for day in range(end):
            value[day] = min(units[day], cap[one])
            plain[day] = 1.0 if known[day] and not promoted[day] else 0.0
        sum_before, days_before = 0.0, 0.0
        for day in range(end):
            usual = 0.0 if rare[day] else plain[day]
            sum_before += value[day] * usual
            days_before += usual
            total[half_window + 1 + day], count[half_window + 1 + day] = sum_before, days_before
        for beyond in range(half_window + 1 + end, end + window):
            total[beyond], count[beyond] = sum_before, days_before
        overall = sum_before / days_before if days_before > 0.0 else _mean(value, known, end)
        for day in range(end):
            number = count[day + window] - count[day]
            near = max(total[day + window] - total[day], 0.0) / max(number, 1.0)
            own[day] = near if number > 0.0 else overall
        squares = levels = days = 0.0
        for day in range(end):
            error = (value[day] - own[day]) * plain[day]
            squares += error * error
            levels += own[day] * plain[day]
            days += plain[day]
        squared[one], mean[one] = squares / max(days, 1.0), levels / max(days, 1.0)
        if alike[one]:
            group_sold, group_expected = sold[series.category[one]], expected[series.category[one]]
            for day in range(end):
                group_sold[day] += value[day] * plain[day]
            for day in range(end):
                group_expected[day] += own[day] * plain[day]
    return level, squared, mean, sold, expected


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def weekday_sums(
    series: Series, cap: Floats, level: Floats, calendar: Floats, end: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """Units sold and expected by weekday, each 7 x products: of plain days, then of promoted ones.

    `level` is that of `usual_levels`.
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


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _lift_off(series: Series, lift: Lift, one: int, first: int, end: int, values: Floats, lifts: Floats) -> None:
    """Fill `lifts` with the lift of the days from `first` on, and `values` with what was sold over it."""
    units, promoted, uplift = series.units[one, first:end], series.promoted[one, first:end], lift.uplift[one]
    factor, calendar = lift.weekday[one], lift.calendar[series.category[one], first:end]
    weekday = series.weekday[first:end]
    for day in range(end - first):
        lifts[day] = (uplift if promoted[day] else 1.0) * factor[weekday[day]]
    for day in range(end - first):
        lifts[day] *= calendar[day]
        values[day] = units[day] / lifts[day]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def sum_up(series: Series, lift: Lift, early_days: int, aged: Floats, end: int, sums: Sums) -> None:
    """Fill `sums`, as in `forecast_origin.Sums`, for each product.

    `aged` is what each day is worth; `early_days` are the first after that of the first sale, itself counted.
    """
    values, lifts, largest = np.empty(end), np.empty(end), np.empty(end + 1)
    for one in range(len(series.units)):
        units, known, first_sale = series.units[one], series.known[one], series.first_sale[one]
        _lift_off(series, lift, one, 0, end, values, lifts)
        cap = _cap(values, known, end, largest)
        days = value = square = aged_days = aged_value = early = early_value = 0.0
        sales = sale_units = sale_square = 0.0
        launch = min(first_sale, end)
        after, worth, counted, sold = values[launch:end], aged[launch:end], known[launch:end], units[launch:end]
        for day in range(1, end - launch):
            weight = 1.0 if counted[day] else 0.0
            own = min(after[day], cap) * weight
            days += weight
            value += own
            square += own * own
            aged_days += worth[day] * weight
            aged_value += worth[day] * own
        for day in range(1, min(early_days, end - launch)):
            weight = 1.0 if counted[day] else 0.0
            early += weight
            early_value += min(after[day], cap) * weight
        for day in range(end - launch):
            own = sold[day] if counted[day] else 0.0
            sales += 1.0 if own > 0.0 else 0.0
            sale_units += own
            sale_square += own * own
        on_first = launch < end and counted[0]
        last = end - 1
        while last >= 0 and not units[last] > 0.0:
            last -= 1
        sums.cap[one], sums.last_sale[one] = cap, last
        sums.days[one], sums.value[one], sums.square[one] = days, value, square
        sums.aged_days[one], sums.aged_value[one] = aged_days, aged_value
        sums.early_days[one], sums.early_value[one] = early, early_value
        sums.known_days[one] = days + (1.0 if on_first else 0.0)
        sums.known_value[one] = value + (min(after[0], cap) if on_first else 0.0)
        sums.sale_days[one], sums.sale_units[one], sums.sale_square[one] = sales, sale_units, sale_square


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def advance(
    series: Series, lift: Lift, cap: Floats, first: int, end: int, rates: Floats, discount: float,
    levels: Floats, errors: Floats, seen: Floats,
) -> None:  # fmt: skip
    """Carry the state of every product over the days from `first` on, in place: `smoothing.advance`.

    Levels and errors are products x rates: the rates are what one instruction works on.
    """
    values, lifts = np.empty(end - first), np.empty(end - first)
    for one in range(len(series.units)):
        known, uncounted = series.known[one, first:end], series.first_sale[one] - first
        level, squared, count = levels[one], errors[one], seen[one]
        _lift_off(series, lift, one, first, end, values, lifts)
        for day in range(end - first):
            weight = lifts[day] if known[day] and day != uncounted else 0.0
            counted = 1.0 if weight > 0.0 else 0.0
            count += counted
            least, value = min(1.0 / max(count, 1.0), 1.0), min(values[day], cap[one])
            for rate in range(len(rates)):
                error = value - level[rate]
                level[rate] += error * (max(rates[rate], least) * counted)
                squared[rate] = discount * squared[rate] + error * error * weight
        seen[one] = count


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _follow(
    known: Flags, uncounted: int, values: Floats, cap: float, rates: Floats, weights: Floats, level: Floats,
    count: float, path: Floats,
) -> None:  # fmt: skip
    """Fill `path` with a product's weighted level after each day; `level` is its level by rate, and is carried on."""
    for day in range(len(path)):
        mixed = 0.0
        counted = 1.0 if known[day] and day != uncounted else 0.0
        count += counted
        least, value = min(1.0 / max(count, 1.0), 1.0), min(values[day], cap)
        for rate in range(len(rates)):
            level[rate] += (value - level[rate]) * (max(rates[rate], least) * counted)
        for rate in range(len(rates)):
            mixed += weights[rate] * level[rate]
        path[day] = mixed


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def level_path(
    series: Series, lift: Lift, cap: Floats, first: int, end: int, rates: Floats, weights: Floats,
    levels: Floats, seen: Floats, path: Floats,
) -> None:  # fmt: skip
    """Fill `path`, products x days, from `first` on: `smoothing.level_path`; `levels` is carried on."""
    values, lifts = np.empty(end - first), np.empty(end - first)
    for one in range(len(series.units)):
        _lift_off(series, lift, one, first, end, values, lifts)
        _follow(
            series.known[one, first:end], series.first_sale[one] - first, values, cap[one], rates, weights[one],
            levels[one], seen[one], path[one],
        )  # fmt: skip


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def errors_of_sums(
    series: Series, lift: Lift, cap: Floats, end: int, rates: Floats, weights: Floats, levels: Floats, seen: Floats,
    ratio: Floats, growth: Floats, share: Floats, distances: Codes, firsts: Codes, new_days: int, found: Floats,
) -> None:  # fmt: skip
    """Fill in how far sums over categories were from what the levels of some days before expected.

    `found` holds zeros, distances x 3 x categories x days: errors, expected units, and the variances of the products
    summed as if they were independent, each product's `ratio` to its mean growing by `growth` with each day. Means are
    multiplied by `share`, distances x products. Errors count from the day `firsts` of each of the `distances` on; a
    level counts `new_days` after the first sale.
    """
    values, lifts, path, weight, mean = np.empty(end), np.empty(end), np.empty(end), np.empty(end), np.empty(end)
    for one in range(len(series.units)):
        units, known, first_sale = series.units[one], series.known[one], series.first_sale[one]
        _lift_off(series, lift, one, 0, end, values, lifts)
        _follow(known, first_sale, values, cap[one], rates, weights[one], levels[one], seen[one], path)
        for day in range(end):
            weight[day] = 1.0 if known[day] else 0.0
        for number in range(len(distances)):
            distance, group = distances[number], series.category[one]
            first = min(max(firsts[number], first_sale + new_days + distance), end)
            level, factor, counted = path[first - distance : end - distance], lifts[first:end], weight[first:end]
            error, expected, alone = (
                found[number, 0, group, first:end],
                found[number, 1, group, first:end],
                found[number, 2, group, first:end],
            )
            sold, scatter = units[first:end], ratio[one] * (1.0 + (distance - 1.0) * growth[one])
            for day in range(end - first):
                mean[day] = level[day] * factor[day] * counted[day] * share[number, one]
            for day in range(end - first):
                error[day] += sold[day] * counted[day] - mean[day]
            for day in range(end - first):
                expected[day] += mean[day]
            for day in range(end - first):
                alone[day] += mean[day] * scatter
