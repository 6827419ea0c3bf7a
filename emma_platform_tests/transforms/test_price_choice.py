"""Which price is advised: the best by exhaustive search, within every guardrail, its chance that of a simulation."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emma_platform.transforms.price_ladder import Guardrails
from emma_platform_tests.transforms.price_world import COOLING, GUARDRAILS, LAST, advise


def search(*, price, cost, units, elasticity, error, guardrails, cover=None, since=None, without=None):
    """The best sure price by trying every cent, with gains by numerical integration over the elasticity."""
    step, margin = guardrails.largest_step_pct / 100, guardrails.minimum_margin_pct / 100
    low, high = (price / 2, price * 2) if without == "largest_step" else (price * (1 - step), price * (1 + step))
    nodes = np.linspace(-8, 8, 4001)
    weight = np.exp(-(nodes**2) / 2)
    weight /= weight.sum()
    response = np.minimum(elasticity + error * nodes, 0.0)
    edges = np.minimum(elasticity + error * 1.2815515655446004 * np.array([-1, 1]), 0.0)
    best = (0.0, price)
    if without != "cool_down" and since is not None and (LAST - since).days < guardrails.cool_down_days:
        return best
    if without != "short_stock" and cover is not None and cover < 7:
        low = price + 1e-6
    for cents in range(1, int(high * 100) + 2):
        charged = cents / 100
        if not low - 1e-9 <= charged <= high + 1e-9 or charged < cost + 0.01 or cents == round(price * 100):
            continue
        if without != "minimum_margin" and charged < cost / (1 - margin) - 1e-9:
            continue
        if without != "price_ending" and not any(abs(charged % 1 - end) < 1e-6 for end in guardrails.endings):
            continue

        def gain(b, charged=charged):
            return units * ((charged - cost) * (charged / price) ** b - (price - cost))

        expected = float((weight * gain(response)).sum())
        if min(gain(edges)) > 0 and expected >= max(guardrails.change_cost, 0.01) and expected > best[0] + 1e-9:
            best = (expected, charged)
    return best


products = st.fixed_dictionaries(
    {
        "price": st.integers(50, 2500).map(lambda cents: cents / 100),
        "margin": st.floats(0.02, 0.8),
        "units": st.floats(1, 500),
        "elasticity": st.floats(-5, -0.05),
        "error": st.floats(0.02, 1.0),
    }
)


@settings(max_examples=60, deadline=None)
@given(
    product=products,
    cover=st.sampled_from([None, 3.0, 30.0]),
    age=st.one_of(st.none(), st.sampled_from([1, 13, 14, 200])),
    change_cost=st.sampled_from([0.0, 0.5, 10.0]),
)
def test_price_and_the_cost_of_every_guardrail_equal_an_exhaustive_search(product, cover, age, change_cost):
    known = {name: product[name] for name in ("price", "units", "elasticity", "error")}
    known["cost"] = round(product["price"] * (1 - product["margin"]), 2)
    known |= {"cover": cover, "since": None if age is None else LAST - timedelta(days=age)}
    known["guardrails"] = replace(COOLING, change_cost=change_cost)
    row = advise(**known)
    expected, price = search(**known)
    assert row["status"] == ("recommend" if expected else "hold")
    assert row["recommended_price"] == pytest.approx(price)
    costs = {
        name: search(**known, without=name)[0] - expected
        for name in ("minimum_margin", "largest_step", "price_ending", "short_stock", "cool_down")
    }
    for name, cost in costs.items():
        assert row[f"{name}_cost"] == pytest.approx(cost / 4, rel=1e-4, abs=1e-4)
    dearest = max(costs.values())
    if dearest < 0.01 - 1e-6:
        assert row["binding_constraint"] is None
        assert row["constraint_cost"] is None
    elif dearest > 0.01 + 1e-6:
        assert row["constraint_cost"] == pytest.approx(dearest, rel=1e-4, abs=1e-4)
        assert costs[row["binding_constraint"]] == pytest.approx(dearest, rel=1e-4, abs=1e-4)


@settings(max_examples=150, deadline=None)
@given(
    product=products,
    margin=st.floats(-20, 60),
    step=st.floats(0.5, 40),
    endings=st.lists(st.integers(0, 99), max_size=4),
    points=st.integers(0, 4),
    weight=st.floats(0, 1),
    cover=st.one_of(st.none(), st.floats(-5, 40)),
)
def test_guardrails_hold_and_every_number_is_finite(product, margin, step, endings, points, weight, cover):
    guardrails = Guardrails(margin, step, tuple(ending / 100 for ending in endings))
    price, cost = product["price"], round(product["price"] * (1.3 - product["margin"]), 2)
    row = advise(
        price=price, cost=cost, units=product["units"], elasticity=product["elasticity"], error=product["error"],
        points=points, own_weight=weight if points > 1 else 0.0, cover=cover, guardrails=guardrails,
    )  # fmt: skip
    assert all(math.isfinite(value) for value in row.values() if isinstance(value, float))
    advised = row["recommended_price"]
    if row["status"] == "blocked":
        assert advised is None
        return
    if row["status"] == "hold":
        assert advised == price
        return
    assert advised != price
    assert price * (1 - step / 100) - 1e-6 <= advised <= price * (1 + step / 100) + 1e-6
    assert advised >= cost / (1 - margin / 100) - 1e-6
    assert advised > cost
    if endings:
        assert round(advised * 100) % 100 in endings
    p10, p50, p90 = (row[f"expected_profit_uplift_{name}"] for name in ("p10", "p50", "p90"))
    assert p10 <= p50 <= p90
    if cover is not None and cover < 7:
        assert advised > price
    if row["status"] == "recommend":
        assert points >= 2
        assert p10 > 0
        assert row["probability_of_gain"] > 0.9 - 1e-9


def test_quantiles_and_chance_equal_simulation():
    row = advise(elasticity=-1.2, error=0.3, units=300.0)
    draws = np.minimum(np.random.default_rng(1).normal(-1.2, 0.3, 400_000), 0.0)
    price = row["recommended_price"]
    assert price > 2.49
    gain = 300 * ((price - 1.2) * (price / 2.49) ** draws - (2.49 - 1.2))
    for name, share in (("p10", 0.1), ("p50", 0.5), ("p90", 0.9)):
        assert row[f"expected_profit_uplift_{name}"] == pytest.approx(np.quantile(gain, share), abs=0.1)
    assert row["probability_of_gain"] == pytest.approx((gain > 0).mean(), abs=0.003)
    assert row["expected_units"] == pytest.approx((300 * (price / 2.49) ** draws).mean(), abs=0.1)


def test_a_wider_error_lowers_the_lower_bound_until_nothing_is_recommended():
    rows = [advise(error=error) for error in (0.05, 0.15, 0.25, 0.35, 0.45, 0.9, 1.5)]
    bounds = [row["expected_profit_uplift_p10"] for row in rows]
    assert rows[0]["status"] == "recommend"
    assert rows[-1]["status"] == "hold"
    kept = [bound for row, bound in zip(rows, bounds, strict=True) if row["recommended_price"] == 2.69]
    assert len(kept) >= 3
    assert kept == sorted(kept, reverse=True)


def test_a_test_is_the_smallest_step_worth_the_name():
    row = advise(points=1, own_weight=0.0, elasticity=-1.2, units=50_000.0)
    assert row["recommended_price"] == 2.59
    fine = advise(points=1, own_weight=0.0, elasticity=-1.2, units=50_000.0, guardrails=Guardrails(5.0, 10.0, ()))
    assert fine["recommended_price"] == 2.54


def charging(cost):
    return replace(GUARDRAILS, change_cost=cost)


@settings(max_examples=100, deadline=None)
@given(
    product=products,
    thousands=st.booleans(),
    points=st.integers(1, 3),
    weight=st.floats(0, 1),
    costs=st.tuples(st.floats(0, 20), st.floats(0, 20)).map(sorted),
)
def test_a_dearer_change_never_adds_one(product, thousands, points, weight, costs):
    known = {name: product[name] for name in ("price", "elasticity", "error")}
    known["cost"] = round(product["price"] * (1 - product["margin"]), 2)
    known |= {"units": product["units"] * (1000 if thousands else 1), "points": points, "own_weight": weight}
    cheap, dear = (advise(**known, guardrails=charging(cost)) for cost in costs)
    if dear["status"] == "recommend":
        assert cheap == dear | {name: cheap[name] for name in dear if name.endswith(("_cost", "_constraint"))}
    elif dear["status"] == "explore":
        assert cheap["status"] in ("recommend", "explore")
    else:
        assert dear["status"] == "hold"


def test_a_change_that_gains_less_than_it_costs_is_not_advised_and_says_so():
    free = advise(units=10.0)
    assert (free["status"], free["recommended_price"]) == ("recommend", 2.69)
    draws = np.minimum(-1.3 + 0.1 * np.linspace(-8, 8, 4001), 0.0)
    weight = np.exp(-((np.linspace(-8, 8, 4001)) ** 2) / 2)
    gain = float((10 * ((2.69 - 1.2) * (2.69 / 2.49) ** draws - 1.29) * weight).sum() / weight.sum())
    assert advise(units=10.0, guardrails=charging(gain - 1e-6)) == free
    kept = advise(units=10.0, guardrails=charging(gain + 1e-6))
    assert (kept["status"], kept["recommended_price"], kept["expected_profit_uplift_p50"]) == ("hold", 2.49, 0.0)
    told = re.match(
        r"Keep 2\.49: 2\.69 would bring about (.*) more profit over 28 days, less than changing a price costs \((.*)\)",
        kept["reason"],
    )
    assert told is not None
    assert float(told[1]) == pytest.approx(gain, abs=0.01)
    assert float(told[1]) <= gain
    assert told[2] == f"{gain:.2f}"


@pytest.mark.parametrize(
    ("product", "before"),
    [
        ({"elasticity": -1.6, "error": 0.8}, "which is not sure enough"),
        ({"elasticity": -1.3, "charged": 0.85}, "it is still the price with a chance of 85 % only"),
        ({"points": 1, "own_weight": 0.0, "units": 8000.0}, "its price has never moved"),
        ({"points": 1, "own_weight": 0.0}, "too little is sold here for a test"),
    ],
)
def test_what_is_not_worth_the_change_is_not_asked_for_more_evidence(product, before):
    assert before in advise(**product)["reason"]
    dear = advise(**product, guardrails=charging(2000.0))
    assert dear["status"] == "hold"
    assert "less than changing a price costs (2000.00)." in dear["reason"]


def test_what_a_guardrail_costs_is_what_would_be_recommended_without_it_at_the_same_cost_of_a_change():
    near = {"price": 2.49, "cost": 2.4, "elasticity": -5.0, "units": 30.0}
    free, dear = (advise(**near, guardrails=charging(cost)) for cost in (0.0, 4.0))
    assert free["status"] == "recommend"
    assert dear["status"] == "hold"
    assert (free["largest_step_cost"] + free["expected_profit_uplift_p50"] / 4) == pytest.approx(
        dear["largest_step_cost"], rel=0.02
    )
    assert advise(**near, guardrails=charging(100.0))["largest_step_cost"] == 0.0


def test_sold_at_a_loss_with_a_way_out_is_raised():
    row = advise(price=2.09, cost=2.1, elasticity=-2.0)
    assert row["status"] == "recommend"
    assert row["recommended_price"] > 2.1
    assert row["probability_of_gain"] == 1.0


def test_dear_products_are_priced_in_coarse_steps():
    row = advise(price=15_999.99, cost=8000.0, elasticity=-1.2, units=3.0)
    assert row["status"] == "recommend"
    assert 15_999.99 < row["recommended_price"] <= 17_599.99


@pytest.mark.parametrize(
    ("margin", "step", "endings"), [(100.0, 10.0, ()), (5.0, 0.0, ()), (5.0, 100.0, ()), (5.0, 10.0, (1.0,))]
)
def test_guardrails_that_make_no_sense_are_refused(margin, step, endings):
    with pytest.raises(ValueError, match=r"set it|each must"):
        Guardrails(margin, step, endings)
    with pytest.raises(ValueError, match="set it to 0 or more"):
        Guardrails(5.0, 10.0, (), -1)
    for cost in (-0.5, math.nan, math.inf):
        with pytest.raises(ValueError, match=r"price_change_cost is .*; set it to 0 or more"):
            Guardrails(5.0, 10.0, (), change_cost=cost)
