"""The smallest price test: its chance of an answer against simulation, its size, and when there is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from emma_platform.transforms.price_experiment import FEWEST_UNITS, MOST_WEEKS, smallest_tests
from emma_platform.transforms.price_ladder import UPPER, Guardrails, Products, offers
from emma_platform_tests.transforms.price_world import GUARDRAILS, LAST
from emma_platform_tests.transforms.test_price_recommendations import UNSURE, advise


def sold(units, *, elasticity=-1.4, error=0.6, cost=1.2):
    """A product at 2.49 that sells so many units in 28 days, its allowed prices, and the place of the best."""
    known = Products(*(np.array([value]) for value in (2.49, cost, units, elasticity, error)))
    offered = offers(known, GUARDRAILS)
    return known, offered, np.array([np.argmax(offered.expected)])


def test_the_chance_of_an_answer_is_what_simulated_tests_find():
    rng = np.random.default_rng(3)
    known, offered, aim = sold(6000.0)
    test = smallest_tests(known, offered, np.ones(len(offered.price), dtype=bool), aim, np.array([1.0]))
    price, goal = offered.price[test.offer[0]], offered.price[aim[0]]
    assert 2.49 < price <= goal
    even = np.log((2.49 - 1.2) / (goal - 1.2)) / np.log(goal / 2.49)
    true = rng.normal(-1.4, 0.6, 200_000)
    expected = 6000.0 / 28 * test.days[0]
    counted = rng.poisson(expected * (price / 2.49) ** true), rng.poisson(expected, len(true))
    found = np.log(counted[0] / counted[1]) / np.log(price / 2.49)
    error = np.sqrt(2 / expected) / np.log(price / 2.49)
    assert (np.abs(found - even) > UPPER * error).mean() == pytest.approx(test.chance[0], abs=0.02)


@pytest.mark.parametrize(("error", "units"), [(0.5, 3.0), (0.5, 100.0), (0.1, 0.3), (0.01, 100.0)])
def test_what_other_products_say_already_is_no_answer_of_a_test(error, units):
    known, offered, aim = sold(units, elasticity=-0.5, error=error)
    assert offered.probability[aim[0]] > 0.9
    every = np.ones(len(offered.price), dtype=bool)
    assert smallest_tests(known, offered, every, aim, np.array([1.0])).offer[0] == -1
    enough, offered, aim = sold(2000.0, elasticity=-0.5, error=error)
    assert smallest_tests(enough, offered, every, aim, np.array([1.0])).days[0] > 7


def test_a_product_that_will_hardly_sell_is_not_tested_however_little_would_tell():
    def days(units):
        known, offered, aim = sold(units, cost=2.5)
        return smallest_tests(known, offered, np.ones(len(offered.price), dtype=bool), aim, np.array([1.0])).days[0]

    assert days(FEWEST_UNITS * 28 / 84 - 0.01) == 0
    assert days(FEWEST_UNITS * 28 / 84 + 0.01) == 84
    assert days(FEWEST_UNITS * 4) == 7


def test_a_test_must_bring_more_in_a_year_than_it_and_two_changes_of_the_price_cost():
    known, offered, aim = sold(8000.0)
    every = offered.price == 2.69
    free = smallest_tests(known, offered, every, aim, np.array([1.0]))
    assert free.cost[0] > 0
    left = (offered.expected[aim[0]] * 13 - free.cost[0] * free.days[0] / 7) / 2
    for cost, found in ((left - 0.01, free.offer[0]), (left + 0.01, -1)):
        assert smallest_tests(known, offered, every, aim, np.array([1.0]), cost).offer[0] == found


def test_a_gain_that_is_worth_one_change_may_not_be_worth_a_test_and_two():
    unsure = {"cost": 0.5, "elasticity": -0.95, "error": 1.0, "own_weight": 0.2, "units": 3000.0}
    free, dear = (advise(**unsure, guardrails=replace(GUARDRAILS, change_cost=cost)) for cost in (0.0, 100.0))
    assert free["status"] == "explore"
    assert (dear["status"], dear["test_days"]) == ("hold", None)
    assert "less than changing a price costs" not in dear["reason"]


def test_more_sales_make_a_test_shorter_and_less_noise_too():
    def days(units, noise=1.0):
        known, offered, aim = sold(units)
        test = smallest_tests(known, offered, offered.price == 2.59, aim, np.array([noise]))
        return int(test.days[0]), float(test.chance[0])

    found = [days(units) for units in (2e4, 4e4, 8e4)]
    assert found[0][0] > found[1][0] > found[2][0] >= 7
    assert all(chance >= 0.8 for _, chance in found)
    assert days(4e4, noise=4.0)[0] == 0
    assert days(4e4, noise=1.5)[0] > found[1][0]
    assert max(day for day, _ in found) <= 7 * MOST_WEEKS


def test_a_test_is_proposed_with_its_days_its_cost_and_its_chance():
    row = advise(**UNSURE, units=20_000.0)
    assert (row["status"], row["recommended_price"]) == ("explore", 2.59)
    assert 7 <= row["test_days"] <= 84
    assert row["test_days"] % 7 == 0
    assert 0.8 <= row["test_chance"] <= 1
    assert row["test_cost"] == pytest.approx(max(-row["expected_profit_uplift_p10"], 0) / 4)
    assert f"for {row['test_days'] // 7} weeks while a store with like sales keeps its price" in row["reason"]
    assert f"it costs at most {row['test_cost']:.2f} a week" in row["reason"]
    never = advise(points=1, own_weight=0.0, elasticity=-1.4, error=0.6, units=20_000.0)
    assert never["status"] == "explore"


@pytest.mark.parametrize(
    "barred",
    [
        {"cover": 4.0},
        {"since": LAST - timedelta(days=3), "guardrails": Guardrails(5.0, 10.0, GUARDRAILS.endings, 14)},
        {"cost": None},
        {"charged": 0.8},
        {"units": 100.0},
    ],
)
def test_no_test_with_short_stock_a_new_price_an_unknown_margin_or_too_few_sales(barred):
    row = advise(**{**UNSURE, "units": 20_000.0, **barred})
    assert row["status"] in ("hold", "blocked")
    assert row["test_days"] is None


def test_where_a_smaller_step_cannot_tell_a_larger_one_is_tested():
    near, far = (advise(**UNSURE, units=units) for units in (20_000.0, 8_000.0))
    assert near["recommended_price"] < far["recommended_price"]
    assert far["status"] == "explore"
