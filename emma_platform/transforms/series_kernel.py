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
from emma_platform.transforms.demand_factors import Lift, Usual

_CAP_PART, _CAP_FACTOR, _CAP_MARGIN = 20, 4.0, 4.0


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
    kept, least = count // _CAP_PART + 1, 0.0
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
def usual_levels(
    series: Series, cap: Floats, rare: Flags, alike: Flags, half_window: int, end: int, usual: Usual
) -> None:
    """Fill `usual`, as in `demand_factors.Usual`; only products that are `alike` are summed over categories.

    The level of a day is the mean of the usual days (known, not promoted, without a `rare` event) within `half_window`
    days of it; of all usual days where there are none, of all known days where no day is usual.
    """
    window = 2 * half_window + 1
    total, count = np.zeros(end + window), np.zeros(end + window)  # by day, `half_window` more before and after
    value, plain = np.empty(end), np.empty(end)
    for one in range(len(series.units)):
        units, known, promoted, level = series.units[one], series.known[one], series.promoted[one], usual.level[one]
        known_units = known_days = 0.0
        for day in range(end):
            weight = 1.0 if known[day] else 0.0
            value[day] = min(units[day], cap[one])
            plain[day] = 0.0 if promoted[day] else weight
            known_units += value[day] * weight
            known_days += weight
        sum_before = days_before = 0.0
        for day in range(end):
            weight = 0.0 if rare[day] else plain[day]
            sum_before += value[day] * weight
            days_before += weight
            total[half_window + 1 + day], count[half_window + 1 + day] = sum_before, days_before
        for beyond in range(half_window + 1 + end, end + window):
            total[beyond], count[beyond] = sum_before, days_before
        overall = sum_before / days_before if days_before > 0.0 else known_units / max(known_days, 1.0)
        for day in range(end):
            number = count[day + window] - count[day]
            near = max(total[day + window] - total[day], 0.0) / max(number, 1.0)
            level[day] = near if number > 0.0 else overall
        squares = levels = days = 0.0
        for day in range(end):
            error = (value[day] - level[day]) * plain[day]
            squares += error * error
            levels += level[day] * plain[day]
            days += plain[day]
        usual.squared[one], usual.mean[one] = squares / max(days, 1.0), levels / max(days, 1.0)
        if alike[one]:
            sold, expected = usual.sold[series.category[one]], usual.expected[series.category[one]]
            for day in range(end):
                sold[day] += value[day] * plain[day]
            for day in range(end):
                expected[day] += level[day] * plain[day]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def weekday_sums(series: Series, cap: Floats, level: Floats, calendar: Floats, end: int, found: Floats) -> None:
    """Fill `found` with units sold and expected by weekday; `level` is that of `usual_levels`.

    It holds zeros, 2 x 2 x 7 x products: known days that are not promoted, and those that are; sold, and expected.
    """
    for one in range(len(series.units)):
        units, known, promoted, own = series.units[one], series.known[one], series.promoted[one], level[one]
        factor = calendar[series.category[one]]
        for day in range(end):
            if known[day]:
                kind, weekday = 1 if promoted[day] else 0, series.weekday[day]
                found[kind, 0, weekday, one] += min(units[day], cap[one])
                found[kind, 1, weekday, one] += own[day] * factor[day]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def _lift_off(
    series: Series, lift: Lift, one: int, first: int | np.int64, end: int, values: Floats, lifts: Floats
) -> None:
    """Fill `lifts` with the lift of the days from `first` on, and `values` with what was sold over it.

    A literal 0 as `first` would have it compiled a second time.
    """
    units, promoted, uplift = series.units[one, first:end], series.promoted[one, first:end], lift.uplift[one]
    factor, calendar = lift.weekday[one], lift.calendar[series.category[one], first:end]
    weekday = series.weekday[first:end]
    for day in range(end - first):
        lifts[day] = (uplift if promoted[day] else 1.0) * factor[weekday[day]]
    for day in range(end - first):
        lifts[day] *= calendar[day]
        values[day] = units[day] / lifts[day]


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def sum_up(series: Series, lift: Lift, early_days: int, aged: Floats, end: int, found: Floats) -> None:
    """Fill `found`, sums x products, with the sums over each product's days, as in `forecast_origin.Sums`.

    `aged` is what each day is worth; `early_days` are the first after that of the first sale, itself counted.
    """
    values, lifts, largest = np.empty(end), np.empty(end), np.empty(end + 1)
    for one in range(len(series.units)):
        units, known, first_sale = series.units[one], series.known[one], series.first_sale[one]
        _lift_off(series, lift, one, np.int64(0), end, values, lifts)
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
        last = end - 1
        while last >= 0 and not units[last] > 0.0:
            last -= 1
        known_days, known_value = days, value
        if launch < end and counted[0]:
            known_days, known_value = days + 1.0, value + min(after[0], cap)
        sums = (
            cap, days, value, square, aged_days, aged_value, early, early_value, known_days, known_value,
            sales, sale_units, sale_square, float(last),
        )  # fmt: skip
        for place, total in enumerate(sums):
            found[place, one] = total


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
def level_path(
    series: Series, lift: Lift, cap: Floats, first: int, end: int, rates: Floats, weights: Floats,
    levels: Floats, seen: Floats, path: Floats,
) -> None:  # fmt: skip
    """Fill `path`, products x days, from `first` on: `smoothing.level_path`; `levels` is carried on."""
    values, lifts = np.empty(end - first), np.empty(end - first)
    for one in range(len(series.units)):
        known, uncounted = series.known[one, first:end], series.first_sale[one] - first
        level, weight, own, count = levels[one], weights[one], path[one], seen[one]
        _lift_off(series, lift, one, first, end, values, lifts)
        for day in range(end - first):
            mixed, counted = 0.0, 1.0 if known[day] and day != uncounted else 0.0
            count += counted
            least, value = min(1.0 / max(count, 1.0), 1.0), min(values[day], cap[one])
            for rate in range(len(rates)):
                level[rate] += (value - level[rate]) * (max(rates[rate], least) * counted)
            for rate in range(len(rates)):
                mixed += weight[rate] * level[rate]
            own[day] = mixed


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"})
def errors_of_sums(
    series: Series, lift: Lift, path: Floats, end: int, ratio: Floats, growth: Floats, share: Floats, distances: Codes,
    firsts: Codes, new_days: int, found: Floats,
) -> None:  # fmt: skip
    """Fill in how far sums over categories were from what the levels of some days before expected.

    `path` is that of `level_path` from the first day on. `found` holds zeros, distances x 3 x categories x days:
    errors, expected units, and the variances of the products summed as if they were independent, each product's `ratio`
    to its mean growing by `growth` with each day. Means are multiplied by `share`, distances x products. Errors count
    from the day `firsts` of each of the `distances` on; a level counts `new_days` after the first sale.
    """
    values, lifts, mean = np.empty(end), np.empty(end), np.empty(end)
    for one in range(len(series.units)):
        units, known, group = series.units[one], series.known[one], series.category[one]
        _lift_off(series, lift, one, np.int64(0), end, values, lifts)
        for number in range(len(distances)):
            distance = distances[number]
            first = max(firsts[number], series.first_sale[one] + new_days + distance)
            for day in range(end):
                mean[day] = lifts[day] if known[day] and day >= first else 0.0
            level, later = path[one, : max(end - distance, 0)], mean[min(distance, end) :]
            for day in range(len(level)):
                later[day] *= level[day] * share[number, one]
            scatter = ratio[one] * (1.0 + (distance - 1.0) * growth[one])
            error, expected, alone = found[number, 0, group], found[number, 1, group], found[number, 2, group]
            for day in range(end):
                error[day] += (units[day] if known[day] and day >= first else 0.0) - mean[day]
            for day in range(end):
                expected[day] += mean[day]
            for day in range(end):
                alone[day] += mean[day] * scatter
