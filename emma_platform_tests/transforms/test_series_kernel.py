"""The compiled loops over products and days give what numpy gives for all of them at once."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emma_platform.transforms import series_kernel
from emma_platform.transforms.demand import Series
from emma_platform.transforms.demand_factors import Lift, Usual
from emma_platform.transforms.demand_kernel import squared_changes
from emma_platform.transforms.forecast_origin import Sums
from emma_platform.transforms.smoothing import RATES

HALF, EARLY, GROUPS = 5, 9, 3


class World(NamedTuple):
    """Series of a made store with their lift, a cap and the day after the last that is looked at."""

    series: Series
    lift: Lift
    cap: np.ndarray
    end: int

    @property
    def values(self):
        """Days x products up to the end: what was sold over the lift."""
        return self.series.units[:, : self.end].T / self.lifts

    @property
    def lifts(self):
        promoted = np.where(self.series.promoted.T, self.lift.uplift, 1.0)
        return (promoted * self.lift.weekday.T[self.series.weekday] * self.lift.calendar.T[:, self.series.category])[
            : self.end
        ]

    @property
    def after_first(self):
        return self.known & (np.arange(self.end)[:, None] > self.series.first_sale)

    @property
    def known(self):
        return self.series.known[:, : self.end].T


@st.composite
def worlds(draw):
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    days, width = draw(st.integers(1, 60)), draw(st.integers(1, 7))
    units = rng.negative_binomial(0.6, 0.2, (width, days)) * rng.choice([1.0, 0.25], (width, 1))
    first_sale = rng.integers(0, max(days - 1, 1), width)
    known = (rng.random((width, days)) < draw(st.sampled_from([0.2, 0.9, 1.0]))) & (
        np.arange(days) >= first_sale[:, None]
    )
    units[np.arange(days) < first_sale[:, None]] = 0.0
    units[np.arange(width), first_sale] += 1.0
    promoted = rng.random((width, days)) < draw(st.sampled_from([0.0, 0.3, 1.0]))
    series = Series(units, known, promoted, first_sale, rng.integers(0, GROUPS, width), (3 + np.arange(days)) % 7)
    lift = Lift(rng.gamma(9.0, 0.1, (GROUPS, days)), rng.gamma(9.0, 0.1, (width, 7)), rng.gamma(9.0, 0.2, width))
    return World(series, lift, rng.gamma(2.0, 4.0, width), draw(st.integers(1, days)))


def caps(values, known):
    """Four times the smallest value that 95 % of a product's known days with a sale do not exceed, and four."""
    found = []
    for own, counted in zip(values.T, known.T, strict=True):
        sold = np.sort(own[counted & (own > 0)])
        found.append(4.0 + 4.0 * (sold[max(int(np.ceil(0.95 * len(sold))) - 1, 0)] if len(sold) else 0.0))
    return np.array(found)


def by_group(values, categories):
    return np.stack([values[:, categories == number].sum(axis=1) for number in range(GROUPS)])


@given(worlds())
def test_a_cap_is_four_times_the_quantile_and_four_more(world):
    cap, mean = series_kernel.capped_means(world.series, world.end)
    units = world.series.units[:, : world.end].T
    np.testing.assert_array_equal(cap, caps(units, world.known))
    np.testing.assert_allclose(mean, np.minimum(units, cap).mean(axis=0), rtol=1e-12)


@given(worlds(), st.integers(0, 9999))
def test_usual_levels_are_means_of_the_usual_days_around(world, seed):
    series, end, known = world.series, world.end, world.known
    rng = np.random.default_rng(seed)
    rare, alike = rng.random(end) < 0.2, rng.random(len(series.units)) < 0.8
    found = Usual.empty(len(series.units), GROUPS, end)
    series_kernel.usual_levels(series, world.cap, rare, alike, HALF, end, found)
    level, squared, mean, sold, expected = found
    units = np.minimum(series.units[:, :end].T, world.cap)
    plain = known & ~series.promoted[:, :end].T
    usual = plain & ~rare[:, None]
    for one in range(units.shape[1]):
        for day in range(end):
            near = slice(max(day - HALF, 0), day + HALF + 1)
            for days, chosen in ((near, usual), (slice(None), usual), (slice(None), known)):
                picked = units[days, one][chosen[days, one]]
                if len(picked):
                    assert level[one, day] == pytest.approx(picked.mean(), abs=1e-9)
                    break
            else:
                assert level[one, day] == 0.0
    count = np.maximum(plain.sum(axis=0), 1)
    np.testing.assert_allclose(squared, ((units - level.T) ** 2 * plain).sum(axis=0) / count, atol=1e-9)
    np.testing.assert_allclose(mean, (level.T * plain).sum(axis=0) / count, atol=1e-9)
    np.testing.assert_allclose(sold, by_group(units * plain * alike, series.category), atol=1e-9)
    np.testing.assert_allclose(expected, by_group(level.T * plain * alike, series.category), atol=1e-9)


@given(worlds())
def test_weekdays_have_the_sums_of_their_days(world):
    series, end = world.series, world.end
    level = np.ascontiguousarray(np.random.default_rng(end).gamma(2.0, 2.0, (len(series.units), end)))
    found = np.zeros((2, 2, 7, len(series.units)))
    series_kernel.weekday_sums(series, world.cap, level, world.lift.calendar, end, found)
    units = np.minimum(series.units[:, :end].T, world.cap)
    expected = level.T * world.lift.calendar.T[:end, series.category]
    promoted = series.promoted[:, :end].T
    wanted = [
        np.stack([(values * chosen)[series.weekday[:end] == day].sum(axis=0) for day in range(7)])
        for chosen in (world.known & ~promoted, world.known & promoted)
        for values in (units, expected)
    ]
    for sums, right in zip(found.reshape(4, 7, -1), wanted, strict=True):
        np.testing.assert_allclose(sums, right, atol=1e-9)


@given(worlds())
@example(
    World(
        Series(np.array([[0.0, 2.0]]), np.array([[False, True]]), np.zeros((1, 2), dtype=bool), np.array([1]),
               np.array([0]), np.array([0, 1])),
        Lift(np.ones((1, 2)), np.ones((1, 7)), np.ones(1)), np.ones(1), 1,
    )
)  # fmt: skip
def test_sums_are_those_of_the_days_they_name(world):
    series, end, known, later = world.series, world.end, world.known, world.after_first
    found, aged = np.empty((len(Sums._fields), len(series.units))), 0.9 ** np.arange(end)[::-1]
    series_kernel.sum_up(series, world.lift, EARLY, aged, end, found)
    sums = Sums(*found)
    cap = caps(world.values, known)
    values, units = np.minimum(world.values, cap), series.units[:, :end].T
    early = later & (np.arange(end)[:, None] < series.first_sale + EARLY)
    sales = units * known
    sold = units > 0
    wanted = {
        "cap": cap,
        "days": later.sum(axis=0),
        "value": (values * later).sum(axis=0),
        "square": (values**2 * later).sum(axis=0),
        "aged_days": (aged[:, None] * later).sum(axis=0),
        "aged_value": (aged[:, None] * values * later).sum(axis=0),
        "early_days": early.sum(axis=0),
        "early_value": (values * early).sum(axis=0),
        "known_days": known.sum(axis=0),
        "known_value": (values * known).sum(axis=0),
        "sale_days": (sales > 0).sum(axis=0),
        "sale_units": sales.sum(axis=0),
        "sale_square": (sales**2).sum(axis=0),
        "last_sale": np.where(sold.any(axis=0), end - 1 - np.argmax(sold[::-1], axis=0), -1),
    }
    for name, right in wanted.items():
        np.testing.assert_allclose(getattr(sums, name), right, rtol=1e-9, atol=1e-9, err_msg=name)


@given(worlds(), st.integers(0, 9999))
@settings(max_examples=40)
def test_errors_of_sums_are_those_of_the_levels_of_days_before(world, seed):
    series, end, width = world.series, world.end, len(world.series.units)
    rng = np.random.default_rng(seed)
    weights, levels, seen = (
        rng.dirichlet(np.ones(len(RATES)), width),
        rng.gamma(1.0, 1.0, (width, len(RATES))),
        rng.random(width),
    )
    ratio, growth, distances, firsts = rng.gamma(2.0, 1.0, width), rng.random(width), np.array([1, 3]), np.array([2, 4])
    path, share = np.zeros((width, end)), rng.random((2, width))
    series_kernel.level_path(series, world.lift, world.cap, 0, end, RATES, weights, levels, seen, path)
    found = np.zeros((2, 3, GROUPS, end))
    series_kernel.errors_of_sums(series, world.lift, path, end, ratio, growth, share, distances, firsts, 2, found)
    for number, (distance, first) in enumerate(zip(distances.tolist(), firsts.tolist(), strict=True)):
        age = np.arange(end)[:, None] - distance - series.first_sale
        counted = world.known & (age >= 2) & (np.arange(end)[:, None] >= first)
        mean = np.roll(path, distance, axis=1).T * world.lifts * counted * share[number]
        alone = mean * ratio * (1.0 + (distance - 1.0) * growth)
        for sums, right in zip(found[number], (series.units[:, :end].T * counted - mean, mean, alone), strict=True):
            np.testing.assert_allclose(sums, by_group(right, series.category), atol=1e-9)


@given(worlds())
def test_changes_count_between_two_known_days(world):
    series, end = world.series, world.end
    pairs = world.known[1:] & world.known[:-1]
    change = np.diff(series.units[:, :end].T, axis=0) * pairs
    wanted = (change**2).sum(axis=0) / np.maximum(pairs.sum(axis=0), 1)
    np.testing.assert_allclose(squared_changes(series.units, series.known, end), wanted, rtol=1e-12)
