"""Price advice: the right price by exhaustive search, the right status, words with numbers, and harm to few."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emma_platform.model.estimates import PRICE_EVIDENCE, PRICE_RECOMMENDATIONS, PRICE_RESPONSE
from emma_platform.transforms.price_evidence import price_evidence
from emma_platform.transforms.price_ladder import Guardrails
from emma_platform.transforms.price_priors import price_priors
from emma_platform.transforms.price_recommendations import recommend
from emma_platform.transforms.price_response import price_response
from emma_platform_tests.transforms.price_world import (
    GUARDRAILS,
    LAST,
    NO_STOCK_OUTS,
    evidence_rows,
    forecast_rows,
    latest_rows,
    listed_rows,
    response_rows,
    world,
)


def advise(
    *,
    price=2.49,
    cost=1.2,
    units=100.0,
    elasticity=-1.3,
    error=0.1,
    points=5,
    own_weight=0.8,
    cover=None,
    stock=None,
    since=None,
    lowest=None,
    charged=1.0,
    guardrails=GUARDRAILS,
):
    """The advice for one product."""
    table = recommend(
        evidence=evidence_rows(
            current_price=[price],
            price_points=[points],
            price_since=[since],
            lowest_price_30d=[lowest or price],
            still_charged=[charged],
        ),
        response=response_rows(elasticity=[elasticity], std_error=[error], own_weight=[own_weight]),
        forecast=forecast_rows([] if units is None else [units]),
        latest=latest_rows([cost], [cover], [stock]),
        listed=listed_rows(),
        guardrails=guardrails,
        store="S",
        made_on=LAST,
    )
    assert table.schema == PRICE_RECOMMENDATIONS.arrow_schema()
    return table.to_pylist()[0]


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
        if min(gain(edges)) > 0 and expected >= 0.01 and expected > best[0] + 1e-9:
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

COOLING = Guardrails(GUARDRAILS.minimum_margin_pct, GUARDRAILS.largest_step_pct, GUARDRAILS.endings, 14)


@settings(max_examples=60, deadline=None)
@given(
    product=products,
    cover=st.sampled_from([None, 3.0, 30.0]),
    age=st.one_of(st.none(), st.sampled_from([1, 13, 14, 200])),
)
def test_price_and_the_cost_of_every_guardrail_equal_an_exhaustive_search(product, cover, age):
    known = {name: product[name] for name in ("price", "units", "elasticity", "error")}
    known["cost"] = round(product["price"] * (1 - product["margin"]), 2)
    known |= {"cover": cover, "since": None if age is None else LAST - timedelta(days=age), "guardrails": COOLING}
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


def test_a_raise_a_cut_and_the_words():
    up = advise(units=1000.0, elasticity=-1.3, error=0.1)
    assert (up["status"], up["recommended_price"]) == ("recommend", 2.69)
    assert up["binding_constraint"] == "largest_step"
    assert up["reason"].startswith("Raise from 2.49 to 2.69: about ")
    assert "more profit over 28 days, 99 % likely; sales fall by about 10 %." in up["reason"]
    down = advise(units=1000.0, elasticity=-4.0, error=0.3)
    assert (down["status"], down["recommended_price"]) == ("recommend", 2.29)
    assert down["reason"].startswith("Lower from 2.49 to 2.29: about ")
    assert "sales rise by about 40 %." in down["reason"]


def test_a_price_that_just_changed_is_left_alone_until_the_cool_down_is_over():
    days = COOLING.cool_down_days
    young = advise(units=1000.0, since=LAST - timedelta(days=days - 1), guardrails=COOLING)
    assert (young["status"], young["recommended_price"], young["binding_constraint"]) == ("hold", 2.49, "cool_down")
    assert "wait 1 more day to see what it did to sales" in young["reason"]
    old = advise(units=1000.0, since=LAST - timedelta(days=days), guardrails=COOLING)
    assert (old["status"], old["cool_down_cost"]) == ("recommend", 0.0)
    assert young["cool_down_cost"] * 4 == pytest.approx(young["constraint_cost"])
    never = advise(units=1000.0, points=1, own_weight=0.0, since=LAST, guardrails=COOLING)
    assert never["cool_down_cost"] is None


def test_the_stock_is_held_against_the_forecast_and_not_against_the_past():
    cut = {"units": 280.0, "elasticity": -4.0, "error": 0.3}
    short = advise(**cut, stock=42.0, cover=40.0)
    assert (short["status"], short["binding_constraint"]) == ("hold", "short_stock")
    assert "the stock lasts only about 4 days" in short["reason"]
    assert advise(**cut, stock=70.0, cover=1.0)["status"] == "recommend"
    assert advise(**cut, stock=-3.0)["short_stock_cost"] > 0


def test_a_reduction_is_announced_from_the_lowest_price_of_thirty_days():
    cut = {"units": 1000.0, "elasticity": -4.0, "error": 0.3}
    row = advise(**cut, lowest=2.39)
    assert (row["recommended_price"], row["lowest_price_30d"]) == (2.29, 2.39)
    assert row["announced_reduction_pct"] == pytest.approx(100 * (1 - 2.29 / 2.39))
    assert "may be announced as 4 % off 2.39, the lowest price of the last 30 days." in row["reason"]
    silent = advise(**cut, lowest=2.29)
    assert silent["announced_reduction_pct"] == 0.0
    assert "Do not announce it as a reduction: it is not below 2.29" in silent["reason"]
    assert advise(units=1000.0, lowest=2.0)["announced_reduction_pct"] is None


def test_inelastic_demand_is_marked_as_low_confidence():
    assert "Low confidence" in advise(elasticity=-0.5)["reason"]
    assert "Low confidence" not in advise(elasticity=-1.3)["reason"]


UNSURE = {"elasticity": -1.4, "error": 0.6, "own_weight": 0.2}


@pytest.mark.parametrize(
    ("product", "status", "words"),
    [
        ({"cost": None}, "blocked", "cost is not known"),
        ({"price": None}, "blocked", "was not sold"),
        ({"units": None}, "blocked", "no sales forecast"),
        ({"price": 1.0, "cost": 2.0}, "blocked", "sells below cost (cost 2.00, price 1.00)"),
        ({"units": 0.0}, "hold", "no sales are expected"),
        ({"elasticity": -1.93, "error": 0.05}, "hold", "no other allowed price is expected to earn more"),
        ({"elasticity": -1.6, "error": 0.8}, "hold", "which is not sure enough"),
        ({"price": 1.22}, "hold", "no other price is allowed"),
        ({"elasticity": -4.0, "cover": 4.2}, "hold", "the stock lasts only about 4 days"),
        ({"points": 1, "own_weight": 0.0}, "explore", "its price has never moved"),
        (UNSURE | {"units": 8000.0}, "explore", "say little of how they react"),
        (UNSURE, "hold", "too little is sold here for a test of 12 weeks"),
        ({"elasticity": -1.3, "charged": 0.85}, "hold", "it is still the price with a chance of 85 % only"),
        ({"price": 1.19}, "explore", "its price has never moved"),
    ],
)
def test_every_status_and_its_reason(product, status, words):
    if product.get("price") == 1.22:
        product = product | {"guardrails": Guardrails(5.0, 2.0, (0.99,))}
    if product.get("price") == 1.19:
        product = product | {"points": 1, "own_weight": 0.0}
    row = advise(**product)
    assert row["status"] == status
    assert words in row["reason"]
    assert (row["recommended_price"] is None) == (status == "blocked")
    if status == "hold":
        assert row["recommended_price"] == row["current_price"]
        assert row["expected_profit_uplift_p50"] == 0.0
        assert row["probability_of_gain"] is None
        assert row["expected_units"] == pytest.approx(product.get("units", 100.0))


def test_a_test_is_the_smallest_step_worth_the_name():
    row = advise(points=1, own_weight=0.0, elasticity=-1.2)
    assert row["recommended_price"] == 2.59
    fine = advise(points=1, own_weight=0.0, elasticity=-1.2, guardrails=Guardrails(5.0, 10.0, ()))
    assert fine["recommended_price"] == 2.54


def test_sold_at_a_loss_with_a_way_out_is_raised():
    row = advise(price=2.09, cost=2.1, elasticity=-2.0)
    assert row["status"] == "recommend"
    assert row["recommended_price"] > 2.1
    assert row["probability_of_gain"] == 1.0


def test_products_are_advised_one_by_one_whatever_their_order():
    rng = np.random.default_rng(5)
    count = 300
    price, cost = np.round(rng.uniform(0.5, 30, count), 2), np.round(rng.uniform(0.2, 20, count), 2)
    known = {
        "evidence": evidence_rows(current_price=price.tolist()),
        "response": response_rows(elasticity=rng.uniform(-4, -0.1, count).tolist()),
        "forecast": forecast_rows(rng.uniform(1, 90, count).tolist()),
        "latest": latest_rows(cost.tolist()),
    }
    whole = recommend(**known, listed=listed_rows(), guardrails=GUARDRAILS, store="S", made_on=LAST)
    mixed = {name: rows.take(rng.permutation(len(rows))) for name, rows in known.items()}
    assert recommend(**mixed, listed=listed_rows(), guardrails=GUARDRAILS, store="S", made_on=LAST).equals(whole)
    some = known | {"evidence": known["evidence"].slice(120, 30)}
    assert recommend(**some, listed=listed_rows(), guardrails=GUARDRAILS, store="S", made_on=LAST).equals(
        whole.slice(120, 30)
    )


def test_dear_products_are_priced_in_coarse_steps():
    row = advise(price=15_999.99, cost=8000.0, elasticity=-1.2, units=3.0)
    assert row["status"] == "recommend"
    assert 15_999.99 < row["recommended_price"] <= 17_599.99


def test_nothing_known_gives_an_empty_table_and_a_lacking_response_an_error():
    known = {"forecast": forecast_rows([]), "latest": latest_rows([]), "listed": listed_rows()}
    known |= {"guardrails": GUARDRAILS, "store": "S"}
    none = PRICE_EVIDENCE.arrow_schema().empty_table(), PRICE_RESPONSE.arrow_schema().empty_table()
    table = recommend(evidence=none[0], response=none[1], made_on=LAST, **known)
    assert table.equals(PRICE_RECOMMENDATIONS.arrow_schema().empty_table())
    with pytest.raises(ValueError, match="lacks products"):
        recommend(evidence=evidence_rows(price_points=[2]), response=none[1], made_on=LAST, **known)


@pytest.mark.parametrize(
    ("margin", "step", "endings"), [(100.0, 10.0, ()), (5.0, 0.0, ()), (5.0, 100.0, ()), (5.0, 10.0, (1.0,))]
)
def test_guardrails_that_make_no_sense_are_refused(margin, step, endings):
    with pytest.raises(ValueError, match=r"set it|each must"):
        Guardrails(margin, step, endings)
    with pytest.raises(ValueError, match="set it to 0 or more"):
        Guardrails(5.0, 10.0, (), -1)


def test_little_harm_and_most_of_the_oracle_on_known_truth():
    advised = harmful = 0
    gained = possible = 0.0
    for seed in (11, 12, 13):
        truth = world(products=60, seed=seed)
        parts = [
            price_evidence(
                demand, truth.promotions, NO_STOCK_OUTS, store=f"S{store}", last_day=LAST, history_days=truth.days
            )
            for store, demand in enumerate(truth.demand)
        ]
        priors = price_priors(pa.concat_tables(parts))
        for store, part in enumerate(parts):
            real, current = truth.elasticity[store], part["current_price"].to_numpy()
            units = 28 * truth.base[store] * (current / truth.regular) ** real
            known = {"price": current, "cost": truth.cost, "units": units, "elasticity": real}
            table = recommend(
                evidence=part, response=price_response(part, priors), forecast=forecast_rows(units.tolist()),
                latest=latest_rows(truth.cost.tolist()), listed=listed_rows(), guardrails=GUARDRAILS,
                store=f"S{store}", made_on=LAST,
            )  # fmt: skip
            sure = np.array([status == "recommend" for status in table["status"].to_pylist()])
            price = np.where(sure, table["recommended_price"].to_numpy(), current)
            gain = units * ((price - truth.cost) * (price / current) ** real - (current - truth.cost))
            advised, harmful, gained = advised + sure.sum(), harmful + (gain < 0).sum(), gained + gain.sum()
            possible += oracle(**known)
    assert harmful <= 0.05 * advised
    assert gained >= 0.75 * possible


def oracle(*, price, cost, units, elasticity):
    """Profit that the best allowed prices would gain if the elasticities were known."""
    table = recommend(
        evidence=evidence_rows(current_price=price.tolist()),
        response=response_rows(elasticity=elasticity.tolist(), std_error=[0.0] * len(price)),
        forecast=forecast_rows(units.tolist()), latest=latest_rows(cost.tolist()), listed=listed_rows(),
        guardrails=GUARDRAILS,
        store="S", made_on=LAST,
    )  # fmt: skip
    return float(sum(gain or 0.0 for gain in table["expected_profit_uplift_p50"].to_pylist()))
