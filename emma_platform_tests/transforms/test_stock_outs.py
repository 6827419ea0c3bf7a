"""Probable stock-outs against sales whose stock-outs are known: chances, lost units, false alarms, and laws."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emma_platform.model.estimates import PROBABLE_STOCK_OUTS
from emma_platform.transforms.demand import Demand, Flags
from emma_platform.transforms.demand_factors import fit_factors
from emma_platform.transforms.stock_out_chances import Evidence, Rates, chances, level_errors
from emma_platform.transforms.stock_outs import find_stock_outs, weigh
from emma_platform_tests.transforms.forecast_frames import (
    MADE_ON,
    PROFILE,
    calendar,
    day,
    demand_frame,
    promotions,
    read,
    weekly_sales,
)

DAYS = 420


def found(demand, *, events=None, last=MADE_ON):
    events = calendar() if events is None else events
    return find_stock_outs(demand, promotions(), events, store="S", last_day=last, history_days=730)


def world(seed, levels, *, every=60, length=7, drift=0.01):
    """Sales of 420 days with stock-outs every so many days: units, where the shelf was empty, units lost."""
    rng = np.random.default_rng(seed)
    width = len(levels)
    walk = np.exp(np.cumsum(rng.normal(0, drift, (DAYS, width)), axis=0))
    weekday = PROFILE[(day(DAYS - 1).weekday() + np.arange(DAYS)) % 7]
    ratio = rng.uniform(1.1, 4.0, width)
    wanted = rng.negative_binomial(weekday[:, None] * levels * walk / (ratio - 1), 1 / ratio).astype(float)
    out = np.zeros(wanted.shape, dtype=bool)
    for product in range(width):
        at = 0
        while every and (at := at + int(rng.exponential(every))) < DAYS:
            spell = int(rng.geometric(1 / length))
            out[at : at + spell, product] = True
            at += spell + 1
    return np.where(out, 0.0, wanted), out, np.where(out, wanted, 0.0)


def place(rows, name):
    return np.array([(value - day(DAYS - 1)).days for value in rows[name]], dtype=int)


def cells(rows):
    """Row, and the cells of each listed run."""
    products = [int(name[1:]) for name in rows["product"]]
    return zip(place(rows, "first_day"), place(rows, "last_day"), products, strict=True)


def around(units, first, last, product):
    """The whole run without a sale that holds these days."""
    sold = np.flatnonzero(units[:, product])
    before, after = sold[sold < first], sold[sold > last]
    return slice(before[-1] + 1 if len(before) else 0, after[0] if len(after) else DAYS)


@pytest.fixture(scope="module")
def busy():
    """A store with many stock-outs of products that sell 1 to 20 a day, and what is said of them."""
    units, out, lost = world(7, np.exp(np.random.default_rng(1).uniform(0, 3, 150)))
    return units, out, lost, found(demand_frame(units)).to_pydict()


def test_of_the_runs_said_to_be_so_probable_so_many_are_true(busy):
    """Rather too careful than too sure: of those said 60 % at least 60 are, of those said 99 % nearly all."""
    _, out, _, rows = busy
    true = np.array([out[first : last + 1, product].any() for first, last, product in cells(rows)])
    said = np.array(rows["probability"])
    for low, high in pairwise((0.5, 0.7, 0.9, 0.99, 1.01)):
        some = (said >= low) & (said < high)
        assert some.sum() > 20
        assert -0.07 < true[some].mean() - said[some].mean() < 0.35
    assert true.mean() > 0.95


def test_stock_outs_that_cost_ten_units_are_found(busy):
    _, out, lost, rows = busy
    told = np.zeros(out.shape, dtype=bool)
    for first, last, product in cells(rows):
        told[first : last + 1, product] = True
    spells = []
    for product in range(out.shape[1]):
        empty = np.flatnonzero(out[:, product])
        spells += [
            (told[spell, product].any(), lost[spell, product].sum())
            for spell in np.split(empty, np.flatnonzero(np.diff(empty) > 1) + 1)
        ]
    large = [hit for hit, cost in spells if cost >= 10]
    assert len(large) > 300
    assert np.mean(large) > 0.85


def test_the_interval_of_lost_units_holds_what_was_lost(busy):
    units, _, lost, rows = busy
    truth = np.array([lost[around(units, *cell), cell[2]].sum() for cell in cells(rows)])
    inside = (truth >= rows["lost_units_p10"]) & (truth <= rows["lost_units_p90"])
    assert 0.75 < inside.mean() < 0.9
    assert sum(rows["lost_units"]) == pytest.approx(truth.sum(), rel=0.1)


@pytest.mark.parametrize("lowest", [-4, 0])
def test_where_nothing_ran_out_nothing_is_said(lowest):
    """Slow movers have long runs without a sale by chance, and there are thousands of them."""
    units, _, _ = world(3, np.exp(np.random.default_rng(2).uniform(lowest, lowest + 3, 150)), every=0)
    assert len(found(demand_frame(units))) <= 1


def steady(days=200, level=5.0, seed=2, width=8):
    return weekly_sales(days, [level] * width, seed=seed)


def hidden(units, first, last):
    """P000 sells nothing from `first` to `last` days ago."""
    units[len(units) - 1 - first : len(units) - last, 0] = 0
    return units


def of_first(rows):
    return [row for row in rows.to_pylist() if row["product"] == "P000"]


def test_a_run_is_told_with_its_days_and_what_it_cost():
    (row,) = of_first(found(demand_frame(hidden(steady(), 60, 51))))
    assert (row["first_day"], row["last_day"], row["days"]) == (day(60), day(51), 10)
    assert row["probability"] > 0.99
    assert row["evidence"] == "sales"
    expected = 5.0 * sum(PROFILE[day(back).weekday()] for back in range(51, 61))
    assert row["lost_units"] == pytest.approx(expected, rel=0.2)
    assert row["lost_units_p10"] < expected < row["lost_units_p90"]
    assert row["lost_revenue"] == pytest.approx(row["lost_units"])  # every unit costs 1


def test_a_run_that_lasts_is_told_until_the_last_day():
    (row,) = of_first(found(demand_frame(hidden(steady(), 3, 0))))
    assert (row["first_day"], row["last_day"]) == (day(3), MADE_ON)


@pytest.mark.parametrize(
    ("first", "last"), [(199, 150), (90, 0), (120, 61)], ids=["before launch", "withdrawn", "off the range"]
)
def test_days_on_which_a_product_was_not_offered_are_no_stock_out(first, last):
    assert of_first(found(demand_frame(hidden(steady(), first, last)))) == []


def test_closed_days_are_no_stock_out_and_do_not_count():
    units = steady()
    units[-61:-51] = 0
    assert len(found(demand_frame(units))) == 0
    units = hidden(steady(), 62, 50)
    units[-61:-51] = 0
    events = calendar(*(("S", day(back), "works", "closed") for back in range(51, 61)))
    assert [row["days"] for row in of_first(found(demand_frame(units), events=events))] in ([], [3])


def test_a_count_decides():
    units = hidden(steady(), 60, 51)
    counted = np.full(units.shape, np.nan)
    counted[-61:-51, 0] = 3
    assert of_first(found(demand_frame(units, on_hand=counted))) == []
    slow = weekly_sales(200, [0.3] * 8, seed=5)
    slow[-61:-57, 0] = 0
    counted[:] = np.nan
    counted[-61:-57, 0] = 0
    (row,) = [r for r in of_first(found(demand_frame(slow, on_hand=counted))) if r["evidence"] == "count"]
    assert row["probability"] == pytest.approx(1.0)
    assert row["first_day"] <= day(60) <= day(57) <= row["last_day"]
    assert found(demand_frame(slow)).num_rows == 0


def probably_out(demand: Demand, origin: int) -> Flags:
    """Days x products on which the shelf was empty with a chance of 80 %, as known on day `origin`."""
    mask = np.zeros(demand.units.shape, dtype=bool)
    found = weigh(demand, origin, fit_factors(demand, origin))
    if found is not None:
        step, run = np.nonzero(found.chances.day >= 0.8)
        mask[found.open_days[found.runs.start[run] + step], found.runs.product[run]] = True
    return mask[: origin + 1]


def test_what_is_found_is_what_was_known_then():
    """Days after an origin do not change what it takes for a stock-out."""
    units = hidden(steady(), 60, 51)
    history = [
        read(demand_frame(units[: len(units) - cut], last=day(cut)), made_on=day(cut), horizon_days=0)
        for cut in (0, 40)
    ]
    early = probably_out(history[0], 159)
    assert np.array_equal(early, probably_out(history[1], 159))
    assert early[139:149, 0].all()
    assert early.sum() < 20
    assert not probably_out(history[0], 139)[:, 0].any()


def test_the_chances_of_a_run_are_those_of_all_its_histories():
    """Every sequence of states of four days, added up one by one."""
    expected = np.array([0.7, 1.1, 0.2, 0.9])
    rates = Rates(0.04, 0.3, 0.01)
    evidence = Evidence(
        length=np.array([4]), ended=np.array([True]), expected=expected[:, None], error=np.ones((8, 1)),
        in_stock=np.zeros((4, 1), dtype=bool), out=np.zeros((4, 1), dtype=bool),
    )  # fmt: skip
    total, some, second = 0.0, 0.0, 0.0
    for number in range(16):
        states = [(number >> step) & 1 for step in range(4)]
        weight = 1.0
        for before, now, surprise in zip([0, *states], [*states, 0], [*expected, 0.0], strict=False):
            moves = ((0.95, 0.04), (0.3, 0.7))
            weight *= moves[before][now] * (1.0 if now else np.exp(-surprise))
        total += weight
        some += weight * any(states)
        second += weight * states[1]
    result = chances(evidence, rates)
    assert result.any_day[0] == pytest.approx(some / total, rel=1e-4)
    assert result.day[1, 0] == pytest.approx(second / total, rel=1e-4)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(60, 120), st.floats(0.1, 8.0))
def test_runs_are_days_without_a_sale_whatever_the_order_of_rows(seed, days, level):
    units = weekly_sales(days, [level] * 6, seed=seed)
    hidden(units, 30, 22)
    frame = demand_frame(units)
    result = found(frame)
    order = np.random.default_rng(seed).permutation(len(frame))
    assert found(frame.take(pa.array(order))).equals(result)
    assert result.schema.equals(PROBABLE_STOCK_OUTS.arrow_schema())
    for row in result.to_pylist():
        column = units[:, int(row["product"][1:])]
        first, last = ((value - day(days - 1)).days for value in (row["first_day"], row["last_day"]))
        assert not column[first : last + 1].any()
        assert column[:first].any()
        assert 0 <= row["lost_units_p10"] <= row["lost_units_p90"]
        assert 0.5 <= row["probability"] <= 1
        middle = (first + last) // 2
        sold = units.copy()
        sold[middle, int(row["product"][1:])] = 1
        told = [r for r in found(demand_frame(sold)).to_pylist() if r["product"] == row["product"]]
        assert not [r for r in told if r["first_day"] <= day(days - 1 - middle) <= r["last_day"]]


def test_nothing_sold_gives_no_rows():
    assert found(demand_frame(np.zeros((30, 2)))).num_rows == 0


def test_the_errors_of_levels_are_the_middles_of_the_parts_of_gamma_distributions():
    from scipy import stats

    shape = np.exp(np.random.default_rng(3).uniform(np.log(0.01), np.log(100.0), 500))
    edges = np.array([0.0, 1e-4, 1e-3, 0.01, 0.05, 0.2, 0.5, 0.8, 1.0])
    exact = stats.gamma.ppf((edges[1:, None] + edges[:-1, None]) / 2, shape)
    np.testing.assert_allclose(level_errors(shape), exact / (np.diff(edges) @ exact), rtol=1e-8, atol=1e-12)


def test_a_level_that_nothing_is_known_of_gives_chances_all_the_same():
    error = level_errors(np.array([1e-9]))
    no, yes = np.array([[False]]), np.array([[True]])
    run = Evidence(np.array([1]), np.array([False]), np.array([[0.0]]), error, no, yes)
    assert np.isfinite(chances(run, Rates(0.001, 0.25, 0.0001)).day).all()
