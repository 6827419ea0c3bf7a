"""Boosting on top of the fast forecast: it learns what the forecast misses, and is used only where that holds."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emma_platform.model.estimates import FORECAST_MODEL, SALES_FORECAST
from emma_platform.model.report_card import FORECAST_ACCURACY
from emma_platform.transforms.demand_factors import fit_factors
from emma_platform.transforms.forecast import forecast_store
from emma_platform.transforms.forecast_boosting import Boosting, shares
from emma_platform.transforms.forecast_model import evidence, joined, trained
from emma_platform.transforms.forecast_origin import forecast_from
from emma_platform.transforms.forecast_update import updated
from emma_platform_tests.transforms.forecast_frames import (
    MADE_ON,
    PROFILE,
    calendar,
    day,
    demand_frame,
    demand_pattern,
    promotions,
    read,
)

DAYS, AHEAD, WIDTH = 330, 28, 60
UNSEEN = 49
"""Days before the last one whose sales the model may not know."""


def crazes(seed, *, lasting=False):
    """Sales that now and then are five times as high for a week; in the end, if lasting, the craze stays.

    The smoothing follows it up and takes weeks to come down again: what is to be learned.
    """
    random = np.random.default_rng(seed)
    days = DAYS + AHEAD
    lift = np.ones((days, WIDTH))
    for product in range(WIDTH):
        start = int(random.integers(0, 30))
        while start < days:
            stays = lasting and start >= DAYS - UNSEEN - AHEAD - 7
            lift[start : days if stays else start + 7, product] = 5.0
            start += int(random.integers(20, 60))
    weekday = PROFILE[(day(DAYS - 1).weekday() + np.arange(days)) % 7]
    return random.poisson(weekday[:, None] * random.lognormal(1.2, 0.6, WIDTH) * lift).astype(float)


def frame(units):
    return demand_frame(units, categories=["food", "drinks"] * (WIDTH // 2))


OPTIONS = {"promotions": promotions(), "calendar": calendar(), "until": MADE_ON, "history_days": DAYS}


def learned(worlds):
    parts = [evidence(frame(units[:DAYS]), store=f"S{at}", most_rows=10**6, **OPTIONS) for at, units in worlds.items()]
    return trained(joined(parts), MADE_ON)


@pytest.fixture(scope="module")
def worlds():
    return {at: crazes(at) for at in range(3)}


@pytest.fixture(scope="module")
def model(worlds):
    return learned(worlds)


@pytest.fixture(scope="module")
def boosting(model):
    return Boosting.of(model)


def fast_and_best(units, boosting):
    demand = read(frame(units[:DAYS]), history_days=DAYS, horizon_days=AHEAD)
    fast = forecast_from(demand, DAYS - 1, AHEAD, fit_factors(demand, DAYS - 1))
    return demand, fast, boosting.on(demand, fast)


def test_it_wins_where_the_fast_engine_misses_something_and_says_where(model):
    assert model.schema.equals(FORECAST_MODEL.arrow_schema())
    model.validate(full=True)
    rows = model.to_pylist()
    assert [row["level"] for row in rows] == ["chain"] + ["class"] * (len(rows) - 1)
    assert {row["category"] for row in rows[1:]} == {"food", "drinks"}
    for row in rows[1:]:
        assert row["origins"] == 4
        assert row["origins_won"] >= 3
        assert row["gain_pct"] > 3
        assert row["weight"] in (0.5, 1.0)


def test_it_forecasts_the_weeks_to_come_better(worlds, boosting):
    for units in worlds.values():
        _, fast, best = fast_and_best(units, boosting)
        sold = units[DAYS:].sum(axis=0)
        missed, saved = (np.abs(made.mean.sum(axis=0) - sold).sum() for made in (fast, best))
        assert saved < 0.97 * missed


def test_a_class_of_a_category_keeps_its_sum_and_a_mean_its_ratio_of_variance(worlds, boosting):
    demand, fast, best = fast_and_best(worlds[0], boosting)
    assert best.boosted.all()
    assert np.abs(best.mean / fast.mean - 1).max() > 0.2
    groups = demand.categories * 4 + demand_pattern(demand.units, demand.known).classes
    for group in set(groups.tolist()):
        weekly = [made.mean[:, groups == group].reshape(4, 7, -1).sum(axis=(1, 2)) for made in (fast, best)]
        np.testing.assert_allclose(weekly[1], weekly[0], rtol=1e-12)
    np.testing.assert_allclose(best.variance / best.mean, fast.variance / fast.mean)


def test_carried_on_it_keeps_its_shares(worlds, boosting):
    demand, _, best = fast_and_best(worlds[0], boosting)
    np.testing.assert_allclose(updated(best, demand, DAYS - 1, AHEAD).mean, best.mean, rtol=1e-12)


def test_where_what_was_learned_does_not_hold_the_fast_engine_stays():
    """In the weeks that judge, what was learned holds no more."""
    refuted = learned({at: crazes(at, lasting=True) for at in range(3)})
    rows = refuted.to_pylist()[1:]
    assert all(row["origins_won"] < 3 and row["weight"] == 0 for row in rows)
    assert min(row["gain_pct"] for row in rows) < 0 < max(row["gain_pct"] for row in rows), "the mean does not decide"
    assert Boosting.of(refuted) is None


def test_the_model_knows_no_outcome_that_it_is_judged_or_scored_by(worlds, model):
    """Only the last seven weeks differ, by which the earlier origins of every forecast are scored."""
    changed = {at: units.copy() for at, units in worlds.items()}
    for units in changed.values():
        units[DAYS - UNSEEN : DAYS] = units[DAYS - UNSEEN : DAYS][::-1] * 2
    again = learned(changed)
    assert again["model"][0] == model["model"][0]
    assert again["gain_pct"].to_pylist() != model["gain_pct"].to_pylist()


def test_the_same_sales_in_any_order_give_the_same_model(worlds, model):
    parts = []
    for at, units in worlds.items():
        shuffled = frame(units[:DAYS]).take(np.random.default_rng(at).permutation(DAYS * WIDTH))
        parts.append(evidence(shuffled, store=f"S{at}", most_rows=10**6, **OPTIONS))
    assert trained(joined(parts), MADE_ON).equals(model)


def test_a_large_chain_is_sampled(worlds):
    whole, part = (evidence(frame(worlds[0][:DAYS]), store="S0", most_rows=rows, **OPTIONS) for rows in (10**6, 1000))
    assert len(whole.sold) == 12 * 4 * WIDTH
    assert 900 <= len(part.sold) <= 1000
    assert len(np.unique(part.series)) == len(part.sold) / 4


def test_of_too_little_nothing_is_learned():
    short = evidence(frame(crazes(1)[:120]), store="S1", most_rows=10**6, **OPTIONS)
    assert short is None or not trained(short, MADE_ON).num_rows
    assert Boosting.of(FORECAST_MODEL.arrow_schema().empty_table()) is None


def test_the_forecast_of_a_store_says_where_boosting_had_a_say(worlds, boosting):
    make = partial(
        forecast_store, frame(worlds[0][:DAYS]), promotions(), calendar(), store="S1", made_on=MADE_ON,
        history_days=DAYS,
    )  # fmt: skip
    fast, best = make(), make(boosting=boosting)
    methods = set(best.sales_forecast["method"].to_pylist())
    assert "boosting" in methods
    assert "boosting" not in fast.sales_forecast["method"].to_pylist()
    assert methods <= set(SALES_FORECAST.column("method").allowed)
    shown = set(best.forecast_accuracy["shown"].to_pylist())
    assert "boosting" in shown <= set(FORECAST_ACCURACY.column("shown").allowed)
    errors = [sum(made.forecast_scores["squared_error"].to_pylist()) for made in (fast, best)]
    assert errors[1] < 0.95 * errors[0]
    cards = [
        made.forecast_accuracy.to_pandas().query("level == 'product' and horizon_days == 28") for made in (fast, best)
    ]
    assert cards[1]["squared_error"].sum() < 0.97 * cards[0]["squared_error"].sum()


@given(st.integers(0, 10_000), st.integers(1, 12))
def test_shares_keep_the_sum_of_each_group(seed, width):
    random = np.random.default_rng(seed)
    weekly = random.gamma(0.5, 4.0, (4, width)) * random.choice([0.0, 1.0], (4, width), p=[0.2, 0.8])
    groups = random.integers(0, 3, width)
    found = shares(random.normal(0.0, 2.0, (4, width)), weekly, groups)
    assert (found > 0).all()
    for group in range(3):
        members = groups == group
        np.testing.assert_allclose((weekly * found)[:, members].sum(axis=1), weekly[:, members].sum(axis=1))
